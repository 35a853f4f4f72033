"""What a word is, to the index and to a search, and how long that takes."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.history.words import words_of

MARKS = "\u0301\u0316\u0323\u0345\u05b0\u0e38"
"""Of several classes, so that a run of them has to be put in order."""


class WordsTests(SynchronousTestCase):
    def test_the_longest_run_of_marks_takes_little_time(self) -> None:
        for text in ("a" + MARKS * 5000, ("a" + MARKS * 100) * 50):
            began = time.process_time()
            words_of(text)
            # In one piece it takes a quarter of a second for each of the two forms.
            self.assertLess(time.process_time() - began, 0.1)

    @given(st.lists(st.text("aé\u00c5ß" + MARKS, max_size=80), max_size=60))
    def test_pieces_change_nothing(self, words: list[str]) -> None:
        text = " ".join(words)
        apart = " ".join(map(words_of, words)).split()
        self.assertEqual(words_of(text).split(), apart)

"""Finding messages by their words.

The index of words names the messages that may be meant; whether one is, its text tells. Rules: case
and accents do not matter, a word is letters and digits, and `word*` is what begins so. A script
without spaces between words is looked for as it stands.
"""

from __future__ import annotations

import re
from typing import Final

from p2pchat.history.words import UNSPACED, as_indexed, folded

_TOKEN: Final = re.compile(r"[^\W_]+\*?")


class Query:
    """What is looked for, as a person has typed it."""

    def __init__(self, words: str) -> None:
        words = words.strip()
        plain = folded(words)
        tokens = _TOKEN.findall(plain)
        self._as_it_stands = ""
        self.part = ""
        """Stands so in each text that is looked for; empty when nothing is known to."""
        if not tokens or re.search(UNSPACED, plain):
            same = self._as_it_stands = words.casefold()
            if same == words == words.upper():
                # Text without upper and lower case stands so in what is stored.
                self.part = same
            tokens = [one for one in as_indexed(words) if re.match(UNSPACED, one) and one.isalnum()]
        self._whole = {token for token in tokens if not token.endswith("*")}
        self._beginnings = {token[:-1] for token in tokens if token.endswith("*")}
        self._parts = (*self._whole, *self._beginnings)
        self.index_query = " AND ".join(
            [f'"{token}"' for token in self._whole] + [f'"{part}"*' for part in self._beginnings]
        )
        """For the index of words; empty when that is of no use."""

    def matches(self, text: str) -> bool:
        """Whether a text is what is looked for."""
        if self._as_it_stands:
            return self._as_it_stands in text.casefold()
        plain = folded(text)
        for part in self._parts:  # which is most of what there is to do
            if part not in plain:
                return False
        words = set(_TOKEN.findall(plain.replace("*", " ")))
        return self._whole <= words and all(
            any(word.startswith(beginning) for word in words) for beginning in self._beginnings
        )

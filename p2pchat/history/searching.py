"""Finding messages by their words.

    ola mundo        both words, anywhere       "ola mundo"   one after the other
    mun*             what begins so             天気          these characters, one after the other

The index of words names the messages that may be meant; whether one is, its text tells. Rules: what
stands together without a blank is found where it stands so, and that makes a phrase of a script
without blanks. What holds no word at all is looked for as it stands.
"""

from __future__ import annotations

import re
from typing import Final

from p2pchat.history.words import words_of

_MARKS: Final = '"\u201c\u201d\u201e\u00ab\u00bb'
_PIECE: Final = re.compile(rf"[{_MARKS}]([^{_MARKS}]*)[{_MARKS}](\*?)|([^\s{_MARKS}]+)")
"""A quoted phrase, with a star behind it or not; or what stands between blanks."""
_STAR: Final = re.compile(r"\*\W*$")
_MOST_ASKED: Final = 32
"""Words that the index is asked for; the texts tell about the others."""


class Query:
    """What is looked for, as a person has typed it."""

    def __init__(self, words: str) -> None:
        whole: dict[str, None] = {}
        beginnings: dict[str, None] = {}
        self._terms: list[str] = []
        for quoted, star, plain in _PIECE.findall(words):
            found = words_of(quoted or plain)
            if not found:
                continue
            each = found.split()
            if star or _STAR.search(quoted or plain):
                beginnings[each.pop()] = None
                self._terms.append(f" {found}")
            else:
                self._terms.append(f" {found} ")
            whole.update(dict.fromkeys(each))
        self._as_it_stands = "" if self._terms else words.strip().casefold()
        self.part = ""
        """Stands so in each text that is looked for; empty when nothing is known to."""
        if self._as_it_stands == words.strip() == words.strip().upper():
            # Text without upper and lower case stands so in what is stored.
            self.part = self._as_it_stands
        self._parts = (*whole, *beginnings)
        asked = [f'"{word}"' for word in whole] + [f'"{word}"*' for word in beginnings]
        self.index_query = " AND ".join(sorted(asked, key=len)[-_MOST_ASKED:])
        """For the index of words; empty when that is of no use."""

    def matches(self, text: str) -> bool:
        """Whether a text is what is looked for."""
        if self._as_it_stands:
            return self._as_it_stands in text.casefold()
        if text.isascii():
            # Most texts are done here, in a tenth of the time.
            plain = text.lower()
            for part in self._parts:
                if part not in plain:
                    return False
        words = f" {words_of(text)} "
        return all(term in words for term in self._terms)

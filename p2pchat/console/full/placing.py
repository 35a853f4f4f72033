"""Text on whose width terminals disagree, put where it belongs by absolute columns.

    "olá का x"  ->  "olá " | room for का, its column, का, the column behind it | " x"

Rules: what follows such a text stands where we think, whatever the terminal made of it. The room
is the widest that a known terminal takes, and is cleared first, so that nothing of before shows
through where a terminal takes less. A word stays in one piece: nothing is put between its letters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Final
from unicodedata import category

from prompt_toolkit.output.vt100 import Vt100_Output

# Letters of Europe and the Near East, lines, our own signs, kana, Han, Hangul, and the faces that
# have been emoji for longest; of marks, the accents alone. All that is not here is placed, which
# costs some ten bytes.
_AGREED: Final = (
    "\u0020-\u007e\u00a0-\u00ac\u00ae-\u0482\u048a-\u058f\u05d0-\u05ea\u05f0-\u05f4"
    "\u060c\u061b\u061f-\u064a\u0660-\u066f\u0671-\u06d5"
    "\u1e00-\u1fff\u2010-\u2027\u2030-\u205e\u2190-\u2193\u2500-\u259f\u2713\u2717"
    "\u3001-\u3029\u3041-\u3096\u309b-\u30ff\u4e00-\u9fff\uac00-\ud7a3\uff01-\uff60"
    "\U0001f600-\U0001f640"
)
_ACCENTS: Final = "\u0300-\u036f"
_MARKS: Final = frozenset({"Mn", "Mc", "Me", "Cf"})
_DISPUTED: Final = f"[^{_AGREED}]"
# With the character before it, to which a mark may belong, and the accents behind it.
_RUN: Final = rf"(\S?[{_ACCENTS}]*[^\s{_AGREED}](?:\S*[^\s{_AGREED}])?[{_ACCENTS}]*)"
# They take as long as many an import, and a start shows little but ASCII.
_compiled: Final = cache(re.compile)


class Placed(str):
    """Text with its columns, for `PlacingOutput`; made by `placed` alone."""

    __slots__ = ()


class PlacingOutput(Vt100_Output):
    """A terminal that takes `Placed` as it is."""

    def write(self, data: str) -> None:
        """Write text, without what a terminal obeys unless it is `Placed`."""
        if type(data) is Placed:
            self.write_raw(data)
        else:
            super().write(data)


def is_disputed(text: str) -> bool:
    """Whether terminals may disagree on the columns of `text`."""
    return not text.isascii() and _compiled(_DISPUTED).search(text) is not None


def words_of(text: str) -> Iterator[tuple[str, bool]]:
    """`text` in pieces, and of each whether it is to be placed."""
    if not is_disputed(text):
        yield text, False
        return
    for number, piece in enumerate(_compiled(_RUN).split(text)):
        if piece:
            yield piece, bool(number % 2)


def is_mark(character: str) -> bool:
    """Whether it belongs to the character before."""
    return category(character) in _MARKS


def clusters(text: str) -> Iterator[str]:
    """Each character with the marks that belong to it."""
    begin = 0
    for at in range(1, len(text)):
        if not is_mark(text[at]):
            yield text[begin:at]
            begin = at
    if text:
        yield text[begin:]


def placed(text: str, column: int, room: int) -> Placed:
    """`text` in so much `room` (columns) from `column` (0 is the first)."""
    text = text.replace("\x1b", "?")
    return Placed(f"{' ' * room}\x1b[{column + 1}G{text}\x1b[{column + room + 1}G")

"""How much room text takes on a terminal: columns, cutting, wrapping.

Rules: pure functions; text is made `steady` first. What terminals disagree about is left out:
joiners and variation selectors, which turn several characters into one on some of them. Where
they disagree about columns, as for the spacing marks of Hindi, the widest counts; see `placing`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import accumulate
from typing import Final
from unicodedata import category

from prompt_toolkit.utils import get_cwidth

from p2pchat.console.full.placing import is_mark
from p2pchat.wire.text import printable

# Between letters of India joiners say how these are written, and make no fewer cells of them.
_DISPUTED: Final = re.compile("[\u200b\u2060\ufe00-\ufe0f]|\u200d(?![\u0900-\u0dff])")
_WIDE: Final = frozenset(
    "\u302e\u302f\u3164\U00016ff0\U00016ff1" + "".join(map(chr, range(0x3248, 0x3250)))
)
_MOST_REMEMBERED: Final = 20_000


class _WidthTable(dict[str, int]):
    """The columns of a character. Of a full screen with marks 180,000 are asked for."""

    def __missing__(self, character: str) -> int:
        found = max(get_cwidth(character), _most_columns(character))
        if len(self) < _MOST_REMEMBERED:
            self[character] = found
        return found


def _most_columns(character: str) -> int:
    """What tmux and VTE take for some characters to which others give less."""
    if character in _WIDE:
        return 2
    return int(category(character) == "Mc" or character == "\uffa0")


_width_of: Final = _WidthTable().__getitem__


def steady(text: str) -> str:
    """`text` made printable, without the characters whose effect differs between terminals."""
    text = printable(text)
    return text if text.isascii() else _DISPUTED.sub("", text)


def width(text: str) -> int:
    """Columns."""
    return len(text) if text.isascii() else sum(map(_width_of, text))


def fit(text: str, room: int, start: int = 0) -> int:
    """Where `text` must be cut so that what is between `start` and there takes `room` columns."""
    end = start + room
    if text.isascii():
        return min(end, len(text))
    # As far as one mark on each cell goes at a time: what is behind the end costs little.
    used, step = 0, max(64, 2 * room)
    for begin in range(start, len(text), step):
        widths = [*accumulate(map(_width_of, text[begin : begin + step]), initial=used)]
        used = widths[-1]
        if used > room:
            return begin + bisect_right(widths, room) - 1
    return len(text)


def cut(text: str, room: int) -> str:
    """`text`, or its beginning and an ellipsis, in `room` columns (at least one)."""
    if width(text) <= room:
        return text
    return text[: fit(text, room - 1)] + "…" if room > 0 else ""


def padded(text: str, room: int) -> str:
    """`text` cut and filled to exactly `room` columns."""
    text = cut(text, room)
    return text + " " * (room - width(text))


def wrap(text: str, first: int, others: int) -> list[str]:
    """Break `text` into rows of at most `first`, then `others` columns, at spaces if there are any.

    At least one row comes back, and an empty text is one empty row.
    """
    rows: list[str] = []
    start, room = 0, first
    while start < len(text) or not rows:
        end = fit(text, room, start)
        space = text.rfind(" ", start + 1, end + 1) if end < len(text) else -1
        if space > 0:
            end = space
        elif start < len(text):
            while start < end < len(text) and is_mark(text[end]):
                end -= 1
            # A character that is wider than the room must not stop us for good.
            end = max(end, start + 1)
        rows.append(text[start:end])
        start = end + (space > 0)
        room = others
    return rows

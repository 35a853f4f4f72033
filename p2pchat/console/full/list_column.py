"""The list of conversations, left of the messages where there is room for it.

     0 all           │
    >1 bob@CIC       │      > the current one
     2 (ana@CIC)   2!│      parentheses: not connected now
     3 #CIC        14│      unread messages, ! when one is for the person

Rules: drawn anew only when it looks different; a row of it is one piece, as in the pane. No name
moves the line at its right edge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from prompt_toolkit.layout import Dimension
from prompt_toolkit.layout.screen import Screen, WritePosition

from p2pchat.console.full.conversations import Conversations, Unread
from p2pchat.console.full.drawn import Drawn
from p2pchat.console.full.entries import Glyphs, Row
from p2pchat.console.full.pane import Cells, cells_of, pieces_of
from p2pchat.console.full.widths import padded, steady, width
from p2pchat.node.unread import TOGETHER
from p2pchat.speech import N_, _
from p2pchat.wire.names import visible

FROM: Final = 100
"""Columns of a screen from which on there is a list."""
_WIDEST: Final = 30
_PART: Final = 5
_NUMBERED: Final = 9

ALL: Final = N_("all")
"""What all conversations together are called."""


def columns_of(screen: int) -> int:
    """Columns of the list and the line beside it on a screen of so many."""
    return min(_WIDEST, screen // _PART) if screen >= FROM else 0


def list_lines(
    listed: Sequence[Unread],
    current: str,
    here: Sequence[bool],
    room: int,
    called: Callable[[str], str] = str,
) -> list[tuple[str, str]]:
    """Style and text of each conversation, every text of exactly so many columns.

    `here` tells of each whether there is somebody who is connected, `called` what the person calls
    it.
    """
    lines = []
    for number, ((key, messages, urgent), is_here) in enumerate(zip(listed, here, strict=True)):
        name = steady(visible(called(key))) if key else _(ALL)
        if key != TOGETHER and not is_here:
            name = f"({name})"
        count = f" {messages:,}{'!' if urgent else ''}" if messages else ""
        head = f"{'>' if key == current else ' '}{number if number <= _NUMBERED else ' '} "
        style = "class:urgent" if urgent else "class:unread" if messages else ""
        if key == current:
            style = "class:named"
        left = max(1, room - width(head) - width(count))
        lines.append((style, padded(head + padded(name, left) + count, room)))
    return lines


class ListColumn(Drawn):
    """The list at the left edge. `is_here` tells whether a peer is connected."""

    def __init__(
        self,
        conversations: Conversations,
        is_here: Callable[[str], bool],
        glyphs: Glyphs,
        screen_columns: Callable[[], int],
        covered: Callable[[], int],
    ) -> None:
        self._conversations = conversations
        self._is_here = is_here
        self._line = "│" if glyphs.rule == "─" else "|"
        self._screen_columns = screen_columns
        self._covered = covered
        self._drawn: tuple[object, list[Cells]] = None, []

    def draw(self, screen: Screen, place: WritePosition) -> None:
        """Draw the list from the top, the current conversation always in it."""
        if place.width < 2:
            return
        room, height = place.width - 1, place.height
        talks, singly = self._conversations, height - self._covered()
        listed, current = talks.listed(), talks.current.key
        here = [self._is_here(each.key) for each in listed]
        names = [talks.called(each.key) for each in listed]
        key = (listed, names, here, current, room, height, singly)
        if self._drawn[0] != key:
            rows = self._rows(list_lines(listed, current, here, room, talks.called), room, height)
            self._drawn = (
                key,
                [
                    (pieces_of if number < singly else cells_of)(row, room + 1)
                    for number, row in enumerate(rows)
                ],
            )
        for number, cells in enumerate(self._drawn[1]):
            screen.data_buffer[place.ypos + number].update(cells)

    def _rows(self, lines: Sequence[tuple[str, str]], room: int, height: int) -> list[Row]:
        current = next((at for at, (_style, text) in enumerate(lines) if text.startswith(">")), 0)
        start = max(0, min(current - height // 2, len(lines) - height))
        shown: list[tuple[str, str]] = [*lines[start : start + height]]
        shown += [("", " " * room)] * (height - len(shown))
        return [[line, ("class:time", self._line)] for line in shown]

    # ------------------------------------------------------------ what a container must tell

    def preferred_width(self, max_available_width: int) -> Dimension:  # noqa: ARG002
        """A part of the screen."""
        return Dimension.exact(columns_of(self._screen_columns()))

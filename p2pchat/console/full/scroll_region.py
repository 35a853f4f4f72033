"""Rows that moved on the screen are moved by the terminal, and not drawn again.

    a new line below 22 others:  "\\x1b7\\x1b[1;22r"   the rows that may move
                                 "\\x1b[22;1H\\n"      up by one: the first is gone, the last empty
                                 "\\x1b[r\\x1b8"       all rows again, and the cursor where it was

Rules: this only makes the terminal, and what prompt_toolkit remembers of it, change in the same
way. prompt_toolkit compares and draws the rest as ever, so that a move that was of no use is never
seen. Whole rows move: the list left of the messages comes with them, and is drawn where it now
differs. Nothing moves where the menu of completions is, or was, over the messages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple, TypeAlias

from prompt_toolkit.application import Application
from prompt_toolkit.layout.screen import Screen, WritePosition

Lines: TypeAlias = Sequence[object | None]
"""What is on each row, None for nothing; the same object is drawn in the same way."""
_LEAST: Final = 2
"""Rows that need not be drawn, from which on it is worth some thirty bytes."""
_NO_REGION: Final = "\x1b[r"


class _Drawn(NamedTuple):
    screen: Screen
    place: tuple[int, int, int, int]
    lines: Lines


class ScrollRegion:
    """Moves the rows of one part of an application's screen."""

    def __init__(self, app: Application[None]) -> None:
        self._app = app
        self._before: _Drawn | None = None

    def drawn(self, screen: Screen, place: WritePosition, lines: Lines, *, covered: bool) -> None:
        """These `lines` were put on `screen`, at this place; all left of them was, too.

        `covered`: something else may be drawn over some of them. Call it at each drawing, before
        prompt_toolkit compares.
        """
        shown = self._app.renderer.last_rendered_screen
        before, where = self._before, (place.xpos, place.ypos, place.width, place.height)
        self._before = None if covered else _Drawn(screen, where, lines)
        if shown is None:
            # The terminal may have been left in the middle of a move.
            self._write(_NO_REGION)
        elif before is not None and before.screen is shown and before.place == where:
            up = self._moved_up(screen, shown, place, before.lines, lines)
            if up:
                self._move(shown, place, up)

    def _moved_up(
        self, screen: Screen, shown: Screen, place: WritePosition, before: Lines, lines: Lines
    ) -> int:
        """By how many rows most of them moved up (down, if negative); 0 if that is of no use."""
        at = {id(line): number for number, line in enumerate(before) if line is not None}
        moved = Counter(
            at[id(line)] - number for number, line in enumerate(lines) if id(line) in at
        )
        stayed = moved.pop(0, 0)
        if not moved:
            return 0
        up, same = moved.most_common(1)[0]
        if same - stayed < _LEAST:
            return 0
        spoiled = self._spoiled(screen, shown, place, up) if place.xpos else 0
        return up if same - stayed - spoiled >= _LEAST else 0

    @staticmethod
    def _spoiled(screen: Screen, shown: Screen, place: WritePosition, up: int) -> int:
        """How many rows are to be drawn again left of the place, judged by where they begin."""
        rows = range(place.ypos, place.ypos + place.height)
        came, has = screen.data_buffer, shown.data_buffer
        return sum(y + up not in rows or has[y + up].get(0) != came[y].get(0) for y in rows)

    def _move(self, shown: Screen, place: WritePosition, up: int) -> None:
        first, last = place.ypos, place.ypos + place.height - 1
        row, step = (last, "\n") if up > 0 else (first, "\x1bM")
        self._app.output.hide_cursor()
        self._write(f"\x1b[{first + 1};{last + 1}r\x1b[{row + 1};1H{step * abs(up)}{_NO_REGION}")
        rows = shown.data_buffer
        kept = {y: rows.pop(y + up) for y in range(first, last + 1) if first <= y + up <= last}
        for y in range(first, last + 1):
            rows.pop(y, None)
        rows.update(kept)

    def _write(self, sequence: str) -> None:
        """Write what takes the cursor elsewhere, and have the terminal put it back."""
        self._app.output.write_raw(f"\x1b7{sequence}\x1b8")

"""Entries one below the other, and the part of them that is on the screen.

Rules: who reads further up stays where they are, whatever is put in above or below; who is at the
end follows it. What is drawn is what is seen, so that the number of entries costs nothing.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from p2pchat.console.full.entries import Glyphs, PaneEntry, Row, day_row, rule_row


class Scrolled:
    """Some entries, and how far up in them one is. `together`: of more than one conversation."""

    def __init__(self, *, together: bool = False) -> None:
        self._together = together
        self._entries: list[PaneEntry] = []
        self._first = 0
        """The number of the first entry; numbers stay when entries are put in or taken away."""
        self._bottom: tuple[int, int] | None = None
        """The last entry on the screen, and how many of its rows are below it; None for the end."""

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def following(self) -> bool:
        """Whether the end is on the screen."""
        return self._bottom is None

    @property
    def below(self) -> int:
        """Entries below what is on the screen."""
        return 0 if self._bottom is None else self._first + len(self) - 1 - self._bottom[0]

    @property
    def lowest(self) -> PaneEntry | None:
        """The last entry on the screen; None when there is none at all."""
        if not self._entries:
            return None
        return self._entries[-1 if self._bottom is None else self._bottom[0] - self._first]

    @property
    def hidden(self) -> int:
        """Rows of the lowest entry that are below the screen."""
        return 0 if self._bottom is None else self._bottom[1]

    def follow(self) -> None:
        """Back to the end."""
        self._bottom = None

    # ------------------------------------------------------------ drawing

    def visible(self, columns: int, height: int, glyphs: Glyphs) -> list[Row]:
        """The rows to show, at most `height`, the newest last."""
        number, hidden = self._bottom or (self._first + len(self) - 1, 0)
        collected: list[Row] = []
        while number >= self._first and len(collected) < height + hidden:
            collected += reversed(self._rows(number, columns, glyphs))
            number -= 1
        return collected[hidden : hidden + height][::-1]

    def rows_above(self, columns: int, height: int, glyphs: Glyphs, most: int) -> int:
        """How many rows are above the screen; `most` or more once there are so many."""
        number, hidden = self._bottom or (self._first + len(self) - 1, 0)
        found = -hidden - height
        while number >= self._first and found < most:
            found += len(self._rows(number, columns, glyphs))
            number -= 1
        return max(0, found)

    def _rows(self, number: int, columns: int, glyphs: Glyphs) -> list[Row]:
        entry = self._entries[number - self._first]
        rows = entry.rows(columns, self._together, glyphs)
        head: list[Row] = []
        before = self._entries[number - self._first - 1] if number > self._first else None
        if before is None or _day(before.at) != _day(entry.at):
            head.append(day_row(entry.at, columns, glyphs))
        for title, style in self._rules(number, before):
            head.append(rule_row(title, columns, glyphs, style))
        return head + rows

    def _rules(
        self,
        number: int,  # noqa: ARG002
        before: PaneEntry | None,  # noqa: ARG002
    ) -> Sequence[tuple[str, str]]:
        """The lines above an entry: their titles and styles."""
        return ()

    # ------------------------------------------------------------ scrolling

    def scroll(self, rows: int, columns: int, height: int, glyphs: Glyphs) -> None:
        """Move up by so many rows (down, if negative), as far as there are any."""
        if not self._entries:
            return
        last = self._first + len(self) - 1
        number, hidden = self._bottom or (last, 0)
        hidden += rows
        while hidden < 0 and number < last:
            number += 1
            hidden += len(self._rows(number, columns, glyphs))
        while number > self._first and hidden >= (
            count := len(self._rows(number, columns, glyphs))
        ):
            hidden -= count
            number -= 1
        if number == self._first:
            hidden = min(hidden, len(self._rows(number, columns, glyphs)) - 1)
        self._bottom = (number, max(0, hidden))
        if rows > 0:
            self._not_above_the_top(columns, height, glyphs)
        if number == last and hidden <= 0:
            self._bottom = None

    def _not_above_the_top(self, columns: int, height: int, glyphs: Glyphs) -> None:
        """The screen stays full: the oldest row is never below its first line."""
        missing = height - len(self.visible(columns, height, glyphs))
        if missing > 0:
            self.scroll(-missing, columns, height, glyphs)


def _day(at: float) -> tuple[int, int]:
    moment = time.localtime(at)
    return moment.tm_year, moment.tm_yday

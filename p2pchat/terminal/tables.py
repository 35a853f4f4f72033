"""Tables that fit a terminal, whatever its width: columns are aligned, the widest give way first.

Rules: pure; cells are made printable here. A table is drawn for a width as often as it is shown,
so that it fits again after the window was resized.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from p2pchat.terminal.widths import cut, padded, steady, width
from p2pchat.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

_GAP: Final = "  "
_LEAST: Final = 4


class Table(Struct, frozen=True):
    """Column titles, and rows with a cell for each."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def lines(self, room: int) -> list[str]:
        """The title line and a line for each row, each of at most `room` columns."""
        table = [[steady(printable(cell)) for cell in row] for row in (self.head, *self.rows)]
        widths = _shrunk(
            [max(map(width, column)) for column in zip(*table, strict=True)],
            room - len(_GAP) * (len(self.head) - 1),
        )
        return [
            cut(
                _GAP.join(
                    padded(cell, columns) for cell, columns in zip(row, widths, strict=True)
                ).rstrip(),
                room,
            )
            for row in table
        ]


def _shrunk(widths: list[int], room: int) -> list[int]:
    """Take from the widest column until all fit, or all are narrow."""
    while sum(widths) > room and max(widths) > _LEAST:
        widths[widths.index(max(widths))] -= 1
    return widths

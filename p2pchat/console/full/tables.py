"""Tables that fit a terminal, whatever its width: columns are aligned, the widest give way first.

Rules: pure. A table is drawn for a width as often as it is shown, so that it fits again after the
window was resized.
"""

from __future__ import annotations

from typing import Final

from p2pchat.console.full.widths import cut, padded, steady, width
from p2pchat.console.replies import Table

_GAP: Final = "  "
_LEAST: Final = 4


def fitted(table: Table, room: int) -> list[str]:
    """The titles and a line for each row, each of at most `room` columns."""
    cells = [[*map(steady, row)] for row in (table.head, *table.rows)]
    widths = [max(map(width, column)) for column in zip(*cells, strict=True)]
    _shrink(widths, room - len(_GAP) * (len(widths) - 1))
    lines = [
        _GAP.join(padded(cell, columns) for cell, columns in zip(row, widths, strict=True))
        for row in cells
    ]
    return [cut(line.rstrip(), room) for line in lines]


def _shrink(widths: list[int], room: int) -> None:
    """Take from the widest column until all fit, or all are narrow."""
    while sum(widths) > room and max(widths) > _LEAST:
        widths[widths.index(max(widths))] -= 1

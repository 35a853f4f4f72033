"""What a command answers: lines and tables for a person, and whether it was done.

Rules: every line is made printable here, whoever its text is from. The columns of a table are
aligned by what a character takes on a terminal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from msgspec import Struct
from twisted.internet.defer import Deferred

from p2pchat.speech import Spoken, spoken
from p2pchat.wire.names import cells
from p2pchat.wire.text import printable


class Table(Struct, frozen=True):
    """Titles of columns, and rows of printable cells; `empty` is what to say without any."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    empty: str = ""
    spare: int = 0
    """So many of the last columns are left out where there is no room for them."""

    def lines(self) -> list[str]:
        """The table as wide as it needs to be, the titles first."""
        return _aligned(self.head, self.rows) if self.rows else [self.empty]


class Reply(Struct):
    """What became of a line."""

    lines: Sequence[str] = ()
    """Printable lines for the person."""
    table: Table | None = None
    """The table that the last of these lines are, for who can draw it better."""
    ok: bool = True
    """Whether it was done; False for wrong use, and for a message that some peer will not get."""
    leave: bool = False
    """Whether the person wants to leave."""


Answer: TypeAlias = "Reply | Deferred[Reply]"


def said(*lines: Spoken) -> Reply:
    """It was done, and this is what there is to say of it."""
    return Reply(_shown(lines))


def tabled(table: Table, *lines: Spoken) -> Reply:
    """It was done, and the answer is a table below these lines."""
    return Reply([*_shown(lines), *table.lines()], table=table if table.rows else None)


def wrong(*lines: Spoken) -> Reply:
    """It was not done, for this reason; an error is one."""
    return Reply(_shown(lines), ok=False)


def _shown(lines: Sequence[Spoken]) -> list[str]:
    return [printable(spoken(line)) for line in lines]


def _aligned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    table = [head, *rows]
    widths = [max(map(cells, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(
            cell + " " * (width - cells(cell)) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in table
    ]

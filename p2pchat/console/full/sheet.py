"""A screen of lines over the messages, which is left again: /help, /list, what /search has found.

    ── Help ── Esc leaves, Up and Down scroll ─────────
      /to bob@CIC      talk to bob

Rules: what is typed goes to the line below as always. Where a line can be chosen, one is marked by
`>` and reversed. A line keeps to its width, whatever name or text is in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from p2pchat.console.full.entries import Glyphs, Row, rule_row
from p2pchat.console.full.widths import cut, steady, width, wrap
from p2pchat.speech import _

_LEAST: Final = 8
_BESIDE: Final = 60
"""Columns from which on a text stands beside its head, and not below it."""


class SheetLine(Struct, frozen=True):
    """One line: what stands left in a column, and what it says."""

    text: str
    head: str = ""
    style: str = "class:answer"


class Sheet:
    """Lines below a title. With `choose` one of them can be chosen: it is called with its number.

    `at` is the line that is marked first. What cannot be chosen is wrapped, what can be is cut.
    """

    def __init__(
        self,
        title: str,
        lines: Sequence[SheetLine],
        *,
        choose: Callable[[int], None] | None = None,
        at: int = 0,
    ) -> None:
        self._title = title
        self._lines = lines
        self.choose = choose
        self.at = at
        """The line that is marked, or the first one on the screen."""
        self.on_leave: Callable[[], None] = lambda: None
        """Is called when it was left without a choice."""
        self._height = 1
        self._drawn: tuple[object, list[Row]] = None, []

    def move(self, rows: int) -> None:
        """Down by so many lines; up, if negative."""
        last = len(self._lines) - 1
        if self.choose is None:
            last = max(0, len(self._drawn[1]) - self._height)
        self.at = max(0, min(last, self.at + rows))

    @property
    def page(self) -> int:
        """Lines of a page."""
        return max(1, self._height - 1)

    def visible(self, columns: int, height: int, glyphs: Glyphs) -> list[Row]:
        """As many rows as there is room for, the title first."""
        self._height = max(1, height - 1)
        ways = _("Enter opens, Esc leaves") if self.choose else _("Esc leaves")
        title = rule_row(f"{self._title} ({ways})", columns, glyphs, "class:day")
        rows = self._rows(columns)
        start = self.at
        if self.choose is not None:
            start = max(0, min(self.at - self._height // 2, len(rows) - self._height))
            if rows:
                rows = [*rows]
                rows[self.at] = [
                    (
                        "class:chosen",
                        "".join(text for _style, text in rows[self.at]).replace(" ", ">", 1),
                    )
                ]
        shown = rows[start : start + self._height]
        return [title, *shown, *([[("", "")]] * (self._height - len(shown)))][:height]

    def _rows(self, columns: int) -> list[Row]:
        if self._drawn[0] != columns:
            widest = max((width(steady(line.head)) for line in self._lines), default=0)
            column = min(widest, max(_LEAST, columns // 2))
            rows = [
                row
                for line in self._lines
                for row in _rows_of(line, column, columns, whole=self.choose is None)
            ]
            self._drawn = columns, rows
        return self._drawn[1]


def _rows_of(line: SheetLine, column: int, columns: int, *, whole: bool) -> list[Row]:
    """One line, wrapped beside its head if it is to be seen `whole`."""
    head, text = steady(line.head), steady(line.text)
    if not whole:
        shown = f" {cut(head, column)}{'  ' if head else ''}{text}"
        return [[(line.style, cut(shown, columns))]]
    room = columns - column - 3
    if not head:
        return [[(line.style, " " + each)] for each in wrap(text, columns - 1, columns - 1)]
    if width(head) > column or columns < _BESIDE:
        heads = wrap(head, columns - 1, columns - 1)
        indent = min(4, columns // 4)
        rest = wrap(text, columns - indent, columns - indent)
        return [
            *([("class:named", " " + each)] for each in heads),
            *([(line.style, " " * indent + each)] for each in rest),
        ]
    first, *others = wrap(text, room, room)
    filled = " " + head + " " * (column - width(head) + 2)
    return [
        [("class:named", filled), (line.style, first)],
        *([(line.style, " " * (column + 3) + each)] for each in others),
    ]

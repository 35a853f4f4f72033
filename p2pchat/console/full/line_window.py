"""The line being typed, on the few rows that there are for it.

    bob@CIC> olá, tudo bem?     the prompt stands before the first row; what is too long for a row,
    e uma segunda linha_        or stands behind Alt-Enter, goes on below; four rows are seen

Rules: where the rows begin is computed once for a text, and only rows that are seen are drawn: in a
paste of 32,000 characters a key costs little more than in a word. Characters on whose width
terminals disagree are placed by their columns. When the line was emptied, and while it holds such
characters, its rows are drawn anew: whatever the terminal made of them goes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.data_structures import Point
from prompt_toolkit.document import Document
from prompt_toolkit.layout import BufferControl, Dimension, Window
from prompt_toolkit.layout.mouse_handlers import MouseHandlers
from prompt_toolkit.layout.screen import Char, Screen, WritePosition

from p2pchat.console.full.pane import cells_of, put
from p2pchat.console.full.placing import clusters, is_disputed, is_mark, placed
from p2pchat.console.full.widths import fit, width
from p2pchat.wire.text import marks_in_cells, printable

ROWS: Final = 4
"""Rows at most."""
_TAB: Final = " " * 4
_EMOJI: Final = "\ufe0f"
_STALE: Final = Char("\x00", "")
"""Like nothing that is drawn: where it stands is drawn anew."""


class _Unit(NamedTuple):
    """What is drawn for some characters of a text, the first of which is `at` this place."""

    at: int
    text: str
    columns: int
    disputed: bool


class Rows:
    """A text on rows of so many `columns`, of which the prompt takes `head` in the first."""

    def __init__(self, text: str, columns: int, head: int) -> None:
        self.text = marks_in_cells(text)
        self.disputed = is_disputed(text)
        self.starts = [0]
        """Where in the text each row begins."""
        at, used = 0, head
        for line in self.text.split("\n"):
            if at:
                self.starts.append(at)
                used = 0
            used = self._break(at, line, columns, used)
            at += len(line) + 1
        if used >= columns:
            # The cursor needs a place.
            self.starts.append(len(text))

    def _break(self, at: int, line: str, columns: int, used: int) -> int:
        """Where the further rows of a line begin; returns the columns of the last one."""
        if line.isascii() and line.isprintable():
            first = at + columns - used
            self.starts += range(first, at + len(line), columns)
            taken = used + len(line)
            return taken if taken <= columns else (taken - 1) % columns + 1
        if line.isprintable() and _EMOJI not in line:
            return self._break_printable(at, line, columns, used)
        for unit in units_of(line):
            # Marks alone take no columns, and yet there is something on the row.
            has_some = used or at + unit.at > self.starts[-1]
            if has_some and used + unit.columns > columns:
                self.starts.append(at + unit.at)
                used = 0
            used += unit.columns
        return used

    def _break_printable(self, at: int, line: str, columns: int, used: int) -> int:
        """The same in a tenth of the time."""
        start = 0
        while (end := fit(line, columns - used, start)) < len(line):
            while end > start and is_mark(line[end]):
                end -= 1
            # A character that is wider than the room must not stop us for good.
            start = end if end > start or used else end + 1
            self.starts.append(at + start)
            used = 0
        return used + width(line[start:])

    def row_of(self, place: int) -> int:
        """The row on which a place of the text is."""
        return bisect_right(self.starts, place) - 1

    def units(self, row: int) -> Iterator[_Unit]:
        """What is drawn on a row."""
        end = self.starts[row + 1] if row + 1 < len(self.starts) else len(self.text)
        return units_of(self.text[self.starts[row] : end].rstrip("\n"))

    def column_of(self, place: int, row: int) -> int:
        """The column of a place of the text on its row, without the prompt."""
        place -= self.starts[row]
        return sum(unit.columns for unit in self.units(row) if unit.at < place)


def units_of(line: str) -> Iterator[_Unit]:
    """Each character with its marks, and those that cannot be seen as what stands for them."""
    at = 0
    for cluster in line if line.isascii() else clusters(line):
        text = _TAB if cluster == "\t" else printable(cluster)
        columns = width(text)
        if columns == 1 and _EMOJI in text:
            # Some terminals make an emoji of two columns of it.
            columns = 2
        yield _Unit(at, text, columns, is_disputed(text))
        at += len(cluster)


class LineWindow(Window):
    """Shows `line`; `control` has the focus, and `prompt` gives a style and a text.

    `found` gives what a search shows instead, `on_screen` what was drawn last.
    """

    def __init__(
        self,
        line: Buffer,
        control: BufferControl,
        *,
        prompt: Callable[[], tuple[str, str]],
        found: Callable[[], Document | None],
        on_screen: Callable[[], Screen | None],
    ) -> None:
        super().__init__(control, dont_extend_height=True)
        self._line = line
        self._prompt = prompt
        self._found = found
        self._on_screen = on_screen
        self._kept: tuple[tuple[str, int, int], Rows] | None = None
        self._top = 0
        self._began_at = 0
        self._was_disputed = self._was_empty = True

    def _rows(self, text: str, columns: int) -> Rows:
        key = (text, columns, width(self._prompt()[1]))
        if self._kept is None or self._kept[0] != key:
            self._kept = (key, Rows(*key))
        return self._kept[1]

    def preferred_height(self, width: int, max_available_height: int) -> Dimension:
        """As many rows as there are, up to a few."""
        rows = len(self._rows(self._document.text, max(2, width)).starts)
        shown = max(1, min(rows, ROWS, max_available_height))
        return Dimension(min=1, max=shown, preferred=shown)

    @property
    def _document(self) -> Document:
        return self._found() or self._line.document

    def write_to_screen(
        self,
        screen: Screen,
        mouse_handlers: MouseHandlers,  # noqa: ARG002
        write_position: WritePosition,
        parent_style: str,  # noqa: ARG002
        erase_bg: bool,  # noqa: ARG002
        z_index: int | None,  # noqa: ARG002
    ) -> None:
        """Draw the rows around the cursor."""
        self._line.load_history_if_not_yet_loaded()
        document, began = self._document, write_position.ypos
        columns, height = max(2, write_position.width), max(1, write_position.height)
        rows = self._rows(document.text, columns)
        current = rows.row_of(document.cursor_position)
        last = max(0, len(rows.starts) - height)
        self._top = max(current - height + 1, min(self._top, current, last))
        for row in range(self._top, min(self._top + height, len(rows.starts))):
            self._draw(screen, began + row - self._top, rows, row, columns)
        cursor = self._point(rows, document.cursor_position, columns)
        screen.set_cursor_position(self, Point(cursor.x, cursor.y + began))
        menu = self._point(rows, self._completed_from(document), columns)
        screen.set_menu_position(self, Point(menu.x, max(0, menu.y) + began))
        screen.show_cursor = True
        screen.visible_windows_to_write_positions[self] = write_position
        screen.height = max(screen.height, began + height)
        empty = not document.text
        if rows.disputed or self._was_disputed or (empty and not self._was_empty):
            self._draw_anew(range(min(began, self._began_at), began + height), columns)
        self._was_disputed, self._was_empty, self._began_at = rows.disputed, empty, began

    def _point(self, rows: Rows, place: int, columns: int) -> Point:
        """Column and row in this window of a place in the text."""
        row = rows.row_of(place)
        head = width(self._prompt()[1]) if row == 0 else 0
        return Point(min(head + rows.column_of(place, row), columns - 1), row - self._top)

    def _completed_from(self, document: Document) -> int:
        """Where the menu stands, which does not move with what is chosen from it."""
        state = self._line.complete_state
        place = document.cursor_position
        return place if state is None else min(place, state.original_document.cursor_position)

    def _draw_anew(self, lines: range, columns: int) -> None:
        screen = self._on_screen()
        if screen is not None:
            for line in lines:
                screen.data_buffer[line].update(dict.fromkeys(range(columns), _STALE))

    def _draw(self, screen: Screen, line: int, rows: Rows, row: int, columns: int) -> None:
        cells = screen.data_buffer[line]
        column = 0
        if row == 0:
            prompt = self._prompt()
            cells.update(cells_of([prompt], columns))
            column = width(prompt[1])
        for unit in rows.units(row):
            if unit.columns:
                text = placed(unit.text, column, unit.columns) if unit.disputed else unit.text
                put(cells, column, text, "", unit.columns)
                column += unit.columns

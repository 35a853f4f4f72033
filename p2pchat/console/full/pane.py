"""The messages on the screen.

Rules: drawing is what the screen costs, and most rows are those of the last drawing: what they
became is kept as long as they are seen. A prompt_toolkit `Window` would turn every character into a
cell anew each time, and its renderer looks at, and writes, cell after cell: 20,000 of them on a
terminal of 400 columns. So a piece of text in one style is one character to it, as wide as the
text. Only where the menu of completions may lie above the pane, cells are cells. On whose width
terminals disagree is placed by its column.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from prompt_toolkit.layout.screen import Char, Screen, WritePosition

from p2pchat.console.full.conversations import Conversations
from p2pchat.console.full.drawn import Drawn
from p2pchat.console.full.entries import Glyphs, Row
from p2pchat.console.full.placing import clusters, placed, words_of
from p2pchat.console.full.scroll_region import ScrollRegion
from p2pchat.console.full.sheet import Sheet
from p2pchat.console.full.widths import fit, width

Cells: TypeAlias = "dict[int, Char]"
"""The characters of one row, by their column."""
_MOST_REMEMBERED: Final = 20_000


class _CharTable(dict[tuple[str, str], Char]):
    """A character in a style, made once: a large screen has tens of thousands of them."""

    def __missing__(self, key: tuple[str, str]) -> Char:
        if len(self) >= _MOST_REMEMBERED:
            self.clear()
        made = self[key] = Char(*key)
        return made


_chars: Final = _CharTable()
_COVERED: Final = Char("", "")


class MessagePane(Drawn):
    """Shows the end of the current conversation, or the part of it that was scrolled to.

    `covered` tells how many rows at the end something else may be drawn on, in part.
    """

    def __init__(
        self,
        conversations: Conversations,
        glyphs: Glyphs,
        covered: Callable[[], int] = lambda: 0,
    ) -> None:
        self._conversations = conversations
        self._covered = covered
        self.region: ScrollRegion | None = None
        """What has the terminal move rows; None: they are drawn again."""
        self._glyphs = glyphs
        # The row is kept with its cells, so that nothing else can come to have its id.
        self._drawn: dict[tuple[int, bool], tuple[Row, Cells]] = {}
        self._columns, self._height, self._left = 80, 20, 0
        self.sheet: Sheet | None = None
        """What is shown in place of the messages."""
        self.on_scroll: Callable[[int], None] = self._scroll

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows, as they were drawn last."""
        return self._columns, self._height

    def scroll(self, pages: float) -> None:
        """Up by so many pages; down, if negative."""
        rows = max(1, int(abs(pages) * (self._height - 1)))
        self.roll(rows if pages > 0 else -rows)

    def roll(self, rows: int) -> None:
        """Up by so many rows; down, if negative."""
        if self.sheet is not None:
            self.sheet.move(-rows)
        else:
            self.on_scroll(rows)

    def _scroll(self, rows: int) -> None:
        self._conversations.current.view.scroll(rows, *self.size, self._glyphs)

    def draw(self, screen: Screen, place: WritePosition) -> None:
        """Draw the rows, at the bottom of the room there is."""
        self._columns, self._height = max(8, place.width), max(1, place.height)
        shown = self.sheet or self._conversations.current.view
        rows = shown.visible(self._columns, self._height, self._glyphs)
        left = place.xpos
        before = self._drawn if left == self._left else {}
        self._drawn, self._left = {}, left
        line = place.ypos + place.height - len(rows)
        covered = self._covered()
        singly = len(rows) - covered
        for number, row in enumerate(rows):
            key = id(row), number >= singly
            kept = before.get(key)
            if kept is None:
                make = cells_of if number >= singly else pieces_of
                kept = row, make(row, place.width, left)
            self._drawn[key] = kept
            screen.data_buffer[line].update(kept[1])
            line += 1
        if self.region is not None:
            lines = [None] * (place.height - len(rows)) + rows
            self.region.drawn(screen, place, lines, covered=covered > 0)


def pieces_of(row: Row, columns: int, left: int = 0) -> Cells:
    """Each text of a row as one character as wide as it is, as far as they fit.

    `columns` are those between `left`, where the row begins, and its end.
    """
    cells: Cells = {}
    column, columns = left, left + columns
    for style, whole in row:
        for text, disputed in words_of(whole):
            taken = width(text)
            if taken > columns - column:
                text = text[: fit(text, columns - column)]
                taken = width(text)
            if taken:
                if disputed:
                    text = placed(text, column, taken)
                put(cells, column, text, style, taken)
                column += taken
    return cells


def put(cells: Cells, column: int, text: str, style: str, taken: int) -> None:
    """A text of so many columns as one character."""
    # What is not covered would be left there when less is drawn the next time.
    cells.update(dict.fromkeys(range(column + 1, column + taken), _COVERED))
    piece = cells[column] = Char("", style)
    piece.char, piece.width = text, taken  # as it would find out in twice the time


def cells_of(row: Row, columns: int, left: int = 0) -> Cells:
    """The cells of a row, as far as they fit; as in `pieces_of`."""
    cells: Cells = {}
    column = last = left
    columns += left
    for style, whole in row:
        for text, disputed in words_of(whole):
            for character in clusters(text) if disputed else text:
                taken = width(character) if disputed else _chars[character, style].width
                if taken == 0 and disputed:
                    continue  # a mark without a letter
                if taken == 0 and column > left:
                    # An accent of its own: it belongs to the character before.
                    before = cells[last]
                    cells[last] = _chars[before.char + character, before.style]
                    continue
                if column + taken > columns:
                    return cells
                last = column
                if disputed:
                    put(cells, column, placed(character, column, taken), style, taken)
                else:
                    cells[column] = _chars[character, style]
                    for covered in range(column + 1, column + taken):
                        cells[covered] = _COVERED
                column += max(1, taken)
    return cells

"""One row of the screen, drawn in pieces as the messages are, so that no name moves what is behind.

prompt_toolkit's own window writes cell after cell, and would trust its own idea of how wide each
character of a name is.
"""

from __future__ import annotations

from collections.abc import Callable

from prompt_toolkit.layout import Dimension
from prompt_toolkit.layout.screen import Screen, WritePosition

from p2pchat.console.full.drawn import Drawn
from p2pchat.console.full.entries import Row
from p2pchat.console.full.pane import Cells, cells_of, pieces_of


class RowWindow(Drawn):
    """Shows what `make` gives for so many columns.

    `covered` tells in how many rows something else may be drawn on it: then cells are cells.
    """

    def __init__(self, make: Callable[[int], Row], covered: Callable[[], int]) -> None:
        self._make = make
        self._covered = covered
        self._drawn: tuple[object, Cells] = None, {}

    def draw(self, screen: Screen, place: WritePosition) -> None:
        """Draw the row."""
        row = self._make(place.width)
        make = cells_of if self._covered() else pieces_of
        key = row, make, place.xpos, place.width
        if self._drawn[0] != key:
            self._drawn = key, make(row, place.width, place.xpos)
        screen.data_buffer[place.ypos].update(self._drawn[1])

    def preferred_height(self, width: int, max_available_height: int) -> Dimension:  # noqa: ARG002
        """One row."""
        return Dimension.exact(1)

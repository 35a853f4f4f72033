"""One row of the screen, drawn in pieces as the messages are, so that no name moves what is behind.

prompt_toolkit's own window writes cell after cell, and would trust its own idea of how wide each
character of a name is.
"""

from __future__ import annotations

from collections.abc import Callable

from prompt_toolkit.layout import Container, Dimension
from prompt_toolkit.layout.mouse_handlers import MouseHandlers
from prompt_toolkit.layout.screen import Screen, WritePosition

from p2pchat.console.full.entries import Row
from p2pchat.console.full.pane import Cells, cells_of, pieces_of


class RowWindow(Container):
    """Shows what `make` gives for so many columns.

    `covered` tells in how many rows something else may be drawn on it: then cells are cells.
    """

    def __init__(self, make: Callable[[int], Row], covered: Callable[[], int]) -> None:
        self._make = make
        self._covered = covered
        self._drawn: tuple[object, Cells] = None, {}

    def write_to_screen(
        self,
        screen: Screen,
        mouse_handlers: MouseHandlers,  # noqa: ARG002
        write_position: WritePosition,
        parent_style: str,  # noqa: ARG002
        erase_bg: bool,  # noqa: ARG002
        z_index: int | None,  # noqa: ARG002
    ) -> None:
        """Draw the row."""
        row = self._make(write_position.width)
        make = cells_of if self._covered() else pieces_of
        key = row, make, write_position.xpos, write_position.width
        if self._drawn[0] != key:
            self._drawn = key, make(row, write_position.width, write_position.xpos)
        screen.data_buffer[write_position.ypos].update(self._drawn[1])

    def reset(self) -> None:
        """Nothing is kept that could be wrong."""

    def preferred_width(self, max_available_width: int) -> Dimension:
        """All there is."""
        return Dimension(preferred=max_available_width)

    def preferred_height(self, width: int, max_available_height: int) -> Dimension:  # noqa: ARG002
        """One row."""
        return Dimension.exact(1)

    def get_children(self) -> list[Container]:
        """None."""
        return []

"""A part of the screen that draws itself, row by row, and has no parts of its own."""

from __future__ import annotations

from abc import abstractmethod

from prompt_toolkit.layout import Container, Dimension
from prompt_toolkit.layout.mouse_handlers import MouseHandlers
from prompt_toolkit.layout.screen import Screen, WritePosition


class Drawn(Container):
    """What prompt_toolkit asks of a container; who derives from it says how it is drawn."""

    @abstractmethod
    def draw(self, screen: Screen, place: WritePosition) -> None:
        """Put what is shown into the cells of this place."""

    def write_to_screen(
        self,
        screen: Screen,
        mouse_handlers: MouseHandlers,  # noqa: ARG002
        write_position: WritePosition,
        parent_style: str,  # noqa: ARG002
        erase_bg: bool,  # noqa: ARG002
        z_index: int | None,  # noqa: ARG002
    ) -> None:
        """Draw it."""
        self.draw(screen, write_position)

    def reset(self) -> None:
        """Nothing is kept that could be wrong."""

    def preferred_width(self, max_available_width: int) -> Dimension:
        """All there is."""
        return Dimension(preferred=max_available_width)

    def preferred_height(self, width: int, max_available_height: int) -> Dimension:  # noqa: ARG002
        """What the others leave, but a row."""
        return Dimension(min=1)

    def get_children(self) -> list[Container]:
        """None."""
        return []

"""The full screen: messages above, the bar, and the line being typed below.

    12:34 [bob@CIC] oi                       the pane: what `Conversations` has, newest last
    12:35 [alice@CIC] olá ✓
     alice@CIC  registered  1/1 links  bob@CIC          the bar
    bob@CIC> tudo bem?_                      the line; it grows to a few rows

Rules: this module builds and draws; what keys do is `keys`, what is said is `Talk`. The line being
typed is prompt_toolkit's alone: nothing that comes in can touch it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import Completer
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import History
from prompt_toolkit.input import Input
from prompt_toolkit.layout import (
    AnyContainer,
    BufferControl,
    ConditionalContainer,
    Dimension,
    Float,
    FloatContainer,
    FormattedTextControl,
    HSplit,
    Layout,
    Window,
)
from prompt_toolkit.layout.menus import CompletionsMenu
from prompt_toolkit.layout.processors import (
    BeforeInput,
    Processor,
    Transformation,
    TransformationInput,
)
from prompt_toolkit.output import Output
from prompt_toolkit.widgets import SearchToolbar

from p2pchat.console.full.bar import BarState, bar_row
from p2pchat.console.full.colours import STYLE, colour_depth
from p2pchat.console.full.conversations import Conversations
from p2pchat.console.full.entries import Glyphs
from p2pchat.console.full.pane import MessagePane
from p2pchat.console.full.widths import cut, steady
from p2pchat.wire.names import visible
from p2pchat.wire.text import marks_in_cells

_INPUT_ROWS: Final = 4
_MENU_ROWS: Final = 6


class _MarksInCells(Processor):
    """What was pasted may have thousands of marks on one letter, which take seconds to draw."""

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        """The same line with a bounded number of marks on each cell."""
        drawn: StyleAndTextTuples = [
            (style, marks_in_cells(text)) for style, text, *_ in transformation_input.fragments
        ]
        return Transformation(drawn)


class ChatScreen:
    """The application, its pane and its line. `state` tells what the bar shows.

    Run `app.run_async` on an asyncio loop; `question` is a row above the bar, empty for none.
    """

    def __init__(
        self,
        conversations: Conversations,
        *,
        state: Callable[[], BarState],
        glyphs: Glyphs,
        completer: Completer,
        history: History,
        screen_input: Input,
        output: Output,
    ) -> None:
        self._conversations = conversations
        self._state = state
        self.question = ""
        self.pane = MessagePane(conversations, glyphs, self._covered)
        self.line = Buffer(
            completer=completer,
            history=history,
            multiline=False,
            complete_while_typing=False,
            enable_history_search=False,
        )
        search = SearchToolbar()
        control = BufferControl(
            self.line,
            input_processors=[_MarksInCells(), BeforeInput(self._prompt, style="class:prompt")],
            search_buffer_control=search.control,
            preview_search=True,
        )
        line_window = Window(
            control,
            height=Dimension(min=1, max=_INPUT_ROWS),
            wrap_lines=True,
            dont_extend_height=True,
        )
        rows: list[AnyContainer] = [
            self.pane,
            ConditionalContainer(
                Window(FormattedTextControl(self._question), height=1, style="class:question"),
                Condition(lambda: bool(self.question)),
            ),
            Window(FormattedTextControl(self._bar), height=1, style="class:bar"),
            search,
            line_window,
        ]
        menu = Float(CompletionsMenu(max_height=_MENU_ROWS), xcursor=True, ycursor=True)
        self.app: Application[None] = Application(
            Layout(FloatContainer(HSplit(rows), [menu]), focused_element=line_window),
            style=STYLE,
            color_depth=colour_depth(),
            full_screen=True,
            erase_when_done=True,
            input=screen_input,
            output=output,
            mouse_support=False,
            max_render_postpone_time=None,
        )
        # Many terminals show a lone Escape late; nothing here needs it to come at once.
        self.app.ttimeoutlen = 0.1

    def draw(self) -> None:
        """Draw what has changed, soon."""
        self.app.invalidate()

    def draw_all(self) -> None:
        """Draw everything: the terminal does not show what we think."""
        self.app.renderer.clear()
        self.app.invalidate()

    def _covered(self) -> int:
        """Rows above the bar that the menu may take."""
        return _MENU_ROWS if self.line.complete_state is not None else 0

    def _columns(self) -> int:
        return self.app.output.get_size().columns

    def _prompt(self) -> StyleAndTextTuples:
        key = steady(visible(self._conversations.called(self._conversations.current.key)))
        return [("class:prompt", cut(key, max(8, self._columns() // 3)) + "> ")]

    def _bar(self) -> StyleAndTextTuples:
        row: StyleAndTextTuples = [*bar_row(self._state(), self._columns())]
        return row

    def _question(self) -> StyleAndTextTuples:
        return [("", cut(steady(self.question), self._columns()))]

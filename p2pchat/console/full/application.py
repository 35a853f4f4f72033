"""The full screen: messages above, the bar, and the line being typed below.

    12:34 [bob@CIC] oi                       the pane: what `Conversations` has, newest last
    12:35 [alice@CIC] olá ✓                  left of it, on a wide screen, their list
     alice@CIC  registered  1 of 1 peer connected  [bob@CIC]          the bar
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
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import History
from prompt_toolkit.input import Input
from prompt_toolkit.layout import (
    AnyContainer,
    BufferControl,
    ConditionalContainer,
    Float,
    FloatContainer,
    FormattedTextControl,
    HSplit,
    Layout,
    VSplit,
    Window,
)
from prompt_toolkit.layout.menus import CompletionsMenu
from prompt_toolkit.output import Output
from prompt_toolkit.search import SearchState
from prompt_toolkit.widgets import SearchToolbar

from p2pchat.console.full.bar import BarState, bar_row
from p2pchat.console.full.colours import STYLE, colour_depth
from p2pchat.console.full.conversations import Conversations
from p2pchat.console.full.entries import Glyphs, Row
from p2pchat.console.full.line_window import LineWindow
from p2pchat.console.full.list_column import ListColumn, columns_of
from p2pchat.console.full.pane import MessagePane
from p2pchat.console.full.row_window import RowWindow
from p2pchat.console.full.scroll_region import ScrollRegion
from p2pchat.console.full.widths import cut, steady, wrap
from p2pchat.console.full.without_vi import without_vi
from p2pchat.speech import _
from p2pchat.wire.names import visible

_MENU_ROWS: Final = 6


class ChatScreen:
    """The application, its pane and its line. `state` tells what the bar shows.

    `is_here` tells whether there is anybody in a conversation. Run `app.run_async` on an asyncio
    loop; `question` stands above the bar, empty for none.
    """

    def __init__(
        self,
        conversations: Conversations,
        *,
        state: Callable[[], BarState],
        is_here: Callable[[str], bool],
        glyphs: Glyphs,
        completer: Completer,
        history: History,
        screen_input: Input,
        output: Output,
    ) -> None:
        self._conversations = conversations
        self._state = state
        self._bar_drawn: tuple[object, Row] = None, []
        self.question = ""
        self.pane = MessagePane(conversations, glyphs, self._covered)
        column = ListColumn(conversations, is_here, glyphs, self._columns, self._covered)
        self.line = Buffer(
            completer=completer,
            history=history,
            multiline=False,
            complete_while_typing=False,
            enable_history_search=False,
        )
        search = SearchToolbar(
            forward_search_prompt=_("I-search: "),
            backward_search_prompt=_("I-search backward: "),
        )
        self._control = BufferControl(self.line, search_buffer_control=search.control)
        line_window = LineWindow(
            self.line,
            self._control,
            prompt=self._prompt,
            found=self._found,
            on_screen=lambda: self.app.renderer.last_rendered_screen,
        )
        is_wide = Condition(lambda: columns_of(self._columns()) > 0)
        rows: list[AnyContainer] = [
            VSplit([ConditionalContainer(column, is_wide), self.pane]),
            ConditionalContainer(
                Window(
                    FormattedTextControl(lambda: "\n".join(self._question())),
                    height=lambda: len(self._question()),
                    style="class:question",
                ),
                Condition(lambda: bool(self.question)),
            ),
            RowWindow(self._bar, self._covered),
            search,
            line_window,
        ]
        menu = Float(CompletionsMenu(max_height=_MENU_ROWS), xcursor=True, ycursor=True)
        with without_vi():
            self.app: Application[None] = Application(
                Layout(FloatContainer(HSplit(rows), [menu]), focused_element=line_window),
                style=STYLE,
                include_default_pygments_style=False,
                color_depth=colour_depth(),
                full_screen=True,
                erase_when_done=True,
                input=screen_input,
                output=output,
                mouse_support=False,
                max_render_postpone_time=None,
                # A signal tells of another size; to ask for it twice a second wakes the machine.
                terminal_size_polling_interval=None,
            )
        self._when_drawn: list[Callable[[], object]] = []
        self.app.after_render += self._drawn
        self.pane.region = ScrollRegion(self.app)
        # Escape leaves a screen, and begins what Alt and other keys send, which comes in one go.
        self.app.ttimeoutlen = self.app.timeoutlen = 0.1

    def on_first_drawn(self, call: Callable[[], object]) -> None:
        """Have `call` called once, when the screen is taken."""
        self._when_drawn.append(call)

    def _drawn(self, _app: object) -> None:
        # Taking ourselves off the event within it would leave out whoever comes next there.
        calls, self._when_drawn = self._when_drawn, []
        for call in calls:
            call()

    def draw(self) -> None:
        """Draw what has changed, soon."""
        self.app.invalidate()

    def draw_all(self) -> None:
        """Draw everything: the terminal does not show what we think."""
        # Not `clear`, which would wipe the screen that was there before.
        self.app.renderer.reset(leave_alternate_screen=False)
        self.app.output.cursor_goto(0, 0)
        self.app.invalidate()

    def _covered(self) -> int:
        """Rows above the bar that the menu may take."""
        return _MENU_ROWS if self.line.complete_state is not None else 0

    def _columns(self) -> int:
        return self.app.output.get_size().columns

    def _prompt(self) -> tuple[str, str]:
        key = steady(visible(self._conversations.called(self._conversations.current.key)))
        return "class:prompt", cut(key, max(8, self._columns() // 3)) + "> "

    def _found(self) -> Document | None:
        """What Ctrl-R has found, while it looks."""
        searching = self._control.search_buffer_control
        layout = self.app.layout
        if searching is None or layout.search_target_buffer_control is not self._control:
            return None
        state = self._control.search_state
        text = searching.buffer.text
        return (
            text
            and self.line.document_for_search(SearchState(text, state.direction, state.ignore_case))
        ) or None

    def _bar(self, columns: int) -> Row:
        key = self._state(), columns
        if self._bar_drawn[0] != key:
            self._bar_drawn = key, bar_row(*key)
        return self._bar_drawn[1]

    def _question(self) -> list[str]:
        columns = self._columns()
        return wrap(steady(self.question), columns, columns)

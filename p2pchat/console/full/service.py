"""The full console as a service: it owns the screen while it runs, and gives it back.

Rules: the screen is drawn at most some twenty times a second, typing aside, and not at all while
nothing changes. However the application ends, the node leaves in order.
"""

from __future__ import annotations

import os
import sys
from asyncio import AbstractEventLoop, Task
from collections.abc import Callable
from typing import Any, Final

from msgspec.structs import replace
from prompt_toolkit.input import Input
from prompt_toolkit.output import Output
from twisted.application.service import Service
from twisted.internet.defer import Deferred

from p2pchat.console.commands.table import Commands
from p2pchat.console.full.alerts import Alerts
from p2pchat.console.full.application import ChatScreen
from p2pchat.console.full.bar import BarState
from p2pchat.console.full.completion import ChatCompleter
from p2pchat.console.full.conversations import Conversations
from p2pchat.console.full.drafts import Drafts
from p2pchat.console.full.earlier import Earlier
from p2pchat.console.full.entries import EntryKind, Glyphs
from p2pchat.console.full.keys import Keyboard
from p2pchat.console.full.marks import Marks
from p2pchat.console.full.modes import MouseModes
from p2pchat.console.full.moving_parts import add_moving
from p2pchat.console.full.news import News
from p2pchat.console.full.past_lines import PastLines
from p2pchat.console.full.suspending import Suspending
from p2pchat.console.full.tables import BARS, PLAIN_BARS
from p2pchat.console.full.talk import Talk
from p2pchat.console.full.tty import Terminal
from p2pchat.console.full.welcome import Welcome
from p2pchat.history.location import NONE
from p2pchat.logs.levels import Log
from p2pchat.node.node import ChatNode
from p2pchat.settings.paths import typed_lines_path
from p2pchat.speech import _
from p2pchat.wire.address import EVERYONE

_log: Final = Log("Terminal")
_REDRAW: Final = 0.05


def make_full_console(
    reactor: Any,
    node: ChatNode,
    loop: AbstractEventLoop,
    *,
    on_leave: Callable[[int], None],
    bell: bool = True,
) -> FullConsole:
    """The full console on this process's terminal; ask `choose.wanted` first.

    `loop` is the one behind the reactor; `on_leave` is called with the exit status when the person
    leaves. Start the service after the node, and stop it after the node.
    """
    from prompt_toolkit.input.vt100 import Vt100Input

    from p2pchat.console.full.sparing import SparingOutput
    from p2pchat.console.full.tty import Terminal, TerminalStream

    stdin: Any = sys.__stdin__
    # Who wants nothing kept of what is said wants nothing kept of what is typed.
    typed = None if node.settings.history.file == NONE else typed_lines_path()
    encoding = getattr(sys.__stdout__, "encoding", None) or "utf-8"
    terminal = Terminal(reactor, os.ttyname(1), encoding)
    stream: Any = TerminalStream(terminal)
    return FullConsole(
        reactor,
        node,
        loop,
        on_leave=on_leave,
        screen_input=Vt100Input(stdin),
        output=SparingOutput(stream, terminal.size, term=os.environ.get("TERM")),
        history=PastLines(typed),
        encoding=encoding,
        terminal=terminal,
        bell=bell,
    )


class FullConsole(Service):
    """The console of one node, on any input and output of prompt_toolkit's."""

    def __init__(
        self,
        clock: Any,
        node: ChatNode,
        loop: AbstractEventLoop,
        *,
        on_leave: Callable[[int], None],
        screen_input: Input,
        output: Output,
        history: PastLines,
        encoding: str = "utf-8",
        terminal: Terminal | None = None,
        bell: bool = True,
    ) -> None:
        self._clock = clock
        self._node = node
        self._loop = loop
        self._on_leave = on_leave
        self._terminal = terminal
        self._last_words: list[str] = []
        self._task: Task[None] | None = None
        self._drawn_at = clock.seconds() - _REDRAW
        self._drawing = False
        home = "#" + node.settings.peer.namespace
        self.conversations = Conversations(node.friends, home, node.unread)
        self.conversations.called = node.lists.called
        self._alerts = Alerts(output, node.lists, os.environ, bell=bell)
        glyphs = replace(Glyphs.of(encoding), called=node.lists.called)
        marks = Marks()
        commands = Commands(node, clock)
        self._talk = Talk(
            node,
            commands,
            self.conversations,
            marks,
            wall_clock=node.wall,
            changed=self._changed,
            bars=BARS if glyphs.rule == "─" else PLAIN_BARS,
        )
        self._earlier = Earlier(
            node,
            self.conversations,
            marks,
            wall_clock=node.wall,
            tell=self._tell,
            changed=self._changed,
        )
        self._news = News(
            clock,
            node,
            self.conversations,
            marks,
            wall_clock=node.wall,
            changed=self._changed,
            ring=self._alerts.ring,
            past_known=self._earlier.past_known,
        )
        self.screen = ChatScreen(
            self.conversations,
            state=self._state,
            is_here=lambda key: key.startswith(("#", EVERYONE)) or node.peers.is_linked(key),
            glyphs=glyphs,
            completer=ChatCompleter(
                node.peers,
                node.me.peer_id.rpartition("@")[2],
                lambda: node.mesh.blocking.added,
                None if node.trusting is None else node.trusting.known,
            ),
            history=history,
            screen_input=screen_input,
            output=output,
        )
        Drafts(self.screen.line, history, self.conversations)
        modes = MouseModes(output)
        self._talk.mouse = modes.toggle
        self._suspending = Suspending(loop, self.screen, modes, terminal, tell=self._tell)
        self._keyboard = Keyboard(
            clock,
            self.screen,
            self.conversations,
            run=self._run,
            leave=self._leave,
            tell=self._tell,
            suspend=self._suspending.suspend,
        )
        self._welcome = Welcome(node, node.wall, self.conversations.add)
        add_moving(
            self.screen,
            node,
            commands,
            self._talk,
            self.conversations,
            entries_of=self._earlier.entries_of,
            glyphs=glyphs,
            changed=self._changed,
        )
        self._bar: BarState | None = None
        self.before_line: Callable[[], object] = _nothing
        """Called before each line that is typed runs."""

    # ------------------------------------------------------------ lifecycle

    def startService(self) -> None:
        """Take the screen as soon as the loop runs."""
        super().startService()
        self._earlier.start()
        self._news.start()
        self._welcome.show()
        if self._terminal is not None:
            self._terminal.on_redraw = self.screen.draw_all
            self._terminal.on_gone = self._leave
            self.screen.on_first_drawn(self._terminal.taken)
        self._suspending.start()
        self._node.each_second.append(self._look)
        self._task = self._loop.create_task(
            self.screen.app.run_async(set_exception_handler=False, handle_sigint=False)
        )
        self._task.add_done_callback(self._ended)

    def stopService(self) -> Deferred[None]:
        """Give the screen back; what was not delivered is told below it."""
        super().stopService()
        self._news.stop()
        self._keyboard.stop()
        self._suspending.end()
        self._alerts.end()
        self._node.unread.leave(self.conversations)
        if self._look in self._node.each_second:
            self._node.each_second.remove(self._look)
        gone: Deferred[None] = Deferred()
        task = self._task
        if task is None or task.done():
            self._let_go()
            gone.callback(None)
            return gone

        def over(_result: object) -> None:
            self._let_go()
            gone.callback(None)

        task.add_done_callback(over)
        if self.screen.app.is_running and not self.screen.app.is_done:
            self.screen.app.exit()
        else:
            task.cancel()
        return gone

    def _ended(self, task: Task[None]) -> None:
        """The application has ended: because we stop, or the terminal did, or by a fault."""
        if not self.running:
            return
        error = None if task.cancelled() else task.exception()
        if error is None or isinstance(error, EOFError):
            self._on_leave(0)
            return
        from twisted.python.failure import Failure

        _log.failure("The console failed", Failure(error))
        self._last_words.append(_("the console failed, through a fault of ours: see the log"))
        self._on_leave(1)

    def _let_go(self) -> None:
        if self._terminal is not None:
            words = [*self._news.lost, *self._last_words]
            told = "".join(f"{line}\r\n" for line in words)
            self._terminal.restore(told)

    def _leave(self) -> None:
        if self.running:
            self._tell(_("leaving"))
            self._on_leave(0)

    # ------------------------------------------------------------ what is typed

    def _run(self, line: str) -> None:
        self.before_line()
        self._welcome.over()
        self.screen.pane.sheet = None
        try:
            leaving = self._talk.run(line)
        except Exception:
            _log.failure("A command failed")
            self._tell(_("that did not work, through a fault of ours: see the log"))
            return
        if isinstance(leaving, Deferred):
            leaving.addErrback(self._fault).addCallback(lambda _done: self._changed())
        elif leaving:
            self._leave()
        self._changed()

    def _fault(self, failure: Any) -> None:
        _log.failure("A command failed", failure)
        self._tell(_("that did not work, through a fault of ours: see the log"))

    # ------------------------------------------------------------ what is shown

    def show(self, line: str) -> None:
        """Show one line, for example a warning of the log."""
        self._news.show(line)

    def _tell(self, line: str) -> None:
        self._news.show(f"* {line}", EntryKind.EVENT)

    def _changed(self) -> None:
        """Have it drawn, but not too often."""
        if self._drawing:
            return
        self._drawing = True
        wait = self._drawn_at + _REDRAW - self._clock.seconds()
        self._clock.callLater(max(0.0, wait), self._draw)

    def _draw(self) -> None:
        self._alerts.unread(sum(each.messages for each in self.conversations.unread()))
        self._drawing = False
        self._drawn_at = self._clock.seconds()
        self.screen.draw()

    def _look(self, _now: float) -> None:
        """Draw anew when the bar has something new to tell."""
        state = self._state()
        if self._welcome.look() or state != self._bar:
            self._bar = state
            self._changed()

    def _state(self) -> BarState:
        presence, called = self._node.presence, self._node.lists.called
        current = self.conversations.current
        return BarState(
            own_id=self._node.me.peer_id,
            registered=presence.grant is not None,
            trouble=bool(presence.trouble),
            up=self._node.peers.count_connected(),
            known=self._node.peers.count_present(),
            current=called(current.key),
            away=self._node.absences.text_of(current.key),
            security=self._talk.security,
            unread=[each._replace(key=called(each.key)) for each in self.conversations.unread()],
            below=current.view.below,
            past=current.past is not None,
            left_out=self._news.left_out,
            not_kept=self._node.history is not None and self._node.history.failing,
        )


def _nothing() -> None:
    pass

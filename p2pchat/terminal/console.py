"""The full console as a service: it watches the node, and owns the screen while it runs.

Rules: whatever comes in only changes what is kept, and asks for a drawing; the screen is drawn at
most some twenty times a second, typing aside. Joins and leaves of peers that never said a word are
seen in the bar alone. The bell rings for what is meant for the person, once in two seconds at most.
"""

from __future__ import annotations

import os
import re
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from zope.interface import implementer

from p2pchat import __version__
from p2pchat.commands import Commands
from p2pchat.display import Comings
from p2pchat.interfaces import INodeObserver
from p2pchat.logs import Log
from p2pchat.messages import Send
from p2pchat.router import scope_of
from p2pchat.terminal.application import ChatScreen
from p2pchat.terminal.arrivals import Arrivals
from p2pchat.terminal.bar import State
from p2pchat.terminal.completion import ChatCompleter
from p2pchat.terminal.conversations import Conversations
from p2pchat.terminal.entries import Entry, Glyphs, Kind
from p2pchat.terminal.graph import BARS, PLAIN_BARS
from p2pchat.terminal.keys import Keyboard
from p2pchat.terminal.talk import Talk
from p2pchat.text import printable

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Task
    from collections.abc import Callable, Sequence

    from prompt_toolkit.history import History
    from prompt_toolkit.input import Input
    from prompt_toolkit.output import Output

    from p2pchat.messages import Pub
    from p2pchat.node import ChatNode
    from p2pchat.peers import Peer
    from p2pchat.terminal.arrivals import Arrived
    from p2pchat.terminal.tty import Terminal

_log: Final = Log("Terminal")
_REDRAW: Final = 0.05
_REFRESH: Final = 1.0
_BELL: Final = 2.0


def make_terminal_console(
    reactor: Any,
    node: ChatNode,
    loop: AbstractEventLoop,
    *,
    on_leave: Callable[[int], None],
    bell: bool = True,
) -> TerminalConsole:
    """The full console on this process's terminal; ask `choose.wanted` first.

    `loop` is the one behind the reactor; `on_leave` is called with the exit status when the person
    leaves. Start the service after the node, and stop it after the node.
    """
    from prompt_toolkit.input.vt100 import Vt100Input
    from prompt_toolkit.output.vt100 import Vt100_Output

    from p2pchat.terminal.past_lines import PastLines, default_path
    from p2pchat.terminal.tty import Terminal, TerminalStream

    stdin: Any = sys.__stdin__
    encoding = getattr(sys.__stdout__, "encoding", None) or "utf-8"
    terminal = Terminal(reactor, os.ttyname(1), encoding)
    stream: Any = TerminalStream(terminal)
    return TerminalConsole(
        reactor,
        node,
        loop,
        on_leave=on_leave,
        screen_input=Vt100Input(stdin),
        output=Vt100_Output(stream, terminal.size, term=os.environ.get("TERM"), enable_bell=bell),
        history=PastLines(default_path()),
        encoding=encoding,
        terminal=terminal,
    )


@implementer(INodeObserver)
class TerminalConsole(Service):
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
        history: History,
        encoding: str = "utf-8",
        terminal: Terminal | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._node = node
        self._loop = loop
        self._on_leave = on_leave
        self._wall_clock = wall_clock
        self._terminal = terminal
        self._last_words: list[str] = []
        self._task: Task[None] | None = None
        self._named = _by_name(node.me.peer_id)
        self._comings = Comings()
        self._drawn_at = self._rung_at = clock.seconds() - _BELL
        self._drawing = False
        self.conversations = Conversations()
        glyphs = Glyphs.of(encoding)
        self._talk = Talk(
            node,
            Commands(node, clock, wall_clock),
            self.conversations,
            wall_clock=wall_clock,
            changed=self._changed,
            bars=BARS if glyphs.rule == "─" else PLAIN_BARS,
        )
        self._arrivals = Arrivals(clock, self._arrived)
        self.screen = ChatScreen(
            self.conversations,
            state=self._state,
            glyphs=glyphs,
            completer=ChatCompleter(node.peers, node.me.peer_id.rpartition("@")[2]),
            history=history,
            screen_input=screen_input,
            output=output,
        )
        Keyboard(self.screen, self.conversations, run=self._run, leave=self._leave, tell=self._tell)
        self._refresh = LoopingCall(self._look)
        self._refresh.clock = clock
        self._bar: State | None = None

    # ------------------------------------------------------------ lifecycle

    def startService(self) -> None:
        """Take the screen as soon as the loop runs."""
        super().startService()
        self._node.observers.add(self)
        for peer in self._node.peers.connected():
            self._comings.line(peer)
        self._tell(f"p2pchat {__version__}: {self._node.me.peer_id}, port {self._node.port}")
        self._tell(f"rendezvous: {self._node.presence.directory.address}; /help for help")
        if self._terminal is not None:
            self._terminal.on_redraw = self.screen.draw_all
            self._terminal.on_gone = self._leave
        self._refresh.start(_REFRESH, now=False)
        self._task = self._loop.create_task(
            self.screen.app.run_async(set_exception_handler=False, handle_sigint=False)
        )
        self._task.add_done_callback(self._ended)

    def stopService(self) -> Deferred[None]:
        """Give the screen back; what was not delivered is told below it."""
        super().stopService()
        self._node.observers.remove(self)
        self._arrivals.close()
        if self._refresh.running:
            self._refresh.stop()
        gone: Deferred[None] = Deferred()
        task = self._task
        if task is None or task.done():
            self._let_go()
            gone.callback(None)
            return gone

        def over(_: object) -> None:
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
        self._last_words.append("the console failed, through a fault of ours: see the log")
        self._on_leave(1)

    def _let_go(self) -> None:
        if self._terminal is not None:
            self._terminal.restore("".join(f"{line}\r\n" for line in self._last_words))

    def _leave(self) -> None:
        if self.running:
            self._tell("leaving")
            self._on_leave(0)

    # ------------------------------------------------------------ what is typed

    def _run(self, line: str) -> None:
        try:
            leaving = self._talk.run(line)
        except Exception:
            _log.failure("A command failed")
            self._tell("that did not work, through a fault of ours: see the log")
            return
        if isinstance(leaving, Deferred):
            leaving.addErrback(self._fault).addCallback(lambda _: self._changed())
        elif leaving:
            self._leave()
        self._changed()

    def _fault(self, failure: Any) -> None:
        _log.failure("A command failed", failure)
        self._tell("that did not work, through a fault of ours: see the log")

    # ------------------------------------------------------------ what is shown

    def show(self, line: str) -> None:
        """Show one line, for example a warning of the log."""
        self._add(Entry(self._wall_clock(), Kind.WARNING, line))

    def _tell(self, line: str) -> None:
        self._add(Entry(self._wall_clock(), Kind.EVENT, f"* {line}"))

    def _add(self, entry: Entry) -> None:
        self.conversations.add(entry)
        self._changed()

    def _changed(self) -> None:
        """Have it drawn, but not too often."""
        if self._drawing:
            return
        self._drawing = True
        wait = self._drawn_at + _REDRAW - self._clock.seconds()
        self._clock.callLater(max(0.0, wait), self._draw)

    def _draw(self) -> None:
        self._drawing = False
        self._drawn_at = self._clock.seconds()
        self.screen.draw()

    def _look(self) -> None:
        """Draw anew when the bar has something new to tell."""
        state = self._state()
        if state != self._bar:
            self._bar = state
            self._changed()

    def _state(self) -> State:
        presence = self._node.presence
        current = self.conversations.current
        return State(
            own_id=self._node.me.peer_id,
            registered=presence.grant is not None,
            trouble=bool(presence.trouble),
            up=len(self._node.peers.connected()),
            known=len(self._node.peers),
            current=current.key,
            unread=[(each.key, each.unread, each.urgent) for each in self.conversations.unread()],
            below=current.backlog.below,
            left_out=self._arrivals.left_out,
        )

    # ------------------------------------------------------------ INodeObserver

    def status_changed(self, peer: Peer) -> None:
        """A peer came or went: told of those that have spoken."""
        line = self._comings.line(peer)
        if line is None:
            return
        if self.conversations.has_spoken(peer.peer_id):
            self._add(Entry(self._wall_clock(), Kind.EVENT, line, where=peer.peer_id))
        else:
            self._changed()

    def received(self, peer: Peer, messages: list[Send | Pub]) -> None:
        """Messages came."""
        self._arrivals.received(peer.peer_id, messages)

    def _arrived(self, arrived: Sequence[Arrived], left_out: dict[str, int]) -> None:
        now = self._wall_clock()
        for peer_id, count in left_out.items():
            text = f"… {count:,} more messages from {peer_id} (the log has them at DEBUG)"
            self.conversations.add(Entry(now, Kind.EVENT, text))
        ring = False
        for peer_id, message in arrived:
            entry = self._entry(now, peer_id, message)
            ring = ring or entry.named
            self.conversations.add(entry)
        if ring and self._clock.seconds() - self._rung_at >= _BELL:
            self._rung_at = self._clock.seconds()
            self.screen.app.output.bell()
        self._changed()

    def _entry(self, now: float, peer_id: str, message: Send | Pub) -> Entry:
        direct = isinstance(message, Send)
        where = peer_id if isinstance(message, Send) else scope_of(message)
        if "@" in where:
            where = peer_id
        claims = bool(message.src) and message.src != peer_id
        named = direct or self._named.search(message.payload) is not None
        return Entry(now, Kind.MESSAGE, message.payload, peer_id, where, claims, named)

    def delivered(self, _peer_id: str, msg_id: str, _seconds: float) -> None:
        """The ACK for a message came."""
        if self._talk.delivered(msg_id):
            self._changed()

    def undelivered(self, peer_id: str, msg_id: str, reason: str) -> None:
        """No ACK came."""
        if self._talk.undelivered(msg_id, reason):
            if not self.running or reason.startswith("left"):
                self._last_words.append(printable(f"not delivered to {peer_id}: {reason}"))
            self._changed()

    def notice(self, sentence: str) -> None:
        """Something that the person should know."""
        self.show(f"* {sentence}")


def _by_name(peer_id: str) -> re.Pattern[str]:
    """Finds our name as a word of its own, however it is written."""
    name = re.escape(peer_id.rpartition("@")[0])
    return re.compile(rf"(?<!\w){name}(?!\w)", re.IGNORECASE)

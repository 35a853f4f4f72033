"""Standard input and output: the plain console, for terminals, pipes and files.

Rules: a line in is a command, a line out is a message, an event or an answer; no prompt and no
colours, so that nothing ever breaks a line. What is typed is `InputLines` and `CommandQueue`, what
is shown is `Digest` or `Transcript` on a `Screen`; this module connects them with the node and
with `StandardIO`, and knows what the end of each side means.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import connectionDone
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure
from zope.interface import implementer

from p2pchat import __version__
from p2pchat.console.commands.table import Commands
from p2pchat.console.display import StatusLines, late_lines, message_lines
from p2pchat.console.plain.backpressure import Backpressure, Draining
from p2pchat.console.plain.input_lines import InputLines
from p2pchat.console.plain.queue import CommandQueue
from p2pchat.console.plain.screen import Digest, Screen, Transcript
from p2pchat.console.plain.stdio import CHUNK, StandardDescriptors, has_input
from p2pchat.mesh.peers import Peer
from p2pchat.node.node import ChatNode
from p2pchat.node.observers import Observer
from p2pchat.wire.messages import Pub, Send
from p2pchat.wire.text import printable

_LAST_WRITE: Final = 1.0
_LAST_READ: Final = 1.0


def make_console(
    reactor: Any,
    node: ChatNode,
    *,
    stay: bool,
    on_leave: Callable[[int], None],
    stdin: int = 0,
    stdout: int = 1,
) -> ConsoleService | None:
    """The console on these file descriptors; None when there is no input at all.

    `on_leave` is called, once, with the exit status when the person leaves, or when a script has
    ended and `stay` is false. Start the service after the node, and stop it after the node: it
    shows what became of the last messages.
    """
    # A closed descriptor's number may be something else's by now.
    if not has_input(stdin) or (stdin == 0 and sys.__stdin__ is None):
        return None
    if stdout == 1 and sys.__stdout__ is None:
        stdout = os.open(os.devnull, os.O_WRONLY)
    return ConsoleService(
        reactor, node, StandardDescriptors(reactor, stdin, stdout), stay=stay, on_leave=on_leave
    )


@implementer(IHalfCloseableProtocol)
class ConsoleProtocol(LineReceiver):
    """What StandardIO talks to."""

    delimiter = b"\n"

    def __init__(self, console: ConsoleService, read_more: Callable[[], bytes]) -> None:
        self._console = console
        self._read_more = read_more
        self._lines = InputLines()

    def dataReceived(self, data: bytes) -> None:
        """Something was typed, or came through the pipe."""
        if len(data) == CHUNK:
            data += self._read_more()
        self._console.typed(self._lines.feed(data))

    def readConnectionLost(self) -> None:
        """The input has ended."""
        self._console.typed(self._lines.finish())
        self._console.input_ended()

    def writeConnectionLost(self) -> None:
        """The output was closed by who read it."""
        self._console.output_lost()

    def connectionLost(self, _reason: Failure = connectionDone) -> None:
        """Both are gone."""
        self._console.output_lost()


class ConsoleService(Service, Observer):
    """The console of one node. `on_leave` and `stay` are as in `make_console`."""

    def __init__(
        self,
        reactor: Any,
        node: ChatNode,
        descriptors: StandardDescriptors,
        *,
        on_leave: Callable[[int], None],
        stay: bool = False,
    ) -> None:
        self._reactor = reactor
        self._node = node
        self._descriptors = descriptors
        self._stay = stay
        self._on_leave = on_leave
        self._closed: Deferred[None] | None = None
        self._screen = Screen(reactor, descriptors.encoding)
        self._news: Digest | Transcript = (
            Digest(reactor, self._screen, kept=node.history is not None)
            if descriptors.terminal_out
            else Transcript(self._screen)
        )
        self._status_lines = StatusLines()
        self._commands = Commands(node, reactor)
        self._queue = CommandQueue(
            reactor,
            self._commands,
            Backpressure(node),
            Draining(node),
            show=self._screen.write,
            leave=on_leave,
            script=not descriptors.terminal_in,
            stay=stay,
        )

    # ------------------------------------------------------------ lifecycle

    def startService(self) -> None:
        """Say who we are, and take commands from now on."""
        super().startService()
        self._node.observers.add(self)
        if self._node.history is not None:
            self._node.history.attended = True
        protocol = ConsoleProtocol(self, self._descriptors.read_more)
        self._transport = self._descriptors.attach(protocol)
        if self._descriptors.unseen:
            self._screen.stopProducing()
        else:
            self._screen.connect(self._transport)
        self._screen.write(self._greeting())
        self._queue.start(self._transport)

    def stopService(self) -> Deferred[None] | None:
        """Write what is still to be seen, within a second, and let go of input and output."""
        super().stopService()
        self._node.observers.remove(self)
        if self._node.history is not None:
            self._node.history.attended = False
        self._queue.stop()
        self._news.close()
        gone = self._screen.gone and not self._descriptors.unseen
        self._screen.finish()
        self._closed = Deferred()
        patience = self._reactor.callLater(_LAST_WRITE, self._let_go)
        self._closed.addCallback(lambda _: patience.cancel() if patience.active() else None)
        closed = self._closed
        self._transport.loseConnection()
        if gone:
            self._let_go()
        return closed

    def _let_go(self) -> None:
        if self._closed is not None:
            closed, self._closed = self._closed, None
            self._descriptors.restore()
            closed.callback(None)

    def _greeting(self) -> list[str]:
        node = self._node
        interface = node.settings.peer.interface
        where = f"port {node.port}" + (f" of {interface}" if interface else "")
        lines = [
            f"* p2pchat {__version__}: {node.me.peer_id}, listening on {where}",
            f"* rendezvous: {node.presence.directory.address}",
        ]
        if self._descriptors.terminal_in:
            lines.append("* /help for help")
        return [*map(printable, lines)]

    # ------------------------------------------------------------ both ends of the line

    def typed(self, lines: list[str | None]) -> None:
        """Lines came in; None stands for one that was too long."""
        self._queue.add(lines)

    def input_ended(self) -> None:
        """There will be no more input."""
        self._queue.end()

    def output_lost(self) -> None:
        """Nobody will see what we write any more."""
        self._screen.stopProducing()
        if self._closed is not None:
            self._let_go()
        elif self.running and not self._stay:
            # What a script has said so far is still done.
            self._reactor.callLater(_LAST_READ, self._queue.end)

    def show(self, line: str) -> None:
        """Show one line, for example a warning of the log, between the others."""
        self._news.event(printable(line))

    # ------------------------------------------------------------ INodeObserver

    def status_changed(self, peer: Peer) -> None:
        """A peer came or went."""
        line = self._status_lines.line(peer)
        if line is not None:
            self._news.event(line)

    def received(self, peer: Peer, messages: list[Send | Pub]) -> None:
        """Messages came."""
        if not self._screen.gone:
            self._news.received(peer.peer_id, messages)

    def delivered(self, peer_id: str, msg_id: str, seconds: float) -> None:
        """The ACK for a message came."""
        line = self._commands.sent.delivered(peer_id, msg_id, seconds)
        if line is not None:
            self._screen.write([line])
            self._queue.look()

    def undelivered(self, peer_id: str, msg_id: str, reason: str) -> None:
        """No ACK came."""
        line = self._commands.sent.undelivered(peer_id, msg_id, reason)
        if line is not None:
            self._screen.write([line])
            self._queue.failed = True
            self._queue.look()

    def queued(self, peer_id: str, msg_id: str) -> None:
        """A message waits until there is a link."""
        line = self._commands.sent.queued(peer_id, msg_id)
        if line is not None:
            self._screen.write([line])
            self._queue.look()

    def received_late(self, peer: Peer, messages: list[Send | Pub], said: list[float]) -> None:
        """Messages came that were said a while ago."""
        for line in late_lines(peer.peer_id, messages, said, time.time()):
            self._news.event(line)

    def received_unkept(self, peer: Peer, messages: list[Send | Pub]) -> None:
        """Messages came that could not be kept."""
        for line in message_lines(peer.peer_id, messages, " (not kept)"):
            self._news.event(line)

    def notice(self, sentence: str) -> None:
        """Something that the person should know."""
        self._news.event(printable(f"* {sentence}"))

"""Standard input and output, and the plain console on them.

Rules: Twisted's StandardIO makes both descriptors non-blocking; other processes may share them (a
shell its terminal, a script its pipe), so they are given back as they were found. This module alone
knows what the end of each side means.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.stdio import StandardIO
from twisted.python.failure import Failure
from zope.interface import implementer

from p2pchat.console.plain.console import PlainConsole
from p2pchat.console.plain.input_lines import MAX_LINE, InputLines, longest_line
from p2pchat.console.plain.screen import Screen
from p2pchat.console.standard_input import has_input
from p2pchat.node.node import ChatNode

CHUNK: Final = 8192
"""Bytes that StandardIO reads in one turn of the reactor."""
_MORE: Final = 57_344
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
) -> StdioConsole | None:
    """The console on these file descriptors; None when there is no input at all.

    `on_leave` and `stay` are as in `PlainConsole`. Start the service after the node, and stop it
    after the node: it shows what became of the last messages.
    """
    # A closed descriptor's number may be something else's by now.
    if not has_input(stdin) or (stdin == 0 and sys.__stdin__ is None):
        return None
    if stdout == 1 and sys.__stdout__ is None:
        stdout = os.open(os.devnull, os.O_WRONLY)
    return StdioConsole(
        reactor, node, StandardDescriptors(reactor, stdin, stdout), stay=stay, on_leave=on_leave
    )


class StdioConsole(Service):
    """A plain console as a service; `on_leave` and `stay` are as in `PlainConsole`."""

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
        self._descriptors = descriptors
        self._stay = stay
        self._closed: Deferred[None] | None = None
        self._screen = Screen(reactor, descriptors.encoding)
        self._console = PlainConsole(
            node,
            reactor,
            self._screen,
            on_leave=on_leave,
            script=not descriptors.terminal_in,
            watched=descriptors.terminal_out,
            stay=stay,
        )

    def startService(self) -> None:
        """Take hold of input and output."""
        super().startService()
        protocol = ConsoleProtocol(
            self._console,
            self._descriptors.read_more,
            on_output_lost=self._output_lost,
            longest=self._descriptors.longest,
        )
        self._transport = self._descriptors.attach(protocol)
        if self._descriptors.unseen:
            self._screen.stopProducing()
        else:
            self._screen.connect(self._transport)
        self._console.start(self._transport)

    def stopService(self) -> Deferred[None] | None:
        """Write what is still to be seen, within a second, and let go of input and output."""
        super().stopService()
        self._console.stop()
        gone = self._screen.gone and not self._descriptors.unseen
        self._screen.finish()
        closed = self._closed = Deferred()
        patience = self._reactor.callLater(_LAST_WRITE, self._let_go)
        closed.addCallback(lambda _: patience.cancel() if patience.active() else None)
        self._transport.loseConnection()
        if gone:
            self._let_go()
        return closed

    @property
    def unfinished(self) -> bool:
        """Whether it was stopped under a script of which not all was done and delivered."""
        return self._console.unfinished

    def show(self, line: str) -> None:
        """Show one line, for example a warning of the log, between the others."""
        self._console.show(line)

    def _output_lost(self) -> None:
        """Nobody will see what we write any more."""
        self._screen.stopProducing()
        if self._closed is not None:
            self._let_go()
        elif self.running and not self._stay:
            # What a script has said so far is still done.
            self._reactor.callLater(_LAST_READ, self._console.input_ended)

    def _let_go(self) -> None:
        if self._closed is not None:
            closed, self._closed = self._closed, None
            self._descriptors.restore()
            closed.callback(None)


@implementer(IHalfCloseableProtocol)
class ConsoleProtocol(Protocol):
    """What StandardIO talks to: bytes in, lines for the console."""

    def __init__(
        self,
        console: PlainConsole,
        read_more: Callable[[], bytes],
        *,
        on_output_lost: Callable[[], None],
        longest: int = MAX_LINE,
    ) -> None:
        self._console = console
        self._read_more = read_more
        self._on_output_lost = on_output_lost
        self._lines = InputLines(longest)

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
        self._on_output_lost()

    def connectionLost(self, _reason: Failure = connectionDone) -> None:
        """Both are gone."""
        self._on_output_lost()


class StandardDescriptors:
    """Standard input and output, as far as the console must know them."""

    def __init__(self, reactor: Any, stdin: int, stdout: int) -> None:
        self._reactor = reactor
        self._stdin, self._stdout = stdin, stdout
        self._blocking = {fd: _get_blocking(fd) for fd in (stdin, stdout)}
        self.terminal_in = os.isatty(stdin)
        self.terminal_out = os.isatty(stdout)
        self.longest = longest_line(stdin)
        """Bytes of a line that is whole for certain."""
        self.unseen = _is_null(stdout)
        """Whether nobody can ever see what is written."""
        self.encoding = getattr(sys.__stdout__, "encoding", None) or "utf-8"

    def attach(self, protocol: IProtocol) -> Any:
        """Connect a protocol to them; returns the transport."""
        stdio: Any = StandardIO  # the annotations are those of another platform
        return stdio(protocol, self._stdin, self._stdout, reactor=self._reactor)

    def read_more(self) -> bytes:
        """What else can be read at once; StandardIO reads 8 KiB a turn, which slows bulk down."""
        if self.terminal_in or os.get_blocking(self._stdin):
            return b""
        try:
            return os.read(self._stdin, _MORE)
        except OSError:
            return b""

    def restore(self) -> None:
        """Leave them as they were found: other processes may share them."""
        for fd, blocking in self._blocking.items():
            with suppress(OSError):
                os.set_blocking(fd, blocking)


def _get_blocking(fd: int) -> bool:
    try:
        return os.get_blocking(fd)
    except OSError:
        return True


def _is_null(fd: int) -> bool:
    try:
        return os.fstat(fd).st_rdev == os.stat(os.devnull).st_rdev
    except OSError:
        return True

"""A console on a connection of the control socket: what `p2pchat attach` shows and types into.

Rules: it is the plain console (`p2pchat.console.plain.console`), whose standard input and output
are this connection; leaving it leaves the node running. Several may be attached at once, each with
its own view of floods, its own script and its own exit status.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from twisted.internet.defer import maybeDeferred

from p2pchat.console.plain.console import ConsoleService
from p2pchat.console.plain.stdio import StandardDescriptors
from p2pchat.node.node import ChatNode


class RemoteConsole:
    """One attached console. `show` sends text to its client; `on_leave` gets its exit status.

    `transport` is the connection's. `terminal` tells whether a person watches (of a flood, only a
    part is shown then), `script` whether the commands come from a pipe or a file.
    """

    def __init__(
        self,
        reactor: Any,
        node: ChatNode,
        *,
        show: Callable[[str], None],
        transport: Any,
        on_leave: Callable[[int], None],
        terminal: bool,
        script: bool,
    ) -> None:
        self.terminal_in, self.terminal_out = not script, terminal
        self._show = show
        self._transport = transport
        self._on_leave = on_leave
        self._protocol: Any = None
        self._producer: Any = None
        self._left = False
        self._input_ended = False
        self._service = ConsoleService(
            reactor, node, cast("StandardDescriptors", self), on_leave=self._leave
        )

    def start(self) -> None:
        """Greet, and take commands from now on."""
        self._service.startService()

    def typed(self, text: str) -> None:
        """A line, without its newline, was typed."""
        if not self._left and not self._input_ended:
            self._protocol.dataReceived(text.encode("utf-8", "replace") + b"\n")

    def input_ended(self) -> None:
        """Nothing more will be typed; the console leaves when all is done."""
        if not self._left and not self._input_ended:
            self._input_ended = True
            self._protocol.readConnectionLost()

    def lost(self) -> None:
        """The client is gone."""
        self._leave(1)

    def _leave(self, status: int) -> None:
        if self._left:
            return
        self._left = True
        stopped = maybeDeferred(self._service.stopService)
        stopped.addBoth(lambda _: self._on_leave(status))

    # ------------------------------------------------------------ for the transport's producer

    def pauseProducing(self) -> None:
        """The client does not read: the console keeps what it would show, and leaves out."""
        if self._producer is not None:
            self._producer.pauseProducing()

    def resumeProducing(self) -> None:
        """The client reads again."""
        if self._producer is not None:
            self._producer.resumeProducing()

    # ------------------------------------------------------------ StandardDescriptors

    unseen = False
    encoding = "utf-8"

    def attach(self, protocol: Any) -> Any:
        """Connect the console's protocol."""
        self._protocol = protocol
        protocol.makeConnection(_Wire(self))
        return protocol.transport

    def read_more(self) -> bytes:
        """There is never more than what was typed."""
        return b""

    def restore(self) -> None:
        """There is nothing to give back."""


class _Wire:
    """What the console takes for its transport."""

    def __init__(self, console: RemoteConsole) -> None:
        self._console = console

    def write(self, data: bytes) -> None:
        """Show these lines."""
        self._console._show(data.decode("utf-8", "replace").removesuffix("\n"))

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """The console's screen, which is told when the client does not read."""
        assert streaming
        self._console._producer = producer

    def unregisterProducer(self) -> None:
        """The screen has written all."""
        self._console._producer = None

    def pauseProducing(self) -> None:
        """Lines wait to be run: read no more."""
        self._console._transport.pauseProducing()

    def resumeProducing(self) -> None:
        """Read again."""
        self._console._transport.resumeProducing()

    def loseConnection(self) -> None:
        """The console is done with its output."""
        self._console._protocol.connectionLost()

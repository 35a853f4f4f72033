"""One client of the control socket: lines of JSON in, answers and events out.

Rules: the length of a request, the requests that wait for an answer and what waits for a client
that does not read are bounded; one that does not read is disconnected. No fault of a client or in
an answer hurts the node or another client.
"""

from __future__ import annotations

from typing import Any, Final
from typing import Protocol as Shape

from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from p2pchat.console.plain.input_lines import InputLines
from p2pchat.control.answers import Requests
from p2pchat.control.attached import RemoteConsole
from p2pchat.control.events import encode_json
from p2pchat.control.feed import EventFeed
from p2pchat.control.requests import Fields, Request, RequestError, read_request
from p2pchat.logs.levels import Log
from p2pchat.node.node import ChatNode


class Owner(Shape):
    """Whose connections these are; see `p2pchat.control.service.ControlService`."""

    reactor: Any
    node: ChatNode
    asked: int

    @property
    def requests(self) -> Requests:
        """What answers."""

    @property
    def feed(self) -> EventFeed:
        """Who hears what."""

    def came(self, client: ControlConnection) -> bool:
        """Somebody connected; False when there is no place."""

    def went(self, client: ControlConnection) -> None:
        """A connection is gone."""

    def does_not_read(self, client: ControlConnection) -> None:
        """Too much waits for this one: it is being disconnected."""


_log: Final = Log("Control")
MAX_REQUEST: Final = 262_144
"""Bytes of the longest request: the longest message, all of it written as escapes."""
MAX_PENDING: Final = 1000
"""Requests of one client that may wait for their answer."""
MAX_QUEUE: Final = 1_048_576
"""Bytes that may wait for a client that does not read."""


@implementer(IHalfCloseableProtocol, IPushProducer)
class ControlConnection(Protocol):
    """One client: lines of JSON in, answers and events out."""

    transport: Any

    def __init__(self, service: Owner) -> None:
        self._service = service
        self._lines = InputLines(MAX_REQUEST)
        self._pending = 0
        self._no_more_requests = False
        self._blocked = False
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._ending = False
        self._console: RemoteConsole | None = None

    # ------------------------------------------------------------ Twisted's hooks

    def connectionMade(self) -> None:
        """Say who we are."""
        self.transport.registerProducer(self, True)
        if not self._service.came(self):
            self._refuse("busy", "too many programs are connected to this node already")
            self._end()
            return
        self.write(encode_json(self._service.requests.hello()))

    def dataReceived(self, data: bytes) -> None:
        """Requests came."""
        for line in self._lines.feed(data):
            if self._ending:
                return
            self._take(line)

    def readConnectionLost(self) -> None:
        """The client asks nothing more; it still gets its answers, and the events it wants."""
        for line in self._lines.finish():
            self._take(line)
        self._no_more_requests = True
        if self._console is not None:
            self._console.input_ended()
        self._end_if_done()

    def writeConnectionLost(self) -> None:
        """We never close only our side."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002
        """The client is gone."""
        self._ending = True
        self._forget_queue()
        self._service.went(self)
        if self._console is not None:
            self._console.lost()

    # ------------------------------------------------------------ requests and answers

    def _take(self, line: str | None) -> None:
        if line is None:
            self._refuse("too_long", f"a request has at most {MAX_REQUEST} bytes")
            return
        if not line.strip():
            return
        self._service.asked += 1
        try:
            request = read_request(line)
        except RequestError as why:
            self._refuse(why.code, str(why), None, why.fields)
            return
        if self._pending >= MAX_PENDING:
            self._refuse("busy", f"{MAX_PENDING} requests wait for their answer", request)
            return
        self._pending += 1
        answer = self._service.requests.answer(request, self)
        answer.addCallbacks(
            lambda fields: self._say({"ok": True, **fields}, request),
            lambda failure: self._failed(failure, request),
        )
        answer.addCallback(lambda _: self._answered())
        answer.addErrback(lambda failure: _log.failure("An answer could not be given", failure))

    def _failed(self, failure: Failure, request: Request) -> None:
        why = failure.value
        if isinstance(why, RequestError):
            self._refuse(why.code, str(why), request, why.fields)
        else:
            _log.failure("A request on the control socket failed", failure)
            self._refuse("failed", "that did not work, through a fault of ours", request)

    def _answered(self) -> None:
        self._pending -= 1
        self._end_if_done()

    def _refuse(
        self,
        code: str,
        sentence: str,
        request: Request | None = None,
        more: Fields | None = None,
    ) -> None:
        self._say({"ok": False, "code": code, "error": sentence, **(more or {})}, request)

    def _say(self, fields: Fields, request: Request | None) -> None:
        if request is not None and request.id is not None:
            fields = {"id": request.id, **fields}
        self.write(encode_json(fields))

    def _end_if_done(self) -> None:
        """A client that closed its side has everything it asked for."""
        if (
            self._no_more_requests
            and not self._ending
            and not self._pending
            and self._console is None
            and not self._service.feed.has(self)
        ):
            self._end()

    # ------------------------------------------------------------ a console

    def open_console(self, *, terminal: bool, script: bool) -> None:
        """Run a console on this connection: it hears what happens, and `typed` are its commands."""
        from p2pchat.control.attached import RemoteConsole

        if self._console is not None:
            raise RequestError("refused", "this connection is a console already")
        self._console = RemoteConsole(
            self._service.reactor,
            self._service.node,
            show=self._show,
            transport=self.transport,
            on_leave=self._console_left,
            terminal=terminal,
            script=script,
        )
        self._console.start()

    def typed(self, text: str, *, end: bool) -> None:
        """Something was typed on the console."""
        if self._console is None:
            raise RequestError(
                "refused", 'this connection is no console: ask for one with "console"'
            )
        self._console.typed(text)
        if end:
            self._console.input_ended()

    def _show(self, text: str) -> None:
        self.write(encode_json({"event": "show", "text": text}))

    def _console_left(self, status: int) -> None:
        self._console = None
        if not self._ending:
            self.write(encode_json({"event": "left", "status": status}))
            self._end()

    # ------------------------------------------------------------ writing

    def write(self, data: bytes) -> None:
        """Send these lines, or keep them while the client does not read; up to a limit."""
        if self._ending:
            return
        if not self._blocked:
            self.transport.write(data)
            return
        self._waiting.append(data)
        self._waiting_bytes += len(data)
        if self._waiting_bytes > MAX_QUEUE:
            self._ending = True
            self._forget_queue()
            self._service.does_not_read(self)
            self.transport.abortConnection()

    def say_goodbye(self) -> None:
        """The node stops."""
        self.write(encode_json({"event": "stopping"}))
        self._end()

    def _end(self) -> None:
        """Close when all is written; what a client does not read is not waited for."""
        self._ending = True
        if self._blocked:
            self._forget_queue()
            self.transport.abortConnection()
        else:
            self.transport.unregisterProducer()
            self.transport.loseConnection()

    def _forget_queue(self) -> None:
        self._waiting.clear()
        self._waiting_bytes = 0

    # ------------------------------------------------------------ IPushProducer, for the transport

    def pauseProducing(self) -> None:
        """The client does not read."""
        self._blocked = True
        if self._console is not None:
            self._console.pauseProducing()

    def resumeProducing(self) -> None:
        """The client reads again."""
        self._blocked = False
        waiting = b"".join(self._waiting)
        self._forget_queue()
        if waiting:
            self.transport.write(waiting)
        if self._console is not None and not self._blocked:
            self._console.resumeProducing()

    def stopProducing(self) -> None:
        """The connection is gone; `connectionLost` follows."""

"""One client of the control socket: lines of JSON in, answers and events out.

Rules: the length of a request and the requests that wait for an answer are bounded, and so is the
number of clients; what waits for one that does not read is the business of
`p2pchat.control.outgoing`. No fault of a client or in an answer hurts the node or another client.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from typing import Any, Final

from twisted.internet.interfaces import IAddress, IHalfCloseableProtocol, IReactorTime
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from p2pchat.console.plain.input_lines import InputLines
from p2pchat.control.answers import Requests
from p2pchat.control.outgoing import Outgoing
from p2pchat.control.protocol import MAX_REQUEST
from p2pchat.control.requests import Fields, Request, RequestError, read_request
from p2pchat.logs.levels import Log
from p2pchat.logs.limits import RateLimited
from p2pchat.turns import Turns

_log: Final = Log("Control")
MAX_CLIENTS: Final = 64
MAX_PENDING: Final = 1000
"""Requests of one client that may wait for their answer."""


class ControlFactory(ServerFactory):
    """Makes the connections of one control socket, and knows those that are open.

    `on_empty` is called when the last one has gone.
    """

    noisy = False

    def __init__(
        self, clock: IReactorTime, requests: Requests, turns: Turns, on_empty: Callable[[], None]
    ) -> None:
        self._clock = clock
        self.turns = turns
        """Where requests are taken in."""
        self._on_empty = on_empty
        self._remarks = RateLimited(_log)
        self.requests = requests
        self.clients: dict[ControlConnection, None] = {}
        self.asked = self.refused = self.disconnected = 0

    def buildProtocol(self, addr: IAddress | None) -> ControlConnection:  # noqa: ARG002
        """Somebody connected."""
        return ControlConnection(self)

    def came(self, client: ControlConnection) -> bool:
        """Somebody connected; False when there is no place."""
        if len(self.clients) >= MAX_CLIENTS:
            self.refused += 1
            return False
        self.clients[client] = None
        return True

    def went(self, client: ControlConnection) -> None:
        """A connection is gone; or is to be forgotten at once, because it does not read."""
        self.clients.pop(client, None)
        self.requests.forget(client.out)
        if not self.clients:
            self._on_empty()

    def does_not_read(self, client: ControlConnection) -> None:
        """Too much waits for this one."""
        self.disconnected += 1
        self.went(client)
        self._remarks.warn(
            self._clock.seconds(),
            "slow",
            "A client of the control socket did not read and was disconnected",
        )


@implementer(IHalfCloseableProtocol)
class ControlConnection(Protocol):
    """One client."""

    transport: Any

    def __init__(self, factory: ControlFactory) -> None:
        self._factory = factory
        self._lines = InputLines(MAX_REQUEST)
        self._untaken: deque[str | None] = deque()
        self._taking = self._paused = False
        self._pending = 0
        self._no_more_requests = False
        self.out = Outgoing(lambda: factory.does_not_read(self))
        """What goes to the client; the node knows the client by it."""

    # ------------------------------------------------------------ Twisted's hooks

    def connectionMade(self) -> None:
        """Say who we are."""
        self.out.connect(self.transport)
        if self._factory.came(self):
            self.out.tell(self._factory.requests.hello())
        else:
            self._refuse("busy", "too many programs are connected to this node already")
            self.out.end()

    def dataReceived(self, data: bytes) -> None:
        """Requests came."""
        self._requests_came(self._lines.feed(data))

    def readConnectionLost(self) -> None:
        """The client asks nothing more; it still gets its answers, and the events it wants."""
        self._no_more_requests = True
        self._requests_came(self._lines.finish())

    def writeConnectionLost(self) -> None:
        """We never close only our side."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002
        """The client is gone."""
        self.out.lost()
        self._factory.went(self)

    # ------------------------------------------------------------ requests and answers

    def _requests_came(self, lines: Sequence[str | None]) -> None:
        """Take them as soon as there is time; the client is not read while some of them wait."""
        self._untaken += lines
        if self._taking:
            return
        self._taking = True
        taken = self._factory.turns.do(self._take_all())
        taken.addCallback(lambda _: self._all_taken())
        if self._taking and not self._no_more_requests:
            self._paused = True
            self.transport.pauseProducing()

    def _take_all(self) -> Generator[None, None, None]:
        while self._untaken and not self.out.ended:
            self._take(self._untaken.popleft())
            yield

    def _all_taken(self) -> None:
        self._taking = False
        self._untaken.clear()
        if self._paused and not self.out.ended:
            self.transport.resumeProducing()
        self._paused = False
        self._end_if_done()

    def _take(self, line: str | None) -> None:
        if line is None:
            self._refuse("too_long", f"a request has at most {MAX_REQUEST} bytes")
            return
        if not line.strip():
            return
        self._factory.asked += 1
        try:
            request = read_request(line)
        except RequestError as why:
            self._refuse(why.code, str(why), None, why.fields)
            return
        if self._pending >= MAX_PENDING:
            self._refuse("busy", f"{MAX_PENDING} requests wait for their answer", request)
            return
        self._pending += 1
        answer = self._factory.requests.answer(request, self.out)
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
        self.out.tell(fields)

    # ------------------------------------------------------------ the end

    def _end_if_done(self) -> None:
        """A client that closed its side has everything it asked for."""
        if (
            self._no_more_requests
            and not self._taking
            and not self.out.ended
            and not self._pending
            and not self._factory.requests.feed.has(self.out)
        ):
            self.out.end()

    def say_goodbye(self) -> None:
        """The node stops."""
        self.out.tell({"event": "stopping"})
        if not self.out.ended:
            self.out.end()

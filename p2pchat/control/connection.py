"""One client of the control socket: lines of JSON in, answers and events out.

Rules: the length of a request and the requests that wait for an answer are bounded, and so is the
number of clients. A client is not read while there is no room for what it asks: too much of it
waits for its answer, or too many answers wait for the client (`p2pchat.control.outgoing`). No fault
of a client or in an answer hurts the node or another client.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from typing import Any, Final
from typing import Protocol as Interface

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IHalfCloseableProtocol, IReactorTime
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from p2pchat.control.outgoing import Outgoing
from p2pchat.control.reading import ReadingWatch, is_gone, not_taken
from p2pchat.control.requests import (
    Fields,
    Request,
    RequestError,
    RequestLines,
    TooLong,
    read_request,
)
from p2pchat.logs.levels import Log
from p2pchat.logs.limits import RateLimited
from p2pchat.speech import Sentence, counted, spoken
from p2pchat.turns import Turns

_log: Final = Log("Control")
MAX_CLIENTS: Final = 64
_READ: Final = 8_192
"""Bytes that are read of a client at once: many may come in one turn, full of short requests."""
MAX_PENDING: Final = 1000
"""Requests of one client that may wait for their answer."""
MAX_PENDING_IN_ALL: Final = 5000
"""Requests of all clients that may wait, but for the first `_ALWAYS` of each. With ten times as
many, the collector of garbage looks at them for a tenth of a second."""
_ALWAYS: Final = 50
MAX_PENDING_TEXT: Final = 1_048_576
"""Characters of those requests after which no more is read."""


class Answering(Interface):
    """What answers the clients of a control socket; it knows each by what goes out to it."""

    def hello(self) -> Fields:
        """What every client is told first."""

    def answer(self, request: Request, client: Outgoing) -> Deferred[Fields]:
        """Fires with the fields of the answer; fails with a `RequestError` or a fault of ours."""

    def hears(self, client: Outgoing) -> bool:
        """Whether this client waits for events."""

    def forget(self, client: Outgoing) -> None:
        """This client is gone."""


class ControlFactory(ServerFactory):
    """Makes the connections of one control socket, and knows those that are open.

    `on_empty` is called when the last one has gone. `allows` says which requests are for these
    clients; None: all.
    """

    noisy = False

    def __init__(
        self,
        clock: IReactorTime,
        requests: Answering,
        turns: Turns,
        on_empty: Callable[[], None],
        allows: Callable[[Request], bool] | None = None,
    ) -> None:
        self.allows = allows
        self.clock = clock
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
        self.look_who_is_gone()
        if len(self.clients) >= MAX_CLIENTS:
            self.refused += 1
            return False
        self.clients[client] = None
        return True

    def look_who_is_gone(self) -> None:
        """End the connections of those that closed their side first, and the other one later."""
        for client in [*self.clients]:
            client.end_if_done()

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
            self.clock.seconds(),
            "slow",
            "A client of the control socket did not read and was disconnected",
        )


@implementer(IHalfCloseableProtocol)
class ControlConnection(Protocol):
    """One client."""

    transport: Any

    def __init__(self, factory: ControlFactory) -> None:
        self._factory = factory
        self._lines = RequestLines()
        self._untaken: deque[str | None] = deque()
        self._taking = self._paused = False
        self._pending = self._pending_text = 0
        self._no_more_requests = False
        self.out = Outgoing(lambda: factory.does_not_read(self), self._room_again)
        """What goes to the client; the node knows the client by it."""
        self._watch = ReadingWatch(factory.clock, self._progress, self._is_waited_for, self._cut)

    # ------------------------------------------------------------ Twisted's hooks

    def connectionMade(self) -> None:
        """Say who we are."""
        self.transport.bufferSize = _READ
        self.out.connect(self.transport)
        if self._factory.came(self):
            self.out.tell(self._factory.requests.hello())
        else:
            self._refuse("busy", Sentence("too many programs are connected already"))
            self._end()

    def dataReceived(self, data: bytes) -> None:
        """Requests came."""
        self._untaken += self._lines.feed(data)
        self._take_more()

    def readConnectionLost(self) -> None:
        """The client asks nothing more; it still gets its answers, and the events it wants."""
        self._no_more_requests = True
        self._untaken += self._lines.finish()
        self._take_more()
        self._watch.begin()

    def writeConnectionLost(self) -> None:
        """We never close only our side."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002
        """The client is gone."""
        self._watch.stop()
        self.out.lost()
        self._factory.went(self)

    # ------------------------------------------------------------ requests and answers

    def _take_more(self) -> None:
        """Take what came as soon as there are time and room; until then the client is not read."""
        if self._taking or self.out.ended:
            return
        self._taking = True
        taken = self._factory.turns.do(self._take_all())
        taken.addCallback(lambda _: self._taken())
        if self._taking:
            self._read_on(False)

    def _take_all(self) -> Generator[None, None, None]:
        while self._untaken and self._has_room() and not self.out.ended:
            self._take(self._untaken.popleft())
            yield

    def _taken(self) -> None:
        self._taking = False
        self._read_on(not self._untaken)
        self.end_if_done()
        self._watch.begin()

    def _has_room(self) -> bool:
        """Whether another request can be taken."""
        return self.out.has_room and self._pending_text < MAX_PENDING_TEXT

    def _too_many(self) -> int:
        """How many requests wait, of this client or of all, if that is as many as may; else 0."""
        if self._pending < _ALWAYS:
            return 0
        if self._pending >= MAX_PENDING:
            return MAX_PENDING
        in_all = sum(client._pending for client in self._factory.clients)
        return MAX_PENDING_IN_ALL if in_all >= MAX_PENDING_IN_ALL else 0

    def _room_again(self) -> None:
        """The client has read what waited."""
        if self._untaken:
            self._take_more()

    def _read_on(self, reading: bool) -> None:
        """Read what the client says from now on, or do not."""
        if reading is self._paused and not self._no_more_requests and not self.out.ended:
            self._paused = not reading
            if reading:
                self.transport.resumeProducing()
            else:
                self.transport.pauseProducing()

    def _take(self, line: str | None) -> None:
        if line is None or (not line.strip() and not isinstance(line, TooLong)):
            return
        self._factory.asked += 1
        try:
            request = read_request(line)
        except RequestError as why:
            self._refuse(why.code, why, None, why.fields)
            return
        if self._factory.allows is not None and not self._factory.allows(request):
            sentence = Sentence("one can only look at the node on this socket")
            self._refuse("read_only", sentence, request)
            return
        if too_many := self._too_many():
            sentence = counted(
                "{n} request waits for its answer", "{n} requests wait for their answer", too_many
            )
            self._refuse("busy", sentence, request)
            return
        self._pending += 1
        self._pending_text += len(line)
        answer = self._factory.requests.answer(request, self.out)
        answer.addCallback(lambda fields: self._say({"ok": True, **fields}, request))
        answer.addErrback(self._failed, request)
        answer.addBoth(self._answered, len(line))
        answer.addErrback(lambda failure: _log.failure("An answer could not be given", failure))

    def _failed(self, failure: Failure, request: Request) -> None:
        why = failure.value
        if isinstance(why, RequestError):
            self._refuse(why.code, why, request, why.fields)
        else:
            _log.failure("A request on the control socket failed", failure)
            self._refuse("failed", Sentence("that did not work, through a fault of ours"), request)

    def _answered(self, result: object, size: int) -> object:
        self._pending -= 1
        self._pending_text -= size
        self._room_again()
        self.end_if_done()
        self._watch.begin()
        return result

    def _refuse(
        self,
        code: str,
        why: Sentence | RequestError,
        request: Request | None = None,
        more: Fields | None = None,
    ) -> None:
        self._say({"ok": False, "code": code, "error": spoken(why), **(more or {})}, request)

    def _say(self, fields: Fields, request: Request | None) -> None:
        if request is not None and request.id is not None:
            fields = {"id": request.id, **fields}
        self.out.tell(fields)

    # ------------------------------------------------------------ the end

    def end_if_done(self) -> None:
        """A client that closed its side has everything it asked for.

        One that is gone wants no events any more; without one nothing would tell us that it is.
        """
        if (
            self._no_more_requests
            and not self._taking
            and not self._untaken
            and not self.out.ended
            and not self._pending
            and not (self._factory.requests.hears(self.out) and not is_gone(self.transport))
        ):
            self._end()

    def say_goodbye(self) -> None:
        """The node stops."""
        self.out.tell({"event": "stopping"})
        if not self.out.ended:
            self._end()

    def _end(self) -> None:
        self.out.end()
        self._watch.begin()

    # ------------------------------------------------------------ one that does not read

    def _progress(self) -> object:
        return self.out.times_read, not_taken(self.transport)

    def _is_waited_for(self) -> bool:
        """Whether the node can do nothing more for this client until it reads."""
        if self.out.ended:
            return True
        asks = bool(self._untaken) or self.out.long_answers.waiting
        hears = self._factory.requests.hears(self.out)
        return self.out.blocked and (asks or (self._no_more_requests and not hears))

    def _cut(self) -> None:
        self._factory.does_not_read(self)
        self.out.abort()

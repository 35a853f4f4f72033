"""Connections of the in-memory network, with the habits of TCP on which programs stumble.

Rules, as a kernel and Twisted's TCP transport keep them: bytes arrive in order, cut and joined at
will; a receiver that does not read closes the window, and then the sender's queue grows and its
producer is paused; `loseConnection` waits for the queue to leave, `abortConnection` does not; an
end that closes with unread bytes, or gets bytes after it closed, resets the connection, and a
reset throws away what its receiver has not read yet. What gets lost is sent again when the loss is
over; a reset is not, so that the other end learns of it when it sends something.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IConsumer, IHalfCloseableProtocol, IProducer, ITCPTransport
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from p2pchat.testing.events import Events, Machine

_log = Logger()
WINDOW: Final = 65_536
"""Bytes that may be under way, or wait to be read, in one direction."""
Address = IPv4Address | IPv6Address
QUEUE: Final = 65_536
"""Bytes beyond which a transport asks its producer to pause."""


@implementer(ITCPTransport, IConsumer)
class FakeTransport:
    """One end of a connection. Made by `FakeNetwork`; `other` is the other end."""

    other: FakeTransport

    def __init__(self, host: Machine, here: Address, there: Address) -> None:
        self.host = host
        self.protocol: Any = None
        self.on_lost: Callable[[Failure], None] | None = None
        """For the connector of an outbound connection."""
        self.writes: list[bytes] = []
        """Every write so far, the last hundred: for tests of what leaves together."""
        self.connected = False
        self.disconnecting = False
        self.severed = False
        """Nothing that this end sends arrives any more, and neither end is told."""
        self._events: Events = host.events
        self._here, self._there = here, there
        self._queue = bytearray()
        self._under_way = 0
        self._arrives_at = 0.0
        self._sent_again: list[tuple[Callable[..., None], tuple[object, ...]]] = []
        self._arrived = bytearray()
        self._fin_arrived = False
        self._reading = True
        self._closed = False
        self._closing_write = self._write_closed = False
        self._producer: Any = None
        self._streaming = self._producer_paused = False
        self._aborting = False
        self._pump_due = self._read_due = False

    # ------------------------------------------------------------ for tests

    @property
    def queued(self) -> int:
        """Bytes that were written and have not left, because the other end does not read."""
        return len(self._queue)

    @property
    def unread(self) -> int:
        """Bytes that arrived here and were not read yet."""
        return len(self._arrived)

    @property
    def gone(self) -> bool:
        """Whether this end is closed for good."""
        return self._closed

    def connect(self, protocol: Any) -> None:
        """Give this end its protocol: it is connected from now on."""
        self.protocol = protocol
        self.connected = True
        protocol.makeConnection(self)
        self._read_soon()

    def reset(self) -> None:
        """Break the connection at once, as a router that restarts does; both ends are told."""
        for end in (self, self.other):
            self._events.later(end._lost, Failure(ConnectionLost()))

    def vanish(self) -> None:
        """Close as a kernel does for a process that was killed: its protocol hears nothing."""
        if not self._closed:
            self.protocol = None
            self._close(None)

    def send_again(self) -> None:
        """Deliver what was lost on the way, in its order, unless it gets lost again."""
        loss = self.host.losing.get(self.other.host)
        if loss is not None:
            loss.waiting[self] = None
            return
        lost, self._sent_again = self._sent_again, []
        for arrive, args in lost:
            self._arrive(arrive, *args)

    # ------------------------------------------------------------ ITransport

    def write(self, data: bytes) -> None:
        """Queue bytes; they leave at the end of the turn, as far as the window allows."""
        if not isinstance(data, bytes):
            raise TypeError(f"bytes are written, not {type(data).__name__}")
        if not self.connected or self._write_closed or not data:
            return
        self._queue += data
        self.writes.append(data)
        del self.writes[:-100]
        if self._streaming and len(self._queue) > QUEUE and self._producer is not None:
            self._producer_paused = True
            self._producer.pauseProducing()
        self._pump_soon()

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Queue these bytes."""
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        """Close when everything that was written has left."""
        if self.connected and not self.disconnecting:
            self._reading = False
            if self._write_closed:
                self._events.now(self.host.do, self._close, Failure(ConnectionDone()))
            else:
                self.disconnecting = True
                self._pump_soon()

    def loseWriteConnection(self) -> None:
        """Close our direction when everything that was written has left."""
        self._closing_write = True
        self._pump_soon()

    def abortConnection(self) -> None:
        """Close at once; what was not sent is lost, and the other end sees a reset."""
        if self.connected and not self._aborting:
            self._aborting = self.disconnecting = True
            self._reading = False
            self._queue.clear()
            self._events.now(self.host.do, self._close, Failure(ConnectionAborted()))

    def getPeer(self) -> Address:
        """The other end's address."""
        return self._there

    def getHost(self) -> Address:
        """This end's address."""
        return self._here

    def getTcpNoDelay(self) -> bool:
        """Nothing is delayed here."""
        return True

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Has no effect."""

    def getTcpKeepAlive(self) -> bool:
        """Nothing probes an idle connection here."""
        return False

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """Has no effect."""

    # ------------------------------------------------------------ producers, in both directions

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """See `IConsumer`."""
        if self._producer is not None:
            raise RuntimeError("there is a producer already")
        if self._closed:
            producer.stopProducing()
            return
        self._producer, self._streaming = producer, streaming
        if not streaming:
            self._producer.resumeProducing()

    def unregisterProducer(self) -> None:
        """See `IConsumer`."""
        self._producer = None
        self._pump_soon()

    def pauseProducing(self) -> None:
        """Read no more until `resumeProducing`: what arrives fills the window."""
        self._reading = False

    def resumeProducing(self) -> None:
        """Read again."""
        if self.connected and not self.disconnecting:
            self._reading = True
            self._read_soon()

    def stopProducing(self) -> None:
        """See `IPushProducer`."""
        self.loseConnection()

    # ------------------------------------------------------------ sending

    def _pump_soon(self) -> None:
        if not self._pump_due and not self._closed:
            self._pump_due = True
            self._events.now(self._pump)

    def _pump(self) -> None:
        if self.host.paused:
            self.host.do(self._pump)
            return
        self._pump_due = False
        if self._closed or not self.connected:
            return
        room = WINDOW - self._under_way
        if self._queue and room > 0:
            data = bytes(self._queue[:room])
            del self._queue[:room]
            self._under_way += len(data)
            for segment in self._events.segments(data):
                self._carry(self.other._data_arrives, segment)
        if self._queue or self._aborting:
            return
        if self._producer is not None and (not self._streaming or self._producer_paused):
            self._producer_paused = False
            self._producer.resumeProducing()
        elif self.disconnecting:
            self._close(Failure(ConnectionDone()))
        elif self._closing_write and not self._write_closed:
            self._write_closed = True
            self._carry(self.other._fin_arrives)
            half_closeable = IHalfCloseableProtocol(self.protocol, None)
            if half_closeable is not None:
                half_closeable.writeConnectionLost()

    def _carry(self, arrive: Callable[..., None], *args: object) -> None:
        """Have something arrive at the other end, after all that was sent before."""
        self._arrives_at = max(self._arrives_at, self._events.arrival())
        self._events.at(self._arrives_at, self._arrive, arrive, *args)

    def _arrive(self, arrive: Callable[..., None], *args: object) -> None:
        if self.severed:
            return
        if self._sent_again or self.host.losing:  # what comes later waits for what comes first
            loss = self.host.losing.get(self.other.host)
            if loss is not None:
                loss.waiting[self] = None
            if loss is not None or self._sent_again:
                self._sent_again.append((arrive, args))
                return
        arrive(*args)

    def _reset_other(self) -> None:
        """Tell the other end once that this one is gone; nothing is sent again from here."""
        self._sent_again.clear()
        if self.other.host not in self.host.losing:
            self._carry(self.other._reset_arrives)

    def _window_opens(self, size: int) -> None:
        self._under_way -= size
        if self._queue:
            self._pump_soon()

    # ------------------------------------------------------------ receiving

    def _data_arrives(self, data: bytes) -> None:
        if self._closed:
            self._carry(self.other._reset_arrives)
            return
        self._arrived += data
        self._read_soon()

    def _fin_arrives(self) -> None:
        self._fin_arrived = True
        self._read_soon()

    def _reset_arrives(self) -> None:
        self._arrived.clear()
        self._lost(Failure(ConnectionLost()))

    def _read_soon(self) -> None:
        if not self._read_due and self._reading and (self._arrived or self._fin_arrived):
            self._read_due = True
            self._events.soon(self._read)

    def _read(self) -> None:
        if self.host.paused:
            self.host.do(self._read)
            return
        self._read_due = False
        if self._closed or not self._reading or self.protocol is None or not self.connected:
            return
        try:
            if self._arrived:
                data = bytes(self._arrived[:WINDOW])
                del self._arrived[:WINDOW]
                if self.host.losing or self._sent_again:
                    self._arrive(self.other._window_opens, len(data))
                else:
                    self.other._window_opens(len(data))
                if self._events.tap is not None:
                    self._events.tap(self, data)
                self.protocol.dataReceived(data)
                self._read_soon()
            elif self._fin_arrived:
                self._reading = False
                half_closeable = IHalfCloseableProtocol(self.protocol, None)
                if half_closeable is not None:
                    half_closeable.readConnectionLost()
                else:
                    self._close(Failure(ConnectionDone()))
        except Exception:
            failure = Failure()
            _log.failure("A protocol failed", failure)
            self._close(failure)

    # ------------------------------------------------------------ the end

    def _close(self, reason: Failure | None) -> None:
        """Close this end and let the other one know."""
        if self._closed:
            return
        if self._aborting or self._arrived:
            self._reset_other()
        elif not self._write_closed:
            self._carry(self.other._fin_arrives)
        self._lost(reason)

    def _lost(self, reason: Failure | None) -> None:
        if self._closed:
            return
        if self.host.paused and reason is not None and self.protocol is not None:
            self.host.do(self._lost, reason)  # the kernel knows, the program will
            return
        self._closed = True
        self.connected = False
        self._arrived.clear()
        self._queue.clear()
        self._events.connections.pop(self, None)
        producer, self._producer = self._producer, None
        if producer is not None and reason is not None:
            producer.stopProducing()
        protocol, self.protocol = self.protocol, None
        if protocol is not None and reason is not None:
            protocol.connectionLost(reason)
            if self.on_lost is not None:
                self.on_lost(reason)

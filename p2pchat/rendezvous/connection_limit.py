"""All open connections of a server: their deadlines, and what happens when they are too many.

Rules: one sweep looks at every deadline, and only while there are connections. When all places are
taken, new connections wait in the kernel's queue, so that a storm of quick clients loses none; but
a place is safe for `_GRACE` seconds only, so that silent clients cannot keep the others out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IPushProducer

from p2pchat.logs.levels import Log
from p2pchat.logs.limits import RateLimited

_log = Log("Rendezvous")

_SWEEP: Final = 0.25
"""Seconds between two looks at the deadlines."""
_GRACE: Final = 1.0
"""Seconds that a connection keeps its place when others wait."""
_LOOK: Final = 0.05
"""Seconds between two looks at whether the last connection has ended."""
_BATCH: Final = 100
"""Connections that a port hands over at once when it is resumed."""


class Connection(Protocol):
    """What the limit knows of one connection."""

    opened_at: float
    deadline: float

    @property
    def silent(self) -> bool:
        """Whether nothing came yet, and nothing was answered."""

    def expire(self) -> None:
        """The deadline has passed."""

    def abandon(self) -> None:
        """End at once."""


class ConnectionLimit:
    """About `limit` connections, a sixth and 100 more at most; `reactor` provides IReactorTime.

    `port`, when set, is paused while there is no place, and resumed afterwards.
    """

    def __init__(self, limit: int, reactor: Any, monotonic: Callable[[], float]) -> None:
        self.allow(limit)
        self.port: IPushProducer | None = None
        self.evicted = 0
        """Connections that gave way to newer ones."""
        self._reactor = reactor
        self._monotonic = monotonic
        self._connections: dict[Connection, None] = {}
        self._sweeping: IDelayedCall | None = None
        self._paused = False
        self._limited = RateLimited(_log, limit=1)

    def allow(self, limit: int) -> None:
        """Have this limit from now on."""
        self.limit = limit
        # A pause begins with the next batch, and batches grow while they are full.
        self._most = limit + _BATCH + limit // 6

    def __len__(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    def add(self, connection: Connection) -> None:
        """A connection was made: watch over it."""
        self._connections[connection] = None
        if self._sweeping is None:
            self._sweeping = self._reactor.callLater(_SWEEP, self._sweep)

    def remove(self, connection: Connection) -> None:
        """A connection has ended."""
        self._connections.pop(connection, None)
        if self._paused and len(self._connections) < self.limit:
            self._resume()

    def make_room(self, now: float) -> None:
        """A connection is about to be added: see to it that there is a place, or soon will be."""
        if len(self._connections) < self.limit:
            return
        if self._oldest_may_go(now) or len(self._connections) >= self._most:
            oldest = next(iter(self._connections))
            del self._connections[oldest]
            oldest.abandon()
            self.evicted += 1
        elif self.port is not None and not self._paused:
            self._paused = True
            self.port.pauseProducing()
        self._limited.warn(
            now,
            "connections",
            "All {limit} connections are in use: new ones wait, slow ones give way",
            limit=self.limit,
        )

    def drained(self, seconds: float) -> Deferred[None]:
        """Fires when no connection is left, or after so many seconds.

        One that has said nothing for a second, and was not answered, is cut off at once.
        """
        now = self._monotonic()
        for connection in [*self._connections]:
            if connection.silent and connection.opened_at + _GRACE <= now:
                connection.abandon()
        until, done = now + seconds, Deferred[None]()

        def look() -> None:
            if self._connections and self._monotonic() < until:
                self._reactor.callLater(_LOOK, look)
            else:
                done.callback(None)

        look()
        return done

    def stop(self) -> None:
        """Cut off every connection, and leave nothing for the reactor to do."""
        connections, self._connections = self._connections, {}
        for connection in connections:
            connection.abandon()
        self._paused = False
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None

    def _sweep(self) -> None:
        now = self._monotonic()
        for connection in [*self._connections]:
            if connection.deadline <= now:
                connection.expire()
        if self._paused and self._oldest_may_go(now):
            self._resume()
        self._limited.flush(now)
        self._sweeping = None
        if self._connections:
            self._sweeping = self._reactor.callLater(_SWEEP, self._sweep)

    def _oldest_may_go(self, now: float) -> bool:
        oldest = next(iter(self._connections), None)
        return oldest is None or oldest.opened_at + _GRACE <= now

    def _resume(self) -> None:
        self._paused = False
        if self.port is not None:
            begin_small_batches(self.port)
            self.port.resumeProducing()


def begin_small_batches(port: Any) -> None:
    """Let Twisted's `port` accept few connections at once, before it takes more and more again.

    This looks at a private part of Twisted's ports. Without it, a storm may exceed the limit, and
    costs some connections their places.
    """
    if hasattr(port, "numberAccepts"):
        port.numberAccepts = _BATCH

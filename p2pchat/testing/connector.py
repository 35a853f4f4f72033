"""How connections of the in-memory network come about: listening ports, and attempts to connect.

Rules: which end of a new connection hears of it first is a matter of chance; an attempt that was
broken off, or whose process was killed, is never heard of again. A kernel accepts for a program
that stands still, up to the backlog of its port. What is lost on the way is tried again, with
growing pauses.
"""

from __future__ import annotations

from typing import Any, Final

from twisted.internet import error
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConnector, IListeningPort
from twisted.internet.protocol import ClientFactory, ServerFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from p2pchat.testing.events import Machine
from p2pchat.testing.transport import FakeTransport
from p2pchat.wire.address import is_loopback

_FIRST_RETRY: Final = 1.0
"""Seconds until a first segment that was not answered is sent again; then twice as many."""


@implementer(IListeningPort)
class FakePort:
    """A listening port of a host."""

    def __init__(
        self, host: Machine, number: int, factory: ServerFactory, interface: str, backlog: int = 50
    ) -> None:
        self.host = host
        self.backlog = backlog
        self.not_accepted = 0
        """Connections that the kernel made and no program has accepted yet."""
        self.number = number
        self.factory = factory
        self.interface = interface

    def startListening(self) -> None:
        """It listens from the beginning."""

    def stopListening(self) -> Deferred[None]:
        """Close the port; fires in the next turn, unless the program is killed before."""
        closed: Deferred[None] = Deferred()
        self.close()
        self.host.events.now(self.host.do, self._closed, closed, self.host.kills)
        return closed

    def _closed(self, closed: Deferred[None], kills: int) -> None:
        if self.host.kills == kills:
            closed.callback(None)

    def close(self) -> None:
        """Close the port at once."""
        if self.host.ports.get(self.number) is self:
            del self.host.ports[self.number]
            self.factory.doStop()

    def getHost(self) -> IPv4Address | IPv6Address:
        """Its address."""
        return address(self.interface or "0.0.0.0", self.number)

    def takes(self, there: str) -> bool:
        """Whether a connection to this address of its host is one for it."""
        if self.interface == "::":
            return True
        if is_loopback(self.interface) and not is_loopback(there):
            return False
        return (":" in self.interface) is (":" in there)

    def seen(self, ip: str, port: int) -> IPv4Address | IPv6Address:
        """An address as its programs see it: IPv4 in the form of IPv6 where that takes both."""
        both = self.interface == "::" and ":" not in ip
        return address(f"::ffff:{ip}" if both else ip, port)


def address(ip: str, port: int) -> IPv4Address | IPv6Address:
    """The address of a port, in Twisted's words."""
    return IPv6Address("TCP", ip, port) if ":" in ip else IPv4Address("TCP", ip, port)


@implementer(IConnector)
class FakeConnector:
    """An outbound connection, from the attempt to its end."""

    def __init__(
        self, host: Machine, ip: str, port: int, factory: ClientFactory[Any], timeout: float | None
    ) -> None:
        self.host = host
        self.state = "disconnected"
        self.transport: FakeTransport | None = None
        self._events = host.events
        self._there = address(ip, port)
        self._factory = factory
        self._timeout = timeout
        self._attempt = 0
        self._kills = host.kills

    def connect(self) -> None:
        """Try; the factory is told what comes of it."""
        self.state = "connecting"
        self._attempt += 1
        self._factory.doStart()
        self._factory.startedConnecting(self)
        self._events.later(self._knock, self._attempt, _FIRST_RETRY)
        if self._timeout is not None:
            give_up = self._events.clock.seconds() + self._timeout
            reason = error.TimeoutError()
            self._events.at(give_up, self.host.do, self._fail, self._attempt, reason)

    def stopConnecting(self) -> None:
        """Break the attempt off."""
        if self.state != "connecting":
            raise error.NotConnectingError("we're not trying to connect")
        self._fail(self._attempt, error.UserError())

    def disconnect(self) -> None:
        """Break the attempt off, or close the connection."""
        if self.state == "connecting":
            self.stopConnecting()
        elif self.state == "connected" and self.transport is not None:
            self.transport.loseConnection()

    def getDestination(self) -> IPv4Address | IPv6Address:
        """Where it leads."""
        return self._there

    def _is_over(self, attempt: int) -> bool:
        killed = self.host.kills != self._kills
        return killed or attempt != self._attempt or self.state != "connecting"

    def _knock(self, attempt: int, retry: float) -> None:
        """Our first segment arrives over there."""
        if self._is_over(attempt):
            return
        home, away = self.host, self._target()
        there = self._there.host
        loopback = is_loopback(there)
        source = there if loopback else home.source_for(there)
        if not source:
            self._events.later(self.host.do, self._fail, attempt, error.NoRouteError())
            return
        if away is None or not ((home.reachable and away.reachable) or away is home):
            return
        port = away.ports.get(self._there.port)
        full = away.paused and port is not None and port.not_accepted > port.backlog
        if full or home.cannot_talk_with(away):
            at = self._events.arrival() + retry
            self._events.at(at, self._knock, attempt, 2 * retry)
            return
        if port is None or not port.takes(there):
            refused = error.ConnectionRefusedError()
            self._events.later(self.host.do, self._fail, attempt, refused)
            return
        here = address(source, home.free_port())
        ours, theirs = (
            FakeTransport(home, here, self._there),
            FakeTransport(away, port.seen(there, self._there.port), port.seen(source, here.port)),
        )
        ours.other, theirs.other = theirs, ours
        self._events.connections[ours] = self._events.connections[theirs] = None
        port.not_accepted += 1
        self._events.later(home.do, self._connected, attempt, ours)
        self._events.later(away.do, _accept, port, theirs)

    def _target(self) -> Machine | None:
        if is_loopback(self._there.host):
            return self.host
        return self._events.hosts.get(self._there.host)

    def _connected(self, attempt: int, transport: FakeTransport) -> None:
        if transport.gone:
            self._fail(attempt, error.ConnectionRefusedError())
            return
        if self._is_over(attempt):
            transport.vanish()
            return
        self.state = "connected"
        protocol = self._factory.buildProtocol(self._there)
        if protocol is None:
            transport.vanish()
            self._lost(Failure(error.ConnectionDone()))
            return
        self.transport = transport
        transport.on_lost = self._lost
        transport.connect(protocol)

    def _fail(self, attempt: int, reason: Exception) -> None:
        if not self._is_over(attempt):
            self.state = "disconnected"
            self._factory.clientConnectionFailed(self, Failure(reason))
            self._factory.doStop()

    def _lost(self, reason: Failure) -> None:
        self.state = "disconnected"
        self._factory.clientConnectionLost(self, reason)
        self._factory.doStop()


def _accept(port: FakePort, transport: FakeTransport) -> None:
    port.not_accepted -= 1
    if transport.gone:
        return
    if port.host.ports.get(port.number) is not port:
        transport.vanish()
        return
    protocol: Any = port.factory.buildProtocol(transport.getPeer())
    if protocol is None:
        transport.vanish()
        return
    transport.connect(protocol)

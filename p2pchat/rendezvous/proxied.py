"""Connections that a balancer passes on, HAProxy or nginx: whose they are stands in their header.

    factory = ProxiedFactory(rendezvous_factory, ["192.0.2.10", "10.1.0.0/16", "unix"])

Rules: only the balancers that were named may connect: anybody could forge a header. A connection
counts and is answered as if the client of the header had come itself. Without a whole header within
the time for silence, or with a wrong one, it is cut off. Until then it has a place like any other,
and may lose it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, Final

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress, IHalfCloseableProtocol
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from p2pchat.logs.levels import Log
from p2pchat.logs.limits import RateLimited
from p2pchat.rendezvous.connection import RendezvousFactory, RequestProtocol
from p2pchat.rendezvous.proxy_header import HeaderError, read_header
from p2pchat.rendezvous.settings import UNIX
from p2pchat.wire.address import plain_ip
from p2pchat.wire.networks import read_network

_log: Final = Log("Rendezvous")


class ProxiedFactory(ServerFactory):
    """In front of `factory`: takes connections of these balancers only, addresses and networks."""

    noisy = False

    def __init__(self, factory: RendezvousFactory, balancers: Iterable[str]) -> None:
        names = {*balancers}
        networks = [read_network(name) for name in names - {UNIX}]
        self.factory = factory
        self.limited = RateLimited(_log, limit=1)
        self.strangers = 0
        """Connections of others than the balancers."""
        self.bad_headers = 0
        """Connections without a header that can be used."""
        self._unix = UNIX in names

        @lru_cache(maxsize=256)
        def believed(ip: str) -> bool:
            address = ip_address(ip.partition("%")[0])
            return any(address in network for network in networks)

        self._believed = believed

    def buildProtocol(self, addr: IAddress | None) -> ProxiedProtocol | None:
        """Wait for the header of a balancer; None for anybody else."""
        if isinstance(addr, UNIXAddress):
            ip, believed = "127.0.0.1", self._unix
        else:
            assert isinstance(addr, (IPv4Address, IPv6Address))
            ip = plain_ip(addr.host)
            believed = self._believed(ip)
        now = self.factory.monotonic()
        if not believed:
            self.strangers += 1
            text = "{ip} is no balancer (proxy_protocol), and is turned away"
            self.limited.warn(now, "stranger", text, ip=ip)
            return None
        if self.factory.stopping:
            return None
        self.factory.connections.make_room(now)
        return ProxiedProtocol(self, ip)

    def bad_header(self, ip: str, why: str) -> None:
        """A balancer's connection has none that can be used."""
        self.bad_headers += 1
        text = "A connection of the balancer {ip} has no PROXY header: {why}"
        self.limited.warn(self.factory.monotonic(), "header", text, ip=ip, why=why)


@implementer(IHalfCloseableProtocol)
class ProxiedProtocol(Protocol):
    """One connection of the balancer `ip`, up to the header; then it is that of a client."""

    transport: Any

    def __init__(self, proxied: ProxiedFactory, ip: str) -> None:
        self._proxied = proxied
        self._ip = ip
        self._received = b""
        self._client: RequestProtocol | None = None
        self._over = False
        self.opened_at = 0.0
        self.deadline = 0.0

    @property
    def silent(self) -> bool:
        """Whether nothing came yet."""
        return not self._received

    def connectionMade(self) -> None:
        """Start the clock for the header, which no byte of it puts off."""
        factory = self._proxied.factory
        self.opened_at = factory.monotonic()
        self.deadline = self.opened_at + factory.limits.idle
        factory.connections.add(self)

    def dataReceived(self, data: bytes) -> None:
        """Look for the header; all that follows is the client's."""
        if self._client is not None:
            self._client.dataReceived(data)
        elif not self._over:
            self._received += data
            self._look()

    def _look(self) -> None:
        try:
            header = read_header(self._received)
        except HeaderError as why:
            self._refuse(str(why))
            return
        if header is None:
            return
        rest, self._received = self._received[header.size :], b""
        factory = self._proxied.factory
        factory.connections.remove(self)
        if header.client is None:
            # Its own, as a health check: as often as it likes.
            client: RequestProtocol | None = factory.uncounted(self._ip)
        else:
            ip, port = header.client
            kind = IPv6Address if ":" in ip else IPv4Address
            client = factory.buildProtocol(kind("TCP", ip, port))
        if client is None:
            self._over = True
            self.transport.loseConnection()
            return
        self._client = client
        client.makeConnection(self.transport)
        if rest:
            client.dataReceived(rest)

    def _refuse(self, why: str) -> None:
        self._proxied.bad_header(self._ip, why)
        self.abandon()

    def readConnectionLost(self) -> None:
        """The client has said all."""
        if self._client is not None:
            self._client.readConnectionLost()
            return
        if self._received and not self._over:
            self._refuse("it ends too early")
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """Our own half is closed."""
        if self._client is not None:
            self._client.writeConnectionLost()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """It is gone."""
        self._over = True
        self._received = b""
        self._proxied.factory.connections.remove(self)
        if self._client is not None:
            self._client.connectionLost(reason)

    def expire(self) -> None:
        """The header is late."""
        self._refuse("it does not come")

    def abandon(self) -> None:
        """End at once."""
        self._over = True
        self.transport.abortConnection()

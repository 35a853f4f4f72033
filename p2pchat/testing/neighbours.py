"""Networks in memory on which nodes hear each other's beacons, in place of multicast.

    here = FakeLan(clock)
    here.carrier("10.0.0.1")     # for one node; see `p2pchat.mesh.discovery.lan.lan`

Rules: a datagram arrives in a later turn of the clock, at all who are here, the sender included, or
at none of them while `drops` says so.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime

from p2pchat.mesh.discovery.lan.interfaces import Interface
from p2pchat.mesh.discovery.lan.way import Way
from p2pchat.speech import Sentence, plain


class FakeLan:
    """One network. `delay` gives the seconds that each datagram takes."""

    def __init__(self, clock: IReactorTime, delay: Callable[[], float] = lambda: 0.0) -> None:
        self._clock = clock
        self._delay = delay
        self.carriers: list[FakeCarrier] = []
        self.drops: Callable[[], bool] = lambda: False
        """Whether the network loses this datagram."""
        self.said: list[tuple[str, bytes]] = []
        """Whatever was sent, and from where."""

    def carrier(self, ip: str, bits: int = 24) -> FakeCarrier:
        """The end of one node, at this address."""
        return FakeCarrier(self, Interface("lan0", ip, bits))

    def shout(self, ip: str, datagram: bytes) -> None:
        """Have somebody at this address send a datagram to all."""
        self.said.append((ip, datagram))
        for carrier in [*self.carriers]:
            if not self.drops():
                self._clock.callLater(self._delay(), carrier.hear, datagram, ip)


class FakeCarrier:
    """What takes the datagrams of one node."""

    def __init__(self, lan: FakeLan, interface: Interface) -> None:
        self._lan = lan
        self._way = Way(interface)
        self.ways: dict[Interface, Way] = {}
        self.on_datagram: Callable[[bytes, str, Way], None] = lambda *_: None
        self.trouble = ""
        """Why it cannot start."""

    def start(self) -> Sentence | None:
        """Be there."""
        if not self.trouble:
            self.ways = {self._way.interface: self._way}
            self._way.joined = True
            self._lan.carriers.append(self)
        return plain(self.trouble) if self.trouble else None

    def stop(self) -> Deferred[None]:
        """Be gone."""
        if self in self._lan.carriers:
            self._lan.carriers.remove(self)
        return succeed(None)

    def look(self) -> None:
        """There is one interface, always."""

    def send(self, datagram: bytes) -> None:
        """To all who are there."""
        self._way.sent += 1
        self._lan.shout(self._way.interface.ip, datagram)

    def hear(self, datagram: bytes, ip: str) -> None:
        """A datagram has come; called by the network."""
        if self in self._lan.carriers:
            self._way.received += 1
            self.on_datagram(datagram, ip, self._way)

"""What nodes of a world find each other with beside the rendezvous: beacons, and books of peers.

Rules: a host that stands still, or whose cable is pulled, hears no beacon and says none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.protocol import Factory, Protocol

from p2pchat.mesh.discovery.aims import TO_ONE
from p2pchat.mesh.discovery.lan.interfaces import Interface
from p2pchat.node.book_file import BookFile
from p2pchat.node.small_file import SmallFile
from p2pchat.testing.disk import FakeDisk
from p2pchat.testing.neighbours import FakeCarrier, FakeLan
from p2pchat.testing.network import FakeHost
from p2pchat.testing.threads import SteppedWorker

VICTIM_IP: Final = "10.0.9.9"
"""Where somebody is whom liars would have dialed by all."""
VICTIM_PORT: Final = 4000


class HostCarrier(FakeCarrier):
    """What takes the beacons of the node on this host."""

    def __init__(self, lan: FakeLan, host: FakeHost) -> None:
        super().__init__(lan, Interface("lan0", host.ip, 16))
        self.host = host

    def send(self, datagram: bytes) -> None:
        """To all who are there."""
        if self.host.reachable:
            super().send(datagram)

    def hear(self, datagram: bytes, ip: str) -> None:
        """A datagram has come; called by the network."""
        if self.host.reachable and not self.host.paused:
            super().hear(datagram, ip)


def book_path(name: str) -> str:
    """Where a node's book of peers is, on its disk."""
    return f"/{name}.peers"


def book_maker(disk: FakeDisk, host: FakeHost) -> Callable[[str], BookFile]:
    """What makes the book of a node; see `ChatNode`."""

    def make(own_id: str) -> BookFile:
        return BookFile(host, SmallFile(disk, book_path(own_id), SteppedWorker(host, disk)))

    return make


class Victim(Factory):
    """Counts who dials it, and accepts nobody."""

    noisy = False

    def __init__(self, host: FakeHost) -> None:
        self.dialed_by: list[str] = []
        """The address of each who did, in their order."""
        factory: Any = self
        self._port = host.listenTCP(VICTIM_PORT, factory)

    def buildProtocol(self, addr: object) -> Protocol | None:
        """See `IProtocolFactory`."""
        self.dialed_by.append(getattr(addr, "host", ""))
        return None

    def close(self) -> None:
        """Listen no more."""
        self._port.stopListening()

    def most(self, runs: int) -> int:
        """How often a node may have dialed it in a world of less than an hour, in so many runs."""
        return TO_ONE * runs

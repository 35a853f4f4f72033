"""Beacons as datagrams: one socket for all interfaces, joined to the group on each by itself.

Rules: whatever the network does, nothing here raises. Each interface is joined and written to by
its own address: without that the kernel takes the one of its default route, and none where there is
none. What comes from outside of our networks is not passed on, so that nobody far away says where
to dial. Between two reads there is a pause, so that a flood of datagrams is one turn of the reactor
and not one each; the kernel drops what it has no room for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from socket import inet_aton
from typing import Any, Final

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError, MessageLengthError
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import DatagramProtocol

from p2pchat.logs.levels import Log
from p2pchat.mesh.discovery.lan.beacon import GROUP, PORT
from p2pchat.mesh.discovery.lan.interfaces import Interface, all_interfaces, usable

_log: Final = Log("Lan")
_PAUSE: Final = 0.1
"""Seconds from one read to the next."""


class Way:
    """What became of one interface."""

    __slots__ = (
        "_mask",
        "_network",
        "heard_at",
        "interface",
        "joined",
        "received",
        "sent",
        "trouble",
    )

    def __init__(self, interface: Interface) -> None:
        self.interface = interface
        network = interface.network
        self._mask, self._network = int(network.netmask), int(network.network_address)
        self.joined = False
        self.trouble = ""
        """Why the last beacon did not go out, or why the group could not be joined."""
        self.sent = 0
        self.received = 0
        """Datagrams from others and from us; see `Lan` for what they were."""
        self.heard_at: float | None = None
        """When the last one of others came, seconds of the node's clock; who reads them sets it."""

    def leads_to(self, address: int) -> bool:
        """Whether a machine of this IPv4 address is on its network."""
        return address & self._mask == self._network


class Multicast(DatagramProtocol):
    """Sends datagrams to all neighbours, and gets theirs.

    `reactor` provides IReactorMulticast. `patterns` are names of interfaces, none for all that fit.
    `find` gives the interfaces that there are.
    """

    noisy = False

    def __init__(
        self,
        reactor: Any,
        patterns: Sequence[str] = (),
        find: Callable[[], list[Interface]] = all_interfaces,
        port: int = PORT,
    ) -> None:
        self._reactor = reactor
        self._patterns = patterns
        self._find = find
        self._number = port
        self._listening: Any = None
        self._reading_again: IDelayedCall | None = None
        self.ways: dict[Interface, Way] = {}
        """The interfaces in use."""
        self.on_datagram: Callable[[bytes, str, Way], None] = lambda *_: None
        """Gets each datagram, the address that it came from, and by which interface."""

    def start(self) -> str:
        """Listen and join; returns why nothing can be heard, empty if all is well."""
        try:
            # At the group's address only what was sent to the group comes, and no datagram that
            # somebody far away sent to us.
            self._listening = self._reactor.listenMulticast(
                self._number, self, interface=GROUP, listenMultiple=True
            )
        except CannotListenError as why:
            return f"cannot listen on UDP port {self._number}: {why.socketError}"
        self._listening.setTTL(1)
        self._listening.setLoopbackMode(True)  # another node of this machine is a neighbour, too
        self.look()
        return ""

    def stop(self) -> Deferred[None]:
        """Hear no more."""
        listening, self._listening = self._listening, None
        again, self._reading_again = self._reading_again, None
        if again is not None:
            again.cancel()
        self.ways.clear()
        return maybeDeferred(lambda: None if listening is None else listening.stopListening())

    def look(self) -> None:
        """Join on interfaces that are new, and leave those that are gone out of account."""
        if self._listening is None:
            return
        try:
            found = usable(self._find(), self._patterns)
        except OSError as why:
            _log.warn("The interfaces cannot be listed: {why}", why=why)
            return
        self.ways = {each: self.ways.get(each) or Way(each) for each in found}
        for way in self.ways.values():
            if not way.joined:
                self._join(way)

    def send(self, datagram: bytes) -> None:
        """To all neighbours, on each interface."""
        for way in self.ways.values():
            self._send(way, datagram)

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Somebody said something."""
        if self._listening is None:
            return
        if self._reading_again is None:
            self._listening.stopReading()
            self._reading_again = self._reactor.callLater(_PAUSE, self._read_again)
        address = int.from_bytes(inet_aton(addr[0]))
        for way in self.ways.values():
            if way.leads_to(address):
                way.received += 1
                self.on_datagram(datagram, addr[0], way)
                return

    # ------------------------------------------------------------ pieces

    def _read_again(self) -> None:
        self._reading_again = None
        self._listening.startReading()

    def _join(self, way: Way) -> None:
        def joined(_: object) -> None:
            way.joined = True

        def failed(failure: Any) -> None:
            way.trouble = failure.getErrorMessage()

        joining = maybeDeferred(self._listening.joinGroup, GROUP, way.interface.ip)
        joining.addCallbacks(joined, failed)

    def _send(self, way: Way, datagram: bytes) -> None:
        if self._listening is None:
            return
        try:
            self._listening.setOutgoingInterface(way.interface.ip)
            self._listening.write(datagram, (GROUP, self._number))
        except (OSError, MessageLengthError) as why:
            way.trouble = getattr(why, "strerror", None) or str(why)
        else:
            way.sent += 1
            way.trouble = ""

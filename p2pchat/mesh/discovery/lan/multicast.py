"""Beacons as datagrams: joined to their group on each interface by itself.

    IPv4   one socket for all interfaces
    IPv6   one socket for each interface, because its neighbours are told apart by that alone

Rules: whatever the network does, nothing here raises. Each interface is joined and written to by
its own address: without that the kernel takes the one of its default route, and none where there is
none. What comes from outside of our networks is not passed on, so that nobody far away says where
to dial. An IPv6 address is passed on with the scope that it has here.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from socket import inet_aton
from typing import Any, Final

from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.error import CannotListenError, MessageLengthError

from p2pchat.logs.levels import Log
from p2pchat.mesh.discovery.lan.beacon import GROUP, GROUP_6, PORT
from p2pchat.mesh.discovery.lan.interfaces import Interface, all_interfaces, usable
from p2pchat.mesh.discovery.lan.reading import Reading
from p2pchat.mesh.discovery.lan.sockets import ipv6_socket
from p2pchat.mesh.discovery.lan.way import Way
from p2pchat.speech import Sentence, spoken
from p2pchat.wire.address import is_link_local
from p2pchat.wire.text import why_not

_log: Final = Log("Lan")


class Multicast:
    """Sends datagrams to all neighbours, and gets theirs.

    `reactor` provides IReactorMulticast and IReactorSocket. `patterns` are names of interfaces,
    none for all that fit, and `listens_on` is the one address that the node listens on. `find`
    gives the interfaces that there are.
    """

    def __init__(
        self,
        reactor: Any,
        patterns: Sequence[str] = (),
        listens_on: str | None = None,
        find: Callable[[], list[Interface]] = all_interfaces,
        port: int = PORT,
    ) -> None:
        self._reactor = reactor
        self._patterns = patterns
        self._listens_on = listens_on
        self._find = find
        self._number = port
        self._four = Reading(reactor, self._over_ipv4)
        self._six: dict[Interface, Reading] = {}
        self.ways: dict[Interface, Way] = {}
        """The interfaces in use."""
        self.on_datagram: Callable[[bytes, str, Way], None] = lambda *_: None
        """Gets each datagram, the address that it came from, and by which interface."""

    def start(self) -> Sentence | None:
        """Listen and join; returns why nothing can be heard, None if all is well."""
        try:
            # At the group's address only what was sent to the group comes, and no datagram that
            # somebody far away sent to us.
            port = self._reactor.listenMulticast(
                self._number, self._four, interface=GROUP, listenMultiple=True
            )
        except CannotListenError as why:
            reason = why.socketError
            return Sentence(
                "cannot listen on UDP port {port}: {why}", port=self._number, why=reason
            )
        port.setTTL(1)
        port.setLoopbackMode(True)  # another node of this machine is a neighbour, too
        self._four.begin(port)
        self.look()
        return None

    def stop(self) -> Deferred[None]:
        """Hear no more."""
        self.ways.clear()
        stopped = [self._four.stop(), *(each.stop() for each in self._six.values())]
        self._six.clear()
        return gatherResults(stopped).addCallback(lambda _: None)

    def look(self) -> None:
        """Join on interfaces that are new, and leave those that are gone out of account."""
        if self._four.port is None:
            return
        try:
            found = usable(self._find(), self._patterns, self._listens_on)
        except OSError as why:
            _log.warn("The interfaces cannot be listed: {why}", why=why)
            return
        self.ways = {each: self.ways.get(each) or Way(each) for each in found}
        for gone in self._six.keys() - self.ways.keys():
            self._close(gone)
        for way in self.ways.values():
            if not way.joined:
                (self._open if way.interface.is_ipv6 else self._join)(way)

    def send(self, datagram: bytes) -> None:
        """To all neighbours, on each interface."""
        for way in [*self.ways.values()]:
            if self._four.port is None:
                return
            if way.interface.is_ipv6 and not way.joined:
                self._open(way)
            if way.interface.is_ipv6 and not way.joined:
                continue
            try:
                self._write(way, datagram)
            except (OSError, MessageLengthError) as why:
                way.trouble = spoken(why_not(why) if isinstance(why, OSError) else why)
                if way.interface.is_ipv6:
                    # An interface that went and came again is another one to the kernel; and an
                    # address is not ready in its first seconds.
                    self._close(way.interface)
                    way.joined = False
            else:
                way.sent += 1
                way.trouble = ""

    # ------------------------------------------------------------ IPv4

    def _join(self, way: Way) -> None:
        def joined(_: object) -> None:
            way.joined = True

        def failed(failure: Any) -> None:
            way.trouble = failure.getErrorMessage()

        joining = maybeDeferred(self._four.port.joinGroup, GROUP, way.interface.ip)
        joining.addCallbacks(joined, failed)

    def _over_ipv4(self, datagram: bytes, ip: str) -> None:
        address = int.from_bytes(inet_aton(ip))
        for way in self.ways.values():
            if not way.interface.is_ipv6 and way.leads_to(address):
                way.received += 1
                self.on_datagram(datagram, ip, way)
                return

    # ------------------------------------------------------------ IPv6

    def _open(self, way: Way) -> None:
        name = way.interface.name

        def heard(datagram: bytes, ip: str) -> None:
            # Nobody has reason to send from another address, and such a one may lead far away.
            if is_link_local(ip):
                way.received += 1
                self.on_datagram(datagram, f"{ip}%{name}", way)

        reading = Reading(self._reactor, heard)
        try:
            with ipv6_socket(name, self._number) as made:
                family = socket.AF_INET6
                reading.begin(self._reactor.adoptDatagramPort(made.fileno(), family, reading))
        except OSError as why:
            way.trouble = spoken(why_not(why))
            return
        self._six[way.interface] = reading
        way.joined = True

    def _close(self, interface: Interface) -> None:
        reading = self._six.pop(interface, None)
        if reading is not None:
            reading.stop()

    # ------------------------------------------------------------ both

    def _write(self, way: Way, datagram: bytes) -> None:
        interface = way.interface
        if interface.is_ipv6:
            self._six[interface].port.write(datagram, (GROUP_6, self._number))
            return
        self._four.port.setOutgoingInterface(interface.ip)
        self._four.port.write(datagram, (GROUP, self._number))

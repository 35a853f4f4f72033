"""Which address may be dialed, by where it was heard of: pure rules, and nothing is looked up.

    PUBLIC    anybody may name it
    PRIVATE   10/8, 172.16/12, 192.168/16, 100.64/10, fc00::/7   a source that is at one itself
    LINK      169.254/16, fe80::/10                             a source on the same link
    MACHINE   127/8, 0/8, ::1, ::                               a source on this machine
    NOWHERE   multicast, broadcast, reserved                    nobody: TCP reaches nothing there

Rules: an address has a reach, and so has its source. A source may name what lies as near as itself
or farther away. A listing must hold literal addresses in their usual form: a host name could mean
another machine at the time of the dial, and looking it up would be a request that strangers cause.
An IPv4 address inside an IPv6 one counts as well. No port below 1024 is dialed.
"""

from __future__ import annotations

import enum
import socket
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Final, NamedTuple, TypeAlias

from p2pchat.wire.address import (
    LOOPBACK,
    THIS_MACHINE,
    embedded_ipv4,
    group_of,
    is_link_local,
    is_loopback,
    network_of,
)

LOWEST_PORT: Final = 1024
HIGHEST_PORT: Final = 65_535
"""The ports that are dialed where others say them: below are those of other services."""
_MAX_SCOPE: Final = 15
"""Characters of the longest name that an interface can have."""


Place: TypeAlias = tuple[str, int]
"""An address and a port."""


class Reach(enum.IntEnum):
    """How near an address is. A source may name addresses up to its own reach."""

    PUBLIC = 0
    PRIVATE = 1
    LINK = 2
    MACHINE = 3
    NOWHERE = 4


class Address(NamedTuple):
    """A literal IP address that was understood."""

    text: str
    """Its usual form, which is what is dialed."""
    reach: Reach
    key: str
    """What budgets count by; see `network_of`."""


class AddressRules:
    """The rules for what one source names.

    `source` is the source's IP address. An empty or unreadable one counts as public. `own_ips` are
    our addresses as the source sees them, none while they are not known; `here` are those of our
    interfaces.
    """

    def __init__(self, source: str, own_ips: Iterable[str] = (), here: Iterable[str] = ()) -> None:
        there = read_address(source)
        self._reach = Reach.PUBLIC if there is None else there.reach
        self._own_ips = frozenset(ours.text for ip in own_ips if (ours := read_address(ip)))
        self._near = frozenset(map(group_of, [*self._own_ips, *here]))
        self.refused = 0
        """Addresses that were refused so far."""
        self.example = ""
        """The first of them and the reason."""

    def dialable(self, ip: str, port: int) -> list[Place]:
        """Where to dial for this entry of a listing, best first; nothing if it is refused."""
        address = read_address(ip)
        reason = self._against(address, port)
        if reason:
            self.refused += 1
            self.example = self.example or f"{ip} port {port}: {reason}"
        if reason or address is None:
            return []
        if address.text in self._own_ips and address.text != LOOPBACK:
            # Behind the same router, or on this machine: most routers do not take a connection to
            # their own public address from inside.
            return [(LOOPBACK, port), (address.text, port)]
        return [(address.text, port)]

    def in_order(self, places: Sequence[Place]) -> tuple[Place, ...]:
        """Addresses and ports of one peer, the newest first, in the order in which to dial.

        This machine first, then networks that we are in, then all others; of each kind IPv6 and
        IPv4 in turn.
        """
        if len(places) < 2:
            return tuple(places)
        first: list[Place] = []
        near: list[Place] = []
        far: list[Place] = []
        for place in places:
            ip = place[0]
            if is_loopback(ip) or ip in self._own_ips:
                first.append(place)
            elif group_of(ip) in self._near:
                near.append(place)
            else:
                far.append(place)
        return (*first, *_in_turn(near), *_in_turn(far))

    def _against(self, address: Address | None, port: int) -> str:
        if address is None:
            return "not an IP address in its usual form"
        if not LOWEST_PORT <= port <= HIGHEST_PORT:
            return f"peers listen on ports from {LOWEST_PORT} on"
        if address.reach is Reach.NOWHERE:
            return "no single machine is there"
        if is_link_local(address.text) and "%" not in address.text:
            return "only the machine that says so knows on which of its links that is"
        if address.reach > self._reach:
            return f"it is of the kind {address.reach.name}, its source {self._reach.name}"
        return ""


def read_address(text: str) -> Address | None:
    """Understand a literal IPv4 or IPv6 address; None for all else, shortened forms included.

    An IPv6 address may have a scope (`fe80::1%eth0`) where it needs one.
    """
    try:
        return _ipv4(socket.inet_pton(socket.AF_INET, text))
    except (OSError, ValueError):
        pass
    literal, percent, scope = text.partition("%")
    try:
        packed = socket.inet_pton(socket.AF_INET6, literal)
    except (OSError, ValueError):
        return None
    if packed.startswith(_MAPPED):
        return None if percent else _ipv4(packed[12:])
    address = _ipv6(packed)
    if not percent:
        return address
    if address.reach is not Reach.LINK or not 0 < len(scope) <= _MAX_SCOPE:
        return None
    text = f"{address.text}%{scope}"
    return address._replace(text=text, key=network_of(text))


def _in_turn(places: Iterable[Place]) -> Iterator[Place]:
    """One of IPv6, one of IPv4, and so on."""
    kinds: tuple[list[Place], list[Place]] = ([], [])
    for place in places:
        kinds[":" not in place[0]].append(place)
    for pair in zip_longest(*kinds):
        yield from (place for place in pair if place is not None)


def _ipv4(packed: bytes) -> Address:
    text = socket.inet_ntop(socket.AF_INET, packed)
    reach = _reach(packed, _IPV4)
    return Address(text, reach, THIS_MACHINE if reach is Reach.MACHINE else text)


def _ipv6(packed: bytes) -> Address:
    text, reach = socket.inet_ntop(socket.AF_INET6, packed), _reach(packed, _IPV6)
    if reach is Reach.MACHINE:
        return Address(text, reach, THIS_MACHINE)
    four = embedded_ipv4(packed)
    if four is not None:
        inner = _ipv4(four)
        return Address(text, max(reach, inner.reach), inner.key)
    return Address(text, reach, network_of(text))


def _reach(packed: bytes, networks: list[tuple[int, int, Reach]]) -> Reach:
    number, bits = int.from_bytes(packed), 8 * len(packed)
    for prefix, length, reach in networks:
        if number >> (bits - length) == prefix:
            return reach
    return Reach.PUBLIC


def _network(text: str, reach: Reach) -> tuple[int, int, Reach]:
    literal, _, length = text.partition("/")
    packed = socket.inet_pton(socket.AF_INET6 if ":" in literal else socket.AF_INET, literal)
    return int.from_bytes(packed) >> (8 * len(packed) - int(length)), int(length), reach


_MAPPED: Final = bytes(10) + b"\xff\xff"
_IPV4: Final = [
    _network(network, reach)
    for reach, networks in (
        (Reach.MACHINE, "0.0.0.0/8 127.0.0.0/8"),
        (Reach.LINK, "169.254.0.0/16"),
        (Reach.PRIVATE, "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 198.18.0.0/15"),
        (Reach.PRIVATE, "192.0.0.0/24"),
        (Reach.NOWHERE, "224.0.0.0/4 240.0.0.0/4"),
    )
    for network in networks.split()
]
_IPV6: Final = [
    _network(network, reach)
    for reach, networks in (
        (Reach.MACHINE, "::/128 ::1/128"),
        (Reach.LINK, "fe80::/10"),
        (Reach.PRIVATE, "fc00::/7 fec0::/10 64:ff9b:1::/48"),
        (Reach.NOWHERE, "ff00::/8"),
    )
    for network in networks.split()
]

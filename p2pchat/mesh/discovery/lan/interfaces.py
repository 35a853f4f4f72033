"""On which interfaces of this machine beacons are sent and heard.

Rules: without a word of the person's, an interface that is up, takes multicast and leads to
neighbours: at a private or link-local address, and no tunnel, bridge of containers or virtual
machine, where nobody is or where others must not see us. Patterns of the person's replace all that
but what multicast needs. Only IPv4 so far.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from p2pchat.mesh.addresses import Reach, read_address

_MOST: Final = 32
"""Interfaces that are used; a machine of a person has two or three."""
_UP, _LOOPBACK, _POINT_TO_POINT, _MULTICAST = 0x1, 0x8, 0x10, 0x1000  # IFF_... of <net/if.h>
_NOT_ASKED_FOR: Final = (
    *("docker*", "br-*", "veth*", "virbr*", "vmnet*", "vboxnet*", "lxc*", "podman*", "cni*"),
    *("tun*", "tap*", "wg*", "tailscale*", "zt*", "utun*", "ppp*"),
)
"""Names of interfaces that lead to containers, to virtual machines and through tunnels."""


class Interface(NamedTuple):
    """One address of an interface; beacons go out from it."""

    name: str
    ip: str
    bits: int
    """Of its network's mask."""

    @property
    def network(self) -> ipaddress.IPv4Network:
        """Where its neighbours are."""
        return ipaddress.IPv4Network((self.ip, self.bits), strict=False)


def usable(interfaces: Iterable[Interface], patterns: Sequence[str]) -> list[Interface]:
    """Those of these to be used, in their order; `patterns` are the person's, of names."""
    found = [each for each in interfaces if _is_wanted(each, patterns) and _takes_part(each)]
    return found[:_MOST]


def all_interfaces() -> list[Interface]:
    """The addresses of this machine's interfaces, as far as they are IPv4."""
    import ifaddr  # late: who does not look for neighbours needs none of it

    return [
        Interface(adapter.nice_name, ip.ip, ip.network_prefix)
        for adapter in ifaddr.get_adapters()
        for ip in adapter.ips
        if isinstance(ip.ip, str)
    ]


def _is_wanted(interface: Interface, patterns: Sequence[str]) -> bool:
    name = interface.name
    if patterns:
        return any(fnmatchcase(name, pattern) for pattern in patterns)
    address = read_address(interface.ip)
    near = address is not None and address.reach in (Reach.PRIVATE, Reach.LINK)
    return near and not any(fnmatchcase(name, pattern) for pattern in _NOT_ASKED_FOR)


def _takes_part(interface: Interface) -> bool:
    flags = _flags(interface.name)
    if flags is None:
        address = read_address(interface.ip)
        return address is not None and address.reach is not Reach.MACHINE
    wrong = flags & (_LOOPBACK | _POINT_TO_POINT)
    return not wrong and flags & (_UP | _MULTICAST) == _UP | _MULTICAST


def _flags(name: str) -> int | None:
    """What the kernel says of an interface; None where it is not asked like this."""
    try:
        with open(f"/sys/class/net/{name}/flags", encoding="ascii") as file:
            return int(file.read(), 16)
    except (OSError, ValueError):
        return None

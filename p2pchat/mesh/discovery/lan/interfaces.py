"""On which interfaces of this machine beacons are sent and heard.

Rules: without a word of the person's, an interface that is up, takes multicast and leads to
neighbours: at a private or link-local address, and no tunnel, bridge of containers or virtual
machine, where nobody is or where others must not see us. Patterns of the person's replace all that
but what multicast needs. Of IPv6 the link-local address counts, which every interface with IPv6
has; an interface that is at public addresses of IPv4 alone does not lead to neighbours for that.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from p2pchat.mesh.addresses import Reach, read_address
from p2pchat.mesh.discovery.lan.netlink import Found, addresses
from p2pchat.wire.address import is_link_local, leads_to

_MOST: Final = 32
"""Addresses that are used; a machine of a person has two or three of each family."""
_UP, _LOOPBACK, _POINT_TO_POINT, _MULTICAST = 0x1, 0x8, 0x10, 0x1000  # IFF_... of <net/if.h>
_NOT_ASKED_FOR: Final = (
    *("docker", "br-", "veth", "virbr", "vmnet", "vboxnet", "lxc", "podman", "cni"),
    *("tun", "tap", "wg", "tailscale", "zt", "utun", "ppp"),
)
"""How names begin of interfaces to containers, to virtual machines and through tunnels."""


class Interface(NamedTuple):
    """One address of an interface; beacons go out from it."""

    name: str
    ip: str
    bits: int
    """Of its network's mask."""

    @property
    def is_ipv6(self) -> bool:
        """Whether it is an address of IPv6."""
        return ":" in self.ip

    @property
    def network(self) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
        """Where its neighbours are."""
        return ipaddress.ip_network((self.ip, self.bits), strict=False)


def usable(
    interfaces: Iterable[Interface], patterns: Sequence[str], listens_on: str | None = None
) -> list[Interface]:
    """Those of these to be used, in their order; `patterns` are the person's, of names.

    `listens_on` is the one address that the node listens on, None for all: a beacon over the other
    family would lead to a closed port.
    """
    there = [*interfaces]
    outside = set() if patterns else _outside(there)
    there = [each for each in there if leads_to(listens_on, each.ip)]
    found = [each for each in there if _is_wanted(each, patterns) and _takes_part(each)]
    return [each for each in found if not each.is_ipv6 or each.name not in outside][:_MOST]


def all_interfaces() -> list[Interface]:
    """The addresses of this machine's interfaces: all of IPv4, and one link-local one of IPv6.

    Raises `OSError`.
    """
    found: list[Interface] = []
    with_ipv6: set[str] = set()
    for name, ip, bits in _addresses():
        if ":" not in ip:
            found.append(Interface(name, ip, bits))
        elif is_link_local(ip) and name not in with_ipv6:
            with_ipv6.add(name)
            found.append(Interface(name, ip, bits))
    return found


def _addresses() -> list[Found]:
    try:
        return addresses()
    except OSError:
        return _by_the_library()


def _by_the_library() -> list[Found]:
    """The same where the kernel is not Linux, or does not tell."""
    import ifaddr  # late: slow to import

    return [
        Found(adapter.nice_name, ip.ip if isinstance(ip.ip, str) else ip.ip[0], ip.network_prefix)
        for adapter in ifaddr.get_adapters()
        for ip in adapter.ips
    ]


def _outside(interfaces: Iterable[Interface]) -> set[str]:
    """The names of interfaces that have addresses of IPv4, and none near."""
    four = [each for each in interfaces if not each.is_ipv6]
    return {each.name for each in four} - {each.name for each in four if _is_near(each)}


def _is_near(interface: Interface) -> bool:
    address = read_address(interface.ip)
    return address is not None and address.reach in (Reach.PRIVATE, Reach.LINK)


def _is_wanted(interface: Interface, patterns: Sequence[str]) -> bool:
    name = interface.name
    if patterns:
        return any(fnmatchcase(name, pattern) for pattern in patterns)
    return _is_near(interface) and not name.startswith(_NOT_ASKED_FOR)


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
        with open(f"/sys/class/net/{name}/flags", encoding="utf-8") as file:
            return int(file.read(), 16)
    except (OSError, ValueError):
        return None

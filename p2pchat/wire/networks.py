"""IP addresses and networks that entries of a list name, and whether one of them holds an address.

Rules: no I/O. Entries are few, and what is asked comes from strangers, so a question costs a look
for each length of a network, however many networks there are. An IPv4 address that is written as
an IPv6 one is the IPv4 address, in an entry and in a question; one that is inside an IPv6 address,
as that of who comes through a translator, counts like the IPv6 address itself.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from p2pchat.wire.address import embedded_ipv4

Network: TypeAlias = IPv4Network | IPv6Network


class Networks:
    """A set of networks; an address alone is a network of one."""

    def __init__(self) -> None:
        # By version and number of bits behind the network's own.
        self._numbers: dict[tuple[int, int], set[int]] = {}

    def add(self, network: Network) -> None:
        """Put one more in."""
        behind = network.max_prefixlen - network.prefixlen
        numbers = self._numbers.setdefault((network.version, behind), set())
        numbers.add(int(network.network_address) >> behind)

    def __len__(self) -> int:
        """How many look-ups a question costs: the lengths of networks that there are."""
        return len(self._numbers)

    def __contains__(self, ip: object) -> bool:
        """Whether one of them holds this address; what is no IP address is in no network."""
        if not self._numbers:
            return False
        try:
            address = ip_address(str(ip).partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if self._has(address.version, int(address)):
            return True
        if address.version == 4 or address.is_loopback:
            return False
        inner = embedded_ipv4(address.packed)
        return inner is not None and self._has(4, int.from_bytes(inner))

    def _has(self, version: int, number: int) -> bool:
        return any(
            version == of and number >> behind in numbers
            for (of, behind), numbers in self._numbers.items()
        )


def read_network(text: str) -> Network:
    """The address or network that an entry names; raises `ValueError` when it names none."""
    network = ip_network(text, strict=False)
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is not None and network.prefixlen >= 96:
        return ip_network(f"{mapped}/{network.prefixlen - 96}")
    return network

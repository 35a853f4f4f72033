"""Whom a node wants nothing to do with: names and addresses, and what they match.

    bob@CIC         this peer            NAME@*, *@NAMESPACE    all of that name, or namespace
    192.0.2.7       this address         192.0.2.0/24           this network

Rules: no I/O. Entries are few, and what is asked comes from strangers, so a question costs the same
however many entries there are.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from p2pchat.wire.address import split_peer_id
from p2pchat.wire.text import shortened

ANY: Final = "*"


def block_entry(text: str) -> str:
    """An entry in its usual form; raises `ValueError` with a sentence when it is none."""
    text = text.strip()
    if "@" not in text:
        return str(_network(text))
    name, namespace = split_peer_id(text)
    if name == namespace == ANY:
        raise ValueError(f'"{text}" would block everybody')
    return text


class BlockList:
    """Entries as `block_entry` returns them."""

    def __init__(self, entries: Iterable[str] = ()) -> None:
        self._peers: set[str] = set()
        self._networks: dict[tuple[int, int], set[int]] = {}
        for entry in entries:
            if "@" in entry:
                self._peers.add(entry)
            else:
                network = _network(entry)
                key = network.version, network.max_prefixlen - network.prefixlen
                of_size = self._networks.setdefault(key, set())
                of_size.add(int(network.network_address) >> key[1])

    def has_peer(self, peer_id: str) -> bool:
        """Whether an entry matches this peer_id."""
        peers = self._peers
        if not peers:
            return False
        name, _, namespace = peer_id.rpartition("@")
        return peer_id in peers or f"{name}@{ANY}" in peers or f"{ANY}@{namespace}" in peers

    def has_address(self, ip: str) -> bool:
        """Whether an entry matches this address; what is no IP address is in no network."""
        if not self._networks:
            return False
        try:
            address = ip_address(ip.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(
            version == address.version and int(address) >> bits in networks
            for (version, bits), networks in self._networks.items()
        )


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(
            f'"{shortened(text, 80)}" is no peer_id, NAME@*, *@NAMESPACE, address or network'
        ) from None
    if not network.prefixlen:
        raise ValueError(f'"{text}" would block everybody')
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is not None and network.prefixlen >= 96:
        return ip_network(f"{mapped}/{network.prefixlen - 96}")
    return network

"""Whom a node wants nothing to do with: names and addresses, and what they match.

    bob@CIC         this peer            NAME@*, *@NAMESPACE    all of that name, or namespace
    192.0.2.7       this address         192.0.2.0/24           this network

Rules: no I/O. Entries are few, and what is asked comes from strangers, so a question costs the same
however many names there are; see `networks` for the addresses.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from p2pchat.speech import Sentence
from p2pchat.wire.address import split_peer_id
from p2pchat.wire.networks import Network, Networks, read_network
from p2pchat.wire.text import shortened

ANY: Final = "*"
_REMEMBERED: Final = 16_384
"""Entries that are read once: with each `/block`, and each reload, the whole list is made anew."""


@lru_cache(maxsize=_REMEMBERED)
def block_entry(text: str) -> str:
    """An entry in its usual form; raises `ValueError` with a sentence when it is none."""
    text = text.strip()
    if "@" not in text:
        return str(_network(text))
    name, namespace = split_peer_id(text)
    if name == namespace == ANY:
        raise ValueError(Sentence('"{entry}" would block everybody', entry=text))
    return text


class BlockList:
    """Entries as `block_entry` returns them."""

    def __init__(self, entries: Iterable[str] = ()) -> None:
        self._peers: set[str] = set()
        self._networks = Networks()
        for entry in entries:
            if "@" in entry:
                self._peers.add(entry)
            else:
                self._networks.add(_network(entry))

    def has_peer(self, peer_id: str) -> bool:
        """Whether an entry matches this peer_id."""
        peers = self._peers
        if not peers:
            return False
        name, _, namespace = peer_id.rpartition("@")
        return peer_id in peers or f"{name}@{ANY}" in peers or f"{ANY}@{namespace}" in peers

    def has_address(self, ip: str) -> bool:
        """Whether an entry matches this address; what is no IP address is in no network."""
        return ip in self._networks


@lru_cache(maxsize=_REMEMBERED)
def _network(text: str) -> Network:
    try:
        network = read_network(text)
    except ValueError:
        sentence = Sentence(
            '"{entry}" is no peer_id, NAME@*, *@NAMESPACE, address or network',
            entry=shortened(text, 80),
        )
        raise ValueError(sentence) from None
    if not network.prefixlen:
        raise ValueError(Sentence('"{entry}" would block everybody', entry=text))
    return network

"""What a rendezvous, or a beacon, says of peers: who is new, or registered anew, is dialed.

Rules: every entry is a stranger's word. Who is blocked, an odd name and an address that its source
may not name are left out (see `AddressRules`), and counted. Many entries are taken in in several
turns of the reactor.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import Final

from p2pchat.mesh.addresses import AddressRules
from p2pchat.mesh.blocking import Blocking
from p2pchat.mesh.dialing import Dialing
from p2pchat.mesh.link_log import LinkLog
from p2pchat.mesh.own_name import OwnName
from p2pchat.mesh.peers import Peer, PeerTable
from p2pchat.rendezvous.directory import Listing
from p2pchat.wire.address import split_peer_id

_PEERS_A_TURN: Final = 100
_ENTRIES_A_TURN: Final = 1000
"""Peers of a listing, and entries of it, that are taken in without a look at anything else."""


class Listings:
    """Takes them in for the node of this name; `seconds` is the node's clock."""

    def __init__(
        self,
        name: OwnName,
        own_id: str,
        peers: PeerTable,
        blocking: Blocking,
        dialing: Dialing,
        link_log: LinkLog,
        seconds: Callable[[], float],
    ) -> None:
        self._name = name
        self._own_id = own_id
        self._peers = peers
        self._blocking = blocking
        self._dialing = dialing
        self._link_log = link_log
        self._seconds = seconds

    def take_in(
        self, listings: Iterable[Listing], source: str, whole: bool, namespace: str | None
    ) -> Generator[None, None, None]:
        """For the arguments see `Mesh.discovered`; other work has its turn at each `yield`."""
        by_id: dict[str, list[Listing]] = {}
        for number, entry in enumerate(listings, 1):
            if number % _ENTRIES_A_TURN == 0:
                yield
            if not self._blocking.has(entry.peer_id, entry.ip):
                by_id.setdefault(entry.peer_id, []).append(entry)
        self._name.listed(by_id.pop(self._own_id, []))
        now = self._seconds()
        rules = AddressRules(source, self._name.ips, self._name.here)
        for number, (peer_id, entries) in enumerate(by_id.items(), 1):
            if number % _PEERS_A_TURN == 0:
                yield
            peer = self._listed(peer_id)
            before = () if peer is None else peer.addresses
            if peer is not None and peer.heard_of(entries, rules, now):
                self._dialing.registered_anew(peer, before)
        if whole:
            yield from self._peers.not_listed(by_id.keys(), namespace)
        else:
            yield from self._peers.lapsed(now)
        if rules.refused:
            self._peers.addresses_refused += rules.refused
            text = f"{rules.refused} listed addresses are not dialed, the first: {rules.example}"
            self._link_log.tell("debug", "refused address", text, now)

    def _listed(self, peer_id: str) -> Peer | None:
        if self._peers.get(peer_id) is None:
            try:
                split_peer_id(peer_id)
            except ValueError as why:
                text = f"the rendezvous lists an odd name: {why}"
                self._link_log.tell("debug", "odd listing", text, self._seconds())
                return None
        return self._peers.listed(peer_id)

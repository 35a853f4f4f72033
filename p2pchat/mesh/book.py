"""What the links of a node teach its candidate book: who listens where.

Rules: a session counts when it was open for 5 s, so that nobody gets in by connecting. The place
is where we dialed. For who dialed us it is its address, and the port that it says, or that a
listing names; else it is not known. Places of this machine are not kept: they mean somebody else in
the next run. A link-local address is kept with its scope, and means nobody without it.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain, islice
from typing import Final

from p2pchat.mesh.addresses import LOWEST_PORT, Place, Reach, read_address
from p2pchat.mesh.candidates import MOST_TRIED, Candidates
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.mesh.peers import Peer, PeerTable
from p2pchat.wire.address import is_link_local

LASTING: Final = 5.0
"""Seconds that a session must have been open."""


class Book:
    """Fills the candidates of one node; `seconds` is the node's clock."""

    def __init__(self, candidates: Candidates, seconds: Callable[[], float]) -> None:
        self.candidates = candidates
        self._seconds = seconds
        self.wall = seconds
        """Seconds since the epoch; whoever keeps the book sets it."""

    def link_closed(self, peer: Peer, link: IPeerLink) -> None:
        """A link of this peer is gone."""
        self._learn(peer, link)

    def learn(self, peers: PeerTable) -> None:
        """Look at who has a link now: at as many as there is room for, friends first."""
        connected, friends = peers.connected(), peers.friends
        ours = (peer for peer in connected if peer.peer_id in friends)
        others = (peer for peer in connected if peer.peer_id not in friends)
        for peer in islice(chain(ours, others), MOST_TRIED):
            self._learn(peer, peer.link_in_use)

    def _learn(self, peer: Peer, link: IPeerLink) -> None:
        place = _place_of(peer, link)
        if place is not None and self._seconds() - link.opened_at >= LASTING:
            self.candidates.met(peer.peer_id, place, self.wall())


def _place_of(peer: Peer, link: IPeerLink) -> Place | None:
    address = read_address(link.ip)
    if address is None or address.reach is Reach.MACHINE:
        return None
    if link.outbound:
        return address.text, int(link.address.rpartition(":")[2])
    # Who comes from a link-local address comes without its scope, which a beacon has told.
    known = [place for place in peer.addresses if place[0].partition("%")[0] == address.text]
    ip = known[0][0] if known else address.text
    if is_link_local(ip) and "%" not in ip:
        return None
    if link.listens_on >= LOWEST_PORT:
        return ip, link.listens_on
    return known[0] if known else None

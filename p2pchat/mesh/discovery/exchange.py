"""Peers that tell each other where they met others: PEERS_REQ and PEERS.

    once a minute, while few are known or no rendezvous answers:
        PEERS_REQ  ->  one p2pchat at random
                   <-  PEERS: up to 20 of our namespace, whom it met itself

Rules: nobody is told what others told us, so that no lie goes further than who tells it. What was
not asked for is not read. An address is looked at as in a listing: by where its teller is. Who asks
more often than once in 45 s is not answered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from weakref import WeakKeyDictionary

from twisted.internet.interfaces import IReactorTime

from p2pchat.mesh.addresses import AddressRules, Place
from p2pchat.mesh.candidates import Candidate, Candidates, number_below
from p2pchat.mesh.link.context import LinkContext
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.mesh.peers import Peer, PeerTable
from p2pchat.wire.address import is_link_local, namespace_of, split_peer_id
from p2pchat.wire.codec import encode
from p2pchat.wire.messages import PEERS, KnownPeer, Peers, PeersReq

LIMIT: Final = 20
"""Peers that we ask for."""
MOST: Final = 50
"""Peers that are told, and read, at once."""
EVERY: Final = 45.0
"""Seconds between two questions of one peer that are answered."""
FEW: Final = 30
"""Candidates below which we ask for more."""


class Exchange:
    """That of one node. `wall` is the wall clock, `chance` gives a number between two others.

    Call `ask` once a minute, and `heard` with what comes.
    """

    def __init__(
        self,
        context: LinkContext,
        peers: PeerTable,
        candidates: Candidates,
        wall: Callable[[], float],
        chance: Callable[[float, float], float],
    ) -> None:
        self._context = context
        self._clock: IReactorTime = context.clock
        self._peers = peers
        self._candidates = candidates
        self._wall = wall
        self._chance = chance
        self._asked: WeakKeyDictionary[IPeerLink, str] = WeakKeyDictionary()
        """Whom we asked, and with which msg_id."""
        self._answered: WeakKeyDictionary[IPeerLink, float] = WeakKeyDictionary()

    def ask(self, *, answers: bool) -> None:
        """Ask one, if we need it; `answers` says whether our rendezvous does."""
        if answers and len(self._candidates) >= FEW:
            return
        links = (peer.link_in_use for peer in self._peers.connected())
        kin = [link for link in links if PEERS in link.shared and not link.leaving]
        if not kin:
            return
        link = kin[number_below(len(kin), self._chance)]
        msg_id = self._context.new_id()
        me = self._context.me.peer_id
        if link.send(encode(PeersReq(msg_id, namespace_of(me), LIMIT))):
            self._asked[link] = msg_id

    def heard(self, peer: Peer, link: IPeerLink, message: PeersReq | Peers) -> None:
        """A question or an answer came."""
        if isinstance(message, PeersReq):
            self._answer(peer, link, message)
        elif self._asked.get(link) == message.msg_id:
            del self._asked[link]
            self._take_in(peer, link, message)

    def _answer(self, peer: Peer, link: IPeerLink, question: PeersReq) -> None:
        now, wall = self._clock.seconds(), self._wall()
        if now - self._answered.get(link, -EVERY) < EVERY:
            return
        self._answered[link] = now
        count = min(max(question.limit, 0), MOST)
        known = [
            KnownPeer(each.peer_id, *place, max(0, int(wall - each.seen_at)))
            for each in self._candidates.to_tell(question.namespace, count, {peer.peer_id})
            if (place := _elsewhere(each)) is not None
        ]
        link.send(encode(Peers(question.msg_id, question.namespace, known)))

    def _take_in(self, peer: Peer, link: IPeerLink, answer: Peers) -> None:
        own_id, wall = self._context.me.peer_id, self._wall()
        rules = AddressRules(link.ip)
        for known in answer.peers[:MOST]:
            try:
                _, namespace = split_peer_id(known.id)
            except ValueError:
                continue
            if known.id == own_id or namespace != answer.namespace:
                continue
            places = [] if is_link_local(known.ip) else rules.dialable(known.ip, known.port)
            if places:
                self._candidates.told(known.id, places[-1], peer.peer_id, wall)


def _elsewhere(known: Candidate) -> Place | None:
    """Where another machine may find it: the scope of a link-local address is ours alone."""
    return next((place for place in known.places if not is_link_local(place[0])), None)

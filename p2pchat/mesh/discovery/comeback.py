"""Finding a room again that has lost its rendezvous, by where its peers once were.

    3 s after the start, and nobody answered -> dial 8, and 8 more every 5 s, until 4 links
    once a minute                            -> the same again; else one that is not there
                                             -> ask a peer where others are (`exchange`)

Rules: it does nothing else while a rendezvous answers. Whom we met is dialed as any peer. Of whom
we were only told is dialed once, and within `aims`. The one a minute is for two halves of a room
that each think to be whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from p2pchat.mesh.addresses import Place
from p2pchat.mesh.blocking import Blocking
from p2pchat.mesh.book import Book
from p2pchat.mesh.candidates import Candidate
from p2pchat.mesh.discovery.aims import Aims
from p2pchat.mesh.discovery.exchange import Exchange
from p2pchat.mesh.peers import PeerTable

_PATIENCE: Final = 3.0
"""Seconds that the rendezvous has at the start."""
_AT_ONCE: Final = 8
_NEXT: Final = 5.0
_PAUSE: Final = 60.0
ENOUGH: Final = 4
"""Links with which a node is a part of its room."""


class Dials(Protocol):
    """What dials; see `Mesh`."""

    blocking: Blocking

    def try_at(self, peer_id: str, places: Sequence[Place]) -> None:
        """Dial a peer where it once was."""

    def dial(self, host: str, port: int) -> Deferred[str]:
        """Dial an address once."""


class Comeback(Service):
    """Looks after one node. `answers` says whether its rendezvous does, `mesh` dials."""

    def __init__(
        self,
        clock: IReactorTime,
        mesh: Dials,
        exchange: Exchange,
        book: Book,
        peers: PeerTable,
        answers: Callable[[], bool],
    ) -> None:
        self._clock = clock
        self._mesh = mesh
        self._exchange = exchange
        self._book = book
        self._candidates = book.candidates
        self._peers = peers
        self._answers = answers
        self._aims = Aims(clock.seconds())
        self._next: IDelayedCall | None = None
        self._asked: set[str] = set()
        """Whom we have dialed in this round."""

    def startService(self) -> None:
        """Begin."""
        super().startService()
        self._next = self._clock.callLater(_PATIENCE, self._look, 0)

    def stopService(self) -> None:
        """End."""
        super().stopService()
        if self._next is not None:
            self._next.cancel()
            self._next = None

    @property
    def _alone(self) -> bool:
        return not self._answers() and self._peers.count_connected() < ENOUGH

    def _look(self, otherwise: int = 1) -> None:
        """Dial some if we are alone, and so many otherwise."""
        alone = self._alone
        self._book.learn(self._peers)
        linked = {peer.peer_id for peer in self._peers.connected()} if len(self._candidates) else ()
        found = self._candidates.some(_AT_ONCE if alone else otherwise, self._asked.union(linked))
        for each in found:
            self._asked.add(each.peer_id)
            self._dial(each)
        goes_on = alone and bool(found)
        if not goes_on:
            self._asked.clear()
            if otherwise or alone:
                self._exchange.ask(answers=self._answers())
        self._next = self._clock.callLater(_NEXT if goes_on else _PAUSE, self._look)

    def _dial(self, candidate: Candidate) -> None:
        if not candidate.teller:
            self._mesh.try_at(candidate.peer_id, candidate.places)
            return
        peer_id, (ip, port) = candidate.peer_id, candidate.places[0]
        if self._mesh.blocking.has(peer_id, ip) or not self._aims.may(ip, self._clock.seconds()):
            return
        self._mesh.dial(ip, port).addErrback(lambda _: self._candidates.failed(peer_id))

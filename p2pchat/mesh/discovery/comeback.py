"""Finding a room again that has lost its rendezvous, by where its peers once were.

    3 s after the start, and nobody answered -> dial 8, and 8 more every 5 s, until 4 links
    once a minute                            -> the same again; else one that is not there

Rules: it does nothing else while a rendezvous answers. What is dialed is in the limits of all
dials. The one a minute is for two halves of a room that each think to be whole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from p2pchat.mesh.candidates import Candidates
from p2pchat.mesh.peers import PeerTable

_PATIENCE: Final = 3.0
"""Seconds that the rendezvous has at the start."""
_AT_ONCE: Final = 8
_NEXT: Final = 5.0
_PAUSE: Final = 60.0
ENOUGH: Final = 4
"""Links with which a node is a part of its room."""


class Comeback(Service):
    """Looks after one node. `answers` says whether its rendezvous does, `dial` dials a peer where
    it once was."""

    def __init__(
        self,
        clock: IReactorTime,
        candidates: Candidates,
        peers: PeerTable,
        answers: Callable[[], bool],
        dial: Callable[[str, list[tuple[str, int]]], None],
    ) -> None:
        self._clock = clock
        self._candidates = candidates
        self._peers = peers
        self._answers = answers
        self._dial = dial
        self._next: IDelayedCall | None = None
        self._asked: set[str] = set()
        """Whom we have dialed in this round."""
        self.dials = 0
        """How many were dialed since the start."""

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
        linked = {peer.peer_id for peer in self._peers.connected()} if len(self._candidates) else ()
        found = self._candidates.some(_AT_ONCE if alone else otherwise, self._asked.union(linked))
        for each in found:
            self.dials += 1
            self._asked.add(each.peer_id)
            self._dial(each.peer_id, each.places)
        goes_on = alone and bool(found)
        if not goes_on:
            self._asked.clear()
        self._next = self._clock.callLater(_NEXT if goes_on else _PAUSE, self._look)

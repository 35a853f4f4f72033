"""What came to a node in one run, in its order, and whether its observers are told in that order.

    L7   what a peer said, and its coming and going, is told in the order in which it came
    L10  what was received is what was shown, with a mark or without
    L13  the place up to which a node has caught up passes no gap

Rules: it listens where the links hand messages to the node, and changes nothing. Of what a liar
said nothing is known, so it has no place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.mesh.peers import Peer
from p2pchat.node.node import ChatNode
from p2pchat.testing.worlds.account import Account
from p2pchat.testing.worlds.inner import Violation
from p2pchat.wire.messages import Edit, Pub, Said, Send


class _OfPeer:
    """What came from one peer."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {}
        """Text -> its place among all that came."""
        self.untold: dict[str, int] = {}
        """Those of which the observers must still be told."""
        self.latest = -1
        """The last place of which they were told."""
        self.statuses: deque[int] = deque()
        """How much had come before each new status of which they were not told yet."""


class Arrivals:
    """Those of one run of `node`, which has just been made."""

    def __init__(self, node: ChatNode, account: Account) -> None:
        self._node = node
        self._account = account
        self._name = node.me.peer_id
        self._peers: dict[str, _OfPeer] = {}
        self._gaps: dict[str, str] = {}
        self.told = self.unkept = 0
        """Messages of which the observers were told, without a mark and with one."""
        mesh: Any = node.mesh
        chat, extended, status = mesh.on_chat, mesh.on_extended, mesh.on_status

        def on_chat(peer: Peer, link: IPeerLink, messages: list[Send | Pub]) -> None:
            for message in messages:
                self._came(peer.peer_id, str(message.payload))
            chat(peer, link, messages)

        def on_extended(peer: Peer, link: IPeerLink, message: object) -> None:
            if isinstance(message, Said | Edit):
                self._came(peer.peer_id, str(message.payload))
            extended(peer, link, message)

        def on_status(peer: Peer) -> None:
            of_peer = self._of(peer.peer_id)
            came = len(of_peer.places)
            if not of_peer.statuses or of_peer.statuses[-1] != came:
                of_peer.statuses.append(came)
            status(peer)

        mesh.on_chat, mesh.on_extended, mesh.on_status = on_chat, on_extended, on_status

    def _of(self, peer_id: str) -> _OfPeer:
        return self._peers.setdefault(peer_id, _OfPeer())

    def _came(self, peer_id: str, text: str) -> None:
        message = self._account.message_of(text)
        if message is None:
            return
        of_peer = self._of(peer_id)
        if message.text not in of_peer.places:
            place = of_peer.places[message.text] = len(of_peer.places)
            if message not in self._account.shown_to.get(self._name, ()):
                of_peer.untold[message.text] = place

    def shown(self, peer: Peer, message: Send | Pub) -> Iterator[Violation]:
        """The observers are told of this message."""
        text, of_peer = self._account.worded(message.payload), self._of(peer.peer_id)
        place, what = of_peer.places.get(text), f"{self._name}: {text[:60]}"
        if self._account.message_of(text) is None:
            return
        if place is None:
            yield Violation("L10", "shown, and it did not come", what)
        elif text in of_peer.untold:
            del of_peer.untold[text]
            if place < of_peer.latest:
                yield Violation("L7", "shown after what came later", what)
            of_peer.latest = max(of_peer.latest, place)

    def status(self, peer: Peer) -> Iterator[Violation]:
        """The observers are told that a peer has a new status."""
        of_peer, account = self._of(peer.peer_id), self._account
        if not of_peer.statuses:
            return
        came = of_peer.statuses.popleft()
        if self._name in account.kills | account.damaged:
            return  # it knows again what it never showed, and shows it no more
        for text, place in of_peer.untold.items():
            if place < came and (self._name, text) not in account.perhaps_forgotten:
                what = f"{self._name}: {peer.peer_id}: {text[:60]}"
                yield Violation("L7", "a status is told before what came earlier", what)

    def gaps(self) -> Iterator[Violation]:
        """Where something late was not kept, and still the place moves on; between two turns."""
        history = self._node.history
        if history is None:
            return
        places = history.places
        if not (places._gaps or self._gaps):
            return
        self._gaps = {
            peer_id: self._gaps.get(peer_id, places.last(peer_id)) for peer_id in places._gaps
        }
        for peer_id, before in self._gaps.items():
            if places.last(peer_id) not in (before, ""):
                what = f"{self._name}: {peer_id}"
                yield Violation("L13", "the place passes what was not kept", what)

    def missing(self) -> Iterator[Violation]:
        """What was received and not shown, when nothing happens any more."""
        received = self._node.incoming.received
        if received != self.told and not self.unkept:  # what has a mark is received once more
            what = f"{self._name}: {received} were received, {self.told} shown"
            yield Violation("L10", "received, and not shown", what)

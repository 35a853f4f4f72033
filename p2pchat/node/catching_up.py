"""Asking a peer for what it published while we were away, and answering one that asks.

Rules: only between nodes that keep messages, in one namespace; only what the asked one published
itself; bounded in number and age by both; asked and answered once for each time that a peer is
connected, because an answer costs a search.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.python.failure import Failure

from p2pchat.history.durable import DurableHistory
from p2pchat.history.records import Record
from p2pchat.logs.levels import Log
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.mesh.peers import Peer
from p2pchat.wire.address import EVERYONE, namespace_of
from p2pchat.wire.codec import encode
from p2pchat.wire.messages import CatchUp, Said

_log: Final = Log("Router")


class CatchingUp:
    """One node's side of it, within the limits of the history's settings."""

    def __init__(self, own_id: str, history: DurableHistory, new_id: Callable[[], str]) -> None:
        self._namespace = namespace_of(own_id)
        self._history = history
        self._new_id = new_id
        self._asked: set[str] = set()
        self._answered: set[str] = set()

    def ask(self, peer: Peer) -> None:
        """Ask a peer that is connected, unless that was done."""
        limits = self._history.settings
        if (
            limits.catch_up
            and peer.links
            and peer.links[0].keeps
            and peer.namespace == self._namespace
            and peer.peer_id not in self._asked
        ):
            self._asked.add(peer.peer_id)
            after = self._history.last_published(peer.peer_id)
            request = CatchUp(self._new_id(), after, limits.catch_up, limits.catch_up_age)
            peer.links[0].send(encode(request))

    def answer(self, peer: Peer, link: IPeerLink, request: CatchUp) -> None:
        """Send what a peer missed."""
        limits = self._history.settings
        count = min(request.limit, limits.catch_up)
        age = min(request.max_age, limits.catch_up_age)
        if peer.namespace != self._namespace or peer.peer_id in self._answered:
            return
        self._answered.add(peer.peer_id)
        if count <= 0 or age <= 0:
            return

        def send(lines: list[Record]) -> None:
            for line in lines:
                said = Said(line.msg_id, line.sender, line.conversation, line.text, line.at)
                try:
                    encoded = encode(said)
                except ValueError:
                    continue  # with its time it would be too long for a line
                if not any(each.send(encoded) for each in (peer.links_in_use or [link])):
                    return
            if lines:
                _log.info("{who} catches up: {count} messages", who=peer.peer_id, count=len(lines))

        def not_read(failure: Failure) -> None:
            _log.warn("{why}", why=failure.getErrorMessage())

        scopes = (EVERYONE, "#" + self._namespace)
        found = self._history.published_since(scopes, request.after, age, count)
        found.addCallbacks(send, not_read)

    def lost(self, peer_id: str) -> None:
        """No link with this peer is left: the next time it may ask, and is asked, again."""
        self._asked.discard(peer_id)
        self._answered.discard(peer_id)

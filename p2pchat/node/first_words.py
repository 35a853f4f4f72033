"""The first direct message to somebody: it settles the key, and the person hears how it goes.

Rules: no I/O but that of the known keys. Before the message is handed to the link the key is on its
way to the disk. A line for the first message ever to a key, and one for the first message of this
run to somebody in the clear.
"""

from __future__ import annotations

from typing import Final

from p2pchat.mesh.identity import key_words
from p2pchat.mesh.identity.known_keys import KnownKeys
from p2pchat.mesh.identity.pin import Hold
from p2pchat.mesh.link.context import LinkContext
from p2pchat.mesh.peers import Peer
from p2pchat.node.observers import Observers

_MOST: Final = 10_000
"""Peers in the clear of whom the person was told."""


class FirstWords:
    """For one node that knows keys."""

    def __init__(self, context: LinkContext, known: KnownKeys, observers: Observers) -> None:
        self._context = context
        self._known = known
        self._observers = observers
        self._told: set[str] = set()

    def may_leave(self, peer: Peer, now: float) -> bool:
        """A direct message is about to be handed to the link that this peer has in use.

        False: not yet, its key is not on the disk; ask again in `PinFile.on_written`.
        """
        peer_id, known = peer.peer_id, self._known
        if peer.link_in_use.key is not None:
            pin = known.pin_of(peer_id)
            is_first = pin is not None and not pin.fleeting and pin.hold is not Hold.BY_PERSON
            may = known.wrote_to(peer_id, now)
            if is_first and pin is not None:
                self._observers.remark(key_words.seen_first(pin))
            return may
        if self._context.security is not None and peer_id not in self._told:
            if len(self._told) >= _MOST:
                self._told.clear()
            self._told.add(peer_id)
            self._observers.notice(key_words.in_the_clear(peer_id))
        return True

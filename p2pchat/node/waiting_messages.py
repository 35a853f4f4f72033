"""What waits for a peer, and goes out with a link, with room, or when its key is written.

Rules: no I/O. To one peer messages leave in the order in which they were written. So many are on
their way to one peer at most. What waits for a safer link, or for another key, holds nobody up. Of
what had to wait, another p2pchat is told when it was said.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from p2pchat.history.durable import DurableHistory
from p2pchat.history.records import Record
from p2pchat.mesh.identity.known_keys import KnownKeys
from p2pchat.mesh.identity.pin import Pin
from p2pchat.mesh.peers import Peer, PeerTable
from p2pchat.node.changing import change_line
from p2pchat.node.demands import level_of
from p2pchat.node.outbox import Outbox, OwnMessage
from p2pchat.wire.codec import encode
from p2pchat.wire.messages import Said, Send
from p2pchat.wire.repetitions import LONGEST_ID

MOST_AT_ONCE: Final = 1000
"""Peers to whom something is sent in one turn."""
_WINDOW: Final = 256
"""Messages of the outbox on their way to one peer at a time."""
_LATE: Final = 3.0
"""Seconds after which a message has waited: for room, or for its key to be on the disk."""
_PLAIN_WINDOW: Final = 32
"""The same as `_WINDOW` to another program, which gets them one at a time, with pauses."""


class WaitingMessages:
    """Sends those of `outbox` that wait, for the node of this peer_id.

    `hand_over` sends a line on the first link that takes it, and says whether one did. `is_full`
    says whether as many are on their way to all peers as may.
    """

    def __init__(
        self,
        own_id: str,
        peers: PeerTable,
        outbox: Outbox,
        history: DurableHistory | None,
        known: KnownKeys | None,
        hand_over: Callable[[Peer, OwnMessage, bytes], bool],
        is_full: Callable[[], bool],
    ) -> None:
        self._own_id = own_id
        self._peers = peers
        self._outbox = outbox
        self._history = history
        self._known = known
        self._hand_over = hand_over
        self._is_full = is_full
        self.closed = False
        """Whether nothing more goes to a link."""
        self.sent = 0
        """How many went out, each time that they did."""

    def send(self, peer_id: str) -> None:
        """Send the next messages that wait for this peer, as far as there is room."""
        peer = self._peers.get(peer_id)
        if self.closed or peer is None or not peer.links:
            return
        if self._history is not None and not self._history.past_is_known:
            return
        outbox = self._outbox
        if not outbox.has_unsent(peer_id):
            return
        if len(peer.links) > 1 and outbox.is_on_another_link(peer):
            return
        used = peer.link_in_use
        window = _WINDOW if used.is_p2pchat else _PLAIN_WINDOW
        for message in outbox.due(peer_id, window, self._pin_for(peer), level_of(peer)):
            if self._is_full():
                return
            entry = message.entry
            if len(entry.msg_id) > LONGEST_ID and entry.changes:
                line = change_line(
                    used,
                    entry.said_id,
                    entry.changes,
                    self._own_id,
                    peer_id,
                    entry.text,
                    direct=True,
                )
            else:
                line = self._line(entry, late=used.keeps and self._is_late(message))
            if not self._hand_over(peer, message, line):
                outbox.not_taken(message)
                return
            self.sent += 1

    def send_to_all(self) -> None:
        """Send the next messages for every peer for whom something waits, of so many peers."""
        for peer_id in self._outbox.peers_behind[:MOST_AT_ONCE]:
            self.send(peer_id)

    @property
    def for_room(self) -> bool:
        """Whether something may wait for room, not for its peer."""
        behind = self._outbox.peers_behind[:MOST_AT_ONCE]
        return any(peer.links for it in behind if (peer := self._peers.get(it)) is not None)

    def awaits_key(self, peer_id: str) -> bool:
        """Whether the key of a peer is not written yet, so that nothing may leave to it."""
        return self._known is not None and self._known.awaits_disk(peer_id)

    def all_held_back(self, peer_id: str, peer: Peer | None) -> bool:
        """Whether all that waits for a peer is for another key, or for a safer link."""
        linked = peer is not None and bool(peer.links)
        return linked and not self._outbox.has_due(peer_id, self._pin_for(peer), level_of(peer))

    def _pin_for(self, peer: Peer | None) -> Pin | None:
        """The pin by which a peer is written to; None in the clear."""
        if self._known is None or peer is None or not peer.links or peer.link_in_use.key is None:
            return None
        return self._known.pin_of(peer.peer_id)

    def _is_late(self, message: OwnMessage) -> bool:
        """Whether its reader wants to know when a message was said, and not only that."""
        history = self._history
        if history is None or message.earlier or message.told is not None:
            return history is not None
        return abs(history.wall() - message.entry.at) >= _LATE

    def _line(self, entry: Record, *, late: bool) -> bytes:
        if late:
            try:
                return encode(
                    Said(entry.msg_id, self._own_id, entry.conversation, entry.text, entry.at, True)
                )
            except ValueError:
                pass  # the longest texts leave no room for the time
        return encode(Send(entry.msg_id, self._own_id, entry.conversation, entry.text, True))

"""Where a message goes: from the person to links, from links to the observers.

Rules: no I/O and no clock; `now` is passed in. A SEND is pending until its ACK comes, on whatever
link, or its time is over; a message that came before is acknowledged again and shown once. Both
memories are bounded: pending ACKs refuse the next SEND, remembered ids forget the oldest, and of
an id that is longer than any honest one only a hash is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from p2pchat.logs.levels import Log
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.mesh.link.send_queue import WriteBatch
from p2pchat.mesh.peers import Peer, PeerTable
from p2pchat.node.broadcast import Broadcast
from p2pchat.node.observers import INodeObserver
from p2pchat.settings.values import Settings
from p2pchat.wire.address import namespace_of_scope
from p2pchat.wire.codec import encode
from p2pchat.wire.messages import Pub, Send
from p2pchat.wire.repetitions import RecentIds
from p2pchat.wire.text import shortened

_log: Final = Log("Router")


class NotSentError(Exception):
    """A message that could not be sent; the text is the sentence for the person."""


class Published(Struct, frozen=True):
    """What became of a PUB."""

    msg_id: str
    peers: int
    """Peers that it was sent to."""
    dropped: int
    """Connected peers that it was not sent to, because too much already waits for them."""


class _Pending(Struct, gc=False):
    peer_id: str
    sent_at: float


class Router:
    """Sends, publishes and delivers for one node."""

    def __init__(
        self,
        own_id: str,
        peers: PeerTable,
        settings: Settings,
        new_id: Callable[[], str],
        observers: INodeObserver,
        batch: WriteBatch,
    ) -> None:
        self._own_id = own_id
        self._peers = peers
        self._new_id = new_id
        self._observers = observers
        self._batch = batch
        self._broadcast = Broadcast(peers, batch, settings.limits.max_queue_bytes)
        self.configure(settings)
        self._pending: dict[str, _Pending] = {}
        self._seen = RecentIds(settings.limits.remembered_ids)
        self.duplicates = 0
        """Messages that came again and were not shown."""
        self.sent = self.published = self.received = 0
        """Direct messages sent, messages published, and messages received, each counted once."""
        self.delivered = self.undelivered = 0
        """What became of the direct messages."""
        self._without = 0

    def configure(self, settings: Settings) -> None:
        """Go by these settings from now on, as far as they can change while a node runs."""
        self._ack_timeout = settings.connection.ack_timeout
        self._max_pending = settings.limits.max_pending_acks

    # ------------------------------------------------------------ out

    def send(self, peer_id: str, payload: str, now: float) -> str:
        """Send a direct message; returns its msg_id, to which `delivered` or `undelivered` refer.

        Raises `NotSentError` when there is no such peer, no link, no room, or the text is too long.
        """
        if peer_id == self._own_id:
            raise NotSentError("that is yourself")
        peer = self._peers.get(peer_id)
        if peer is None:
            raise NotSentError(f"no such peer: {shortened(peer_id, 130)} (/peers lists them)")
        if not peer.links:
            raise NotSentError(f"no link to {peer_id}: it is {peer.status.value}")
        if len(self._pending) >= self._max_pending:
            raise NotSentError(f"{len(self._pending)} messages still wait for their ACK: try later")
        message = Send(self._new_id(), self._own_id, peer_id, payload, True)
        line = line_of(message)
        msg_id = str(message.msg_id)
        if self._hand_over(peer, msg_id, line, now) is None:
            raise NotSentError(f"{peer_id} does not keep up: too much waits for it already")
        self.sent += 1
        _log.info("SEND {to}: {text}", to=peer_id, text=payload)
        return msg_id

    def _hand_over(
        self, peer: Peer, msg_id: str, line: bytes, now: float, after: IPeerLink | None = None
    ) -> IPeerLink | None:
        """Send a line on the first link that takes it, and await its ACK; None if none does.

        `after`: the link on which it went out before; then the newest one is tried first.
        """
        self._pending[msg_id] = _Pending(peer.peer_id, now)
        self._broadcast.spread()
        links = peer.links
        if after is not None and len(links) > 1:
            links = sorted(links, key=lambda link: link.opened_at, reverse=True)
        for link in links:
            if link.send(line):
                return link
        self._pending.pop(msg_id, None)
        return None

    def publish(self, scope: str, payload: str) -> Published:
        """Send a message to every connected peer (`*`), or to those of a namespace (`#name`).

        Raises `NotSentError` for an impossible scope or a text that is too long.
        """
        try:
            namespace = namespace_of_scope(scope)
        except ValueError as why:
            raise NotSentError(str(why)) from None
        message = Pub(self._new_id(), self._own_id, scope, payload, False)
        line = line_of(message)
        dropped = self._without_room(namespace, line) if self._batch.crowded else 0
        if dropped != self._without:
            # Who has no room for all of this block may still have it for a part.
            self._broadcast.spread()
            dropped = self._without = self._without_room(namespace, line)
        peers = self._peers.count_connected(namespace) - dropped
        self._broadcast.add(namespace, line)
        self.published += 1
        _log.info("PUB {to} to {count} peer(s): {text}", to=scope, count=peers, text=payload)
        return Published(str(message.msg_id), peers, dropped)

    def _without_room(self, namespace: str | None, line: bytes) -> int:
        """How many peers will not take this line after what is published already."""
        size = self._broadcast.held_before(namespace, line) + len(line)
        count = 0
        for peer in self._peers.connected(namespace):
            for link in peer.links:
                if link.has_room(size):
                    break
            else:
                count += 1
        return count

    def flush(self) -> None:
        """Hand over to the links what was published in this turn, for example before a farewell."""
        self._broadcast.spread()

    @property
    def dropped(self) -> int:
        """Deliveries of a PUB that were dropped because too much waited for the peer."""
        return self._broadcast.lost

    @property
    def remembered(self) -> int:
        """How many ids are kept to know repetitions."""
        return len(self._seen)

    @property
    def pending(self) -> int:
        """How many messages wait for their ACK."""
        return len(self._pending)

    def acknowledged(self, msg_id: object, now: float) -> None:
        """An ACK came; one that nobody waits for is ignored."""
        pending = self._pending.pop(msg_id, None) if isinstance(msg_id, str) else None
        if pending is not None:
            seconds = now - pending.sent_at
            self.delivered += 1
            _log.debug("ACK from {peer} after {ms:.1f} ms", peer=pending.peer_id, ms=seconds * 1e3)
            self._observers.delivered(pending.peer_id, str(msg_id), seconds)

    def sweep(self, now: float) -> None:
        """Report the messages whose ACK is overdue; call it several times a second."""
        while self._pending:
            msg_id, pending = next(iter(self._pending.items()))
            if now - pending.sent_at < self._ack_timeout:
                return
            self._give_up(msg_id, pending.peer_id, f"no ACK within {self._ack_timeout:g} s")

    def give_up_all(self, reason: str) -> None:
        """Report every pending message as undelivered: the node stops."""
        for msg_id, pending in [*self._pending.items()]:
            # Observers may send, or take an ACK, while they hear of the others.
            if msg_id in self._pending:
                self._give_up(msg_id, pending.peer_id, reason)

    def _give_up(self, msg_id: str, peer_id: str, reason: str) -> None:
        del self._pending[msg_id]
        self.undelivered += 1
        _log.warn("Not delivered to {peer}: {why}", peer=peer_id, why=reason)
        self._observers.undelivered(peer_id, msg_id, reason)

    # ------------------------------------------------------------ in

    def deliver(self, peer: Peer, link: IPeerLink, messages: list[Send | Pub]) -> None:
        """Acknowledge what asks for it, take out repetitions, and tell the observers the rest."""
        if len(messages) == 1:
            # What a conversation brings: one answer, without going through a list.
            message = messages[0]
            if message.require_ack and message.msg_id is not None:
                link.acknowledge([message.msg_id])
        else:
            accepted = [m.msg_id for m in messages if m.require_ack and m.msg_id is not None]
            if accepted:
                link.acknowledge(accepted)
        peer_id = peer.peer_id
        fresh, _ = self._seen.fresh(peer_id, messages)
        self.received += len(fresh)
        if fresh is not messages:
            self.duplicates += len(messages) - len(fresh)
        if fresh:
            if _log.debugging:
                self._log_received(peer_id, fresh)
            self._observers.received(peer, fresh)

    def status_changed(self, peer: Peer) -> None:
        """Tell the observers that `peer.status` has a new value, after what came before."""
        self._observers.status_changed(peer)

    def _log_received(self, peer_id: str, messages: list[Send | Pub]) -> None:
        if _log.debugging:
            for message in messages:
                to = message.dst if type(message) is Pub else "us"
                _log.debug("{who} -> {to}: {text}", who=peer_id, to=to, text=message.payload)


def line_of(message: Send | Pub) -> bytes:
    """The line for a message of a person; raises `NotSentError` when it is too long."""
    try:
        return encode(message)
    except ValueError as why:
        raise NotSentError(str(why)) from None

"""What we say: it goes to links, waits in the history, or comes back with a sentence.

    send     -> a link that takes it, and history.on_its_way;  or, if none does, history.queue
    ACK      -> delivered
    no ACK   -> undelivered; what is kept goes out again, with the same msg_id, on the next link,
                or after `3 * ack_timeout` on the same one if the peer is of our own kind
    publish  -> every connected peer of a scope, and history.published

Rules: no I/O. A SEND is pending until its ACK comes, on whatever link, or its time is over, and so
many are pending at most. To one peer messages leave in the order in which they were written. An
ACK counts only from the peer that was written to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from p2pchat.history.durable import DurableHistory
from p2pchat.history.outbox import OutboxFullError, Queued
from p2pchat.logs.levels import Log
from p2pchat.mesh.link.context import LinkContext
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.mesh.peers import Peer, PeerTable
from p2pchat.node.broadcast import Broadcast
from p2pchat.node.observers import Observers
from p2pchat.wire.address import namespace_of_scope, split_peer_id
from p2pchat.wire.codec import encode
from p2pchat.wire.friends import Friends
from p2pchat.wire.messages import Pub, Said, Send
from p2pchat.wire.names import bracketed
from p2pchat.wire.text import shortened

KEPT: Final = "it is kept, and sent again when a link opens"
"""What follows the reason why a message was not delivered yet."""
_TOO_OLD: Final = "it waited for too long and is given up"
_log: Final = Log("Router")
_MOST_AT_ONCE: Final = 1000
_CHECK_AGE_EVERY: Final = 60.0
_AGAIN_AFTER: Final = 3
"""Times `ack_timeout` after which our own kind gets a message again on the same link."""
_WINDOW: Final = 256
"""Messages of the outbox on their way to one peer at a time."""
_PLAIN_WINDOW: Final = 32
"""The same to another program, which gets them one at a time, with pauses."""


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
    link: IPeerLink


def _ignore(_peer: Peer, _link: IPeerLink) -> None:
    """There is nobody to find another link."""


class Outgoing:
    """Sends and publishes for one node, within the limits of `context.settings`.

    `history`, if there is one, keeps what was said, and what waits for a link or an ACK. `friends`
    learns to whom we wrote.
    """

    def __init__(
        self,
        context: LinkContext,
        peers: PeerTable,
        observers: Observers,
        history: DurableHistory | None = None,
        friends: Friends | None = None,
    ) -> None:
        self._friends = Friends() if friends is None else friends
        self._context = context
        self._own_id = context.me.peer_id
        self._peers = peers
        self._observers = observers
        self._history = history
        self._broadcast = Broadcast(peers, context.batch, context.settings.limits.max_queue_bytes)
        self._pending: dict[str, _Pending] = {}
        self._check_age_at = 0.0
        self.on_overdue: Callable[[Peer, IPeerLink], None] = _ignore
        """Is told the peer and the link of each message whose ACK did not come in time."""
        self.on_dropped: Callable[[Peer], None] = lambda _: None
        """Is told of each connected peer that did not get what was published."""
        self._broadcast.on_dropped = lambda peer: self.on_dropped(peer)
        self.sent = self.published = 0
        """Direct messages sent, and messages published, each counted once."""
        self.delivered = self.undelivered = 0
        """What became of the direct messages."""

    @property
    def pending(self) -> int:
        """How many messages wait for their ACK."""
        return len(self._pending)

    @property
    def dropped(self) -> int:
        """Deliveries of a PUB that were dropped because too much waited for the peer."""
        return self._broadcast.dropped

    # ------------------------------------------------------------ what a person says

    def send(self, peer_id: str, payload: str) -> str:
        """Send a direct message, or have it wait for a link if there is a history.

        Returns its msg_id, to which `delivered`, `undelivered` or `queued` of the observers refer.
        Raises `NotSentError` when there is no such peer, no link, no room, or the text is too long.
        """
        if peer_id == self._own_id:
            raise NotSentError("that is yourself")
        peer, history = self._peers.get(peer_id), self._history
        obstacle = self._obstacle(peer_id, peer)
        if obstacle and (history is None or (peer is None and not _is_peer_id(peer_id))):
            raise NotSentError(obstacle)
        message = Send(self._context.new_id(), self._own_id, peer_id, payload, True)
        line, msg_id, link = _line_of(message), str(message.msg_id), None
        overtakes = history is not None and history.outbox.is_behind(peer_id)
        if peer is not None and not obstacle and not overtakes:
            link = self._hand_over(peer, msg_id, line)
        if link is not None:
            if history is not None:
                history.on_its_way(peer_id, msg_id, payload, link)
            self.sent += 1
            _log.info("SEND {to}: {text}", to=peer_id, text=payload)
        elif history is None:
            raise NotSentError(
                f"{bracketed(peer_id)} does not keep up: too much waits for it already"
            )
        else:
            try:
                history.queue(peer_id, msg_id, payload)
            except OutboxFullError as why:
                raise NotSentError(str(why)) from None
            _log.info("SEND {to}, which waits: {text}", to=peer_id, text=payload)
        self._friends.wrote_to(peer_id)
        return msg_id

    def publish(self, scope: str, payload: str) -> Published:
        """Send a message to every connected peer (`*`), or to those of a namespace (`#name`).

        Raises `NotSentError` for an impossible scope or a text that is too long.
        """
        try:
            namespace = namespace_of_scope(scope)
        except ValueError as why:
            raise NotSentError(str(why)) from None
        message = Pub(self._context.new_id(), self._own_id, scope, payload, False)
        line, msg_id = _line_of(message), str(message.msg_id)
        dropped = self._broadcast.add(namespace, line)
        peers = self._peers.count_connected(namespace) - dropped
        self.published += 1
        _log.info("PUB {to} to {count} peer(s): {text}", to=scope, count=peers, text=payload)
        if self._history is not None:
            self._history.published(scope, msg_id, payload)
        return Published(msg_id, peers, dropped)

    def flush(self) -> None:
        """Hand over to the links what was published in this turn, for example before a farewell."""
        self._broadcast.spread()

    def _obstacle(self, peer_id: str, peer: Peer | None) -> str:
        """Why a message cannot go out now, as a sentence; empty if it can."""
        if peer is None:
            return f"no such peer: {bracketed(peer_id)} (/peers lists them)"
        if not peer.links:
            return f"no link to {bracketed(peer_id)}: it is {peer.status.value}"
        if self._full:
            return f"{len(self._pending)} messages still wait for their ACK: try later"
        return ""

    @property
    def _full(self) -> bool:
        return len(self._pending) >= self._context.settings.limits.max_pending_acks

    def _hand_over(self, peer: Peer, msg_id: str, line: bytes) -> IPeerLink | None:
        """Send a line on the first link that takes it, and await its ACK; None if none does."""
        if self._broadcast.held:
            self._broadcast.spread()
        now = self._context.clock.seconds()
        for link in peer.links_in_use:
            self._pending[msg_id] = _Pending(peer.peer_id, now, link)
            if link.send(line):
                return link
        self._pending.pop(msg_id, None)
        return None

    # ------------------------------------------------------------ what became of it

    def acknowledged(self, peer_id: str, msg_id: object) -> None:
        """An ACK came from a peer, perhaps after its time.

        One that nobody waits for is ignored, and so is one from another peer than was written to.
        """
        if not isinstance(msg_id, str):
            return
        history = self._history
        written: _Pending | Queued | None = self._pending.get(msg_id)
        if written is None and history is not None:
            written = history.outbox.get(msg_id)
        if written is None or written.peer_id != peer_id:
            return
        waited = None if history is None else history.acknowledged(msg_id)
        pending = self._pending.pop(msg_id, None)
        if pending is not None:
            seconds = self._context.clock.seconds() - pending.sent_at
            self.delivered += 1
            _log.debug("ACK from {peer} after {ms:.1f} ms", peer=pending.peer_id, ms=seconds * 1e3)
            self._observers.delivered(pending.peer_id, msg_id, seconds)
        elif waited is not None:
            self.delivered += 1
            self._observers.delivered(waited.peer_id, msg_id, waited.seconds)
        if waited is not None:
            if waited.earlier:
                # Who sent it then is no longer there to be told.
                text = shortened(waited.earlier, 40)
                self._observers.notice(
                    f'delivered to {bracketed(waited.peer_id)}, which was away: "{text}"'
                )
            self._send_waiting(waited.peer_id)

    def sweep(self, now: float) -> None:
        """Report what is overdue, and send what waited for room; call it several times a second."""
        timeout = self._context.settings.connection.ack_timeout
        while self._pending:
            msg_id, pending = next(iter(self._pending.items()))
            if now - pending.sent_at < timeout:
                break
            peer = self._peers.get(pending.peer_id)
            if peer is not None:
                self.on_overdue(peer, pending.link)
            self._give_up(msg_id, pending.peer_id, f"no ACK within {timeout:g} s")
        history = self._history
        if history is not None:
            for queued in history.outbox.overdue_before(now - (_AGAIN_AFTER - 1) * timeout):
                peer = self._peers.get(queued.peer_id)
                if peer is not None and peer.links and peer.link_in_use.is_p2pchat:
                    history.outbox.send_again(queued)
            for peer_id in history.outbox.peers_behind[:_MOST_AT_ONCE]:
                self._send_waiting(peer_id)
            if now >= self._check_age_at:
                self._check_age_at = now + _CHECK_AGE_EVERY
                for queued in history.too_old():
                    _log.warn("Not delivered to {peer}: {why}", peer=queued.peer_id, why=_TOO_OLD)
                    self._observers.undelivered(queued.peer_id, queued.msg_id, _TOO_OLD)

    def give_up_all(self, reason: str) -> None:
        """Report every pending message as undelivered: the node stops."""
        for msg_id, pending in [*self._pending.items()]:
            # Observers may send, or take an ACK, while they hear of the others.
            if msg_id in self._pending:
                self._give_up(msg_id, pending.peer_id, reason)

    def _give_up(self, msg_id: str, peer_id: str, reason: str) -> None:
        peer, history = self._peers.get(peer_id), self._history
        used = () if peer is None or not peer.links else (peer.link_in_use,)
        del self._pending[msg_id]
        if history is not None:
            now = self._context.clock.seconds()
            kept = history.overdue(msg_id, used, now)
            if kept is not None and kept.again:
                return
            if kept is not None:
                reason = f"{reason}: {KEPT}"
        self.undelivered += 1
        _log.warn("Not delivered to {peer}: {why}", peer=peer_id, why=reason)
        self._observers.undelivered(peer_id, msg_id, reason)

    # ------------------------------------------------------------ what waits in the history

    def link_opened(self, peer: Peer) -> None:
        """Another link is in use, or the past is known only now: send what waits for this peer."""
        if self._history is not None:
            self._history.outbox.link_opened(peer.peer_id)
            self._send_waiting(peer.peer_id)

    def link_closed(self, peer: Peer, link: IPeerLink) -> None:
        """A link is gone: what it may not have delivered goes out on another one, if there is."""
        if self._history is not None:
            self._history.outbox.link_closed(peer.peer_id, link)
            self._send_waiting(peer.peer_id)

    def _send_waiting(self, peer_id: str) -> None:
        """Send the next messages that wait for this peer, as far as there is room."""
        peer, history = self._peers.get(peer_id), self._history
        if history is None or peer is None or not peer.links:
            return
        outbox = history.outbox
        if not outbox.is_behind(peer_id):
            return
        used = peer.link_in_use
        window = _WINDOW if used.is_p2pchat else _PLAIN_WINDOW
        for queued in outbox.due(peer_id, window):
            if self._full:
                return
            line = self._line_of_waiting(queued, late=used.keeps)
            link = self._hand_over(peer, queued.msg_id, line)
            if link is None:
                return
            outbox.sent(queued, link)
            self.sent += 1

    def _line_of_waiting(self, queued: Queued, *, late: bool) -> bytes:
        entry = queued.entry
        if late:
            try:
                return encode(
                    Said(entry.msg_id, self._own_id, entry.conversation, entry.text, entry.at, True)
                )
            except ValueError:
                pass  # the longest texts leave no room for the time
        return _line_of(Send(entry.msg_id, self._own_id, entry.conversation, entry.text, True))


def _line_of(message: Send | Pub) -> bytes:
    """The line for a message of a person; raises `NotSentError` when it is too long."""
    try:
        return encode(message)
    except ValueError as why:
        raise NotSentError(str(why)) from None


def _is_peer_id(peer_id: str) -> bool:
    try:
        split_peer_id(peer_id)
    except ValueError:
        return False
    return True

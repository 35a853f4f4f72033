"""Where a message goes: from the person to links, from links to the observers.

Rules: no I/O and no clock; `now` is passed in. A SEND is pending until its ACK comes, on whatever
link, or its time is over; a message that came before is acknowledged again and shown once. Both
memories are bounded: pending ACKs refuse the next SEND, remembered ids forget the oldest, and of
an id that is longer than any honest one only a hash is kept.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from p2pchat.address import EVERYONE, namespace_of_scope
from p2pchat.logs import Log
from p2pchat.messages import Pub, Send
from p2pchat.text import shortened
from p2pchat.wire import encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from p2pchat.interfaces import INodeObserver, IPeerLink
    from p2pchat.peers import Peer, PeerTable
    from p2pchat.settings import Settings

_log: Final = Log("Router")
_LONGEST_ID: Final = 128
"""Characters of an id that is remembered as it is."""


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


class RecentIds:
    """The ids of the last messages, at least half of `limit` and at most all of it.

    Two sets that take turns cost less than a queue: when one is full, the older one goes.
    """

    def __init__(self, limit: int) -> None:
        self._half = max(1, limit // 2)
        self._recent: set[tuple[str, str]] = set()
        self._older: set[tuple[str, str]] = set()

    def is_new(self, key: tuple[str, str]) -> bool:
        """Remember a key; False when it was remembered already."""
        if key in self._recent or key in self._older:
            return False
        self._recent.add(key)
        if len(self._recent) >= self._half:
            self._older = self._recent
            self._recent = set()
        return True

    def __len__(self) -> int:
        return len(self._recent) + len(self._older)


class Router:
    """Sends, publishes and delivers for one node."""

    def __init__(
        self,
        own_id: str,
        peers: PeerTable,
        settings: Settings,
        new_id: Callable[[], str],
        observers: INodeObserver,
    ) -> None:
        self._own_id = own_id
        self._peers = peers
        self._new_id = new_id
        self._observers = observers
        self._ack_timeout = settings.connection.ack_timeout
        self._max_pending = settings.limits.max_pending_acks
        self._pending: dict[str, _Pending] = {}
        self._seen = RecentIds(settings.limits.remembered_ids)
        self.duplicates = 0
        """Messages that came again and were not shown."""
        self.dropped = 0
        """Deliveries of a PUB that were dropped because too much waited for the peer."""

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
        line = _line(message)
        msg_id = str(message.msg_id)
        self._pending[msg_id] = _Pending(peer_id, now)
        if not any(link.send(line) for link in peer.links):
            del self._pending[msg_id]
            raise NotSentError(f"{peer_id} does not keep up: too much waits for it already")
        _log.info("SEND {to}: {text}", to=peer_id, text=payload)
        return msg_id

    def publish(self, scope: str, payload: str) -> Published:
        """Send a message to every connected peer (`*`), or to those of a namespace (`#name`).

        Raises `NotSentError` for an impossible scope or a text that is too long.
        """
        try:
            namespace = namespace_of_scope(scope)
        except ValueError as why:
            raise NotSentError(str(why)) from None
        message = Pub(self._new_id(), self._own_id, scope, payload, False)
        line = _line(message)
        peers = dropped = 0
        for peer in self._peers.connected(namespace):
            for link in peer.links:
                if link.send(line):
                    peers += 1
                    break
            else:
                dropped += 1
        self.dropped += dropped
        _log.info("PUB {to} to {count} peer(s): {text}", to=scope, count=peers, text=payload)
        return Published(str(message.msg_id), peers, dropped)

    @property
    def pending(self) -> int:
        """How many messages wait for their ACK."""
        return len(self._pending)

    def acknowledged(self, msg_id: object, now: float) -> None:
        """An ACK came; one that nobody waits for is ignored."""
        pending = self._pending.pop(msg_id, None) if isinstance(msg_id, str) else None
        if pending is not None:
            seconds = now - pending.sent_at
            _log.debug("ACK from {peer} after {ms:.1f} ms", peer=pending.peer_id, ms=seconds * 1e3)
            self._observers.delivered(pending.peer_id, str(msg_id), seconds)

    def sweep(self, now: float) -> None:
        """Report the messages whose ACK is overdue; call it several times a second."""
        while self._pending:
            msg_id, pending = next(iter(self._pending.items()))
            if now - pending.sent_at < self._ack_timeout:
                return
            self._give_up(msg_id, pending, f"no ACK within {self._ack_timeout:g} s")

    def give_up_all(self, reason: str) -> None:
        """Report every pending message as undelivered: the node stops."""
        for msg_id, pending in [*self._pending.items()]:
            # Observers may send, or take an ACK, while they hear of the others.
            if msg_id in self._pending:
                self._give_up(msg_id, pending, reason)

    def _give_up(self, msg_id: str, pending: _Pending, reason: str) -> None:
        del self._pending[msg_id]
        _log.warn("Not delivered to {peer}: {why}", peer=pending.peer_id, why=reason)
        self._observers.undelivered(pending.peer_id, msg_id, reason)

    # ------------------------------------------------------------ in

    def deliver(self, peer: Peer, link: IPeerLink, messages: list[Send | Pub]) -> None:
        """Acknowledge what asks for it, take out repetitions, and tell the observers the rest."""
        peer_id, is_new = peer.peer_id, self._seen.is_new
        fresh = []
        for message in messages:
            msg_id = message.msg_id
            if message.require_ack and msg_id is not None:
                link.acknowledge(msg_id)
            if msg_id.__class__ is not str or len(msg_id) > _LONGEST_ID:
                msg_id = _remembered_form(msg_id)
            if not msg_id or is_new((peer_id, msg_id)):
                fresh.append(message)
        self.duplicates += len(messages) - len(fresh)
        if fresh:
            if _log.debugging:
                for message in fresh:
                    to = message.dst if type(message) is Pub else "us"
                    _log.debug("{who} -> {to}: {text}", who=peer_id, to=to, text=message.payload)
            self._observers.received(peer, fresh)


def _remembered_form(msg_id: object) -> str:
    """A short string for an odd id, the same for the same id; empty for None."""
    if msg_id is None:
        return ""
    text = json.dumps(msg_id)
    return text if len(text) <= _LONGEST_ID else f"{text[:32]}… {hash(text)}"


def _line(message: Send | Pub) -> bytes:
    try:
        return encode(message)
    except ValueError as why:
        raise NotSentError(str(why)) from None


def scope_of(message: Pub) -> str:
    """The scope that a PUB names, in its full form: `*`, `#namespace`, or a peer_id."""
    dst = message.dst or EVERYONE
    return dst if dst.startswith("#") or dst == EVERYONE or "@" in dst else "#" + dst

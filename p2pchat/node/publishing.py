"""What we publish: to every connected peer of a scope, and into the history.

Rules: no I/O. With a history, nothing leaves before the past is known: what is published before
waits in its order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from p2pchat.history.durable import DurableHistory
from p2pchat.history.records import PUBLISHED, Record
from p2pchat.logs.levels import Log
from p2pchat.logs.texts import logged
from p2pchat.mesh.link.context import LinkContext
from p2pchat.mesh.peers import Peer, PeerTable
from p2pchat.node.broadcast import Broadcast
from p2pchat.node.changing import change_line
from p2pchat.node.news import NotSentError
from p2pchat.node.observers import Observers
from p2pchat.speech import Sentence, sentence_of
from p2pchat.wire.address import namespace_of_scope
from p2pchat.wire.changes import kept_id
from p2pchat.wire.codec import encode
from p2pchat.wire.messages import Pub

_log: Final = Log("Router")
_MOST_EARLY: Final = 10_000
"""Publications that wait until the past is known."""


class Published(Struct, frozen=True):
    """What became of a PUB."""

    msg_id: str
    peers: int
    """Peers that it was sent to."""
    dropped: int
    """Connected peers that it was not sent to, because too much already waits for them."""
    id: int = 0
    """Its id in the history; 0 without one, and while the past is not known."""


class Publishing:
    """Publishes for one node. `history`, if there is one, keeps what was published."""

    def __init__(
        self,
        context: LinkContext,
        peers: PeerTable,
        observers: Observers,
        history: DurableHistory | None = None,
    ) -> None:
        self._context = context
        self._observers = observers
        self._peers = peers
        self._history = history
        self.broadcast = Broadcast(peers, context.batch, context.settings.limits.max_queue_bytes)
        """What is held until the turn ends."""
        self._early = 0
        self.on_dropped: Callable[[Peer], None] = lambda _: None
        """Is told of each connected peer that did not get what was published."""
        self.broadcast.on_dropped = lambda peer: self.on_dropped(peer)
        self.count = 0
        """Messages published."""
        self.closed = False
        """Whether nothing more is accepted."""

    @property
    def early(self) -> int:
        """Publications that wait until the past is known."""
        return self._early

    @property
    def dropped(self) -> int:
        """Deliveries that were dropped because too much waited for the peer."""
        return self.broadcast.dropped

    def publish(self, scope: str, payload: str, *, of: str = "") -> Published:
        """Send a message to every connected peer (`*`), or to those of a namespace (`#name`).

        `of`: the msg_id of an earlier one of ours there, if it is another text for that.
        Raises `NotSentError` for an impossible scope or a text that is too long.
        """
        if self.closed:
            raise NotSentError(Sentence("this node is leaving"))
        try:
            namespace = namespace_of_scope(scope)
        except ValueError as why:
            raise NotSentError(sentence_of(why)) from None
        history, dropped, number = self._history, 0, 0
        message = Pub(self._context.new_id(), self._context.me.peer_id, scope, payload, False)
        msg_id = str(message.msg_id)
        me = message.src
        try:
            if of:
                line = change_line(None, msg_id, of, me, scope, payload, direct=False)
            else:
                line = encode(message)
        except ValueError as why:
            raise NotSentError(sentence_of(why)) from None
        if history is None:
            dropped = self._spread(namespace, line, msg_id, of, scope, payload)
        else:
            kept = kept_id(msg_id, of) if of else msg_id
            entry = Record(0, scope, me, kept, history.wall(), PUBLISHED, payload)
            if history.ready:
                dropped = self._spread(namespace, line, msg_id, of, scope, payload)
                history.enter(entry)
                number = entry.id
            elif self._early < _MOST_EARLY:
                self._early += 1
                history.when_ready().addCallback(self._publish_late, history, entry, line)
            else:
                raise NotSentError(Sentence("the history is not read yet: try later"))
        peers = self._peers.count_connected(namespace) - dropped
        self.count += 1
        _log.info(
            "PUB {to} to {count} peer(s): {text}", to=scope, count=peers, text=logged(payload)
        )
        if of:
            self._observers.sent_change(scope, payload, msg_id, number, of)
        else:
            self._observers.sent(scope, payload, msg_id, number)
        return Published(msg_id, peers, dropped, number)

    def flush(self) -> None:
        """Hand over to the links what was published in this turn, for example before a farewell."""
        if self.broadcast.held:
            self.broadcast.spread()

    def _publish_late(self, _: object, history: DurableHistory, entry: Record, line: bytes) -> None:
        self._early -= 1
        history.enter(entry)
        namespace = namespace_of_scope(entry.conversation)
        msg_id, of = entry.said_id, entry.changes
        self._spread(namespace, line, msg_id, of, entry.conversation, entry.text)

    def _spread(
        self, namespace: str | None, line: bytes, msg_id: str, of: str, scope: str, text: str
    ) -> int:
        """Send it to those who are connected; returns how many do not get it."""
        if not of:
            return self.broadcast.add(namespace, line)
        self.flush()
        me, dropped = self._context.me.peer_id, 0
        for peer in self._peers.connected(namespace):
            for link in peer.links_in_use:
                if link.send(change_line(link, msg_id, of, me, scope, text, direct=False)):
                    break
            else:
                dropped += 1
                self.on_dropped(peer)
        self.broadcast.dropped += dropped
        return dropped

"""What clients of the control socket hear of the node: its events.

Rules: nobody listens, nothing is done: the observer belongs to the node only while somebody waits
for something. An event is encoded once, whoever hears it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final

from p2pchat.control.events import (
    Event,
    away_event,
    delivered_event,
    encode_json,
    key_event,
    message_events,
    notice_event,
    peer_event,
    queued_event,
    undelivered_event,
)
from p2pchat.control.outgoing import Outgoing
from p2pchat.control.protocol import EVENT_KINDS
from p2pchat.mesh.identity.trust import AlertKind
from p2pchat.mesh.identity.vouching import Alert
from p2pchat.mesh.peers import Peer
from p2pchat.node.node import ChatNode
from p2pchat.node.observers import Observer
from p2pchat.wire.messages import Pub, Send

_ALERTS: Final = {
    AlertKind.OTHER_KEY: "refused",
    AlertKind.SECOND: "refused",
    AlertKind.NO_KEY: "plain_refused",
    AlertKind.OWN_KEY: "own_key",
    AlertKind.REFUSES_US: "refuses_us",
}
"""The `what` of an event `key`."""


class EventFeed(Observer):
    """Hands the node's events to the subscribers. `timestamp` gives the time in the usual form."""

    def __init__(self, node: ChatNode, timestamp: Callable[[], str]) -> None:
        self._node = node
        self._timestamp = timestamp
        self._subscribers: dict[Outgoing, frozenset[str]] = {}
        self._attending: set[Outgoing] = set()

    def __len__(self) -> int:
        return len(self._subscribers)

    def subscribe(
        self, out: Outgoing, kinds: Collection[str] = EVENT_KINDS, *, attended: bool = False
    ) -> None:
        """Give it events of these kinds from now on; a second time changes the kinds.

        `attended` says that a person sees every message: then it counts as read.
        """
        if not self._subscribers:
            self._node.observers.add(self)
        self._subscribers[out] = frozenset(kinds)
        self._attend(out, attended)

    def unsubscribe(self, out: Outgoing) -> None:
        """Give it nothing more; safe for one that never subscribed."""
        self._attend(out, False)
        if self._subscribers.pop(out, None) is not None and not self._subscribers:
            self._node.observers.remove(self)

    def has(self, out: Outgoing) -> bool:
        """Whether it gets events."""
        return out in self._subscribers

    def received(self, peer: Peer, messages: list[Send | Pub]) -> None:
        """Messages came."""
        self._tell_messages(peer, messages)

    def received_late(self, peer: Peer, messages: list[Send | Pub], said: list[float]) -> None:
        """Messages came that were said a while ago."""
        self._tell_messages(peer, messages, said)

    def received_unkept(self, peer: Peer, messages: list[Send | Pub]) -> None:
        """Messages came that could not be kept."""
        self._tell_messages(peer, messages, kept=False)

    def changed(self, peer: Peer, message: Send | Pub) -> None:
        """A peer changed what it said."""
        self._tell_messages(peer, [message])

    def away_changed(self, peer: Peer, text: str) -> None:
        """A peer is away, or back."""
        self._tell("away", [away_event(peer.peer_id, text, self._timestamp())])

    def queued(self, peer_id: str, msg_id: str) -> None:
        """A message of ours waits for a link."""
        self._tell("queued", [queued_event(peer_id, msg_id, self._timestamp())])

    def status_changed(self, peer: Peer) -> None:
        """A peer's status has a new value."""
        self._tell("peer", [peer_event(peer, self._timestamp())])

    def delivered(self, peer_id: str, msg_id: str, seconds: float) -> None:
        """An ACK came."""
        event = delivered_event(peer_id, msg_id, seconds, self._timestamp())
        self._tell("delivered", [event])

    def undelivered(self, peer_id: str, msg_id: str, reason: str) -> None:
        """No ACK came."""
        event = undelivered_event(peer_id, msg_id, reason, self._timestamp())
        self._tell("undelivered", [event])

    def key_alert(self, alert: Alert) -> None:
        """Somebody came with another key, or with none."""
        what = _ALERTS.get(alert.kind)
        if what is not None:
            event = key_event(alert.peer_id, what, alert.key, alert.known, self._timestamp())
            self._tell("key", [event])

    def key_noted(self, peer_id: str, what: str, key: bytes | None) -> None:
        """What is known of a key has changed."""
        self._tell("key", [key_event(peer_id, what, key, key, self._timestamp())])

    def notice(self, sentence: str) -> None:
        """Something that the person should know."""
        self._tell("notice", [notice_event(sentence, self._timestamp())])

    def _tell_messages(
        self,
        peer: Peer,
        messages: list[Send | Pub],
        said: Sequence[float] = (),
        *,
        kept: bool = True,
    ) -> None:
        own_id, at = self._node.me.peer_id, self._timestamp()
        link = peer.heard_on
        alias = self._node.lists.called(peer.peer_id)
        events = message_events(
            own_id, peer.peer_id, messages, at, said, kept=kept, link=link, alias=alias
        )
        self._tell("message", events, len(messages))

    def _tell(self, kind: str, events: Iterable[Event], count: int = 1) -> None:
        to = [
            out
            for out, kinds in self._subscribers.items()
            if kind in kinds and not out.missed(count)
        ]
        if to:
            data = b"".join(map(encode_json, events))
            for out in to:
                out.events(data, count)

    def _attend(self, out: Outgoing, attended: bool) -> None:
        """Note whether a person sees what comes."""
        history = self._node.history
        if history is not None and attended is not (out in self._attending):
            self._attending ^= {out}
            history.attending += 1 if attended else -1

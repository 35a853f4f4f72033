"""What clients of the control socket hear of the node: events, and what became of their messages.

Rules: nobody listens, nothing is done: both observers belong to the node only while somebody waits
for something. An event is encoded once, whoever hears it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any, Protocol

from twisted.internet.defer import Deferred

from p2pchat.control.events import (
    KINDS,
    Event,
    delivered_event,
    encode_json,
    message_events,
    notice_event,
    peer_event,
    queued_event,
    undelivered_event,
)
from p2pchat.mesh.peers import Peer
from p2pchat.node.observers import Observer, Observers
from p2pchat.wire.messages import Pub, Send


class Subscriber(Protocol):
    """Who gets events."""

    def write(self, data: bytes) -> None:
        """Take these lines, and do not wait."""


class EventFeed(Observer):
    """Hands the node's events to the subscribers. `timestamp` gives the time in the usual form."""

    def __init__(self, own_id: str, observers: Observers, timestamp: Callable[[], str]) -> None:
        self._own_id = own_id
        self._observers = observers
        self._timestamp = timestamp
        self._subscribers: dict[Subscriber, frozenset[str]] = {}

    def __len__(self) -> int:
        return len(self._subscribers)

    def subscribe(self, subscriber: Subscriber, kinds: Collection[str] = KINDS) -> None:
        """Give it events of these kinds from now on; a second time changes the kinds."""
        if not self._subscribers:
            self._observers.add(self)
        self._subscribers[subscriber] = frozenset(kinds)

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Give it nothing more; safe for one that never subscribed."""
        if self._subscribers.pop(subscriber, None) is not None and not self._subscribers:
            self._observers.remove(self)

    def has(self, subscriber: Subscriber) -> bool:
        """Whether it gets events."""
        return subscriber in self._subscribers

    def received(self, peer: Peer, messages: list[Send | Pub]) -> None:
        """Messages came."""
        events = message_events(self._own_id, peer.peer_id, messages, self._timestamp())
        self._tell("message", events)

    def received_late(self, peer: Peer, messages: list[Send | Pub], said: list[float]) -> None:
        """Messages came that were said a while ago."""
        at = self._timestamp()
        self._tell("message", message_events(self._own_id, peer.peer_id, messages, at, said))

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

    def notice(self, sentence: str) -> None:
        """Something that the person should know."""
        self._tell("notice", [notice_event(sentence, self._timestamp())])

    def _tell(self, kind: str, events: Iterable[Event]) -> None:
        to = [subscriber for subscriber, kinds in self._subscribers.items() if kind in kinds]
        if to:
            data = b"".join(map(encode_json, events))
            for subscriber in to:
                subscriber.write(data)


class Deliveries(Observer):
    """Waits for what becomes of single messages; the node bounds how many can be pending."""

    def __init__(self, observers: Observers) -> None:
        self._observers = observers
        self._waiting: dict[str, Deferred[dict[str, Any]]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def of(self, msg_id: str) -> Deferred[dict[str, Any]]:
        """Fires with {"seconds": …} when the message was delivered, or with {"reason": …}."""
        if not self._waiting:
            self._observers.add(self)
        waiting = self._waiting[msg_id] = Deferred()
        return waiting

    def delivered(self, peer_id: str, msg_id: str, seconds: float) -> None:  # noqa: ARG002
        """An ACK came."""
        self._settle(msg_id, {"seconds": round(seconds, 6)})

    def undelivered(self, peer_id: str, msg_id: str, reason: str) -> None:  # noqa: ARG002
        """No ACK came."""
        self._settle(msg_id, {"reason": reason})

    def queued(self, peer_id: str, msg_id: str) -> None:
        """It waits until there is a link."""
        self._settle(msg_id, {"queued": peer_id})

    def _settle(self, msg_id: str, outcome: dict[str, Any]) -> None:
        waiting = self._take(msg_id)
        if waiting is not None:
            waiting.callback(outcome)

    def _take(self, msg_id: str) -> Deferred[dict[str, Any]] | None:
        waiting = self._waiting.pop(msg_id, None)
        if waiting is not None and not self._waiting:
            self._observers.remove(self)
        return waiting

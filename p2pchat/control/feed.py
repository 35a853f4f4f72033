"""What clients of the control socket hear of the node: its events.

Rules: nobody listens, nothing is done: the observer belongs to the node only while somebody waits
for something. An event is encoded once, whoever hears it. Once a client has asked for numbers,
events are numbered and the latest are kept, also for `KEPT` seconds after the last such client has
gone: it may come back. What is deleted from the history is not kept here either.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final, Literal

from twisted.internet.interfaces import IReactorTime

from p2pchat.control.events import (
    Event,
    away_event,
    delivered_event,
    encode_lines,
    forgotten_event,
    key_event,
    links_event,
    message_events,
    notice_event,
    peer_event,
    queued_event,
    read_event,
    round_trip_event,
    sent_event,
    undelivered_event,
)
from p2pchat.control.outgoing import Outgoing
from p2pchat.control.protocol import USUAL_KINDS
from p2pchat.control.requests import Fields
from p2pchat.control.ring import EventRing
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
    AlertKind.ROTATED: "rotated",
    AlertKind.TWO_NEXT: "two_next",
}
"""The `what` of an event `key`."""


KEPT: Final = 600.0
"""Seconds for which events are kept when nobody hears them."""


class EventFeed(Observer):
    """Hands the node's events to the subscribers. `timestamp` gives the time in the usual form."""

    def __init__(self, node: ChatNode, clock: IReactorTime, timestamp: Callable[[], str]) -> None:
        self._node = node
        self._clock = clock
        self._timestamp = timestamp
        self._subscribers: dict[Outgoing, frozenset[str]] = {}
        self._numbered: set[Outgoing] = set()
        self._ring: EventRing | None = None
        self._runs = 0
        self._kept_until = 0.0
        self._hears = False
        self._measured: set[str] = set()
        self._measured_at = 0.0

    def __len__(self) -> int:
        return len(self._subscribers)

    def subscribe(
        self,
        out: Outgoing,
        kinds: Collection[str] = USUAL_KINDS,
        *,
        attended: bool = False,
        watching: str | None = None,
    ) -> None:
        """Give it events of these kinds from now on; a second time changes the kinds.

        `attended` says that a person sees every message: then it counts as read. `watching` is the
        one conversation that a person sees there.
        """
        self._subscribers[out] = frozenset(kinds)
        self._unnumber(out)
        unread = self._node.unread
        unread.leave(out)
        if watching is not None:
            unread.open(out, watching)
        elif attended:
            unread.attend(out)
        self._look()

    def catch_up(self, out: Outgoing, since: int | Literal["now"], run: str) -> Fields:
        """Number the events of this subscriber, and give it those after `since` that are kept.

        "now": those that come. Returns where it is now: `run`, `last`, and `missed`, which is how
        many are gone, or None when that cannot be known because another run of numbers has begun.
        """
        ring = self._ring
        if ring is None:
            self._runs += 1
            ring = self._ring = EventRing(f"{self._node.me.instance}.{self._runs}")
        self._numbered.add(out)
        ring.kinds |= self._subscribers[out]
        self._look()
        if since == "now":
            since, run = ring.last, run or ring.run
        known = run in ("", ring.run) and 0 <= since <= ring.last
        missed = ring.since(since if known else 0, self._subscribers[out])
        if known and missed.gone:
            out.tell({"event": "left_out", "count": missed.gone})
        if missed.events:
            out.events(missed.data, missed.events)
        return {"run": ring.run, "last": ring.last, "missed": missed.gone if known else None}

    def unsubscribe(self, out: Outgoing) -> None:
        """Give it nothing more; safe for one that never subscribed."""
        self._node.unread.leave(out)
        self._subscribers.pop(out, None)
        self._unnumber(out)
        self._look()

    def _unnumber(self, out: Outgoing) -> None:
        if out in self._numbered:
            self._numbered.remove(out)
            self._kept_until = self._clock.seconds() + KEPT

    def _look(self) -> None:
        """Hear of the node exactly as long as that is needed."""
        hears = bool(self._subscribers) or self._ring is not None
        if hears and not self._hears:
            self._node.observers.add(self)
        elif self._hears and not hears:
            self._node.observers.remove(self)
        self._hears = hears

    def has(self, out: Outgoing) -> bool:
        """Whether it gets events."""
        return out in self._subscribers

    def received(
        self,
        peer: Peer,
        messages: list[Send | Pub],
        said: Sequence[float] = (),
        kept: bool = True,
    ) -> None:
        """Messages came."""
        node, peer_id = self._node, peer.peer_id
        events = message_events(
            node.me.peer_id,
            peer_id,
            messages,
            self._timestamp(),
            said,
            kept=kept,
            link=peer.heard_on,
            alias=node.lists.called(peer_id),
            first=peer.heard_id if kept else 0,
        )
        self._tell("message", events, len(messages))

    def received_late(self, peer: Peer, messages: list[Send | Pub], said: list[float]) -> None:
        """Messages came that were said a while ago."""
        self.received(peer, messages, said)

    def received_unkept(self, peer: Peer, messages: list[Send | Pub]) -> None:
        """Messages came that could not be kept."""
        self.received(peer, messages, kept=False)

    def changed(self, peer: Peer, message: Send | Pub) -> None:
        """A peer changed what it said."""
        self.received(peer, [message])

    def away_changed(self, peer: Peer, text: str) -> None:
        """A peer is away, or back."""
        self._tell("away", [away_event(peer.peer_id, text, self._timestamp())])

    def queued(self, peer_id: str, msg_id: str) -> None:
        """A message of ours waits for a link."""
        self._tell("queued", [queued_event(peer_id, msg_id, self._timestamp())])

    def status_changed(self, peer: Peer) -> None:
        """A peer's status has a new value."""
        ignored = peer.peer_id in self._node.lists.ignored
        self._tell("peer", [peer_event(peer, self._timestamp(), ignored=ignored)])

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

    def sent(self, to: str, text: str, msg_id: str, number: int) -> None:
        """We said something."""
        self._tell("sent", [sent_event(to, text, msg_id, number, self._timestamp())])

    def sent_change(self, to: str, text: str, msg_id: str, number: int, of: str) -> None:
        """We changed what we said."""
        self._tell("sent", [sent_event(to, text, msg_id, number, self._timestamp(), of)])

    def read(self, conversation: str, upto: int) -> None:
        """The person has seen what was unread."""
        self._tell("read", [read_event(conversation, upto, self._timestamp())])

    def links_changed(self, peer: Peer) -> None:
        """A peer has another link, or one less."""
        if self._is_wanted("links"):
            self._tell("links", [links_event(peer, self._timestamp())])

    def round_trip(self, peer: Peer, seconds: float) -> None:
        """A peer has answered a PING: told once a second for each peer."""
        now = self._clock.seconds()
        if now - self._measured_at >= 1.0:
            self._measured_at = now
            self._measured.clear()
        if peer.peer_id not in self._measured and self._is_wanted("round_trip"):
            self._measured.add(peer.peer_id)
            event = round_trip_event(peer, seconds, self._timestamp())
            self._tell("round_trip", [event])

    def forgotten(self, peer_id: str) -> None:
        """What was said by and to a peer has been deleted: here as well."""
        if self._ring is not None:
            self._ring.clear()
        self._tell("forgotten", [forgotten_event(peer_id, self._timestamp())])

    def _is_wanted(self, kind: str) -> bool:
        if self._ring is not None and kind in self._ring.kinds:
            return True
        return any(kind in kinds for kinds in self._subscribers.values())

    def _tell(self, kind: str, events: list[Event], count: int = 1) -> None:
        ring = self._ring
        if ring is not None and not self._numbered and self._clock.seconds() >= self._kept_until:
            ring = self._ring = None
            self._look()
        to = []
        for out, kinds in self._subscribers.items():
            if kind in kinds and not (out.left_out and out.missed(count)):
                to.append(out)
        if ring is None or kind not in ring.kinds:
            if not to:
                return
            data = encode_lines(events)
        else:
            for number, event in enumerate(events, ring.last + 1):
                event["n"] = number
            data = encode_lines(events)
            ring.add(kind, count, data)
        for out in to:
            out.events(data, count)

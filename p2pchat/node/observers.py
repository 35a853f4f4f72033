"""What a node tells: one seam for consoles, hooks, programs and bots, and telling several of them.

    class Greeter(Observer):
        def received(self, peer, messages):
            ...

    node.observers.add(Greeter())

Rules: an observer that raises is logged and hurts nobody else. It must not block. Those of `SPARED`
are told to nobody who does not override them, and cost nothing then. A sentence that comes in as a
`Sentence` is told as text, in the person's language.
"""

from __future__ import annotations

from typing import Final

from zope.interface import Interface, implementer

from p2pchat.logs.levels import Log
from p2pchat.mesh.identity.vouching import Alert
from p2pchat.mesh.peers import Peer
from p2pchat.speech import Sentence, spoken
from p2pchat.wire.changes import as_message
from p2pchat.wire.messages import Pub, Send

_log: Final = Log("Node")
SPARED: Final = ("sent", "sent_change", "round_trip", "links_changed", "read", "forgotten")
"""What few care for; an observer need not have these methods."""


class INodeObserver(Interface):
    """Everything that a node tells; subclass `Observer`, and override what interests you."""

    def status_changed(peer: Peer) -> None:
        """`peer.status` has a new value."""

    def received(peer: Peer, messages: list[Send | Pub]) -> None:
        """New messages, repetitions taken out. A `src` other than the peer's id is only a claim.

        `other_text` of a message tells that the peer used its id before, for another text, and
        `peer.security_of(message.src)`, during this call, how safe it was on its way.
        """

    def received_late(peer: Peer, messages: list[Send | Pub], said: list[float]) -> None:
        """New messages that were said a while ago, at these times (wall clock)."""

    def received_unkept(peer: Peer, messages: list[Send | Pub]) -> None:
        """New messages that could not be kept, though the node keeps messages."""

    def changed(peer: Peer, message: Send | Pub) -> None:
        """A peer has another text for what it said before, whose msg_id is `message.of`.

        Who changes what it shows compares how both came: `received` tells where to look.
        """

    def away_changed(peer: Peer, text: str) -> None:
        """A peer is away, and says why; with an empty text it is back."""

    def queued(peer_id: str, msg_id: str) -> None:
        """A message of ours waits, safely, until there is a link to its peer."""

    def delivered(peer_id: str, msg_id: str, seconds: float) -> None:
        """The ACK for a SEND of ours came, `seconds` after it was sent."""

    def undelivered(peer_id: str, msg_id: str, reason: str) -> None:
        """No ACK came in time, or the message could not be sent."""

    def past_known(unread: str) -> None:
        """The history is read: its `unread` tells what nobody has seen yet.

        `unread` says so in a sentence, for who shows nothing by itself; it is empty if there is
        nothing.
        """

    def key_alert(alert: Alert) -> None:
        """Somebody came with another key than the known one, or with none; see `Alert.kind`.

        `alert.sentence` is a `notice`, too, which comes after this.
        """

    def remark(sentence: str) -> None:
        """Something that the person may like to know, and need not: less than a notice."""

    def key_noted(peer_id: str, what: str, key: bytes | None) -> None:
        """What is known of a key has changed: it was `seen`, `trusted`, `verified` or `forgotten`.

        `seen`: the person writes to this peer for the first time, so the key is remembered. `key`:
        the one that is known now; None when only its fingerprint is, or nothing.
        """

    def notice(sentence: str) -> None:
        """Something that the person should know, for example that our name is in use."""

    def sent(to: str, text: str, msg_id: str, number: int) -> None:
        """We said something to a peer or a scope, at whatever surface; what becomes of it follows.

        `number`: its id in the history; 0 without one, and while the past is not known.
        """

    def sent_change(to: str, text: str, msg_id: str, number: int, of: str) -> None:
        """We gave what we said there another text; the msg_id of the first one is `of`."""

    def round_trip(peer: Peer, seconds: float) -> None:
        """A peer has answered a PING."""

    def links_changed(peer: Peer) -> None:
        """`peer.links` has another link, or one less."""

    def read(conversation: str, upto: int) -> None:
        """The person has seen what was unread in a conversation, up to an id; 0: all of it."""

    def forgotten(peer_id: str) -> None:
        """What was said by and to a peer has been deleted."""


@implementer(INodeObserver)
class Observer:
    """Hears everything and does nothing: override what interests you, for example in a bot."""

    def status_changed(self, peer: Peer) -> None:
        """A peer's status has a new value."""

    def received(self, peer: Peer, messages: list[Send | Pub]) -> None:
        """New messages came."""

    def received_late(self, peer: Peer, messages: list[Send | Pub], said: list[float]) -> None:  # noqa: ARG002
        """New messages came that were said a while ago; as others, if you do not override it."""
        self.received(peer, messages)

    def received_unkept(self, peer: Peer, messages: list[Send | Pub]) -> None:
        """New messages could not be kept; they are as others, if you do not override it."""
        self.received(peer, messages)

    def changed(self, peer: Peer, message: Send | Pub) -> None:
        """A peer changed what it said; it is a message "* text", if you do not override it."""
        kind = Send if isinstance(message, Send) else Pub
        text = as_message(message.payload)
        self.received(
            peer, [kind(message.msg_id, message.src, message.dst, text, message.require_ack)]
        )

    def away_changed(self, peer: Peer, text: str) -> None:
        """A peer is away, or back."""

    def queued(self, peer_id: str, msg_id: str) -> None:
        """A message of ours waits until there is a link to its peer."""

    def delivered(self, peer_id: str, msg_id: str, seconds: float) -> None:
        """A SEND of ours was acknowledged."""

    def undelivered(self, peer_id: str, msg_id: str, reason: str) -> None:
        """A SEND of ours did not arrive."""

    def past_known(self, unread: str) -> None:
        """The history is read; what is unread is a notice, if you do not override it."""
        if unread:
            self.notice(unread)

    def key_alert(self, alert: Alert) -> None:
        """A key was refused; the sentence follows as a notice."""

    def remark(self, sentence: str) -> None:
        """The person may like to know this; it is a notice, if you do not override it."""
        self.notice(sentence)

    def key_noted(self, peer_id: str, what: str, key: bytes | None) -> None:
        """What is known of a key has changed."""

    def notice(self, sentence: str) -> None:
        """The person should know this."""

    def sent(self, to: str, text: str, msg_id: str, number: int) -> None:
        """We said something."""

    def sent_change(self, to: str, text: str, msg_id: str, number: int, of: str) -> None:  # noqa: ARG002
        """We changed what we said; it is as something new, if you do not override it."""
        self.sent(to, text, msg_id, number)

    def round_trip(self, peer: Peer, seconds: float) -> None:
        """A peer has answered a PING."""

    def links_changed(self, peer: Peer) -> None:
        """A peer has another link, or one less."""

    def read(self, conversation: str, upto: int) -> None:
        """The person has seen what was unread."""

    def forgotten(self, peer_id: str) -> None:
        """What was said by and to a peer has been deleted."""


@implementer(INodeObserver)
class Observers:
    """Passes every event on to all observers, in the order in which they were added."""

    def __init__(self) -> None:
        self._observers: list[INodeObserver] = []
        self._spared: dict[str, tuple[INodeObserver, ...]] = dict.fromkeys(SPARED, ())

    def add(self, observer: INodeObserver) -> None:
        """Tell this one, too, from now on; raises `TypeError` for one that is no observer."""
        if not INodeObserver.providedBy(observer):
            raise TypeError(f"{type(observer).__name__} must be a subclass of p2pchat.Observer")
        self._observers.append(observer)
        self._look_who_cares()

    def remove(self, observer: INodeObserver) -> None:
        """Tell this one no more."""
        self._observers.remove(observer)
        self._look_who_cares()

    def status_changed(self, peer: Peer) -> None:
        """Tell all of them."""
        self._tell("status_changed", peer)

    def received(self, peer: Peer, messages: list[Send | Pub]) -> None:
        """Tell all of them."""
        # As `_tell` does, but this is asked for every message.
        for observer in (*self._observers,):
            try:
                observer.received(peer, messages)
            except Exception:
                _log.failure("An observer failed")

    def received_late(self, peer: Peer, messages: list[Send | Pub], said: list[float]) -> None:
        """Tell all of them."""
        self._tell("received_late", peer, messages, said)

    def received_unkept(self, peer: Peer, messages: list[Send | Pub]) -> None:
        """Tell all of them."""
        self._tell("received_unkept", peer, messages)

    def changed(self, peer: Peer, message: Send | Pub) -> None:
        """Tell all of them."""
        self._tell("changed", peer, message)

    def away_changed(self, peer: Peer, text: str) -> None:
        """Tell all of them."""
        self._tell("away_changed", peer, text)

    def queued(self, peer_id: str, msg_id: str) -> None:
        """Tell all of them."""
        self._tell("queued", peer_id, msg_id)

    def delivered(self, peer_id: str, msg_id: str, seconds: float) -> None:
        """Tell all of them."""
        self._tell("delivered", peer_id, msg_id, seconds)

    def undelivered(self, peer_id: str, msg_id: str, reason: str | Sentence) -> None:
        """Tell all of them."""
        self._tell("undelivered", peer_id, msg_id, spoken(reason))

    def past_known(self, unread: str | Sentence) -> None:
        """Tell all of them."""
        self._tell("past_known", spoken(unread))

    def key_alert(self, alert: Alert) -> None:
        """Tell all of them, and then the sentence."""
        self._tell("key_alert", alert)
        self._tell("notice", alert.sentence)

    def remark(self, sentence: str | Sentence) -> None:
        """Tell all of them."""
        self._tell("remark", spoken(sentence))

    def key_noted(self, peer_id: str, what: str, key: bytes | None) -> None:
        """Tell all of them."""
        self._tell("key_noted", peer_id, what, key)

    def notice(self, sentence: str | Sentence) -> None:
        """Tell all of them."""
        self._tell("notice", spoken(sentence))

    def sent(self, to: str, text: str, msg_id: str, number: int) -> None:
        """Tell those who care."""
        if self._spared["sent"]:
            self._tell_some("sent", to, text, msg_id, number)

    def sent_change(self, to: str, text: str, msg_id: str, number: int, of: str) -> None:
        """Tell those who care: who knows of no changes hears of something new."""
        told = to, text, msg_id, number
        for observer in (*self._observers,):
            if observer in self._spared["sent_change"]:
                self._tell_these((observer,), "sent_change", (*told, of))
            elif observer in self._spared["sent"]:
                self._tell_these((observer,), "sent", told)

    def round_trip(self, peer: Peer, seconds: float) -> None:
        """Tell those who care."""
        self._tell_some("round_trip", peer, seconds)

    def links_changed(self, peer: Peer) -> None:
        """Tell those who care."""
        self._tell_some("links_changed", peer)

    def read(self, conversation: str, upto: int) -> None:
        """Tell those who care."""
        self._tell_some("read", conversation, upto)

    def forgotten(self, peer_id: str) -> None:
        """Tell those who care."""
        self._tell_some("forgotten", peer_id)

    def _look_who_cares(self) -> None:
        for event in SPARED:
            usual = (None, getattr(Observer, event))
            self._spared[event] = tuple(
                each for each in self._observers if getattr(type(each), event, None) not in usual
            )

    def _tell_some(self, event: str, *arguments: object) -> None:
        self._tell_these(self._spared[event], event, arguments)

    def _tell(self, event: str, *arguments: object) -> None:
        self._tell_these((*self._observers,), event, arguments)

    def _tell_these(
        self, observers: tuple[INodeObserver, ...], event: str, arguments: tuple[object, ...]
    ) -> None:
        for observer in observers:
            try:
                getattr(observer, event)(*arguments)
            except Exception:
                _log.failure("An observer failed")

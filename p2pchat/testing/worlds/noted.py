"""What one run of a node says, tells and shows, put down to the account of its world.

Rules: it changes nothing, and finds at once what nobody may be told or shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from p2pchat.mesh.peers import Peer
from p2pchat.node.news import Teller
from p2pchat.node.node import ChatNode
from p2pchat.node.observers import Observer
from p2pchat.node.publishing import Published
from p2pchat.testing.nodes import fake_keys
from p2pchat.testing.older import OlderNode
from p2pchat.testing.worlds.account import (
    CANCELLED,
    DELIVERED,
    GIVEN_UP,
    KEPT,
    QUEUED,
    Message,
)
from p2pchat.testing.worlds.arrivals import Arrivals
from p2pchat.testing.worlds.counters import SLACK
from p2pchat.testing.worlds.inner import Violation
from p2pchat.testing.worlds.neighbours import HostCarrier, book_maker
from p2pchat.testing.worlds.shared import Shared
from p2pchat.testing.worlds.storage import HandStorage
from p2pchat.wire.messages import Pub, Send

_WAITS = ("it is kept, and sent again", "and is sent again", "and goes out")
"""What is said of a message that is not delivered yet; the last two when it could not be kept."""
_TOO_OLD = "it waited for too long"
_NOT_FOR_GOOD = "but not for good"
_LOST = ("perhaps not kept", "are lost", "is lost:")
_PERHAPS = "though it may have arrived"


class Noted(Observer):
    """A run of the node `name`, on the host `ip`, with this `storage`; it starts at once.

    `keeps`: whether it has a history.
    """

    def __init__(
        self, world: Shared, name: str, ip: str, storage: HandStorage, *, keeps: bool
    ) -> None:
        self._world = world
        self._account = world.account
        self.name = name
        self.keeps = keeps
        self.storage = storage
        self.stopping = False
        self._published: set[str] = set()
        self._said_here: set[str] = set()
        self._said_perhaps_lost = self._said_unkept = False
        self._knows_past = False
        self.carrier: HostCarrier | None = None
        node = self.node = self._made(ip)
        node.observers.add(self)
        self.arrivals = Arrivals(node, world.account)
        self._send, self._publish = node.send, node.publish
        node.send, node.publish = self._sends, self._publishes

    def _made(self, ip: str) -> ChatNode:
        world, name = self._world, self.name
        options: dict[str, Any] = {}
        if self.keeps:
            options["make_history"] = self.storage.maker(world.settings)
        if name in world.older:
            options["make"] = OlderNode
        else:
            options |= self._finds_others(ip)
        if name in world.sealed and name not in world.older:
            host, disk = world.town.network.host(ip), self.storage.disk
            options["make_keys"] = partial(fake_keys, wall=host.wall, disk=disk, host=host)
        return world.town.node(name, ip=ip, settings=world.settings, **options)

    def _finds_others(self, ip: str) -> dict[str, Any]:
        """What it finds others with, beside its rendezvous."""
        world, options, host = self._world, dict[str, Any](), self._world.town.network.host(ip)
        if world.books:
            options["make_book"] = book_maker(self.storage.disk, host)
        if world.lan is not None:
            options["carrier"] = self.carrier = HostCarrier(world.lan, host)
        return options

    # ------------------------------------------------------------ what it says

    def _sends(
        self,
        peer_id: str,
        payload: str,
        tell: Teller | None = None,
        *,
        security: int = 0,
        of: str = "",
    ) -> str:
        msg_id = self._send(peer_id, payload, tell, security=security, of=of)
        self._takes(payload, msg_id, peer_id, of)
        return msg_id

    def _publishes(self, scope: str, payload: str, *, of: str = "") -> Published:
        published = self._publish(scope, payload, of=of)
        self._takes(payload, published.msg_id, scope, of)
        self._published.add(published.msg_id)
        return published

    def _takes(self, text: str, msg_id: str, to: str, of: str) -> None:
        account, first = self._account, self._account.by_id.get(of)
        account.accepted(text, msg_id, to, of, self._world.town.network.clock.seconds())
        if of and (first is None or (first.sender, first.to) != (self.name, to)):
            self._world.found(Violation("I2", "a console changes what it did not say", text))
        if self.stopping and account.by_text[text].origin.startswith("script"):
            self._world.found(Violation("L11", "a script goes on while its node leaves", text))
        self._said_here.add(msg_id)

    def _told(self, msg_id: str, outcome: str, more: str = "") -> None:
        text = self._account.told(msg_id, outcome)
        self._world.counts[outcome] += 1
        self._world.tell(f"{self.name}: {text[:80]!r} is {outcome}{more}")

    def queued(self, peer_id: str, msg_id: str) -> None:
        """It waits."""
        peer = self.node.peers.get(peer_id)
        if peer is not None and peer.links:
            self._world.found(Violation("G7", "queued is told while there is a link", peer_id))
        if self.keeps and msg_id not in self.storage.written:
            self._world.found(Violation("L5", "told to wait, and not in the file", self.name))
        self._told(msg_id, QUEUED)

    def delivered(self, peer_id: str, msg_id: str, seconds: float) -> None:  # noqa: ARG002
        """Its ACK came."""
        self._told(msg_id, DELIVERED)

    def undelivered(self, peer_id: str, msg_id: str, reason: str) -> None:  # noqa: ARG002
        """It did not arrive."""
        kept = KEPT if any(sentence in reason for sentence in _WAITS) else GIVEN_UP
        if reason.endswith("and is lost") and msg_id in self._account.by_id:
            self._world.counts["told to be lost"] += 1
            self._account.by_id[msg_id].perhaps_lost = True
        # A request that hears that its message is not kept takes it back.
        taken_back = "and is not sent" in reason and msg_id in self._account.by_id
        if taken_back:
            self._account.by_id[msg_id].perhaps_cancelled = True
        if _NOT_FOR_GOOD in reason and msg_id in self._account.by_id:
            self._account.by_id[msg_id].perhaps_back = True
        if reason.startswith(_TOO_OLD):
            self._too_old(msg_id, reason)
        cancelled = taken_back or reason.startswith(("cancelled", "forgotten"))
        self._told(msg_id, CANCELLED if cancelled else kept, f" ({reason})")

    def _too_old(self, msg_id: str, reason: str) -> None:
        """It has waited for too long: a message of ours is given up."""
        message = self._account.by_id.get(msg_id)
        if message is None:
            return
        self._world.counts["too old"] += 1
        waited = self._world.town.network.clock.seconds() - message.at
        if waited < self.node.settings.history.outbox_ttl - SLACK and not self._world.clocks_jump:
            self._world.found(Violation("G6", "given up before its time", f"{waited:.1f} s"))
        message.too_old = True
        if _NOT_FOR_GOOD not in reason and _PERHAPS not in reason:
            message.never_left = msg_id in self._said_here
            self._world.gave_up(self.name)

    def received(self, peer: Peer, messages: list[Send | Pub]) -> None:
        """It shows them."""
        for message in messages:
            self._world.tell(f"{self.name}: is shown {message.payload[:80]!r}")
            self._account.shown(self.name, message.payload)
            self._shows(peer, message)

    def _shows(self, peer: Peer, message: Send | Pub) -> None:
        """See whether this may be shown here, and by whom."""
        self.arrivals.told += 1
        self._find_all(self.arrivals.shown(peer, message))
        self._note_unread(peer, message)
        ours, said = self.node.me, self._account.message_of(message.payload)
        if message.dst not in (ours.addresses if isinstance(message, Send) else ours.scopes):
            self._world.found(Violation("I2", "shown, and for somebody else", message.dst))
        if said is not None and said.sender not in (peer.peer_id, message.src):
            self._world.found(Violation("I2", "shown under another name", message.payload))
        if said is not None and said.of and not message.of:
            self._world.counts["a change shown as a message"] += 1
            if self._is_known_here(said) and self._world.of_today(self.name, said.sender):
                self._world.found(
                    Violation("I2", "a change is shown as a message", message.payload)
                )

    def changed(self, peer: Peer, message: Send | Pub) -> None:
        """What a peer said has another text."""
        account, world = self._account, self._world
        world.tell(f"{self.name}: is shown a change to {message.payload[:80]!r}")
        account.shown(self.name, message.payload)
        self._shows(peer, message)
        world.counts["changed"] += 1
        first, said = account.by_id.get(message.of), account.message_of(message.payload)
        if first is not None and first.sender not in (peer.peer_id, message.src):
            world.found(Violation("I2", "changed by another one", message.payload))
        if said is not None and said.of != message.of:
            world.found(Violation("I2", "another message is changed than was", message.payload))
        if said is not None and (first is None or not self._was_shown(first)):
            world.found(Violation("I2", "changed before it was shown", message.payload))

    def _was_shown(self, message: Message) -> bool:
        """Whether a message was shown here, as far as anybody can know."""
        account, name = self._account, self.name
        return message in account.shown_to.get(name, ()) or name in account.kills | account.damaged

    def _is_known_here(self, change: Message) -> bool:
        """Whether this node must still know what this changes, of what the same peer said."""
        account, first = self._account, self._account.by_id.get(change.of)
        if first is None or first.sender != change.sender:
            return False
        if not self.keeps or self.name in account.kills | account.damaged:
            return False
        gone = (self.name, first.text) in account.unkept | account.perhaps_forgotten
        return not gone and first in account.shown_to.get(self.name, ())

    def _note_unread(self, peer: Peer, message: Send | Pub) -> None:
        history = self.node.history
        if history is None:
            return
        if history.attending:
            self._world.unread.read(self.name)
        elif self._knows_past and message.payload in self._account.by_text and not message.of:
            conversation = peer.peer_id if isinstance(message, Send) else message.dst
            self._world.unread.came(self.name, conversation, message.payload)

    def past_known(self, unread: str) -> None:
        """It knows again what it was told in its earlier runs."""
        history = self.node.history
        assert history is not None
        for sentence in self._world.unread.missing(self.name, history.unread):
            self._world.found(Violation("L6", "it came, and is not unread", sentence))
        self._knows_past = True
        if unread:
            self._world.counts["unread"] += 1

    def received_late(self, peer: Peer, messages: list[Send | Pub], said: list[float]) -> None:  # noqa: ARG002
        """It shows them, with the times."""
        self._world.counts["shown late"] += len(messages)
        self.received(peer, messages)

    def received_unkept(self, peer: Peer, messages: list[Send | Pub]) -> None:
        """It shows them, and could not store them."""
        self._world.counts["shown, and not kept"] += len(messages)
        self.arrivals.unkept += len(messages)
        self._account.unkept.update(
            (self.name, self._account.worded(message.payload)) for message in messages
        )
        self.received(peer, messages)

    def _find_all(self, violations: Iterable[Violation]) -> None:
        for violation in violations:
            self._world.found(violation)

    def status_changed(self, peer: Peer) -> None:
        """It comes, or goes."""
        self._find_all(self.arrivals.status(peer))
        self._world.tell(f"{self.name}: {peer.peer_id} is {peer.status.value}")

    def notice(self, sentence: str) -> None:
        """The person should know."""
        if "damaged" in sentence:
            self._world.counts["told of damage"] += 1
            self._account.told_of_damage.add(self.name)
        if any(said in sentence for said in _LOST):
            self._said_perhaps_lost = True
        elif "no longer kept" in sentence or "are not kept" in sentence:
            self._said_unkept = True
        elif "are kept" in sentence:
            self._said_unkept = False
        self._world.tell(f"{self.name}: {sentence}")

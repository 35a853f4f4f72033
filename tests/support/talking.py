"""What alice@CIC says and hears, to test with, and what her observers and the log were told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.task import Clock
from twisted.logger import LogEvent
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.logs.levels import Log, get_level, set_level
from p2pchat.mesh.peers import Peer, PeerTable
from p2pchat.node import incoming, outcomes, outgoing, publishing
from p2pchat.node.incoming import Incoming
from p2pchat.node.news import NotSentError
from p2pchat.node.observers import Observer, Observers
from p2pchat.node.outgoing import Outgoing
from p2pchat.settings.values import ConnectionSettings, LimitSettings, Settings
from p2pchat.wire.messages import Pub, Send
from p2pchat.wire.repetitions import RecentIds
from tests.support.fake_link import FakeLink, fake_context


class Heard(Observer):
    """What the node was told; `then` is called after each event, as an observer may do anything."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []
        self.then: Callable[[], object] | None = None

    def note(self, *event: Any) -> None:
        self.events.append(event)
        if self.then is not None:
            self.then()

    def status_changed(self, peer: Peer) -> None:
        self.note("status", peer.peer_id)

    def received(self, peer: Peer, messages: list[Send | Pub]) -> None:
        self.note("received", peer.peer_id, messages)

    def delivered(self, peer_id: str, msg_id: str, seconds: float) -> None:
        self.note("delivered", peer_id, msg_id, seconds)

    def undelivered(self, peer_id: str, msg_id: str, reason: str) -> None:
        self.note("undelivered", peer_id, msg_id, reason)

    def notice(self, sentence: str) -> None:
        self.note("notice", sentence)


class TalkingTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.addCleanup(set_level, get_level())
        set_level("INFO")
        self.log_events: list[LogEvent] = []
        log = Log("Router", observer=self.log_events.append)  # type: ignore[arg-type]
        for module in (incoming, outcomes, outgoing, publishing):
            self.patch(module, "_log", log)
        self.make()

    def make(self, **limits: Any) -> None:
        self.peers = PeerTable(100)
        self.heard = Heard()
        settings = Settings(
            connection=ConnectionSettings(ack_timeout=5.0), limits=LimitSettings(**limits)
        )
        self.clock = Clock()
        observers = Observers()
        observers.add(self.heard)
        context = fake_context("alice@CIC", settings, self.clock)
        self.batch = context.batch
        self.outgoing = Outgoing(context, self.peers, observers)
        self.seen = RecentIds(settings.limits.remembered_ids)
        self.incoming = Incoming(observers, self.seen)

    def send(self, peer_id: str, text: str, now: float) -> str:
        """Send at this time."""
        self.clock.rightNow = now
        return self.outgoing.send(peer_id, text)

    def acknowledged(self, msg_id: object, now: float, peer_id: str = "bob@CIC") -> None:
        """An ACK of this peer comes at this time."""
        self.clock.rightNow = now
        self.outgoing.acknowledged(peer_id, msg_id)

    def give_up_all(self, reason: str) -> None:
        """The node leaves for this reason, and its links are gone."""
        self.outgoing.leave(reason)
        self.outgoing.give_up_all()

    def linked(self, peer_id: str = "bob@CIC") -> FakeLink:
        link = FakeLink(peer_id)
        self.peers.link_opened(link)
        return link

    def logged(self) -> list[str]:
        return [event["log_format"].format_map(event) for event in self.log_events]

    def assertNotSent(self, sentence: str, send: Callable[[], object]) -> None:
        with self.assertRaises(NotSentError) as caught:
            send()
        self.assertEqual(str(caught.exception), sentence)

"""Nodes that keep messages, over a fake network: what waits arrives, once, in order, after all."""

from __future__ import annotations

import json
import random
import sqlite3
from pathlib import Path
from typing import Any

from twisted.internet.defer import fail
from twisted.internet.protocol import ClientFactory
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.history.database import Database
from p2pchat.history.durable import DurableHistory
from p2pchat.history.reading import Reader
from p2pchat.history.records import HistoryError
from p2pchat.history.storage import Storage
from p2pchat.mesh.link.protocol import PeerProtocol
from p2pchat.mesh.peers import Peer, Status
from p2pchat.node.figures import statistics
from p2pchat.node.news import NotSentError
from p2pchat.node.node import FILE_PATIENCE, ChatNode, MakeHistory, MakeKeys
from p2pchat.node.observers import Observer
from p2pchat.settings.values import (
    ConnectionSettings,
    HistorySettings,
    LimitSettings,
    Settings,
)
from p2pchat.testing.network import FakeHost
from p2pchat.testing.nodes import FakeTown
from p2pchat.wire.messages import CatchUp, Pub, Said, Send
from p2pchat.wire.repetitions import RecentIds
from tests.support.fake_link import FakeLink
from tests.support.foreign import ForeignPeer
from tests.support.histories import NOW, SteppedThread

SEND = PeerProtocol.send


class Hearing(Observer):
    """What only the observers of a history hear."""

    def __init__(self) -> None:
        self.late: list[tuple[str, str, float]] = []
        self.unkept: list[str] = []
        self.waiting: list[str] = []

    def received_late(self, peer: Peer, messages: list[Send | Pub], said: list[float]) -> None:
        self.late += [
            (peer.peer_id, message.payload, when)
            for message, when in zip(messages, said, strict=True)
        ]

    def received_unkept(self, peer: Peer, messages: list[Send | Pub]) -> None:
        self.unkept += [message.payload for message in messages]

    def queued(self, peer_id: str, msg_id: str) -> None:
        self.waiting.append(peer_id)


class FullDatabase(Database):
    """A disk that is full while `full` is set."""

    full: set[str] = set()  # noqa: RUF012  # shared by all, and cleared by the test

    def commit(self, batch: Any) -> Any:
        if self.path in self.full:
            raise sqlite3.OperationalError("database or disk is full")
        return super().commit(batch)


class KeepingCase(SynchronousTestCase):
    seed = 0

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).resolve()
        self.folder.mkdir()
        self.town = FakeTown(self.seed)
        self.hearing: dict[ChatNode, Hearing] = {}
        self.threads: list[SteppedThread] = []
        self.databases: list[Database] = []
        self.addCleanup(FullDatabase.full.clear)
        self.addCleanup(self.close_databases)

    def close_databases(self) -> None:
        for database in self.databases:
            database.close()

    def path(self, peer_id: str) -> str:
        return str(self.folder / f"{peer_id}.sqlite")

    def maker(self, host: FakeHost, settings: HistorySettings, *, at_once: bool) -> MakeHistory:
        def make(own_id: str, seen: RecentIds) -> DurableHistory:
            def database() -> Database:
                self.databases.append(FullDatabase(self.path(own_id)))
                return self.databases[-1]

            writing = SteppedThread(at_once=at_once)
            self.threads.append(writing)
            storage = Storage(
                writing=writing,
                make_database=database,
                reading=SteppedThread(),
                make_reader=lambda: Reader(self.path(own_id)),
                wall=host.wall,
            )
            return DurableHistory(host, own_id, settings, seen, storage)

        return make

    def node(
        self,
        peer_id: str,
        *,
        keeps: bool = True,
        at_once: bool = True,
        ip: str = "",
        make_keys: MakeKeys | None = None,
        **history: Any,
    ) -> ChatNode:
        kept = HistorySettings(**history)
        settings = Settings(
            limits=LimitSettings(peer_rate=0),
            connection=ConnectionSettings(discovery_interval=5.0),
            history=kept,
        )
        host = self.town.network.host(ip or f"10.0.0.{len(self.town.network.hosts) + 1}")
        node = self.town.node(
            peer_id,
            ip=host.ip,
            settings=settings,
            make_history=self.maker(host, kept, at_once=at_once) if keeps else None,
            make_keys=make_keys,
        )
        hearing = self.hearing[node] = Hearing()
        node.observers.add(hearing)
        return node

    def meet(self) -> None:
        self.town.run_until_meshed()
        self.town.run(1)

    def texts(self, node: ChatNode) -> list[str]:
        """All that was shown, in order: the recorder hears late messages as if they were not."""
        return self.town.seen(node).texts

    def late(self, node: ChatNode) -> list[str]:
        return [text for _, text, _ in self.hearing[node].late]

    def kept(self, peer_id: str, conversation: str | None = None) -> list[str]:
        reader = Reader(self.path(peer_id))
        try:
            return [line.text for line in reader.recent(conversation, 10_000)]
        finally:
            reader.close()


class HangingTests(KeepingCase):
    """A disk that does not answer: told, and a node that leaves does not wait for ever."""

    def test_leaving(self) -> None:
        alice = self.node("alice@CIC", at_once=False)
        self.threads[0].step()
        self.town.run(1)
        hearing = self.town.seen(alice)
        alice.send("eva@CIC", "perde-se")
        alice.publish("*", "talvez")
        self.town.run(1)
        assert alice.history is not None
        self.assertFalse(alice.history.failing)
        self.town.run(6)
        self.assertTrue(alice.history.failing)
        self.assertIn("the disk does not answer: messages are not kept", hearing.notices)
        took = self.town.leave(alice, 14.0)
        self.assertTrue(FILE_PATIENCE <= took <= FILE_PATIENCE + 3, took)
        self.assertEqual(alice.outgoing.outcomes.lost, 1)
        self.assertEqual(
            hearing.failed[-1][2],
            "it could not be kept (the disk does not answer), and is lost",
        )
        self.assertIn(
            "1 message more is perhaps not kept: the disk does not answer", hearing.notices
        )
        self.town.check_clean(self.town.host_of(alice))

    def test_leaving_before_the_past_is_known(self) -> None:
        alice = self.node("alice@CIC", at_once=False)
        self.town.run(1)
        alice.send("eva@CIC", "perde-se")
        self.town.run(6)
        hearing = self.town.seen(alice)
        self.assertIn(
            "what waits from earlier is not known yet: the disk does not answer", hearing.notices
        )
        took = self.town.leave(alice, 14.0)
        self.assertTrue(FILE_PATIENCE <= took <= FILE_PATIENCE + 3, took)
        self.assertEqual(alice.outgoing.outcomes.lost, 1)

    def test_leaving_when_the_past_cannot_be_read(self) -> None:
        broken = [True]

        def load(database: Database, remembered: int) -> Any:
            if broken[0]:
                raise sqlite3.OperationalError("disk I/O error")
            return real(database, remembered)

        real = Database.load
        self.patch(Database, "load", load)
        alice = self.node("alice@CIC")
        self.town.run(1)
        alice.send("eva@CIC", "perde-se")
        took = self.town.leave(alice, 14.0)
        self.assertLess(took, 3.0, "it was not to be had, and nobody waits for it")
        self.assertEqual(alice.outgoing.outcomes.lost, 1)
        bob = self.node("bob@CIC")
        self.town.run(1)
        bob.send("eva@CIC", "fica")
        broken[0] = False
        self.assertLess(self.town.leave(bob, 14.0), 3.0)
        self.assertEqual(self.kept("bob@CIC"), ["fica"], "it was tried once more")


class Plain(ForeignPeer):
    """Another program: `answers` says whether it acknowledges SEND and PING, or is half dead."""

    def __init__(self, peer_id: str, *, answers: bool) -> None:
        super().__init__(peer_id)
        self.answers = answers
        self.answered = 0

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        lines = bytes(self.received).split(b"\n")[self.answered : -1]
        self.answered += len(lines)
        for message in map(json.loads, lines if self.answers else ()):
            if message["type"] == "SEND":
                self.say(type="ACK", msg_id=message["msg_id"])
            elif message["type"] == "PING":
                self.say(**message | {"type": "PONG"})

    @property
    def texts(self) -> list[str]:
        lines = map(json.loads, self.received.splitlines())
        return [line["payload"] for line in lines if line["type"] == "SEND"]


class SecondLinkTests(KeepingCase):
    """A plain peer connects again while its first connection is half dead."""

    def setUp(self) -> None:
        super().setUp()
        self.alice = self.node("alice@CIC")
        self.town.run(1)
        self.host = self.town.network.host("10.0.0.99")

    def connect(self, *, answers: bool) -> Plain:
        plain = Plain("raw@CIC", answers=answers)
        factory: ClientFactory[Plain] = ClientFactory()
        factory.protocol = lambda: plain
        self.host.connectTCP(self.town.host_of(self.alice).ip, self.alice.port, factory)
        self.town.run(1)
        self.successResultOf(plain.greeted)
        return plain

    def test_who_says_something_and_leaves_is_heard_first(self) -> None:
        (thread,) = self.threads
        thread.at_once = False
        plain = self.connect(answers=True)
        heard: list[object] = []

        class Order(Observer):
            def status_changed(self, peer: Peer) -> None:
                heard.append(peer.status)

            def received(self, peer: Peer, messages: list[Send | Pub]) -> None:
                heard.extend(message.payload for message in messages)

        self.alice.observers.add(Order())
        message = {"msg_id": "1", "src": "raw@CIC", "dst": "alice@CIC", "ttl": 1}
        plain.say(type="SEND", payload="oi e tchau", require_ack=True, **message)
        plain.say(type="BYE", reason="", **message)
        self.town.run(1)
        self.assertEqual((self.town.links(self.alice), heard), ({}, []))
        thread.at_once = True
        thread.step()
        self.assertEqual(heard, ["oi e tchau", Status.DISCONNECTED])
        self.town.close()

    def waiting(self) -> int:
        return len(self.alice.outgoing.outbox)

    def test_what_the_old_one_did_not_acknowledge_goes_to_the_new_one_in_order(self) -> None:
        old = self.connect(answers=False)
        self.alice.send("raw@CIC", "um")
        self.town.run(Settings().connection.ack_timeout + 1)
        self.alice.send("raw@CIC", "dois")
        new = self.connect(answers=True)
        self.town.run(1)
        self.alice.send("raw@CIC", "três")
        self.town.run(1)
        # Another program that comes back to the same place is written to there.
        self.assertEqual(old.texts, ["um", "dois"], "not on the same link")
        self.assertEqual(new.texts, ["um", "três"])
        self.town.run(Settings().connection.ack_timeout)
        self.assertEqual(new.texts, ["um", "três", "dois"])
        self.town.run(4 * Settings().connection.ping_interval)
        self.assertEqual(old.texts, ["um", "dois"])
        self.assertEqual(new.texts, ["um", "três", "dois"])
        self.assertEqual(self.waiting(), 0)
        self.assertEqual(self.town.links(self.alice), {"raw@CIC": 1})
        self.town.close()

    def test_without_an_ack_on_either_nothing_goes_to_and_fro(self) -> None:
        old, new = self.connect(answers=False), self.connect(answers=False)
        self.alice.send("raw@CIC", "um")
        self.town.run(2.5 * Settings().connection.ping_interval)
        self.assertEqual((old.texts, new.texts), ([], ["um"]))
        self.town.close()

    def test_what_was_on_its_way_goes_out_again_when_that_link_is_gone(self) -> None:
        old = self.connect(answers=False)
        self.alice.send("raw@CIC", "um")
        self.alice.send("raw@CIC", "dois")
        self.town.run(0.5)
        new = self.connect(answers=True)
        assert old.transport is not None
        old.transport.loseConnection()
        self.town.run(2)
        self.assertEqual(new.texts, ["um", "dois"])
        self.assertEqual(self.waiting(), 0)
        self.town.close()


class DirectTests(KeepingCase):
    def test_a_conversation_is_kept_on_both_sides(self) -> None:
        alice, bob = self.node("alice@CIC"), self.node("bob@CIC")
        self.meet()
        alice.send("bob@CIC", "oi")
        bob.send("alice@CIC", "olá")
        alice.publish("#CIC", "a todos")
        self.town.run(1)
        self.assertEqual(self.texts(bob), ["oi", "a todos"])
        self.assertEqual(len(self.town.seen(alice).acked), 1)
        self.assertEqual(self.kept("alice@CIC"), ["oi", "a todos", "olá"])
        self.assertEqual(self.kept("bob@CIC"), ["olá", "oi", "a todos"])
        self.assertEqual(self.kept("bob@CIC", "alice@CIC"), ["olá", "oi"])
        self.town.close()

    def test_what_is_said_to_somebody_away_arrives_when_he_is_back(self) -> None:
        alice = self.node("alice@CIC")
        began = NOW + self.town.host_of(alice).seconds()
        ids = [alice.send("bob@CIC", str(number)) for number in range(5)]
        self.town.run(1)
        self.assertEqual(self.hearing[alice].waiting, ["bob@CIC"] * 5)
        bob = self.node("bob@CIC")
        self.meet()
        self.assertEqual(self.late(bob), [*"01234"])
        self.assertEqual({when for _, _, when in self.hearing[bob].late}, {began})
        self.assertEqual([msg_id for _, msg_id in self.town.seen(alice).acked], ids)
        self.assertEqual(len(alice.outgoing.outbox), 0)
        self.town.close()

    def test_after_a_restart_too_and_the_person_is_told(self) -> None:
        alice = self.node("alice@CIC")
        alice.send("bob@CIC", "espera por ti")
        self.town.run(1)
        self.town.kill(alice)
        alice = self.node("alice@CIC")
        bob = self.node("bob@CIC")
        self.meet()
        self.assertEqual(self.texts(bob), ["espera por ti"])
        self.assertEqual(
            self.town.seen(alice).notices[-1:],
            ['delivered to [bob@CIC], which was away: "espera por ti"'],
        )
        self.town.close()

    def test_a_message_whose_ack_was_lost_is_shown_once(self) -> None:
        alice, bob = self.node("alice@CIC"), self.node("bob@CIC", at_once=False)
        self.threads[-1].step()
        self.meet()
        msg_id = alice.send("bob@CIC", "uma vez")
        self.town.run(0.5)
        while self.threads[-1].calls:
            self.threads[-1].step()
        # It is safe and shown; before its ACK can leave, bob is killed.
        self.town.kill(bob)
        self.assertEqual(self.town.seen(bob).texts, ["uma vez"])
        self.town.run(10)
        self.assertEqual(self.hearing[alice].waiting, ["bob@CIC"])
        self.assertEqual(self.town.seen(alice).failed, [], "it waits for a link, not for an ACK")
        bob = self.node("bob@CIC")
        self.meet()
        self.assertEqual(self.texts(bob), [])
        self.assertEqual(self.town.seen(alice).acked, [("bob@CIC", msg_id)])
        self.assertEqual(self.kept("bob@CIC"), ["uma vez"])
        self.town.close()

    def test_a_full_disk_acknowledges_nothing_and_the_next_link_brings_it_again(self) -> None:
        alice, bob = self.node("alice@CIC"), self.node("bob@CIC")
        self.meet()
        FullDatabase.full.add(self.path("bob@CIC"))
        alice.send("bob@CIC", "não cabe")
        self.town.run(6)
        self.assertEqual(self.hearing[bob].unkept, ["não cabe"])
        self.assertEqual(
            self.town.seen(bob).notices,
            ["messages are no longer kept: database or disk is full"],
        )
        self.assertEqual(self.town.seen(alice).acked, [])
        figures = statistics(bob).snapshot()["history"]
        told = {"failing": 1, "not_kept": 1, "refused": 0, "removed": 0}
        self.assertEqual({name: figures[name] for name in told}, told)
        FullDatabase.full.clear()
        alice.send("bob@CIC", "cabe")
        self.town.run(1)
        self.assertEqual(len(self.town.seen(alice).acked), 1)
        self.town.network.break_links(self.town.host_of(alice), self.town.host_of(bob))
        self.town.run(0.1)
        self.meet()
        self.assertEqual(len(self.town.seen(alice).acked), 2)
        self.assertEqual(self.texts(bob), ["não cabe", "cabe"])
        self.assertEqual(self.kept("bob@CIC"), ["cabe", "não cabe"])
        self.town.close()

    def test_what_was_refused_comes_again_on_the_same_link_and_is_told_once(self) -> None:
        alice, bob = self.node("alice@CIC"), self.node("bob@CIC")
        self.meet()
        FullDatabase.full.add(self.path("bob@CIC"))
        alice.send("bob@CIC", "não cabe")
        self.town.run(40)
        self.assertEqual(len(self.town.seen(alice).failed), 1)
        FullDatabase.full.clear()
        self.town.run(16)
        self.assertEqual(len(self.town.seen(alice).acked), 1)
        self.assertEqual(self.texts(bob), ["não cabe"])
        self.assertEqual(self.kept("bob@CIC"), ["não cabe"])
        self.assertEqual(len(alice.outgoing.outbox), 0)
        self.town.close()

    def test_a_node_without_a_history_gets_a_plain_message(self) -> None:
        alice = self.node("alice@CIC")
        alice.send("bob@CIC", "esperou")
        alice.publish("*", "ninguém")
        self.town.run(1)
        bob = self.node("bob@CIC", keeps=False)
        self.meet()
        self.assertEqual(self.town.seen(bob).texts, ["esperou"])
        self.assertEqual(len(self.town.seen(alice).acked), 1)
        self.town.close()

    def test_the_longest_text_leaves_no_room_for_its_time(self) -> None:
        alice = self.node("alice@CIC")
        text = "x" * 32_600
        alice.send("bob@CIC", text)
        self.town.run(1)
        bob = self.node("bob@CIC")
        self.meet()
        self.assertEqual(self.town.seen(bob).texts, [text])
        self.assertRaises(NotSentError, alice.send, "bob@CIC", "x" * 32_768)
        self.assertRaises(NotSentError, alice.send, "eva@CIC", "x" * 32_768)
        self.town.close()

    def test_what_cannot_be_queued(self) -> None:
        alice = self.node("alice@CIC", outbox_max_per_peer=1)
        for to, why in (
            ("alice@CIC", "that is yourself"),
            ("bob", "no such peer: [bob] (/peers lists them)"),
        ):
            error = self.assertRaises(NotSentError, alice.send, to, "x")
            self.assertEqual(str(error), why)
        alice.send("bob@CIC", "x")
        error = self.assertRaises(NotSentError, alice.send, "bob@CIC", "y")
        self.assertIn("1 message waits for [bob@CIC]", str(error))
        self.town.close()

    def test_many_are_sent_a_window_at_a_time_and_nothing_overtakes(self) -> None:
        alice = self.node("alice@CIC")
        for number in range(700):
            alice.send("bob@CIC", str(number))
        self.town.run(1)
        bob = self.node("bob@CIC")
        self.town.run_until_meshed()
        alice.send("bob@CIC", "700")
        self.town.run(2)
        self.assertEqual(self.texts(bob), [str(number) for number in range(701)])
        self.assertEqual(len(self.town.seen(alice).acked), 701)
        self.town.close()

    def test_what_waits_too_long_is_given_up(self) -> None:
        alice = self.node("alice@CIC", outbox_ttl=100.0)
        msg_id = alice.send("bob@CIC", "x")
        self.town.run(200)
        self.assertEqual(
            self.town.seen(alice).failed,
            [("bob@CIC", msg_id, "it waited for too long and is given up")],
        )
        self.town.close()

    def test_what_comes_before_the_past_is_known_is_not_lost(self) -> None:
        alice = self.node("alice@CIC")
        bob = self.node("bob@CIC", at_once=False)
        self.town.run_until_meshed()
        alice.send("bob@CIC", "cedo")
        bob.send("alice@CIC", "eu também")
        bob.publish("#CIC", "e a todos")
        self.town.run(1)
        self.assertEqual(self.texts(bob), [])
        self.threads[-1].at_once = True
        while self.threads[-1].calls:
            self.threads[-1].step()
        self.town.run(1)
        self.assertEqual(self.texts(bob), ["cedo"])
        self.assertEqual(self.kept("bob@CIC"), ["eu também", "e a todos", "cedo"])
        self.assertEqual(self.texts(alice), ["eu também", "e a todos"])
        self.town.close()

    def test_a_peer_that_does_not_keep_up_gets_it_later(self) -> None:
        alice, bob = self.node("alice@CIC"), self.node("bob@CIC")
        self.meet()
        self.patch(PeerProtocol, "send", lambda *_: False)
        alice.send("bob@CIC", "cheio")
        self.town.run(1)
        self.assertEqual(self.hearing[alice].waiting, [], "there is a link")
        self.flushPatches()
        self.town.run(1)
        self.assertEqual(self.texts(bob), ["cheio"])
        self.town.close()

    def flushPatches(self) -> None:
        self.patch(PeerProtocol, "send", SEND)

    def test_other_limits_reach_the_history(self) -> None:
        alice = self.node("alice@CIC")
        self.town.run(1)
        alice.configure(Settings(history=HistorySettings(outbox_max=1)))
        alice.send("bob@CIC", "um")
        with self.assertRaisesRegex(NotSentError, "1 message waits already"):
            alice.send("bob@CIC", "dois")
        self.town.close()

    def test_too_many_wait_for_their_ack(self) -> None:
        alice = self.node("alice@CIC")
        bob = self.node("bob@CIC", at_once=False)
        self.meet()
        limits = LimitSettings(max_pending_acks=2)
        alice.configure(Settings(limits=limits, history=HistorySettings()))
        for number in range(5):
            alice.send("bob@CIC", str(number))
        self.town.run(1)
        self.assertEqual(alice.outgoing.pending, 2)
        self.threads[-1].at_once = True
        while self.threads[-1].calls:
            self.threads[-1].step()
        self.town.run(2)
        self.assertEqual(self.texts(bob), [*"01234"])
        self.town.close()

    def test_a_late_ack_counts(self) -> None:
        alice, bob = self.node("alice@CIC"), self.node("bob@CIC", at_once=False)
        self.threads[-1].step()
        self.meet()
        msg_id = alice.send("bob@CIC", "devagar")
        self.town.run(7)
        self.assertEqual(len(self.town.seen(alice).failed), 1)
        self.threads[-1].at_once = True
        while self.threads[-1].calls:
            self.threads[-1].step()
        self.town.run(1)
        self.assertEqual(self.town.seen(alice).acked, [("bob@CIC", msg_id)])
        alice.outgoing.acknowledged("bob@CIC", 7)
        alice.outgoing.acknowledged("bob@CIC", "nobody's")
        self.assertEqual(len(self.town.seen(alice).acked), 1)
        self.assertEqual(self.texts(bob), ["devagar"])
        self.town.close()

    def test_late_messages_before_the_past_is_known_and_again(self) -> None:
        alice = self.node("alice@CIC")
        alice.send("bob@CIC", "esperou")
        self.town.run(1)
        bob = self.node("bob@CIC", at_once=False)
        self.town.run_until_meshed()
        self.town.run(1)
        self.threads[-1].at_once = True
        while self.threads[-1].calls:
            self.threads[-1].step()
        self.town.run(1)
        (peer,) = bob.peers.connected()
        again = Said(self.town.seen(alice).acked[0][1], "", "bob@CIC", "esperou", NOW, True)
        bob.mesh.on_extended(peer, peer.links[0], again)
        self.town.run(1)
        self.assertEqual(self.texts(bob), ["esperou"])
        self.assertEqual(self.late(bob), ["esperou"], "said earlier, and shown so")
        self.assertEqual(bob.incoming.duplicates, 1)
        self.town.close()

    def test_what_nobody_has_seen_is_told_at_the_next_start(self) -> None:
        alice, bob = self.node("alice@CIC"), self.node("bob@CIC")
        self.meet()
        alice.send("bob@CIC", "oi")
        alice.publish("*", "olá")
        self.town.run(1)
        self.town.leave(bob)
        bob = self.node("bob@CIC")
        self.town.run(1)
        sentence = "not seen yet: 1 of alice@CIC, 1 of * (/history shows them)"
        self.assertIn(sentence, self.town.seen(bob).notices)
        assert bob.history is not None
        bob.history.attending += 1
        alice.publish("*", "vês?")
        self.meet()
        self.town.leave(bob)
        bob = self.node("bob@CIC")
        self.town.run(1)
        self.assertNotIn("not seen", str(self.town.seen(bob).notices))
        self.town.close()


class CatchingUpTests(KeepingCase):
    def test_the_longest_text_comes_without_its_time(self) -> None:
        alice = self.node("alice@CIC")
        for size in range(32_768, 0, -1):
            try:
                alice.publish("*", "x" * size)
            except NotSentError:
                continue
            break  # as long as it can be: there is no room for its time
        alice.publish("*", "y")
        self.town.run(1)
        bob = self.node("bob@CIC")
        self.meet()
        self.assertEqual(self.texts(bob), ["x" * size, "y"])
        self.assertEqual(self.late(bob), ["y"])
        eva = self.node("eva@CIC", catch_up_age=1e-9)
        self.meet()
        self.assertEqual(self.texts(eva), [])
        # Twice at the same time is once too often.
        (peer,) = [peer for peer in alice.peers.connected() if peer.peer_id == "bob@CIC"]
        request = CatchUp("c", "", 10, 60.0)
        sent = peer.links[0].sent
        alice.mesh.on_extended(peer, peer.links[0], request)
        self.town.run(1)
        self.assertEqual(peer.links[0].sent, sent)
        self.town.close()

    def test_a_history_that_cannot_be_read(self) -> None:
        alice = self.node("alice@CIC")
        alice.publish("*", "x")
        self.town.run(1)

        def failing(*_: object) -> Any:
            return fail(HistoryError("the history cannot be read: ?"))

        self.patch(DurableHistory, "published_since", failing)
        bob = self.node("bob@CIC")
        self.meet()
        self.assertEqual(self.texts(bob), [])
        self.town.close()

    def test_a_late_joiner_reads_what_was_said_once(self) -> None:
        alice = self.node("alice@CIC")
        began = NOW + self.town.host_of(alice).seconds()
        for number in range(5):
            alice.publish(("*", "#CIC")[number % 2], str(number))
        alice.publish("#UnB", "for others")
        self.town.run(60)
        bob = self.node("bob@CIC")
        self.meet()
        self.assertEqual(self.late(bob), [*"01234"])
        self.assertEqual({when for _, _, when in self.hearing[bob].late}, {began})
        alice.publish("#CIC", "5")
        self.town.run(1)
        self.town.network.break_links(self.town.host_of(alice), self.town.host_of(bob))
        self.town.run(0.1)
        alice.publish("#CIC", "6")
        self.meet()
        self.assertEqual(self.late(bob), [*"012346"])
        self.assertEqual(self.texts(bob), [*"0123456"])
        self.town.kill(bob)
        alice.publish("#CIC", "7")
        bob = self.node("bob@CIC")
        self.meet()
        self.assertEqual(self.texts(bob), ["7"])
        self.assertEqual(self.kept("bob@CIC", "#CIC"), [*"13567"])
        self.town.close()

    def test_bounded_in_number_and_age(self) -> None:
        alice = self.node("alice@CIC", catch_up=3, catch_up_age=100.0)
        alice.publish("*", "old")
        self.town.run(150)
        for number in range(5):
            alice.publish("*", str(number))
        self.town.run(1)
        bob = self.node("bob@CIC")
        eva = self.node("eva@CIC", catch_up=1)
        self.meet()
        self.assertEqual(self.texts(bob), [*"234"])
        self.assertEqual(self.texts(eva), ["4"])
        self.town.close()

    def test_nobody_else_gets_any_of_it(self) -> None:
        alice = self.node("alice@CIC")
        alice.publish("*", "só para quem fica")
        self.town.run(1)
        others = [
            self.node("plain@CIC", keeps=False),
            self.node("far@UnB"),
            self.node("no@CIC", catch_up=0),
        ]
        self.meet()
        for other in others:
            self.assertEqual(self.texts(other), [])
        self.town.close()

    def test_more_than_the_queue_of_a_link_holds(self) -> None:
        alice = self.node("alice@CIC")
        texts = [f"{number} {'x' * 20_000}" for number in range(150)]
        for text in texts:
            alice.publish("*", text)
            self.town.run(0.01)
        bob = self.node("bob@CIC")
        self.meet()
        alice.publish("*", "live")
        self.town.run(5)
        self.assertEqual(sorted(self.texts(bob)), sorted([*texts, "live"]))
        self.assertEqual(self.late(bob), texts)
        self.assertEqual(alice.outgoing.publishing.dropped, 0)
        self.town.close()

    def test_what_others_are_told_takes_no_place(self) -> None:
        alice = self.node("alice@CIC")
        ours = [f"ours {number}" for number in range(50)]
        for text in ours:
            alice.publish("#CIC", text)
        for number in range(300):
            alice.publish("#UnB", f"theirs {number}")
        self.town.run(1)
        bob = self.node("bob@CIC")
        self.meet()
        self.town.run(5)
        self.assertEqual(self.late(bob), ours)
        self.town.close()

    def test_no_gap_is_passed_by_what_comes_live(self) -> None:
        for ending in ("the link breaks", "it is killed"):
            self.setUp()
            alice = self.node("alice@CIC")
            texts = [f"{number} {'x' * 20_000}" for number in range(100)]
            for text in texts:
                alice.publish("*", text)
                self.town.run(0.01)
            bob = self.node("bob@CIC")
            self.town.network.run_until(lambda bob=bob: len(self.late(bob)) > 5, 30)  # type: ignore[misc]
            alice.publish("*", "live")
            self.town.network.run_until(lambda bob=bob: "live" in self.texts(bob), 30)  # type: ignore[misc]
            self.assertLess(len(self.late(bob)), 100)
            before = self.texts(bob)
            if ending == "it is killed":
                self.town.kill(bob)
                bob = self.node("bob@CIC")
            else:
                self.town.network.break_links(self.town.host_of(alice), self.town.host_of(bob))
                before = []
            self.meet()
            self.town.run(5)
            self.assertEqual(set(before + self.texts(bob)), {*texts, "live"})
            self.town.close()

    def test_what_was_said_a_moment_before_is_told(self) -> None:
        alice, bob = self.node("alice@CIC"), self.node("bob@CIC")
        self.meet()
        assert alice.history is not None
        self.town.network.break_links(self.town.host_of(alice), self.town.host_of(bob))
        self.town.run(0.1)
        alice.publish("*", "agora")
        found = alice.history.published_since(("*",), "", 60.0, 10)
        self.assertEqual(self.successResultOf(found), [], "it is not written yet")
        (peer,) = alice.peers
        link = FakeLink(instance="another process")
        alice._catching_up.answer(peer, link, CatchUp("c", "", 10, 60.0))
        self.town.run(0.2)
        self.assertEqual([message["payload"] for message in link.messages], ["agora"])
        self.town.close()

    def test_a_new_process_of_a_peer_is_asked_and_answered_beside_its_old_link(self) -> None:
        alice, _ = self.node("alice@CIC"), self.node("bob@CIC")
        self.meet()
        alice.publish("*", "oi")
        self.town.run(1)
        (peer,) = alice.peers
        old, new = peer.links[0], FakeLink(instance="another process")
        new.keeps = True
        peer.links.append(new)
        for _ in range(2):
            alice._catching_up.ask(peer)
            alice._catching_up.answer(peer, new, CatchUp("c", "", 10, 60.0))
            self.town.run(1)
        self.assertEqual([message["type"] for message in new.messages], ["CATCH_UP", "SAID"])
        peer.links[:] = [old]
        self.town.close()

    def test_an_answer_waits_for_room_and_ends_with_the_last_link(self) -> None:
        alice, _ = self.node("alice@CIC"), self.node("bob@CIC")
        self.meet()
        for number in range(40):
            alice.publish("*", str(number))
        self.town.run(1)
        (peer,) = alice.peers
        link = FakeLink(instance="another process")

        def full_after_each(_: bytes) -> None:
            link.takes = False

        link.on_send = full_after_each
        links, peer.links = peer.links, []
        alice._catching_up.answer(peer, link, CatchUp("c", "", 30, 60.0))
        for number in range(10, 20):
            self.town.run(1)
            self.assertEqual(link.messages[-1]["payload"], str(number))
            self.assertEqual(link.sent, number - 9)
            link.takes = True
        alice._catching_up.link_closed(peer, link)
        self.town.run(1)
        self.assertEqual(link.sent, 10)
        peer.links = links
        self.town.close()

    def test_only_what_the_asked_peer_published_itself(self) -> None:
        bob = self.node("bob@CIC")
        self.node("alice@CIC")
        self.meet()
        bob.publish("*", "de bob")
        self.town.run(1)
        self.town.leave(bob)
        eva = self.node("eva@CIC")
        self.meet()
        self.assertEqual(self.texts(eva), [])
        self.assertEqual(self.kept("alice@CIC"), ["de bob"])
        self.town.close()


class ChaosTests(KeepingCase):
    def test_whoever_is_killed_whenever_nothing_is_lost_or_doubled(self) -> None:
        for seed in range(4):
            with self.subTest(seed=seed):
                self.seed = seed
                self.setUp()
                self.converse(random.Random(seed))

    def converse(self, chance: random.Random) -> None:
        names = ("alice@CIC", "bob@CIC")
        nodes = {name: self.node(name) for name in names}
        said: dict[str, list[str]] = {name: [] for name in names}
        promised: dict[str, set[str]] = {name: set() for name in names}
        shown: dict[str, list[str]] = {name: [] for name in names}
        texts: dict[str, str] = {}
        for number in range(60):
            for who, to in (names, names[::-1]):
                text = f"{who} {number}"
                texts[nodes[who].send(to, text)] = text
                said[who].append(text)
            self.town.run(chance.random() * 0.4)
            if chance.random() < 0.25:
                who = chance.choice(names)
                self.collect(nodes[who], who, promised, shown, texts)
                self.town.kill(nodes[who])
                self.town.run(chance.random() * 3)
                nodes[who] = self.node(who)
        self.town.network.run_until(self.settled(nodes), 300)
        for who in names:
            self.collect(nodes[who], who, promised, shown, texts)
        for who, to in (names, names[::-1]):
            kept = [text for text in self.kept(to, who) if text.startswith(who)]
            safe = {text for text in self.kept(who, to) if text.startswith(who)}
            self.assertEqual(len(kept), len(set(kept)), "kept twice")
            self.assertEqual(len(shown[to]), len(set(shown[to])), "shown twice")
            self.assertLessEqual(promised[who], set(kept), "said to be delivered, and not there")
            self.assertEqual(safe, set(kept), "kept by the sender, and never delivered")
        self.town.close()

    def settled(self, nodes: dict[str, ChatNode]) -> Any:
        def settled() -> bool:
            return all(len(node.outgoing.outbox) == 0 for node in nodes.values())

        return settled

    def collect(self, node: ChatNode, who: str, promised: Any, shown: Any, texts: Any) -> None:
        recorder = self.town.seen(node)
        promised[who] |= {texts[msg_id] for _, msg_id in recorder.acked}
        shown[who] += self.texts(node)

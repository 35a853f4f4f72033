"""Sending and publishing: ACKs and their time-out, and every limit."""

from __future__ import annotations

from functools import partial

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.link.send_queue import SendQueue, WriteBatch
from p2pchat.mesh.peers import PeerTable, Status
from p2pchat.node.news import NotSentError
from p2pchat.node.observers import Observers
from p2pchat.node.outgoing import Outgoing
from p2pchat.node.publishing import Published
from p2pchat.settings.values import LimitSettings, Settings
from tests.support.fake_link import FakeLink, fake_context
from tests.support.talking import TalkingTestCase

PEERS = ("bob@CIC", "carol@CIC", "carol@CIC", "dave@UnB")


class SendTests(TalkingTestCase):
    def test_one_line_to_the_peer(self) -> None:
        link, other = self.linked(), self.linked("carol@CIC")
        self.assertEqual(self.send("bob@CIC", "oi, tudo bem? 👩", 10.0), "id-1")
        self.assertEqual(
            link.messages,
            [
                {
                    "type": "SEND",
                    "msg_id": "id-1",
                    "src": "alice@CIC",
                    "dst": "bob@CIC",
                    "payload": "oi, tudo bem? 👩",
                    "require_ack": True,
                    "ttl": 1,
                }
            ],
        )
        self.assertEqual((other.lines, self.outgoing.pending, self.heard.events), ([], 1, []))
        self.assertEqual(self.logged(), ["SEND bob@CIC: 15 characters"])

    def test_on_the_first_link_that_takes_it(self) -> None:
        first, second = self.linked(), self.linked()
        self.send("bob@CIC", "1", 10.0)
        first.takes = False
        self.send("bob@CIC", "2", 10.0)
        self.assertEqual([len(link.lines) for link in (first, second)], [1, 1])

    def test_what_cannot_be_sent_gets_a_sentence_and_waits_for_nothing(self) -> None:
        link = self.linked()
        self.peers.listed("carol@CIC")
        stale = self.peers.listed("dave@CIC")
        assert stale is not None
        stale.status = Status.STALE
        for to, text, sentence in (
            ("alice@CIC", "x", "that is yourself"),
            ("eve@CIC", "x", "no such peer: [eve@CIC] (/peers lists them)"),
            ("e\x1b", "x", "no such peer: [e\\x1b] (/peers lists them)"),
            ("carol@CIC", "x", "no link to [carol@CIC]: it is UNKNOWN"),
            ("dave@CIC", "x", "no link to [dave@CIC]: it is STALE"),
            (
                "bob@CIC",
                "x" * 40_000,
                "the message is too long: 40,106 bytes, at most 32,768 fit into a line",
            ),
        ):
            self.assertNotSent(sentence, partial(self.send, to, text, 1.0))
        link.takes = False
        self.assertNotSent(
            "[bob@CIC] does not keep up: too much waits for it already",
            lambda: self.send("bob@CIC", "x", 1.0),
        )
        self.assertEqual((self.outgoing.pending, link.lines, self.logged()), (0, [], []))

    def test_no_more_than_so_many_wait_for_their_ack(self) -> None:
        self.make(max_pending_acks=2)
        self.linked()
        for _ in range(2):
            self.send("bob@CIC", "x", 1.0)
        self.assertNotSent(
            "2 messages still wait for their ACK: try later",
            lambda: self.send("bob@CIC", "x", 1.0),
        )
        self.acknowledged("id-1", 1.5)
        self.assertEqual(self.send("bob@CIC", "x", 1.0), "id-3")


class AckTests(TalkingTestCase):
    def test_delivered(self) -> None:
        self.linked()
        msg_id = self.send("bob@CIC", "x", 10.0)
        self.acknowledged(msg_id, 10.25)
        self.assertEqual(self.heard.events, [("delivered", "bob@CIC", "id-1", 0.25)])
        self.assertEqual(self.outgoing.pending, 0)

    def test_it_counts_whatever_link_it_came_by_even_after_the_link_is_gone(self) -> None:
        link = self.linked()
        msg_id = self.send("bob@CIC", "x", 10.0)
        self.peers.link_closed(link)
        self.acknowledged(msg_id, 11.0)
        self.assertEqual(self.heard.events, [("delivered", "bob@CIC", "id-1", 1.0)])

    def test_an_ack_that_is_faster_than_the_send_returns(self) -> None:
        link = self.linked()
        link.on_send = lambda _line: self.acknowledged("id-1", 10.0)
        self.send("bob@CIC", "x", 10.0)
        self.assertEqual(self.heard.events, [("delivered", "bob@CIC", "id-1", 0.0)])
        self.assertEqual(self.outgoing.pending, 0)

    def test_twice_and_unknown_and_odd_ids_are_ignored(self) -> None:
        self.linked()
        msg_id = self.send("bob@CIC", "x", 10.0)
        odd_ids: tuple[object, ...] = ("id-2", "", None, 7, 1.5, True, ["id-1"], {"id-1": 1})
        for odd in odd_ids:
            self.acknowledged(odd, 10.5)
        self.assertEqual((self.heard.events, self.outgoing.pending), ([], 1))
        for _ in range(2):
            self.acknowledged(msg_id, 11.0)
        self.assertEqual(len(self.heard.events), 1)

    def test_none_in_time(self) -> None:
        self.linked()
        self.send("bob@CIC", "x", 10.0)
        self.send("bob@CIC", "y", 12.0)
        self.outgoing.sweep(14.99)
        self.assertEqual(self.heard.events, [])
        self.outgoing.sweep(15.0)
        self.assertEqual(
            self.heard.events, [("undelivered", "bob@CIC", "id-1", "no ACK within 5 s")]
        )
        self.assertEqual(self.logged()[2:], ["Not delivered to bob@CIC: no ACK within 5 s"])
        self.outgoing.sweep(17.0)
        self.outgoing.sweep(18.0)
        self.assertEqual([event[2] for event in self.heard.events], ["id-1", "id-2"])

    def test_too_late_is_too_late(self) -> None:
        self.linked()
        msg_id = self.send("bob@CIC", "x", 10.0)
        self.outgoing.sweep(15.0)
        self.acknowledged(msg_id, 15.1)
        self.assertEqual([event[0] for event in self.heard.events], ["undelivered"])

    def test_who_hears_of_it_may_send_again(self) -> None:
        self.linked()
        self.send("bob@CIC", "x", 10.0)
        self.heard.then = lambda: self.send("bob@CIC", "again", 15.0)
        self.outgoing.sweep(15.0)
        self.assertEqual((len(self.heard.events), self.outgoing.pending), (1, 1))

    def test_the_node_stops(self) -> None:
        self.linked()
        for _ in range(3):
            self.send("bob@CIC", "x", 10.0)
        self.give_up_all("left before the ACK came")
        self.assertEqual(
            self.heard.events,
            [("undelivered", "bob@CIC", f"id-{n}", "left before the ACK came") for n in (1, 2, 3)],
        )
        self.assertEqual(self.outgoing.pending, 0)

    def test_while_it_stops_observers_may_do_anything(self) -> None:
        self.linked()
        for _ in range(3):
            self.send("bob@CIC", "x", 10.0)

        def then() -> None:
            self.heard.then = None
            self.acknowledged("id-3", 11.0)
            self.assertNotSent("this node is leaving", lambda: self.send("bob@CIC", "again", 11.0))
            asked.append("again")

        asked: list[str] = []

        self.heard.then = then
        self.give_up_all("leaving")
        self.assertEqual(
            [event[::2] for event in self.heard.events],
            [("undelivered", "id-1"), ("delivered", "id-3"), ("undelivered", "id-2")],
        )
        self.assertEqual((self.outgoing.pending, asked), (0, ["again"]))


class PublishTests(TalkingTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.links = [self.linked(it) for it in ("bob@CIC", "carol@CIC", "dave@olá", "eve@cic")]
        self.peers.listed("frank@CIC")

    def reached(self) -> list[str]:
        return [link.peer_id for link in self.links for _ in link.lines]

    def test_to_everyone(self) -> None:
        self.assertEqual(self.outgoing.publishing.publish("*", "oi"), Published("id-1", 4, 0))
        self.assertEqual(self.reached(), ["bob@CIC", "carol@CIC", "dave@olá", "eve@cic"])
        self.assertEqual(
            self.links[0].messages,
            [
                {
                    "type": "PUB",
                    "msg_id": "id-1",
                    "src": "alice@CIC",
                    "dst": "*",
                    "payload": "oi",
                    "require_ack": False,
                    "ttl": 1,
                }
            ],
        )
        self.assertEqual(self.logged(), ["PUB * to 4 peer(s): 2 characters"])

    def test_to_a_namespace(self) -> None:
        for scope, reached in (
            ("#CIC", ["bob@CIC", "carol@CIC"]),
            ("#olá", ["dave@olá"]),
            ("#nobody", []),
        ):
            for link in self.links:
                link.lines.clear()
            self.assertEqual(self.outgoing.publishing.publish(scope, "oi").peers, len(reached))
            self.assertEqual(self.reached(), reached)

    def test_the_same_bytes_go_to_everyone(self) -> None:
        self.outgoing.publishing.publish("*", "oi")
        self.assertEqual(len({id(link.lines[0]) for link in self.links}), 1)

    def test_once_to_a_peer_with_two_links(self) -> None:
        second = self.linked("bob@CIC")
        self.assertEqual(self.outgoing.publishing.publish("*", "oi").peers, 4)
        self.assertEqual((len(self.links[0].lines), second.lines), (1, []))

    def test_a_peer_that_does_not_keep_up_is_counted(self) -> None:
        self.links[0].takes = self.links[1].takes = False
        self.batch.crowded.add(SendQueue(self.batch, lambda _: None, 0))
        second = self.linked("carol@CIC")
        self.assertEqual(self.outgoing.publishing.publish("#CIC", "oi"), Published("id-1", 1, 1))
        self.assertEqual((len(second.lines), self.outgoing.publishing.dropped), (1, 1))
        self.outgoing.publishing.publish("#CIC", "oi")
        self.assertEqual(self.outgoing.publishing.dropped, 2)

    def test_a_peer_that_vanishes_before_the_turn_ends_is_counted(self) -> None:
        self.links[0].takes = False
        self.outgoing.publishing.publish("*", "oi")
        self.assertEqual(self.outgoing.publishing.dropped, 1)

    def test_nobody_is_asked_for_an_ack(self) -> None:
        self.outgoing.publishing.publish("*", "oi")
        self.assertEqual(self.outgoing.pending, 0)

    def test_what_cannot_be_published_gets_a_sentence(self) -> None:
        for scope, text, sentence in (
            ("CIC", "x", "[CIC] is neither * nor #namespace"),
            ("", "x", "[] is neither * nor #namespace"),
            ("#\x1b", "x", "[#\\x1b] is neither * nor #namespace"),
            ("*", "é" * 20_000, "the message is too long: 40,100 bytes, at most 32,768 fit into"),
        ):
            with self.assertRaises(NotSentError) as caught:
                self.outgoing.publishing.publish(scope, text)
            self.assertTrue(str(caught.exception).startswith(sentence), caught.exception)
        self.assertEqual((self.reached(), self.logged()), ([], []))


class AnythingTests(TalkingTestCase):
    @given(st.lists(st.tuples(st.sampled_from("snaxwt"), st.integers(1, 12)), max_size=60))
    def test_every_send_is_reported_exactly_once(self, events: list[tuple[str, int]]) -> None:
        """s: send, n: no room, a: ACK, x: odd ACK, w: wait, t: sweep; then the node stops."""
        self.make(max_pending_acks=6)
        link = self.linked()
        now, sent = 0.0, list[str]()
        for what, n in events:
            match what:
                case "s" | "n":
                    link.takes = what == "s"
                    try:
                        sent.append(self.send("bob@CIC", "x", now))
                    except NotSentError:
                        self.assertTrue(what == "n" or self.outgoing.pending == 6)
                case "a":
                    self.acknowledged(f"id-{n}", now)
                case "x":
                    self.acknowledged(n, now)
                case "w":
                    now += n / 4
                case "t":
                    self.outgoing.sweep(now)
            self.assertLessEqual(self.outgoing.pending, 6)
        self.give_up_all("leaving")
        self.assertEqual(sorted(event[2] for event in self.heard.events), sorted(sent))
        for event in self.heard.events:
            if event[0] == "delivered":
                self.assertGreaterEqual(event[3], 0.0)


class SmallLink(FakeLink):
    """Takes so many bytes, and then none."""

    room = 0

    def has_room(self, size: int) -> bool:
        return size <= self.room

    def send_all(self, lines: list[bytes], block: bytes) -> bool:
        if len(block) > self.room:
            return False
        self.room -= len(block)
        return super().send_all(lines, block)


class RoomTests(SynchronousTestCase):
    @given(
        st.lists(st.integers(0, 2_000), min_size=len(PEERS), max_size=len(PEERS)),
        st.lists(st.tuples(st.sampled_from(("*", "#CIC", "#UnB")), st.integers(1, 300))),
        st.sets(st.integers(0, 20)),
    )
    def test_what_is_told_is_what_leaves(
        self, rooms: list[int], said: list[tuple[str, int]], turn_ends: set[int]
    ) -> None:
        clock, peers = Clock(), PeerTable(100)
        links = [SmallLink(peer_id) for peer_id in PEERS]
        for link, room in zip(links, rooms, strict=True):
            link.room = room
            peers.link_opened(link)
        batch = WriteBatch(clock)
        batch.crowded.add(SendQueue(batch, lambda _: None, 0))
        settings = Settings(limits=LimitSettings(max_queue_bytes=3_000))
        context = fake_context("alice@CIC", settings, clock)
        context.batch = batch
        outgoing = Outgoing(context, peers, Observers())
        told = dropped = 0
        for number, (scope, size) in enumerate(said):
            published = outgoing.publishing.publish(scope, "x" * size)
            told += published.peers
            dropped += published.dropped
            if number in turn_ends:
                clock.advance(0)
        clock.advance(0)
        self.assertEqual(sum(len(link.lines) for link in links), told)
        self.assertEqual(outgoing.publishing.dropped, dropped)

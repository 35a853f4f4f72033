"""Long replies: made in pieces, shared, at most once a second, and never too many at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.rendezvous.answers import Answers
from p2pchat.rendezvous.long_replies import (
    FRAME,
    PIECE,
    SHORT,
    LongReplies,
    LongReply,
    pieces,
    size_of,
)
from p2pchat.rendezvous.registration import Registration
from p2pchat.rendezvous.registry import Registry
from p2pchat.turns import at_once
from tests.support.replies import whole

WORST = "\U0001f600" * 64


def registrations(count: int, name: str = "peer{}") -> list[Registration]:
    return [
        Registration("192.0.2.1", "n", name.format(number), 4000, 7200, 7200.0)
        for number in range(count)
    ]


class PieceTests(SynchronousTestCase):
    def test_together_they_are_the_reply(self) -> None:
        for count in (0, 1, 2, 500, 5000):
            peers = registrations(count)
            made = [*pieces(peers, 100.0)]
            listed = json.loads(b"".join(made))["peers"]
            self.assertEqual([peer["name"] for peer in listed], [peer.name for peer in peers])
            self.assertEqual({peer["expires_in"] for peer in listed}, {7100} if count else set())
            self.assertLessEqual(max(map(len, made)), PIECE)
            self.assertLessEqual(sum(map(len, made)), FRAME + sum(map(size_of, peers)))

    def test_the_worst_entry_has_the_size_that_was_said(self) -> None:
        peer = Registration("2001:db8::1", WORST, WORST, 65_535, 86_400, 86_400.0)
        (line,) = pieces([peer], 0.0)
        self.assertGreater(len(line), 1600)
        self.assertLessEqual(len(line), FRAME + size_of(peer))

    def test_a_short_one_is_a_line_and_whatever_is_longer_is_not(self) -> None:
        kinds = []
        for count in range(500, 800):
            registry = Registry(per_address=0)
            at_once(registry.restoring(registrations(count)))
            size = FRAME + registry._sizes[None]
            reply = registry.discover(None, 0.0)
            self.assertEqual(isinstance(reply, bytes), size <= SHORT)
            self.assertEqual(len(json.loads(whole(reply))["peers"]), count)
            kinds.append(type(reply))
        self.assertEqual({*kinds}, {bytes, LongReply})

    def test_a_piece_is_made_when_it_is_wanted(self) -> None:
        made: list[int] = []

        def making() -> Iterator[bytes]:
            for number in range(3):
                made.append(number)
                yield b"%d" % number

        reply = LongReply(making(), 3, 0.0)
        self.assertEqual(made, [])
        self.assertEqual([reply.piece(1), reply.piece(0), reply.piece(1)], [b"1", b"0", b"1"])
        self.assertEqual(made, [0, 1])
        self.assertEqual((reply.piece(3), reply.piece(2)), (None, b"2"))


class Somebody:
    """A reader that notes when it has to give way."""

    def __init__(self) -> None:
        self.abandoned = False

    def abandon(self) -> None:
        self.abandoned = True


class SharingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.replies = LongReplies(most=300)

    def ask(self, now: float, namespace: str | None = None, size: int = 100) -> LongReply:
        """The reply that somebody gets."""
        reply = self.replies.recent(namespace, now)
        return reply or self.replies.add(namespace, LongReply(iter([b"x"]), size, now))

    def read(self, reply: LongReply) -> Somebody:
        reader = Somebody()
        reply.readers[reader] = None
        return reader

    def test_one_a_second_for_all_who_ask(self) -> None:
        first = self.ask(0.0)
        self.assertIs(self.ask(0.9), first)
        self.assertIsNot(self.ask(0.9, "n"), first)
        self.assertIsNot(self.ask(1.0), first)

    def test_what_nobody_reads_is_forgotten(self) -> None:
        for second in range(100):
            reply = self.ask(float(second), f"n{second}")
            self.replies.end(reply, self.read(reply))
        self.assertLessEqual(len(self.replies._kept), 2)
        self.assertEqual(self.replies.cut_off, 0)

    def test_an_older_one_is_forgotten_with_its_last_reader(self) -> None:
        old = self.ask(0.0)
        first, second = self.read(old), self.read(old)
        self.ask(1.0)
        self.replies.end(old, first)
        self.assertEqual(self.replies.size, 200)
        self.replies.end(old, second)
        self.replies.end(old, second)
        self.assertEqual(self.replies.size, 100)

    def test_without_room_the_newest_is_given_again_and_nobody_is_cut_off(self) -> None:
        readers = [self.read(self.ask(float(second))) for second in range(3)]
        newest = self.ask(2.5)
        for second in range(3, 12):
            self.assertIs(self.ask(float(second)), newest)
        self.assertEqual([reader.abandoned for reader in readers], [False] * 3)

    def test_once_the_newest_is_stale_the_readers_of_the_oldest_give_way(self) -> None:
        readers = [self.read(self.ask(float(second))) for second in range(3)]
        self.assertEqual(self.ask(12.0).made_at, 12.0)
        self.assertEqual([reader.abandoned for reader in readers], [True, False, False])
        self.assertEqual((self.replies.cut_off, self.replies.size), (1, 300))

    def test_who_asks_for_many_selections_pushes_out_its_own(self) -> None:
        reader = self.read(self.ask(0.0, "n", 60))
        mine = []
        for number in range(100):
            made = LongReply(iter([b"x"]), 30, 0.0, "203.0.113.9")
            mine.append(self.read(self.replies.add(number, made)))
        self.assertFalse(reader.abandoned)
        self.assertEqual([each.abandoned for each in mine], [True] * 98 + [False] * 2)
        self.assertEqual((self.replies.size, self.replies.cut_off), (60 + 2 * 30, 98))

    def test_a_selection_is_forgotten_when_it_was_read(self) -> None:
        reply = self.replies.add(1, LongReply(iter([b"x"]), 100, 0.0, "203.0.113.9"))
        self.replies.end(reply, self.read(reply))
        self.assertEqual(self.replies.size, 0)

    def test_a_selection_is_counted_for_who_asked(self) -> None:
        answers = Answers(Registry(per_address=0), lambda: 0.0)
        for ip in ("203.0.113.9", "127.0.0.1"):
            line = b'{"type":"REGISTER","namespace":"n","name":"%b%d","port":1}'
            for number in range(500):
                answers.reply(line % (b"x" * 60, number), ip)
            reply = answers.reply(b'{"type":"DISCOVER","namespace":"n","limit":1000}', ip)
            assert isinstance(reply, LongReply)
            self.assertEqual(reply.network, ip if ip != "127.0.0.1" else "")

    def test_never_more_than_the_most_whoever_asks_for_what(self) -> None:
        """A reader that stalls for each of a thousand namespaces, and for all of them."""
        for number in range(1000):
            self.read(self.ask(number / 10, f"n{number}" if number % 2 else None))
            self.assertLessEqual(self.replies.size, 300)
            self.assertLessEqual(len(self.replies._newest), 3)


class WorstTests(SynchronousTestCase):
    """Sixty thousand names of the longest kind, as a flood of strangers would register them."""

    def test_all_is_refused_and_a_namespace_is_listed(self) -> None:
        registry = Registry()
        for number in range(60_000):
            name = WORST[:60] + f"{number % 10_000:04}"
            ip = f"2001:db8:{number // 200:x}::1"
            registry.register(ip, WORST[:63] + str(number // 10_000), name, 1, 86_400, 0.0)
        registry.register("192.0.2.1", "CIC", "alice", 1, 60, 0.0)
        self.assertEqual(len(registry), 60_001)
        self.assertIn(b"listing_too_long", whole(registry.discover(None, 0.0)))
        self.assertIn(b'"alice"', whole(registry.discover("CIC", 0.0)))
        spam = registry.discover(WORST[:63] + "0", 0.0)
        assert isinstance(spam, LongReply)
        self.assertEqual(len(json.loads(whole(spam))["peers"]), 10_000)

"""Who loses messages when there is no room: strangers first, together, and friends last."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from p2pchat.history import waiting, words
from p2pchat.history.records import DELIVERED, WAITING, Batch
from p2pchat.history.shares import Shares
from p2pchat.mesh.peers import Peer
from p2pchat.sqlite import used_bytes
from tests.support.histories import FileCase, HistoryCase, pub, send

LONG = "x" * 28_000
MAX = 3_000_000


class MakingRoomTests(FileCase):
    def setUp(self) -> None:
        super().setUp()
        self.limits = Shares.of(MAX, 25, 25)

    def befriend(self, *peers: str) -> None:
        for peer in peers:
            self.database.commit(Batch(entries=[self.entry(peer, f"to {peer}", "oi", DELIVERED)]))

    def said(self, peer: str, count: int, text: str = LONG) -> None:
        for number in range(count):
            piece = self.arrival(peer, send(f"{peer}{number}", text, peer))
            self.database.commit(Batch(pieces=[piece]))

    def size(self) -> int:
        return used_bytes(self.database._file.open())

    def left(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for record in self.reader.recent(None, 100_000):
            found[record.sender] = found.get(record.sender, 0) + 1
        return found

    def file_all(self) -> None:
        while self.database.file():
            pass

    def test_strangers_lose_whatever_their_names_are_and_filed_or_not(self) -> None:
        for filed in (True, False):
            self.befriend("bob@CIC")
            for number in range(62):
                self.said("bob@CIC", 1, f"palavra {number}")
                self.said(f"eve{number}@CIC", 3)
            if filed:
                self.file_all()
            self.database.make_room(self.limits)
            self.assertLessEqual(self.size(), MAX)
            self.assertEqual(self.left()["bob@CIC"], 62 if filed else 124)
            self.assertEqual(self.left()["alice@CIC"], 1 if filed else 2)
        self.database.close()
        self.assertLessEqual(os.path.getsize(self.path), MAX)

    def test_a_friend_beyond_its_share_loses_before_strangers_within_theirs(self) -> None:
        self.befriend("bob@CIC", "mad@CIC")
        self.said("bob@CIC", 5)
        self.said("eve@CIC", 20)
        self.said("mad@CIC", 150)
        for filed in (True, False):
            if filed:
                self.file_all()
            self.database.make_room(self.limits)
            self.assertLessEqual(self.size(), MAX)
            left = self.left()
            self.assertEqual((left["bob@CIC"], left["eve@CIC"]), (5, 20))
            self.assertGreater(left["mad@CIC"], 20)
            self.said("mad@CIC", 50)

    def test_who_is_over_its_share_loses_no_more_than_what_is_over(self) -> None:
        for filed in (True, False):
            self.setUp()
            self.befriend("bob@CIC", "eva@CIC", "ana@CIC")
            for peer, count in (("bob", 30), ("eve", 24), ("eva", 22), ("ana", 22)):
                self.said(f"{peer}@CIC", count)
            if filed:
                self.file_all()
            self.database.make_room(self.limits)
            self.assertLessEqual(self.size(), MAX)
            left = self.left()
            self.assertEqual((left["eva@CIC"], left["ana@CIC"]), (22, 22))
            self.assertEqual(left["bob@CIC"], 26, "a share of 750,000 bytes")
            self.assertLess(left["eve@CIC"], 24)

    def test_strangers_lose_no_more_than_what_is_over_while_a_friend_is_over(self) -> None:
        self.befriend("mad@CIC")
        self.said("eve@CIC", 30)
        self.said("mad@CIC", 100)
        for filed in (False, True):
            if filed:
                self.said("eve@CIC", 4)
                self.said("mad@CIC", 30)
                self.file_all()
            self.database.make_room(self.limits)
            self.assertLessEqual(self.size(), MAX)
            self.assertEqual(self.left()["eve@CIC"], 26)
            self.assertGreater(self.left()["mad@CIC"], 26)

    def test_friends_over_their_shares_lose_together(self) -> None:
        """The index of words is merged before friends lose: not for each of them."""
        merges: list[bool] = []
        merge = words.merge

        def counted(connection: Any, *, begin: bool) -> bool:
            merges.append(begin)
            return merge(connection, begin=begin)

        self.patch(words, "merge", counted)
        friends = [f"p{number}@CIC" for number in range(20)]
        self.befriend(*friends)
        for peer in friends:
            self.said(peer, 6)
        self.file_all()
        self.database.make_room(Shares(3_400_000, 0, 150_000))
        self.assertLessEqual(self.size(), 3_400_000)
        left = [self.left()[peer] for peer in friends]
        # Each is down to its share of five messages first; some more lose one each.
        self.assertEqual(({*left}, left.count(4) < 9), ({4, 5}, True))
        self.assertLess(merges.count(True), 4)

    def test_strangers_lose_all_before_a_friend_within_its_share_loses(self) -> None:
        limits = Shares.of(1_000_000, 90, 90)
        self.befriend("bob@CIC")
        self.said("bob@CIC", 10)
        self.said("eve@CIC", 30)
        self.database.make_room(limits)
        self.assertEqual(self.left()["bob@CIC"], 10)
        self.said("bob@CIC", 30)
        self.database.make_room(limits)
        self.assertNotIn("eve@CIC", self.left())
        self.assertLessEqual(self.size(), 1_000_000)
        self.assertGreater(self.left()["bob@CIC"], 15)

    def test_what_waits_stays_and_spares_nobody_else(self) -> None:
        for number in range(40):
            entry = self.entry("bob@CIC", f"m{number}", LONG, WAITING)
            self.database.commit(Batch(entries=[entry]))
        self.said("bob@CIC", 80)
        self.database.make_room(self.limits)
        self.assertEqual(self.left()["alice@CIC"], 40)
        self.assertLess(self.left()["bob@CIC"], 80)
        self.assertLessEqual(self.size(), MAX)

    def test_words_that_are_deleted_cost_no_friend_a_message(self) -> None:
        self.befriend("bob@CIC")
        self.said("bob@CIC", 40)
        for turn in range(6):
            for number in range(60):
                words = " ".join(f"w{turn}x{number}y{n}" for n in range(2000))
                self.said("eve@CIC", 1, words)
            self.file_all()
            self.database.make_room(self.limits)
            self.assertLessEqual(self.size(), MAX)
            self.assertEqual(self.left()["bob@CIC"], 40)

    def test_a_new_friend_is_a_friend_with_what_it_said_before(self) -> None:
        self.said("bob@CIC", 10)
        self.befriend("bob@CIC")
        self.said("eve@CIC", 150)
        self.database.make_room(self.limits)
        self.assertEqual(self.left()["bob@CIC"], 10)

    def test_free_pages_are_given_back_when_it_is_quiet(self) -> None:
        self.said("eve@CIC", 300)
        self.file_all()
        self.assertEqual(sum(self.database.forget("eve@CIC")), 300)
        while self.database.give_back():
            pass
        self.assertLess(os.path.getsize(self.path), 2_000_000)

    def test_a_peer_is_forgotten_although_room_is_made_meanwhile(self) -> None:
        self.said("bob@CIC", 2)
        self.said("eve@CIC", 300)
        forgetting = self.database.forget("bob@CIC")
        next(forgetting)
        self.database.make_room(Shares.of(MAX // 100, 25, 25))
        self.assertLess(sum(forgetting), 3)
        self.assertNotIn("bob@CIC", self.left())

    def test_friends_are_read_at_the_start(self) -> None:
        self.befriend("bob@CIC", "eva@CIC")
        self.said("eve@CIC", 1)
        self.database.close()
        past = self.open().load(10)
        self.assertEqual(past.friends, ["bob@CIC", "alice@CIC", "eva@CIC"])

    @settings(max_examples=15, deadline=None)
    @given(
        st.lists(
            st.tuples(st.sampled_from(["bob", "eva", "x", "y", "z"]), st.integers(1, 30)),
            max_size=12,
        )
    )
    def test_never_too_large_and_never_a_friend_for_a_stranger(
        self, said: list[tuple[str, int]]
    ) -> None:
        self.doCleanups()
        self.setUp()
        self.befriend("bob@CIC", "eva@CIC")
        limits = Shares.of(2_000_000, 25, 25)
        for at, (name, count) in enumerate(said):
            self.said(f"{name}@CIC", count)
            if at % 3 == 1:
                self.database.file()
            if at % 2:
                before = self.sizes()
                self.database.make_room(limits)
                self.assertLessEqual(self.size(), 2_000_000)
                self.assertShared(before, self.sizes(), limits)

    def sizes(self) -> dict[str, int]:
        """What each friend has, and strangers together, in bytes."""
        sizes = {"bob@CIC": 0, "eva@CIC": 0, "strangers": 0}
        for sender, count in self.left().items():
            if sender != "alice@CIC":
                sizes[sender if sender in sizes else "strangers"] += count * len(LONG)
        return sizes

    def assertShared(self, before: dict[str, int], after: dict[str, int], limits: Shares) -> None:
        """Nobody has lost a message that somebody else should have lost."""
        strangers, a_message = after["strangers"], len(LONG) + 500
        friends_over = [who for who in ("bob@CIC", "eva@CIC") if after[who] > limits.peer]
        for who, share in (("bob@CIC", limits.peer), ("eva@CIC", limits.peer)):
            if after[who] < before[who]:
                self.assertLessEqual(strangers, limits.strangers)
                if after[who] + a_message < share:
                    self.assertEqual((strangers, friends_over), (0, []))
        if strangers < before["strangers"] and strangers + a_message < limits.strangers:
            self.assertEqual(friends_over, [])


class FloodTests(HistoryCase):
    """Strangers flood a node, and a friend says 62 things meanwhile."""

    def come(self, who: str, *messages: object) -> None:
        self.incoming.deliver(Peer(who), self.link, [*messages])  # type: ignore[list-item]

    def test_all_of_a_friend_is_kept_and_the_file_stays_small(self) -> None:
        self.start(max_bytes=MAX)
        self.history._friends.wrote_to("bob@CIC")
        self.say("bob@CIC", "oi")
        largest = 0
        for number in range(62):
            for stranger in ("eve@CIC", f"eve{number}@CIC"):
                flood = [send(f"{number}.{n}", LONG, stranger) for n in range(7)]
                self.come(stranger, *flood, pub(f"p{number}", LONG, src=stranger))
            self.come("bob@CIC", send(f"b{number}", f"palavra {number}"))
            self.sweep(0.3)
            for extra in ("", "-wal"):
                if os.path.exists(self.path + extra):
                    largest = max(largest, os.path.getsize(self.path))
        self.assertEqual(self.lines("bob@CIC"), ["oi", *(f"palavra {n}" for n in range(62))])
        self.assertLess(largest, MAX + 1_000_000, "a batch of half a megabyte, and its filing")
        left = len(self.reader.recent(None, 10_000))
        self.assertEqual(self.history.removed + left, 62 * 17 + 1)
        for _ in range(100):
            self.sweep(61)
        self.assertEqual(len(self.lines("bob@CIC")), 63)
        self.assertLess(os.path.getsize(self.path), MAX)

    def test_a_friend_has_room_among_what_waits_to_be_stored(self) -> None:
        self.start(at_once=False)
        self.thread.step()
        self.history._friends.wrote_to("bob@CIC")
        for number in range(900):
            self.come(f"eve{number}@CIC", send("1", LONG))
        refused = self.history.refused
        self.assertGreater(refused, 500)
        self.come("bob@CIC", *(send(str(n), LONG) for n in range(60)))
        self.assertEqual(self.history.refused, refused)
        waits = self.history._store._waiting.bytes
        self.assertLess(waits, waiting.MAX_WAITING // 2)
        self.thread.at_once = True
        while self.thread.calls:
            self.thread.step()
        self.sweep(1)
        self.assertEqual(len(self.lines("bob@CIC")), 60)

"""The memory for repetitions: by sender, bounded, and the same whichever way it is asked."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.wire.messages import Pub, Send
from p2pchat.wire.repetitions import LONGEST_ID, RecentIds, id_text


def pubs(*ids: Any) -> list[Any]:
    return [Pub(msg_id) for msg_id in ids]


class RecentIdsTests(SynchronousTestCase):
    def test_once_is_new(self) -> None:
        recent = RecentIds(10)
        self.assertTrue(recent.is_new("bob", "1"))
        self.assertFalse(recent.is_new("bob", "1"))
        self.assertTrue(recent.is_new("carol", "1"))
        self.assertEqual(len(recent), 2)

    def test_what_is_forgotten_is_new(self) -> None:
        recent = RecentIds(100)
        for n in range(3):
            recent.is_new("bob", str(n))
        recent.forget("bob", "0")
        recent.forget("bob", "2")
        recent.forget("nobody", "2")
        self.assertEqual([recent.is_new("bob", str(n)) for n in range(3)], [True, False, True])

    def test_fresh_keeps_the_order_and_takes_repetitions_out(self) -> None:
        recent = RecentIds(100)
        first = pubs("a", "b")
        self.assertEqual(recent.fresh("bob", first), (first, ["a", "b"]))
        again = pubs("c", "a", "d", "c", "", None, "", 7, [7], 7)
        fresh, ids = recent.fresh("bob", again)
        self.assertEqual([it.msg_id for it in fresh], ["c", "d", "", None, "", 7, [7]])
        self.assertEqual(ids, ["c", "d", "", "", "", "7", "[7]"])
        self.assertEqual(recent.fresh("carol", first), (first, ["a", "b"]))
        twice = pubs("e", "f", "e")
        self.assertEqual(recent.fresh("bob", twice), (twice[:2], ["e", "f"]))

    def test_odd_ids_among_usual_ones(self) -> None:
        for odd in (7, 2.5, True, None, "", [1, 2], {"a": 1}, "x" * (LONGEST_ID + 1)):
            recent = RecentIds(100)
            recent.fresh("bob", pubs("first"))
            chunk = pubs("a", odd, "b")
            self.assertEqual(recent.fresh("bob", chunk), (chunk, ["a", id_text(odd), "b"]), odd)
            again = [] if id_text(odd) else [chunk[1]]
            self.assertEqual(recent.fresh("bob", chunk)[0], again, odd)
            self.assertEqual(recent.fresh("bob", chunk[1:2])[0], again, odd)

    def test_strangers_push_no_friend_s_ids_out(self) -> None:
        recent = RecentIds(1000)
        recent.friends.wrote_to("bob")
        for n in range(100):
            self.assertTrue(recent.is_new("bob", str(n), "x"))
        for n in range(2000):
            recent.fresh(f"eve{n % 7}", [Pub(f"{n}"), Pub(f"{n}b")])
        self.assertFalse(any(recent.is_new("bob", str(n), "x") for n in range(100)))
        self.assertLessEqual(len(recent), 1000)

    def test_what_a_friend_said_as_a_stranger_is_known(self) -> None:
        recent = RecentIds(100)
        recent.fresh("bob", pubs("a", "b"))
        recent.friends.wrote_to("bob")
        self.assertEqual(recent.fresh("bob", pubs("a", "b")), ([], []))
        self.assertEqual(recent.fresh("bob", pubs("a", "c"))[1], ["c"])
        self.assertEqual(recent.fresh("bob", pubs("c", "b", "d"))[1], ["d"])

    def test_another_text_is_another_message_whatever_kind_it_is(self) -> None:
        recent = RecentIds(100)
        false, true = Pub("1", payload="falso"), Send("1", payload="verdadeiro")
        for first, second in ((false, true), (true, false)):
            self.assertEqual(recent.fresh("bob", [first])[0], [first] * (first is false))
            self.assertEqual(recent.fresh("bob", [second])[0], [second] * (first is false))
        self.assertEqual(recent.other_texts, 1)
        self.assertEqual(recent.fresh("eva", [false, true, false])[0], [false, true])
        self.assertEqual(recent.fresh("eva", [false, true])[0], [])
        recent.forget("eva", "1", "verdadeiro")
        self.assertEqual(recent.fresh("eva", [true, false])[0], [true])
        for n in range(20):
            recent.is_new("eva", f"more {n}", "x")
        self.assertEqual(recent.fresh("eva", [false, true])[0], [])

    def test_a_text_that_is_not_known_is_the_same(self) -> None:
        recent = RecentIds(100)
        self.assertTrue(recent.is_new("bob", "1"))
        self.assertFalse(recent.is_new("bob", "1", "x"))
        recent.is_new("bob", "2", "x")
        self.assertFalse(recent.is_new("bob", "2"))

    def test_an_older_generation_still_counts(self) -> None:
        recent = RecentIds(8)
        for ids in (("a", "b"), ("c",)):
            recent.fresh("bob", pubs(*ids))
        self.assertEqual(recent.fresh("bob", pubs("a", "c")), ([], []))

    @given(st.integers(1, 12), st.lists(st.lists(st.integers(0, 15), max_size=6), max_size=30))
    def test_the_last_half_is_known_and_never_more_than_the_limit(
        self, limit: int, chunks: list[list[int]]
    ) -> None:
        one_by_one, by_chunks = RecentIds(limit), RecentIds(limit)
        taken: list[int] = []  # what was new, in order: the model
        for chunk in chunks:
            new = []
            for key in chunk:
                known = key in taken[-max(1, (limit - limit // 2) // 2) :]
                is_new = one_by_one.is_new("bob", str(key))
                if known:
                    self.assertFalse(is_new)
                if key not in taken:
                    self.assertTrue(is_new)
                if is_new:
                    taken.append(key)
                    new.append(str(key))
                self.assertLessEqual(len(one_by_one), max(1, limit))
            fresh, ids = by_chunks.fresh("bob", pubs(*map(str, chunk)))
            self.assertEqual([message.msg_id for message in fresh], new)
            self.assertEqual(ids, new)
            self.assertEqual(len(by_chunks), len(one_by_one))

    @given(
        st.lists(
            st.lists(
                st.tuples(st.integers(0, 9), st.sampled_from(["", "x", "y" * 64, "z" * 999])),
                max_size=6,
            ),
            max_size=12,
        )
    )
    def test_an_id_with_its_text_is_new_once_alone_or_in_a_chunk(
        self, chunks: list[list[tuple[int, str]]]
    ) -> None:
        one_by_one, by_chunks = RecentIds(1000), RecentIds(1000)
        known: set[tuple[str, str]] = set()
        for chunk in chunks:
            messages = [Pub(str(key), payload=text) for key, text in chunk]
            new = []
            for message in messages:
                said = (str(message.msg_id), message.payload)
                is_new = one_by_one.is_new("bob", *said)
                self.assertEqual(is_new, said not in known)
                if is_new:
                    known.add(said)
                    new.append(message)
            self.assertEqual(by_chunks.fresh("bob", list[Pub | Send](messages))[0], new)


class IdTextTests(SynchronousTestCase):
    def test_usual_ids_are_themselves(self) -> None:
        for msg_id in ("", "x", "x" * LONGEST_ID):
            self.assertEqual(id_text(msg_id), msg_id)

    def test_odd_ids_are_short_and_told_apart(self) -> None:
        odd = (
            None,
            7,
            7.5,
            True,
            [1, "a"],
            {"a": 1},
            "x" * 5000 + "1",
            "x" * 5000 + "2",
            "é" * 999,
        )
        texts = [id_text(msg_id) for msg_id in odd]
        self.assertEqual(len({*texts}), len(odd))
        self.assertLessEqual(max(map(len, texts)), LONGEST_ID)

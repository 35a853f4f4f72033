"""The memory for repetitions: by sender, bounded, and the same whichever way it is asked."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.wire.messages import Pub, Send
from p2pchat.wire.repetitions import LONGEST_ID, RecentIds, id_text, mark_of


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
            recent.is_new("bob", str(n), "x")
        for who, key, text in (("bob", "0", "x"), ("bob", "2", "x"), ("nobody", "2", "x")):
            recent.forget(who, key, text)
        recent.forget("bob", "1", "y")
        found = [recent.is_new("bob", str(n), "x") for n in range(3)]
        self.assertEqual(found, [True, False, True])

    def test_fresh_keeps_the_order_and_takes_repetitions_out(self) -> None:
        recent = RecentIds(100)
        first = pubs("a", "b")
        self.assertEqual(recent.fresh("bob", first)[:2], (first, ["a", "b"]))
        again = pubs("c", "a", "d", "c", "", None, "", 7, [7], 7)
        fresh, ids, _ = recent.fresh("bob", again)
        self.assertEqual([it.msg_id for it in fresh], ["c", "d", "", None, "", 7, [7]])
        self.assertEqual(ids, ["c", "d", "", "", "", "7", "[7]"])
        self.assertEqual(recent.fresh("carol", first)[:2], (first, ["a", "b"]))
        twice = pubs("e", "f", "e")
        self.assertEqual(recent.fresh("bob", twice)[:2], (twice[:2], ["e", "f"]))

    def test_odd_ids_among_usual_ones(self) -> None:
        for odd in (7, 2.5, True, None, "", [1, 2], {"a": 1}, "x" * (LONGEST_ID + 1)):
            recent = RecentIds(100)
            recent.fresh("bob", pubs("first"))
            chunk = pubs("a", odd, "b")
            self.assertEqual(recent.fresh("bob", chunk)[:2], (chunk, ["a", id_text(odd), "b"]), odd)
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

    def test_what_a_friend_said_as_a_stranger_is_known_one_by_one(self) -> None:
        recent = RecentIds(100)
        said = [recent.fresh("bob", pubs(key))[1] for key in "aba"]
        recent.friends.wrote_to("bob")
        said += [recent.fresh("bob", pubs(key))[1] for key in "cdbac"]
        recent.friends.forget("bob")
        said += [recent.fresh("bob", pubs(key))[1] for key in "dbe"]
        self.assertEqual(said, [["a"], ["b"], [], ["c"], ["d"], [], [], [], [], [], ["e"]])

    def test_what_a_friend_said_as_a_stranger_is_known(self) -> None:
        recent = RecentIds(100)
        recent.fresh("bob", pubs("a", "b"))
        recent.friends.wrote_to("bob")
        self.assertEqual(recent.fresh("bob", pubs("a", "b"))[0], [])
        self.assertEqual(recent.fresh("bob", pubs("a", "c"))[1], ["c"])
        self.assertEqual(recent.fresh("bob", pubs("c", "b", "d"))[1], ["d"])
        # What a friend says from now on is with the friends', and as fast as ever.
        self.assertEqual(recent.fresh("bob", pubs("e", "f"))[1], ["e", "f"])
        self.assertEqual(recent.fresh("bob", [Pub("a", payload="x"), Pub("g")])[2], [0])

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

    def test_two_texts_of_an_id_are_each_judged_on_their_own(self) -> None:
        for first, second in (("falso", "verdadeiro"), ("f" * 999, "v" * 999), ("", "v")):
            recent = RecentIds(100)
            for text in (first, second):
                self.assertTrue(recent.is_new("bob", "1", mark_of(text)))
            recent.forget("bob", "1", first)
            self.assertFalse(recent.is_new("bob", "1", mark_of(second)))
            self.assertTrue(recent.is_new("bob", "1", mark_of(first)))
            for text in (first, second):
                self.assertFalse(recent.is_new("bob", "1", mark_of(text)))
                recent.forget("bob", "1", text)
            self.assertEqual(recent.fresh("bob", [Pub("1", payload=first)])[2], ())

    def test_a_second_text_outlives_the_first_one(self) -> None:
        recent = RecentIds(20)
        recent.is_new("bob", "1", "falso")
        for n in range(4):
            recent.is_new("bob", f"more {n}", "x")
        recent.is_new("bob", "1", "verdadeiro")
        for n in range(4):
            recent.is_new("bob", f"others {n}", "x")
        self.assertTrue(recent.is_new("bob", "1", "falso"), "it was among the older half")
        self.assertFalse(recent.is_new("bob", "1", "verdadeiro"))

    def test_it_says_which_had_another_text(self) -> None:
        recent = RecentIds(100)
        recent.fresh("bob", [Send("1", payload="a")])
        again = [Pub("2"), Pub("1", payload="a"), Pub("1", payload="b"), Pub("2", payload="c")]
        fresh, _, others = recent.fresh("bob", [*again])
        self.assertEqual((fresh, others), ([again[0], *again[2:]], [1, 2]))
        self.assertEqual(recent.fresh("bob", [Send("2", payload="d")])[2], (0,))
        self.assertEqual(recent.other_texts, 3)

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
        self.assertEqual(recent.fresh("bob", pubs("a", "c"))[0], [])

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
            fresh, ids, _ = by_chunks.fresh("bob", pubs(*map(str, chunk)))
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
        ),
        st.integers(0, 12),
    )
    def test_an_id_with_its_text_is_new_once_alone_or_in_a_chunk(
        self, chunks: list[list[tuple[int, str]]], befriended: int
    ) -> None:
        one_by_one, by_chunks = RecentIds(1000), RecentIds(1000)
        known: set[tuple[str, str]] = set()
        for at, chunk in enumerate(chunks):
            messages = [Pub(str(key), payload=text) for key, text in chunk]
            if at == befriended:
                for recent in (one_by_one, by_chunks):
                    recent.friends.wrote_to("bob")
            new, others = list[Pub](), list[int]()
            for message in messages:
                said = (str(message.msg_id), message.payload)
                is_new = one_by_one.is_new("bob", said[0], mark_of(said[1]))
                self.assertEqual(is_new, said not in known)
                if is_new:
                    others += [len(new)] * any(key == said[0] for key, _ in known)
                    known.add(said)
                    new.append(message)
            fresh, _, marked = by_chunks.fresh("bob", list[Pub | Send](messages))
            self.assertEqual((fresh, [*marked]), (new, others))
            if at % 3 == 1 and chunk:
                gone = (str(chunk[0][0]), chunk[0][1])
                known.discard(gone)
                for recent in (one_by_one, by_chunks):
                    recent.forget("bob", *gone)


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

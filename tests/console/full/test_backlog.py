"""What the full console keeps: scrolling back, and conversations."""

from __future__ import annotations

from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.peers import Peer
from p2pchat.node.unread import Unread
from p2pchat.wire.messages import Pub, Send
from tests.support.terminals import EPOCH, MISSING, use_utc

if not MISSING:
    from p2pchat.console.full.backlog import Backlog
    from p2pchat.console.full.conversations import MOST, Conversations
    from p2pchat.console.full.edits import Change
    from p2pchat.console.full.entries import EntryKind, Glyphs, PaneEntry, Row
    from p2pchat.console.full.widths import width

DAY = 86_400.0


def said(rows: list[Row]) -> list[str]:
    return ["".join(text for _, text in row) for row in rows]


class BacklogTests(SynchronousTestCase):
    skip = MISSING or None

    def setUp(self) -> None:
        use_utc(self)
        self.glyphs = Glyphs.of("utf-8")

    def filled(self, count: int, limit: int = 1000, text: str = "") -> Backlog:
        backlog = Backlog(limit, 100_000)
        for number in range(count):
            backlog.add(PaneEntry(EPOCH, EntryKind.ANSWER, f"{number}{text}"))
        return backlog

    def shown(self, backlog: Backlog, height: int = 5) -> list[str]:
        return [row[6:] for row in said(backlog.visible(40, height, self.glyphs))]

    def test_an_id_that_was_used_again_and_again_is_not_looked_through(self) -> None:
        def entry(speaker: str, *, claims: bool) -> PaneEntry:
            who = EntryKind.MESSAGE, "x", speaker, "#CIC"
            return PaneEntry(EPOCH, *who, claims=claims, msg_id="m")

        backlog = Backlog(1000, 100_000)
        backlog.add(entry("bob@CIC", claims=False))
        backlog.add(entry("eve@CIC", claims=False))
        for _ in range(500):
            backlog.add(entry("eve@CIC", claims=True))
        theirs = backlog.find(Change("bob@CIC", "#CIC", "m", "y"))
        self.assertIsNotNone(theirs, "others cannot use up what is looked at")
        looked: list[object] = []
        with patch.object(Change, "changes", lambda _, each: looked.append(each)):
            self.assertIsNone(backlog.find(Change("eve@CIC", "#CIC", "m", "y")))
        self.assertLess(len(looked), 10)

    def test_days_begin_with_a_line(self) -> None:
        backlog = Backlog(10, 1000)
        for at in (EPOCH, EPOCH + 60, EPOCH + DAY):
            backlog.add(PaneEntry(at, EntryKind.ANSWER, "a"))
        rows = said(backlog.visible(40, 10, self.glyphs))
        self.assertEqual(len(rows), 5)
        self.assertIn("Saturday, 31 January 2026", rows[0])
        self.assertIn("Sunday, 01 February 2026", rows[3])
        self.assertEqual({width(rows[0]), width(rows[3])}, {40})

    def test_the_oldest_go(self) -> None:
        backlog = self.filled(1000, limit=100)
        self.assertLessEqual(len(backlog), 125)
        self.assertEqual(backlog.forgotten + len(backlog), 1000)
        self.assertEqual(self.shown(backlog)[-1], "999")

    def test_large_ones_go_sooner(self) -> None:
        backlog = self.filled(100, text="x" * 10_000)
        self.assertLess(len(backlog), 14 * 5)
        backlog.add(PaneEntry(EPOCH, EntryKind.ANSWER, "y" * 1_000_000))
        self.assertEqual(len(backlog), 50)

    def test_who_reads_further_up_stays_there(self) -> None:
        backlog = self.filled(100)
        backlog.scroll(10, 40, 5, self.glyphs)
        self.assertEqual(self.shown(backlog), ["85", "86", "87", "88", "89"])
        self.assertFalse(backlog.following)
        self.assertEqual(backlog.below, 10)
        backlog.add(PaneEntry(EPOCH, EntryKind.ANSWER, "new"))
        self.assertEqual(self.shown(backlog)[-1], "89")
        backlog.scroll(-100, 40, 5, self.glyphs)
        self.assertEqual(self.shown(backlog)[-1], "new")
        self.assertTrue(backlog.following)

    def test_what_was_read_may_be_forgotten_meanwhile(self) -> None:
        backlog = self.filled(100, limit=100)
        backlog.scroll(98, 40, 2, self.glyphs)
        for number in range(200):
            backlog.add(PaneEntry(EPOCH, EntryKind.ANSWER, f"later {number}"))
        self.assertTrue(self.shown(backlog))
        backlog.follow()
        self.assertEqual(self.shown(backlog)[-1], "later 199")

    def test_rows_of_one_entry_can_be_scrolled_through(self) -> None:
        backlog = self.filled(3)
        backlog.add(PaneEntry(EPOCH, EntryKind.ANSWER, "word " * 100))
        last = self.shown(backlog)
        backlog.scroll(1, 40, 5, self.glyphs)
        self.assertEqual(self.shown(backlog)[1:], last[:-1])
        backlog.scroll(1000, 40, 5, self.glyphs)
        self.assertEqual(self.shown(backlog)[1:4], ["0", "1", "2"])

    @given(st.lists(st.integers(-30, 30), max_size=30), st.integers(1, 12))
    def test_scrolling_never_leaves_the_rows(self, moves: list[int], height: int) -> None:
        backlog = self.filled(20)
        backlog.add(PaneEntry(EPOCH, EntryKind.ANSWER, "word " * 50))
        for move in moves:
            backlog.scroll(move, 40, height, self.glyphs)
            self.assertEqual(len(backlog.visible(40, height, self.glyphs)), height)

    def earlier(self, count: int, kind: EntryKind | None = None) -> list[PaneEntry]:
        return [
            PaneEntry(
                EPOCH,
                kind or EntryKind.MESSAGE,
                f"e{number}",
                "bob@C",
                "bob@C",
                msg_id=f"e{number}",
            )
            for number in range(count)
        ]

    def test_what_was_said_before_comes_first(self) -> None:
        backlog = self.filled(2)
        backlog.put_before(self.earlier(2), 0)
        rows = said(backlog.visible(40, 9, self.glyphs))
        self.assertIn("Saturday", rows[0])
        self.assertIn("this session", rows[3])
        self.assertEqual([row[6:] for row in rows[1:3]], ["[bob@C] e0", "[bob@C] e1"])
        self.assertEqual([row[6:] for row in rows[4:]], ["0", "1"])

    def test_nothing_divides_what_is_of_one_kind(self) -> None:
        only_earlier, only_now = self.filled(0), self.filled(2)
        only_earlier.put_before(self.earlier(2), 0)
        only_now.put_before([], 3)
        for backlog in (only_earlier, only_now):
            self.assertEqual(len(backlog.visible(40, 9, self.glyphs)), 3)

    def test_what_is_unread_of_it_gets_a_line(self) -> None:
        for unread, place in ((1, 2), (2, 1), (9, 0)):
            backlog = self.filled(0)
            backlog.put_before(self.earlier(3), unread)
            rows = said(backlog.visible(40, 9, self.glyphs))
            self.assertIn("── new", rows[1 + place])
        backlog = self.filled(0)
        backlog.put_before([*self.earlier(2), *self.earlier(2, EntryKind.OWN)], 1)
        self.assertIn("── new", said(backlog.visible(40, 9, self.glyphs))[2])

    def test_there_is_room_for_the_latest_of_it(self) -> None:
        backlog = self.filled(98, limit=100)
        backlog.put_before(self.earlier(9), 0)
        self.assertEqual(len(backlog), 100)
        self.assertEqual(self.shown(backlog, 200)[1:2], ["[bob@C] e7"])
        large = self.filled(1, text="x" * 99_990)
        large.put_before(self.earlier(9), 0)
        self.assertEqual(len(large), 50 + 4)

    def test_what_has_no_room_is_not_even_cut(self) -> None:
        entries = self.earlier(200)
        for entry in entries:
            entry.text = "x" * 32_000
        backlog = self.filled(0, limit=100)
        texts = [entry.text for entry in entries]
        self.assertEqual(backlog.without_room(texts), 200 - 4)
        self.assertEqual(backlog.without_room(["x"] * 200), 100)
        self.assertEqual(backlog.without_room([]), 0)
        backlog.put_before(entries, 0)
        self.assertEqual(sum(entry.parts is not None for entry in entries), 4)

    def test_who_has_scrolled_stays_there(self) -> None:
        backlog = self.filled(20)
        backlog.scroll(5, 40, 5, self.glyphs)
        before = self.shown(backlog)
        backlog.put_before(self.earlier(5), 2)
        self.assertEqual(self.shown(backlog), before)
        backlog.scroll(100, 40, 5, self.glyphs)
        self.assertIn("e0", self.shown(backlog)[1])

    def test_what_was_read_from_the_history_is_not_added_again(self) -> None:
        backlog = self.filled(0)
        backlog.put_before(self.earlier(3), 0)
        for entry in self.earlier(4):
            backlog.add(entry)
        self.assertEqual(len(backlog), 4)
        self.assertEqual({msg_id for _, msg_id, _ in backlog.holds()}, {"e0", "e1", "e2", "e3"})

    def test_the_same_id_with_another_text_is_another_message(self) -> None:
        backlog = self.filled(0)
        backlog.put_before(self.earlier(2), 0)
        (entry, other) = self.earlier(2)
        entry.text = "another"
        backlog.add(entry)
        backlog.add(other)
        self.assertEqual(len(backlog), 3)

    @given(st.lists(st.booleans(), max_size=12), st.lists(st.booleans(), max_size=12))
    def test_what_is_taken_out_leaves_the_lines_in_their_place(
        self, before: list[bool], now: list[bool]
    ) -> None:
        gone = set()
        backlog = self.filled(0)
        entries = self.earlier(len(before) + len(now))
        for entry, goes in zip(entries, before + now, strict=True):
            if goes:
                gone.add(entry.msg_id)
        for entry in entries[len(before) :]:
            backlog.add(entry)
        backlog.put_before(entries[: len(before)], 0)
        backlog.take_out(lambda entry: entry.msg_id in gone)
        rows = [row for row in said(backlog.visible(40, 99, self.glyphs)) if "Saturday" not in row]
        early = [e.text for e in entries[: len(before)] if e.msg_id not in gone]
        late = [e.text for e in entries[len(before) :] if e.msg_id not in gone]
        rule = ["this"] if early and late else []
        self.assertEqual(
            [row.split()[-1 if "[" in row else 1] for row in rows], early + rule + late
        )


class ConversationsTests(SynchronousTestCase):
    skip = MISSING or None

    def message(self, where: str, speaker: str = "") -> PaneEntry:
        return PaneEntry(EPOCH, EntryKind.MESSAGE, "oi", speaker or where, where)

    def hear(self, talks: Conversations, where: str, speaker: str = "") -> None:
        """A message comes: the node counts it, and the console shows it."""
        came = Pub("1", "", where) if where.startswith(("#", "*")) else Send("1")
        self.counts.received(Peer(speaker or where), [came])
        talks.add(self.message(where, speaker))

    def talks(self, *friends: str) -> Conversations:
        self.counts = Unread(friends=friends, home="#C")
        talks = Conversations(friends=friends, home="#C", counts=self.counts)
        talks.on_seen = self.counts.seen
        return talks

    def test_strangers_cannot_open_any_number(self) -> None:
        talks = self.talks()
        talks.switch("bob@C")
        for number in range(3000):
            self.hear(talks, f"#{number}", f"{number}@C")
        self.assertEqual(len(talks.unread()), MOST - 1)
        self.assertEqual(talks.forgotten, 3000 - (MOST - 1))
        self.assertEqual(talks.current.key, "bob@C")
        self.assertFalse(talks.has_spoken("0@C"))
        self.assertTrue(talks.has_spoken("2999@C"))

    def test_strangers_take_no_mark_from_a_friend_or_a_room(self) -> None:
        talks = self.talks("bob@C")
        talks.switch("eva@C")
        talks.add(PaneEntry(EPOCH, EntryKind.OWN, "oi", "me@C", "#nosso"))
        for where in ("bob@C", "#C", "*", "#nosso"):
            self.hear(talks, where, "bob@C")
        for number in range(3000):
            self.hear(talks, f"{number}@C")
        keys = [each.key for each in talks.unread()]
        self.assertEqual(keys[0], "bob@C")
        self.assertLessEqual({"#C", "*", "#nosso"}, {*keys})
        self.assertEqual(len(keys), MOST - 1)
        self.assertTrue(talks.has_spoken("bob@C"))
        self.assertTrue(talks.next_unread())
        self.assertEqual(talks.current.key, "bob@C")

    def test_strangers_of_earlier_sessions_do_not_either(self) -> None:
        talks = Conversations(friends={"bob@C"})
        talks.earlier = {f"{number}@C": 1 for number in range(3000)} | {"bob@C": 2}
        self.assertEqual(talks.unread()[0][:2], ("bob@C", 2))

    def test_nothing_happens_in_conversations_that_do_not_exist(self) -> None:
        talks = Conversations()
        talks.add(PaneEntry(EPOCH, EntryKind.EVENT, "has left", where="bob@C"))
        self.assertEqual(len(talks.current.backlog), 1)
        talks.switch("bob@C")
        self.assertEqual(len(talks.current.backlog), 0)

    def test_what_concerns_all_is_seen_in_the_current_one(self) -> None:
        talks = Conversations()
        talks.switch("bob@C")
        talks.add(PaneEntry(EPOCH, EntryKind.WARNING, "disk full"))
        self.assertEqual(len(talks.current.backlog), 1)
        talks.switch("")
        self.assertEqual(len(talks.current.backlog), 1)

    def test_the_jump_ends_where_it_began(self) -> None:
        talks = self.talks()
        self.assertFalse(talks.next_unread())
        talks.switch("ana@C")
        self.hear(talks, "bob@C")
        self.assertTrue(talks.next_unread())
        self.assertEqual(talks.current.key, "bob@C")
        talks.switch("ana@C")
        self.assertFalse(talks.next_unread())

"""What the full console keeps: scrolling back, and conversations."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.terminals import EPOCH, MISSING, use_utc

if not MISSING:
    from p2pchat.terminal.backlog import Backlog
    from p2pchat.terminal.conversations import MOST, Conversations
    from p2pchat.terminal.entries import Entry, Glyphs, Kind, Row
    from p2pchat.terminal.widths import width

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
            backlog.add(Entry(EPOCH, Kind.ANSWER, f"{number}{text}"))
        return backlog

    def shown(self, backlog: Backlog, height: int = 5) -> list[str]:
        return [row[6:] for row in said(backlog.visible(40, height, self.glyphs))]

    def test_days_begin_with_a_line(self) -> None:
        backlog = Backlog(10, 1000)
        for at in (EPOCH, EPOCH + 60, EPOCH + DAY):
            backlog.add(Entry(at, Kind.ANSWER, "a"))
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
        self.assertLess(len(backlog), 14)
        backlog.add(Entry(EPOCH, Kind.ANSWER, "y" * 1_000_000))
        self.assertEqual(len(backlog), 1)

    def test_who_reads_further_up_stays_there(self) -> None:
        backlog = self.filled(100)
        backlog.scroll(10, 40, 5, self.glyphs)
        self.assertEqual(self.shown(backlog), ["85", "86", "87", "88", "89"])
        self.assertFalse(backlog.following)
        self.assertEqual(backlog.below, 10)
        backlog.add(Entry(EPOCH, Kind.ANSWER, "new"))
        self.assertEqual(self.shown(backlog)[-1], "89")
        backlog.scroll(-100, 40, 5, self.glyphs)
        self.assertEqual(self.shown(backlog)[-1], "new")
        self.assertTrue(backlog.following)

    def test_what_was_read_may_be_forgotten_meanwhile(self) -> None:
        backlog = self.filled(100, limit=100)
        backlog.scroll(98, 40, 2, self.glyphs)
        for number in range(200):
            backlog.add(Entry(EPOCH, Kind.ANSWER, f"later {number}"))
        self.assertTrue(self.shown(backlog))
        backlog.follow()
        self.assertEqual(self.shown(backlog)[-1], "later 199")

    def test_rows_of_one_entry_can_be_scrolled_through(self) -> None:
        backlog = self.filled(3)
        backlog.add(Entry(EPOCH, Kind.ANSWER, "word " * 100))
        last = self.shown(backlog)
        backlog.scroll(1, 40, 5, self.glyphs)
        self.assertEqual(self.shown(backlog)[1:], last[:-1])
        backlog.scroll(1000, 40, 5, self.glyphs)
        self.assertEqual(self.shown(backlog)[1:4], ["0", "1", "2"])

    @given(st.lists(st.integers(-30, 30), max_size=30), st.integers(1, 12))
    def test_scrolling_never_leaves_the_rows(self, moves: list[int], height: int) -> None:
        backlog = self.filled(20)
        backlog.add(Entry(EPOCH, Kind.ANSWER, "word " * 50))
        for move in moves:
            backlog.scroll(move, 40, height, self.glyphs)
            self.assertEqual(len(backlog.visible(40, height, self.glyphs)), height)


class ConversationsTests(SynchronousTestCase):
    skip = MISSING or None

    def message(self, where: str, speaker: str = "") -> Entry:
        return Entry(EPOCH, Kind.MESSAGE, "oi", speaker or where, where)

    def test_strangers_cannot_open_any_number(self) -> None:
        talks = Conversations()
        talks.switch("bob@C")
        for number in range(3000):
            talks.add(self.message(f"#{number}", f"{number}@C"))
        self.assertEqual(len(talks.unread()), MOST - 1)
        self.assertEqual(talks.forgotten, 3000 - (MOST - 1))
        self.assertEqual(talks.current.key, "bob@C")
        self.assertFalse(talks.has_spoken("0@C"))
        self.assertTrue(talks.has_spoken("2999@C"))

    def test_nothing_happens_in_conversations_that_do_not_exist(self) -> None:
        talks = Conversations()
        talks.add(Entry(EPOCH, Kind.EVENT, "has left", where="bob@C"))
        self.assertEqual(len(talks.current.backlog), 1)
        talks.switch("bob@C")
        self.assertEqual(len(talks.current.backlog), 0)

    def test_what_concerns_all_is_seen_in_the_current_one(self) -> None:
        talks = Conversations()
        talks.switch("bob@C")
        talks.add(Entry(EPOCH, Kind.WARNING, "disk full"))
        self.assertEqual(len(talks.current.backlog), 1)
        talks.switch("")
        self.assertEqual(len(talks.current.backlog), 1)

    def test_the_jump_ends_where_it_began(self) -> None:
        talks = Conversations()
        self.assertFalse(talks.next_unread())
        talks.switch("ana@C")
        talks.add(self.message("bob@C"))
        self.assertTrue(talks.next_unread())
        self.assertEqual(talks.current.key, "bob@C")
        talks.switch("ana@C")
        self.assertFalse(talks.next_unread())

"""What the list, a screen of lines and a row look like, whatever names are in them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.console.test_hostile_names import NAMES
from tests.support.terminals import EPOCH, MISSING, use_utc

if not MISSING:
    from p2pchat.console.full.backlog import Backlog
    from p2pchat.console.full.conversations import MOST, Conversations, Unread
    from p2pchat.console.full.entries import EntryKind, Glyphs, Mark, PaneEntry, Row
    from p2pchat.console.full.list_column import list_lines
    from p2pchat.console.full.order import Order
    from p2pchat.console.full.past_view import PastView
    from p2pchat.console.full.sheet import Sheet, SheetLine
    from p2pchat.console.full.tables import fitted
    from p2pchat.console.full.widths import width
    from p2pchat.console.replies import Table

WIDTHS = (1, 2, 8, 20, 40, 80, 120)


def said(rows: list[Row]) -> list[str]:
    return ["".join(text for _, text in row) for row in rows]


class WidthTests(SynchronousTestCase):
    skip = MISSING or None

    def test_the_list_keeps_its_width(self) -> None:
        listed = [Unread("", 0, False), *(Unread(name, 99_999, True) for name in NAMES)]
        for here in (True, False):
            for room in (12, 19, 29):
                lines = list_lines(listed, NAMES[1], [here] * len(listed), room)
                self.assertEqual({width(text) for _, text in lines}, {room})

    def test_a_screen_of_lines_keeps_its_width(self) -> None:
        glyphs = Glyphs.of("utf-8")
        lines = [SheetLine(name, name) for name in NAMES] + [SheetLine(name) for name in NAMES]
        for choose in (None, lambda _: None):
            for columns in WIDTHS:
                sheet = Sheet(NAMES[0], lines, choose=choose, at=1)
                rows = said(sheet.visible(columns, 9, glyphs))
                self.assertEqual(len(rows), 9)
                self.assertLessEqual(max(map(width, rows)), max(3, columns), (columns, rows))

    def test_a_table_keeps_its_width(self) -> None:
        table = Table(("a", "b", "c", "d", "e"), [[name] * 5 for name in NAMES])
        for columns in WIDTHS:
            self.assertLessEqual(max(map(width, fitted(table, columns))), columns)


class SheetTests(SynchronousTestCase):
    skip = MISSING or None

    def setUp(self) -> None:
        self.glyphs = Glyphs.of("utf-8")

    def test_what_is_marked_is_on_the_screen(self) -> None:
        sheet = Sheet("t", [SheetLine(f"{n}") for n in range(50)], choose=lambda _: None)
        for step in (1, 7, 100, -3, -20, -100):
            sheet.move(step)
            rows = said(sheet.visible(40, 10, self.glyphs))
            self.assertIn(f">{sheet.at}"[:40], [row.split()[0] for row in rows[1:]])

    def test_without_a_choice_it_scrolls_to_its_end_and_no_further(self) -> None:
        sheet = Sheet("t", [SheetLine(f"{n}") for n in range(50)])
        for step, first in ((0, "0"), (5, "5"), (500, "41"), (-1, "40"), (-500, "0")):
            sheet.visible(40, 10, self.glyphs)
            sheet.move(step)
            self.assertEqual(said(sheet.visible(40, 10, self.glyphs))[1].strip(), first)


class OrderTests(SynchronousTestCase):
    skip = MISSING or None

    def test_numbers_stay_until_one_is_closed(self) -> None:
        order = Order("")
        order.add("abc")
        order.add("ca")
        self.assertEqual([*order], ["", "a", "b", "c"])
        self.assertEqual((order.at(2), order.at(9)), ("b", None))
        self.assertEqual((order.beside("c", 1), order.beside("", -1)), ("", "c"))
        order.remove("a")
        order.remove("")
        self.assertEqual([*order], ["", "b", "c"])
        self.assertEqual(order.beside("a", 1), "")

    def test_strangers_cannot_make_it_long(self) -> None:
        talks = Conversations()
        talks.earlier = {f"{number}@E": 1 for number in range(3000)}
        for number in range(3000):
            talks.add(PaneEntry(EPOCH, EntryKind.MESSAGE, "oi", "x@C", f"#{number}"))
        self.assertLessEqual(len(talks.listed()), 2 * MOST + 1)


class PastViewTests(SynchronousTestCase):
    """Whatever is read in whatever pieces: each thing once, and each in its place."""

    skip = MISSING or None

    def setUp(self) -> None:
        use_utc(self)

    def record(self, number: int) -> PaneEntry:
        return PaneEntry(
            EPOCH + number, EntryKind.MESSAGE, f"{number}", "b@C", "b@C", msg_id=f"{number}",
            number=number,
        )  # fmt: skip

    @given(st.lists(st.sampled_from("mnf"), min_size=1, max_size=30), st.data())
    def test_each_thing_is_there_once_and_in_its_place(
        self, kinds: list[str], data: st.DataObject
    ) -> None:
        """m: a message; n: a notice of this session; f: what could not be sent."""
        live = Backlog(1000, 100_000)
        since = data.draw(st.integers(1, len(kinds)))
        for number, kind in enumerate(kinds, 1):
            if kind == "m" and number >= since:
                entry = self.record(number)
                entry.number = 0
                live.add(entry)
            elif kind == "n":
                live.add(PaneEntry(EPOCH + number, EntryKind.EVENT, f"{number}"))
            elif kind == "f":
                entry = PaneEntry(EPOCH + number, EntryKind.OWN, f"{number}", "a@C", "b@C")
                entry.mark = Mark.FAILED
                live.add(entry)
        kept = [number for number, kind in enumerate(kinds, 1) if kind == "m"]
        at = data.draw(st.integers(0, len(kept)))
        view = PastView(live, together=False)
        begin = max(0, at - data.draw(st.integers(1, 4)))
        view.put_above([*map(self.record, kept[begin:at])], is_all=begin == 0, until=EPOCH)
        while begin or at < len(kept):
            step = data.draw(st.integers(1, 4))
            if begin and data.draw(st.booleans()):
                first = max(0, begin - step)
                view.put_above([*map(self.record, kept[first:begin])], is_all=first == 0)
                begin = first
            elif at < len(kept):
                last = min(len(kept), at + step)
                view.put_below([*map(self.record, kept[at:last])], is_all=last == len(kept))
                at = last
        view.put_below([], is_all=True)
        shown = [int(entry.text) for entry in view._entries]
        self.assertEqual(shown, [*range(1, len(kinds) + 1)])

    def test_the_same_moment_and_the_same_message_twice_are_no_trouble(self) -> None:
        live = Backlog(1000, 100_000)
        for number in range(6):
            live.add(PaneEntry(EPOCH, EntryKind.EVENT, f"note {number}"))
        said = self.record(1)
        said.at, said.number = EPOCH, 0
        live.add(said)
        view = PastView(live, together=False)
        for number in (9, 6, 3):
            records = [self.record(1) for _ in range(3)]
            for place, record in enumerate(records):
                record.at, record.number = EPOCH, number + place
            view.put_above(records, is_all=number == 3, until=EPOCH)
        view.put_below([], is_all=True)
        self.assertEqual(len({id(entry) for entry in view._entries}), len(view))
        self.assertEqual(
            sorted(entry.text for entry in view._entries),
            [*["1"] * 9, *(f"note {number}" for number in range(6))],
        )

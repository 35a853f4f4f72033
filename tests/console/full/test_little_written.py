"""What the full console writes to its terminal: little, and the same as if it drew everything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from p2pchat.console.full.entries import EntryKind, PaneEntry
from tests.support.terminals import EPOCH, MISSING, ConsoleCase

TEXTS = (
    "oi",
    "a line of some length " * 8,
    "two\nlines",
    "漢字かな交じり",
    "का क्षि",
    "👨\u200d👩 ok",
    "",
)
KEYS = (
    "a",
    "\x7f",
    "\x1b[5~",
    "\x1b[6~",
    "\x1b[A\x1b[A\x1b[A",
    "/l\t",
    "\x15",
    "\x1b1",
    "\x1b0",
    "का",
)
SIZES = ((80, 24), (20, 10), (40, 12), (99, 24), (100, 24), (120, 40))


class _Screens(ConsoleCase):
    """With what is written counted."""

    skip = MISSING or None

    def setUp(self) -> None:
        super().setUp()
        self.written: list[str] = []
        write = self.screen.write

        def counted(text: str) -> None:
            self.written.append(text)
            write(text)

        self.screen.write = counted  # type: ignore[method-assign]

    @property
    def bytes_written(self) -> int:
        return len("".join(self.written).encode())

    def say(self, text: str, where: str = "bob@CIC") -> None:
        entry = PaneEntry(EPOCH, EntryKind.MESSAGE, text, "bob@CIC", where)
        self.console.conversations.add(entry)

    def draw(self) -> None:
        self.console.screen.draw()
        self.idle()

    def fill(self) -> None:
        for number in range(60):
            self.say(f"message {number:02} of this conversation")
        self.draw()
        self.written.clear()


class LittleWrittenTests(_Screens):
    def test_a_message_in_a_full_window(self) -> None:
        for columns, rows in ((80, 24), (120, 40)):
            self.screen.resize(columns, rows)
            for keys in ("/to bob@CIC\r", "/to\r"):
                self.type(keys)
                self.console.screen.draw_all()
                self.fill()
                self.hear("bob", "x" * 40)
                self.assertLessEqual(self.bytes_written, 400, (columns, keys, self.written))
                self.assertIn("x" * 40, self.screen.rows[-3])

    def test_keys(self) -> None:
        self.fill()
        for key in "twenty keys are what":
            self.type(key)
        self.assertLessEqual(self.bytes_written, 250, self.written)
        self.assertEqual(self.prompt, "> twenty keys are what")

    def test_a_drawing_without_a_change_writes_nothing(self) -> None:
        self.fill()
        self.draw()
        self.assertEqual(self.written, [])

    def test_what_was_left_behind_does_no_harm(self) -> None:
        self.fill()
        self.screen.write("\x1b[5;9r\x1b[7m")
        self.type("\x0c")
        self.assertFalse(self.screen.cell(0, 79).reverse, "an empty cell")
        self.say("the last one")
        self.draw()
        self.assert_as_drawn_at_once("")

    def assert_as_drawn_at_once(self, why: object) -> None:
        shown = self._cells(), self.screen.cursor
        self.console.screen.draw_all()
        self.idle()
        drawn = self._cells(), self.screen.cursor
        self.assertEqual(shown[1], drawn[1], why)
        for number, (row, should) in enumerate(zip(shown[0], drawn[0], strict=True)):
            self.assertEqual(row, should, (why, number))

    def _cells(self) -> list[list[Any]]:
        """What is seen: of an empty cell, not whether it is bold."""
        size = self.screen.size()
        rows = [[self.screen.cell(y, x) for x in range(size.columns)] for y in range(size.rows)]
        return [
            [cell._replace(bold=False) if cell.data == " " else cell for cell in row]
            for row in rows
        ]

    def test_whatever_happened_the_screen_is_as_if_drawn_at_once(self) -> None:
        actions: list[Callable[[], object]] = []
        actions += [lambda text=text: self.say(text) for text in TEXTS * 2]  # type: ignore[misc]
        actions += [lambda: self.say("aside", "carol@CIC"), lambda: self.say("on", "dora@CIC")]
        actions += [lambda keys=keys: self.type(keys, 0) for keys in KEYS]  # type: ignore[misc]
        actions += [lambda up=up: self.console.screen.pane.roll(up) for up in (1, 3, -2)]  # type: ignore[misc]
        actions += [lambda size=size: self.resize(*size) for size in SIZES]  # type: ignore[misc]
        actions.append(lambda: self.type("/help\r", 0))
        self.fill()

        @settings(
            max_examples=25,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(st.lists(st.integers(0, len(actions) - 1), min_size=4, max_size=14))
        def told(which: list[int]) -> None:
            self.resize(80, 24)
            self.type("\x15/to\r", 0)
            self.fill()
            for number in which:
                actions[number]()
                self.draw()
            self.assert_as_drawn_at_once(which)

        told()

    def resize(self, columns: int, rows: int) -> None:
        """As a terminal and its signal do it."""
        self.screen.resize(columns, rows)
        self.console.screen.app._on_resize()

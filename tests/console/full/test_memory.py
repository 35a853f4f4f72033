"""What the full console takes in and remembers: floods, and the lines that were typed."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.wire.messages import Pub
from tests.support.terminals import MISSING

if not MISSING:
    from p2pchat.console.full.arrivals import PACE, Arrivals
    from p2pchat.console.full.past_lines import PastLines


class PastLinesTests(SynchronousTestCase):
    skip = MISSING or None

    def setUp(self) -> None:
        self.path = Path(self.mktemp()).resolve() / "new" / "typed-lines"

    def lines(self, **options: int) -> PastLines:
        return PastLines(str(self.path), **options)

    def test_lines_last_across_sessions(self) -> None:
        first = self.lines()
        for text in ("um", "dois ✓", "dois ✓"):
            first.append_string(text)
        self.assertEqual(first.get_strings(), ["um", "dois ✓"])
        self.assertEqual(self.lines().get_strings(), ["um", "dois ✓"])
        self.assertEqual([*first.load_history_strings()], [])

    def test_the_file_is_the_persons_own(self) -> None:
        self.lines().append_string("um")
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(self.path.parent.stat().st_mode), 0o700)
        self.path.chmod(0o644)
        self.lines()
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)

    def test_some_lines_are_not_remembered(self) -> None:
        lines = self.lines()
        for text in (" secret", "x" * 2001):
            lines.append_string(text)
        self.assertEqual(lines.get_strings(), [])
        self.assertEqual(self.path.read_bytes(), b"")

    def test_what_was_said_is_remembered_where_it_was_said(self) -> None:
        lines = self.lines()
        odd = "b\tob\\\n@CIC"
        for where, text in (("", "a"), ("ana@CIC", "b\n/c"), (odd, "d"), (odd, "/peers")):
            lines.where = where
            lines.append_string(text)
        again = self.lines()
        self.assertEqual(self.path.read_bytes().count(b"\n"), 4)
        for where, found in (
            ("", ["a", "/peers"]),
            ("ana@CIC", ["b\n/c", "/peers"]),
            (odd, ["d", "/peers"]),
            ("#CIC", ["/peers"]),
        ):
            for each in (lines, again):
                each.where = where
                self.assertEqual(each.get_strings(), found)

    def test_what_is_forgotten_comes_back_nowhere(self) -> None:
        lines = self.lines()
        for where, text in (("bob@CIC", "a"), ("ana@CIC", "b"), ("", "/msg bob c"), ("", "/peers")):
            lines.where = where
            lines.append_string(text)
        lines.take_words_out("bob@CIC")
        self.assertEqual(lines.get_strings(), ["/peers"])
        lines.where = "bob@CIC"
        self.assertEqual(lines.get_strings(), ["/peers"])
        lines.where = "ana@CIC"
        self.assertEqual(lines.get_strings(), ["b", "/peers"])

    def test_without_a_file(self) -> None:
        lines = PastLines(None)
        lines.append_string("um")
        self.assertEqual(lines.get_strings(), ["um"])
        self.assertFalse(self.path.exists())
        self.assertEqual(PastLines(None).get_strings(), [])

    def test_the_oldest_are_forgotten(self) -> None:
        lines = self.lines(limit=10)
        for number in range(30):
            lines.append_string(str(number))
        self.assertEqual(len(lines.get_strings()), 10)
        self.assertEqual(len(self.path.read_text().split()), 30)
        self.assertEqual(self.lines(limit=10).get_strings()[0], "20")
        self.assertEqual(self.path.read_text().split()[0], "20")
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)
        self.assertEqual([each.name for each in self.path.parent.iterdir()], ["typed-lines"])

    def test_a_file_that_cannot_be_used_is_no_obstacle(self) -> None:
        self.path.mkdir(parents=True)
        lines = self.lines()
        lines.append_string("um")
        self.assertEqual(lines.get_strings(), ["um"])


class ArrivalsTests(SynchronousTestCase):
    skip = MISSING or None

    def setUp(self) -> None:
        self.clock = Clock()
        self.shown: list[tuple[list[str], dict[str, int]]] = []
        self.arrivals = Arrivals(self.clock, self.show)

    def show(self, arrived: Any, left_out: dict[str, int]) -> None:
        self.shown.append(([f"{who}:{what.payload}" for who, what, _, _ in arrived], left_out))

    def come(self, who: str, *texts: str) -> None:
        self.arrivals.received(who, [Pub(text, "", "*", text) for text in texts])

    def test_a_quiet_chat_is_shown_at_once(self) -> None:
        self.clock.advance(1)
        self.come("a", "1")
        self.clock.advance(0)
        self.come("b", "2")
        self.come("a", "3")
        self.clock.advance(PACE / 2)
        self.assertEqual(self.shown, [(["a:1"], {})])
        self.clock.advance(PACE / 2)
        self.assertEqual(self.shown[1:], [(["b:2", "a:3"], {})])
        self.arrivals.close()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_who_floods_loses_lines_of_their_own(self) -> None:
        self.clock.advance(1)
        for number in range(1000):
            self.come("mad", *(f"{number}.{part}" for part in range(10)))
            if number % 100 == 0:
                self.come("calm", str(number))
        self.clock.advance(1)
        (lines, left_out), *_ = self.shown
        self.assertEqual(left_out, {"mad": 9900})
        self.assertEqual(sum(line.startswith("calm") for line in lines), 10)
        self.assertEqual(lines[-1], "mad:999.9")
        self.assertEqual(self.arrivals.left_out, 9900)

    def test_a_flood_that_lasts_is_shown_at_a_readable_pace(self) -> None:
        for number in range(1000):
            self.come("mad", *(f"{number}.{part}" for part in range(100)))
            self.clock.advance(0.01)
        count = sum(len(lines) for lines, _ in self.shown)
        self.assertLess(count, 200 + 20 * 11)
        self.assertGreater(count, 200 + 20 * 8)
        self.arrivals.close()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        counted = sum(len(lines) + sum(left.values()) for lines, left in self.shown)
        self.assertEqual(counted, 100_000)

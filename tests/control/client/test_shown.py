"""What an attached console shows: everything to a pipe, what can be read of a flood to a person."""

from __future__ import annotations

import os
import select
import tempfile
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.console.wording import BURST, RATE
from p2pchat.control.client.shown import Shown


class ShownCase(SynchronousTestCase):
    watched = True

    def setUp(self) -> None:
        self.output = tempfile.TemporaryFile()  # noqa: SIM115
        self.addCleanup(self.output.close)
        self.shown = Shown(self.output.fileno(), 0.0, watched=self.watched, kept=False)

    def lines(self) -> list[str]:
        """What came out since the last call."""
        self.output.seek(0)
        text = self.output.read().decode()
        self.output.seek(0)
        self.output.truncate()
        return text.splitlines()

    def flood(self, count: int, first: int = 0) -> None:
        for n in range(first, first + count):
            self.shown.add(f"line {n}")


class WatchedTests(ShownCase):
    def test_a_quiet_chat_is_shown_at_once(self) -> None:
        self.assertIsNone(self.shown.show(0.0))
        self.flood(3)
        self.assertIsNone(self.shown.show(0.0))
        self.assertEqual(self.lines(), ["line 0", "line 1", "line 2"])

    def test_of_a_flood_the_last_lines_are_shown_and_the_others_counted(self) -> None:
        self.flood(1000)
        self.assertIsNone(self.shown.show(0.0))
        first, *others = self.lines()
        self.assertEqual(first, f"… {1000 - BURST} more messages (the log has them at DEBUG)")
        self.assertEqual((len(others), others[-1]), (BURST, "line 999"))

    def test_a_flood_goes_on_at_the_pace_of_a_reader(self) -> None:
        self.flood(BURST)
        self.shown.show(0.0)
        self.lines()
        self.flood(500)
        patience = self.shown.show(0.5)
        assert patience is not None
        self.assertAlmostEqual(patience, 0.501)
        self.assertEqual(self.lines(), [])
        self.assertIsNone(self.shown.show(0.5 + patience))
        lines = self.lines()
        self.assertEqual(len(lines), 1 + int(RATE))
        self.assertIn("480 more", lines[0])
        self.assertEqual(lines[-1], "line 499")

    def test_what_the_node_left_out_counts(self) -> None:
        self.flood(1)
        self.shown.left_out(7)
        self.shown.show(0.0)
        self.assertEqual(self.lines(), ["… 7 more messages (the log has them at DEBUG)", "line 0"])

    def test_answers_are_shown_at_once_and_whole(self) -> None:
        self.flood(BURST)
        self.shown.show(0.0)
        self.lines()
        self.shown.answer(["esc \x1b[2J"] * 300)
        self.assertEqual(self.lines(), ["esc \\x1b[2J"] * 300)

    def test_the_end_shows_a_seconds_worth(self) -> None:
        self.shown.finish(0.0)
        self.flood(BURST)
        self.shown.show(0.0)
        self.lines()
        self.flood(100)
        self.shown.show(0.0)
        self.shown.finish(0.0)
        lines = self.lines()
        self.assertEqual((len(lines), lines[-1]), (1 + int(RATE), "line 99"))

    def test_an_output_that_is_full_for_a_moment(self) -> None:
        write = os.write
        waited: list[bool] = []

        def full_once(fd: int, data: Any) -> int:
            if not waited:
                raise BlockingIOError
            return write(fd, data[:5])

        self.patch(os, "write", full_once)
        self.patch(select, "select", lambda *_: waited.append(True))
        self.shown.answer(["a long line"])
        self.assertEqual(self.lines(), ["a long line"])


class PipeTests(ShownCase):
    watched = False

    def test_everything_is_shown(self) -> None:
        self.flood(1000)
        self.assertIsNone(self.shown.show(0.0))
        self.assertEqual(len(self.lines()), 1000)

    def test_what_the_node_left_out_is_told_where_it_is_missing(self) -> None:
        self.shown.add("before")
        self.shown.left_out(1234)
        self.shown.add("after")
        self.shown.finish(0.0)
        before, missing, after = self.lines()
        self.assertEqual((before, after), ("before", "after"))
        self.assertIn("… 1,234 more messages", missing)

"""What a world says is short enough to be read, whatever its texts are."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.testing.worlds.inner import Violation
from p2pchat.testing.worlds.kind import Kind
from p2pchat.testing.worlds.readable import LINE, WHAT, shortened
from p2pchat.testing.worlds.totals import MOST, Finding
from p2pchat.testing.worlds.world import World


class ReadableTests(SynchronousTestCase):
    def test_the_middle_is_left_out(self) -> None:
        self.assertEqual(shortened("alice 3", 20), "alice 3")
        self.assertEqual(shortened("alice 3" + "x" * 99 + "end", 20), "alice 3xxx ... xxend")

    def test_what_is_no_printable_ascii_counts_as_it_is_printed(self) -> None:
        for text in (" é" * 5000, "\U0001f600" * 99, "\x1b[2J" * 99):
            self.assertLessEqual(len(shortened(text, 80)), 80)
            self.assertTrue(shortened(text, 80).isascii())
            self.assertTrue(shortened(text, 80).isprintable())

    def test_a_finding_and_a_story_have_short_lines(self) -> None:
        told: list[str] = []
        scene = World(Kind(seed=1, nodes=2), []).scene(told.append)
        scene.find(Violation("G4", "shown after what was said later", "alice 17" + " é" * 5000))
        scene.tell("alice 17" + " é" * 5000)
        self.assertLess(max(map(len, told)), LINE + 20)
        what = scene.found["G4"]["shown after what was said later"]
        self.assertLessEqual(len(what), WHAT)
        line = Finding(48211, "G4", "shown after what was said later", what * 3).line()
        self.assertLessEqual(len(line), MOST)
        self.assertTrue(line.startswith("world 48211: G4: shown after what was said later: alice"))

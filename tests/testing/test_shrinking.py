"""From a world to a short one, and what a run of many has to have seen."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.testing.worlds import shrink
from p2pchat.testing.worlds.kind import Kind
from p2pchat.testing.worlds.totals import ENOUGH, EVENTS, Totals
from p2pchat.testing.worlds.world import World

WRONG = ("G3", "shown more than once")


class ShrinkTests(SynchronousTestCase):
    def test_only_what_is_needed_is_left(self) -> None:
        """Two steps far from each other, in a world of four nodes or more."""

        def is_in(world: World, wrong: shrink.Wrong) -> bool:
            self.assertEqual(wrong, WRONG)
            return world.kind.nodes >= 4 and {("send", 3), ("kill", 50)} <= {*world.steps}

        self.patch(shrink, "is_in", is_in)
        steps = [("kill" if n == 50 else "send", n) for n in range(60)]
        whole = World(Kind(seed=7, nodes=7, latency=(0.1, 0.9), clocks=(1.0,), plain=True), steps)
        short = shrink.shrink(whole, WRONG)
        self.assertEqual(short.steps, [("send", 3), ("kill", 50)])
        self.assertEqual(short.kind, Kind(seed=7, nodes=4))

    def test_a_literal_makes_the_same_world(self) -> None:
        world = World(Kind(seed=7, nodes=2, clocks=(1.0, 0.0)), [("send", 3), ("one way", 4)])
        self.assertEqual(eval(shrink.literal(world), {"World": World, "Kind": Kind}), world)

    def test_one_seed_makes_one_world(self) -> None:
        self.assertEqual(World.of(5), World.of(5))
        self.assertNotEqual(World.of(5), World.of(6))


class TotalsTests(SynchronousTestCase):
    def test_what_never_happened_is_missed_in_a_run_that_is_long_enough(self) -> None:
        totals = Totals(worlds=ENOUGH - 1)
        self.assertEqual(totals.missing(), [])
        totals.join(Totals(worlds=1))
        self.assertEqual(totals.missing(), [*EVENTS])
        for event in EVENTS[1:]:
            totals.counts[event] += 1
        self.assertEqual(totals.missing(), [EVENTS[0]])

"""What became of every message, in worlds of the same seeds each time."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.testing.worlds.world import World

SEEDS = range(40)


class FixedWorldTests(SynchronousTestCase):
    def test_nothing_is_wrong_in_them(self) -> None:
        wrong: list[str] = []
        for seed in SEEDS:
            for check, kinds in sorted(World.of(seed).run().found.items()):
                wrong += [f"world {seed}: {check}: {kind}: {what}" for kind, what in kinds.items()]
        self.flushLoggedErrors()  # they are among what was wrong
        if wrong:
            self.fail("\n".join([f"{len(wrong)} things were wrong", *wrong[:20]]))

"""What became of every message, in worlds of three nodes whose history's threads are stepped."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.support.outcome_storage import memory_folder
from tests.support.outcome_world import OutcomeWorld

SEEDS = range(40)


class OutcomeWorldTests(SynchronousTestCase):
    def test_each_message_has_one_end_that_is_told_and_true(self) -> None:
        wrong: list[str] = []
        for seed in SEEDS:
            with memory_folder() as folder:
                found = OutcomeWorld(seed, folder).run()
            wrong += [
                f"seed {seed}: {check}: {kind}: {what}"
                for check, kinds in sorted(found.items())
                for kind, what in kinds.items()
            ]
        self.flushLoggedErrors()  # they are among what was wrong
        if wrong:
            self.fail("\n".join([f"{len(wrong)} things were wrong", *wrong[:20]]))

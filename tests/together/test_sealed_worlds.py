"""Worlds of nodes that encrypt, each from a seed: no text to a known key is ever anybody else's.

`python -m tests.together.test_sealed_worlds 100 200` tries the seeds from 100 to 199, and tells the
story of the first that goes wrong.
"""

from __future__ import annotations

import sys

from twisted.trial.unittest import SynchronousTestCase

from tests.support.sealed_world import SealedWorld

SEEDS = range(12)
ACTS = 40


def wrong(seed: int) -> tuple[list[str], list[str]]:
    """What went wrong in the world of this seed, and its story."""
    world = SealedWorld(seed)
    try:
        world.live(ACTS)
        world.settle()
    finally:
        world.close()
    return world.wrong, world.log


class SealedWorldTests(SynchronousTestCase):
    def test_worlds(self) -> None:
        for seed in SEEDS:
            with self.subTest(seed=seed):
                self.assertEqual(wrong(seed)[0], [])


def main() -> None:
    """Try many."""
    bad = 0
    for seed in range(*map(int, sys.argv[1:3])):
        try:
            found, log = wrong(seed)
        except Exception as error:
            found, log = [repr(error)], []
        if found:
            bad += 1
            print(f"seed {seed}: {found}", flush=True)
            if bad == 1:
                print("\n".join(log), flush=True)
    print(f"{bad} seeds went wrong")


if __name__ == "__main__":
    main()

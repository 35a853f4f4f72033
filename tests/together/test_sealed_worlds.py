"""Worlds of nodes that encrypt, each from a seed: no text to a known key is ever anybody else's.

`python -m benchmarks.sealed_worlds` tries any number of them.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.support.sealed_world import went_wrong

SEEDS = range(5)


class SealedWorldTests(SynchronousTestCase):
    def test_worlds(self) -> None:
        for seed in SEEDS:
            with self.subTest(seed=seed):
                self.assertEqual(went_wrong(seed, acts=25)[0], [])

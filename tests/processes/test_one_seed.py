"""One seed is one world, to the byte, in every process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from itertools import zip_longest

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.testing.network import EPOCH
from p2pchat.testing.worlds.kind import YEAR
from tests.support.processes import ROOT

_WORLDS = """
from p2pchat.testing.worlds.world import World
for seed in range(20, 33):
    if World.of(seed).kind.sealed:
        continue  # TLS has chance of its own
    print(World.of(seed))
    ran = World.of(seed).run(lambda line: print(line.encode()), tell_bytes=True)
    print(sorted(ran.counts.items()), ran.found)
"""


class OneSeedTests(SynchronousTestCase):
    def test_two_processes_tell_and_read_the_same(self) -> None:
        """What is read, told, shown and stored, with the sets in another order."""
        runs = []
        for hash_seed in ("0", "1"):
            run = subprocess.Popen(
                (sys.executable, "-c", _WORLDS),
                cwd=ROOT,
                env={**os.environ, "PYTHONHASHSEED": hash_seed},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            self.addCleanup(run.wait)
            self.addCleanup(run.kill)
            runs.append(run)
        one, other = [run.communicate(timeout=60)[0].splitlines() for run in runs]
        self.assertEqual([run.returncode for run in runs], [0, 0], "\n".join(one[-5:] + other[-5:]))
        # Something was said in them.
        for what in (" reads of ", '"type":"SEND"', '"instance":"', "has read [", "its file is"):
            self.assertTrue(any(what in line for line in one), what)
        stamps = {day for line in one for day in re.findall(r'"timestamp":"([^T]+)T', line)}
        days = {  # a world may last for some days
            time.strftime("%Y-%m-%d", time.gmtime(EPOCH + n * YEAR + day * 86_400))
            for n in range(-2, 3)  # a clock that is a year behind may jump back by another one
            for day in range(5)
        }
        self.assertIn(time.strftime("%Y-%m-%d", time.gmtime(EPOCH)), stamps)
        self.assertLessEqual(stamps, days | {"2024-05-06"})  # the plain peer's
        for line, (here, there) in enumerate(zip_longest(one, other)):
            self.assertEqual(here, there, f"line {line}")

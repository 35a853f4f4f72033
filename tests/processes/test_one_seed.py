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
from tests.support.processes import ROOT

FIRST, COUNT = 7, 4


class OneSeedTests(SynchronousTestCase):
    def test_two_processes_tell_and_read_the_same(self) -> None:
        """What is read, told, shown and stored, with the sets in another order."""
        runs = []
        for hash_seed in ("0", "1"):
            world = (sys.executable, "-m", "tests.support.outcome_world", str(FIRST), str(COUNT))
            run = subprocess.Popen(
                (*world, "--bytes"),
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
        # Something was said in them, and their last line tells how long they took.
        for what in (" reads of ", '"type":"SEND"', '"instance":"', "has read b'", "its file is"):
            self.assertTrue(any(what in line for line in one), what)
        stamps = {day for line in one for day in re.findall(r'"timestamp":"([^T]+)T', line)}
        self.assertEqual(stamps, {time.strftime("%Y-%m-%d", time.gmtime(EPOCH))})
        for line, (here, there) in enumerate(zip_longest(one[:-1], other[:-1])):
            self.assertEqual(here, there, f"line {line}")

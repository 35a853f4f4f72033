"""What a usual start imports, and what it leaves on the disk."""

from __future__ import annotations

import os
import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.identity.key_making import pem_of
from tests.support.seals import ALICE

PROGRAM = """
import sys
from p2pchat.mesh.identity import key_file, sealing
keys, _ = key_file.read(sys.argv[1])
one, other = sealing.Seal(keys, dialed=True), sealing.Seal(keys, dialed=False)
other.shake(one.start())
one.shake(other.answer())
other.shake(one.answer())
print(other.open(one.close(b"sealed")).decode(), keys.own == other.key)
print([name for name in ("cryptography", "OpenSSL", "twisted") if name in sys.modules])
"""


class StartTests(SynchronousTestCase):
    def test_neither_slow_packages_nor_a_log_of_keys(self) -> None:
        path, log = self.mktemp(), self.mktemp()
        with open(path, "w", encoding="ascii") as file:
            file.write(pem_of(ALICE))
        said = subprocess.run(
            [sys.executable, "-c", PROGRAM, path],
            env={**os.environ, "SSLKEYLOGFILE": os.path.abspath(log)},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        self.assertEqual(said.stdout, "sealed True\n[]\n")
        self.assertEqual(said.stderr, "")
        self.assertFalse(os.path.exists(log))

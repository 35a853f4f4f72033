"""What a start with the full console imports before its first screen, and what comes after it."""

from __future__ import annotations

import fcntl
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 30.0
TAKEN = b"\x1b[?1049h"

# It notes what is imported by the time of the first screen, and when all is over.
CODE = """
import sys
from p2pchat.service import chat
start = chat.Program._start_full
def note(name):
    with open(sys.argv[1] + name, "w") as file:
        file.write(" ".join(sys.modules))
def started(program, loop):
    start(program, loop)
    program._console.screen.on_first_drawn(lambda: note("first"))
chat.Program._start_full = started
try:
    chat.main(sys.argv[2:])
finally:
    note("last")
"""

LATER = (
    "p2pchat.control.answers",
    "p2pchat.control.service",
    "p2pchat.rendezvous.local",
    "p2pchat.rendezvous.server",
)
NEVER = (
    "argparse",
    "difflib",
    "ifaddr",
    "p2pchat.console.plain.console",
    "p2pchat.console.plain.stdio",
    "p2pchat.mesh.discovery.lan.lan",
    "p2pchat.mesh.discovery.lan.multicast",
    "p2pchat.rendezvous.stores",
    "p2pchat.service.metrics",
    "p2pchat.service.notify",
    "p2pchat.web",
    "txredisapi",
)


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class FirstScreenTests(SynchronousTestCase):
    def setUp(self) -> None:
        if not hasattr(termios, "TIOCSCTTY"):
            raise SkipTest("no controlling terminal to give")
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def imported(self, *more: str) -> tuple[set[str], set[str]]:
        """What is by the time of the first screen, and when all is over."""
        names = ("HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR")
        environ = {**os.environ, **dict.fromkeys(names, self.folder), "TERM": "xterm"}
        environ.pop("NOTIFY_SOCKET", None)
        person, terminal = os.openpty()
        words = ["--name", "bob", "--port", "0", "--local-port", str(free_port()), *more]
        process = subprocess.Popen(
            [sys.executable, "-c", CODE, self.folder + "/", *words],
            cwd=ROOT,
            env=environ,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        self.addCleanup(process.kill)
        self.addCleanup(os.close, person)
        os.close(terminal)
        shown, asked = b"", False
        while select.select([person], [], [], PATIENCE)[0]:
            try:
                shown += os.read(person, 65_536)
            except OSError:  # the other end is closed
                break
            if TAKEN in shown and not asked:
                os.write(person, b"/quit\r")
                asked = True
        self.assertEqual(process.wait(PATIENCE), 0, shown)
        first = set((Path(self.folder) / "first").read_text().split())
        last = set((Path(self.folder) / "last").read_text().split())
        return first, last

    def test_what_is_imported_and_when(self) -> None:
        """Who leaves at once has what was to come later, or it could not be ended in order."""
        first, last = self.imported()
        self.assertIn("p2pchat.console.full.service", first)
        self.assertEqual(first & {*LATER, *NEVER}, set())
        self.assertEqual(last & {*NEVER}, set())
        self.assertEqual({*LATER} - last, set())

    def test_other_programs_wait_for_no_screen(self) -> None:
        """The port is open: what comes meanwhile is acknowledged, and must not be missed."""
        for more in (["--on-message", "/bin/true"], ["--control", f"{self.folder}/control"]):
            first, _last = self.imported(*more, "--history", "none")
            self.assertIn("p2pchat.rendezvous.local", first)

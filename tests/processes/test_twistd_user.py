"""`twistd --uid --rundir`, as root starts it: what is kept belongs to the user, in that folder."""

from __future__ import annotations

import os
import pwd
import signal
import stat
from collections.abc import Callable
from pathlib import Path

from twisted.internet.task import deferLater
from twisted.trial.unittest import SkipTest

from tests.processes.test_end_to_end import local_group
from tests.support.processes import BIN, ProcessCase, reactor

MODES = {
    "log": 0o600,
    "deep": 0o700,
    "deep/er": 0o700,
    "deep/er/kept": 0o600,
    "deep/er/relay@lobby.key": 0o600,
    "deep/er/relay@lobby.keys": 0o600,
    "socket": 0o600,
}


class TwistdUserTests(ProcessCase):
    def setUp(self) -> None:
        super().setUp()
        if os.geteuid() != 0:
            raise SkipTest("only root can run a program as somebody else")
        if not all(path.stat().st_mode & stat.S_IXOTH for path in self.folder.resolve().parents):
            raise SkipTest("the user nobody cannot reach the folder of the tests")
        self.user = pwd.getpwnam("nobody")
        self.twistd = (str(BIN / "twistd"), "--nodaemon", "--pidfile=", "--uid", "nobody")
        self.place = self.folder.resolve() / "run"
        self.place.mkdir(mode=0o755)
        self.folder.chmod(0o755)
        self.words = ("p2pchat", "--name", "relay", *local_group(self), "--port", "0")

    async def test_everything_is_the_users_and_closed_to_others(self) -> None:
        os.chown(self.place, self.user.pw_uid, self.user.pw_gid)
        self.addCleanup(os.umask, os.umask(0))
        files = ("--log-file", "log", "--history", "deep/er/kept", "--control", "socket")
        command = (*self.twistd, "--rundir", "run", "--umask", "0", *self.words, *files)
        program = self.start("twistd", *command, stdin=False)
        await self._until(lambda: self._logged("Registered") and all(map(self._made, MODES)))
        for name, mode in MODES.items():
            found = (self.place / name).stat()
            self.assertEqual(found.st_uid, self.user.pw_uid, name)
            self.assertEqual(oct(stat.S_IMODE(found.st_mode)), oct(mode), name)
        program.signal(signal.SIGTERM)
        await program.ended
        self.assertEqual(program.output, "")
        self.assertFalse((self.place / "socket").exists())
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["run"])

    async def test_what_the_user_cannot_use_is_refused(self) -> None:
        for options, why in (
            (("--history", "kept"), r".*/run/relay@lobby.key cannot be locked: Permission den"),
            (
                ("--key", "none", "--history", "kept"),
                r"the history file .*/run/kept cannot be used: Permission den",
            ),
            (("--key", "none", "--history", "none", "--control", "x/y"), "no control socket: "),
            (("--log-file", "/proc/version"), "log-file: nobody cannot write /proc/version: "),
        ):
            command = (*self.twistd, "--rundir", "run", *self.words, *options)
            program = self.start("twistd", *command, stdin=False)
            self.assertIn(await program.ended, (1, 2), program.output)
            self.assertRegex(program.output, rf"^{why}")
            self.assertEqual(program.output.count("\n"), 1, program.output)
        database = ("p2pchat-rendezvous", "--port", "0", "--database", "registrations")
        program = self.start("twistd", *self.twistd, "--rundir", "run", *database, stdin=False)
        self.assertIn(await program.ended, (1, 2), program.output)
        self.assertIn("database: nobody cannot use ", program.output)

    async def _until(self, true: Callable[[], bool]) -> None:
        end = reactor.seconds() + 10
        while not true():
            self.assertLess(reactor.seconds(), end, "did not happen within 10 s")
            await deferLater(reactor, 0.02)

    def _made(self, name: str) -> bool:
        return (self.place / name).exists()

    def _logged(self, word: str) -> bool:
        path = Path(self.place, "log")
        return path.exists() and word in path.read_text()

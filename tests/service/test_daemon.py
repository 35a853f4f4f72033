"""What twistd was told: folder, user, umask."""

from __future__ import annotations

import os
import pwd
import stat
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from p2pchat.service.daemon import User, be_private, hand_over_log, move_in, obey
from p2pchat.settings.checks import ConfigError

NOBODY = User(*pwd.getpwnam("nobody")[2:4], "nobody", "/nonexistent")


def twistd(**options: Any) -> dict[str, Any]:
    usual = {"rundir": ".", "umask": None, "chroot": None, "uid": None, "gid": None}
    return {**usual, **options}


class DaemonTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).resolve()
        self.folder.mkdir(mode=0o755)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.folder)

    def test_the_umask_leaves_nothing_to_others(self) -> None:
        self.addCleanup(os.umask, os.umask(0))
        be_private()
        os.makedirs("a/b")
        Path("a/b/file").touch()
        self.assertEqual(stat.S_IMODE(os.stat("a").st_mode), 0o700)
        self.assertEqual(stat.S_IMODE(os.stat("a/b").st_mode), 0o700)
        self.assertEqual(stat.S_IMODE(os.stat("a/b/file").st_mode), 0o600)
        parent = twistd(umask=0)
        obey(parent)
        self.assertEqual(parent["umask"], 0o077)

    def test_the_folder(self) -> None:
        (self.folder / "run").mkdir()
        parent = twistd(rundir="run")
        self.assertIsNone(obey(parent))
        self.assertEqual(os.getcwd(), str(self.folder / "run"))
        self.assertEqual(parent["rundir"], str(self.folder / "run"), "twistd goes there again")
        error = self.assertRaises(ConfigError, obey, twistd(rundir="nowhere"))
        self.assertRegex(str(error), r"^rundir: .*/nowhere: No such file or directory$")

    def test_whom_it_does_not_concern(self) -> None:
        self.assertIsNone(obey(None))
        self.assertIsNone(obey({"reactor": "epoll"}))
        self.assertIsNone(obey(twistd()))
        self.assertIsNone(obey(twistd(uid=os.getuid(), gid=os.getgid())))
        self.assertIs(move_in(None), nullcontext)

    def test_the_user(self) -> None:
        error = self.assertRaises(ConfigError, obey, twistd(uid=4_000_000_001))
        self.assertEqual(str(error), "uid: there is no user 4000000001")
        self.patch(os, "geteuid", lambda: 1000)
        error = self.assertRaises(ConfigError, obey, twistd(uid=NOBODY.uid))
        self.assertIn("only root", str(error))
        self.patch(os, "geteuid", lambda: 0)
        found = obey(twistd(uid=NOBODY.uid))
        assert found is not None
        self.assertEqual(found[:3], NOBODY[:3])

    def test_the_home_of_the_user(self) -> None:
        environ = {"HOME": "/root", "XDG_STATE_HOME": "/no/such", "LANG": "C", "XDG_X": "\0"}
        environ["XDG_DATA_HOME"] = str(self.folder)
        found = move_in(NOBODY._replace(uid=os.stat(self.folder).st_uid), environ)
        self.assertEqual(
            environ,
            {
                "HOME": "/nonexistent",
                "USER": "nobody",
                "LOGNAME": "nobody",
                "LANG": "C",
                "XDG_DATA_HOME": str(self.folder),
            },
        )
        self.assertTrue(callable(found))


class RootTests(SynchronousTestCase):
    """What root alone can do."""

    def setUp(self) -> None:
        if os.geteuid() != 0:
            raise SkipTest("only root can be somebody else")
        self.folder = Path(self.mktemp()).resolve()
        self.folder.mkdir()

    def test_files_are_the_users(self) -> None:
        groups = os.getgroups()
        path = str(self.folder / "file")
        self.folder.chmod(0o777)
        # Folders above it may be closed to anybody else: the descriptor is a way in.
        folder = os.open(self.folder, os.O_RDONLY)
        self.addCleanup(os.close, folder)
        with NOBODY.files():
            self.assertEqual((os.geteuid(), os.getegid()), NOBODY[:2])
            self.assertNotIn(0, os.getgroups())
            os.close(os.open("file", os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=folder))
        self.assertEqual((os.geteuid(), os.getegid(), os.getgroups()), (0, os.getgid(), groups))
        self.assertEqual(os.stat(path).st_uid, NOBODY.uid)

    def test_a_log_in_a_folder_of_root_is_handed_over(self) -> None:
        path = self.folder / "log"
        hand_over_log(str(path), NOBODY, usual=False)
        found = path.stat()
        self.assertEqual((found.st_uid, found.st_gid), NOBODY[:2])
        self.assertEqual(stat.S_IMODE(found.st_mode), 0o600)

    def test_a_file_that_is_there_is_not(self) -> None:
        path = self.folder / "log"
        path.touch(mode=0o600)
        error = self.assertRaises(ConfigError, hand_over_log, str(path), NOBODY, usual=False)
        self.assertRegex(str(error), "^log-file: nobody cannot write .*: Permission denied$")
        self.assertEqual(path.stat().st_uid, 0)

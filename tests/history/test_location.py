"""Where a history is, and that two nodes never use one."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from p2pchat import disk
from p2pchat.history.database import Database
from p2pchat.history.location import claim
from p2pchat.history.records import HistoryError

HOLD = """
import sys
from p2pchat.history.location import claim
claim(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


class ClaimTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).resolve()
        self.path = str(self.folder / "data" / "alice.sqlite")

    def test_the_second_is_refused_until_the_first_lets_go(self) -> None:
        first = claim(self.path)
        error = self.assertRaises(HistoryError, claim, self.path)
        self.assertEqual(
            str(error),
            f"another p2pchat uses the history file {self.path}: "
            "choose another name (--name NAME), or another file (--history FILE)",
        )
        first.release()
        first.release()
        self.assertEqual(os.listdir(self.folder / "data"), [])
        claim(self.path).release()

    def test_the_folder_is_the_persons_alone(self) -> None:
        claim(self.path).release()
        self.assertEqual(stat.S_IMODE(os.stat(self.folder / "data").st_mode), 0o700)

    def test_the_claim_ends_with_its_process_however_that_ends(self) -> None:
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLD, self.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        assert holder.stdin is not None
        assert holder.stdout is not None
        try:
            self.assertEqual(holder.stdout.readline(), b"held\n")
            self.assertRaises(HistoryError, claim, self.path)
        finally:
            holder.kill()
            holder.wait()
            holder.stdin.close()
            holder.stdout.close()
        claim(self.path).release()

    def test_a_lock_that_is_removed_while_we_wait_for_it_is_not_the_one(self) -> None:
        first = claim(self.path)
        real = disk._is_file
        asked: list[bool] = []

        def is_file(descriptor: int, path: str) -> bool:
            if not asked:
                os.unlink(path)
            asked.append(real(descriptor, path))
            return asked[-1]

        assert first._held is not None
        os.close(first._held)
        first._held = None
        self.patch(disk, "_is_file", is_file)
        second = claim(self.path)
        self.assertEqual(asked, [False, True])
        second.release()

    def test_a_folder_that_cannot_be_made(self) -> None:
        self.folder.mkdir()
        (self.folder / "data").write_text("a file")
        error = self.assertRaises(HistoryError, claim, self.path)
        self.assertIn("cannot be used", str(error))

    def test_a_folder_in_the_files_place(self) -> None:
        os.makedirs(self.path)
        error = self.assertRaises(HistoryError, claim, self.path)
        self.assertEqual(str(error), f"the history file {self.path} cannot be used: Is a directory")
        self.assertEqual(os.listdir(self.folder / "data"), ["alice.sqlite"])

    def test_a_pipe_in_the_files_place_is_refused_at_once(self) -> None:
        os.makedirs(self.folder / "data")
        os.mkfifo(self.path)
        error = self.assertRaises(HistoryError, claim, self.path)
        self.assertIn("cannot be used: It is no regular file", str(error))

    def test_a_link_to_it_is_the_same_file(self) -> None:
        first = claim(self.path)
        link = str(self.folder / "link.sqlite")
        os.symlink(self.path, link)
        error = self.assertRaises(HistoryError, claim, link)
        self.assertIn("another p2pchat uses the history file", str(error))
        first.release()
        claim(link).release()

    def test_locking_that_fails_otherwise(self) -> None:
        def flock(_descriptor: int, _how: int) -> None:
            raise OSError(37, "No locks available")

        self.patch(fcntl, "flock", flock)
        error = self.assertRaises(HistoryError, claim, self.path)
        self.assertIn("No locks available", str(error))

    def test_whose_file_it_is(self) -> None:
        claim(self.path).release()
        connection = sqlite3.connect(self.path)
        connection.execute("PRAGMA application_id=77")
        connection.execute("CREATE TABLE notes (text)")
        connection.close()
        error = self.assertRaises(HistoryError, claim, self.path)
        self.assertEqual(
            str(error),
            f"{self.path} is the database of another program: choose another file (--history FILE)",
        )
        os.unlink(self.path)
        database = Database(self.path)
        database.file()
        database.close()
        claim(self.path).release()
        for number, what in ((3, "an older p2pchat"), (5, "a newer p2pchat")):
            connection = sqlite3.connect(self.path)
            connection.execute(f"PRAGMA user_version={number}")
            connection.close()
            error = self.assertRaises(HistoryError, claim, self.path)
            self.assertIn(f"{self.path} has format {number}", str(error))
            self.assertIn(what, str(error))
        self.assertEqual(os.listdir(os.path.dirname(self.path)), ["alice.sqlite"])

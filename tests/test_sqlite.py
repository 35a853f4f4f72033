"""Damaged database files: how they are known, and that nothing of them is lost."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.sqlite import is_damage, set_aside


class DamagedTests(SynchronousTestCase):
    def test_what_damage_is(self) -> None:
        folder = Path(self.mktemp())
        folder.mkdir()
        path = folder / "rubbish"
        path.write_bytes(b"no database at all" * 1000)
        connection = sqlite3.connect(path)
        self.addCleanup(connection.close)
        with self.assertRaises(sqlite3.DatabaseError) as caught:
            connection.execute("SELECT * FROM sqlite_master")
        self.assertTrue(is_damage(caught.exception))
        self.assertFalse(is_damage(sqlite3.OperationalError("database is locked")))
        self.assertFalse(is_damage(OSError()))

    def test_several_in_one_second_and_what_belongs_to_them(self) -> None:
        folder = Path(self.mktemp())
        folder.mkdir()
        path = folder / "chat.sqlite"
        kept = {}
        for number in range(3):
            for extra in ("", "-wal", "-shm"):
                Path(f"{path}{extra}").write_text(f"{number}{extra}")
            aside = set_aside(str(path))
            kept.update({f"{aside}{extra}": f"{number}{extra}" for extra in ("", "-wal", "-shm")})
        self.assertEqual(len(kept), 9)
        self.assertEqual({str(file): file.read_text() for file in folder.iterdir()}, kept)

    def test_without_a_log_of_its_own(self) -> None:
        folder = Path(self.mktemp())
        folder.mkdir()
        path = folder / "chat.sqlite"
        path.write_text("x")
        aside = set_aside(str(path))
        self.assertEqual([str(file) for file in folder.iterdir()], [aside])

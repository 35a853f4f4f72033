"""A history file that is damaged in part: the rest is read, kept, filed and found as before."""

from __future__ import annotations

import os
import sqlite3

from p2pchat.history.records import PUBLISHED, WAITING, Batch
from tests.support.histories import FileCase, send


class MendingCase(FileCase):
    def setUp(self) -> None:
        super().setUp()
        self.keep(self.arrival("bob@CIC", send("1", "um")))
        self.database.commit(
            Batch(
                entries=[
                    self.entry("bob@CIC", "m1", "espera", WAITING),
                    self.entry("eva@CIC", "m2", "estraga-se", WAITING),
                    self.entry("*", "m3", "a todos", PUBLISHED),
                ]
            )
        )
        self.keep(self.arrival("bob@CIC", send("2", "dois")), file=False)
        self.keep(self.arrival("bob@CIC", send("3", "tres")), file=False)
        self.database.close()
        self.database = self.open()

    def damage(self, *statements: str) -> None:
        connection = sqlite3.connect(self.path, isolation_level=None)
        for statement in statements:
            connection.execute(statement)
        connection.close()

    def break_page(self, name: str) -> None:
        """Have the first page of a table or an index hold nonsense."""
        connection = sqlite3.connect(self.path)
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)
        ).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        connection.close()
        with open(self.path, "r+b") as file:
            file.seek((page - 1) * size)
            file.write(b"\xff" * size)

    def waiting(self) -> list[str]:
        loaded = self.database.load(9)
        self.assertEqual(loaded.aside, "")
        self.unreadable = loaded.unreadable
        self.seen = [msg_id for _, msg_id, _, _ in loaded.seen]
        return self.texts(loaded.waiting)

    def file_all(self) -> None:
        while self.database.file():
            pass


class RowTests(MendingCase):
    def test_a_segment(self) -> None:
        self.damage("UPDATE segment SET data = x'93ff' WHERE id = (SELECT min(id) FROM segment)")
        self.assertEqual(self.waiting(), ["espera", "estraga-se"])
        self.assertEqual((self.unreadable, self.seen), (1, ["1", "3"]))
        self.file_all()
        self.assertEqual(
            self.texts(self.reader.recent(None, 9)),
            ["um", "espera", "estraga-se", "a todos", "tres"],
        )
        self.assertEqual(self.texts(self.reader.search("tres", 9)), ["tres"])
        connection = sqlite3.connect(self.path)
        self.assertEqual(
            connection.execute("SELECT data FROM damaged").fetchall(), [(b"\x93\xff",)]
        )
        connection.close()
        self.assertEqual(self.database.load(9).unreadable, 0)

    def test_what_waits(self) -> None:
        for bad in ("CAST(x'ff00fe' AS TEXT)", "x'ff'"):
            for column in ("text", "msg_id"):
                self.damage(f"UPDATE message SET {column} = {bad} WHERE text = 'estraga-se'")
                self.assertEqual(self.waiting(), ["espera"], bad)
                self.assertEqual(self.unreadable, 1)
                again = self.entry("eva@CIC", "m2", "estraga-se", WAITING)
                self.database.commit(Batch(entries=[again]))
                self.database.close()

    def test_what_came(self) -> None:
        self.damage("UPDATE message SET text = CAST(x'ff00fe' AS TEXT) WHERE id = 1")
        self.assertEqual(self.waiting(), ["espera", "estraga-se"])
        self.assertEqual((self.unreadable, self.seen), (1, ["2", "3"]))
        self.file_all()
        self.assertEqual(len(self.reader.recent(None, 9)), 5)
        self.assertEqual(self.texts(self.reader.search("tres", 9)), ["tres"])

    def test_a_name(self) -> None:
        self.damage("UPDATE name SET text = CAST(x'ff' AS TEXT) WHERE text = 'eva@CIC'")
        self.assertEqual(self.waiting(), ["espera"])
        self.assertEqual(self.unreadable, 2)


class IndexTests(MendingCase):
    def test_words(self) -> None:
        self.file_all()
        for statements in (
            ("UPDATE words_data SET block = x'00ff00ff'",),
            ("DELETE FROM words_data",),
            ("DROP TABLE words_data",),
            ("DELETE FROM words_config",),
        ):
            self.database.close()
            self.damage(*statements)
            self.assertEqual(self.waiting(), ["espera", "estraga-se"], statements)
            self.assertEqual(self.texts(self.reader.search("tres", 9)), ["tres"], statements)
            self.assertEqual(self.texts(self.reader.search("um", 9)), ["um"], statements)
            self.keep(self.arrival("bob@CIC", send("4", "quatro")), file=False)
            for _ in range(2):
                try:
                    self.file_all()
                except sqlite3.DatabaseError:
                    continue  # and the next step finds a new index
            self.assertEqual(self.database.unfiled, 0)
            for word in ("tres", "quatro"):
                self.assertIn(word, self.texts(self.reader.search(word, 9)), statements)
            self.reader.close()

    def test_any_other(self) -> None:
        """One that has entries which its table does not, as after a crash of a bad disk."""
        self.break_page("message_waiting")
        self.assertEqual(self.waiting(), ["espera", "estraga-se"])
        self.file_all()
        connection = sqlite3.connect(self.path)
        found = connection.execute(
            "SELECT count(*) FROM message INDEXED BY message_waiting WHERE state = 3"
        )
        self.assertEqual(found.fetchall(), [(2,)])
        connection.close()


class PageTests(MendingCase):
    def test_what_can_be_read_goes_on_in_a_new_file(self) -> None:
        self.break_page("segment")
        loaded = self.database.load(9)
        self.assertTrue(os.path.exists(loaded.aside))
        self.assertEqual(self.texts(loaded.waiting), ["espera", "estraga-se"])
        self.assertEqual(loaded.next_id, 4)
        self.assertEqual(loaded.unreadable, 1)

    def test_a_table_that_is_gone(self) -> None:
        self.damage("DROP TABLE message_of")
        loaded = self.database.load(9)
        self.assertTrue(os.path.exists(loaded.aside))
        self.assertEqual(self.texts(loaded.waiting), ["espera", "estraga-se"])


class LockTests(MendingCase):
    def test_a_lock_is_no_damage(self) -> None:
        self.patch(__import__("p2pchat.sqlite").sqlite, "BUSY_TIMEOUT", 0.0)
        connection = sqlite3.connect(self.path, isolation_level=None)
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("UPDATE indexed SET upto = upto")
        self.assertRaises(sqlite3.OperationalError, self.database.load, 9)
        connection.close()
        self.assertEqual(self.waiting(), ["espera", "estraga-se"])

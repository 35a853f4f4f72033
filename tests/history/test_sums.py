"""A flipped bit is never shown as a message, and a file of before there were sums is taken over."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from benchmarks import flips
from p2pchat.history import database as database_module
from p2pchat.history.database import Database
from p2pchat.history.export import read
from p2pchat.history.reading import Reader
from p2pchat.history.records import DELIVERED, WAITING, Batch, Change, HistoryError
from p2pchat.wal import is_cut
from tests.support.histories import NOW, FileCase, HistoryCase, send

OF_4: Final = (
    "CREATE TABLE name (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE,"
    " read_upto INTEGER NOT NULL DEFAULT 0, friend INTEGER NOT NULL DEFAULT 0,"
    " bytes INTEGER NOT NULL DEFAULT 0)",
    "CREATE INDEX name_friend ON name (bytes) WHERE friend",
    "CREATE TABLE message (id INTEGER PRIMARY KEY, conversation INTEGER NOT NULL,"
    " sender INTEGER NOT NULL, msg_id TEXT NOT NULL, at INTEGER NOT NULL, said INTEGER,"
    " state INTEGER NOT NULL, text TEXT NOT NULL)",
    "CREATE INDEX message_by ON message (sender)",
    "CREATE INDEX message_published ON message (id) WHERE state = 1",
    "CREATE INDEX message_waiting ON message (id) WHERE state = 3",
    "CREATE TABLE message_of (conversation INTEGER NOT NULL, id INTEGER NOT NULL,"
    " received INTEGER NOT NULL, PRIMARY KEY (conversation, id)) WITHOUT ROWID",
    "CREATE TABLE indexed (upto INTEGER NOT NULL, words INTEGER NOT NULL)",
    "CREATE TABLE segment (id INTEGER PRIMARY KEY, count INTEGER NOT NULL,"
    " strangers INTEGER NOT NULL, data BLOB NOT NULL)",
    "CREATE VIEW said AS SELECT m.id, datetime(m.at / 1000, 'unixepoch', 'localtime') AS time,"
    " c.text AS conversation, s.text AS sender, CASE m.state WHEN 0 THEN 'received' WHEN 1 THEN"
    " 'published' WHEN 2 THEN 'delivered' WHEN 3 THEN 'waiting' WHEN 4 THEN 'abandoned' END AS"
    " state, m.text FROM message m JOIN name c ON c.id = m.conversation JOIN name s ON s.id ="
    " m.sender",
    "INSERT INTO name (id, text, read_upto, friend, bytes) VALUES (1, 'bob@CIC', 1, 1, 115),"
    " (2, 'alice@CIC', 0, 1, 119)",
    "INSERT INTO message VALUES (1, 1, 1, 'b1', 1790000000000, NULL, 0, 'oi'),"
    " (2, 1, 2, 'm1', 1790000001000, NULL, 3, 'espera')",
    "INSERT INTO message_of VALUES (1, 1, 1), (1, 2, 0)",
    "INSERT INTO indexed VALUES (2, 0)",
    "PRAGMA application_id=1882353768",
    "PRAGMA user_version=4",
    "PRAGMA journal_mode=WAL",
)
"""What a program of format 4 leaves: it has a segment, too, which the test puts there."""


def file_of_4(path: str, segment: tuple[object, ...]) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA page_size=16384")
    connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
    for statement in OF_4:
        connection.execute(statement)
    connection.execute("INSERT INTO segment VALUES (?, ?, ?, ?)", segment)
    connection.close()


class UpgradeTests(FileCase):
    def setUp(self) -> None:
        super().setUp()
        self.next_id = 3
        piece = self.arrival("bob@CIC", send("b2", "e então?"))
        file_of_4(self.path, (3, 1, 0, b"\x91" + piece.data))

    def test_a_reader_reads_it_as_it_is(self) -> None:
        before = Path(self.path).read_bytes()
        for texts in (
            self.texts(self.reader.recent("bob@CIC", 9)),
            self.texts([*read(self.path, "bob")]),
        ):
            self.assertEqual(texts, ["oi", "espera", "e então?"])
        self.assertEqual(self.texts(self.reader.search("oi", 9)), ["oi"])
        self.assertEqual(Path(self.path).read_bytes(), before)

    def test_a_node_makes_it_one_of_this_format(self) -> None:
        past = self.database.load(9)
        self.assertEqual((past.aside, past.unreadable, past.next_id), ("", 0, 4))
        self.assertEqual(self.texts(past.waiting), ["espera"])
        self.assertEqual(past.unread, {"bob@CIC": 1})
        self.database.commit(Batch(changes=[Change(2, DELIVERED)]))
        self.next_id = 4
        self.keep(self.arrival("bob@CIC", send("b3", "novo")))
        self.database.close()
        self.assertEqual(self.open().load(9).unreadable, 0)
        lines = self.reader.recent("bob@CIC", 9)
        self.assertEqual(self.texts(lines), ["oi", "espera", "e então?", "novo"])
        self.assertEqual([line.state for line in lines], [0, DELIVERED, 0, 0])

    def test_what_comes_without_a_sum_later_is_damaged(self) -> None:
        self.database.load(9)
        self.keep(self.arrival("bob@CIC", send("b3", "novo")))
        self.database.close()
        with sqlite3.connect(self.path) as connection:
            connection.execute("UPDATE message SET sum = NULL WHERE text IN ('oi', 'novo')")
        connection.close()
        self.assertEqual(self.texts(self.reader.recent(None, 9)), ["oi", "espera", "e então?"])
        self.assertEqual(self.reader.newly_damaged(), 1)
        self.assertEqual(self.database.load(9).unreadable, 1)

    def test_a_kill_in_the_middle(self) -> None:
        """At each statement: what is found then is the file of before, or that of this format."""
        program = (
            "import os, sqlite3, sys\n"
            "from p2pchat.disk import Disk\n"
            "from p2pchat.history.database import Database\n"
            "left = int(sys.argv[2])\n"
            "class Killed(sqlite3.Connection):\n"
            "    def execute(self, *words):\n"
            "        global left\n"
            "        left -= 1\n"
            "        if not left: os.kill(os.getpid(), 9)\n"
            "        return super().execute(*words)\n"
            "class Killing(Disk):\n"
            "    def connect(self, path, how='', timeout=0.0):\n"
            "        return sqlite3.connect(path, isolation_level=None, factory=Killed)\n"
            "Database(sys.argv[1], Killing()).load(9)\n"
        )
        for at in (4, 6, 9, 12, 14, 16, 18):
            copy = f"{self.path}.{at}"
            shutil.copy(self.path, copy)
            done = subprocess.run([sys.executable, "-c", program, copy, str(at)], check=False)
            self.assertEqual(done.returncode, -9, at)
            database = Database(copy)
            past = database.load(9)
            self.assertEqual((past.aside, past.unreadable), ("", 0), at)
            self.assertEqual(self.texts(past.waiting), ["espera"])
            database.close()


class FlipTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = self.mktemp()
        os.makedirs(self.folder)

    def judge(self, name: str, ending: str, count: int) -> None:
        path = os.path.join(self.folder, name)
        flips.write_history(path, quiet=not ending)
        copy = path + "-copy"
        for each in ("", "-wal"):
            if os.path.exists(path + each):
                shutil.copy(path + each, copy + each)
        right, told = flips.shown(copy)
        self.assertFalse(told)
        chance = random.Random(3)
        counts, silent = flips.account(
            path, ending, count, chance, lambda copy: flips.verdict(right, copy)
        )
        self.assertEqual(silent, [])
        self.assertEqual(counts.total(), count)

    def test_a_history(self) -> None:
        self.judge("history.q", "", 20)

    def test_its_wal(self) -> None:
        self.judge("history.k", "-wal", 8)

    def test_registrations(self) -> None:
        path = os.path.join(self.folder, "registrations")
        flips.write_registrations(path)
        rows, _ = flips.registered(shutil.copy(path, path + "-copy"))
        self.assertEqual(len(rows), 200)
        _, silent = flips.account(
            path, "", 60, random.Random(3), lambda copy: flips.registrations_verdict(rows, copy)
        )
        self.assertEqual(silent, [])


class FieldTests(FileCase):
    """Each field of each table is changed, as if a bit of it were flipped."""

    def setUp(self) -> None:
        super().setUp()
        self.keep(self.arrival("bob@CIC", send("1", "um")))
        self.database.commit(Batch(entries=[self.entry("eva@CIC", "m1", "espera", WAITING)]))
        self.keep()
        self.keep(self.arrival("bob@CIC", send("2", "dois")), file=False)
        self.database.close()

    def change(self, statement: str) -> None:
        with sqlite3.connect(self.path) as connection:
            connection.execute("DROP TRIGGER IF EXISTS marked")
            connection.execute(statement)
        connection.close()

    def lost(self) -> int:
        database = self.open()
        lost = database.load(9).unreadable
        database.close()
        return lost

    def test_a_message(self) -> None:
        for field in ("id", "conversation", "sender", "at", "state", "msg_id", "text"):
            other = self.path + field
            shutil.copy(self.path, other)
            with sqlite3.connect(other) as connection:
                wrong = "'x'" if field in ("msg_id", "text") else f"{field} + 2"
                connection.execute(f"UPDATE message SET {field} = {wrong} WHERE id = 2")
            connection.close()
            reader = Reader(other)
            texts = self.texts(reader.recent(None, 9)) + self.texts(reader.recent("eva@CIC", 9))
            self.assertEqual(texts, ["um", "dois"], field)
            self.assertGreater(reader.newly_damaged(), 0, field)
            self.assertEqual(reader.newly_damaged(), 0, field)
            reader.close()
            self.assertRaises(HistoryError, list, read(other, None))
            database = Database(other)
            past = database.load(9)
            self.assertEqual((past.unreadable, past.waiting), (1, []), field)
            self.assertEqual(database.load(9).unreadable, 0, field)
            database.close()

    def test_a_segment(self) -> None:
        self.change("UPDATE segment SET count = count + 4")
        self.assertEqual(self.texts(self.reader.recent(None, 9)), ["um", "espera"])
        self.assertEqual(self.reader.newly_damaged(), 1)
        self.assertEqual([self.lost(), self.lost()], [1, 0])

    def test_a_name(self) -> None:
        self.change("UPDATE name SET text = 'bOb@CIC' WHERE text = 'bob@CIC'")
        self.assertEqual(self.texts(self.reader.recent(None, 9)), ["espera", "dois"])
        self.assertEqual(self.reader.recent("bOb@CIC", 9), [])
        self.assertEqual(self.reader.peers_called("bOb"), [])
        self.assertEqual([self.lost(), self.lost()], [2, 0])

    def test_who_is_a_friend(self) -> None:
        self.change("UPDATE name SET friend = 0, read_upto = 8 WHERE text = 'eva@CIC'")
        self.assertEqual([self.lost(), self.lost()], [1, 0])
        self.assertIn("eva@CIC", self.open().load(9).friends)

    def test_what_an_index_no_longer_names(self) -> None:
        for statement in (
            "DELETE FROM message_of WHERE id = 1",
            "UPDATE message_of SET conversation = 77 WHERE id = 1",
            "UPDATE indexed SET upto = 1",
        ):
            self.change(statement)
            self.lost()
            self.assertEqual(self.texts(self.reader.recent("bob@CIC", 9)), ["um", "dois"])

    def test_the_index_of_words(self) -> None:
        self.change("UPDATE words_data SET block = zeroblob(length(block)) WHERE id > 10")
        self.lost()
        self.assertEqual(self.texts(self.reader.search("um", 9)), ["um"])


class SchemaTests(FileCase):
    def test_a_statement_of_which_sqlite_tells_in_broken_text(self) -> None:
        self.keep(self.arrival("bob@CIC", send("1", "um")))
        self.database.close()
        path = Path(self.path)
        path.write_bytes(
            path.read_bytes().replace(b"after INTEGER NOT NULL", b"after INTEGER NOT NU\xccL")
        )
        past = self.open().load(9)
        self.assertTrue(os.path.exists(past.aside))
        self.assertEqual(past.unreadable, 1)


class WalTests(FileCase):
    def setUp(self) -> None:
        super().setUp()
        for number in range(4):
            self.keep(self.arrival("bob@CIC", send(str(number), "x")), file=False)
        self.killed = f"{self.path}.killed"
        for ending in ("", "-wal"):
            shutil.copy(self.path + ending, self.killed + ending)

    def test_one_that_is_whole(self) -> None:
        self.assertFalse(is_cut(self.killed))
        self.assertFalse(is_cut(self.killed + "-not-there"))

    def test_what_a_kill_leaves_unfinished(self) -> None:
        size = os.path.getsize(self.killed + "-wal")
        os.truncate(self.killed + "-wal", size - 100)
        self.assertFalse(is_cut(self.killed))

    def test_a_frame_in_the_middle(self) -> None:
        size = os.path.getsize(self.killed + "-wal")
        for bit in (8 * (size - 30), 8 * (size // 2), 8 * 14, 8 * 30, 8 * (32 + 9), 8 * (32 + 17)):
            flips.flip(self.killed + "-wal", bit)
            self.assertTrue(is_cut(self.killed), bit)
            flips.flip(self.killed + "-wal", bit)
        self.assertFalse(is_cut(self.killed))

    def test_it_is_told_and_kept(self) -> None:
        flips.flip(self.killed + "-wal", 8 * (os.path.getsize(self.killed + "-wal") - 30))
        error = self.assertRaises(HistoryError, list, read(self.killed, None))
        self.assertIn("is damaged in 1 place:", str(error))
        database = Database(self.killed, wall=lambda: NOW)
        past = database.load(9)
        self.assertEqual((past.is_cut, past.unreadable), (True, 0))
        self.assertFalse(database.load(9).is_cut)
        database.close()
        kept = [each for each in os.listdir(os.path.dirname(self.path)) if "damaged-" in each]
        self.assertEqual(len(kept), 1)


class ToldTests(HistoryCase):
    def test_a_large_file_is_looked_at_while_the_node_runs(self) -> None:
        self.patch(database_module, "_CHECKED_AT_ONCE", 0)
        self.keep(self.arrival("bob@CIC", send("1", "um"), send("2", "dois")))
        self.database.close()
        for statement, told in (
            ("UPDATE indexed SET upto = upto", 0),
            ("DELETE FROM message_of WHERE id = 1", 0),
            ("UPDATE message SET text = 'x' WHERE id = 1", 1),
        ):
            with sqlite3.connect(self.path) as connection:
                connection.execute(statement)
            connection.close()
            history = self.start()
            self.assertEqual(history.unreadable, told, statement)
            lines = ["um", "dois"] if not told else ["dois"]
            self.assertEqual(self.lines("bob@CIC"), lines, statement)
            self.successResultOf(history.stop())

    def test_what_a_person_asks_for(self) -> None:
        history = self.start()
        self.receive(send("1", "um"), send("2", "dois"))
        self.successResultOf(history.flush())
        self.thread.run(lambda: None)
        self.told.take()
        with sqlite3.connect(self.path) as connection:
            connection.execute("UPDATE segment SET strangers = strangers + 1")
        connection.close()
        self.assertEqual(self.lines(), [])
        told = "the history is damaged in 1 place: what was there is left out"
        self.assertEqual(self.told.take(), [("told", told)])
        self.assertEqual(history.unreadable, 1)
        self.assertEqual(self.lines(), [])
        self.assertEqual(self.told.take(), [])

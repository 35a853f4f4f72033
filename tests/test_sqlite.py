"""Our database files: whose they are, what becomes of damaged ones; and the thread for them."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.trial.unittest import SynchronousTestCase, TestCase

from p2pchat.disk import Disk
from p2pchat.sqlite import (
    ClosedError,
    File,
    ForeignFileError,
    Format,
    Worker,
    check,
    copy,
    is_damage,
)

FORM = Format(
    application=0x1234, number=7, tables=("CREATE TABLE note (text)", "CREATE TABLE more (text)")
)


class Case(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).resolve()
        self.folder.mkdir()
        self.path = str(self.folder / "notes.sqlite")

    def file(self, form: Format = FORM, **settings: Any) -> File:
        file = File(self.path, form, **settings)
        self.addCleanup(file.close)
        return file

    def notes(self) -> list[str]:
        connection = sqlite3.connect(self.path)
        self.addCleanup(connection.close)
        return [text for (text,) in connection.execute("SELECT text FROM note")]

    def content(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.folder.iterdir()}


class FileTests(Case):
    def test_a_new_file_is_begun(self) -> None:
        file = self.file()
        self.assertEqual(self.content(), {})
        connection = file.open()
        self.assertIs(file.open(), connection)
        for pragma, value in (
            ("application_id", FORM.application),
            ("user_version", FORM.number),
            ("journal_mode", "wal"),
            ("synchronous", 2),
            ("page_size", 4096),
        ):
            self.assertEqual(connection.execute(f"PRAGMA {pragma}").fetchone(), (value,))
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)

    def test_what_a_format_says(self) -> None:
        connection = self.file(FORM._replace(page_size=16384, synchronous="NORMAL")).open()
        self.assertEqual(connection.execute("PRAGMA page_size").fetchone(), (16384,))
        self.assertEqual(connection.execute("PRAGMA synchronous").fetchone(), (1,))

    def test_the_marks_are_in_the_file_itself_from_the_start(self) -> None:
        """So that a program of another format sees them without opening it."""
        self.file().open()
        with self.assertRaises(ForeignFileError):
            check(self.path, FORM._replace(number=8))

    def test_a_file_that_cannot_be_begun_is_begun_next_time(self) -> None:
        bad = self.file(FORM._replace(tables=(*FORM.tables, "NONSENSE")))
        self.assertRaises(sqlite3.OperationalError, bad.open)
        with self.file().transaction() as connection:
            connection.execute("INSERT INTO note VALUES ('there')")
        self.assertEqual(self.notes(), ["there"])

    def test_all_or_nothing(self) -> None:
        opened: list[sqlite3.Connection] = []
        file = self.file(on_open=opened.append)
        with file.transaction() as connection:
            connection.execute("INSERT INTO note VALUES ('first')")
        with self.assertRaises(ZeroDivisionError), file.transaction() as connection:
            connection.execute("INSERT INTO note VALUES ('second')")
            raise ZeroDivisionError
        self.assertEqual(self.notes(), ["first"])
        with file.transaction() as connection:
            connection.execute("INSERT INTO note VALUES ('third')")
        self.assertEqual(self.notes(), ["first", "third"])
        self.assertEqual(len(opened), 2)

    def test_what_fails_while_it_is_opened_leaves_nothing_open(self) -> None:
        def fail(connection: sqlite3.Connection) -> None:
            opened.append(connection)
            raise ZeroDivisionError

        opened: list[sqlite3.Connection] = []
        self.assertRaises(ZeroDivisionError, self.file(on_open=fail).open)
        self.assertRaises(sqlite3.ProgrammingError, opened[0].execute, "SELECT 1")

    def test_only_reading(self) -> None:
        self.assertRaises(sqlite3.OperationalError, self.file(read_only=True).open)
        self.assertEqual(self.content(), {})
        with self.file().transaction() as connection:
            connection.execute("INSERT INTO note VALUES ('there')")
        reader = self.file(read_only=True)
        self.assertEqual(reader.open().execute("SELECT * FROM note").fetchall(), [("there",)])
        with self.assertRaises(sqlite3.OperationalError):
            reader.open().execute("INSERT INTO note VALUES ('no')")


class LockTests(Case):
    """What SQLite locks stays locked, whatever else this process does with the file."""

    def test_a_second_connection_takes_no_lock_from_the_first(self) -> None:
        file = self.file()
        with file.transaction() as connection:
            connection.execute("INSERT INTO note VALUES ('one')")
        reader = self.file(read_only=True)
        self.assertEqual(reader.open().execute("SELECT * FROM note").fetchall(), [("one",)])
        self.visit()
        self.assertIn("notes.sqlite-wal", os.listdir(self.folder))
        # The other way round: who writes opens the file again after a failure.
        file.close()
        file.open().execute("SELECT * FROM note").fetchall()
        self.visit()
        self.assertIn("notes.sqlite-wal", os.listdir(self.folder))
        reader.close()
        file.close()
        self.assertEqual(os.listdir(self.folder), ["notes.sqlite"])

    def visit(self) -> None:
        """Another program looks at the file, as `sqlite3 FILE "select ..."` does."""
        look = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]);"
        look += "c.execute('SELECT * FROM note').fetchall(); c.close()"
        subprocess.run([sys.executable, "-c", look, self.path], check=True, timeout=30)


class ForeignTests(Case):
    def refused(self, *words: str) -> None:
        """It is refused with a sentence that has these words, and stays as it is."""
        before = self.content()
        for read_only in (False, True):
            error = self.assertRaises(ForeignFileError, self.file(read_only=read_only).open)
            for word in (self.path, *words):
                self.assertIn(word, str(error))
        self.assertEqual(self.content(), before)
        self.assertRaises(ForeignFileError, check, self.path, FORM)

    def test_the_file_of_another_program(self) -> None:
        self.file(FORM._replace(application=99)).open()
        self.refused("another program", "choose another file")

    def test_the_file_of_another_program_that_does_not_say_so(self) -> None:
        connection = sqlite3.connect(self.path)
        connection.execute("CREATE TABLE precious (text)")
        connection.close()
        self.refused("another program", "choose another file")

    def test_nor_in_the_log_that_it_was_left_with(self) -> None:
        other = sqlite3.connect(self.path)
        self.addCleanup(other.close)
        other.execute("PRAGMA journal_mode=WAL")
        other.execute("CREATE TABLE precious (text)")
        self.assertRaises(ForeignFileError, check, self.path, FORM)

    def test_an_older_format(self) -> None:
        self.file(FORM._replace(number=6)).open()
        self.refused("format 6", "format 7", "an older p2pchat", "move it away")

    def test_a_newer_format(self) -> None:
        self.file(FORM._replace(number=8)).open()
        self.refused("format 8", "format 7", "use the newer one")

    def test_a_newer_format_that_is_only_in_the_log_yet(self) -> None:
        """As a newer program leaves it that was killed right after it had changed the file."""
        self.file().open()
        other = sqlite3.connect(self.path)
        self.addCleanup(other.close)
        other.execute(f"PRAGMA user_version={FORM.number + 1}")
        named = FORM._replace(option="--notes FILE")
        error = self.assertRaises(ForeignFileError, check, self.path, named)
        for word in (self.path, "format 8", "format 7", "newer", "(--notes FILE)"):
            self.assertIn(word, str(error))

    def test_a_format_that_was_left_open(self) -> None:
        """By a program that was killed: what is in its -wal stays there, too."""
        file = self.file(FORM._replace(number=8))
        with file.transaction() as connection:
            connection.execute("INSERT INTO note VALUES ('there')")
        copy = self.folder / "copy"
        copy.mkdir()
        for path in [*self.folder.iterdir()]:
            if path.is_file():
                (copy / path.name).write_bytes(path.read_bytes())
        self.folder, self.path = copy, str(copy / "notes.sqlite")
        self.assertIn("notes.sqlite-wal", self.content())
        self.refused("format 8")

    def test_what_may_be_used(self) -> None:
        check(self.path, FORM)
        Path(self.path).write_bytes(b"")
        check(self.path, FORM)
        connection = sqlite3.connect(self.path)
        connection.execute("PRAGMA journal_mode=WAL")  # as far as a program gets that is killed
        connection.close()
        check(self.path, FORM)
        self.file().open()
        check(self.path, FORM)

    def test_damage_is_not_taken_for_a_foreign_file(self) -> None:
        for rubbish in (b"\0no database at all", b"SQLite format 3\0 and then rubbish"):
            Path(self.path).write_bytes(rubbish * 1000)
            check(self.path, FORM)
            error = self.assertRaises(sqlite3.DatabaseError, self.file().open)
            self.assertTrue(is_damage(error))

    def test_a_file_of_another_kind_is_left_alone(self) -> None:
        kinds = (b"x", b"notes\n" * 99, "d\xe9j\xe0 vu".encode("latin-1"), "é".encode("utf-16"))
        for content in (*kinds, b"PK\x03\x04\0\0", b"\x7fELF\2\1\1" + bytes(99)):
            Path(self.path).write_bytes(content)
            error = self.assertRaises(ForeignFileError, check, self.path, FORM)
            self.assertIn("not ours: choose another file", str(error))
            self.assertRaises(ForeignFileError, self.file().open)
            self.assertEqual(Path(self.path).read_bytes(), content)
            self.assertEqual(os.listdir(self.folder), ["notes.sqlite"])

    def test_what_is_left_of_ours_is_no_other_kind(self) -> None:
        self.file().open().close()
        whole = Path(self.path).read_bytes()
        for content in (bytes(100), whole[:30], bytes(8) + whole[8:], b"X" + whole[1:]):
            Path(self.path).write_bytes(content)
            check(self.path, FORM)


class DamagedTests(Case):
    def test_what_damage_is_not(self) -> None:
        self.assertFalse(is_damage(sqlite3.OperationalError("database is locked")))
        self.assertFalse(is_damage(OSError()))

    def test_several_in_one_second_and_what_belongs_to_them(self) -> None:
        kept = {}
        for number in range(3):
            for extra in ("", "-wal", "-shm"):
                Path(f"{self.path}{extra}").write_text(f"{number}{extra}")
            aside = self.file().set_aside()
            kept.update({f"{aside}{extra}": f"{number}{extra}" for extra in ("", "-wal", "-shm")})
        self.assertEqual(len(kept), 9)
        there = {str(file): file.read_text() for file in self.folder.iterdir()}
        self.assertEqual(there, kept)

    def test_without_a_log_of_its_own(self) -> None:
        Path(self.path).write_text("x")
        aside = self.file().set_aside()
        self.assertEqual([str(file) for file in self.folder.iterdir()], [aside])

    def test_a_new_one_is_begun(self) -> None:
        file = self.file()
        file.open()
        aside = file.set_aside()
        with file.transaction() as connection:
            connection.execute("INSERT INTO note VALUES ('new')")
        self.assertEqual(self.notes(), ["new"])
        self.assertTrue(os.path.exists(aside))


class CopyTests(Case):
    def setUp(self) -> None:
        super().setUp()
        file = self.file()
        with file.transaction() as connection:
            connection.execute("INSERT INTO note VALUES ('only in the -wal')")
        self.target = str(self.folder / "copy.sqlite")

    def test_a_copy_of_a_file_in_use(self) -> None:
        copy(self.path, self.target, FORM)
        self.path = self.target
        self.assertEqual(self.notes(), ["only in the -wal"])
        self.assertEqual(stat.S_IMODE(os.stat(self.target).st_mode), 0o600)
        self.assertEqual(
            sorted(name for name in os.listdir(self.folder) if "copy" in name), ["copy.sqlite"]
        )
        check(self.target, FORM)
        self.file().open()

    def test_nothing_is_overwritten(self) -> None:
        Path(self.target).write_text("precious")
        self.assertRaises(FileExistsError, copy, self.path, self.target, FORM)
        self.assertEqual(Path(self.target).read_text(), "precious")

    def test_what_cannot_be_copied_leaves_nothing_behind(self) -> None:
        self.assertRaises(ForeignFileError, copy, self.path, self.target, FORM._replace(number=8))
        nothing = str(self.folder / "nothing")
        self.assertRaises(FileNotFoundError, copy, nothing, self.target, FORM)
        self.assertRaises(FileNotFoundError, copy, self.path, f"{nothing}/x", FORM)
        self.assertFalse(os.path.exists(self.target))
        self.assertFalse(os.path.exists(nothing))

    def test_a_medium_that_can_only_be_read(self) -> None:
        """There SQLite cannot make the -shm that it needs, and nobody else can write either."""
        copy(self.path, self.target, FORM)
        opened: list[str] = []

        class Medium(Disk):
            def connect(self, path: str, how: str = "", timeout: float = 0.0) -> sqlite3.Connection:
                opened.append(how)
                if how == "mode=ro":
                    raise sqlite3.OperationalError("unable to open database file")
                return super().connect(path, how, timeout)

        file = File(self.target, FORM, Medium(), read_only=True)
        self.addCleanup(file.close)
        self.assertRaises(sqlite3.OperationalError, file.open)
        self.patch(os, "access", lambda *_: False)
        rows = file.open().execute("SELECT text FROM note").fetchall()
        self.assertEqual(rows, [("only in the -wal",)])
        self.assertEqual(opened, ["mode=ro", "mode=ro", "immutable=1"])


class WorkerTests(TestCase):
    async def test_calls_run_in_order_in_one_other_thread(self) -> None:
        worker = Worker(reactor, "a file")
        self.addCleanup(worker.stop)
        order: list[Any] = []

        def call(number: int) -> int:
            order.append((number, threading.current_thread().name))
            return number * 2

        results = [worker.run(partial(call, number)) for number in range(5)]
        self.assertEqual([await result for result in results], [0, 2, 4, 6, 8])
        self.assertEqual(order, [(number, "a file") for number in range(5)])

    async def test_what_a_call_raises_is_its_result(self) -> None:
        worker = Worker(reactor, "a file")
        self.addCleanup(worker.stop)
        with self.assertRaises(ZeroDivisionError):
            await worker.run(lambda: 1 // 0)
        self.assertEqual(await worker.run(lambda: "fine"), "fine")

    async def test_no_thread_is_left(self) -> None:
        worker = Worker(reactor, "a file of a test")
        await worker.run(lambda: None)
        worker.stop()
        worker.stop()
        with self.assertRaises(ClosedError):
            await worker.run(lambda: None)
        self.assertNotIn("a file of a test", [each.name for each in threading.enumerate()])

    async def test_a_call_that_never_ends_keeps_nobody(self) -> None:
        worker, go_on = Worker(reactor, "a file of a test"), threading.Event()
        result = worker.run(go_on.wait)
        worker.abandon()
        await self.assertFailure(worker.run(go_on.wait), ClosedError)
        (thread,) = [one for one in threading.enumerate() if one.name == "a file of a test"]
        self.assertTrue(thread.daemon)
        go_on.set()
        worker.stop()
        await result

    def test_no_thread_is_begun_for_nothing(self) -> None:
        before = threading.active_count()
        Worker(reactor, "a file").stop()
        self.assertEqual(threading.active_count(), before)

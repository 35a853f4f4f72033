"""The disk in memory: what a loss of power leaves, and that its errors are the real ones."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.disk import SYSTEM, Disk
from p2pchat.sqlite import File, ForeignFileError, Format, copy, is_damage
from p2pchat.testing.databases import PowerLost
from p2pchat.testing.disk import FakeDisk

FORM = Format(application=0x61, number=1, tables=("CREATE TABLE note (text TEXT)",))
PATH = "/notes.sqlite"


def notes(connection: sqlite3.Connection) -> list[str]:
    return [text for (text,) in connection.execute("SELECT text FROM note ORDER BY rowid")]


def add(connection: sqlite3.Connection, text: str) -> None:
    connection.execute("INSERT INTO note VALUES (?)", (text,))


def fill(connection: sqlite3.Connection) -> None:
    for _ in range(100):
        add(connection, "x" * 1000)


class DiskCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.disk = self.fresh(1)

    def fresh(self, seed: int) -> FakeDisk:
        """Another disk."""
        disk = FakeDisk(Random(seed))
        self.addCleanup(disk.kill)
        return disk

    def opened(self, disk: FakeDisk, form: Format = FORM) -> sqlite3.Connection:
        return File(PATH, form, disk).open()

    def stored(self, disk: FakeDisk) -> list[str]:
        """What a new process finds."""
        return notes(self.opened(disk))


class SeamTests(SynchronousTestCase):
    def test_nothing_of_it_reaches_the_system(self) -> None:
        calls = {name for name in vars(Disk) if not name.startswith("_")}
        self.assertEqual(calls - vars(FakeDisk).keys(), set())


class BothCase(DiskCase):
    """What holds of the disk of the system and of the one in memory."""

    def both(self, test: Callable[[Disk, str], None]) -> None:
        folder = Path(self.mktemp()).resolve()
        folder.mkdir()
        for disk, path in ((SYSTEM, str(folder / "file")), (self.disk, "/file")):
            test(disk, path)


class TextTests(BothCase):
    def test_what_is_appended_is_there(self) -> None:
        def test(disk: Disk, path: str) -> None:
            for line in (b"one\n", b"two\n"):
                file = disk.append(path)
                file.write(line)
                file.sync()
                file.close()
            self.assertEqual(disk.read(path), b"one\ntwo\n")
            self.assertEqual((disk.size(path), disk.head(path, 3)), (8, b"one"))

        self.both(test)

    def test_a_last_line_is_cut(self) -> None:
        def test(disk: Disk, path: str) -> None:
            file = disk.append(path)
            file.write(b"one\ntw")
            file.truncate(4)
            file.write(b"two\n")
            file.close()
            self.assertEqual(disk.read(path), b"one\ntwo\n")

        self.both(test)

    def test_a_file_is_replaced(self) -> None:
        def test(disk: Disk, path: str) -> None:
            disk.append(path + ".new").close()  # of a process that was killed
            for data in (b"old", b"new"):
                disk.replace(path, data)
                self.assertEqual(disk.read(path), data)
            self.assertFalse(disk.exists(path + ".new"))

        self.both(test)

    def test_what_is_not_there(self) -> None:
        def test(disk: Disk, path: str) -> None:
            for call in (disk.size, disk.read, disk.unlink, disk.make_private):
                self.assertRaises(FileNotFoundError, call, path)
            self.assertRaises(FileNotFoundError, disk.head, path, 1)
            self.assertRaises(FileNotFoundError, disk.rename, path, path + "x")
            self.assertEqual((disk.exists(path), disk.identity(path)), (False, None))
            disk.create(path)
            self.assertRaises(FileExistsError, disk.create, path, new=True)

        self.both(test)

    def test_who_holds_a_file(self) -> None:
        def test(disk: Disk, path: str) -> None:
            held = disk.hold(path)
            assert held is not None
            self.assertIsNone(disk.hold(path))
            disk.let_go(path, held)
            self.assertFalse(disk.exists(path))
            again = disk.hold(path)
            assert again is not None
            disk.let_go(path, again)

        self.both(test)

    def test_only_the_person_can_read_it(self) -> None:
        folder = Path(self.mktemp()).resolve()
        SYSTEM.make_folder(str(folder))
        SYSTEM.append(str(folder / "a")).close()
        SYSTEM.replace(str(folder / "b"), b"x")
        modes = [os.stat(path).st_mode & 0o777 for path in (folder, folder / "a", folder / "b")]
        self.assertEqual(modes, [0o700, 0o600, 0o600])


class DatabaseTests(BothCase):
    def test_a_reader_sees_what_is_committed(self) -> None:
        def test(disk: Disk, path: str) -> None:
            writing, reading = File(path, FORM, disk), File(path, FORM, disk, read_only=True)
            self.addCleanup(writing.close)
            self.addCleanup(reading.close)
            for number in range(3):
                add(writing.open(), str(number))
                self.assertEqual(notes(reading.open())[-1], str(number))
            with self.assertRaises(sqlite3.OperationalError) as caught:
                add(reading.open(), "no")
            self.assertEqual(caught.exception.sqlite_errorcode, sqlite3.SQLITE_READONLY)

        self.both(test)

    def test_it_is_copied_and_set_aside(self) -> None:
        def test(disk: Disk, path: str) -> None:
            file = File(path, FORM, disk, wall=lambda: 0.0)
            add(file.open(), "one")
            copy(path, path + ".copy", FORM, disk)
            self.assertRaises(FileExistsError, copy, path, path + ".copy", FORM, disk)
            aside = file.set_aside()
            self.assertEqual(aside, f"{path}.damaged-19700101-000000")
            self.assertFalse(disk.exists(path))
            for each in (path + ".copy", aside):
                with closing(File(each, FORM, disk)) as other:
                    self.assertEqual(notes(other.open()), ["one"])

        self.both(test)

    def test_a_file_of_another_format(self) -> None:
        def test(disk: Disk, path: str) -> None:
            with closing(File(path, FORM, disk)) as file:
                file.open()
            other = File(path, FORM._replace(number=2), disk)
            self.assertRaises(ForeignFileError, other.open)

        self.both(test)

    def test_what_is_no_database(self) -> None:
        def test(disk: Disk, path: str) -> None:
            for data in (b"\0no database" * 100, b"\0x", b"SQLite format 3\0" + bytes(2000)):
                disk.replace(path, data)
                trouble = self.assertRaises(sqlite3.DatabaseError, File(path, FORM, disk).open)
                self.assertTrue(is_damage(trouble))

        self.both(test)

    def test_a_database_of_a_real_disk(self) -> None:
        path = str(Path(self.mktemp()).resolve())
        with closing(File(path, FORM)) as file:
            add(file.open(), "one")
        self.disk.put(PATH, Path(path).read_bytes())
        self.assertEqual(self.stored(self.disk), ["one"])

    def test_what_a_read_only_file_needs(self) -> None:
        def test(disk: Disk, path: str) -> None:
            trouble = self.assertRaises(sqlite3.OperationalError, disk.connect, path, "mode=ro")
            self.assertEqual(str(trouble), "unable to open database file")
            self.assertEqual(trouble.sqlite_errorcode & 0xFF, sqlite3.SQLITE_CANTOPEN)

        self.both(test)


class PowerTests(DiskCase):
    def test_what_is_synced_stays(self) -> None:
        for seed in range(20):
            disk = self.fresh(seed)
            connection = self.opened(disk)
            add(connection, "one")
            connection.execute("BEGIN IMMEDIATE")
            add(connection, "never committed")
            disk.power_loss()
            self.assertEqual(self.stored(disk), ["one"])
            self.assertRaises(PowerLost, add, connection, "of a process that is no more")

    def test_what_is_not_synced_may_be_lost(self) -> None:
        form = FORM._replace(synchronous="NORMAL")
        found = set()
        for seed in range(20):
            disk = self.fresh(seed)
            connection = self.opened(disk, form)
            add(connection, "one")
            connection.execute("PRAGMA wal_checkpoint")
            add(connection, "two")
            disk.power_loss()
            found.add(tuple(self.stored(disk)))
        self.assertEqual(found, {("one",), ("one", "two")})

    def test_kill_loses_nothing_that_was_written(self) -> None:
        connection = self.opened(self.disk, FORM._replace(synchronous="OFF"))
        add(connection, "one")
        file = self.disk.append("/pins")
        file.write(b"x")
        lock = self.disk.hold("/lock")
        self.disk.kill()
        self.assertEqual((self.stored(self.disk), self.disk.read("/pins")), (["one"], b"x"))
        self.assertEqual((lock, self.disk.hold("/lock")), (0, 0))
        self.assertRaises(PowerLost, file.write, b"y")

    def test_a_line_is_gone_there_or_torn(self) -> None:
        found = set()
        for seed in range(60):
            disk = self.fresh(seed)
            file = disk.append("/pins")
            file.write(b"ab")
            file.sync()
            file.write(b"cd")
            disk.power_loss()
            found.add(disk.read("/pins"))
        self.assertLessEqual({b"ab", b"abcd", b"abc", b"abc\0"}, found)
        self.assertTrue(all(each.startswith(b"ab") for each in found))

    def test_a_file_is_replaced_whole_or_not_at_all(self) -> None:
        found = set()
        for seed in range(40):
            disk = self.fresh(seed)
            disk.replace("/pins", b"old")
            file = disk.append("/pins.new")
            file.write(b"new")
            file.sync()
            disk.rename("/pins.new", "/pins")
            disk.power_loss()
            found.add(disk.read("/pins"))
            disk.replace("/pins", b"newest")
            disk.power_loss()
            self.assertEqual(disk.read("/pins"), b"newest")
        self.assertEqual(found, {b"old", b"new"})

    def test_a_rename_without_a_sync_of_the_file(self) -> None:
        """The name is there before the bytes are."""
        found = set()
        for seed in range(40):
            disk = self.fresh(seed)
            file = disk.append("/pins.new")
            file.write(b"new")
            disk.rename("/pins.new", "/pins")
            disk.sync_folder("/pins")
            disk.power_loss()
            found.add(disk.read("/pins"))
        self.assertIn(b"", found)

    def test_at_a_commit(self) -> None:
        found = []
        for seed in range(20):
            disk = self.fresh(seed)
            connection = self.opened(disk)
            disk.power_loss_in(2, lambda: found.append("then"))
            add(connection, "one")
            self.assertRaises(PowerLost, add, connection, "two")
            found.append("".join(self.stored(disk)))
        self.assertEqual(found.count("then"), 20)
        self.assertEqual({*found}, {"then", "one", "onetwo"})


class TroubleTests(DiskCase):
    def caught(self, code: int, call: Callable[[], object]) -> None:
        trouble = self.assertRaises(sqlite3.OperationalError, call)
        self.assertEqual(trouble.sqlite_errorcode & 0xFF, code)

    def test_full(self) -> None:
        connection = self.opened(self.disk)
        add(connection, "one")
        self.disk.limit = self.disk.used + 3 * 4096
        self.caught(sqlite3.SQLITE_FULL, lambda: fill(connection))
        self.assertIn(len(notes(connection)), range(5, 15))
        self.assertLessEqual(self.disk.used, self.disk.limit)
        self.disk.limit = None
        add(connection, "last")
        self.assertEqual(notes(connection)[-1], "last")

    def test_it_says_what_sqlite_says(self) -> None:
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as real:
            real.execute("CREATE TABLE note (text TEXT)")
            real.execute("PRAGMA max_page_count=2")
            truth = self.assertRaises(sqlite3.OperationalError, add, real, "x" * 10_000)
        connection = self.opened(self.disk)
        self.disk.limit = 0
        fake = self.assertRaises(sqlite3.OperationalError, add, connection, "x")
        self.assertEqual(
            (str(fake), fake.sqlite_errorcode, fake.sqlite_errorname),
            (str(truth), truth.sqlite_errorcode, truth.sqlite_errorname),
        )

    def test_a_text_on_a_full_disk_is_written_in_part(self) -> None:
        file = self.disk.append("/pins")
        self.disk.limit = 3
        trouble = self.assertRaises(OSError, file.write, b"abcd")
        self.assertEqual((trouble.errno, self.disk.read("/pins")), (errno.ENOSPC, b"abc"))

    def test_io_error(self) -> None:
        connection = self.opened(self.disk)
        self.disk.io_error(2)
        self.caught(sqlite3.SQLITE_IOERR, lambda: add(connection, "one"))
        self.assertEqual(self.assertRaises(OSError, self.disk.read, PATH).errno, errno.EIO)
        add(connection, "two")
        self.assertEqual(notes(connection), ["two"])

    def test_read_only(self) -> None:
        connection = self.opened(self.disk)
        add(connection, "one")
        self.disk.read_only = True
        self.caught(sqlite3.SQLITE_READONLY, lambda: add(connection, "two"))
        self.assertEqual(self.assertRaises(OSError, self.disk.create, "/x").errno, errno.EROFS)
        self.assertEqual(notes(connection), ["one"])
        self.assertFalse(self.disk.can_write_beside(PATH))

    def test_a_flip_is_one_bit(self) -> None:
        connection = self.opened(self.disk)
        for _ in range(20):
            add(connection, "x" * 1000)
        connection.close()
        before = self.disk.read(PATH)
        bit = self.disk.flip(PATH)
        after = self.disk.read(PATH)
        changed = int.from_bytes(before, "little") ^ int.from_bytes(after, "little")
        self.assertEqual(changed, 1 << bit)

    def test_a_flip_is_seen_by_who_has_the_file_open(self) -> None:
        connection = self.opened(self.disk)
        for _ in range(40):
            add(connection, "x" * 3000)
        sound = notes(connection)
        self.disk.flip(PATH)
        self.assertNotEqual(notes(connection), sound)
        add(connection, "last")
        self.assertEqual(notes(connection)[-1], "last")

    def test_torn(self) -> None:
        connection = self.opened(self.disk)
        for _ in range(20):
            add(connection, "x" * 1000)
        connection.close()
        left = self.disk.tear(PATH)
        self.assertEqual(len(self.disk.read(PATH)), left)
        trouble = self.assertRaises(sqlite3.DatabaseError, File(PATH, FORM, self.disk).open)
        self.assertTrue(is_damage(trouble))

    def test_lost(self) -> None:
        add(self.opened(self.disk), "one")
        self.disk.lose(PATH)
        self.disk.power_loss()
        self.assertEqual((self.disk.paths, self.stored(self.disk)), ([], []))

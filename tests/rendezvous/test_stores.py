"""The registrations in SQLite: restarts, crashes, damaged files, full disks."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing
from typing import Any

from twisted.internet.task import Clock
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase, TestCase

from p2pchat import sqlite
from p2pchat.disk import Disk
from p2pchat.rendezvous.registry import Registry, Verdict
from p2pchat.rendezvous.stores import journal as persistence_module
from p2pchat.rendezvous.stores.journal import Persistence
from p2pchat.rendezvous.stores.sqlite import RegistrationFile, Row, sum_of
from p2pchat.sqlite import ForeignFileError, InUseError
from tests.support.histories import SteppedThread
from tests.support.replies import whole

IP = "192.0.2.1"


class Machine:
    """A rendezvous's registry, its file and its clocks; `wall` and `clock` may drift apart."""

    def __init__(self, case: SynchronousTestCase, path: str, **settings: Any) -> None:
        self.case = case
        self.clock = Clock()
        self.clock.advance(settings.pop("monotonic", 500.0))
        self.wall = settings.pop("wall", 1_000_000.0)
        self.thread = SteppedThread()
        self.registry = Registry(settings.pop("limit", 1000), per_address=0)
        self.database = RegistrationFile(path, **settings)
        self.persistence = Persistence(
            self.registry,
            self.database,
            reactor=self.clock,
            wall=lambda: self.wall,
            monotonic=self.clock.seconds,
            thread=self.thread,
        )

    def start(self) -> Machine:
        self.persistence.startService()
        return self

    def stop(self) -> None:
        self.case.successResultOf(self.persistence.stopService())
        self.case.assertEqual(self.clock.getDelayedCalls(), [])
        self.case.assertTrue(self.thread.stopped)

    def wait(self, seconds: float) -> None:
        self.wall += seconds
        self.clock.advance(seconds)

    def register(self, name: str, ttl: int = 7200, port: int = 4000) -> None:
        now = self.clock.seconds()
        verdict = self.registry.register(IP, "CIC", name, port, ttl, now)
        assert verdict is Verdict.GRANTED

    def unregister(self, name: str) -> None:
        assert self.registry.unregister(IP, "CIC", name, None, self.clock.seconds())

    @property
    def peers(self) -> dict[str, int]:
        """Name to expires_in."""
        reply = json.loads(whole(self.registry.discover(None, self.clock.seconds())))
        return {peer["name"]: peer["expires_in"] for peer in reply["peers"]}


class PersistenceCase(TestCase):
    def setUp(self) -> None:
        folder = self.mktemp()
        os.makedirs(folder)
        self.path = os.path.join(folder, "registrations.db")
        self.events = EventLoggingObserver.createWithCleanup(self, globalLogPublisher)

    def machine(self, **settings: Any) -> Machine:
        return Machine(self, self.path, **settings).start()

    def stored(self) -> set[str]:
        connection = sqlite3.connect(self.path)
        try:
            return {name for (name,) in connection.execute("SELECT name FROM registration")}
        finally:
            connection.close()

    def told(self, words: str) -> int:
        return sum(words in (event["log_format"] or "") for event in self.events)


class RestartTests(PersistenceCase):
    def test_a_restart_keeps_registrations_and_what_is_left_of_them(self) -> None:
        machine = self.machine()
        machine.register("alice", ttl=100)
        machine.wait(10)
        machine.register("olá\0", ttl=100)
        machine.register("gone")
        machine.wait(10)
        machine.unregister("gone")
        machine.register("short", ttl=15)
        machine.stop()
        again = self.machine(monotonic=3.0, wall=1_000_050.0)
        self.assertEqual(again.peers, {"alice": 50, "olá\0": 60})
        again.wait(50)
        self.assertEqual(again.peers, {"olá\0": 10})
        again.stop()
        self.assertEqual(self.stored(), {"olá\0"})

    def test_a_jump_of_the_wall_clock_ends_no_lease_in_memory(self) -> None:
        machine = self.machine()
        machine.register("alice", ttl=100)
        machine.wall += 1_000_000
        machine.wait(50)
        self.assertEqual(machine.peers, {"alice": 50})
        machine.stop()

    def test_a_wall_clock_that_was_set_back_prolongs_no_lease(self) -> None:
        machine = self.machine()
        machine.register("alice", ttl=100)
        machine.stop()
        self.assertEqual(self.machine(wall=5.0).peers, {"alice": 100})

    def test_the_oldest_comes_first_and_what_has_no_room_is_left_out(self) -> None:
        machine = self.machine()
        for name in ("c", "a", "b"):
            machine.register(name)
            machine.wait(1)
        machine.stop()
        self.assertEqual([*self.machine(limit=2).peers], ["c", "a"])

    def test_nonsense_in_the_file_is_left_out(self) -> None:
        machine = self.machine()
        machine.register("alice")
        machine.stop()
        connection = sqlite3.connect(self.path)
        for odd in (
            (IP, "CIC", "", 1, 60, 2e9),
            (IP, "CIC", "x", 0, 60, 2e9),
            (IP, "CIC", b"\xff", 1, 60, 2e9),
            (IP, "CIC", "y", "abc", 60, 2e9),
            (IP, "CIC", "z", 1, 60, "tomorrow"),
        ):
            row = (*odd, sum_of(*odd), "")
            connection.execute("INSERT INTO registration VALUES (?,?,?,?,?,?,?,?)", row)
        row = (IP, "CIC", "hint", 1, 60, 2e9, sum_of(IP, "CIC", "hint", 1, 60, 2e9, "no key"))
        connection.execute("INSERT INTO registration VALUES (?,?,?,?,?,?,?,'no key')", row)
        connection.commit()
        connection.close()
        self.assertEqual([*self.machine().peers], ["alice"])

    def damaged(self, statement: str) -> None:
        machine = self.machine()
        for name in ("alice", "bob"):
            machine.register(name)
        machine.stop()
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute(statement)
            connection.commit()

    def test_a_damaged_registration_is_left_out_and_told_once(self) -> None:
        for field, wrong in (
            ("ip", "'192.0.2.3'"),
            ("name", "'alicf'"),
            ("port", "port + 1"),
            ("ttl", "ttl * 2"),
            ("expires", "1"),
            ("sum", "NULL"),
            ("hint", "'A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg'"),
        ):
            self.damaged(f"UPDATE registration SET {field} = {wrong} WHERE name = 'alice'")
            told = self.told("is damaged in {count} places")
            again = self.machine()
            self.assertEqual([*again.peers], ["bob"], field)
            self.assertEqual(self.told("is damaged in {count} places"), told + 1, field)
            again.stop()
            self.machine().stop()
            self.assertEqual(self.told("is damaged in {count} places"), told + 1, field)

    def test_a_file_of_before_there_were_hints(self) -> None:
        self.damaged("ALTER TABLE registration DROP COLUMN hint")
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute("PRAGMA user_version=1")
        again = self.machine()
        self.assertEqual({*again.peers}, {"alice", "bob"})
        again.stop()
        self.assertEqual({*self.machine().peers}, {"alice", "bob"})
        self.assertEqual(self.told("is damaged"), 0)

    def test_hints_survive(self) -> None:
        machine, key = self.machine(), "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"
        now = machine.clock.seconds()
        machine.registry.register(IP, "CIC", "alice", 4000, 7200, now, key)
        machine.register("bob")
        machine.stop()
        again = self.machine()
        kept = {it.name: it.hint for it in again.registry.all()}
        self.assertEqual(kept, {"alice": key, "bob": ""})

    def test_a_file_of_before_there_were_sums(self) -> None:
        self.damaged("ALTER TABLE registration DROP COLUMN sum")
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute("ALTER TABLE registration DROP COLUMN hint")
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute("PRAGMA user_version=0")
        again = self.machine()
        self.assertEqual({*again.peers}, {"alice", "bob"})
        again.stop()
        self.assertEqual({*self.machine().peers}, {"alice", "bob"})
        self.assertEqual(self.told("is damaged"), 0)

    def test_loading_twice_is_loading_once(self) -> None:
        machine = self.machine()
        machine.register("alice")
        machine.persistence.load()
        self.assertEqual([*machine.peers], ["alice"])
        machine.stop()


class BatchTests(PersistenceCase):
    def test_one_batch_an_interval_and_none_when_idle(self) -> None:
        machine = self.machine()
        self.assertEqual(machine.clock.getDelayedCalls(), [])
        for i in range(100):
            machine.register(f"p{i}")
        machine.unregister("p0")
        machine.wait(0.19)
        self.assertEqual(machine.persistence.written, 0)
        machine.wait(0.02)
        self.assertEqual(machine.persistence.written, 1)
        self.assertEqual(self.stored(), {f"p{i}" for i in range(1, 100)})
        machine.wait(10)
        self.assertEqual(machine.clock.getDelayedCalls(), [])
        machine.stop()
        self.assertEqual(machine.persistence.written, 1)

    def test_in_a_quiet_moment_the_file_itself_holds_everything(self) -> None:
        machine = self.machine()
        machine.register("alice")
        machine.wait(0.2)
        copy = self.mktemp()

        def copied() -> list[str]:
            shutil.copy(self.path, copy)
            with closing(sqlite3.connect(copy)) as connection:
                return [name for (name,) in connection.execute("SELECT name FROM registration")]

        self.assertEqual(copied(), [])
        machine.wait(10)
        self.assertEqual(copied(), ["alice"])
        machine.register("bob")
        machine.wait(0.2)
        machine.wait(10)
        self.assertEqual(sorted(copied()), ["alice", "bob"])
        machine.stop()

    def test_somebody_who_reads_the_file_keeps_nothing_from_being_written(self) -> None:
        machine = self.machine()
        with closing(sqlite3.connect(self.path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM registration").fetchall()
            self.patch(sqlite, "BUSY_TIMEOUT", 0.0)
            machine.register("alice")
            machine.wait(0.2)
            machine.wait(10)
            self.assertFalse(machine.persistence.failing)
        machine.stop()
        self.assertEqual(self.stored(), {"alice"})

    def test_nobody_else_may_read_it_whoever_made_it(self) -> None:
        before = os.umask(0)
        self.addCleanup(os.umask, before)
        for made in (False, True):
            if made:
                os.chmod(self.path, 0o644)
            machine = self.machine()
            machine.register("alice")
            machine.wait(0.2)
            self.assertEqual({os.stat(each.path).st_mode & 0o777 for each in self.files()}, {0o600})
            machine.stop()

    def files(self) -> list[os.DirEntry[str]]:
        return [*os.scandir(os.path.dirname(self.path))]

    def test_two_servers_do_not_share_a_file(self) -> None:
        machine = self.machine()
        other = f"{self.path}.link"
        os.symlink(os.path.basename(self.path), other)
        for path in (self.path, other):
            second = Machine(self, path)
            with self.assertRaises(InUseError) as refused:
                second.persistence.load()
            self.assertIn(f"{path} is in use by another rendezvous", str(refused.exception))
        machine.stop()
        self.assertEqual([*Machine(self, other).start().peers], [])

    def test_what_changes_while_a_batch_is_written_goes_into_the_next(self) -> None:
        machine = self.machine()
        machine.thread.at_once = False
        machine.register("a")
        machine.wait(0.25)
        machine.register("b")
        machine.wait(60)
        self.assertEqual(len(machine.thread.calls), 1)
        machine.thread.step()
        self.assertEqual(self.stored(), {"a"})
        machine.wait(0.25)
        machine.thread.step()
        self.assertEqual(self.stored(), {"a", "b"})
        machine.thread.at_once = True
        machine.stop()

    def test_stopping_waits_for_a_batch_and_writes_the_rest(self) -> None:
        machine = self.machine()
        machine.thread.at_once = False
        machine.register("a")
        machine.wait(0.25)
        machine.register("b")
        stopped = machine.persistence.stopService()
        for _ in range(3):  # the batch, the rest, the closing
            self.assertNoResult(stopped)
            machine.thread.step()
        self.successResultOf(stopped)
        self.assertEqual(self.stored(), {"a", "b"})
        self.assertEqual(machine.clock.getDelayedCalls(), [])

    def test_a_crash_loses_the_last_batch_at_most(self) -> None:
        machine = self.machine()
        machine.register("a")
        machine.wait(0.25)
        machine.register("b")
        folder = self.mktemp()
        shutil.copytree(os.path.dirname(self.path), folder)  # as kill -9 leaves it
        machine.stop()
        self.path = os.path.join(folder, "registrations.db")
        again = self.machine()
        self.assertEqual([*again.peers], ["a"])
        again.stop()

    def test_beyond_a_limit_everything_is_written_anew(self) -> None:
        self.patch(persistence_module, "_MAX_PENDING", 10)
        machine = self.machine()
        for i in range(25):
            machine.register(f"p{i}")
        self.assertLessEqual(len(machine.persistence._pending), 10)
        machine.unregister("p3")
        machine.stop()
        self.assertEqual(self.stored(), {f"p{i}" for i in range(25)} - {"p3"})


class Failing(Disk):
    """Connects to SQLite; while `broken` is set, every statement of a batch fails with it."""

    def __init__(self) -> None:
        self.broken: Exception | None = None
        self.opened = 0

    def connect(self, path: str, how: str = "", timeout: float = 0.0) -> Any:
        self.opened += 1
        return FailingConnection(self, super().connect(path, how, timeout))


class FailingConnection:
    def __init__(self, owner: Failing, connection: sqlite3.Connection) -> None:
        self._owner = owner
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def executemany(self, *args: Any) -> Any:
        if self._owner.broken is not None:
            raise self._owner.broken
        return self._connection.executemany(*args)


def damage() -> sqlite3.DatabaseError:
    trouble = sqlite3.DatabaseError("database disk image is malformed")
    trouble.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return trouble


class TroubleTests(PersistenceCase):
    def test_a_damaged_file_is_set_aside(self) -> None:
        with open(self.path, "wb") as file:
            file.write(b"\0not a database at all" * 100)
        machine = self.machine()
        self.assertEqual(self.told("is damaged"), 1)
        machine.register("alice")
        machine.stop()
        self.assertEqual(self.stored(), {"alice"})
        (aside,) = [name for name in os.listdir(os.path.dirname(self.path)) if "damaged" in name]
        with open(os.path.join(os.path.dirname(self.path), aside), "rb") as file:
            self.assertTrue(file.read().startswith(b"\0not a database"))

    def test_damage_within_is_found(self) -> None:
        machine = self.machine()
        for i in range(900):
            machine.register(f"p{i}")
        machine.stop()
        with open(self.path, "r+b") as file:
            file.seek(2 * 4096)
            file.write(b"\xff" * 4096)
        again = self.machine()
        self.assertEqual(again.peers, {})
        self.assertEqual(self.told("is damaged"), 1)
        again.stop()

    def test_a_full_disk_is_told_once_and_tried_again(self) -> None:
        disk = Failing()
        machine = self.machine(disk=disk)
        machine.register("a")
        machine.wait(0.25)
        disk.broken = sqlite3.OperationalError("database or disk is full")
        machine.register("b")
        machine.unregister("a")
        for _ in range(4):
            machine.wait(5)
            machine.register("c")
        self.assertEqual((self.told("cannot be used"), self.told("written again")), (1, 0))
        self.assertTrue(machine.persistence.failing)
        self.assertEqual(set(machine.peers), {"b", "c"})
        disk.broken = None
        machine.wait(5)
        self.assertEqual((self.told("cannot be used"), self.told("written again")), (1, 1))
        self.assertEqual(self.stored(), {"b", "c"})
        machine.register("d")
        machine.wait(0.25)
        self.assertEqual(self.stored(), {"b", "c", "d"})
        machine.stop()

    def test_a_failure_at_the_end_is_told_and_survived(self) -> None:
        disk = Failing()
        machine = self.machine(disk=disk)
        disk.broken = sqlite3.OperationalError("attempt to write a readonly database")
        machine.register("a")
        machine.stop()
        self.assertEqual(self.told("cannot be used"), 1)

    def test_any_other_failure_is_survived(self) -> None:
        disk = Failing()
        machine = self.machine(disk=disk)
        disk.broken = MemoryError()
        machine.register("a")
        machine.wait(0.25)
        self.assertTrue(machine.persistence.failing)
        disk.broken = None
        machine.stop()
        self.assertEqual(self.stored(), {"a"})

    def test_damage_at_run_time_begins_a_new_file(self) -> None:
        disk = Failing()
        machine = self.machine(disk=disk)
        machine.register("a")
        machine.wait(0.25)
        disk.broken = damage()
        machine.register("b")
        machine.wait(0.25)
        with open(self.path, "r+b") as file:
            file.write(b"\0garbage" * 1000)
        disk.broken = None
        machine.wait(5)
        self.assertEqual(self.told("is damaged"), 1)
        self.assertEqual(self.stored(), {"a", "b"})
        machine.stop()

    def test_a_file_that_cannot_be_read_at_the_start(self) -> None:
        first = self.machine()
        first.register("old")
        first.stop()
        blocker = sqlite3.connect(self.path, isolation_level=None)
        blocker.execute("BEGIN EXCLUSIVE")
        self.patch(persistence_module, "_RETRY", 1.0)
        self.patch(sqlite, "BUSY_TIMEOUT", 0.0)
        machine = self.machine()
        self.assertEqual(self.told("cannot be used"), 1)
        machine.register("new")
        machine.wait(1)
        self.assertEqual(self.told("cannot be used"), 1)
        blocker.close()
        machine.wait(1)
        self.assertEqual(set(machine.peers), {"old", "new"})
        self.assertEqual(self.stored(), {"old", "new"})
        machine.stop()

    def test_another_program_s_database_is_not_touched(self) -> None:
        connection = sqlite3.connect(self.path)
        connection.execute("CREATE TABLE precious (x)")
        connection.commit()
        connection.close()
        machine = Machine(self, self.path)
        with self.assertRaises(ForeignFileError) as caught:
            machine.start()
        self.assertIn("another program", str(caught.exception))
        self.assertEqual(os.listdir(os.path.dirname(self.path)), ["registrations.db"])


class ThreadTests(TestCase):
    """The one test with a thread."""

    async def test_a_batch_is_written_in_a_thread(self) -> None:
        from twisted.internet import reactor

        path = self.mktemp()
        registry = Registry()
        persistence = Persistence(registry, RegistrationFile(path), reactor=reactor)
        persistence.startService()
        registry.register(IP, "CIC", "alice", 1, 60, 0.0)
        await persistence.stopService()
        database = RegistrationFile(path)
        self.addCleanup(database.close)
        rows, aside = database.load(0.0)
        self.assertEqual([row.name for row in rows], ["alice"])
        self.assertIsInstance(rows[0], Row)
        self.assertIsNone(aside)

"""The key that is to follow ours: its file, and what a kill at any moment leaves."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.disk import SYSTEM
from p2pchat.locks import Lock, lock
from p2pchat.mesh.identity import next_key
from p2pchat.mesh.identity.key_file import (
    contents_of,
    export_key,
    import_key,
    open_key,
    read,
)
from p2pchat.mesh.identity.key_making import KeyFileError
from p2pchat.mesh.identity.keys import Keys
from p2pchat.mesh.identity.next_key import STAYS, read_next, replaced, rotate, take_over
from p2pchat.mesh.identity.statement import is_sound
from p2pchat.testing.disk import FakeDisk
from tests.support.seals import ALICE, BOB, keys_from

ME = "alice@CIC"
OLD, NEW = keys_from(ALICE).own, keys_from(BOB).own
WALL = 1_800_000_000.0
CALLS = ("open", "close", "fsync", "rename", "unlink", "fchmod")


class NoLocks(FakeDisk):
    """Nobody else is there."""

    def __init__(self) -> None:
        super().__init__(Random(0))

    def let_go(self, path: str, held: int) -> None:
        pass


class Killed(BaseException):
    """kill -9, as far as a test can."""


class NextKeyTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.folders = 0
        self.anew()

    def anew(self, passphrase: bytes = b"") -> None:
        """A folder with the key of alice."""
        self.folder = Path(self.mktemp())
        self.path = str(self.folder / "alice@CIC.key")
        own = open_key(self.path, ME, lambda _: ALICE, passphrase, float)
        assert own.lock is not None
        own.lock.release()

    def rotate(self, seed: bytes = BOB, wall: float = WALL, **options: Any) -> None:
        rotate(self.path, lambda _: seed, wall, **options)

    def take_over(self, passphrase: bytes = b"") -> Keys:
        return take_over(self.path, ME, passphrase, float)

    def own(self, passphrase: bytes = b"") -> bytes:
        return read(self.path, ME, passphrase, float)[0].own

    def refuses(self, part: str, call: Callable[[], object]) -> None:
        error = self.assertRaises(KeyFileError, call)
        self.assertIn(part, str(error))


class RotateTests(NextKeyTestCase):
    def test_from_the_one_to_the_other(self) -> None:
        self.assertIsNone(read_next(self.path))
        self.rotate()
        found = read_next(self.path)
        assert found is not None
        statement = found.statement
        self.assertEqual((statement.old, statement.new), (OLD, NEW))
        self.assertEqual((found.since, found.until), (WALL, WALL + STAYS))
        self.assertTrue(is_sound(statement, ME))
        self.assertFalse(is_sound(statement, "bob@CIC"))
        self.assertEqual(os.stat(self.path + ".next").st_mode & 0o777, 0o600)
        self.assertEqual(self.own(), OLD)
        self.assertEqual(self.take_over().own, NEW)
        self.assertEqual((self.own(), read_next(self.path)), (NEW, None))
        self.assertEqual(replaced(self.path), OLD)
        self.assertEqual(contents_of(self.path).owner, ME)

    def test_while_a_node_uses_the_key(self) -> None:
        held = lock(self.path)
        self.rotate()
        self.assertIsNotNone(read_next(self.path))
        assert held is not None
        held.release()

    def test_with_a_passphrase(self) -> None:
        self.anew(b"secret")
        self.refuses("passphrase", self.rotate)
        self.rotate(passphrase=b"secret")
        self.refuses("passphrase", self.take_over)
        self.assertEqual(self.own(b"secret"), OLD)
        self.assertEqual(self.take_over(b"secret").own, NEW)

    def test_one_at_a_time(self) -> None:
        self.rotate()
        self.refuses("--now", lambda: self.rotate(ALICE))
        before = read_next(self.path)
        self.rotate(at_once=True)
        after = read_next(self.path)
        assert before is not None
        assert after is not None
        self.assertEqual((after.statement, after.until), (before.statement, 0.0))

    def test_counts_grow_whatever_the_clock_says(self) -> None:
        counts = []
        for seed, wall in ((BOB, WALL), (ALICE, 0.0), (BOB, WALL), (ALICE, -5.0)):
            self.rotate(seed, wall, at_once=True)
            found = read_next(self.path)
            assert found is not None
            counts.append(found.statement.count)
            self.take_over()
        self.assertEqual(counts, [WALL + number for number in range(4)])

    def test_one_that_follows_another_key(self) -> None:
        """As after the key was moved away, and another one made."""
        self.rotate()
        os.unlink(self.path)
        own = open_key(self.path, ME, lambda _: b"3" * 32, b"", float)
        assert own.lock is not None
        own.lock.release()
        self.refuses("another key", self.rotate)
        self.refuses("another key", lambda: self.rotate(at_once=True))

    def test_damaged(self) -> None:
        self.rotate()
        path = Path(self.path + ".next")
        whole = path.read_text(encoding="ascii")
        for wrong in (
            "",
            whole[:-40],
            whole.replace('"count":1', '"count":2e400'),
            whole.replace('"new":"', '"new":"x'),
            whole.replace('"until":', '"until":1e300,"x":'),
            whole.replace('"since":', '"since":-1e18,"x":'),
            whole.replace("next key", "key"),
            whole.partition("-----BEGIN CERT")[0],
        ):
            path.write_text(wrong, encoding="ascii")
            self.assertRaises(KeyFileError, self.take_over)
            self.assertEqual(self.own(), OLD, wrong)

    def test_it_is_the_key_although_the_folder_cannot_be_synced(self) -> None:
        """The node must not go on with a key that is in no file any more."""
        self.rotate()

        def fails(path: str) -> None:
            raise OSError(errno.EIO, "Input/output error")

        self.patch(SYSTEM, "sync_folder", fails)
        self.assertEqual(self.take_over().own, NEW)
        self.assertEqual(self.own(), NEW)

    def test_no_cryptography_is_needed_to_look(self) -> None:
        self.rotate()
        self.patch(os, "rename", None)
        self.assertIsNotNone(read_next(self.path))


class CopyTests(NextKeyTestCase):
    def test_a_copy_holds_both(self) -> None:
        self.rotate()
        copy = str(self.folder / "copy")
        export_key(self.path, copy, b"", b"safe")
        self.assertEqual(Path(copy).read_text(encoding="ascii").count("BEGIN CERTIFICATE"), 1)
        self.assertEqual(read(copy, ME, b"safe", float)[0].own, OLD)  # used as it is
        there = str(self.folder / "there.key")
        import_key(copy, there, ME, b"safe")
        self.assertEqual(read_next(there), read_next(self.path))
        self.assertEqual(take_over(there, ME, b"", float).own, NEW)
        self.assertEqual(take_over(self.path, ME, b"", float).own, NEW)

    def test_another_key_in_its_place_has_nothing_to_follow_it(self) -> None:
        copy = str(self.folder / "copy")
        export_key(self.path, copy, b"", b"safe")
        self.rotate()
        import_key(copy, self.path, ME, b"safe", replace=True)
        self.assertIsNone(read_next(self.path))

    def test_a_copy_from_before_brings_the_key_before(self) -> None:
        copy = str(self.folder / "copy")
        export_key(self.path, copy, b"", b"safe")
        self.rotate()
        self.take_over()
        import_key(copy, self.path, ME, b"safe", replace=True)
        self.assertEqual(self.own(), OLD)


class KilledTests(NextKeyTestCase):
    def kill_at(self, number: int, call: Callable[[], object]) -> bool:
        """Make a call, and kill it at this call on the operating system; whether it was so long."""
        left = number

        def counted(real: Callable[..., Any]) -> Callable[..., Any]:
            def call(*arguments: Any, **options: Any) -> Any:
                nonlocal left
                left -= 1
                if left == 0:
                    raise Killed
                return real(*arguments, **options)

            return call

        patches = [self.patch(os, name, counted(getattr(os, name))) for name in CALLS]
        # A lock ends with its process.
        patches.append(self.patch(next_key, "take", lambda path: Lock(path, -1, NoLocks())))
        try:
            call()
        except Killed:
            return True
        finally:
            for patch in patches:
                patch.restore()
        return False

    def check(self, number: int) -> None:
        """There is a key, and at most one that is to follow it; a node starts, and goes on."""
        own = self.own()
        self.assertIn(own, (OLD, NEW), number)
        found = read_next(self.path)
        if found is not None:
            self.assertEqual((found.statement.old, found.statement.new), (own, NEW))
            self.assertTrue(is_sound(found.statement, ME))
        elif own == OLD:
            self.rotate()
        if own == OLD:
            self.assertEqual(self.take_over().own, NEW)
        self.assertEqual(self.own(), NEW)

    def test_at_every_call(self) -> None:
        ways: list[tuple[Callable[[], None], Callable[[], object]]] = [
            (lambda: None, self.rotate),
            (self.rotate, lambda: self.rotate(at_once=True)),
            (self.rotate, self.take_over),
        ]
        for before, call in ways:
            number = 1
            while True:
                self.anew()
                before()
                killed = self.kill_at(number, call)
                self.check(number)
                if not killed:
                    break
                number += 1
            self.assertGreater(number, 5)

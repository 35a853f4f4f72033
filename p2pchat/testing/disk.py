"""A disk in memory, which fails when it is told to.

    disk = FakeDisk(Random(7))
    ana = town.node("ana@CIC", disk=disk)
    town.kill(ana)                       # kill -9: nothing that was written is lost
    disk.power_loss()                    # what was not synced is gone, there, or torn
    ana = town.node("ana@CIC", ip=..., disk=disk)

Rules: one disk is the disk of one host, and one process at a time uses it. Whatever is drawn comes
from `random`. A plain file is synced by `sync`, its name by `sync_folder`, a database by a commit
under `synchronous=FULL`.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable
from itertools import count
from random import Random
from typing import Final

from p2pchat.disk import Appending, Disk
from p2pchat.testing.databases import MemoryFile, PowerLost
from p2pchat.testing.folder import FakeAppending, Folder, trouble

_HEADER: Final = 100
"""Bytes at the beginning of a database that whoever has it open does not read again."""
_EXTENDED: Final = {
    "database or disk is full": ("SQLITE_FULL", sqlite3.SQLITE_FULL),
    "disk I/O error": ("SQLITE_IOERR_WRITE", sqlite3.SQLITE_IOERR_WRITE),
    "attempt to write a readonly database": ("SQLITE_READONLY", sqlite3.SQLITE_READONLY),
    "unable to open database file": ("SQLITE_CANTOPEN", sqlite3.SQLITE_CANTOPEN),
}
_devices: Final = count(1)


class FakeDisk(Disk):
    """A disk whose files are bytes in memory; `random` draws what a fault leaves open.

    `limit`: the most bytes it can hold (None: no limit). `read_only`: nothing can be written.
    `delay`: the shortest and the longest time in seconds that a call in a `SteppedWorker` takes.
    """

    def __init__(self, random: Random) -> None:
        self.random = random
        self.limit: int | None = None
        self.read_only = False
        self.delay = (0.0, 0.01)
        self.kills = 0
        """How often its process was killed, or lost the power."""
        self.commits = 0
        """Transactions that were committed while something counted them."""
        self._device = -next(_devices)
        self._folder = Folder()
        self._held: set[str] = set()
        self._io_errors = 0
        self._power_in: int | None = None
        self._then: Callable[[], None] = lambda: None

    # ------------------------------------------------------------ what goes wrong

    def kill(self) -> None:
        """Its process ends as by `kill -9`: locks go, what was not committed is undone."""
        self.kills += 1
        self._held.clear()
        for file in self._files.values():
            file.cut_off()

    def power_loss(self) -> None:
        """The same, and of what is not synced each piece is gone, there, or torn."""
        self.kill()
        self._power_in = None
        self._folder.lose_power(self.random)

    def power_loss_in(self, commits: int | None, then: Callable[[], None] = lambda: None) -> None:
        """Lose the power at the last of so many commits, before or after its sync; None: never.

        `then` is called in the middle of that: have the node be killed in it. The call that was
        under way ends with `PowerLost`, of which a `SteppedWorker` tells nobody.
        """
        self._power_in, self._then = commits, then

    def io_error(self, calls: int = 1) -> None:
        """Fail the next calls that go to the disk with EIO."""
        self._io_errors = calls

    def flip(self, path: str) -> int:
        """Change one bit of a file; returns which, counted from the beginning.

        Of a database that is open never one of the header, which its process does not read again.
        """
        file = self._folder.file(path)
        data = bytearray(file.data)
        first = 8 * _HEADER if file.connections else 0
        bit = self.random.randrange(first, 8 * len(data))
        data[bit // 8] ^= 1 << bit % 8
        file.damage(bytes(data))
        return bit

    def tear(self, path: str) -> int:
        """Cut a file that nobody has open somewhere; returns how many bytes are left."""
        file = self._folder.file(path)
        left = self.random.randrange(file.size)
        file.damage(file.data[:left])
        return left

    def lose(self, path: str) -> None:
        """A file is gone; whoever has it open goes on with what no longer has a name."""
        self._folder.file(path)
        self._folder.unlink(path)
        self._folder.sync()

    # ------------------------------------------------------------ what a test asks

    @property
    def paths(self) -> list[str]:
        """The files that there are."""
        return sorted(self._files)

    @property
    def used(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self._files.values())

    @property
    def in_use(self) -> list[str]:
        """The files that somebody has open or locked."""
        opened = {path for path, file in self._files.items() if file.connections}
        return sorted(opened | self._held)

    def put(self, path: str, data: bytes) -> None:
        """Have a file with these bytes, synced."""
        file = MemoryFile(data)
        file.sync()
        self._folder.link(path, file)
        self._folder.sync()

    # ------------------------------------------------------------ Disk

    def resolved(self, path: str) -> str:
        """See `Disk`; there are no links."""
        return os.path.normpath(path)

    def exists(self, path: str) -> bool:
        """See `Disk`."""
        return path in self._files

    def size(self, path: str) -> int:
        """See `Disk`."""
        return self._folder.file(path).size

    def identity(self, path: str) -> tuple[int, int] | None:
        """See `Disk`; another one after a kill, as no process remembers what another one had."""
        file = self._files.get(path)
        return None if file is None else (self._device, file.number + (self.kills << 32))

    def head(self, path: str, count: int) -> bytes:
        """See `Disk`."""
        return self.read(path)[:count]

    def read(self, path: str) -> bytes:
        """See `Disk`."""
        self._call(path)
        return self._folder.file(path).data

    def can_write_beside(self, path: str) -> bool:  # noqa: ARG002
        """See `Disk`."""
        return not self.read_only

    def make_folder(self, path: str) -> None:
        """See `Disk`; every folder is there."""

    def create(self, path: str, *, new: bool = False) -> None:
        """See `Disk`."""
        self._call(path, writes=True)
        if path not in self._files:
            self._folder.link(path, MemoryFile())
        elif new:
            raise trouble(errno.EEXIST, path)

    def make_private(self, path: str) -> None:
        """See `Disk`."""
        self._folder.file(path)

    def rename(self, path: str, new: str) -> None:
        """See `Disk`."""
        self._call(path, writes=True)
        self._folder.file(path)
        self._folder.rename(path, new)

    def unlink(self, path: str) -> None:
        """See `Disk`."""
        self._call(path, writes=True)
        self._folder.file(path)
        self._folder.unlink(path)

    def hold(self, path: str) -> int | None:
        """See `Disk`."""
        if path in self._held:
            return None
        self.create(path)
        self._held.add(path)
        return 0

    def let_go(self, path: str, held: int) -> None:  # noqa: ARG002
        """See `Disk`."""
        self._held.discard(path)
        if path in self._files and not self.read_only:
            self._folder.unlink(path)

    def connect(self, path: str, how: str = "", timeout: float = 0.0) -> sqlite3.Connection:  # noqa: ARG002
        """See `Disk`."""
        self.sqlite_call(writes=False)
        if path not in self._files:
            if how or self.read_only:
                raise _sqlite_error("unable to open database file")
            self.create(path)
        return self._files[path].connect(self, read_only=bool(how))

    def append(self, path: str) -> Appending:
        """See `Disk`."""
        self.create(path)
        self.sync_names()
        return FakeAppending(self, path, self._files[path])

    def replace(self, path: str, data: bytes) -> None:
        """See `Disk`."""
        beside = f"{path}.new"
        if beside in self._files:
            self.unlink(beside)
        file = self.append(beside)
        file.write(data)
        file.sync()
        self.rename(beside, path)
        self.sync_folder(path)

    def sync_folder(self, path: str) -> None:
        """See `Disk`; all names are synced."""
        self._call(path, writes=True)
        self.sync_names()

    # ------------------------------------------------------------ what its files ask

    @property
    def watches(self) -> bool:
        """See `Watcher`."""
        return self.limit is not None or self._power_in is not None

    def sqlite_call(self, *, writes: bool) -> None:
        """See `Watcher`."""
        if self._io_errors:
            self._io_errors -= 1
            raise _sqlite_error("disk I/O error")
        if writes and self.read_only:
            raise _sqlite_error("attempt to write a readonly database")

    def committing(self, file: MemoryFile, size: int, page_size: int) -> None:
        """See `Watcher`."""
        if self.limit is not None:
            # The growth of the file, and a page at least in what lies beside it.
            others = sum(each.size for each in self._files.values() if each is not file)
            if others + size + page_size > self.limit:
                raise _sqlite_error("database or disk is full")
        if self._power_in is not None and self._power_in <= 1 and self.random.random() < 0.5:
            self._lose_power()

    def committed(self) -> None:
        """See `Watcher`."""
        self.commits += 1
        if self._power_in is not None:
            self._power_in -= 1
            if self._power_in <= 0:
                self._lose_power()

    def sync_names(self) -> None:
        """See `Watcher`."""
        self._folder.sync()

    def appending(self, path: str, data: bytes) -> int:
        """How many of these bytes can be written at the end of a file; raises `OSError`."""
        self._call(path, writes=True)
        if self.limit is None:
            return len(data)
        room = self.limit - self.used
        if room <= 0:
            raise trouble(errno.ENOSPC, path)
        return min(room, len(data))

    # ------------------------------------------------------------ pieces

    def _lose_power(self) -> None:
        then = self._then
        self.power_loss()
        then()
        raise PowerLost

    def _call(self, path: str, *, writes: bool = False) -> None:
        """A call of a process on a plain file."""
        if self._io_errors:
            self._io_errors -= 1
            raise trouble(errno.EIO, path)
        if writes and self.read_only:
            raise trouble(errno.EROFS, path)

    @property
    def _files(self) -> dict[str, MemoryFile]:
        return self._folder.files


def _sqlite_error(sentence: str) -> sqlite3.OperationalError:
    """What SQLite raises."""
    trouble = sqlite3.OperationalError(sentence)
    trouble.sqlite_errorname, trouble.sqlite_errorcode = _EXTENDED[sentence]
    return trouble

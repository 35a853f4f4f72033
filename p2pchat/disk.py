"""What we ask of the disk: the few calls on the operating system that our own files need.

    SYSTEM.create(path)  ->  SYSTEM.connect(path)  ->  SYSTEM.rename(path, aside)
    SYSTEM.append(path)  ->  write, sync, close      |  SYSTEM.replace(path, data)

Rules: plain calls that may block, in any thread. Whoever keeps a file is given a disk, so that a
world can give its nodes one in memory, which fails (`p2pchat.testing.disk`). Files that we make are
the person's alone.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import stat
from contextlib import suppress
from typing import Final
from urllib.parse import quote

from p2pchat.speech import N_

_PRIVATE: Final = 0o600
_MAKE: Final = os.O_CREAT | os.O_CLOEXEC


class Appending:
    """A file that grows at its end, made by `Disk.append`. Every method may raise `OSError`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, data: bytes) -> None:
        """Write this at the end. It may be lost with the power until `sync`."""
        left = memoryview(data)
        while left:
            left = left[os.write(self._descriptor, left) :]

    def sync(self) -> None:
        """Have on the disk what was written; returns when it is."""
        os.fsync(self._descriptor)

    def truncate(self, size: int) -> None:
        """Cut the file to this many bytes, as for a last line that was written in part."""
        os.ftruncate(self._descriptor, size)

    def close(self) -> None:
        """Close it; not to be used afterwards."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class Disk:
    """The disk of the system. Every method may raise `OSError`, where nothing else is said."""

    # ------------------------------------------------------------ what is there

    def resolved(self, path: str) -> str:
        """The absolute path, by whatever links it is reached."""
        return os.path.realpath(path)

    def exists(self, path: str) -> bool:
        """Whether there is something at this path; never raises."""
        return os.path.exists(path)

    def size(self, path: str) -> int:
        """The bytes of a file."""
        return os.path.getsize(path)

    def identity(self, path: str) -> tuple[int, int] | None:
        """What is the same for two paths of one file, None when there is none; never raises."""
        try:
            found = os.stat(path)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def head(self, path: str, count: int) -> bytes:
        """The first bytes of a regular file, `count` at most; all of it if that is negative."""
        # A pipe would have us wait until somebody writes into it, and a device may never end.
        with open(path, "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError(errno.EINVAL, N_("It is no regular file"))
            return file.read(count)

    def read(self, path: str) -> bytes:
        """All of a regular file."""
        return self.head(path, -1)

    def can_write_beside(self, path: str) -> bool:
        """Whether a file could be made in the folder of this one; never raises."""
        return os.access(os.path.dirname(os.path.abspath(path)), os.W_OK)

    # ------------------------------------------------------------ making and moving

    def make_folder(self, path: str) -> None:
        """Have this folder, and those above it, for the person alone."""
        os.makedirs(path, mode=0o700, exist_ok=True)

    def create(self, path: str, *, new: bool = False) -> None:
        """Have this file, for the person alone; `new`: raise `FileExistsError` if it is there."""
        os.close(os.open(path, os.O_RDWR | _MAKE | (os.O_EXCL if new else 0), _PRIVATE))

    def make_private(self, path: str) -> None:
        """Have an older file be the person's alone."""
        os.chmod(path, _PRIVATE)

    def rename(self, path: str, new: str) -> None:
        """Give a file another name, in whose place nothing should be."""
        os.rename(path, new)

    def unlink(self, path: str) -> None:
        """Delete a file."""
        os.unlink(path)

    # ------------------------------------------------------------ using one

    def hold(self, path: str) -> int | None:
        """Lock the file at `path`, which is made, until `let_go` or the end of this process.

        Forks share the lock. None when another process has it; else what to give `let_go`.
        """
        while True:
            descriptor = os.open(path, os.O_RDWR | _MAKE, _PRIVATE)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return None
            except BaseException:
                os.close(descriptor)
                raise
            if _is_file(descriptor, path):
                return descriptor
            os.close(descriptor)  # removed by who had it, between our opening and our locking

    def let_go(self, path: str, held: int) -> None:
        """Unlock what `hold` has locked, and delete that file; never raises."""
        # Removed while it is locked: whoever waits for it will see that it is gone.
        with suppress(OSError):  # somebody else has removed it, or the folder is read-only now
            os.unlink(path)
        os.close(held)

    def connect(self, path: str, how: str = "", timeout: float = 0.0) -> sqlite3.Connection:
        """Open an SQLite file, in autocommit mode and for any thread; raises `sqlite3.Error`.

        `how` is a parameter of SQLite's file names, as `mode=ro`; without one the file is made when
        it is not there. `timeout`: seconds to wait for another process that has it.
        """
        return sqlite3.connect(
            f"file:{quote(os.fsencode(os.path.abspath(path)))}?{how}" if how else path,
            uri=bool(how),
            timeout=timeout,
            isolation_level=None,
            check_same_thread=False,
        )

    def append(self, path: str) -> Appending:
        """Open a file to write at its end; made for the person alone when it is not there."""
        is_new = not os.path.exists(path)
        file = Appending(os.open(path, os.O_WRONLY | os.O_APPEND | _MAKE, _PRIVATE))
        if is_new:  # else all of it could be gone with the power, whatever was synced
            self.sync_folder(path)
        return file

    def replace(self, path: str, data: bytes) -> None:
        """Have this be all of the file at `path`: after a crash it holds the old or the new."""
        beside = f"{path}.new"
        with suppress(FileNotFoundError):
            os.unlink(beside)  # of a process that was killed
        descriptor = os.open(beside, os.O_WRONLY | os.O_EXCL | _MAKE, _PRIVATE)
        file = Appending(descriptor)
        try:
            file.write(data)
            file.sync()
        finally:
            file.close()
        os.rename(beside, path)
        self.sync_folder(path)

    def sync_folder(self, path: str) -> None:
        """Have on the disk that the file at `path` was made, renamed or deleted."""
        folder = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


SYSTEM: Final = Disk()
"""The disk of this computer."""


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _is_file(descriptor: int, path: str) -> bool:
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    return os.path.samestat(there, os.fstat(descriptor))

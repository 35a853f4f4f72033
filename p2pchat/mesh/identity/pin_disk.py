"""What the file of known keys asks of the disk, and the disk of the system.

Rules: plain calls that may block. Whoever keeps a file is given a disk, so that a world can give
its nodes one in memory, which fails.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import Final, Protocol

_PRIVATE: Final = 0o600


class Appending(Protocol):
    """A file that grows at its end. Every method may raise `OSError`."""

    def write(self, data: bytes, /) -> None:
        """Write this at the end."""

    def sync(self) -> None:
        """Have on the disk what was written."""

    def truncate(self, size: int, /) -> None:
        """Cut the file to this many bytes."""

    def close(self) -> None:
        """Close it."""


class PinDisk(Protocol):
    """What is asked of the disk. Every method may raise `OSError`."""

    def read(self, path: str, /) -> bytes:
        """All of a file; `FileNotFoundError` only when there is surely none."""

    def make_private(self, path: str, /) -> None:
        """Have a file be the person's alone."""

    def append(self, path: str, /) -> Appending:
        """Open a file to write at its end; made for the person alone when it is not there."""

    def replace(self, path: str, data: bytes, /) -> None:
        """Have this be all of a file: after a crash it holds the old or the new."""


class SystemFile:
    """A file of the system that grows at its end."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, data: bytes, /) -> None:
        """Write this at the end."""
        left = memoryview(data)
        while left:
            left = left[os.write(self._descriptor, left) :]

    def sync(self) -> None:
        """Have on the disk what was written."""
        os.fsync(self._descriptor)

    def truncate(self, size: int, /) -> None:
        """Cut the file to this many bytes."""
        os.ftruncate(self._descriptor, size)

    def close(self) -> None:
        """Close it."""
        os.close(self._descriptor)


class SystemDisk:
    """The disk of this computer."""

    def read(self, path: str, /) -> bytes:
        """All of a file; a device may have no end, and a pipe nobody who writes."""
        with open(path, "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError(errno.EINVAL, "it is no regular file")
            return file.read()

    def make_private(self, path: str, /) -> None:
        """Have a file be the person's alone."""
        os.chmod(path, _PRIVATE)

    def append(self, path: str, /) -> SystemFile:
        """Open a file to write at its end; made for the person alone when it is not there."""
        how = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        return SystemFile(os.open(path, how, _PRIVATE))

    def replace(self, path: str, data: bytes, /) -> None:
        """Have this be all of a file: after a crash it holds the old or the new."""
        beside = f"{path}.new"
        with suppress(FileNotFoundError):
            os.unlink(beside)  # of a process that was killed
        how = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        file = SystemFile(os.open(beside, how, _PRIVATE))
        try:
            file.write(data)
            file.sync()
        finally:
            file.close()
        os.rename(beside, path)
        folder = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _without_waiting(path: str, how: int) -> int:
    return os.open(path, how | os.O_NONBLOCK | os.O_CLOEXEC)


SYSTEM: Final = SystemDisk()

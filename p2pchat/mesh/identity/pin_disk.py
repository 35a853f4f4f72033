"""The disk, as the file of known keys uses it: see `PinDisk`."""

from __future__ import annotations

import os
from contextlib import suppress

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


class RealDisk:
    """A `PinDisk`: every file is the person's alone."""

    def exists(self, path: str) -> bool:
        """Whether there is something."""
        return os.path.lexists(path)

    def read(self, path: str) -> bytes:
        """All of a file."""
        # A pipe would wait for a writer for ever.
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            return file.read()

    def make_private(self, path: str) -> None:
        """Have a file be the person's alone."""
        os.chmod(path, 0o600)

    def append(self, path: str) -> RealFile:
        """Open a file to write at its end."""
        return RealFile(os.open(path, _FLAGS | os.O_APPEND, 0o600))

    def replace(self, path: str, data: bytes) -> None:
        """Have this be all of a file: after a crash it holds the old or the new."""
        temporary = f"{path}.new"
        with suppress(FileNotFoundError):
            os.unlink(temporary)  # of a process that was killed
        with open(os.open(temporary, _FLAGS | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)
        folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class RealFile:
    """An open file that grows at its end."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, data: bytes) -> None:
        """Write this at the end."""
        while data:
            data = data[os.write(self._descriptor, data) :]

    def sync(self) -> None:
        """Have on the disk what was written."""
        os.fsync(self._descriptor)

    def truncate(self, size: int) -> None:
        """Cut the file to this many bytes."""
        os.ftruncate(self._descriptor, size)

    def close(self) -> None:
        """Close it."""
        os.close(self._descriptor)

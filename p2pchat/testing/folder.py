"""The names of the files in memory, and the files that grow at their end.

Rules: names change in an order, and after a loss of power they are as they were after one of those
changes, none of them earlier than the last sync.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from random import Random
from typing import Protocol

from p2pchat.disk import Appending
from p2pchat.testing.databases import MemoryFile, PowerLost

_Names = dict[str, MemoryFile]


class Folder:
    """The files by their paths: as they are, and as they are on the disk."""

    def __init__(self) -> None:
        self.files: _Names = {}
        self._synced: _Names = {}
        self._changes: list[Callable[[_Names], None]] = []

    def file(self, path: str) -> MemoryFile:
        """The file at this path; raises `FileNotFoundError`."""
        if path not in self.files:
            raise trouble(errno.ENOENT, path)
        return self.files[path]

    def link(self, path: str, file: MemoryFile) -> None:
        """Put a new file there."""
        self._change(lambda names: names.update({path: file}))

    def unlink(self, path: str) -> None:
        """Take the name away."""

        def unlink(names: _Names) -> None:
            names.pop(path, None)

        self._change(unlink)

    def rename(self, path: str, new: str) -> None:
        """Give the file another name, and whatever had that one none."""

        def rename(names: _Names) -> None:
            names[new] = names.pop(path)

        self._change(rename)

    def sync(self) -> None:
        """Have all names on the disk as they are."""
        if self._changes:
            self._synced = dict(self.files)
            self._changes.clear()

    def lose_power(self, random: Random) -> None:
        """Some of the latest changes were never made, and what was not synced may be gone."""
        for change in self._changes[: random.randint(0, len(self._changes))]:
            change(self._synced)
        self.files = dict(self._synced)
        self._changes.clear()
        for file in self.files.values():
            file.lose(random)

    def _change(self, change: Callable[[_Names], None]) -> None:
        change(self.files)
        self._changes.append(change)


class Room(Protocol):
    """The disk, as a file knows it that grows at its end."""

    kills: int

    def appending(self, path: str, data: bytes) -> int:
        """How many of these bytes there is room for; raises `OSError`."""


class FakeAppending(Appending):
    """A file in memory that grows at its end; see `Appending`."""

    def __init__(self, room: Room, path: str, file: MemoryFile) -> None:
        super().__init__(-1)
        self._room = room
        self._path = path
        self._file = file
        self._life = room.kills

    def write(self, data: bytes) -> None:
        """See `Appending`."""
        while data:
            self._check_alive()
            fits = self._room.appending(self._path, data)
            self._file.about_to_change()
            self._file.data += data[:fits]
            data = data[fits:]

    def sync(self) -> None:
        """See `Appending`."""
        self._check_alive()
        self._room.appending(self._path, b"")
        self._file.sync()

    def truncate(self, size: int) -> None:
        """See `Appending`."""
        self._check_alive()
        self._room.appending(self._path, b"")
        self._file.about_to_change()
        self._file.data = self._file.data[:size].ljust(size, b"\0")

    def close(self) -> None:
        """See `Appending`."""

    def _check_alive(self) -> None:
        if self._life != self._room.kills:
            raise PowerLost


def trouble(number: int, path: str) -> OSError:
    """What the system raises."""
    return OSError(number, os.strerror(number), path)

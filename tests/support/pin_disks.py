"""A disk in memory for a file of known keys: what is there, and what would be after a power cut."""

from __future__ import annotations

import errno
from collections.abc import Callable
from functools import partial

from p2pchat.disk import Appending, Disk
from p2pchat.mesh.identity.known_keys import KnownKeys
from p2pchat.mesh.identity.pin_file import open_pins
from p2pchat.speech import Sentence

PATH = "alice@CIC.keys"
ALICE, BOB, MALLORY = (bytes([number]) * 32 for number in (1, 2, 3))


class FakeFile(Appending):
    """A file that grows at its end."""

    def __init__(self, disk: FakePinDisk, path: str) -> None:
        super().__init__(-1)
        self.disk = disk
        self.path = path

    def write(self, data: bytes) -> None:
        self.disk.calls.append("write")
        file = self.disk.files[self.path]
        room = self.disk.room
        file += data[:room]
        if room is not None:
            self.disk.room = max(0, room - len(data))
            if len(data) > room:
                raise OSError(errno.ENOSPC, "No space left on device")

    def sync(self) -> None:
        self.disk.calls.append("sync")
        if self.disk.sync_fails:
            raise OSError(errno.EIO, "Input/output error")
        self.disk.synced[self.path] = len(self.disk.files[self.path])

    def truncate(self, size: int) -> None:
        self.disk.calls.append("truncate")
        del self.disk.files[self.path][size:]
        self.disk.synced[self.path] = min(size, self.disk.synced[self.path])

    def close(self) -> None:
        pass


class FakePinDisk(Disk):
    """Files by path; `room`: bytes that still find a place, None for any number."""

    def __init__(self, files: dict[str, bytes] | None = None) -> None:
        self.files = {path: bytearray(data) for path, data in (files or {}).items()}
        self.synced = {path: len(data) for path, data in self.files.items()}
        self.calls: list[str] = []
        self.room: int | None = None
        self.read_only = False
        self.sync_fails = False

    def read(self, path: str) -> bytes:
        if path not in self.files:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        return bytes(self.files[path])

    def make_private(self, path: str) -> None:
        pass

    def append(self, path: str) -> FakeFile:
        if self.read_only:
            raise OSError(errno.EROFS, "Read-only file system")
        self.files.setdefault(path, bytearray())
        self.synced.setdefault(path, 0)
        return FakeFile(self, path)

    def replace(self, path: str, data: bytes) -> None:
        self.calls.append("replace")
        if self.read_only:
            raise OSError(errno.EROFS, "Read-only file system")
        if self.room is not None and len(data) > self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.files[path] = bytearray(data)
        self.synced[path] = len(data)


def _tell_text(tell: Callable[[str], None], sentence: Sentence) -> None:
    tell(str(sentence))


def known_keys(
    disk: FakePinDisk,
    wall: Callable[[], float],
    tell: Callable[[str], None],
    own: bytes = ALICE,
    *,
    is_new: bool = False,
) -> KnownKeys:
    """The keys that alice knows by the file on this disk."""
    file, lines = open_pins(disk, PATH, own, partial(_tell_text, tell), is_new=is_new)
    return KnownKeys(wall, file, lines)

"""The open file of known keys, as the thread uses it that waits for the disk.

Rules: calls that may block, one after the other. What was written in part is cut off before
anything else is written.
"""

from __future__ import annotations

from contextlib import suppress

from p2pchat.disk import Appending, Disk


class PinWriter:
    """The file at `path`, of which `size` bytes are whole; `torn`: there are more.

    Every method but `close` may raise `OSError`.
    """

    def __init__(self, disk: Disk, path: str, size: int, *, torn: bool) -> None:
        self.path = path
        self.size = size
        self.lost = False
        """Whether a sync has failed: nobody knows what is on the disk, until `replace`."""
        self._disk = disk
        self._torn = torn
        self._file: Appending | None = None

    def write(self, data: bytes, *, sync: bool) -> None:
        """Write this at the end; with `sync`, have on the disk all that was ever written."""
        if self._file is None:
            self._file = self._disk.append(self.path)
        if data:
            if self._torn:
                self._file.truncate(self.size)
            self._torn = True
            self._file.write(data)
            self._torn = False
            self.size += len(data)
        if sync:
            try:
                self._file.sync()
            except OSError:
                self.lost = True
                raise

    def replace(self, data: bytes) -> None:
        """Have this be all of the file, on the disk."""
        self.close()
        self._disk.replace(self.path, data)
        self.size = len(data)
        self._torn = self.lost = False

    def close(self) -> None:
        """Close the file; it is opened again when something is written."""
        if self._file is not None:
            file, self._file = self._file, None
            with suppress(OSError):
                file.close()

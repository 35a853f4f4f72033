"""The file of known keys, `NAME@NAMESPACE.keys`: it grows by a line for each event.

    open_pins  ->  append, append, ...  ->  sweep, several times a second  ->  close
                      write(2) at once         fsync within a second of the write

Rules: what was written in part is cut off before anything else is written. A disk that is full or
read-only loses nothing while the program runs: lines wait, and are tried again. After a failed
fsync nobody knows what is on the disk, so the whole file is written anew. `LIMIT` bytes are for
the caller to keep: see `grown`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Final

from p2pchat.logs.levels import Log
from p2pchat.mesh.identity.pin_disk import Appending, PinDisk
from p2pchat.mesh.identity.pin_lines import Line, PinsDamagedError, head_line, read_lines
from p2pchat.wire.text import system_reason

SYNC_WITHIN: Final = 1.0
"""Seconds after which what was written is surely on the disk."""
RETRY: Final = 5.0
"""Seconds between two tries to write what could not be written."""
LIMIT: Final = 8_000_000
"""Bytes that the file never exceeds."""
_WAITING: Final = 1_000_000
"""Bytes of lines that wait for the disk; beyond it the whole file is written anew."""
GROWTH: Final = 1_000_000
"""Bytes by which the file may grow before it is written anew."""
_AT_ONCE: Final = 1000
"""Lines that are made in one turn for a file that is written anew, some 5 ms."""
_log: Final = Log("PeerServer")


class PinFile:
    """The open file; make it with `open_pins`.

    `everything` gives the lines of all that is known now, for a file that is written anew. `tell`
    gets a sentence for the person when the disk refuses, and when it works again.
    """

    def __init__(
        self,
        disk: PinDisk,
        path: str,
        own: bytes,
        tell: Callable[[str], None],
        size: int,
        *,
        torn: bool,
    ) -> None:
        self.path = path
        self.everything: Callable[[], Iterable[bytes]] = tuple
        self.needs_writing = False
        """Whether the file is not ours as it is: `write_anew` when `everything` is there."""
        self._disk = disk
        self._own = own
        self._tell = tell
        self._file: Appending | None = None
        self._size = size
        self._size_anew = size
        self._torn = torn
        self._anew = False
        self._pieces: Iterator[bytes] | None = None
        self._made: list[bytes] = []
        self._waiting: list[bytes] = []
        self._waits = 0
        self._unsynced_since: float | None = None
        self._failed_at: float | None = None

    @property
    def failing(self) -> bool:
        """Whether something that should be in the file is not."""
        return self._failed_at is not None

    def append(self, line: bytes, now: float, *, sync: bool = False) -> bool:
        """Write a line; with `sync` have it on the disk before this returns.

        Returns whether that was done. If not, the person is told, and `sweep` tries again.
        """
        self._waiting.append(line)
        self._waits += len(line)
        if self._waits > _WAITING:
            self._anew = True
            self._waiting.clear()
            self._waits = 0
        if self.failing and not sync:
            return False
        return self._flush(now, sync=sync)

    def write_anew(self, now: float) -> bool:
        """Write the whole file anew; returns whether that was done."""
        self._anew = True
        return self._flush(now)

    def sweep(self, now: float) -> None:
        """Have on the disk what was written a second ago, and try again what failed."""
        if self._failed_at is not None:
            if not 0 <= now - self._failed_at < RETRY:
                self._flush(now, sync=True)
            return
        if self._pieces is not None or self._size - self._size_anew >= GROWTH:
            self._compact(now)
        if self._unsynced_since is not None and now - self._unsynced_since >= SYNC_WITHIN / 2:
            self._flush(now, sync=True)

    def _compact(self, now: float) -> None:
        if self._pieces is None:
            self._pieces, self._made = iter(self.everything()), []
        # What is written meanwhile stands between them: before what already knows of it, or after.
        some = [*islice(self._pieces, _AT_ONCE)]
        self._made += some
        if not some:
            self._anew = True
            self._flush(now, made=self._made)

    def close(self, now: float) -> None:
        """Have everything on the disk, as far as it goes, and close the file."""
        self._flush(now, sync=True)
        self._close()

    def _flush(
        self, now: float, *, sync: bool = False, made: Iterable[bytes] | None = None
    ) -> bool:
        try:
            if self._anew:
                self._write_anew(self.everything() if made is None else made)
            else:
                self._write(now)
            if sync and self._unsynced_since is not None:
                self._sync()
        except OSError as error:
            self._failed(error, now)
            return False
        if self._failed_at is not None:
            self._failed_at = None
            self._tell(f"the known keys are written to {self.path} again")
        return True

    def _write(self, now: float) -> None:
        if not self._waiting:
            return
        if self._file is None:
            self._file = self._disk.append(self.path)
        if self._torn:
            self._file.truncate(self._size)
            self._torn = False
        data = b"".join(self._waiting)
        self._torn = True
        self._file.write(data)
        self._torn = False
        self._size += len(data)
        if self._pieces is not None:
            self._made.append(data)
        self._waiting.clear()
        self._waits = 0
        if self._unsynced_since is None:
            self._unsynced_since = now

    def _sync(self) -> None:
        if self._file is not None:
            try:
                self._file.sync()
            except OSError:
                self._anew = True
                raise
        self._unsynced_since = None

    def _write_anew(self, lines: Iterable[bytes]) -> None:
        data = b"".join((head_line(self._own), *lines))
        self._close()
        self._disk.replace(self.path, data)
        self._size = self._size_anew = len(data)
        self._anew = self._torn = self.needs_writing = False
        self._pieces = None
        self._made = []
        self._waiting.clear()
        self._waits = 0
        self._unsynced_since = None

    def _failed(self, error: OSError, now: float) -> None:
        if self._failed_at is None:
            sentence = (
                f"the known keys cannot be written to {self.path} ({system_reason(error)}): "
                "they hold until this program ends"
            )
            _log.warn("{text}", text=sentence)
            self._tell(sentence)
        self._failed_at = now

    def _close(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            with suppress(OSError):
                file.close()


def open_pins(
    disk: PinDisk, path: str, own: bytes, tell: Callable[[str], None], *, is_new: bool = False
) -> tuple[PinFile, list[Line]]:
    """Open the file at `path`, whose folder is there and which this process alone uses.

    `own`: our own key, 32 bytes. `is_new`: the key was made just now, so that no file is expected.
    Returns the file and what it says. `tell` gets a sentence when the file should be there and is
    not, or was made with another key.

    Raises `PinsDamagedError` with a sentence when the file cannot be read: the program does not
    start then, since "nobody is known" would trust everybody anew.
    """
    data, there = b"", True
    try:
        data = disk.read(path)
    except FileNotFoundError:
        there = False
    except OSError as error:
        raise PinsDamagedError(_unreadable(path, system_reason(error))) from None
    if there:
        try:
            disk.make_private(path)
        except OSError as error:
            _log.warn("{path} may be read by others: {why}", path=path, why=system_reason(error))
    try:
        contents = read_lines(data)
    except PinsDamagedError as error:
        raise PinsDamagedError(_unreadable(path, str(error))) from None
    torn = contents.size < len(data)
    file = PinFile(disk, path, own, tell, contents.size, torn=torn)
    if torn:
        _log.warn("the last line of {path} was torn, and is left out", path=path)
    if contents.own == own:
        return file, contents.lines
    file.needs_writing = True
    if contents.own is None and not is_new:
        tell(f"nobody is known any more: {path} is {'empty' if there else 'gone'}")
    elif contents.own is not None:
        tell(f"{path} was made with another key of yours: those whom it knows are known still")
    return file, contents.lines


def _unreadable(path: str, why: str) -> str:
    return (
        f"cannot read the known keys in {path} ({why}): bring the file back from a copy, or move "
        "it away, and then nobody is known any more"
    )

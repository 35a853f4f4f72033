"""A log file that is put aside by size, followed when it is moved away, and never in the way.

Rules: `write` neither raises nor logs. While the file cannot be written the lines are counted as
lost, the person is told once, and writing is tried again every few seconds. At most `files` files
of about `max_bytes` bytes each are on the disk: `chat.log`, `chat.log.1`, ... the oldest last.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import Final

from p2pchat.speech import Sentence
from p2pchat.wire.text import shortened, why_not

_RETRY: Final = 5.0  # seconds between attempts to open a file that failed
_FOLLOW: Final = 1.0  # seconds between looks at whether the file is still the one of that name
_TELL_AGAIN: Final = 600.0  # seconds until a new outage is worth another word to the person
# Non-blocking, so that a named pipe without a reader is an error instead of a halt.
_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK


class LogFile:
    """The file `path`, opened at the first line with mode 0600; "-" is standard output.

    `max_bytes` is the size, in bytes, at which a file is put aside, and `files` how many there are
    at most, the current one included. `warn` is called with a sentence for the person when the
    file cannot be written. Call `close` at the end; a later `write` opens the file again.
    """

    def __init__(
        self, path: str, *, max_bytes: int, files: int, warn: Callable[[Sentence], None]
    ) -> None:
        self.path = path if path == "-" else os.path.abspath(os.path.expanduser(path))
        self.lost = 0
        """How many lines could not be written since the start."""
        self._max_bytes = max_bytes
        self._files = files
        self._warn = warn
        self._fd: int | None = None
        self._identity = (0, 0)
        self._regular = False
        self._size = 0
        self._torn = False
        self._failed_at: float | None = None
        self._followed_at = 0.0
        self._told_at: float | None = None

    def open(self, now: float) -> None:
        """Open the file before there is a line to write, so that a problem is told at once."""
        try:
            self._open()
            self._followed_at = now
        except OSError as error:
            self._fail(error, now)

    def write(self, line: str, now: float) -> bool:
        """Append `line`, which ends with a newline, at `now` (seconds); False when it is lost."""
        data = line.encode("utf-8", "backslashreplace")
        try:
            if self._fd is None:
                # The wall clock may jump back: only the distance counts.
                if self._failed_at is not None and abs(now - self._failed_at) < _RETRY:
                    self.lost += 1
                    return False
                self._open()
                self._followed_at = now
            elif abs(now - self._followed_at) >= _FOLLOW:
                self._follow()
                self._followed_at = now
            if self._is_full(data):
                self._put_aside(data, now)
            self._append(b"\n" + data if self._torn else data)
        except BlockingIOError:  # a pipe or a terminal that is full: the next line may pass
            self.lost += 1
            return False
        except OSError as error:
            self.lost += 1
            self._fail(error, now)
            return False
        self._failed_at = None
        return True

    def close(self) -> None:
        """Close the file, if it is open."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    @property
    def _name(self) -> Sentence | str:
        return Sentence("standard output") if self.path == "-" else shortened(self.path)

    def _open(self) -> None:
        self.close()
        self._fd = fd = os.dup(1) if self.path == "-" else os.open(self.path, _FLAGS, 0o600)
        found = os.fstat(fd)
        self._identity = (found.st_dev, found.st_ino)
        self._regular = stat.S_ISREG(found.st_mode) and self.path != "-"
        self._size = found.st_size

    def _follow(self) -> None:
        """Open the file anew when the name now belongs to another one, or to none."""
        if not self._regular:
            return
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            self._open()
            return
        if (found.st_dev, found.st_ino) != self._identity:
            self._open()
        else:
            self._size = found.st_size  # another process may write to it as well

    def _is_full(self, data: bytes) -> bool:
        return self._regular and self._size > 0 and self._size + len(data) > self._max_bytes

    def _put_aside(self, data: bytes, now: float) -> None:
        self._follow()
        if not self._is_full(data):  # another process has put it aside just now
            return
        try:
            for number in range(self._files - 2, -1, -1):
                older = f"{self.path}.{number}" if number else self.path
                if os.path.exists(older):
                    os.replace(older, f"{self.path}.{number + 1}")
            if self._files > 1:
                self._open()
        except OSError as error:
            sentence = Sentence(
                "The log {path} cannot be put aside: {why}. "
                "The chat goes on, and so do attempts to write.",
                path=self._name,
                why=why_not(error),
            )
            self._tell(sentence, now)
            if self._fd is None:
                raise
        # One file only, or a folder that we may not change: the file starts over, so that the log
        # cannot fill the disk.
        if self._fd is not None and self._size + len(data) > self._max_bytes:
            os.ftruncate(self._fd, 0)
            self._size = 0

    def _append(self, data: bytes) -> None:
        assert self._fd is not None
        view = memoryview(data)
        while view:
            written = os.write(self._fd, view)
            self._size += written
            view = view[written:]
            self._torn = bool(view)

    def _fail(self, error: OSError, now: float) -> None:
        self._failed_at = now
        self.close()
        sentence = Sentence(
            "The log cannot be written to {path}: {why}. "
            "The chat goes on, and so do attempts to write.",
            path=self._name,
            why=why_not(error),
        )
        self._tell(sentence, now)

    def _tell(self, sentence: Sentence, now: float) -> None:
        if self._told_at is None or abs(now - self._told_at) >= _TELL_AGAIN:
            self._told_at = now
            self._warn(sentence)

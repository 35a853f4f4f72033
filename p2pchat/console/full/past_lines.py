"""What was typed before, across sessions: for the Up key and Ctrl-R.

Rules: a file of the person's own (mode 0600), one line a line, the oldest forgotten; consoles that
run at once append to the same file. A line that begins with a space is not remembered. A file that
cannot be used is one warning, and the console works without.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final

from prompt_toolkit.history import History

from p2pchat.logs.levels import Log

_log: Final = Log("Terminal")
LIMIT: Final = 1000
"""Lines that are remembered."""
_LONGEST: Final = 2000
_MOST_BYTES: Final = 1_000_000


class PastLines(History):
    """Lines of earlier sessions, from the file at `path`, and of this one.

    Without a path there are those of this session alone, and nothing is written.
    """

    def __init__(self, path: str | None, limit: int = LIMIT) -> None:
        super().__init__()
        self._path = path
        self._limit = limit
        self._failed = False
        # At once, and not when they are first needed: a line that is typed before that, and
        # written to the file, would come twice.
        self._loaded_strings = [] if path is None else self._read(path)[::-1]
        self._loaded = True

    def load_history_strings(self) -> Iterable[str]:
        """Nothing: all was read in the beginning."""
        return ()

    def append_string(self, string: str) -> None:
        """Remember a line, unless it is the last one again."""
        if string.startswith(" ") or len(string) > _LONGEST or "\n" in string:
            return
        if self._loaded_strings[:1] != [string]:
            super().append_string(string)
            del self._loaded_strings[self._limit :]

    def store_string(self, string: str) -> None:
        """Append to the file."""
        if self._path is None:
            return
        try:
            with open(self._path, "ab", opener=_private) as file:
                file.write(string.encode("utf-8", "replace") + b"\n")
        except OSError as why:
            self._warn(why)

    def _read(self, path: str) -> list[str]:
        """The lines of the file, oldest first; it is made shorter when it has become too long."""
        try:
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            with open(path, "rb", opener=_private_to_read) as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - _MOST_BYTES))
                lines = file.read().decode("utf-8", "replace").split("\n")
            kept = [line for line in lines if line][-self._limit :]
            if len(lines) > 2 * self._limit:
                _rewrite(path, kept)
        except OSError as why:
            self._warn(why)
            return []
        return kept

    def _warn(self, why: OSError) -> None:
        if not self._failed:
            self._failed = True
            _log.warn(
                "What is typed cannot be remembered in {path}: {why}",
                path=self._path,
                why=why.strerror,
            )


def _rewrite(path: str, lines: list[str]) -> None:
    beside = f"{path}.{os.getpid()}"
    with open(beside, "wb", opener=_private) as file:
        file.write("".join(f"{line}\n" for line in lines).encode())
    os.replace(beside, path)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _private_to_read(path: str, _flags: int) -> int:
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    if os.fstat(fd).st_mode & 0o077:
        os.fchmod(fd, 0o600)
    return fd

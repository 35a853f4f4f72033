"""What was typed before, across sessions: for the Up key and Ctrl-R.

    /peers                    a command: offered in each conversation
    <tab>bob@CIC<tab>oi       a text: offered in the conversation in which it was typed

Rules: a file of the person's own (mode 0600), one line a line, the oldest forgotten; consoles that
run at once append to the same file. A line that begins with a space is not remembered. A file that
cannot be used is one warning, and the console works without.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Iterable
from typing import Final

from prompt_toolkit.history import History

from p2pchat.console.full.typed_text import text_of
from p2pchat.console.typed_lines import holds_words
from p2pchat.logs.levels import Log

_log: Final = Log("Terminal")
LIMIT: Final = 1000
"""Lines that are remembered."""
_LONGEST: Final = 2000
_EVERYWHERE: Final = "everywhere"
"""No conversation is called so: there is no @, no # and no *."""
_NEWLINE: Final = "\x1e"
"""Within a line of the file."""
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
        self.where = ""
        """The conversation in which is typed; empty for all together."""
        # At once, and not when they are first needed: a line that is typed before that, and
        # written to the file, would come twice.
        read = [] if path is None else self._read(path)
        self._typed = [_from_file(line) for line in reversed(read)]

    async def load(self) -> AsyncGenerator[str, None]:
        """The lines that belong here, the newest first."""
        for line in reversed(self.get_strings()):
            yield line

    def get_strings(self) -> list[str]:
        """The lines that belong here, the oldest first."""
        return [line for where, line in reversed(self._typed) if where in (_EVERYWHERE, self.where)]

    def load_history_strings(self) -> Iterable[str]:
        """Nothing: all was read in the beginning."""
        return ()

    def append_string(self, string: str) -> None:
        """Remember a line, unless it is the last one again."""
        if string.startswith(" ") or len(string) > _LONGEST:
            return
        typed = (_EVERYWHERE if text_of(string) is None else self.where, string)
        if self._typed[:1] != [typed]:
            self._typed.insert(0, typed)
            self.store_string(_for_file(*typed))
            del self._typed[self._limit :]

    def take_words_out(self, where: str) -> None:
        """Remember no more what was said in a conversation, and no command that may hold it."""
        self._typed = [
            (place, line)
            for place, line in self._typed
            if place != where and (place != _EVERYWHERE or not holds_words(line.encode()))
        ]

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


def _for_file(where: str, line: str) -> str:
    """One line of the file; a peer_id may hold anything."""
    line = line.replace("\n", _NEWLINE)
    if where in (_EVERYWHERE, ""):
        return line
    return f"\t{where.encode('unicode_escape').decode()}\t{line}"


def _from_file(line: str) -> tuple[str, str]:
    """The conversation of a line and what was typed."""
    where, text = "", line
    if line.startswith("\t"):
        escaped, _, text = line[1:].partition("\t")
        try:
            where = escaped.encode().decode("unicode_escape")
        except UnicodeDecodeError:
            text = line
    text = text.replace(_NEWLINE, "\n")
    return (_EVERYWHERE if text_of(text) is None else where), text


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

"""The file of bans of a rendezvous, and what an administrator adds to it while the server runs.

Rules: reading is done piece by piece, and never waits for what is no file. A ban holds before it is
written. One that cannot be written, or for which there is no file, holds until the server stops.
What else stands in the file, comments included, stays as it is.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Callable, Generator
from contextlib import suppress
from typing import Final

from p2pchat.rendezvous.bans import Bans, BansError, entry_in
from p2pchat.settings.checks import ConfigError
from p2pchat.speech import Sentence, sentence_of
from p2pchat.wire.networks import read_network
from p2pchat.wire.text import printable, shortened, why_not

_MOST: Final = 1_048_576
_MODE: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
_APPEND: Final = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK


def reading(path: str, more: str = "") -> Generator[None, None, Bans]:
    """What the file at `path` bans, read piece by piece; raises `ConfigError`, with a sentence.

    `more`: lines that count as if they stood at its end.
    """
    shown = shortened(path)
    try:
        text = _content(path).decode("utf-8-sig")
        return (yield from Bans.reading(f"{text}\n{more}" if more else text))
    except UnicodeDecodeError:
        raise ConfigError(Sentence("ban-file: {path}: not UTF-8 text", path=shown)) from None
    except BansError as why:
        raise ConfigError(Sentence("ban-file: {path}: {why}", path=shown, why=why)) from None


def _content(path: str) -> bytes:
    shown = shortened(path)
    try:
        # Not to wait for what is no file: a pipe may never be written to.
        with open(path, "rb", opener=lambda name, _: os.open(name, _MODE)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ConfigError(Sentence("ban-file: {path}: is no file", path=shown))
            data = file.read(_MOST + 1)
    except OSError as why:
        sentence = Sentence("ban-file: {path}: cannot be read: {why}", path=shown, why=why_not(why))
        raise ConfigError(sentence) from None
    if len(data) > _MOST:
        raise ConfigError(
            Sentence("ban-file: {path}: larger than {most} bytes", path=shown, most=_MOST)
        )
    return data


def checked_entry(text: str) -> str:
    """The entry that somebody typed; raises `ConfigError` with a sentence when it is none."""
    entry = text.strip()
    if not entry or printable(entry) != entry or entry_in(entry) != entry:
        raise ConfigError(Sentence("expected an address, a network or NAME@NAMESPACE"))
    try:
        Bans([entry])
    except BansError as why:
        raise ConfigError(sentence_of(why.why)) from None
    return entry


class BanFile:
    """The file at `path` (None: there is none), and entries that no file holds.

    `add` and `remove` block; let a thread call them.
    """

    def __init__(self, path: str | None) -> None:
        self.path = path
        self.unwritten: dict[str, None] = {}
        """Entries that hold until the server stops."""

    def reading(self) -> Generator[None, None, Bans]:
        """All that is banned, read piece by piece; raises `ConfigError`."""
        more = "\n".join(self.unwritten)
        if self.path is not None:
            return (yield from reading(self.path, more))
        try:
            return (yield from Bans.reading(more))
        except BansError as why:
            raise ConfigError(sentence_of(why)) from None

    def has(self, entry: str) -> bool:
        """Whether the file has this entry, in whatever form; raises `ConfigError`."""
        return self.path is not None and any(map(_is(entry), self._lines(self.path)))

    def add(self, entry: str) -> None:
        """Write an entry to the end of the file; raises `OSError`, and nothing was written then."""
        assert self.path is not None
        descriptor = os.open(self.path, _APPEND)
        try:
            size = os.fstat(descriptor).st_size
            whole = not size or os.pread(descriptor, 1, size - 1) == b"\n"
            line = f"{'' if whole else chr(10)}{entry}\n".encode()
            if size + len(line) > _MOST:  # the next start would refuse the whole file
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
            try:
                if os.write(descriptor, line) < len(line):
                    raise OSError(
                        errno.ENOSPC, os.strerror(errno.ENOSPC)
                    )  # half an entry is another entry
                os.fsync(descriptor)
            except OSError:
                with suppress(OSError):
                    os.ftruncate(descriptor, size)
                raise
        finally:
            os.close(descriptor)

    def remove(self, entry: str) -> None:
        """Take every line with this entry out of the file; raises `OSError` or `ConfigError`."""
        assert self.path is not None
        is_it = _is(entry)
        left = "".join(line for line in self._lines(self.path) if not is_it(line))
        place = os.path.realpath(self.path)
        beside = f"{place}.new"
        found = os.stat(place)
        with suppress(FileNotFoundError):
            os.unlink(beside)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(descriptor, "wb") as file:
                os.fchmod(descriptor, stat.S_IMODE(found.st_mode))
                if (found.st_uid, found.st_gid) != (os.geteuid(), os.getegid()):
                    with suppress(OSError):
                        os.fchown(descriptor, found.st_uid, found.st_gid)
                file.write(left.encode("utf-8", "surrogateescape"))
                file.flush()
                os.fsync(descriptor)
            os.replace(beside, place)
        except OSError:
            with suppress(OSError):
                os.unlink(beside)
            raise

    def _lines(self, path: str) -> list[str]:
        # Each with its end; whatever is no text stays what it is.
        text = _content(path).decode("utf-8", "surrogateescape")
        return [*io.StringIO(text, newline="")]


def _is(entry: str) -> Callable[[str], bool]:
    """Whether a line holds this entry; a network may be written in several ways.

    A file may have a million lines: only of what may be the same network is one made.
    """
    network = _network(entry)

    def is_it(line: str) -> bool:
        if network is None and entry not in line:
            return False
        other = entry_in(line.removeprefix("\ufeff"))
        return other == entry or (network is not None and _network(other) == network)

    return is_it


def _network(entry: str) -> object:
    """The network that an entry is; None for a name."""
    if not entry or "@" in entry or "*" in entry:
        return None
    try:
        return read_network(entry)
    except ValueError:
        return None

"""The registrations of a rendezvous in an SQLite file.

Rules: plain calls that may block and may fail, made by one thread at a time; `journal` decides
when. Time in the file is the wall clock's, because no other outlives a restart. A crash of the
process loses no finished batch, one of the machine perhaps the latest batches, neither the file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from typing import Annotated, Any, Final
from zlib import crc32

import msgspec
from msgspec import Meta

from p2pchat.disk import SYSTEM, Disk
from p2pchat.locks import Lock, lock
from p2pchat.rendezvous.hint import hint_in
from p2pchat.rendezvous.requests import MAX_NAME, MAX_TTL
from p2pchat.speech import Sentence
from p2pchat.sqlite import File, Format, InUseError, damaged, is_damage
from p2pchat.wal import is_cut


def sum_of(*fields: object) -> int:
    """The checksum of a row's other fields, in their order."""
    return crc32("\0".join(map(repr, fields)).encode())


def _upgrade(connection: sqlite3.Connection) -> None:
    """Give the rows of a file of before their sums."""
    connection.create_function("sum_of", 6, sum_of, deterministic=True)
    connection.execute("ALTER TABLE registration ADD COLUMN sum INTEGER")
    connection.execute(
        "UPDATE registration SET sum = sum_of(ip, namespace, name, port, ttl, expires)"
    )
    _add_hints(connection)


def _add_hints(connection: sqlite3.Connection) -> None:
    """Give the rows of a file of before the keys that peers say to have: none."""
    connection.execute("ALTER TABLE registration ADD COLUMN hint TEXT NOT NULL DEFAULT ''")


FORMAT: Final = Format(
    application=0x70327072,
    number=2,
    tables=(
        "CREATE TABLE registration (ip TEXT, namespace TEXT, name TEXT, port INTEGER, ttl INTEGER,"
        " expires REAL, sum INTEGER, hint TEXT NOT NULL DEFAULT '',"
        " PRIMARY KEY (ip, namespace, name)) WITHOUT ROWID",
    ),
    synchronous="NORMAL",
    upgrades={0: _upgrade, 1: _add_hints},
)

_INSERT: Final = "INSERT OR REPLACE INTO registration VALUES (?,?,?,?,?,?,?,?)"
_Key = tuple[str, str, str]
_Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]


class Row(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One registration as it is stored."""

    ip: Annotated[str, Meta(min_length=1)]
    namespace: _Name
    name: _Name
    port: Annotated[int, Meta(ge=1, le=65_535)]
    ttl: Annotated[int, Meta(ge=1, le=MAX_TTL)]
    expires: float
    """Seconds since the epoch."""
    hint: str = ""
    """The key that the peer says to have; see `hint`."""


class RegistrationFile:
    """The SQLite file at `path`.

    Every method may raise `sqlite3.Error`, `OSError` or `ForeignFileError`; the next call opens the
    file again.
    """

    def __init__(self, path: str, disk: Disk = SYSTEM) -> None:
        self._file = File(path, FORMAT, disk)
        self._disk = disk
        self._lock: Lock | None = None
        self.damaged = 0
        """Places of the file that could not be read when it was loaded; they are left out."""

    def claim(self) -> None:
        """Take the file for this process and its forks, until `release`.

        Raises `InUseError` when another server has it, and `OSError`.
        """
        if self._lock is not None:
            return
        self._lock = lock(self._disk.resolved(self.path), self._disk)
        if self._lock is None:
            raise InUseError(
                Sentence(
                    "{path} is in use by another rendezvous: choose another file, or end that one",
                    path=self.path,
                )
            )
        with suppress(OSError):  # there is none yet, or it is somebody else's
            self._disk.make_private(self.path)  # an earlier version left it to the umask

    def release(self) -> None:
        """Let another server have the file; call it when the file is closed."""
        taken, self._lock = self._lock, None
        if taken is not None:
            taken.release()

    @property
    def path(self) -> str:
        """Where the file is."""
        return self._file.path

    def load(self, now: float) -> tuple[list[Row], str | None]:
        """What is stored and has not expired at `now` (wall clock), the oldest first.

        A damaged file is renamed, and a new one begun: the second value is its new name then.
        """
        self.damaged = int(is_cut(self.path, self._disk))
        try:
            return self._read(now), None
        except sqlite3.Error as damage:
            if not is_damage(damage):
                raise
        aside = self._file.set_aside()
        return self._read(now), aside

    def write(self, rows: Iterable[Row], gone: list[_Key], *, whole: bool) -> None:
        """Store `rows` and remove `gone` in one transaction; `whole`: keep nothing but `rows`."""
        with self._file.transaction() as connection:
            if whole:
                connection.execute("DELETE FROM registration")
            connection.executemany(
                "DELETE FROM registration WHERE ip=? AND namespace=? AND name=?", gone
            )
            connection.executemany(
                _INSERT,
                map(_summed, rows),
            )

    def give_back(self) -> None:
        """Move what was written into the file itself, so that a copy of it holds everything."""
        self._file.open().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        self._file.close()

    def _read(self, now: float) -> list[Row]:
        with self._file.transaction() as connection:
            # Finds damage that the pages read below would not show until much later.
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise damaged(verdict)
            connection.text_factory = _lenient
            stored = connection.execute(
                "SELECT ip, namespace, name, port, ttl, expires, hint, sum FROM registration"
                " ORDER BY expires - ttl"
            ).fetchall()
            # Before what has expired is deleted: that a lease is over may be the damage.
            whole = [tuple(fields) for *fields, kept in stored if kept == _sum_of_row(fields)]
            rows = [row for row in map(_checked, whole) if row is not None]
            if len(whole) < len(stored):
                self.damaged += len(stored) - len(whole)
                connection.execute("DELETE FROM registration")
                connection.executemany(_INSERT, map(_summed, rows))
            connection.execute("DELETE FROM registration WHERE expires <= ?", (now,))
        return [row for row in rows if row.expires > now]


def _summed(row: Row) -> tuple[object, ...]:
    *fields, hint = msgspec.structs.astuple(row)
    return (*fields, _sum_of_row([*fields, hint]), hint)


def _sum_of_row(fields: list[object]) -> int:
    """The checksum of a row; without a hint it is as in files that knew none."""
    return sum_of(*(fields if fields[-1] else fields[:-1]))


def _lenient(text: bytes) -> str:
    """A text of the file, whatever its bytes are: its sum tells whether it is as it was."""
    return text.decode("utf-8", "replace")


def _checked(stored: tuple[Any, ...]) -> Row | None:
    """A stored row, None when somebody put nonsense there."""
    try:
        row = msgspec.convert(stored, Row)
    except msgspec.ValidationError:
        return None
    return row if row.hint == hint_in(row.hint) else None

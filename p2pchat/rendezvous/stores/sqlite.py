"""The registrations of a rendezvous in an SQLite file.

Rules: plain calls that may block and may fail, made by one thread at a time; `persistence` decides
when. Time in the file is the wall clock's, because no other outlives a restart. Write-ahead log,
synchronous=NORMAL: a crash of the process loses no finished batch, one of the machine perhaps the
latest batches, neither the file.
"""

from __future__ import annotations

import sqlite3
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from p2pchat.rendezvous.requests import MAX_NAME, MAX_TTL
from p2pchat.sqlite import is_damage, set_aside

_APPLICATION: Final = 0x70327072
"""Marks the file as ours, so that another program's database is never touched."""
_BUSY_TIMEOUT: Final = 2.0

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


class ForeignDatabaseError(Exception):
    """The file is a database of another program; the text is a sentence for the person."""


class Database:
    """The SQLite file at `path`. Every method may raise `sqlite3.Error` or `OSError`."""

    def __init__(self, path: str, connect: Any = sqlite3.connect) -> None:
        self.path = path
        self._connect = connect
        self._connection: sqlite3.Connection | None = None

    def load(self, now: float) -> tuple[list[Row], str | None]:
        """What is stored and has not expired at `now` (wall clock), the oldest first.

        A damaged file is renamed, and a new one begun: the second value is its new name then.
        Raises `ForeignDatabaseError` when the file belongs to another program.
        """
        try:
            return self._read(now), None
        except sqlite3.Error as damage:
            if not is_damage(damage):
                raise
        self.close()
        aside = set_aside(self.path)
        return self._read(now), aside

    def write(self, rows: list[Row], gone: list[_Key], *, whole: bool) -> None:
        """Store `rows` and remove `gone` in one transaction; `whole`: keep nothing but `rows`."""
        connection = self._open()
        try:
            connection.execute("BEGIN IMMEDIATE")
            if whole:
                connection.execute("DELETE FROM registration")
            connection.executemany(
                "DELETE FROM registration WHERE ip=? AND namespace=? AND name=?", gone
            )
            connection.executemany(
                "INSERT OR REPLACE INTO registration VALUES (?,?,?,?,?,?)",
                map(msgspec.structs.astuple, rows),
            )
            connection.execute("COMMIT")
        except BaseException:
            self.close()  # which undoes what was not committed
            raise

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            connection = self._connect(
                self.path, timeout=_BUSY_TIMEOUT, isolation_level=None, check_same_thread=False
            )
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        (mark,) = connection.execute("PRAGMA application_id").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables and mark != _APPLICATION:
            raise ForeignDatabaseError(f"{self.path} is the database of another program")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(f"PRAGMA application_id={_APPLICATION}")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS registration (ip TEXT, namespace TEXT, name TEXT,"
            " port INTEGER, ttl INTEGER, expires REAL, PRIMARY KEY (ip, namespace, name))"
            " WITHOUT ROWID"
        )

    def _read(self, now: float) -> list[Row]:
        connection = self._open()
        try:
            # Finds damage that the pages read below would not show until much later.
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                damage = sqlite3.DatabaseError(verdict)
                damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
                raise damage
            connection.execute("DELETE FROM registration WHERE expires <= ?", (now,))
            stored = connection.execute(
                "SELECT ip, namespace, name, port, ttl, expires FROM registration"
                " ORDER BY expires - ttl"
            ).fetchall()
        except BaseException:
            self.close()
            raise
        return [row for row in map(_checked, stored) if row is not None]


def _checked(stored: tuple[Any, ...]) -> Row | None:
    """A stored row, None when somebody put nonsense there."""
    try:
        return msgspec.convert(stored, Row)
    except msgspec.ValidationError:
        return None

"""Writing the history file.

Rules: plain calls that may block and may fail, made by one thread at a time; `store` decides when.
What `commit` was given is on the disk when it returns, all of it, or it raises and nothing is. A
damaged file is renamed, never deleted, and a new one begun.
"""

from __future__ import annotations

import os
import sqlite3
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from p2pchat.damaged import is_damage, set_aside
from p2pchat.history import deleting, past
from p2pchat.history.records import Entry, Loaded
from p2pchat.history.schema import index_words, prepare
from p2pchat.history.segments import encodable, join, unpack

if TYPE_CHECKING:
    from collections.abc import Iterable

    from p2pchat.history.records import Batch, Line

FILED_AT_ONCE: Final = 500
"""Messages that make a step of filing; what comes meanwhile waits for it."""
_BUSY_TIMEOUT: Final = 5.0
_MOST_ROWS: Final = 100
_MAX_NAMES: Final = 10_000
_INSERT: Final = "INSERT OR IGNORE INTO message VALUES (?,?,?,?,?,?,?,?)"
_WORDS: Final = "INSERT INTO words(rowid, text) VALUES (?,?)"

_Row = tuple[int, int, int, str, int, "int | None", int, str]


class Committed(NamedTuple):
    """What became of a batch that was stored."""

    unfiled: int
    """Messages in the file that are no rows of their own yet."""
    aside: str
    """What the damaged file is called now, if there was one; else empty."""


class Database:
    """The writing side of the history file at `path`.

    Every method may raise `sqlite3.Error`, `OSError` or `ForeignFileError`; the next call opens the
    file again.
    """

    def __init__(self, path: str, connect: Any = sqlite3.connect) -> None:
        self.path = path
        self._connect = connect
        self._connection: sqlite3.Connection | None = None
        self._names: dict[str, int] = {}
        self.unfiled = 0
        """Messages that are stored, but are no rows of their own yet."""
        self.has_words = True

    # ------------------------------------------------------------ what the store asks for

    def load(self, remembered: int, since: float) -> Loaded:
        """What a node needs of the past; an empty past when there is no file.

        `remembered`: how many ids at most, of messages that came after `since` (wall clock).
        """
        if not os.path.exists(self.path):
            return Loaded()
        try:
            return self._load(remembered, since)
        except sqlite3.DatabaseError as damage:
            if not is_damage(damage):
                raise
        return Loaded(aside=self._set_aside())

    def commit(self, batch: Batch) -> Committed:
        """Store `batch`.

        When the file turns out to be damaged, it is put aside, and the batch is the first in a new
        one: then write the outbox again.
        """
        aside = ""
        try:
            self._commit(batch)
        except sqlite3.DatabaseError as damage:
            if not is_damage(damage):
                raise
            aside = self._set_aside()
            self._commit(batch)
        return Committed(self.unfiled, aside)

    def file(self) -> int:
        """Turn some of the oldest segments into rows; returns how many messages are still left."""
        connection = self._open()
        lines: list[Line] = []
        upto = -1
        segments = connection.execute("SELECT id, data FROM segment ORDER BY id")
        while len(lines) < FILED_AT_ONCE and (segment := segments.fetchone()):
            upto = segment[0]
            lines += unpack(segment[1])
        segments.close()
        with _Transaction(self):
            self._insert(lines)
            connection.execute("DELETE FROM segment WHERE id <= ?", (upto,))
        self.unfiled = max(0, self.unfiled - len(lines)) if lines else 0
        return self.unfiled

    def prune(self, before: float, max_bytes: int, limit: int) -> int:
        """Delete up to `limit` of the oldest messages if they are too old, or the file too large.

        `before`: wall clock; `max_bytes`: 0 for no limit. What still waits to be delivered stays.
        Returns how many were deleted: call again while it is not 0.
        """
        connection = self._open()
        too_large = 0 < max_bytes < deleting.size(connection)
        gone = deleting.oldest(connection, limit, None if too_large else before)
        if gone:
            with _Transaction(self):
                deleting.delete(connection, gone, self.has_words)
        return len(gone)

    def forget(self, peer_id: str) -> int:
        """Delete what `peer_id` said and what was said to it; returns how many messages."""
        while self.file():
            pass
        connection = self._open()
        connection.execute("PRAGMA secure_delete=ON")
        try:
            with _Transaction(self):
                count = deleting.forget(connection, self._name(peer_id), self.has_words)
                self._names.clear()
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            if self._connection is not None:
                connection.execute("PRAGMA secure_delete=OFF")
        return count

    def size(self) -> int:
        """The bytes of the file that hold something."""
        return deleting.size(self._open())

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        connection, self._connection = self._connection, None
        self._names.clear()
        if connection is not None:
            connection.close()

    # ------------------------------------------------------------ pieces

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            _create_private(self.path)
            connection = self._connect(
                self.path, timeout=_BUSY_TIMEOUT, isolation_level=None, check_same_thread=False
            )
            try:
                prepare(connection, self.path)
                self.has_words = index_words(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _load(self, remembered: int, since: float) -> Loaded:
        try:
            connection = self._open()
            (self.unfiled,) = connection.execute(
                "SELECT coalesce(sum(count), 0) FROM segment"
            ).fetchone()
            while self.unfiled:
                self.file()
            past.drop_unused_names(connection)
            return Loaded(
                next_id=past.last_id(connection) + 1,
                seen=past.seen(connection, remembered, since),
                waiting=past.waiting(connection),
                unread=past.unread(connection),
                has_words=self.has_words,
            )
        except BaseException:
            self.close()
            raise

    def _commit(self, batch: Batch) -> None:
        connection = self._open()
        segments = [*join(batch.pieces)]
        count = len(segments)
        if 0 < count <= _MOST_ROWS and not (batch.entries or batch.changes or batch.read):
            # One statement, one transaction: the usual batch of a node that is spoken to.
            values = ",".join(["(?,?,?,?)"] * count)
            self._guarded(f"INSERT INTO segment VALUES {values}", [*chain(*segments)])
        else:
            with _Transaction(self):
                connection.executemany("INSERT INTO segment VALUES (?,?,?,?)", segments)
                self._insert(batch.entries)
                connection.executemany(
                    "UPDATE message SET state = ? WHERE id = ?",
                    [(change.state, change.id) for change in batch.changes],
                )
                connection.executemany(
                    "UPDATE name SET read_upto = max(read_upto, ?) WHERE id = ?",
                    [(upto, self._name(name)) for name, upto in batch.read.items()],
                )
        self.unfiled += sum(segment.messages for segment in segments)

    def _guarded(self, statement: str, values: list[Any]) -> None:
        try:
            self._open().execute(statement, values)
        except BaseException:
            self.close()
            raise

    def _insert(self, lines: Iterable[Line | Entry]) -> None:
        connection = self._open()
        rows = [self._row(line) for line in lines]
        connection.executemany(_INSERT, rows)
        if self.has_words:
            connection.executemany(_WORDS, [(row[0], row[7]) for row in rows])

    def _row(self, line: Line | Entry) -> _Row:
        said = None if isinstance(line, Entry) or line.said is None else int(line.said * 1000)
        return (
            line.id,
            self._name(line.conversation),
            self._name(line.sender),
            encodable(line.msg_id),
            int(line.at * 1000),
            said,
            line.state,
            encodable(line.text),
        )

    def _name(self, text: str) -> int:
        number = self._names.get(text)
        if number is None:
            connection = self._open()
            connection.execute("INSERT OR IGNORE INTO name(text) VALUES (?)", (text,))
            (number,) = connection.execute("SELECT id FROM name WHERE text = ?", (text,)).fetchone()
            if len(self._names) >= _MAX_NAMES:
                self._names.clear()
            self._names[text] = number
        return number

    def _set_aside(self) -> str:
        self.close()
        self.unfiled = 0
        return set_aside(self.path)


class _Transaction:
    """All or nothing; after a failure the file is closed, and opened by the next call."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __enter__(self) -> None:
        self._database._open().execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        connection = self._database._connection
        try:
            if kind is None and connection is not None:
                connection.execute("COMMIT")
                return
        except BaseException:
            self._database.close()
            raise
        self._database.close()  # which undoes what was not committed


def _create_private(path: str) -> None:
    """Make sure that the file exists and that nobody else may read it; nor its -wal and -shm."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))

"""Writing the history file.

Rules: plain calls that may block and may fail, made by one thread at a time; `store` decides when.
What `commit` was given is on the disk when it returns, all of it, or it raises and nothing is. A
damaged file is renamed, never deleted, and a new one begun.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from functools import partial
from itertools import chain
from typing import Any, Final, NamedTuple

from msgspec import DecodeError

from p2pchat.history import deleting, past
from p2pchat.history.names import Names, drop_unused
from p2pchat.history.pages import Pages, index_texts
from p2pchat.history.records import Batch, Entry, Loaded
from p2pchat.history.schema import index_words, prepare
from p2pchat.history.segments import FILED_AT_ONCE, PAGE, arrived, cut, encodable, join
from p2pchat.sqlite import is_damage, set_aside

_FILED_BYTES: Final = 4_000_000
_BUSY_TIMEOUT: Final = 5.0
_MOST_ROWS: Final = 100
_INSERT: Final = "INSERT OR IGNORE INTO message VALUES (?,?,?,?,?,NULL,?,?)"

_Row = tuple[int, int, int, str, int, int, str]


class Committed(NamedTuple):
    """What became of a batch that was stored."""

    unfiled: int
    """Messages in the file that are in no page yet."""
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
        self._names = Names()
        self.unfiled = 0
        """Messages that are stored, but in no page yet."""
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
        except DecodeError:
            pass  # what a row holds is damaged, which SQLite does not see
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

    def file(self, *, rest: bool = False) -> int:
        """Make pages of the oldest segments; returns how many messages are in no page yet.

        Fewer than a page stay as they are, except with `rest`. Call again while more are left.
        """
        connection = self._open()
        stored: list[bytes] = []
        upto, count, room = -1, 0, _FILED_BYTES
        segments = connection.execute("SELECT id, count, data FROM segment ORDER BY id")
        while count < FILED_AT_ONCE and room > 0 and (segment := segments.fetchone()):
            upto, messages, data = segment
            count += messages
            room -= len(data)
            stored.append(data)
        segments.close()
        if not stored:
            self.unfiled = 0
        elif count >= PAGE or rest or room <= 0:
            pages = cut(stored)
            left = [] if rest or len(pages) == 1 or pages[-1].messages == PAGE else [pages.pop()]
            with _Transaction(self):
                connection.execute("DELETE FROM segment WHERE id <= ?", (upto,))
                connection.executemany("INSERT INTO segment VALUES (?,?,?,?)", left)
                self._pages().add(pages)
            self.unfiled = max(0, self.unfiled - sum(page.messages for page in pages))
        return self.unfiled

    def prune(self, before: float, max_bytes: int, limit: int) -> int:
        """Delete some `limit` of the oldest messages if they are too old, or the file too large.

        `before`: wall clock; `max_bytes`: 0 for no limit. What still waits to be delivered stays.
        Returns how many were deleted: call again while it is not 0.
        """
        connection = self._open()
        too_large = 0 < max_bytes < deleting.size(connection)
        first = connection.execute("SELECT data FROM segment ORDER BY id LIMIT 1").fetchone()
        if first and (too_large or arrived(first[0]) < before):
            self.file(rest=True)
        with _Transaction(self):
            if too_large:
                return deleting.oldest(self._pages(), limit)
            return deleting.too_old(self._pages(), limit, before)

    def forget(self, peer_id: str) -> int:
        """Delete what `peer_id` said and what was said to it; returns how many messages."""
        while self.file(rest=True):
            pass
        connection = self._open()
        connection.execute("PRAGMA secure_delete=ON")
        try:
            with _Transaction(self):
                number = self._names.number(connection, peer_id)
                count = deleting.by_or_to(self._pages(), peer_id, number)
                self._names.forget()
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            if self._connection is not None:
                connection.execute("PRAGMA secure_delete=OFF")
        return count

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        connection, self._connection = self._connection, None
        self._names.forget()
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
                self.file(rest=True)
            drop_unused(connection)
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
            try:
                connection.execute(f"INSERT INTO segment VALUES {values}", [*chain(*segments)])
            except BaseException:
                self.close()
                raise
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
                    [
                        (upto, self._names.number(connection, name))
                        for name, upto in batch.read.items()
                    ],
                )
        self.unfiled += sum(segment.messages for segment in segments)

    def _insert(self, entries: Sequence[Entry]) -> None:
        connection = self._open()
        rows = [self._row(entry) for entry in entries]
        connection.executemany(_INSERT, rows)
        if self.has_words:
            index_texts(connection, [(row[0], row[6]) for row in rows])

    def _row(self, entry: Entry) -> _Row:
        connection, names = self._open(), self._names
        return (
            entry.id,
            names.number(connection, entry.conversation),
            names.number(connection, entry.sender),
            encodable(entry.msg_id),
            int(entry.at * 1000),
            entry.state,
            encodable(entry.text),
        )

    def _pages(self) -> Pages:
        connection = self._open()
        number = partial(self._names.number, connection)
        return Pages(connection, number, has_words=self.has_words)

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

"""Making room in a history file that is too large, and giving what is free back to the disk.

    too large -> the oldest of whom `shares` names: rows of `message`, or parts of segments
    small enough -> its free pages beyond the limit are given back

Rules: plain calls that may block, made by one thread at a time. What still waits to be delivered
stays. Nobody within its share loses a message while others are over theirs, and no friend while the
index of words holds what was deleted.
"""

from __future__ import annotations

from sqlite3 import Connection
from typing import Final

from p2pchat.history import deleting, filing, shares, words
from p2pchat.history.names import Names
from p2pchat.history.segments import is_whole, without
from p2pchat.history.shares import STRANGERS, Shares
from p2pchat.history.sums import of_segment, segment_is_whole
from p2pchat.sqlite import File, used_bytes

_STEP_BYTES: Final = 4_000_000
"""Bytes of messages that a step deletes; the transaction is about as large."""
_STEP_MESSAGES: Final = 5000
_GIVEN_AT_ONCE: Final = 256
"""Free pages that are given back at a time: 4 MiB."""


class Room:
    """Makes room in one file. `names`: the numbers of its names; `has_words`: see `Database`."""

    def __init__(self, file: File, names: Names) -> None:
        self._file = file
        self._names = names
        self._no_strangers_upto = 0
        self._deleted = False
        self._spared: set[int] = set()
        self.has_words = True
        self.removed = 0
        """Messages that went because there was no room."""

    def forget(self) -> None:
        """What is known of the file may be wrong now."""
        self._no_strangers_upto, self._deleted = 0, False

    def make(self, limits: Shares) -> int:
        """Delete until no more is in the file than may be.

        Returns how many messages that were not filed are filed now, or gone.
        """
        connection = self._file.open()
        unfiled = 0
        self._spared.clear()
        while (excess := used_bytes(connection) - limits.max_bytes) > 0:
            went = self._step(connection, limits, min(excess, _STEP_BYTES))
            if went is None:
                break
            unfiled += went
        self._give_back(connection, limits.max_bytes)
        return unfiled

    def give_back(self) -> bool:
        """Give some free pages back to the disk; whether there are more."""
        connection = self._file.open()
        (free,) = connection.execute("PRAGMA freelist_count").fetchone()
        if free <= _GIVEN_AT_ONCE // 4:
            return False
        _vacuum(connection, _GIVEN_AT_ONCE)
        if free <= _GIVEN_AT_ONCE:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return bool(free > _GIVEN_AT_ONCE)

    # ------------------------------------------------------------ pieces

    def _step(self, connection: Connection, limits: Shares, wanted: int) -> int | None:
        """Take a step; returns how many unfiled messages went, None when nothing can go."""
        over, loses = shares.losers(connection, limits, wanted, self._spared)
        if not over:
            # What is not filed of friends is counted for nobody: one of them may be over its share.
            filed = self._filed(connection)
            if filed or not loses:
                return filed or None
        if STRANGERS in loses:
            return self._strangers_lose(connection, loses[STRANGERS])
        if not self._merged(connection):
            self._friends_lose(connection, loses, wanted)
        return 0

    def _friends_lose(self, connection: Connection, loses: dict[int, int], wanted: int) -> None:
        """Delete the oldest messages of friends, so many bytes of each, but not above `wanted`."""
        gone: list[int] = []
        for friend, size in loses.items():
            room = _STEP_MESSAGES - len(gone)
            if wanted <= 0 or not room:
                break
            ids, found = shares.oldest_of(connection, friend, 0, min(size, wanted), room)
            gone += ids
            wanted -= found
            if not ids:
                self._spared.add(friend)
        self._delete(connection, gone)

    def _strangers_lose(self, connection: Connection, wanted: int) -> int:
        """Delete the oldest messages of strangers; returns how many unfiled ones went."""
        after = self._no_strangers_upto
        ids, _ = shares.oldest_of(connection, STRANGERS, after, wanted, _STEP_MESSAGES)
        if ids:
            self._delete(connection, ids)
            self._no_strangers_upto = ids[-1]
            return 0
        self._no_strangers_upto = filing.indexed_upto(connection)
        with self._file.transaction():
            shares.nothing_of_strangers(connection)
            return self._stripped(connection, wanted)

    def _delete(self, connection: Connection, ids: list[int]) -> None:
        if ids:
            with self._file.transaction():
                deleting.delete(connection, ids, has_words=self.has_words)
            self.removed += len(ids)
            self._deleted = True

    def _filed(self, connection: Connection) -> int:
        """Take a step of filing; returns how many messages are filed now."""
        with self._file.transaction():
            return filing.step(connection, self._number, has_words=self.has_words)

    def _number(self, name: str) -> int:
        return self._names.number(self._file.open(), name)

    def _stripped(self, connection: Connection, wanted: int) -> int:
        """Take strangers' messages out of the oldest segments, before they cost an index."""
        friends = frozenset(shares.friends(connection))
        gone = 0
        while wanted > 0:
            row = connection.execute(
                "SELECT id, count, strangers, data, sum FROM segment WHERE strangers > 0"
                " ORDER BY id LIMIT 1"
            ).fetchone()
            if row is None:
                break
            id_, count, strangers, data, _ = row
            whole = segment_is_whole(*row) and is_whole(data)
            left, rest = without(data, friends.__contains__) if whole else (0, b"")
            if left:
                connection.execute(
                    "UPDATE segment SET count = ?, strangers = 0, data = ?, sum = ? WHERE id = ?",
                    (left, rest, of_segment(id_, left, 0, rest), id_),
                )
            else:
                connection.execute("DELETE FROM segment WHERE id = ?", (id_,))
            gone += count - left
            wanted -= strangers
        self.removed += gone
        return gone

    def _merged(self, connection: Connection) -> bool:
        """Have the index of words lose what was deleted; False when it had already."""
        if not self._deleted or not self.has_words:
            return False
        self._deleted = False
        begin = True
        while words.merge(connection, begin=begin):
            begin = False
        return True

    def _give_back(self, connection: Connection, max_bytes: int) -> None:
        """Give back the pages that the file has beyond its limit."""
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        (page_size,) = connection.execute("PRAGMA page_size").fetchone()
        beyond = pages - max_bytes // page_size
        if beyond > 0:
            _vacuum(connection, beyond)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _vacuum(connection: Connection, pages: int) -> None:
    # As a script: `execute` would take the first of its steps only, which is one page.
    connection.executescript(f"PRAGMA incremental_vacuum({pages})")

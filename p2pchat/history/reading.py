"""Reading the history file, beside whoever writes it.

Rules: a connection of its own, read-only, so that a long search delays no message; plain calls that
may block, made by one thread at a time. What is stored but not filed yet is read as well. A file
that is not there is an empty history; any other trouble is a `HistoryError`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from itertools import islice, takewhile
from typing import Final, TypeVar

from p2pchat.disk import SYSTEM, Disk
from p2pchat.history import words as index
from p2pchat.history.mending import lenient
from p2pchat.history.records import HistoryError, Record
from p2pchat.history.schema import FIELDS, FORMAT, NAMES
from p2pchat.history.searching import Query
from p2pchat.history.segments import encodable, unpack
from p2pchat.history.shares import Held, held
from p2pchat.sqlite import File, ForeignFileError
from p2pchat.wire.address import is_called, is_plain
from p2pchat.wire.text import system_reason

_T = TypeVar("_T")
_AT_ONCE: Final = 1000
_END: Final = 1 << 62
_SELECT: Final = f"SELECT {FIELDS} FROM message m {NAMES} WHERE"
_NOT_INDEXED: Final = "m.id > (SELECT upto FROM indexed)"
_BETWEEN: Final = "m.id > :after AND m.id < :before ORDER BY m.id {order} LIMIT :count"
_ALL: Final = (f"{_SELECT} {_BETWEEN}",)
_OF_ONE: Final = (
    f"SELECT {FIELDS} FROM message_of o CROSS JOIN message m ON m.id = o.id {NAMES}"
    " WHERE o.conversation = (SELECT id FROM name WHERE text = :conversation)"
    " AND o.id > :after AND o.id < :before ORDER BY o.id {order} LIMIT :count",
    f"{_SELECT} {_NOT_INDEXED} AND m.conversation ="
    f" (SELECT id FROM name WHERE text = :conversation) AND {_BETWEEN}",
)
"""Rows of `message`: of all conversations, of one; in the latter, indexed or not."""


class Reader:
    """The reading side of the history file at `path`."""

    def __init__(self, path: str, disk: Disk = SYSTEM) -> None:
        self._disk = disk
        self._file = File(path, FORMAT, disk, on_open=self._opened, read_only=True)
        self._begun = False

    def recent(
        self, conversation: str | None, count: int, before: int | None = None
    ) -> list[Record]:
        """The last `count` messages of a conversation, or of all for None, oldest first.

        `before`: only those with a smaller id.
        """
        end = _END if before is None else before

        def read(connection: sqlite3.Connection) -> list[Record]:
            found = _rows(connection, conversation, 0, end, count, "DESC")
            segments = connection.execute(
                "SELECT data FROM segment WHERE id < ? ORDER BY id DESC", (end,)
            )
            left = count
            for (data,) in segments:
                latest = [one for one in unpack(data, conversation) if one.id < end]
                found += latest
                left -= len(latest)
                if left <= 0:
                    break
            return _sorted(found)[-count:]

        return self._read(read)

    def search(self, words: str, count: int) -> list[Record]:
        """The last `count` messages that hold all of `words`, oldest first.

        What can be asked is in `searching`.
        """
        query = Query(words)

        def look(connection: sqlite3.Connection, *, use_index: bool) -> list[Record]:
            found: list[Record] = []
            for newest in _candidates(connection, query, use_index=use_index):
                found += islice((one for one in newest if query.matches(one.text)), count)
            return _sorted(found)[-count:]

        def read(connection: sqlite3.Connection) -> list[Record]:
            try:
                return look(connection, use_index=True)
            except sqlite3.DatabaseError as trouble:
                if not index.is_broken(trouble):
                    raise
            return look(connection, use_index=False)

        return self._read(read)

    def published(self, scopes: Sequence[str], after: str, since: float, count: int) -> list[int]:
        """The ids of the last `count` PUBs of ours to one of `scopes`, oldest first.

        Only those after the one whose msg_id is `after`, if that is among them, and not older than
        `since` (wall clock). Ask for the messages themselves with `numbered`.
        """

        def read(connection: sqlite3.Connection) -> list[int]:
            marks = ",".join("?" * len(scopes))
            rows = connection.execute(
                "SELECT id, msg_id FROM message WHERE state = 1 AND at >= ? AND conversation IN"
                f" (SELECT id FROM name WHERE text IN ({marks})) ORDER BY id DESC LIMIT ?",
                (since * 1000, *scopes, count),
            )
            found = [number for number, _ in takewhile(lambda row: row[1] != after, rows)]
            return found[::-1]

        return self._read(read)

    def numbered(self, ids: Sequence[int]) -> list[Record]:
        """The messages of ours with these ids, as far as there still are any, oldest first."""

        def read(connection: sqlite3.Connection) -> list[Record]:
            marks = ",".join("?" * len(ids))
            rows = connection.execute(f"{_SELECT} m.id IN ({marks}) ORDER BY m.id", [*ids])
            return [Record(*row) for row in rows]

        return self._read(read)

    def peers_called(self, name: str) -> list[str]:
        """The peers of this name who said something, or to whom something was said."""
        # Others are written in several ways, and looked for among all names.
        first, last = (f"{name}@", f"{name}A") if is_plain(f"{name}@") else ("", chr(0x10FFFF))

        def read(connection: sqlite3.Connection) -> list[str]:
            rows = connection.execute(
                "SELECT text FROM name WHERE text >= ? AND text < ?", (first, last)
            )
            found = {text for (text,) in rows}
            for (data,) in connection.execute("SELECT data FROM segment"):
                found.update(one.sender for one in unpack(data) if one.sender.startswith(first))
            return sorted(
                peer_id for peer_id in found if "@" in peer_id and is_called(name, peer_id)
            )

        return self._read(read)

    def held(self) -> list[Held]:
        """Who has how much in the file; nothing when there is none."""
        return self._read(lambda connection: [held(connection)])

    def everything(self, conversation: str | None = None) -> Iterator[Record]:
        """All messages, oldest first, some at a time, so that writing goes on meanwhile."""
        last = 0
        while some := self._after(conversation, last):
            yield from some
            last = some[-1].id

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        self._file.close()

    # ------------------------------------------------------------ pieces

    def _after(self, conversation: str | None, last: int) -> list[Record]:
        def read(connection: sqlite3.Connection) -> list[Record]:
            found = _rows(connection, conversation, last, _END, _AT_ONCE, "ASC")
            segments = connection.execute(
                "SELECT data FROM segment WHERE id >="
                " coalesce((SELECT max(id) FROM segment WHERE id <= ?), 0) ORDER BY id",
                (last,),
            )
            left = _AT_ONCE
            for (data,) in segments:
                earliest = [one for one in unpack(data, conversation) if one.id > last]
                found += earliest
                left -= len(earliest)
                if left <= 0:
                    break
            return _sorted(found)[:_AT_ONCE]

        return self._read(read)

    def _opened(self, connection: sqlite3.Connection) -> None:
        """A file without a format is one that could not be begun."""
        connection.text_factory = lenient
        (number,) = connection.execute("PRAGMA user_version").fetchone()
        self._begun = bool(number)

    def _read(self, read: Callable[[sqlite3.Connection], list[_T]]) -> list[_T]:
        """Call `read` with the file as it is at one moment."""
        if not self._disk.exists(self._file.path):
            return []
        try:
            connection = self._file.open()
            if not self._begun:
                self.close()
                return []
            connection.execute("BEGIN")
            try:
                return read(connection)
            finally:
                connection.execute("ROLLBACK")
        except ForeignFileError as why:
            raise HistoryError(str(why)) from None
        except (sqlite3.Error, OSError, ValueError) as trouble:
            self.close()
            reason: object = trouble
            if isinstance(trouble, OSError):
                reason = f"{self._file.path}: {system_reason(trouble)}"
            raise HistoryError(f"the history cannot be read: {reason}") from None


def _rows(
    connection: sqlite3.Connection,
    conversation: str | None,
    after: int,
    before: int,
    count: int,
    order: str,
) -> list[Record]:
    """At least the first `count` rows of `message` in this order, between two ids."""
    values = {"conversation": conversation, "after": after, "before": before, "count": count}
    return [
        Record(*row)
        for statement in (_ALL if conversation is None else _OF_ONE)
        for row in connection.execute(statement.format(order=order), values)
    ]


def _candidates(
    connection: sqlite3.Connection, query: Query, *, use_index: bool
) -> Iterator[Iterator[Record]]:
    """Messages that may be what is looked for, each kind newest first."""
    segments = connection.execute("SELECT data FROM segment ORDER BY id DESC")
    yield (record for (data,) in segments for record in reversed(unpack(data)))
    part = encodable(query.part)
    if use_index and query.index_query and index.usable(connection):
        named = connection.execute(
            f"SELECT {FIELDS} FROM words w CROSS JOIN message m ON m.id = w.rowid {NAMES}"
            " WHERE words MATCH ? AND instr(m.text, ?) ORDER BY w.rowid DESC",
            (query.index_query, part),
        )
        yield (Record(*row) for row in named)
        which = f"{_NOT_INDEXED} AND"
    else:
        which = ""
    others = connection.execute(f"{_SELECT} {which} instr(m.text, ?) ORDER BY m.id DESC", (part,))
    yield (Record(*row) for row in others)


def _sorted(found: list[Record]) -> list[Record]:
    return sorted(found, key=lambda record: record.id)

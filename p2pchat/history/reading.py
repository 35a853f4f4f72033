"""Reading the history file, beside whoever writes it.

Rules: a connection of its own, read-only, so that a long search delays no message; plain calls that
may block, made by one thread at a time. What is stored but not filed yet is read as well. A file
that is not there is an empty history; any other trouble is a `HistoryError`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice, takewhile
from typing import Any, Final, TypeVar

from p2pchat.disk import SYSTEM, Disk
from p2pchat.history import moments, past
from p2pchat.history import words as index
from p2pchat.history.checking import LOOKS, Faults
from p2pchat.history.mending import lenient
from p2pchat.history.records import HistoryError, Record, Since
from p2pchat.history.schema import FIELDS, FORMAT, NAMES
from p2pchat.history.searching import Query
from p2pchat.history.segments import encodable, is_whole, unpack
from p2pchat.history.shares import Held, held
from p2pchat.history.sums import EVERY, of_name, record, segments, summed_after
from p2pchat.history.upgrading import OF_BEFORE
from p2pchat.speech import Sentence, sentence_of
from p2pchat.sqlite import File, ForeignFileError
from p2pchat.wire.address import is_called, is_plain
from p2pchat.wire.changes import said_id
from p2pchat.wire.text import why_not

_T = TypeVar("_T")
_AT_ONCE: Final = 1000
_END: Final = 1 << 62
_SELECT: Final = f"SELECT {FIELDS} FROM message m {NAMES} WHERE"
_NOT_INDEXED: Final = "m.id > (SELECT upto FROM indexed)"
_BETWEEN: Final = "m.id > :after AND m.id < :before ORDER BY m.id {order} LIMIT :count"
_ALL: Final = (f"{_SELECT} {_BETWEEN}",)
_OF_ONE: Final = (
    f"SELECT {FIELDS} FROM message_of o LEFT JOIN message m"
    f" ON m.id = o.id AND m.conversation = o.conversation {NAMES}"
    " WHERE o.conversation = (SELECT id FROM name WHERE text = :conversation)"
    " AND o.id > :after AND o.id < :before ORDER BY o.id {order} LIMIT :count",
    f"{_SELECT} {_NOT_INDEXED} AND m.conversation ="
    f" (SELECT id FROM name WHERE text = :conversation) AND {_BETWEEN}",
)
"""Rows of `message`: of all conversations, of one; in the latter, indexed or not."""
_LAST: Final = (
    "SELECT max(id) FROM (SELECT conversation AS at, max(id) AS id FROM message"
    " WHERE id > (SELECT upto FROM indexed) GROUP BY conversation UNION ALL"
    " SELECT id, (SELECT max(id) FROM message_of WHERE conversation = n.id) FROM name n)"
    " GROUP BY at HAVING max(id) < ? ORDER BY max(id) DESC LIMIT ?"
)
"""The id of the last message of each conversation."""
_IN_ONE: Final = "(:place IS NULL OR m.conversation = (SELECT id FROM name WHERE text = :place))"


class Reader:
    """The reading side of the history file at `path`."""

    def __init__(self, path: str, disk: Disk = SYSTEM) -> None:
        self._disk = disk
        self._file = File(path, FORMAT, disk, on_open=self._opened, read_only=True)
        self._begun = False
        self._unsummed = 0
        self._damaged: set[object] = set()
        self._told = 0

    def newly_damaged(self) -> int:
        """How many places were found damaged, and left out, since this was asked last."""
        new, self._told = len(self._damaged) - self._told, len(self._damaged)
        return new

    def recent(
        self, conversation: str | None, count: int, before: int | None = None
    ) -> list[Record]:
        """The last `count` messages of a conversation, or of all for None, oldest first.

        `before`: only those with a smaller id.
        """
        end = _END if before is None else before

        def read(connection: sqlite3.Connection) -> list[Record]:
            found = self._rows(connection, conversation, 0, end, count, "DESC")
            left = count
            for data in self._segments(connection, "WHERE id < ? ORDER BY id DESC", end):
                latest = [one for one in unpack(data, conversation) if one.id < end]
                found += latest
                left -= len(latest)
                if left <= 0:
                    break
            return _sorted(found)[-count:]

        return self._read(read)

    def after(self, conversation: str | None, count: int, last: int) -> list[Record]:
        """The first `count` messages, as in `recent`, with a larger id than `last`."""
        return self._after(conversation, last, count)

    def upto(self, at: float) -> list[int]:
        """The id of the last message that was kept by then, 0 for none, nothing without a file."""
        return self._read(lambda connection: [moments.upto(connection, at)])

    def received_between(self, conversation: str, after: int, upto: int, most: int) -> int:
        """How many messages of others a conversation has between two ids, `most` at most."""

        def read(connection: sqlite3.Connection) -> list[int]:
            (count,) = connection.execute(
                "SELECT count(*) FROM (SELECT 1 FROM message_of WHERE received AND conversation ="
                " (SELECT id FROM name WHERE text = ?) AND id > ? AND id <= ? LIMIT ?)",
                (conversation, after, upto, most),
            ).fetchone()
            return [min(most, count + self._not_indexed(connection, conversation, after, upto))]

        return sum(self._read(read))

    def conversations(self, count: int, before: int | None = None) -> list[Record]:
        """The last message of each conversation, of `count` of them, the latest first.

        `before`: only those whose last message has a smaller id.
        """
        end = _END if before is None else before

        def read(connection: sqlite3.Connection) -> list[Record]:
            last: dict[str, Record] = {}
            for data in self._segments(connection, "ORDER BY id DESC"):
                for each in reversed(unpack(data)):
                    last.setdefault(each.conversation, each)
            rows = connection.execute(
                f"{_SELECT} m.id IN ({_LAST}) ORDER BY m.id DESC", (end, count + len(last))
            )
            for each in self._records(rows):
                if each.id > last.setdefault(each.conversation, each).id:
                    last[each.conversation] = each
            found = [each for each in last.values() if each.id < end]
            return sorted(found, key=lambda each: -each.id)[:count]

        return self._read(read)

    def search(
        self, words: str, count: int, conversation: str | None = None, before: int | None = None
    ) -> list[Record]:
        """The last `count` messages that hold all of `words`, oldest first.

        What can be asked is in `searching`. Only those of a `conversation`, and with an id below
        `before`, if these are given.
        """
        query = Query(words)
        end = _END if before is None else before

        def is_meant(one: Record) -> bool:
            return (
                one.id < end
                and conversation in (None, one.conversation)
                and query.matches(one.text)
            )

        def look(connection: sqlite3.Connection, *, use_index: bool) -> list[Record]:
            found: list[Record] = []
            values = {"place": conversation, "end": end, "part": encodable(query.part)}
            for newest in self._candidates(connection, query, values, use_index=use_index):
                found += islice(filter(is_meant, newest), count)
            return _sorted(found)[-count:]

        def read(connection: sqlite3.Connection) -> list[Record]:
            try:
                return look(connection, use_index=True)
            except sqlite3.DatabaseError as trouble:
                if not index.is_broken(trouble):
                    raise
            return look(connection, use_index=False)

        return self._read(read)

    def published(self, scopes: Sequence[str], after: str, since: Since, count: int) -> list[int]:
        """The ids of the last `count` PUBs of ours to one of `scopes`, oldest first.

        Only those after the one whose msg_id is `after`, if that is among them, and not older than
        `since`. Ask for the messages themselves with `numbered`.
        """

        def read(connection: sqlite3.Connection) -> list[int]:
            marks = ",".join("?" * len(scopes))
            rows = connection.execute(
                "SELECT id, msg_id FROM message WHERE state = 1"
                " AND iif(id < ?, at >= ?, id >= ? OR (id >= ? AND at >= ?)) AND conversation IN"
                f" (SELECT id FROM name WHERE text IN ({marks})) ORDER BY id DESC LIMIT ?",
                (
                    since.known,
                    since.wall * 1000,
                    since.later,
                    since.first,
                    since.at * 1000,
                    *scopes,
                    count,
                ),
            )
            found = [number for number, _ in takewhile(lambda row: said_id(row[1]) != after, rows)]
            return found[::-1]

        return self._read(read)

    def numbered(self, ids: Sequence[int]) -> list[Record]:
        """The messages of ours with these ids, as far as there still are any, oldest first."""

        def read(connection: sqlite3.Connection) -> list[Record]:
            marks = ",".join("?" * len(ids))
            rows = connection.execute(f"{_SELECT} m.id IN ({marks}) ORDER BY m.id", [*ids])
            return [*self._records(rows)]

        return self._read(read)

    def peers_called(self, name: str) -> list[str]:
        """The peers of this name who said something, or to whom something was said."""
        # Others are written in several ways, and looked for among all names.
        first, last = (f"{name}@", f"{name}A") if is_plain(f"{name}@") else ("", chr(0x10FFFF))

        def read(connection: sqlite3.Connection) -> list[str]:
            rows = connection.execute(
                "SELECT id, text, sum FROM name WHERE text >= ? AND text < ?", (first, last)
            )
            found = {text for id_, text, kept in rows if kept in (None, of_name(id_, text))}
            for data in self._segments(connection):
                found.update(one.sender for one in unpack(data) if one.sender.startswith(first))
            return sorted(
                peer_id for peer_id in found if "@" in peer_id and is_called(name, peer_id)
            )

        return self._read(read)

    def count_of(self, peer_id: str) -> list[int]:
        """How many messages a peer said, or were said to it; one number, nothing without a file."""

        def read(connection: sqlite3.Connection) -> list[int]:
            (filed,) = connection.execute(
                "WITH one AS (SELECT id FROM name WHERE text = ?) SELECT count(*) FROM ("
                "SELECT id FROM message_of WHERE conversation = (SELECT id FROM one)"
                " UNION SELECT id FROM message WHERE sender = (SELECT id FROM one)"
                f" UNION SELECT m.id FROM message m WHERE {_NOT_INDEXED}"
                " AND m.conversation = (SELECT id FROM one))",
                (peer_id,),
            ).fetchone()
            stored = sum(
                peer_id in (one.sender, one.conversation)
                for data in self._segments(connection)
                for one in unpack(data)
            )
            return [int(filed) + stored]

        return self._read(read)

    def held(self) -> list[Held]:
        """Who has how much in the file; nothing when there is none."""
        return self._read(lambda connection: [held(connection)])

    def everything(self, conversation: str | None = None) -> Iterator[Record]:
        """All messages, oldest first, some at a time, so that writing goes on meanwhile."""
        last = 0
        while some := self._after(conversation, last, _AT_ONCE):
            yield from some
            last = some[-1].id

    def look(self, at: int, faults: Faults) -> list[bool]:
        """Look at the part of the file that `checking.LOOKS` has at `at`; whether to look again."""

        def read(connection: sqlite3.Connection) -> list[bool]:
            return [bool(LOOKS[at](connection, faults))]

        return self._read(read)

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        self._file.close()

    # ------------------------------------------------------------ pieces

    def _after(self, conversation: str | None, last: int, count: int) -> list[Record]:
        def read(connection: sqlite3.Connection) -> list[Record]:
            found = self._rows(connection, conversation, last, _END, count, "ASC")
            left = count
            which = "WHERE id >= coalesce((SELECT max(id) FROM segment WHERE id <= ?), 0)"
            for data in self._segments(connection, f"{which} ORDER BY id", last):
                earliest = [one for one in unpack(data, conversation) if one.id > last]
                found += earliest
                left -= len(earliest)
                if left <= 0:
                    break
            return _sorted(found)[:count]

        return self._read(read)

    def _opened(self, connection: sqlite3.Connection) -> None:
        """A file without a format is one that could not be begun."""
        connection.text_factory = lenient
        past.prepare(connection)
        (number,) = connection.execute("PRAGMA user_version").fetchone()
        self._begun = bool(number)
        if number in FORMAT.upgrades:  # nobody has written it since there are sums
            self._unsummed = EVERY
            for view in OF_BEFORE:
                connection.execute(view)
        elif self._begun:
            self._unsummed = summed_after(connection)

    def _not_indexed(
        self, connection: sqlite3.Connection, conversation: str, after: int, upto: int
    ) -> int:
        """How many of others' messages between two ids no index has yet."""
        (count,) = connection.execute(
            f"SELECT count(*) FROM message m WHERE {_NOT_INDEXED} AND m.state = 0 AND m.id > ?"
            " AND m.id <= ? AND m.conversation = (SELECT id FROM name WHERE text = ?)",
            (after, upto, conversation),
        ).fetchone()
        stored = (
            sum(after < each.id <= upto for each in unpack(data, conversation))
            for data in self._segments(connection, "WHERE id <= ? ORDER BY id", upto)
        )
        return int(count) + sum(stored)

    def _segments(
        self, connection: sqlite3.Connection, rest: str = "", *values: object
    ) -> Iterator[bytes]:
        """The data of segments that are whole; see `sums.segments`."""
        for id_, data in segments(connection, rest, *values):
            if data and is_whole(data):
                yield data
            else:
                self._damaged.add(("segment", id_))

    def _records(self, rows: Iterable[tuple[Any, ...]]) -> Iterator[Record]:
        """Those of some rows that are as they were kept."""
        for row in rows:
            found = record(row, self._unsummed)
            if found is None:
                self._damaged.add(row[0])
            else:
                yield found

    def _rows(
        self,
        connection: sqlite3.Connection,
        conversation: str | None,
        after: int,
        before: int,
        count: int,
        order: str,
    ) -> list[Record]:
        """At least the first `count` rows of `message` in this order, between two ids."""
        values = {"conversation": conversation, "after": after, "before": before}
        rows = [
            row
            for statement in (_ALL if conversation is None else _OF_ONE)
            for row in connection.execute(statement.format(order=order), {**values, "count": count})
        ]
        found = [*self._records(rows)]
        if not found and len(rows) >= count:  # none of so many is whole: others may be
            return self._rows(connection, conversation, after, before, 10 * count, order)
        return found

    def _candidates(
        self,
        connection: sqlite3.Connection,
        query: Query,
        values: Mapping[str, object],
        *,
        use_index: bool,
    ) -> Iterator[Iterator[Record]]:
        """Messages that may be what is looked for, each kind newest first; ids are below `end`."""
        stored = self._segments(connection, "WHERE id < ? ORDER BY id DESC", values["end"])
        yield (each for data in stored for each in reversed(unpack(data)))
        if use_index and query.index_query and index.usable(connection):
            named = connection.execute(
                f"SELECT {FIELDS} FROM words w LEFT JOIN message m ON m.id = w.rowid {NAMES}"
                " WHERE words MATCH :words AND instr(coalesce(m.text, :part), :part)"
                f" AND w.rowid < :end AND {_IN_ONE} ORDER BY w.rowid DESC",
                {**values, "words": query.index_query},
            )
            yield self._records(named)
            which = f"{_NOT_INDEXED} AND"
        else:
            which = ""
        others = connection.execute(
            f"{_SELECT} {which} instr(m.text, :part) AND m.id < :end AND {_IN_ONE}"
            " ORDER BY m.id DESC",
            values,
        )
        yield self._records(others)

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
            raise HistoryError(sentence_of(why)) from None
        except (sqlite3.Error, OSError, ValueError) as trouble:
            self.close()
            reason: object = trouble
            if isinstance(trouble, OSError):
                reason = Sentence("{path}: {why}", path=self._file.path, why=why_not(trouble))
            raise HistoryError(Sentence("the history cannot be read: {why}", why=reason)) from None


def _sorted(found: list[Record]) -> list[Record]:
    # By id: a page that is damaged may name a row twice.
    return sorted({record.id: record for record in found}.values(), key=lambda record: record.id)

"""Rows of `message` and their indexes: what is ours at once, what was received when it is quiet.

    a step of filing: the oldest segments -> message;  message above `indexed.upto` -> message_of,
                      words

Rules: plain calls inside a transaction of the caller. `number` gives the number of a name; see
`Names.number`. `has_words`: whether there is an index of words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from sqlite3 import Connection
from typing import Final

from p2pchat.history import shares, words
from p2pchat.history.records import PUBLISHED, Record
from p2pchat.history.segments import Row, encodable, is_whole, rows, unpack
from p2pchat.history.sums import (
    MARKS_DIFFER,
    of_message,
    segment_is_whole,
    segments,
)

AT_ONCE: Final = 5000
"""Messages that make a step of filing; what comes meanwhile waits for it, some 40 ms. In smaller
steps each message costs up to twice as much."""
_BYTES: Final = 4_000_000
"""Bytes of segments that make a step, if that is sooner."""
_MOST: Final = 1 << 62
DAMAGED: Final = "CREATE TABLE IF NOT EXISTS damaged (id INTEGER PRIMARY KEY, data)"
"""The segments, and the texts of messages, that could not be read."""
# A number that is there already is that of the same message.
_INSERT: Final = "INSERT OR IGNORE INTO message VALUES "
_ROW: Final = "(?,?,?,?,?,?,?,?,?,?)"
_ROWS: Final = 50
"""Rows in one INSERT, which costs two thirds of one for each."""


def enter(
    connection: Connection,
    number: Callable[[str], int],
    records: Iterable[Record],
    *,
    has_words: bool,
) -> None:
    """Make rows of messages of ours."""
    upto = indexed_upto(connection)
    new = [_row(record, number) for record in records]
    _insert(connection, (row for row in new if row[0] > upto))
    for row in new:
        if row[0] <= upto and connection.execute(_INSERT + _ROW, _summed(row)).rowcount > 0:
            # It was to be stored earlier, and could not be.
            _index(connection, row[0] - 1, row[0], has_words=has_words)
    friends = {row[2] for row in new} | {row[1] for row in new if row[6] != PUBLISHED}
    connection.executemany(
        "UPDATE name SET friend = 1 WHERE id = ? AND NOT friend", [(one,) for one in friends]
    )


def _row(record: Record, number: Callable[[str], int]) -> Row[int]:
    return (
        record.id,
        number(record.conversation),
        number(record.sender),
        encodable(record.msg_id),
        int(record.at * 1000),
        None,
        record.state,
        encodable(record.text),
        record.security,
    )


def step(connection: Connection, number: Callable[[str], int], *, has_words: bool) -> int:
    """File the oldest of what is not filed yet; returns how many messages, 0 when all are."""
    stored: list[bytes] = []
    upto, following, count, room = 0, _MOST, 0, _BYTES
    for id_, messages, strangers, data, kept in connection.execute(
        "SELECT id, count, strangers, data, sum FROM segment ORDER BY id"
    ):
        if count >= AT_ONCE or room <= 0:
            following = id_
            break
        upto = id_
        count += messages
        room -= len(data)
        if segment_is_whole(id_, messages, strangers, data, kept) and is_whole(data):
            stored.append(data)
        else:
            # It goes out of the way of the others, and is not thrown away.
            connection.execute(DAMAGED)
            connection.execute("INSERT OR IGNORE INTO damaged VALUES (?, ?)", (id_, data))
    _insert(connection, chain.from_iterable(rows(data, number) for data in stored))
    connection.execute("DELETE FROM segment WHERE id <= ?", (upto,))
    after = indexed_upto(connection)
    count, upto = connection.execute(
        "SELECT count(*), max(id) FROM"
        " (SELECT id FROM message WHERE id > ? AND id < ? ORDER BY id LIMIT ?)",
        (after, following, AT_ONCE),
    ).fetchone()
    if count:
        _index(connection, after, upto, has_words=has_words)
        connection.execute("UPDATE indexed SET upto = ?", (upto,))
    return int(count)


def _insert(connection: Connection, new: Iterator[Row[int]]) -> None:
    while some := [*islice(new, _ROWS)]:
        statement = _INSERT + ",".join([_ROW] * len(some))
        connection.execute(statement, [*chain.from_iterable(map(_summed, some))])


def _summed(row: Row[int]) -> tuple[object, ...]:
    return (*row, of_message(*row))


def indexed_upto(connection: Connection) -> int:
    """The id up to which all messages are in the indexes; what is above is in none."""
    (upto,) = connection.execute("SELECT upto FROM indexed").fetchone()
    return int(upto)


def last_id(connection: Connection) -> int:
    """The largest id that was given, as far as the file tells."""
    (last,) = connection.execute(
        # What is damaged counts, too: its place is taken. An id that no file reaches does not.
        "SELECT max(upto, coalesce((SELECT max(id) FROM message WHERE id < 1 << 60), 0),"
        " coalesce((SELECT max(id) FROM segment WHERE id < 1 << 60), 0), coalesce((SELECT"
        f" max(read_upto) FROM name WHERE NOT ({MARKS_DIFFER})), 0)) FROM indexed"
    ).fetchone()
    for _, data in segments(connection, "ORDER BY id DESC"):
        # Ids have gaps where messages between two pieces were ours.
        if found := unpack(data):
            return int(max(last, found[-1].id))
    return int(last)


def waits(connection: Connection, upto: int) -> bool:
    """Whether a message with an id up to this one is not filed, or not indexed."""
    (some,) = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM segment WHERE id <= ?1) OR EXISTS"
        " (SELECT 1 FROM message WHERE id > (SELECT upto FROM indexed) AND id <= ?1)",
        (upto,),
    ).fetchone()
    return bool(some)


def index_conversations(connection: Connection, after: int, upto: int) -> None:
    """Name the messages with these ids, above `after` and up to `upto`, by conversation."""
    connection.execute(
        "INSERT INTO message_of SELECT conversation, id, state = 0 FROM message"
        " WHERE id > ? AND id <= ? ORDER BY conversation, id",
        (after, upto),
    )


def _index(connection: Connection, after: int, upto: int, *, has_words: bool) -> None:
    index_conversations(connection, after, upto)
    shares.count(connection, after, upto)
    if has_words:
        words.add(connection, after, upto)
    else:
        words.missed(connection)

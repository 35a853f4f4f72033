"""What a node reads from its history file when it starts.

Rules: plain calls on a connection. What is not filed yet, as after a kill in a flood, is looked at
as it is: to file it first would take ten times as long.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from operator import itemgetter
from sqlite3 import Connection
from typing import Final

from p2pchat.history import shares, sums
from p2pchat.history.names import MANY
from p2pchat.history.records import RECEIVED, WAITING, Record, Run
from p2pchat.history.schema import FIELDS, NAMES
from p2pchat.history.segments import arrived, is_whole, rows
from p2pchat.wire.repetitions import Mark, mark_of

EVERYTHING: Final = ""
"""The name under which is noted how far the person has seen all conversations."""
_MAX_UNREAD: Final = 1000
_Seen = tuple[int, str, str, bool, Mark]
"""Id, sender, msg_id, whether it is a PUB that came late, and its text's mark."""


_BAD_TEXT: Final = " OR ".join(
    f"typeof({column}) != 'text' OR NOT is_text(CAST({column} AS BLOB))"
    for column in ("m.text", "m.msg_id", "c.text", "s.text")
)
"""Whether one that waits is not as it was said; see `prepare`."""


_WHOLE: Final = " AND ".join(
    (sums.ROW_IS_WHOLE, sums.NAME_IS_WHOLE.format("c"), sums.NAME_IS_WHOLE.format("s"))
)


def prepare(connection: Connection) -> None:
    """Make what is asked for in these statements."""
    connection.create_function("mark_of", 1, _mark_of)
    connection.create_function("is_text", 1, _is_text)
    connection.create_function("is_whole", 1, is_whole)
    sums.prepare(connection)


def seen(connection: Connection, limit: int) -> list[tuple[str, str, bool, Mark]]:
    """Sender, msg_id, whether it is a PUB that came late, and text, of the last received messages.

    Oldest first; half of `limit` of friends at most and half of strangers. Of a text there is the
    mark; None when it may not be as it came.
    """
    half = max(1, limit // 2)
    halves = _latest_unfiled(connection, half)
    names = dict(
        connection.execute(f"SELECT id, text FROM name WHERE {sums.NAME_IS_WHOLE.format('name')}")
    )
    for friend, found in enumerate(halves):
        filed = connection.execute(
            "SELECT m.id, sender, msg_id, conversation != sender AND said IS NOT NULL,"
            f" iif({sums.ROW_IS_WHOLE}, mark_of(CAST(m.text AS BLOB)), 0)"
            " FROM message m JOIN name n ON n.id = m.sender"
            " WHERE state = ? AND msg_id != '' AND friend = ? ORDER BY m.id DESC LIMIT ?",
            (RECEIVED, friend, max(0, half - len(found))),
        )
        found += [
            (id_, names[sender], msg_id, bool(late), mark)
            for id_, sender, msg_id, late, mark in filed
            if mark != 0 and type(msg_id) is str and sender in names
        ]
    return [
        (sender, msg_id, caught_up, mark)
        for _, sender, msg_id, caught_up, mark in sorted(chain(*halves), key=itemgetter(0))
    ]


def _mark_of(text: bytes) -> Mark:
    """The mark of a text that is kept; None if it may have been changed, to be kept or since."""
    return mark_of(text.decode()) if b"\\ud" not in text and _is_text(text) else None


def _is_text(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _latest_unfiled(connection: Connection, most: int) -> tuple[list[_Seen], list[_Seen]]:
    """The latest messages in segments, `most` of strangers and `most` of friends at most."""
    friends = frozenset(shares.friends(connection))
    halves: tuple[list[_Seen], list[_Seen]] = [], []
    for _, data in sums.segments(connection, "ORDER BY id DESC"):
        if not is_whole(data):
            continue
        for id_, place, sender, msg_id, _, said, _, text, _ in reversed([*rows(data, str)]):
            half = halves[sender in friends]
            if msg_id and len(half) < most:
                late = place != sender and said is not None
                half.append((id_, sender, msg_id, late, _mark_of(text.encode())))
        if len(halves[0]) == len(halves[1]) == most:
            break
    return halves


def waiting(connection: Connection) -> list[Record]:
    """The outbox, oldest first; without what is damaged, which `unreadable` counts."""
    found = connection.execute(
        f"SELECT {FIELDS} FROM message m {NAMES} WHERE m.state = 3"
        f" AND NOT ({_BAD_TEXT}) ORDER BY m.id"
    )
    after = sums.summed_after(connection)
    records = (sums.record(row, after) for row in found)
    return [each for each in records if each is not None and each.state == WAITING]


def runs(connection: Connection) -> list[Run]:
    """What was noted of earlier runs."""
    rows = connection.execute(
        "SELECT id, total / 1000.0, wall / 1000.0 FROM run WHERE sum = run_sum(id, total, wall)"
    )
    return [Run(*row) for row in rows]


def note_runs(connection: Connection, rows: Iterable[Run], needed_from: int) -> None:
    """Write rows of this run, and delete those before `needed_from` of which nothing waits."""
    connection.executemany(
        "INSERT OR REPLACE INTO run VALUES (?1, ?2, ?3, run_sum(?1, ?2, ?3))",
        [(row.id, int(row.total * 1000), int(row.wall * 1000)) for row in rows],
    )
    connection.execute(
        "DELETE FROM run WHERE id > 0 AND id < ? AND id < (SELECT max(id) FROM run WHERE id <="
        " coalesce((SELECT min(id) FROM message WHERE state = 3), 1 << 62))",
        (needed_from,),
    )


def newest(connection: Connection) -> float:
    """The latest time in the file, of messages and runs; 0 when there is none."""
    (latest,) = connection.execute(
        f"SELECT max(coalesce((SELECT at FROM message m WHERE {sums.ROW_IS_WHOLE}"
        " ORDER BY id DESC LIMIT 1), 0), coalesce((SELECT wall FROM run WHERE id = 0"
        " AND sum = run_sum(id, total, wall)), 0))"
    ).fetchone()
    for _, data in sums.segments(connection, "ORDER BY id DESC"):
        if is_whole(data):
            return max(float(latest) / 1000, arrived(data))
    return float(latest) / 1000


def unreadable(connection: Connection) -> int:
    """How many rows cannot be read: segments, and what waits."""
    (segments,) = connection.execute(
        "SELECT count(*) FROM segment WHERE NOT is_whole(data)"
        " OR NOT segment_is_whole(id, count, strangers, data, sum)"
    ).fetchone()
    (waiting,) = connection.execute(
        f"SELECT count(*) FROM message m LEFT JOIN name c ON c.id = m.conversation"
        " LEFT JOIN name s ON s.id = m.sender WHERE m.state = 3 AND"
        f" (c.id IS NULL OR s.id IS NULL OR {_BAD_TEXT} OR NOT {_WHOLE})"
    ).fetchone()
    return int(segments + waiting)


def unread(connection: Connection) -> dict[str, int]:
    """How many messages of each conversation the person has not seen, 1000 at most."""
    everything = connection.execute("SELECT read_upto FROM name WHERE text = ?", (EVERYTHING,))
    (seen_upto,) = everything.fetchone() or (0,)
    counts = Counter(
        dict(
            connection.execute(
                "SELECT text, (SELECT count(*) FROM (SELECT 1 FROM message_of WHERE"
                " conversation = name.id AND id > max(name.read_upto, ?) AND received LIMIT ?))"
                " FROM name ORDER BY friend DESC, id LIMIT ?",
                (seen_upto, _MAX_UNREAD, MANY),
            )
        )
    )
    read_upto = dict(connection.execute("SELECT text, read_upto FROM name"))
    counts.update(
        place
        for id_, place in _not_indexed(connection)
        if id_ > max(seen_upto, read_upto.get(place, 0))
    )
    return {place: min(count, _MAX_UNREAD) for place, count in counts.items() if count}


def _not_indexed(connection: Connection) -> Iterator[tuple[int, str]]:
    """Id and conversation of each received message that no index has yet."""
    yield from connection.execute(
        "SELECT m.id, c.text FROM message m JOIN name c ON c.id = m.conversation"
        " WHERE m.id > (SELECT upto FROM indexed) AND m.state = ?",
        (RECEIVED,),
    )
    for _, data in sums.segments(connection):
        if is_whole(data):
            for row in rows(data, str):
                yield row[0], row[1]

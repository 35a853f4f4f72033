"""What a node reads from its history file when it starts.

Rules: plain calls on a connection. What is not filed yet, as after a kill in a flood, is looked at
as it is: to file it first would take ten times as long.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from sqlite3 import Connection
from typing import Final

from p2pchat.history.names import MANY
from p2pchat.history.records import RECEIVED, Record
from p2pchat.history.schema import FIELDS, NAMES
from p2pchat.history.segments import rows

EVERYTHING: Final = ""
"""The name under which is noted how far the person has seen all conversations."""
_MAX_UNREAD: Final = 1000


def seen(connection: Connection, limit: int, since: float) -> list[tuple[str, str, bool]]:
    """Sender, msg_id and whether it is a PUB that came late, of the last received messages.

    Oldest first, at most `limit`, and only those that came after `since` (wall clock).
    """
    found: list[tuple[str, str, bool, int]] = []
    for (data,) in connection.execute("SELECT data FROM segment ORDER BY id DESC"):
        latest = [
            (sender, msg_id, place != sender and said is not None, at)
            for _, place, sender, msg_id, at, said, _, _ in rows(data, str)
            if msg_id
        ]
        found += reversed(latest)
        if len(found) >= limit:
            break
    names = dict(connection.execute("SELECT id, text FROM name"))
    filed = connection.execute(
        "SELECT sender, msg_id, conversation != sender AND said IS NOT NULL, at FROM message"
        " WHERE state = ? AND msg_id != '' ORDER BY id DESC LIMIT ?",
        (RECEIVED, max(0, limit - len(found))),
    )
    found += [(names[sender], msg_id, bool(late), at) for sender, msg_id, late, at in filed]
    latest_first = found[:limit]
    return [
        (sender, msg_id, caught_up)
        for sender, msg_id, caught_up, at in reversed(latest_first)
        if at >= since * 1000
    ]


def waiting(connection: Connection) -> list[Record]:
    """The outbox, oldest first."""
    found = connection.execute(
        f"SELECT {FIELDS} FROM message m {NAMES} WHERE m.state = 3 ORDER BY m.id"
    )
    return [Record(*row) for row in found]


def unread(connection: Connection) -> dict[str, int]:
    """How many messages of each conversation the person has not seen, 1000 at most."""
    everything = connection.execute("SELECT read_upto FROM name WHERE text = ?", (EVERYTHING,))
    (seen_upto,) = everything.fetchone() or (0,)
    counts = Counter(
        dict(
            connection.execute(
                "SELECT text, (SELECT count(*) FROM (SELECT 1 FROM message_of WHERE"
                " conversation = name.id AND id > max(name.read_upto, ?) AND received LIMIT ?))"
                " FROM name ORDER BY id LIMIT ?",
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
    for (data,) in connection.execute("SELECT data FROM segment"):
        for row in rows(data, str):
            yield row[0], row[1]

"""What a node reads from its history file when it starts.

Rules: plain calls on a connection, after everything was filed.
"""

from __future__ import annotations

from collections import Counter
from sqlite3 import Connection
from typing import Final

from p2pchat.history.names import MANY
from p2pchat.history.records import Entry
from p2pchat.history.segments import unpack

_MAX_UNREAD: Final = 1000
EVERYTHING: Final = ""
"""The name under which is noted how far the person has seen all conversations."""


def last_id(connection: Connection) -> int:
    """The largest id that was given."""
    (last,) = connection.execute(
        "SELECT max((SELECT coalesce(max(id), 0) FROM message),"
        " (SELECT coalesce(max(last), 0) FROM page WHERE id = (SELECT max(id) FROM page)))"
    ).fetchone()
    return int(last)


def seen(connection: Connection, limit: int, since: float) -> list[tuple[str, str, bool]]:
    """Sender, msg_id and whether it was published, of up to `limit` messages, oldest first.

    Only those that came after `since` (wall clock).
    """
    found: list[tuple[str, str, bool]] = []
    for (data,) in connection.execute("SELECT data FROM page ORDER BY id DESC"):
        lines = [line for line in unpack(data) if line.at >= since]
        found += [
            (line.sender, line.msg_id, line.conversation != line.sender)
            for line in reversed(lines)
            if line.msg_id
        ]
        if not lines or len(found) >= limit:
            break
    return found[:limit][::-1]


def waiting(connection: Connection) -> list[Entry]:
    """The outbox, oldest first."""
    rows = connection.execute(
        "SELECT m.id, c.text, s.text, m.msg_id, m.at / 1000.0, m.state, m.text FROM message m"
        " JOIN name c ON c.id = m.conversation JOIN name s ON s.id = m.sender"
        " WHERE m.state = 3 ORDER BY m.id"
    )
    return [Entry(*row) for row in rows]


def unread(connection: Connection) -> dict[str, int]:
    """How many messages of each conversation the person has not seen, 1000 at most."""
    found = {}
    everything = connection.execute("SELECT read_upto FROM name WHERE text = ?", (EVERYTHING,))
    (seen_upto,) = everything.fetchone() or (0,)
    names = connection.execute(
        "SELECT id, text, max(read_upto, ?) FROM name ORDER BY id LIMIT ?", (seen_upto, MANY)
    ).fetchall()
    begun: dict[int, Counter[str]] = {}
    for id_, text, upto in names:
        if upto not in begun:
            begun[upto] = _unread_of_page(connection, upto)
        (count,) = connection.execute(
            "SELECT coalesce(sum(count), 0) FROM (SELECT count FROM page_of"
            " WHERE name = ? AND page > ? AND count > 0 LIMIT ?)",
            (id_, upto, _MAX_UNREAD),
        ).fetchone()
        count += begun[upto][text]
        if count:
            found[text] = min(count, _MAX_UNREAD)
    return found


def _unread_of_page(connection: Connection, upto: int) -> Counter[str]:
    """The conversations of what comes after `upto` in the page that begins before it."""
    found: Counter[str] = Counter()
    for (data,) in connection.execute(
        "SELECT data FROM page WHERE id <= ? ORDER BY id DESC LIMIT 1", (upto,)
    ):
        found.update(line.conversation for line in unpack(data) if line.id > upto)
    return found

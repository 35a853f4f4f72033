"""What a node reads from its history file when it starts.

Rules: plain calls on a connection, after everything was filed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from p2pchat.history.records import RECEIVED, Entry

if TYPE_CHECKING:
    from sqlite3 import Connection

_MANY_NAMES: Final = 10_000
_MAX_UNREAD: Final = 1000
EVERYTHING: Final = ""
"""The name under which is noted how far the person has seen all conversations."""


def last_id(connection: Connection) -> int:
    """The largest id that was given."""
    (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM message").fetchone()
    return int(last)


def seen(connection: Connection, limit: int, since: float) -> list[tuple[str, str, bool]]:
    """Sender, msg_id and whether it was published, of up to `limit` messages, oldest first.

    Only those that came after `since` (wall clock).
    """
    rows = connection.execute(
        "SELECT s.text, m.msg_id, m.conversation != m.sender FROM message m"
        " JOIN name s ON s.id = m.sender"
        " WHERE m.id > (SELECT coalesce(max(id), 0) FROM message) - ? AND m.at >= ?"
        " AND m.state = ? AND m.msg_id != '' ORDER BY m.id",
        (limit, since * 1000, RECEIVED),
    )
    return [(sender, msg_id, bool(published)) for sender, msg_id, published in rows]


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
        "SELECT id, text, max(read_upto, ?) FROM name ORDER BY id LIMIT ?", (seen_upto, _MANY_NAMES)
    ).fetchall()
    for id_, text, read_upto in names:
        (count,) = connection.execute(
            "SELECT count(*) FROM (SELECT 1 FROM message WHERE conversation = ? AND id > ?"
            " AND state = ? LIMIT ?)",
            (id_, read_upto, RECEIVED, _MAX_UNREAD),
        ).fetchone()
        if count:
            found[text] = count
    return found


def drop_unused_names(connection: Connection) -> None:
    """Delete the names of whom nothing is kept, when there are many."""
    (names,) = connection.execute("SELECT count(*) FROM name").fetchone()
    if names > _MANY_NAMES:
        connection.execute(
            "DELETE FROM name WHERE text != '' AND id NOT IN"
            " (SELECT conversation FROM message UNION SELECT sender FROM message)"
        )

"""What a node reads from its history file when it starts.

Rules: plain calls on a connection, after everything was filed.
"""

from __future__ import annotations

from sqlite3 import Connection
from typing import Final

from p2pchat.history.names import MANY
from p2pchat.history.records import Record
from p2pchat.history.schema import FIELDS, NAMES

EVERYTHING: Final = ""
"""The name under which is noted how far the person has seen all conversations."""
_MAX_UNREAD: Final = 1000
_LONG: Final = 2000
"""Characters of a text that is not read at the start to tell another text of the same id."""


def last_id(connection: Connection) -> int:
    """The largest id that was given, as far as the file tells."""
    (last,) = connection.execute(
        "SELECT max((SELECT coalesce(max(id), 0) FROM message), (SELECT upto FROM indexed),"
        " (SELECT coalesce(max(read_upto), 0) FROM name))"
    ).fetchone()
    return int(last)


def seen(
    connection: Connection, limit: int, since: float
) -> list[tuple[str, str, bool, str | None]]:
    """Sender, msg_id, whether it was published, and text, of the last received messages.

    Oldest first; half of `limit` of friends at most and half of strangers, and only those that came
    after `since` (wall clock). The text is None when it is long, or not as it was received.
    """
    names = dict(connection.execute("SELECT id, text FROM name"))
    latest: list[tuple[int, int, str, int, int, str | None]] = []
    for friend in (0, 1):
        latest += connection.execute(
            "SELECT m.id, sender, msg_id, conversation != sender, at,"
            " CASE WHEN length(m.text) <= ? AND NOT instr(m.text, '\\ud') THEN m.text END"
            " FROM message m JOIN name n ON n.id = m.sender"
            " WHERE state = 0 AND msg_id != '' AND friend = ? ORDER BY m.id DESC LIMIT ?",
            (_LONG, friend, max(1, limit // 2)),
        )
    return [
        (names[sender], msg_id, bool(published), text)
        for _, sender, msg_id, published, at, text in sorted(latest)
        if at >= since * 1000
    ]


def waiting(connection: Connection) -> list[Record]:
    """The outbox, oldest first."""
    rows = connection.execute(
        f"SELECT {FIELDS} FROM message m {NAMES} WHERE m.state = 3 ORDER BY m.id"
    )
    return [Record(*row) for row in rows]


def unread(connection: Connection) -> dict[str, int]:
    """How many messages of each conversation the person has not seen, 1000 at most."""
    everything = connection.execute("SELECT read_upto FROM name WHERE text = ?", (EVERYTHING,))
    (seen_upto,) = everything.fetchone() or (0,)
    counted = connection.execute(
        "SELECT text, (SELECT count(*) FROM (SELECT 1 FROM message_of"
        " WHERE conversation = name.id AND id > max(name.read_upto, ?) AND received LIMIT ?))"
        " FROM name ORDER BY friend DESC, id LIMIT ?",
        (seen_upto, _MAX_UNREAD, MANY),
    )
    return {conversation: count for conversation, count in counted if count}

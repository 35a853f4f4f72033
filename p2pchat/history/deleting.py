"""Taking messages out of a history file: plain calls on a connection."""

from __future__ import annotations

from collections.abc import Iterable
from sqlite3 import Connection

from p2pchat.history import shares, words
from p2pchat.history.records import WAITING


def oldest(connection: Connection, limit: int, before: float) -> list[int]:
    """The ids of those of the `limit` oldest messages that came before a time (wall clock).

    None that still waits to be delivered, or is younger than what is still a segment.
    """
    found = connection.execute(
        "SELECT id FROM (SELECT id, at FROM message WHERE state != ?1 AND"
        " id < (SELECT coalesce(min(id), 1 << 62) FROM segment) ORDER BY id LIMIT ?2)"
        " WHERE at < ?3 * 1000.0",
        (WAITING, limit, before),
    )
    return [id_ for (id_,) in found]


def by_or_to(connection: Connection, number: int, upto: int) -> list[int]:
    """The ids of what a peer said and what was said to it, up to an id to which all is filed.

    `number`: that of its name.
    """
    found = connection.execute(
        "SELECT id FROM message_of WHERE conversation = ?1"
        " UNION SELECT id FROM message WHERE sender = ?1 AND id <= ?2",
        (number, upto),
    )
    return [id_ for (id_,) in found]


def delete(connection: Connection, ids: Iterable[int], *, has_words: bool) -> None:
    """Delete these messages, inside a transaction of the caller."""
    connection.execute("CREATE TEMP TABLE IF NOT EXISTS gone (id INTEGER PRIMARY KEY)")
    connection.executemany("INSERT INTO gone VALUES (?)", ((id_,) for id_ in ids))
    shares.uncount(connection)
    if has_words:
        words.remove(connection)
    else:
        words.missed(connection)
    connection.execute(
        "DELETE FROM message_of WHERE (conversation, id) IN"
        " (SELECT conversation, id FROM gone CROSS JOIN message USING (id))"
    )
    connection.execute("DELETE FROM message WHERE id IN gone")
    connection.execute("DELETE FROM gone")


def drop_name(connection: Connection, number: int, upto: int) -> None:
    """Delete a name, unless messages above `upto` need it; up to there none does."""
    connection.execute(
        "DELETE FROM name WHERE id = ?1 AND NOT EXISTS"
        " (SELECT 1 FROM message WHERE id > ?2 AND ?1 IN (conversation, sender))",
        (number, upto),
    )

"""Taking messages out of a history file: plain calls on a connection, inside a transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from p2pchat.history.records import WAITING

if TYPE_CHECKING:
    from sqlite3 import Connection


def size(connection: Connection) -> int:
    """The bytes of the file that hold something."""
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    (page_size,) = connection.execute("PRAGMA page_size").fetchone()
    return int((pages - free) * page_size)


def oldest(connection: Connection, limit: int, before: float | None) -> list[tuple[int, str]]:
    """Id and text of the `limit` oldest messages, of those that came before a time, if given.

    What still waits to be delivered does not count.
    """
    found = connection.execute(
        "SELECT id, text, at FROM message WHERE state != ? ORDER BY id LIMIT ?", (WAITING, limit)
    )
    return [(id_, text) for id_, text, at in found if before is None or at < before * 1000]


def delete(connection: Connection, gone: list[tuple[int, str]], has_words: bool) -> None:
    """Delete these messages, and take their texts out of the index of words, if there is one."""
    if has_words:
        connection.executemany("INSERT INTO words(words, rowid, text) VALUES ('delete',?,?)", gone)
    connection.executemany("DELETE FROM message WHERE id = ?", [(id_,) for id_, _ in gone])


def forget(connection: Connection, name: int, has_words: bool) -> int:
    """Delete all that is by or to the peer with the number `name`; returns how many messages."""
    gone = connection.execute(
        "SELECT id, text FROM message WHERE conversation = ?1 OR sender = ?1", (name,)
    ).fetchall()
    delete(connection, gone, has_words)
    connection.execute("DELETE FROM name WHERE id = ?", (name,))
    if has_words:
        # Only merging the index takes a deleted word out of it.
        connection.execute("INSERT INTO words(words) VALUES ('optimize')")
    return len(gone)

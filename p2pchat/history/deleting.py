"""Taking messages out of a history file: plain calls inside a transaction of the caller.

What is old goes a page at a time, so a step may delete some more messages than it is asked for.
Each call returns how many it has deleted.
"""

from __future__ import annotations

from collections.abc import Callable
from sqlite3 import Connection
from typing import Final

from p2pchat.history.pages import Pages, unindex_texts
from p2pchat.history.records import WAITING, Line
from p2pchat.history.segments import Segment, unpack

_OWN: Final = "SELECT id, text FROM message"


def size(connection: Connection) -> int:
    """The bytes of the file that hold something."""
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    (page_size,) = connection.execute("PRAGMA page_size").fetchone()
    return int((pages - free) * page_size)


def too_old(pages: Pages, limit: int, before: float) -> int:
    """Delete some `limit` of the oldest messages, of those that came before a time (wall clock).

    What still waits to be delivered stays.
    """
    count = 0
    first = pages.connection.execute("SELECT id FROM page ORDER BY id LIMIT ?", (limit,))
    for (id_,) in first.fetchall():
        gone = _keep(pages, id_, lambda line: line.at >= before)
        count += gone
        if not gone or count >= limit:
            break
    # Only the oldest are looked at: there may be many.
    own = pages.connection.execute(
        "SELECT id, text FROM (SELECT id, text, at FROM message WHERE state != ?"
        " ORDER BY id LIMIT ?) WHERE at < ?",
        (WAITING, limit, before * 1000),
    )
    return count + _delete_own(pages, own.fetchall())


def oldest(pages: Pages, limit: int) -> int:
    """Delete some `limit` of the oldest messages, but not what still waits to be delivered."""
    connection = pages.connection
    own = connection.execute(f"{_OWN} WHERE state != ? ORDER BY id LIMIT ?", (WAITING, limit))
    older: list[tuple[int, str]] = own.fetchall()
    gone: list[tuple[int, str]] = []
    count = 0
    first = connection.execute("SELECT id, count FROM page ORDER BY id LIMIT ?", (limit,))
    for id_, messages in first.fetchall():
        while older and older[0][0] < id_ and count + len(gone) < limit:
            gone.append(older.pop(0))
        if count + len(gone) >= limit:
            break
        _keep(pages, id_, lambda _: False)
        count += messages
    gone += older[: max(0, limit - count - len(gone))]
    return count + _delete_own(pages, gone)


def by_or_to(pages: Pages, name: str, number: int) -> int:
    """Delete all that is by or to the peer of this name and number, and the name."""
    connection = pages.connection
    theirs = connection.execute("SELECT page FROM page_of WHERE name = ?", (number,)).fetchall()
    count = sum(
        _keep(pages, id_, lambda line: name not in (line.sender, line.conversation))
        for (id_,) in theirs
    )
    own = connection.execute(f"{_OWN} WHERE conversation = ?1 OR sender = ?1", (number,))
    count += _delete_own(pages, own.fetchall())
    connection.execute("DELETE FROM name WHERE id = ?", (number,))
    if pages.has_words:
        # Only merging the index takes a deleted word out of it.
        connection.execute("INSERT INTO page_words(page_words) VALUES ('optimize')")
    return count


def _keep(pages: Pages, id_: int, wanted: Callable[[Line], bool]) -> int:
    """Keep only what is wanted of a page."""
    row = pages.connection.execute("SELECT id, last, count, data FROM page WHERE id = ?", (id_,))
    page = Segment(*row.fetchone())
    left = [line for line in unpack(page.data) if wanted(line)]
    if len(left) < page.messages:
        pages.replace(page, left)
    return page.messages - len(left)


def _delete_own(pages: Pages, gone: list[tuple[int, str]]) -> int:
    connection = pages.connection
    if pages.has_words:
        unindex_texts(connection, gone)
    connection.executemany("DELETE FROM message WHERE id = ?", [(id_,) for id_, _ in gone])
    return len(gone)

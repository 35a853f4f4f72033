"""Who has how much of a history file, and who loses when there is no room.

    name.bytes        what each sender has in `message`, as far as it is indexed
    segment.strangers what strangers have in what is not filed yet

Strangers are one group with one share, each friend has a share, and so have we. Rules: plain calls
on a connection. Who is over its share loses its oldest messages first, strangers before friends;
then strangers, down to nothing; and only then the friend that has most.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from sqlite3 import Connection
from typing import Final, NamedTuple

_SIZE: Final = "(100 + length(msg_id) + length(CAST(text AS BLOB)))"
"""The bytes that a message takes, with its part of the indexes, roughly."""


class Shares(NamedTuple):
    """How large the file may be, and its parts, in bytes."""

    max_bytes: int
    """0 for no limit."""
    strangers: int
    """All strangers together."""
    peer: int
    """Each friend."""

    @classmethod
    def of(cls, max_bytes: int, strangers: int, peer: int) -> Shares:
        """From shares in percent."""
        return cls(max_bytes, max_bytes * strangers // 100, max_bytes * peer // 100)


class Loser(NamedTuple):
    """Who loses messages next."""

    friend: int
    """The number of its name; 0 for strangers."""
    over: bool
    """Whether it has more than its share."""


def count(connection: Connection, after: int, upto: int) -> None:
    """Count the messages above `after`, up to `upto`, for their senders."""
    _add(connection, f"message WHERE id > {int(after)} AND id <= {int(upto)}", 1)


def uncount(connection: Connection) -> None:
    """Count the messages that `gone` lists, which are still there, no more."""
    _add(
        connection,
        "gone JOIN message USING (id) WHERE id <= (SELECT upto FROM indexed)",
        -1,
    )


def _add(connection: Connection, which: str, sign: int) -> None:
    sizes = connection.execute(
        f"SELECT {sign} * sum({_SIZE}), sender FROM {which} GROUP BY sender"
    ).fetchall()
    connection.executemany("UPDATE name SET bytes = max(0, bytes + ?) WHERE id = ?", sizes)


def loser(connection: Connection, shares: Shares, spared: Iterable[int] = ()) -> Loser | None:
    """Who loses next; None when nobody has anything that is filed, or is a stranger's.

    `spared`: the friends of whom nothing may go.
    """
    (filed, stored) = connection.execute(
        "SELECT (SELECT coalesce(sum(bytes), 0) FROM name WHERE NOT friend),"
        " (SELECT coalesce(sum(strangers), 0) FROM segment)"
    ).fetchone()
    strangers = filed + stored
    if strangers > shares.strangers:
        return Loser(0, over=True)
    most = connection.execute(
        "SELECT id, bytes FROM name WHERE friend AND bytes > 0"
        f" AND id NOT IN ({','.join(map(str, spared))}) ORDER BY bytes DESC LIMIT 1"
    ).fetchone()
    if most and most[1] > shares.peer:
        return Loser(most[0], over=True)
    if strangers:
        return Loser(0, over=False)
    return Loser(most[0], over=False) if most else None


def nothing_of_strangers(connection: Connection) -> None:
    """Count no message for strangers: there is none that is filed."""
    connection.execute("UPDATE name SET bytes = 0 WHERE NOT friend AND bytes")


def oldest_of(
    connection: Connection, friend: int, after: int, wanted: int, limit: int
) -> list[int]:
    """The ids of the oldest messages of a friend, or of strangers for 0, of `wanted` bytes.

    At most `limit`, of those that are indexed and do not wait, above the id `after`.
    """
    whose = "sender = :friend" if friend else "NOT (SELECT friend FROM name WHERE name.id = sender)"
    rows = connection.execute(
        f"SELECT id, {_SIZE} FROM message WHERE {whose} AND id > :after AND state != 3"
        " AND id <= (SELECT upto FROM indexed) ORDER BY id LIMIT :limit",
        {"friend": friend, "after": after, "limit": limit},
    )
    return [*_of_bytes(rows, wanted)]


def _of_bytes(rows: Iterator[tuple[int, int]], wanted: int) -> Iterator[int]:
    for id_, size in rows:
        if wanted <= 0:
            return
        wanted -= size
        yield id_


def friends(connection: Connection) -> list[str]:
    """The names of the friends, the oldest first, us included."""
    return [
        text for (text,) in connection.execute("SELECT text FROM name WHERE friend ORDER BY id")
    ]

"""Who has how much of a history file, and who loses when there is no room.

    name.bytes        what each sender has in `message`, as far as it is indexed
    segment.strangers what strangers have in what is not filed yet

Strangers are one group with one share, each friend has a share, and so have we. Rules: plain calls
on a connection. Who is over its share loses its oldest messages first, down to its share, strangers
before friends; then strangers, down to nothing; and only then a friend. Of friends always the one
that has most loses.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
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


STRANGERS: Final = 0
"""The number that stands for all strangers where others stand with those of their names."""


class Losers(NamedTuple):
    """Who loses messages next."""

    over: bool
    """Whether they have more than their shares."""
    loses: dict[int, int]
    """Bytes that each loses: friends, or `STRANGERS` alone."""


class Held(NamedTuple):
    """How many bytes of messages who has in the file."""

    strangers: int = 0
    friends: int = 0
    """All of them together, and we ourselves."""
    most: int = 0
    """The one who has most."""


def held(connection: Connection) -> Held:
    """Who has how much now; of friends as far as it is filed."""
    return Held(
        *connection.execute(
            "SELECT (SELECT coalesce(sum(bytes), 0) FROM name WHERE NOT friend)"
            " + (SELECT coalesce(sum(strangers), 0) FROM segment),"
            " (SELECT coalesce(sum(bytes), 0) FROM name WHERE friend),"
            " (SELECT coalesce(max(bytes), 0) FROM name WHERE friend)"
        ).fetchone()
    )


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


def count_anew(connection: Connection, damaged: Iterable[int]) -> None:
    """Count the indexed messages of each sender anew; `damaged`: of whom nothing else is known."""
    connection.executemany(
        "UPDATE name SET read_upto = 0, friend = EXISTS (SELECT 1 FROM message WHERE state != 0"
        " AND (sender = name.id OR conversation = name.id AND state != 1)) WHERE id = ?",
        [(number,) for number in damaged],
    )
    connection.execute(
        f"UPDATE name SET bytes = coalesce((SELECT sum({_SIZE}) FROM message"
        " WHERE sender = name.id AND id <= (SELECT upto FROM indexed)), 0)"
    )


def losers(
    connection: Connection, shares: Shares, wanted: int, spared: Iterable[int] = ()
) -> Losers:
    """Who loses next, when so many bytes are to go: strangers, or the friends that have most.

    Nobody when nobody has anything that is filed, or is a stranger's. `spared`: the friends of whom
    nothing may go.
    """
    (filed, stored) = connection.execute(
        "SELECT (SELECT coalesce(sum(bytes), 0) FROM name WHERE NOT friend),"
        " (SELECT coalesce(sum(strangers), 0) FROM segment)"
    ).fetchone()
    strangers = filed + stored
    if strangers > shares.strangers:
        return Losers(True, {STRANGERS: min(wanted, strangers - shares.strangers)})
    friends = connection.execute(
        "SELECT id, bytes FROM name WHERE friend AND bytes > 0"
        f" AND id NOT IN ({','.join(map(str, spared))}) ORDER BY bytes DESC"
    ).fetchall()
    over = [each for each in friends if each[1] > shares.peer]
    if strangers and not over:
        return Losers(False, {STRANGERS: wanted})
    most, least = (over, shares.peer) if over else (friends, 0)
    left = _left([size for _, size in most], wanted, least)
    return Losers(bool(over), {who: size - left for who, size in most if size > left})


def _left(sizes: list[int], wanted: int, least: int) -> int:
    """What the largest of these keep when the largest one always loses next, `least` at least.

    `sizes`: in falling order, each more than `least`. `wanted`: what they lose together.
    """
    lost = 0
    for count, (size, following) in enumerate(pairwise([*sizes, least]), 1):
        lost += count * (size - following)
        if lost >= wanted:
            return following + (lost - wanted) // count
    return least


def nothing_of_strangers(connection: Connection) -> None:
    """Count no message for strangers: there is none that is filed."""
    connection.execute("UPDATE name SET bytes = 0 WHERE NOT friend AND bytes")


def oldest_of(
    connection: Connection, whose: int, after: int, wanted: int, limit: int
) -> tuple[list[int], int]:
    """The ids of the oldest messages of a friend, or of `STRANGERS`, and how many bytes they have.

    That is `wanted` or a little more, but they are at most `limit`. They are indexed, do not wait,
    and are above the id `after`.
    """
    which = "sender = :whose" if whose else "NOT (SELECT friend FROM name WHERE name.id = sender)"
    rows = connection.execute(
        f"SELECT id, {_SIZE} FROM message WHERE {which} AND id > :after AND state != 3"
        " AND id <= (SELECT upto FROM indexed) ORDER BY id LIMIT :limit",
        {"whose": whose, "after": after, "limit": limit},
    )
    ids, found = [], 0
    for id_, size in rows:
        if found >= wanted:
            break
        ids.append(id_)
        found += size
    return ids, found


def friends(connection: Connection) -> list[str]:
    """The names of the friends, the oldest first, us included."""
    return [
        text for (text,) in connection.execute("SELECT text FROM name WHERE friend ORDER BY id")
    ]

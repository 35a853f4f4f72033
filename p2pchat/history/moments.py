"""Where in a history a moment is: the id of the last message that was there by then.

Rules: plain calls on a connection. Ids grow as time passes, so that a few of them, each half-way
between two others, are enough; where the wall clock was set back the answer is near by.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from sqlite3 import Connection
from typing import Final, TypeAlias

from p2pchat.history.segments import arrived, unpack
from p2pchat.history.sums import segments

_ONE: Final = "WHERE id = ?"
_Next: TypeAlias = "Callable[[int], tuple[int, float] | None]"
"""The first message from an id on, of one kind: its id, and when it was said."""


def upto(connection: Connection, at: float) -> int:
    """The id of the last message that was kept at `at` (seconds since the epoch); 0 for none."""
    (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM message").fetchone()

    def row(id_: int) -> tuple[int, float] | None:
        found = connection.execute(
            "SELECT id, at / 1000.0 FROM message WHERE id >= ? ORDER BY id LIMIT 1", (id_,)
        ).fetchone()
        return None if found is None else (found[0], found[1])

    ids = [id_ for (id_,) in connection.execute("SELECT id FROM segment ORDER BY id")]
    return max(_last_before(row, int(last), at), _in_segments(connection, ids, at))


def _last_before(first_from: _Next, last: int, at: float) -> int:
    low, high = 0, last + 1  # what is at `low` was said by then, and what is at `high` was not
    while high - low > 1:
        middle = (low + high) // 2
        found = first_from(middle)
        if found is None or found[1] > at:
            high = middle
        else:
            low = max(found[0], low)
    return low


def _in_segments(connection: Connection, ids: list[int], at: float) -> int:
    """The same in what is not filed yet, in segments that begin with these ids."""

    def began(id_: int) -> float:
        return max(
            (arrived(data) for _, data in segments(connection, _ONE, id_) if data), default=0
        )

    place = bisect_right(ids, at, key=began)
    found = [
        one.id
        for id_ in ids[max(0, place - 1) : place]
        for _, data in segments(connection, _ONE, id_)
        for one in unpack(data)
        if one.at <= at
    ]
    return max(found, default=0)

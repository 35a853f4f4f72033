"""A history file that is damaged in part: what can be made anew, and what can still be read.

    a row that cannot be read  ->  it is left out, and counted
    an index                   ->  it is made anew
    a page                     ->  what can be read goes to a new file; the old one is kept aside

Rules: plain calls on a connection that `past.prepare` got first.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from sqlite3 import Connection
from typing import Final, TypeVar

from p2pchat.history import filing, past, shares, sums
from p2pchat.history.records import WAITING, Loaded, Record
from p2pchat.history.schema import FIELDS, FORMAT, NAMES
from p2pchat.sqlite import is_damage

_T = TypeVar("_T")
_NOT_OURS: Final = (ValueError, TypeError, KeyError)
_PLAIN_ERROR: Final = 1
"""SQLITE_ERROR: also of a function of ours that got what it does not understand."""


def lenient(text: bytes) -> str:
    """A text of the file, whatever its bytes are; for `Connection.text_factory`."""
    return text.decode("utf-8", "replace")


def is_curable(trouble: BaseException) -> bool:
    """Whether reading may work with indexes made anew, and less strictly; not a lock, or a disk."""
    code = getattr(trouble, "sqlite_errorcode", None)  # none: Python could not take what it got
    return is_damage(trouble) or code in (None, _PLAIN_ERROR)


def is_beyond_repair(trouble: BaseException) -> bool:
    """Whether the file is to be put aside."""
    lost = "no such table" in str(trouble) or "no such column" in str(trouble)
    return is_damage(trouble) or lost or isinstance(trouble, _NOT_OURS)


def make_anew(connection: Connection) -> None:
    """Make the indexes anew, as far as that can be done."""
    try:
        connection.execute("REINDEX")
    except sqlite3.IntegrityError:
        pass
    except sqlite3.DatabaseError as trouble:
        if not is_damage(trouble):
            raise
        # To clear an index SQLite reads it. So its pages are left where they are, of use to nobody.
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute("DELETE FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
        connection.execute("PRAGMA writable_schema=RESET")
        for statement in FORMAT.tables:
            if statement.startswith("CREATE INDEX"):
                connection.execute(statement)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("DELETE FROM message_of")
    filing.index_conversations(connection, 0, filing.indexed_upto(connection))
    connection.execute("COMMIT")


def rescue(connection: Connection, remembered: int) -> Loaded:
    """What a node needs of the past, as far as it can be read; the rest is counted.

    `remembered`: see `Database.load`.
    """
    left_out = 0

    def read(part: Callable[[], _T], otherwise: _T) -> _T:
        nonlocal left_out
        try:
            return part()
        except (sqlite3.Error, *_NOT_OURS):
            left_out += 1
            return otherwise

    loaded = Loaded(
        waiting=_waiting(connection),
        seen=read(lambda: past.seen(connection, remembered), []),
        friends=read(lambda: shares.friends(connection), []),
    )
    loaded.next_id = max((record.id for record in loaded.waiting), default=0) + 1
    loaded.unreadable = left_out
    return loaded


def _waiting(connection: Connection) -> list[Record]:
    """The outbox, from both ends up to where the file cannot be read."""
    found: dict[int, Record] = {}
    after = 0
    with suppress(sqlite3.Error, *_NOT_OURS):
        after = sums.summed_after(connection)
    for order in ("ASC", "DESC"):
        with suppress(sqlite3.Error, *_NOT_OURS):
            for row in connection.execute(
                f"SELECT {FIELDS} FROM message m NOT INDEXED {NAMES} WHERE m.state = 3"
                f" ORDER BY m.id {order}"
            ):
                record = sums.record(row, after)
                if record is not None and record.state == WAITING:
                    found[record.id] = record
    return [found[number] for number in sorted(found)]

"""Looking at a whole history file: whether all that was kept is there, as it was kept.

    found(connection) -> Faults;  aside(connection, faults): the rest is as it should be again

A row whose sum is wrong is found by whoever reads it. Here is found what nobody would read: a row
that an index names no more, and a page whose rows are gone.

Rules: plain calls on a connection that `past.prepare` got first; `found` changes nothing.
"""

from __future__ import annotations

from sqlite3 import Connection
from typing import Final

from msgspec import Struct

from p2pchat.history import filing, shares, words
from p2pchat.history.schema import FORMAT
from p2pchat.history.sums import MARKS_DIFFER, NAME_IS_WHOLE, ROW_IS_WHOLE, SET_MARKS

_BY_STATE: Final = "SELECT id, conversation, state = 0 FROM message WHERE id <= {upto}"
_OF: Final = "SELECT id, conversation, received FROM message_of"
_UPTO: Final = "(SELECT upto FROM indexed)"
_NAMES: Final = f"SELECT id FROM name WHERE {NAME_IS_WHOLE.format('name')}"


class Faults(Struct):
    """What is wrong with a file."""

    schema: bool = False
    """A statement of a table or an index."""
    pages: bool = False
    """Pages, or what an index says of a table."""
    conversations: bool = False
    """`message_of`, or `indexed`."""
    words: bool = False
    messages: list[int] = []
    """The ids of rows that are not as they were kept, or whose names are not."""
    names: list[int] = []
    """The numbers of such names."""
    marks: list[int] = []
    """The numbers of names of which something else was noted."""
    runs: list[int] = []
    segments: list[int] = []

    @property
    def lost(self) -> int:
        """In how many places something may be lost; the rest can be made anew."""
        lost = len(self.messages) + len(self.names) + len(self.marks) + len(self.runs)
        return lost + len(self.segments) + self.pages

    def __bool__(self) -> bool:
        return self.lost > 0 or self.schema or self.conversations or self.words


def found(connection: Connection) -> Faults:
    """What is wrong with the file; it takes some µs for each message.

    May raise `sqlite3.Error` where a page cannot be read at all.
    """
    faults = Faults(schema=_differs(connection))
    (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    faults.pages = verdict != "ok"
    faults.messages = _ids(
        connection,
        f"SELECT id FROM message m NOT INDEXED WHERE NOT {ROW_IS_WHOLE}"
        f" OR conversation NOT IN ({_NAMES}) OR sender NOT IN ({_NAMES})",
    )
    faults.names = _ids(connection, f"SELECT id FROM name WHERE NOT {NAME_IS_WHOLE.format('name')}")
    faults.marks = _ids(connection, f"SELECT id FROM name WHERE {MARKS_DIFFER}")
    faults.runs = _ids(connection, "SELECT id FROM run WHERE sum IS NOT run_sum(id, total, wall)")
    faults.segments = _ids(
        connection,
        "SELECT id FROM segment WHERE NOT is_whole(data)"
        " OR NOT segment_is_whole(id, count, strangers, data, sum)",
    )
    by_state = _BY_STATE.format(upto=_UPTO)
    (faults.conversations,) = connection.execute(
        f"SELECT EXISTS ({by_state} EXCEPT {_OF}) OR EXISTS ({_OF} EXCEPT {by_state})"
        f" OR {_UPTO} >= (SELECT coalesce(min(id), 1 << 62) FROM segment)"
    ).fetchone()
    faults.conversations = bool(faults.conversations)
    faults.words = words.is_damaged(connection, when_unknown=True)
    return faults


def put_aside(connection: Connection, faults: Faults) -> None:
    """Move what is damaged to the table `damaged`, and make anew what follows from the rest.

    May raise `sqlite3.Error`: then the file is beyond repair.
    """
    if faults.schema:
        _set_schema(connection)
    if faults.pages:
        words.drop(connection)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(filing.DAMAGED)
    gone = ",".join(map(str, faults.messages))
    connection.execute(
        "INSERT INTO damaged (data) SELECT CAST(text AS BLOB) FROM message NOT INDEXED"
        f" WHERE id IN ({gone})"
    )
    connection.execute(f"DELETE FROM message WHERE id IN ({gone})")
    gone = ",".join(map(str, faults.segments))
    connection.execute(
        f"INSERT OR REPLACE INTO damaged SELECT id, data FROM segment WHERE id IN ({gone})"
    )
    connection.execute(f"DELETE FROM segment WHERE id IN ({gone})")
    connection.execute(f"DELETE FROM name WHERE id IN ({','.join(map(str, faults.names))})")
    connection.execute(f"DELETE FROM run WHERE id IN ({','.join(map(str, faults.runs))})")
    connection.execute("COMMIT")
    connection.execute("REINDEX")
    if faults.pages:
        connection.execute("VACUUM")
        connection.execute("REINDEX")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("DELETE FROM message_of")
    connection.execute(
        "UPDATE indexed SET upto = coalesce((SELECT max(id) FROM message WHERE id <"
        " (SELECT coalesce(min(id), 1 << 62) FROM segment)), 0)"
    )
    filing.index_conversations(connection, 0, filing.indexed_upto(connection))
    words.missed(connection)
    shares.count_anew(connection, faults.marks)
    connection.execute(f"UPDATE name SET {SET_MARKS}")
    connection.execute("COMMIT")


def _ids(connection: Connection, question: str) -> list[int]:
    return [id_ for (id_,) in connection.execute(question)]


def _schema() -> dict[str, str]:
    """Name -> statement of each table and index."""
    made = (each for each in FORMAT.tables if each.startswith("CREATE"))
    return {each.split()[2]: each for each in made}


def _differs(connection: Connection) -> bool:
    there = dict(connection.execute("SELECT name, sql FROM sqlite_master"))
    return any(there.get(name) != statement for name, statement in _schema().items())


def _set_schema(connection: Connection) -> None:
    connection.execute("PRAGMA writable_schema=ON")
    connection.executemany(
        "UPDATE sqlite_master SET sql = ? WHERE name = ?",
        [(statement, name) for name, statement in _schema().items()],
    )
    connection.execute("PRAGMA writable_schema=RESET")

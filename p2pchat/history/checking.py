"""Looking at a whole history file: whether all that was kept is there, as it was kept.

    found(connection) -> Faults;  put_aside(connection, faults): the rest is as it should be again

A row whose sum is wrong is found by whoever reads it. Here is found what nobody would read: a row
that an index names no more, and a page whose rows are gone.

Rules: plain calls on a connection that `past.prepare` got first; `found` changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from sqlite3 import Connection
from typing import Final

from msgspec import Struct

from p2pchat.history import filing, shares, words
from p2pchat.history.schema import FORMAT
from p2pchat.history.sums import (
    MARKS_DIFFER,
    NAME_IS_WHOLE,
    SET_MARKS,
    row_is_whole,
    summed_after,
)

_UPTO: Final = "(SELECT upto FROM indexed)"
_IN_A_PART: Final = (
    f"SELECT id, EXISTS (SELECT 1 FROM message_of o WHERE o.conversation = m.conversation"
    " AND o.id = m.id AND o.received = (m.state = 0))"
    f" FROM message m NOT INDEXED WHERE id > ? AND id <= {_UPTO} ORDER BY id LIMIT ?"
)
_COUNTS_DIFFER: Final = (
    "SELECT (SELECT count(*) FROM message_of)"
    f" <> (SELECT count(*) FROM message NOT INDEXED WHERE id <= {_UPTO})"
    f" OR {_UPTO} >= (SELECT coalesce(min(id), 1 << 62) FROM segment)"
)
_ROWS: Final = (
    "SELECT id, conversation, sender, CAST(msg_id AS TEXT), at, said, state, CAST(text AS TEXT),"
    " security, sum FROM message NOT INDEXED WHERE id > ? ORDER BY id LIMIT ?"
)
_AT_ONCE: Final = 2_000
"""Messages that are looked at in one go, in some 6 ms: whoever asks something waits for that."""
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
    whole_names: set[int] = set()
    """The ids of names that were found as they were kept."""
    names: list[int] = []
    """The numbers of such names."""
    marks: list[int] = []
    """The numbers of names of which something else was noted."""
    runs: list[int] = []
    segments: list[int] = []
    upto: int = -1 << 63
    """The id up to which messages were looked at."""
    of_upto: int = -1 << 63
    """The same for what `message_of` says of them."""
    tables: int = 0
    """How many tables were looked at, with their indexes."""

    @property
    def lost(self) -> int:
        """In how many places something may be lost; the rest can be made anew."""
        lost = len(self.messages) + len(self.names) + len(self.marks) + len(self.runs)
        return lost + len(self.segments) + self.pages

    def __bool__(self) -> bool:
        return self.lost > 0 or self.schema or self.conversations or self.words


def _look_at_schema(connection: Connection, faults: Faults) -> None:
    there = dict(connection.execute("SELECT name, sql FROM sqlite_master"))
    faults.schema = any(there.get(name) != each for name, each in _schema().items())


def _look_at_pages(connection: Connection, faults: Faults) -> bool:
    """Table after table, each with its indexes; the one of all tables has the list of free pages.

    Only `_look_at_all_pages` finds one that no table has, or that two have.
    """
    tables = ["sqlite_schema", *sorted(_names_of_tables(connection))]
    name = tables[faults.tables].replace("'", "''")
    _note(connection, f"'{name}'", faults)
    faults.tables += 1
    return faults.tables < len(tables) and not faults.pages


def _look_at_all_pages(connection: Connection, faults: Faults) -> None:
    _note(connection, "1", faults)


def _note(connection: Connection, what: str, faults: Faults) -> None:
    (verdict,) = connection.execute(f"PRAGMA integrity_check({what})").fetchone()
    faults.pages |= verdict != "ok"


def _look_at_names(connection: Connection, faults: Faults) -> None:
    whole = NAME_IS_WHOLE.format("name")
    faults.names = _ids(connection, f"SELECT id FROM name WHERE NOT {whole}")
    faults.marks = _ids(connection, f"SELECT id FROM name WHERE {MARKS_DIFFER}")
    faults.runs = _ids(connection, "SELECT id FROM run WHERE sum IS NOT run_sum(id, total, wall)")
    faults.segments = _ids(
        connection,
        "SELECT id FROM segment WHERE NOT is_whole(data)"
        " OR NOT segment_is_whole(id, count, strangers, data, sum)",
    )


def _look_at_messages(connection: Connection, faults: Faults) -> bool:
    names, after = faults.whole_names, summed_after(connection)
    factory, connection.text_factory = connection.text_factory, bytes
    try:
        rows = connection.execute(_ROWS, (faults.upto, _AT_ONCE)).fetchall()
    finally:
        connection.text_factory = factory
    if not {name for row in rows for name in row[1:3]} <= names:
        names = faults.whole_names = {*_ids(connection, _NAMES)}
    faults.messages += [
        row[0]
        for row in rows
        if not row_is_whole(row, after) or row[1] not in names or row[2] not in names
    ]
    if len(rows) == _AT_ONCE:
        faults.upto = max(faults.upto + 1, rows[-1][0])
        return True
    return False


def _look_at_conversations(connection: Connection, faults: Faults) -> bool:
    """Whether each message that is said to be indexed is, and nothing else."""
    rows = connection.execute(_IN_A_PART, (faults.of_upto, _AT_ONCE)).fetchall()
    faults.conversations |= not all(is_there for _, is_there in rows)
    if len(rows) == _AT_ONCE and not faults.conversations:
        faults.of_upto = rows[-1][0]
        return True
    # Each has its row, so there is one too many only if there are more of them.
    faults.conversations |= bool(connection.execute(_COUNTS_DIFFER).fetchone()[0])
    return False


_ROWS_AND_NAMES: Final = (
    _look_at_schema,
    _look_at_names,
    _look_at_messages,
    _look_at_conversations,
)
LOOKS: Final[tuple[Callable[[Connection, Faults], bool | None], ...]] = (
    *_ROWS_AND_NAMES,
    _look_at_pages,
)
"""Each looks at a part of a file, and notes what is wrong; again while it returns True."""


def found(connection: Connection) -> Faults:
    """What is wrong with the file; it takes some µs for each message.

    May raise `sqlite3.Error` where a page cannot be read at all.
    """
    faults = Faults()
    for look in (*_ROWS_AND_NAMES, _look_at_all_pages):
        while look(connection, faults):
            pass
    faults.words = words.is_damaged(connection)
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


def _names_of_tables(connection: Connection) -> list[str]:
    return [
        name
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    ]


def _schema() -> dict[str, str]:
    """Name -> statement of each table and index."""
    made = (each for each in FORMAT.tables if each.startswith("CREATE"))
    return {each.split()[2]: each for each in made}


def _set_schema(connection: Connection) -> None:
    connection.execute("PRAGMA writable_schema=ON")
    connection.executemany(
        "UPDATE sqlite_master SET sql = ? WHERE name = ?",
        [(statement, name) for name, statement in _schema().items()],
    )
    connection.execute("PRAGMA writable_schema=RESET")

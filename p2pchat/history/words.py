"""The index of words: an FTS5 table that names the messages in which a word is.

It has no texts and no positions, only words. What a word is, is said here and not left to SQLite,
so that a search finds the same in what is filed and in what is not. To take a text out of the
index, the same words are given again.

Rules: plain calls inside a transaction of the caller, on a connection that `prepare` got first. An
SQLite without FTS5 has no such index; then a search reads every message.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import filterfalse
from sqlite3 import Connection, DatabaseError, OperationalError
from typing import Final

from p2pchat.sqlite import is_index_damage

UNSPACED: Final = "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\ua4cf\uf900-\ufaff]"
"""A character of a script without spaces between words. To the index each is a word.

Compiled where it is first needed: that takes 4 ms, which are not for every start."""
WORDS: Final = (
    "CREATE VIRTUAL TABLE words USING fts5 (text, content='', columnsize=0, detail='none',"
    " tokenize='ascii')"
)
_PAGE_SIZE: Final = 1000
"""Bytes; 4050 is usual. With less, a rare word and a common one are found together sooner."""
_WORD: Final = re.compile(r"[^\W_]+")
_MERGED_AT_ONCE: Final = 1000
"""Pages of the index that a step of merging writes, in some 20 ms."""


def folded(text: str) -> str:
    """Lower case and without accents: what looks alike is alike."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", text.lower())
    return "".join(filterfalse(unicodedata.combining, plain))


def as_indexed(text: str) -> str:
    """A text as the index of words gets it: folded words that stand apart."""
    if text.isascii():
        return text  # that much SQLite does as we do
    return " ".join(_WORD.findall(re.sub(UNSPACED, r" \g<0> ", folded(text))))


def _of_stored(text: bytes) -> str:
    return as_indexed(text.decode("utf-8", "replace"))


def usable(connection: Connection) -> bool:
    """Whether there is an index of words that this SQLite can read."""
    try:
        connection.execute("SELECT rowid FROM words LIMIT 0")
    except OperationalError as trouble:
        # "no such table", or "no such module" where another SQLite has made it.
        if "no such" not in str(trouble):
            raise
        return False
    return True


def prepare(connection: Connection) -> bool:
    """See that there is a whole index of words; False when this SQLite cannot have one.

    Called outside of a transaction.
    """
    connection.create_function("as_indexed", 1, _of_stored, deterministic=True)
    upto, whole = connection.execute("SELECT upto, words FROM indexed").fetchone()
    there = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'words'").fetchone()
    try:
        if there and not usable(connection):
            return False
    except DatabaseError as trouble:
        if not is_broken(trouble):
            raise
        _drop_broken(connection)
        there = None
    if there and whole and _has_the_last(connection, upto):
        return True
    try:
        connection.execute("BEGIN IMMEDIATE")
        if there:
            try:
                connection.execute("DROP TABLE words")
            except DatabaseError as trouble:
                if not is_broken(trouble):
                    raise
                _drop_broken(connection)
        connection.execute(WORDS)
        connection.execute("INSERT INTO words (words, rank) VALUES ('pgsz', ?)", (_PAGE_SIZE,))
        add(connection, 0, upto)
        connection.execute("UPDATE indexed SET words = 1")
        connection.execute("COMMIT")
    except OperationalError as trouble:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if "no such module" not in str(trouble):
            raise
        return False
    return True


def add(connection: Connection, after: int, upto: int) -> None:
    """Put the messages with these ids into the index: those above `after`, up to `upto`."""
    connection.execute(
        "INSERT INTO words (rowid, text) SELECT id, as_indexed(CAST(text AS BLOB)) FROM message"
        " WHERE id > ? AND id <= ?",
        (after, upto),
    )


def remove(connection: Connection) -> None:
    """Take the messages that `gone` lists, which are still there, out of the index."""
    connection.execute(
        "INSERT INTO words (words, rowid, text)"
        " SELECT 'delete', id, as_indexed(CAST(text AS BLOB))"
        " FROM gone CROSS JOIN message USING (id) WHERE id <= (SELECT upto FROM indexed)"
    )


def _has_the_last(connection: Connection, upto: int) -> bool:
    """Whether the message that was indexed last is found by its first word."""
    last = connection.execute(
        "SELECT id, CAST(text AS BLOB) FROM message WHERE id <= ? ORDER BY id DESC LIMIT 1", (upto,)
    ).fetchone()
    found = _WORD.search(_of_stored(last[1]).lower()) if last else None
    if found is None:
        return True
    query = "SELECT 1 FROM words WHERE words MATCH ? AND rowid = ?"
    try:
        return connection.execute(query, (f'"{found[0]}"', last[0])).fetchone() is not None
    except DatabaseError as trouble:
        if not is_broken(trouble):
            raise
        return False


def is_broken(trouble: DatabaseError) -> bool:
    """Whether the index is damaged, or one of the tables in which it is."""
    return is_index_damage(trouble) or any(
        sign in str(trouble) for sign in ("vtable constructor failed", "invalid fts5 file format")
    )


def _drop_broken(connection: Connection) -> None:
    """Take away an index that SQLite cannot open, and so cannot drop."""
    began = not connection.in_transaction
    if began:
        connection.execute("BEGIN IMMEDIATE")
    connection.execute("PRAGMA writable_schema=ON")
    connection.execute("DELETE FROM sqlite_master WHERE name = 'words'")
    for table in ("data", "idx", "content", "docsize", "config"):
        connection.execute(f"DROP TABLE IF EXISTS words_{table}")
    if began:
        connection.execute("COMMIT")
    connection.execute("PRAGMA writable_schema=RESET")


def missed(connection: Connection) -> None:
    """The index could not follow a change: the next SQLite that can is to make a new one."""
    connection.execute("UPDATE indexed SET words = 0")


def merge(connection: Connection, *, begin: bool) -> bool:
    """Take a step in merging the index, which alone takes a removed word out of the file.

    `begin` with the first one; False when nothing is left to do.
    """
    before = connection.total_changes
    pages = -_MERGED_AT_ONCE if begin else _MERGED_AT_ONCE
    connection.execute("INSERT INTO words (words, rank) VALUES ('merge', ?)", (pages,))
    # https://www.sqlite.org/fts5.html#the_merge_command
    return connection.total_changes - before >= 2

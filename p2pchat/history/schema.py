"""The tables of a history file, and how an older file becomes a newer one.

Rules: `UPGRADES` only ever grows at its end; a file's `user_version` says how many of them it has
had. All that are missing happen in one transaction, so that a crash leaves the old file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from itertools import chain
from typing import Final

from p2pchat.history.pages import index_everything
from p2pchat.history.records import RECEIVED, Line
from p2pchat.history.segments import MOST, repack

APPLICATION: Final = 0x70327068
"""Marks the file as ours, so that another program's database is never touched."""


def _into_segments(connection: sqlite3.Connection) -> None:
    """What was received is no longer kept as rows of `message`: `Database.file` makes it pages."""
    rows = connection.execute(
        "SELECT m.id, c.text, s.text, m.msg_id, m.at / 1000.0, m.said / 1000.0, m.state, m.text"
        " FROM message m JOIN name c ON c.id = m.conversation JOIN name s ON s.id = m.sender"
        " WHERE m.state = ? ORDER BY m.id",
        (RECEIVED,),
    )
    # The latest ones are segments already, with larger ids.
    while lines := [Line(*row) for row in rows.fetchmany(MOST)]:
        connection.execute(
            "INSERT INTO segment VALUES (?,?,?,?)",
            (lines[0].id, lines[-1].id, len(lines), repack(lines)),
        )
    connection.execute("DELETE FROM message WHERE state = ?", (RECEIVED,))
    try:
        connection.execute("DROP TABLE IF EXISTS words")
    except sqlite3.OperationalError as trouble:
        if "no such module" not in str(trouble):
            raise


_Step = str | Callable[[sqlite3.Connection], None]

UPGRADES: Final[tuple[tuple[_Step, ...], ...]] = (
    (
        # Peers and scopes: a conversation, a sender, or both.
        "CREATE TABLE name (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE,"
        " read_upto INTEGER NOT NULL DEFAULT 0)",
        # What we said: each has a state of its own.
        "CREATE TABLE message (id INTEGER PRIMARY KEY, conversation INTEGER NOT NULL,"
        " sender INTEGER NOT NULL, msg_id TEXT NOT NULL, at INTEGER NOT NULL, said INTEGER,"
        " state INTEGER NOT NULL, text TEXT NOT NULL)",
        "CREATE INDEX message_conversation ON message (conversation)",
        "CREATE INDEX message_published ON message (id) WHERE state = 1",
        "CREATE INDEX message_waiting ON message (id) WHERE state = 3",
        # Received messages that are in no page yet; id, last: of the first and the last.
        "CREATE TABLE segment (id INTEGER PRIMARY KEY, last INTEGER NOT NULL,"
        " count INTEGER NOT NULL, data BLOB NOT NULL)",
    ),
    (
        # Received messages for good; see `pages`.
        "CREATE TABLE page (id INTEGER PRIMARY KEY, last INTEGER NOT NULL,"
        " count INTEGER NOT NULL, data BLOB NOT NULL)",
        "CREATE TABLE page_of (name INTEGER NOT NULL, page INTEGER NOT NULL,"
        " count INTEGER NOT NULL, PRIMARY KEY (name, page)) WITHOUT ROWID",
        _into_segments,
    ),
)

WORDS: Final = (
    "CREATE VIRTUAL TABLE page_words USING fts5 (text, content='', detail='none',"
    " tokenize='unicode61 remove_diacritics 2')"
)
"""The index of words. No upgrade: it can be made, or be missing, at any time."""


class ForeignFileError(Exception):
    """The file is not for us to use; the text is a sentence for the person."""


def prepare(connection: sqlite3.Connection, path: str) -> None:
    """Bring the file behind a fresh connection up to date.

    The connection is in autocommit mode. Raises `ForeignFileError`, or any `sqlite3.Error`.
    """
    (mark,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and mark != APPLICATION:
        raise ForeignFileError(f"{path} is the database of another program")
    if version > len(UPGRADES):
        raise ForeignFileError(f"{path} was written by a newer p2pchat: use that one")
    if not tables:
        # A large batch costs a fifth less than with 4096, and a single message no more.
        connection.execute("PRAGMA page_size=16384")
    if version < len(UPGRADES):
        connection.execute("BEGIN IMMEDIATE")
        try:
            for step in chain.from_iterable(UPGRADES[version:]):
                if isinstance(step, str):
                    connection.execute(step)
                else:
                    step(connection)
            connection.execute(f"PRAGMA application_id={APPLICATION}")
            connection.execute(f"PRAGMA user_version={len(UPGRADES)}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


def index_words(connection: sqlite3.Connection) -> bool:
    """See that there is an index of words; False when this SQLite cannot have one."""
    there = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'page_words'").fetchone()
    try:
        if there:
            connection.execute("SELECT rowid FROM page_words LIMIT 0")
        else:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(WORDS)
            index_everything(connection)
            connection.execute("COMMIT")
    except sqlite3.OperationalError as trouble:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if "no such module" not in str(trouble):
            raise
        return False
    return True

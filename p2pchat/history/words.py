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
from sqlite3 import Connection, DatabaseError, OperationalError
from typing import Final
from zlib import crc32

from p2pchat.sqlite import is_index_damage

VERSION: Final = 2
"""What `indexed.words` says of an index that is whole and of these words.

A change of what a word is, is a new number. An index with another one is made anew, a step at a
time, when it is quiet; until then a search reads every message."""
WORDS: Final = (
    "CREATE VIRTUAL TABLE words USING fts5 (text, content='', columnsize=0, detail='none',"
    " tokenize='ascii')"
)
_TOTAL: Final = """
    SELECT (SELECT coalesce(sum(piece_sum(id, 0, block)), 0) FROM words_data)
    + (SELECT coalesce(sum(piece_sum(segid, pgno, CAST(term AS BLOB))), 0) FROM words_idx)
"""
"""The sum of the checksums of all pieces of the index; a search cannot tell a damaged one."""
_AT_ONCE: Final = 256
"""Characters that are decomposed at once: to put marks in order takes the square of their number,
and nothing else can be done meanwhile."""
_PIECES: Final = re.compile(rf"\s+|\S{{1,{_AT_ONCE}}}")
_PAGE_SIZE: Final = 1000
"""Bytes; 4050 is usual. With less, a rare word and a common one are found together sooner."""
_MERGED_AT_ONCE: Final = 1000
"""Pages of the index that a step of merging writes, in some 20 ms."""
_RENEWED_AT_ONCE: Final = 5000
"""Messages that a step of making the index anew takes, in some 40 ms."""
_ALL: Final = 1 << 62
_MOST_REMEMBERED: Final = 20_000
# Scripts without blanks between words, from the first to the last character of each range: South
# East Asia, Java and Bali, China and Japan.
_UNSPACED: Final = (
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x1950, 0x1B7F),
    (0x2E80, 0xA4CF),
    (0xA980, 0xA9FF),
    (0xAA60, 0xAADF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)
# The classes of marks without which a word is still the same: what is laid over a letter, dots
# below, the points of Hebrew, Arabic and Syriac, and all accents, which begin with the last one.
_DROPPED_CLASSES: Final = (1, 7, *range(10, 37))
_FIRST_ACCENT: Final = 200


class _Characters(dict[int, str | None]):
    """What becomes of each character of a folded text, for `str.translate`.

    Letters, digits and vowel signs stay; accents and what cannot be seen go; a character of a
    script without blanks stands alone, and anything else becomes a blank.
    """

    def __missing__(self, code: int) -> str | None:
        character = chr(code)
        category = unicodedata.category(character)
        found: str | None = " "
        if (category[0] == "M" and _is_dropped(character)) or (
            category == "Cf" and character != "\u200b"  # which parts words
        ):
            found = None
        elif category[0] in "LNM":
            alone = any(first <= code <= last for first, last in _UNSPACED)
            found = f" {character} " if alone else character
        if len(self) < _MOST_REMEMBERED:
            self[code] = found
        return found


def _is_dropped(mark: str) -> bool:
    """Whether a word with this mark is found without it."""
    kind = unicodedata.combining(mark)
    return (
        kind >= _FIRST_ACCENT
        or kind in _DROPPED_CLASSES
        or unicodedata.category(mark) == "Me"
        # Joiners and selectors of variants, which have no look of their own.
        or mark == "\u034f"
        or "\u180b" <= mark <= "\u180f"
        or "\ufe00" <= mark <= "\ufe0f"
        or mark >= "\U000e0100"
    )


_characters: Final = _Characters()


def _normal(text: str) -> str:
    text = unicodedata.normalize("NFKD", text)
    # Folding may make what is not decomposed yet.
    return unicodedata.normalize("NFKD", text.casefold())


def words_of(text: str) -> str:
    """The words of a text in their order, folded, with one blank between two.

    Case and accents do not matter, and neither does the form of Unicode. Vowel signs do. Of a
    script without blanks between words each character is a word.
    """
    if text.isascii():
        text = text.lower()
    elif len(text) <= _AT_ONCE:
        text = _normal(text)
    else:
        text = "".join(map(_normal, _PIECES.findall(text)))
    return " ".join(text.translate(_characters).split())


def as_indexed(text: str) -> str:
    """A text as the index of words gets it."""
    # SQLite does with ASCII as we do.
    return text if text.isascii() else words_of(text)


def _of_stored(text: bytes) -> str:
    return as_indexed(text.decode("utf-8", "replace"))


def usable(connection: Connection) -> bool:
    """Whether there is a whole index of these words that this SQLite can read."""
    try:
        if not _is_whole(connection):
            return False
        connection.execute("SELECT rowid FROM words LIMIT 0")
    except OperationalError as trouble:
        # "no such table", or "no such module" where another SQLite has made it.
        if "no such" not in str(trouble):
            raise
        return False
    return True


def prepare(connection: Connection) -> bool:
    """See to an index of words; False when this SQLite cannot have one.

    It is whole, or `renew` is to be called while that returns True. Called outside of a
    transaction.
    """
    connection.create_function("as_indexed", 1, _of_stored, deterministic=True)
    connection.create_function("piece_sum", 3, _piece_sum, deterministic=True)
    (upto,) = connection.execute("SELECT upto FROM indexed").fetchone()
    there = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'words'").fetchone()
    try:
        if there and _is_whole(connection):
            if not usable(connection):
                return False
            if _has_the_last(connection, upto):
                return True
            missed(connection)
        elif there:
            connection.execute("SELECT rowid FROM words LIMIT 0")
    except DatabaseError as trouble:
        if "no such module" in str(trouble):
            return False
        if not is_broken(trouble):
            raise
        _drop_broken(connection)
        there = None
    try:
        connection.execute("BEGIN IMMEDIATE")
        if not there:
            missed(connection)
        # A file of few messages need not wait until it is quiet.
        while (upto <= _RENEWED_AT_ONCE or not there) and renew(connection):
            there = True
        connection.execute("COMMIT")
    except OperationalError as trouble:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if "no such module" not in str(trouble):
            raise
        return False
    return True


def renew(connection: Connection) -> bool:
    """Take a step in making the index anew; whether there are more. In a transaction."""
    if _is_whole(connection):
        return False
    after = _made_upto(connection)
    if after is None:
        _changes(connection)
        drop(connection)
        connection.execute(WORDS)
        connection.execute("INSERT INTO words (words, rank) VALUES ('pgsz', ?)", (_PAGE_SIZE,))
        connection.execute("CREATE TABLE IF NOT EXISTS words_total (sum INTEGER NOT NULL)")
        connection.execute("DROP TABLE IF EXISTS renewed")
        connection.execute("CREATE TABLE renewed (upto INTEGER NOT NULL)")
        connection.execute("INSERT INTO renewed VALUES (0)")
        connection.execute("UPDATE indexed SET words = 0")
        return True
    ids = connection.execute(
        "SELECT id FROM message WHERE id > ? AND id <= (SELECT upto FROM indexed)"
        " ORDER BY id LIMIT ?",
        (after, _RENEWED_AT_ONCE),
    ).fetchall()
    if ids:
        (upto,) = ids[-1]
        connection.execute("UPDATE renewed SET upto = ?", (upto,))
        add(connection, after, upto)
    if len(ids) == _RENEWED_AT_ONCE:
        return True
    connection.execute("UPDATE indexed SET words = ?", (VERSION,))
    connection.execute("DROP TABLE renewed")
    return False


def _is_whole(connection: Connection) -> bool:
    (version,) = connection.execute("SELECT words FROM indexed").fetchone()
    return bool(version == VERSION)


def _made_upto(connection: Connection) -> int | None:
    """The id up to which the index has all words; None when not even its beginning is made."""
    (version,) = connection.execute("SELECT words FROM indexed").fetchone()
    if version == VERSION:
        return _ALL
    there = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'renewed'").fetchone()
    # Another number: a program of before has made an index of its own meanwhile.
    if version or not there:
        return None
    (upto,) = connection.execute("SELECT upto FROM renewed").fetchone()
    return int(upto)


def add(connection: Connection, after: int, upto: int) -> None:
    """Put the messages with these ids into the index: those above `after`, up to `upto`.

    Those to which the index is not made yet come when it is their turn.
    """
    _changes(connection)
    connection.execute(
        "INSERT INTO words (rowid, text) SELECT id, as_indexed(CAST(text AS BLOB)) FROM message"
        " WHERE id > ? AND id <= ?",
        (after, min(upto, _made_upto(connection) or 0)),
    )


def remove(connection: Connection) -> None:
    """Take the messages that `gone` lists, which are still there, out of the index."""
    _changes(connection)
    connection.execute(
        "INSERT INTO words (words, rowid, text)"
        " SELECT 'delete', id, as_indexed(CAST(text AS BLOB))"
        " FROM gone CROSS JOIN message USING (id) WHERE id <= (SELECT upto FROM indexed)"
        " AND id <= ?",
        (_made_upto(connection) or 0,),
    )


def _has_the_last(connection: Connection, upto: int) -> bool:
    """Whether the message that was indexed last is found by its first word."""
    last = connection.execute(
        "SELECT id, CAST(text AS BLOB) FROM message WHERE id <= ? ORDER BY id DESC LIMIT 1", (upto,)
    ).fetchone()
    words = words_of(last[1].decode("utf-8", "replace")).split() if last else []
    if not words:
        return True
    query = "SELECT 1 FROM words WHERE words MATCH ? AND rowid = ?"
    try:
        return connection.execute(query, (f'"{words[0]}"', last[0])).fetchone() is not None
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


def seal(connection: Connection) -> None:
    """Note what the index looks like: nothing is written to it until the next start."""
    if _is_whole(connection) and _noted(connection) is None:
        connection.execute("CREATE TABLE IF NOT EXISTS words_total (sum INTEGER NOT NULL)")
        connection.execute(f"INSERT INTO words_total {_TOTAL}")


def is_damaged(connection: Connection) -> bool:
    """Whether the index is not as it was when it was noted, or nobody knows."""
    if not _is_whole(connection):
        return False
    noted = _noted(connection)
    if noted is None:
        return True
    (total,) = connection.execute(_TOTAL).fetchone()
    return bool(total != noted)


def _noted(connection: Connection) -> int | None:
    there = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'words_total'").fetchone()
    row = there and connection.execute("SELECT sum FROM words_total").fetchone()
    return row[0] if row else None


def _changes(connection: Connection) -> None:
    """The index is about to be written: what was noted of it is over."""
    if _noted(connection) is not None:
        connection.execute("DELETE FROM words_total")


def _piece_sum(number: int, other: int, piece: bytes) -> int:
    return crc32(piece, crc32(b"%d %d" % (number, other)))


def drop(connection: Connection) -> None:
    """Take the index away, damaged or not."""
    try:
        connection.execute("DROP TABLE IF EXISTS words")
    except DatabaseError as trouble:
        if not is_broken(trouble):
            raise
        _drop_broken(connection)


def missed(connection: Connection) -> None:
    """The index could not follow a change: the next SQLite that can is to make a new one."""
    connection.execute("UPDATE indexed SET words = 0")
    connection.execute("DROP TABLE IF EXISTS renewed")


def merge(connection: Connection, *, begin: bool) -> bool:
    """Take a step in merging the index, which alone takes a removed word out of the file.

    `begin` with the first one; False when nothing is left to do.
    """
    _changes(connection)
    before = connection.total_changes
    pages = -_MERGED_AT_ONCE if begin else _MERGED_AT_ONCE
    connection.execute("INSERT INTO words (words, rank) VALUES ('merge', ?)", (pages,))
    # https://www.sqlite.org/fts5.html#the_merge_command
    return connection.total_changes - before >= 2

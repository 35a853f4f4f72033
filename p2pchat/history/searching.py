"""Finding messages by their words.

The index of words narrows it down to pages; which of a page's messages hold all words is found by
reading it. Rules: case and accents do not matter, a word is letters and digits, and `word*` is what
begins so. A script without spaces between words is looked for as it stands.
"""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from collections.abc import Iterator
from typing import Any, Final

from p2pchat.history.pages import UNSPACED, as_indexed
from p2pchat.history.records import Line
from p2pchat.history.segments import texts_of, unpack

_TOKEN: Final = re.compile(r"[^\W_]+\*?")


class Query:
    """What is looked for, as a person has typed it."""

    def __init__(self, words: str) -> None:
        words = words.strip()
        folded = _folded(words)
        tokens = _TOKEN.findall(folded)
        self._as_it_stands = ""
        self._bytes = b""
        if not tokens or UNSPACED.search(folded):
            same = self._as_it_stands = words.casefold()
            if same == words == words.upper():
                # Text without upper and lower case stands so in what is stored.
                self._bytes = same.encode("utf-8", "surrogatepass")
            tokens = [one for one in as_indexed(words) if UNSPACED.match(one) and one.isalnum()]
        self._whole = {token for token in tokens if not token.endswith("*")}
        self._beginnings = {token[:-1] for token in tokens if token.endswith("*")}
        self._parts = (*self._whole, *self._beginnings)
        self.index_query = " AND ".join(
            [f'"{token}"' for token in self._whole] + [f'"{part}"*' for part in self._beginnings]
        )
        """For the index of words; empty when that is of no use."""

    def lines(self, data: bytes) -> list[Line]:
        """The messages of a segment that are looked for; raises `ValueError` for a damaged one."""
        if self._bytes not in data or not any(map(self.matches, texts_of(data))):
            return []
        return [line for line in unpack(data) if self.matches(line.text)]

    def matches(self, text: str) -> bool:
        """Whether a text is what is looked for."""
        if self._as_it_stands:
            return self._as_it_stands in text.casefold()
        folded = _folded(text)
        for part in self._parts:  # which is most of what there is to do
            if part not in folded:
                return False
        words = set(_TOKEN.findall(folded.replace("*", " ")))
        return self._whole <= words and all(
            any(word.startswith(beginning) for word in words) for beginning in self._beginnings
        )


def newest(connection: sqlite3.Connection, query: Query) -> Iterator[tuple[bytes]]:
    """Segments and pages that may have what is looked for, newest first."""
    yield from connection.execute("SELECT data FROM segment ORDER BY id DESC")
    yield from _narrowed(connection, query, "page", "t.data")


def newest_own(connection: sqlite3.Connection, query: Query) -> Iterator[tuple[int, str]]:
    """Id and text of messages of ours that may be what is looked for, newest first."""
    yield from _narrowed(connection, query, "message", "t.id, t.text")


def _narrowed(connection: sqlite3.Connection, query: Query, table: str, columns: str) -> Any:
    """Rows of a table, newest first: those that the index names, if it is of use."""
    if query.index_query and _has_index(connection):
        return connection.execute(
            f"SELECT {columns} FROM page_words w CROSS JOIN {table} t ON t.id = w.rowid"
            " WHERE page_words MATCH ? ORDER BY w.rowid DESC",
            (query.index_query,),
        )
    return connection.execute(f"SELECT {columns} FROM {table} t ORDER BY t.id DESC")


def _has_index(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute("SELECT rowid FROM page_words LIMIT 0")
    except sqlite3.OperationalError:
        return False
    return True


def _folded(text: str) -> str:
    """Lower case and without accents, as the index of words has it."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", text.lower())
    return "".join(char for char in plain if not unicodedata.combining(char))

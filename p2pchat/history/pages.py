"""The pages of a history file: received messages, and the indexes that find them.

    page         messages in order, by the id of the first one; see `segments.cut`
    page_of      for each conversation and sender, the pages that have something of it
    page_words   for each word, the pages that hold it; and the messages of ours that do

An index of pages costs a third of what one of messages does. Who reads looks into each page that an
index names: most of its messages may be others.

Rules: plain calls on a connection, inside a transaction of the caller.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from sqlite3 import Connection
from typing import Final

from p2pchat.history.records import Line
from p2pchat.history.segments import Segment, named_in, repack, texts_of

UNSPACED: Final = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\ua4cf\uf900-\ufaff]")
"""A character of a script without spaces between words. To the index each is a word."""
_INDEX: Final = "INSERT INTO page_words(rowid, text) VALUES (?,?)"
_UNINDEX: Final = "INSERT INTO page_words(page_words, rowid, text) VALUES ('delete',?,?)"


class Pages:
    """Pages behind a connection. `number` gives the number of a name; see `names.Names`.

    `has_words`: whether there is an index of words.
    """

    def __init__(
        self, connection: Connection, number: Callable[[str], int], *, has_words: bool
    ) -> None:
        self.connection = connection
        self.has_words = has_words
        self._number = number

    def add(self, pages: Iterable[Segment]) -> None:
        """File these, and index them."""
        pages = [*pages]
        number, connection = self._number, self.connection
        connection.executemany("INSERT INTO page VALUES (?,?,?,?)", pages)
        connection.executemany(
            "INSERT INTO page_of VALUES (?,?,?)",
            [
                (number(name), page.first, count)
                for page in pages
                for name, count in named_in(page.data).items()
            ],
        )
        if self.has_words:
            connection.executemany(_INDEX, [(page.first, _words_of(page.data)) for page in pages])

    def replace(self, page: Segment, left: list[Line]) -> None:
        """Let a page have only these of its messages; without any, it goes."""
        connection = self.connection
        connection.execute("DELETE FROM page WHERE id = ?", (page.first,))
        connection.executemany(
            "DELETE FROM page_of WHERE name = ? AND page = ?",
            [(self._number(name), page.first) for name in named_in(page.data)],
        )
        if self.has_words:
            connection.execute(_UNINDEX, (page.first, _words_of(page.data)))
        if left:
            self.add([Segment(page.first, page.last, len(left), repack(left))])


def index_texts(connection: Connection, texts: Iterable[tuple[int, str]]) -> None:
    """Have a search find messages of ours, which are in no page: id and text of each."""
    connection.executemany(_INDEX, [(id_, as_indexed(text)) for id_, text in texts])


def unindex_texts(connection: Connection, texts: Iterable[tuple[int, str]]) -> None:
    """Take messages of ours out of the index; the texts must be those that were put in."""
    connection.executemany(_UNINDEX, [(id_, as_indexed(text)) for id_, text in texts])


def index_everything(connection: Connection) -> None:
    """Fill an index of words that is new."""
    own = connection.execute("SELECT id, text FROM message")
    index_texts(connection, own)
    pages = connection.execute("SELECT id, data FROM page")
    connection.executemany(_INDEX, ((id_, _words_of(data)) for id_, data in pages))


def as_indexed(text: str) -> str:
    """A text as the index of words gets it: what looks alike is alike, and words stand apart."""
    if text.isascii():
        return text
    return UNSPACED.sub(r" \g<0> ", unicodedata.normalize("NFKD", text))


def _words_of(data: bytes) -> str:
    return as_indexed("\n".join(texts_of(data)))

"""Reading the history file, beside whoever writes it.

Rules: a connection of its own, read-only, so that a long search delays no message; plain calls that
may block, made by one thread at a time. What is stored but not filed yet is read as well. A file
that is not there is an empty history; any other trouble is a `HistoryError`.
"""

from __future__ import annotations

import os
import re
import sqlite3
import unicodedata
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote

from p2pchat.history.records import HistoryError, Line
from p2pchat.history.segments import unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_T = TypeVar("_T")
_BUSY_TIMEOUT: Final = 5.0
_PAGE: Final = 1000
_SELECT: Final = (
    "SELECT m.id, c.text, s.text, m.msg_id, m.at / 1000.0, m.said / 1000.0, m.state, m.text"
    " FROM message m JOIN name c ON c.id = m.conversation JOIN name s ON s.id = m.sender"
)
# Scripts without spaces between words: an index of words does not help there.
_UNSPACED: Final = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\ua4cf\uf900-\ufaff]")
_TOKEN: Final = re.compile(r"[^\W_]+\*?")


class Reader:
    """The reading side of the history file at `path`."""

    def __init__(self, path: str, connect: Any = sqlite3.connect) -> None:
        self.path = path
        self._connect = connect
        self._connection: sqlite3.Connection | None = None

    def recent(self, conversation: str | None, count: int, before: int | None = None) -> list[Line]:
        """The last `count` messages of a conversation, or of all for None, oldest first.

        `before`: only those with a smaller id.
        """
        upto = (1 << 62) if before is None else before

        def read(connection: sqlite3.Connection) -> list[Line]:
            found = _newest_unfiled(
                connection,
                count,
                lambda line: line.id < upto and conversation in (None, line.conversation),
            )
            where = "m.id < ?"
            if conversation is not None:
                where += " AND m.conversation = (SELECT id FROM name WHERE text = ?)"
            rows = connection.execute(
                f"{_SELECT} WHERE {where} ORDER BY m.id DESC LIMIT ?",
                (upto, *([conversation] if conversation is not None else []), count),
            )
            return _latest(found, rows, count)

        return self._read(read)

    def search(self, words: str, count: int) -> list[Line]:
        """The last `count` messages that hold all of `words`, oldest first.

        Case and accents do not matter; `word*` also finds what begins so. In a script without
        spaces, or without an index of words, `words` is looked for as it stands.
        """
        tokens = _TOKEN.findall(_folded(words))
        as_it_stands = not tokens or _UNSPACED.search(words) is not None

        def read(connection: sqlite3.Connection) -> list[Line]:
            matches = (
                (lambda line: words.casefold() in line.text.casefold())
                if as_it_stands
                else (lambda line: _holds(line.text, tokens))
            )
            found = _newest_unfiled(connection, count, matches)
            if as_it_stands or not _has_words(connection):
                pattern = "%" + re.sub(r"([\\%_])", r"\\\1", words.strip()) + "%"
                rows = connection.execute(
                    f"{_SELECT} WHERE m.text LIKE ? ESCAPE '\\' ORDER BY m.id DESC LIMIT ?",
                    (pattern, count),
                )
            else:
                query = " AND ".join(
                    f'"{token[:-1]}"*' if token.endswith("*") else f'"{token}"' for token in tokens
                )
                rows = connection.execute(
                    f"{_SELECT} WHERE m.id IN (SELECT rowid FROM words WHERE words MATCH ?"
                    " ORDER BY rowid DESC LIMIT ?) ORDER BY m.id DESC",
                    (query, count),
                )
            return _latest(found, rows, count)

        return self._read(read)

    def published(self, scopes: Sequence[str], after: str, since: float, count: int) -> list[Line]:
        """The last `count` PUBs of ours to one of `scopes`, oldest first.

        Only those after the one whose msg_id is `after`, if that is among them, and not older than
        `since` (wall clock).
        """

        def read(connection: sqlite3.Connection) -> list[Line]:
            rows = connection.execute(
                f"{_SELECT} WHERE m.state = 1 AND m.at >= ? ORDER BY m.id DESC LIMIT ?",
                (since * 1000, count),
            )
            found = []
            for row in rows:
                line = Line(*row)
                if line.msg_id == after:
                    break
                if line.conversation in scopes:
                    found.append(line)
            return found[::-1]

        return self._read(read)

    def peers_called(self, name: str) -> list[str]:
        """The peers of this bare name who said something, or to whom something was said."""
        first = f"{name}@"

        def read(connection: sqlite3.Connection) -> list[str]:
            rows = connection.execute(
                "SELECT text FROM name WHERE text >= ? AND text < ?", (first, f"{name}A")
            )
            found = {text for (text,) in rows}
            for (data,) in connection.execute("SELECT data FROM segment"):
                found.update(line.sender for line in unpack(data) if line.sender.startswith(first))
            return sorted(peer_id for peer_id in found if peer_id.rpartition("@")[0] == name)

        return self._read(read)

    def everything(self, conversation: str | None = None) -> Iterator[Line]:
        """All messages, oldest first, a page at a time, so that writing goes on meanwhile."""
        last = 0
        while True:
            page = self._page(conversation, last)
            yield from page
            if not page:
                return
            last = page[-1].id

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    # ------------------------------------------------------------ pieces

    def _page(self, conversation: str | None, last: int) -> list[Line]:
        def read(connection: sqlite3.Connection) -> list[Line]:
            rows = connection.execute(
                f"{_SELECT} WHERE m.id > ? AND ?2 IS NULL OR m.id > ?1 AND m.conversation ="
                " (SELECT id FROM name WHERE text = ?2) ORDER BY m.id LIMIT ?3",
                (last, conversation, _PAGE),
            ).fetchall()
            found = [Line(*row) for row in rows]
            for (data,) in connection.execute(
                "SELECT data FROM segment WHERE last > ? ORDER BY id", (last,)
            ):
                found += [
                    line
                    for line in unpack(data)
                    if line.id > last and conversation in (None, line.conversation)
                ]
                if len(found) > 2 * _PAGE:
                    break
            return sorted(found, key=lambda line: line.id)[:_PAGE]

        return self._read(read)

    def _read(self, read: Callable[[sqlite3.Connection], list[_T]]) -> list[_T]:
        """Call `read` with the file as it is at one moment."""
        try:
            if self._connection is None:
                if not os.path.exists(self.path):
                    return []
                self._connection = self._connect(
                    f"file:{quote(os.path.abspath(self.path))}?mode=ro",
                    uri=True,
                    timeout=_BUSY_TIMEOUT,
                    isolation_level=None,
                    check_same_thread=False,
                )
            self._connection.execute("BEGIN")
            try:
                (version,) = self._connection.execute("PRAGMA user_version").fetchone()
                # Without a version the file is one that could not be begun.
                return read(self._connection) if version else []
            finally:
                self._connection.execute("ROLLBACK")
        except (sqlite3.Error, OSError, ValueError) as trouble:
            self.close()
            raise HistoryError(f"the history cannot be read: {trouble}") from None


def _newest_unfiled(
    connection: sqlite3.Connection, count: int, wanted: Callable[[Line], bool]
) -> list[Line]:
    """The last `count` wanted messages that are in segments, newest first."""
    found: list[Line] = []
    for (data,) in connection.execute("SELECT data FROM segment ORDER BY id DESC"):
        found += [line for line in reversed(unpack(data)) if wanted(line)]
        if len(found) >= count:
            break
    return found


def _latest(found: list[Line], rows: Any, count: int) -> list[Line]:
    lines = found + [Line(*row) for row in rows]
    lines.sort(key=lambda line: line.id, reverse=True)
    return lines[:count][::-1]


def _has_words(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute("SELECT rowid FROM words LIMIT 0")
    except sqlite3.OperationalError:
        return False
    return True


def _folded(text: str) -> str:
    """Lower case and without accents, as the index of words has it."""
    plain = unicodedata.normalize("NFKD", text.lower())
    return "".join(char for char in plain if not unicodedata.combining(char))


def _holds(text: str, tokens: Sequence[str]) -> bool:
    words = set(_TOKEN.findall(_folded(text).replace("*", " ")))
    return all(
        any(word.startswith(token[:-1]) for word in words)
        if token.endswith("*")
        else token in words
        for token in tokens
    )

"""Reading the history file, beside whoever writes it.

Rules: a connection of its own, read-only, so that a long search delays no message; plain calls that
may block, made by one thread at a time. What is stored but not filed yet is read as well. A file
that is not there is an empty history; any other trouble is a `HistoryError`.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import quote

from p2pchat.history import searching
from p2pchat.history.records import HistoryError, Line
from p2pchat.history.schema import UPGRADES
from p2pchat.history.segments import unpack

_T = TypeVar("_T")
_BUSY_TIMEOUT: Final = 5.0
_LINES: Final = 1000
_SELECT: Final = (
    "SELECT m.id, c.text, s.text, m.msg_id, m.at / 1000.0, m.said / 1000.0, m.state, m.text"
    " FROM message m JOIN name c ON c.id = m.conversation JOIN name s ON s.id = m.sender"
)
_OF_ONE: Final = (
    "SELECT p.data FROM page_of o JOIN page p ON p.id = o.page"
    " WHERE o.name = (SELECT id FROM name WHERE text = ?) AND o.count > 0"
)


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
            found: list[Line] = []
            for (data,) in _newest(connection, conversation, upto):
                lines = unpack(data, conversation)
                found += [line for line in reversed(lines) if line.id < upto]
                if len(found) >= count:
                    break
            where = "m.id < ?"
            if conversation is not None:
                where += " AND m.conversation = (SELECT id FROM name WHERE text = ?)"
            rows = connection.execute(
                f"{_SELECT} WHERE {where} ORDER BY m.id DESC LIMIT ?",
                (upto, *([conversation] if conversation is not None else []), count),
            )
            return _latest(found, [Line(*row) for row in rows], count)

        return self._read(read)

    def search(self, words: str, count: int) -> list[Line]:
        """The last `count` messages that hold all of `words`, oldest first.

        Case and accents do not matter; `word*` also finds what begins so. In a script without
        spaces `words` is looked for as it stands.
        """
        query = searching.Query(words)

        def read(connection: sqlite3.Connection) -> list[Line]:
            found: list[Line] = []
            for (data,) in searching.newest(connection, query):
                found += reversed(query.lines(data))
                if len(found) >= count:
                    break
            own: list[Line] = []
            for id_, text in searching.newest_own(connection, query):
                if query.matches(text):
                    own += [
                        Line(*row)
                        for row in connection.execute(f"{_SELECT} WHERE m.id = ?", (id_,))
                    ]
                    if len(own) >= count:
                        break
            return _latest(found, own, count)

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
                (last, conversation, _LINES),
            ).fetchall()
            own = [Line(*row) for row in rows]
            found: list[Line] = []
            for (data,) in _oldest(connection, conversation, last):
                found += [line for line in unpack(data, conversation) if line.id > last]
                if len(found) >= _LINES:
                    break
            return sorted(own + found, key=lambda line: line.id)[:_LINES]

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
                if version not in (0, len(UPGRADES)):
                    raise HistoryError(
                        "the history was written by another version of p2pchat: "
                        + (
                            "use that one"
                            if version > len(UPGRADES)
                            else "start it once, to convert it"
                        )
                    )
                # Without a version the file is one that could not be begun.
                return read(self._connection) if version else []
            finally:
                self._connection.execute("ROLLBACK")
        except (sqlite3.Error, OSError, ValueError) as trouble:
            self.close()
            raise HistoryError(f"the history cannot be read: {trouble}") from None


def _newest(
    connection: sqlite3.Connection, conversation: str | None, upto: int
) -> Iterator[tuple[bytes]]:
    """Segments and pages that begin before `upto` and may have something of a conversation."""
    yield from connection.execute("SELECT data FROM segment WHERE id < ? ORDER BY id DESC", (upto,))
    if conversation is None:
        yield from connection.execute(
            "SELECT data FROM page WHERE id < ? ORDER BY id DESC", (upto,)
        )
    else:
        yield from connection.execute(
            f"{_OF_ONE} AND o.page < ? ORDER BY o.page DESC", (conversation, upto)
        )


def _oldest(
    connection: sqlite3.Connection, conversation: str | None, last: int
) -> Iterator[tuple[bytes]]:
    """Pages and segments that go on after `last` and may have something of a conversation."""
    # Pages follow each other: only the one that begins at `last` or before it may reach beyond.
    (first,) = connection.execute(
        "SELECT coalesce(max(id), 0) FROM page WHERE id <= ?", (last,)
    ).fetchone()
    if conversation is None:
        yield from connection.execute("SELECT data FROM page WHERE id >= ? ORDER BY id", (first,))
    else:
        yield from connection.execute(
            f"{_OF_ONE} AND o.page >= ? ORDER BY o.page", (conversation, first)
        )
    yield from connection.execute("SELECT data FROM segment WHERE last > ? ORDER BY id", (last,))


def _latest(found: list[Line], own: list[Line], count: int) -> list[Line]:
    """The last `count` of what is given newest first, oldest first."""
    return sorted(found + own, key=lambda line: line.id)[-count:]

"""The numbers that stand for peers and scopes in a history file."""

from __future__ import annotations

from sqlite3 import Connection
from typing import Final

from p2pchat.history.sums import of_name

MANY: Final = 10_000
"""Names: more than these are looked after when a node starts."""
_MAX_KNOWN: Final = 10_000
_SUM: Final = "UPDATE name SET sum = ? WHERE id = ?"


class Names:
    """Knows the numbers that were asked for last. `forget` is for when a number may be wrong."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._known)

    def number(self, connection: Connection, name: str) -> int:
        """The number of a name, which is a new one for a new name: call it in a transaction."""
        known = self._known.get(name)
        if known is None:
            new = connection.execute("INSERT OR IGNORE INTO name(text) VALUES (?)", (name,))
            if new.rowcount > 0:
                connection.execute(_SUM, (of_name(new.lastrowid or 0, name), new.lastrowid))
            (known,) = connection.execute("SELECT id FROM name WHERE text = ?", (name,)).fetchone()
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[name] = known
        return known

    def forget(self) -> None:
        """Ask the file again: it was closed, or a name was deleted."""
        self._known.clear()


def drop_unused(connection: Connection) -> None:
    """Delete the names of whom nothing is kept, when there are many and everything is filed."""
    (names,) = connection.execute("SELECT count(*) FROM name").fetchone()
    if names > MANY:
        connection.execute(
            "DELETE FROM name WHERE text != '' AND NOT friend"
            " AND NOT EXISTS (SELECT 1 FROM message_of WHERE conversation = name.id)"
            " AND id NOT IN (SELECT sender FROM message)"
        )

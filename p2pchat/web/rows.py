"""The rows of a page's list of conversations: what kind each is, and how much calls for the person.

    with_kind({"conversation":"bob@CIC","unread":2})  ->  {…,"kind":"peer","unread_named":2}

Rules: what calls for the person is what the full console marks so: all that is direct, and what has
the person's name. The latter is looked for in the latest lines of the latest rooms, in the
history's thread. Without a history the texts are gone, and nothing is found.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import inlineCallbacks

from p2pchat.control.requests import Fields
from p2pchat.history.reading import Reader
from p2pchat.history.records import RECEIVED, HistoryError
from p2pchat.node.node import ChatNode
from p2pchat.wire.address import EVERYONE
from p2pchat.wire.names import naming

_MOST_LINES: Final = 100
"""Lines of a room in which the person's name is looked for."""
_MOST_ROOMS: Final = 5


def with_kind(row: Fields) -> Fields:
    """A row of the control socket's with what a page wants beside that."""
    name = row["conversation"]
    kind = "all" if name == EVERYONE else "room" if name.startswith("#") else "peer"
    return {**row, "kind": kind, "unread_named": row["unread"] if kind == "peer" else 0}


@inlineCallbacks
def with_named(fields: Fields, node: ChatNode) -> Any:
    """The conversations of an answer as such rows; fires with the answer, and never fails."""
    rows, history = [*map(with_kind, fields["conversations"])], node.history
    rooms = [row for row in rows if row["kind"] != "peer" and row["unread"]][:_MOST_ROOMS]
    if rooms and history is not None:
        is_named = naming(node.me.peer_id)
        unread = [(row["conversation"], row["unread"]) for row in rooms]

        def count(reader: Reader) -> list[int]:
            return [_count(reader, where, most, is_named) for where, most in unread]

        try:
            for row, named in zip(rooms, (yield history.ask(count)), strict=True):
                row["unread_named"] = named
        except HistoryError:
            pass  # the counts alone are shown
    return {**fields, "conversations": rows}


def _count(reader: Reader, where: str, unread: int, is_named: Callable[[str], bool]) -> int:
    """How many of the last unread lines of a room name the person."""
    lines = reader.recent(where, _MOST_LINES)
    others = [line.text for line in lines if line.state == RECEIVED and not line.changes]
    return sum(map(is_named, others[-unread:]))

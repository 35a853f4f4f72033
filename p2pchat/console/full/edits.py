"""Another text for a message that is on the screen, or was read from the history.

Rules: a message is changed by who said it alone, in its own conversation, and by nothing that came
less safely. What changes nothing here is shown as a message of its own: nothing is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct, structs

from p2pchat.console.full.entries import EntryKind, PaneEntry
from p2pchat.history.records import RECEIVED, SECURITIES, Record

_SAID: Final = (EntryKind.MESSAGE, EntryKind.OWN)


class Change(Struct, frozen=True):
    """What a peer, or the person, says in place of what they said before."""

    speaker: str
    where: str
    of: str
    """The msg_id of what it changes."""
    text: str
    security: str = ""
    """How it came, as in `wording.security_mark`."""

    def changes(self, entry: PaneEntry) -> bool:
        """Whether this entry has another text from now on; one in several parts stays."""
        return (
            entry.msg_id == self.of
            and entry.speaker == self.speaker
            and entry.where == self.where
            and entry.kind in _SAID
            and not entry.claims
            and (entry.parts is None or len(entry.parts) == 1)
            and _rank(self.security) >= _rank(entry.security)
        )


def _rank(security: str) -> int:
    return SECURITIES.index(security) if security in SECURITIES else 0


def with_changes(lines: Sequence[Record]) -> tuple[list[Record], dict[int, str]]:
    """Lines of the history, each with its latest text; and the first text of those that changed.

    A change of what is not among them stays, as a line of its own.
    """
    kept: dict[int, Record] = {}
    by_id: dict[tuple[str, str, str], int] = {}
    changed: dict[int, str] = {}
    for line in lines:
        number = by_id.get((line.sender, line.conversation, line.changes)) if line.changes else None
        first = None if number is None else kept[number]
        if first is not None and _may_change(line, first):
            kept[first.id] = structs.replace(first, text=line.text)
            changed.setdefault(first.id, first.text)
            continue
        kept[line.id] = line
        if line.changes:
            changed[line.id] = line.text
        else:
            by_id[line.sender, line.conversation, line.msg_id] = line.id
    return [*kept.values()], changed


def _may_change(line: Record, first: Record) -> bool:
    if first.state != RECEIVED:
        return True
    return (line.security or 0) >= (first.security or 0)

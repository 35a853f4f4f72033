"""What became of the person's own messages: the marks that may still change.

Rules: bounded, the oldest marks stay as they are. A message of an earlier session whose ACK is
still to come is followed like one of this session.
"""

from __future__ import annotations

from typing import Final

from p2pchat.console.full.entries import Mark, PaneEntry
from p2pchat.speech import _
from p2pchat.wire.names import bracketed

MOST_AWAITED: Final = 20_000
"""Messages whose mark may still change."""


class Marks:
    """Follows messages by their msg_id."""

    def __init__(self) -> None:
        self._awaited: dict[str, PaneEntry] = {}

    def follow(self, msg_id: str, entry: PaneEntry) -> PaneEntry:
        """Have `entry` tell what becomes of a message; returns the one that does already, if any.

        Show the entry that is returned, so that all places where the message is shown agree.
        """
        followed = self._awaited.setdefault(msg_id, entry)
        if len(self._awaited) > MOST_AWAITED:
            del self._awaited[next(iter(self._awaited))]
        return followed

    def followed(self, msg_id: str) -> PaneEntry | None:
        """The entry of a message whose mark may still change."""
        return self._awaited.get(msg_id)

    def delivered(self, msg_id: str) -> bool:
        """The ACK came; False when the message is not followed."""
        entry = self._awaited.pop(msg_id, None)
        if entry is not None:
            _set(entry, Mark.DELIVERED, "")
        return entry is not None

    def undelivered(self, msg_id: str, reason: str) -> bool:
        """No ACK came; False when the message is not followed."""
        entry = self._awaited.get(msg_id)
        if entry is not None:
            # It is still awaited: its ACK may come late, or the node may keep it for later.
            _set(entry, Mark.FAILED, reason)
        return entry is not None

    def queued(self, msg_id: str, peer_id: str) -> bool:
        """The message waits for a link; False when it is not followed."""
        entry = self._awaited.get(msg_id)
        if entry is not None:
            until = _("waits until {peer} is connected (/outbox)")
            _set(entry, Mark.WAITING, until.format(peer=bracketed(peer_id)))
        return entry is not None


def _set(entry: PaneEntry, mark: Mark, note: str) -> None:
    """Also where it was typed."""
    for each in (entry, entry.also):
        if each is not None:
            each.mark, each.note = mark, note

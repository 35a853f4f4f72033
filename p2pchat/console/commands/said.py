"""What one person said last, and where: what /edit changes, and where /me goes.

    said.note("bob@CIC", msg_id)  ->  said.last("bob@CIC"), or said.last() for the latest of all

Rules: bounded, the conversations in which nothing was said for longest go. A change of a message
is noted by nobody: the next change is one of the first text again.
"""

from __future__ import annotations

from typing import Final

_MOST: Final = 200


class LastSaid:
    """The last message of ours in each conversation."""

    def __init__(self) -> None:
        self._last: dict[str, str] = {}

    def note(self, where: str, msg_id: str) -> None:
        """We said this, to a peer or in a scope."""
        self._last.pop(where, None)
        self._last[where] = msg_id
        if len(self._last) > _MOST:
            del self._last[next(iter(self._last))]

    def last(self, where: str = "") -> tuple[str, str] | None:
        """Where it was said, and its msg_id; of one conversation, or the latest of all."""
        if not where:
            return next(reversed(self._last.items()), None)
        return (where, self._last[where]) if where in self._last else None

    def forget(self, where: str) -> None:
        """What was said there has been deleted."""
        self._last.pop(where, None)

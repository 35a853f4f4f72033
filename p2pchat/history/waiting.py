"""How much of what came may wait to be stored, for each peer and for all strangers together.

Rules: pure bookkeeping. What waits is that of the batch which gathers; see `Shares`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from p2pchat.history.records import Piece
from p2pchat.history.shares import Shares
from p2pchat.history.unstored import Arrival
from p2pchat.settings.values import HistorySettings

MAX_WAITING: Final = 64_000_000
"""Bytes of messages, roughly, that may wait while the disk does not keep up. Nobody has them all:
see `Limits`."""
_STRANGERS: Final = ""
"""The name under which the bytes of all strangers are counted."""
_OBJECT: Final = 500


class Limits(NamedTuple):
    """How much may be in the file, and how much may wait to be stored."""

    file: Shares
    waiting: Shares

    @classmethod
    def of(cls, settings: HistorySettings) -> Limits:
        """The limits that these settings set."""
        strangers, peer = settings.strangers_share, settings.peer_share
        return cls(
            Shares.of(settings.max_bytes, strangers, peer),
            Shares.of(MAX_WAITING, strangers, peer),
        )


class Waiting:
    """What waits, within `limits`, which may be changed at any time."""

    def __init__(self, limits: Shares) -> None:
        self.limits = limits
        self._of: dict[str, int] = {}
        self.bytes = 0
        """Of all messages that wait, roughly."""
        self.refused = 0
        """Messages for which there was no room."""

    def take(self, piece: Piece, arrival: Arrival) -> bool:
        """Whether there is room for these messages, which then wait."""
        # A message that is not shown yet is there twice: packed, and as it came.
        size = 2 * len(piece.data) + _OBJECT * len(arrival.messages)
        whose, share = (_STRANGERS, self.limits.strangers)
        if not piece.stranger:
            whose, share = arrival.peer.peer_id, self.limits.peer
        of_these = self._of.get(whose, 0) + size
        if of_these > share or self.bytes + size > self.limits.max_bytes:
            self.refused += piece.messages
            return False
        self.bytes += size
        self._of[whose] = of_these
        return True

    def clear(self) -> None:
        """Nothing waits any more: it is being written."""
        self.bytes = 0
        self._of.clear()

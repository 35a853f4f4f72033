"""Noticing that somebody else uses our peer_id, and telling the person, once for each place.

Rules: one name at one address is one registration, and a later one overwrites it; so our name at
another address, or at ours without our port, is somebody else's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from p2pchat.logs.levels import Log
from p2pchat.rendezvous.directory import Listing
from p2pchat.wire.names import bracketed

_log: Final = Log("PeerServer")
_MAX_TOLD: Final = 100


class OwnName:
    """Our peer_id as others see it. `tell` gets the sentences for the person."""

    def __init__(self, peer_id: str, tell: Callable[[str], None]) -> None:
        self.ip = ""
        """Our address as the rendezvous sees it, empty while it is not known."""
        self.port = 0
        """The port that we are registered with."""
        self._peer_id = peer_id
        self._tell = tell
        self._told: set[str] = set()

    def listed(self, entries: Sequence[Listing]) -> None:
        """A DISCOVER reply lists our name like this."""
        overwritten = not any(entry.port == self.port for entry in entries)
        for entry in entries:
            if self.ip and (entry.ip != self.ip or overwritten):
                self.in_use(f"registered at {entry.ip}:{entry.port}")

    def in_use(self, where: str) -> None:
        """Somebody else was found to use our name."""
        sentence = (
            f"somebody else uses the name {bracketed(self._peer_id)} ({where}): choose another one"
        )
        if sentence in self._told or len(self._told) >= _MAX_TOLD:
            return
        self._told.add(sentence)
        _log.warn("{text}", text=sentence)
        self._tell(sentence)

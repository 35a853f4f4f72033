"""Noticing that somebody else uses our peer_id, and telling the person, once for each place.

Rules: one name at one address is one registration, and a later one overwrites it; so our name at
another address, or at ours without our port, is somebody else's. We may have an address of IPv4 and
one of IPv6. Those that we had before count as ours, too, because a registration there may last on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from p2pchat.logs.levels import Log
from p2pchat.rendezvous.directory import Grant, Listing
from p2pchat.speech import Sentence
from p2pchat.wire.address import host_and_port
from p2pchat.wire.names import bracketed

_log: Final = Log("PeerServer")
_MAX_TOLD: Final = 100
_MOST_OURS: Final = 32
"""Addresses of ours that are remembered: IPv6 gives a machine another one each day."""


class OwnName:
    """Our peer_id as others see it. `tell` gets the sentences for the person."""

    def __init__(self, peer_id: str, tell: Callable[[Sentence], None]) -> None:
        self.ips: tuple[str, ...] = ()
        """Our addresses as the rendezvous sees them, none while they are not known."""
        self.here: tuple[str, ...] = ()
        """Those of our interfaces that lead to it."""
        self.port = 0
        """The port that we are registered with."""
        self._peer_id = peer_id
        self._tell = tell
        self._told: set[str] = set()
        self._had: dict[str, None] = {}

    def granted(self, grant: Grant) -> None:
        """We are registered at these addresses."""
        self.ips, self.here = grant.ips, grant.here
        for ip in grant.ips:
            self._had.pop(ip, None)
            self._had[ip] = None
        while len(self._had) > _MOST_OURS:
            del self._had[next(iter(self._had))]

    def listed(self, entries: Sequence[Listing]) -> None:
        """A DISCOVER reply lists our name like this."""
        if not self.ips or len(self._told) >= _MAX_TOLD:
            return
        still_ours = {entry.ip for entry in entries if entry.port == self.port}
        for entry in entries:
            if entry.ip not in self._had or (entry.ip in self.ips and entry.ip not in still_ours):
                where = host_and_port(entry.ip, entry.port)
                self.in_use(Sentence("registered at {where}", where=where))

    def in_use(self, where: Sentence) -> None:
        """Somebody else was found to use our name."""
        place = str(where)
        if len(self._told) >= _MAX_TOLD or place in self._told:
            return
        self._told.add(place)
        sentence = Sentence(
            "somebody else uses the name {name} ({where}): choose another one",
            name=bracketed(self._peer_id),
            where=where,
        )
        _log.warn("{text}", text=str(sentence))
        self._tell(sentence)

"""Who may still connect: links in all, links from one address, handshakes in progress.

Rules: pure counting; whoever is admitted must be released once, by the same address. Loopback has
no limit of its own: everybody on this machine shares it. A dial under way has a descriptor, too,
and so it takes a place.
"""

from __future__ import annotations

from typing import Final

from p2pchat.settings.values import LimitSettings
from p2pchat.wire.address import is_loopback

_RESERVE: Final = 128
"""Descriptors that are not for links; a quarter of them, but at least 32, where they are few."""


class Admission:
    """Counts connections against the limits."""

    def __init__(self, limits: LimitSettings, max_descriptors: int | None = None) -> None:
        self._max_descriptors = max_descriptors
        self.configure(limits)
        self._per_ip: dict[str, int] = {}
        self.links = 0
        """Connections at present, in both directions."""
        self.handshakes = 0
        """Inbound connections that have not opened yet."""
        self.dials = 0
        """Dials under way; one whose connection is there counts among the links, too."""
        self.refused = 0
        """Inbound connections that found no place since the start."""
        self.postponed = 0
        """Dials that found no place since the start, and wait."""

    def configure(self, limits: LimitSettings) -> None:
        """Go by these limits from now on; who is admitted already stays."""
        self.max_links = limits.max_links
        if self._max_descriptors is not None:
            # Logs, the rendezvous and the console need some, and a batch of connections has been
            # accepted before the first of them is refused.
            reserve = min(_RESERVE, max(32, self._max_descriptors // 4))
            self.max_links = min(self.max_links, max(1, self._max_descriptors - reserve))
        self._max_per_ip = limits.max_links_per_ip
        self._max_handshakes = limits.max_handshakes

    def admit(self, ip: str) -> str | None:
        """Take a place for an inbound connection; the reason when there is none."""
        reason = None
        if not self.has_room:
            reason = "too many links"
        elif self.handshakes >= self._max_handshakes:
            reason = "too many handshakes in progress"
        elif self._per_ip.get(ip, 0) >= self._max_per_ip and not is_loopback(ip):
            reason = "too many links from one address"
        if reason is not None:
            self.refused += 1
            return reason
        self.links += 1
        self.handshakes += 1
        self._per_ip[ip] = self._per_ip.get(ip, 0) + 1
        return None

    @property
    def has_room(self) -> bool:
        """Whether one more link may be made, in either direction."""
        return self.links + self.dials < self.max_links

    def dialed(self) -> None:
        """Count an outbound connection; whoever dials asks `has_room` before."""
        self.links += 1

    def settled(self) -> None:
        """An admitted connection has opened, or ended before it did."""
        self.handshakes -= 1

    def release(self, ip: str, *, inbound: bool) -> None:
        """Give a place back."""
        self.links -= 1
        if not inbound:
            return
        left = self._per_ip.get(ip, 0) - 1
        if left > 0:
            self._per_ip[ip] = left
        else:
            self._per_ip.pop(ip, None)

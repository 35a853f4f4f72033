"""Who may still connect: links in all, links from one address, handshakes in progress.

Rules: pure counting; whoever is admitted must be released once, by the same address. Loopback has
no limit of its own: everybody on this machine shares it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from p2pchat.settings import LimitSettings


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
        self.refused = 0
        """Inbound connections that found no place since the start."""

    def configure(self, limits: LimitSettings) -> None:
        """Go by these limits from now on; who is admitted already stays."""
        self.max_links = limits.max_links
        if self._max_descriptors is not None:
            # A reserve for logs, the rendezvous, the console and the dials of our own.
            self.max_links = min(self.max_links, max(1, self._max_descriptors - 64))
        self._max_per_ip = limits.max_links_per_ip
        self._max_handshakes = limits.max_handshakes

    def admit(self, ip: str) -> str | None:
        """Take a place for an inbound connection; the reason when there is none."""
        reason = None
        if self.links >= self.max_links:
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

    def dialed(self) -> None:
        """Count an outbound connection; dials are limited elsewhere."""
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


def is_loopback(ip: str) -> bool:
    """Whether this address can only be reached from this machine."""
    return ip.startswith(("127.", "::ffff:127.")) or ip == "::1"

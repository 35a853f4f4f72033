"""PINGs to every link, spread over the interval, and the end of links that went silent.

Rules: one ring of links and no timer of its own; `tick` is called several times a second and
pings as many links as are due, so that ten thousand peers cost the same every moment instead of a
burst every half minute. Any line from a peer is a sign of life (protocol, section 1).
"""

from __future__ import annotations

from itertools import islice
from typing import Final

from p2pchat.logs.levels import Log
from p2pchat.mesh.link.seams import IPeerLink

_log: Final = Log("KeepAlive")
SILENCE: Final = 3
"""Ping intervals without a line that end a link."""
_RARE: Final = 4.0
"""Seconds from one PING to the next, of whatever link."""
_STANDSTILL: Final = 5.0
"""Seconds between two ticks after which it was us who slept, not the peers; fewer, but never less
than one, when PINGs are more frequent."""


class KeepAlive:
    """Pings links in turn, each once an `interval` (seconds)."""

    def __init__(self, interval: float, now: float) -> None:
        self.interval = interval
        """Seconds between two PINGs on a link; may be changed at any time."""
        # A plain dict, for a third of an OrderedDict's memory: whoever was pinged is put in anew,
        # with the time since when it waits. Links share the number of a tick.
        self._ring: dict[IPeerLink, float] = {}
        self._ticked_at = now
        self._owed = 0.0
        """Seconds that links have waited for a PING, added up over all of them."""
        self._sent = 0
        self._measured = 0
        self._seconds = 0.0
        self._report_at = now + interval
        self._judge_from = now
        self.ended = 0
        """Links that were ended because they went silent."""

    def __len__(self) -> int:
        return len(self._ring)

    @property
    def at_rest(self) -> bool:
        """Whether PINGs are so rare that a call of `tick` once a second is often enough."""
        return max(1, len(self._ring)) * _RARE <= self.interval

    def add(self, link: IPeerLink) -> None:
        """Ping this link once an interval from now on, the first time about one interval later."""
        if not self._ring:
            self._owed = 0.0
        self._ring[link] = self._ticked_at

    def remove(self, link: IPeerLink) -> None:
        """The link is gone, and so is what it was owed: another one would be pinged too early."""
        since = self._ring.pop(link, None)
        if since is not None:
            self._owed = max(0.0, self._owed - (self._ticked_at - since))

    def measured(self, seconds: float) -> None:
        """Take a round-trip time into the next report."""
        self._measured += 1
        self._seconds += seconds

    def tick(self, now: float) -> None:
        """Send the PINGs that are due since the last call."""
        if now - self._ticked_at > max(1.0, min(_STANDSTILL, self.interval)):
            # What peers sent meanwhile waits in the sockets: read it before judging them.
            self._judge_from = now + min(self.interval, _STANDSTILL)
        self._owed += len(self._ring) * max(0.0, now - self._ticked_at)
        self._ticked_at = now
        due, self._owed = divmod(self._owed, self.interval)
        # After a standstill of the whole process one round is enough: a slice ends with the ring.
        for link in [*islice(self._ring, int(due))]:
            if link in self._ring:  # it may have ended while another one was pinged
                del self._ring[link]
                self._ring[link] = now
                self._sent += 1
                link.ping()
        if now >= self._report_at:
            self._report(now)

    def end_silent(self, now: float) -> None:
        """Give up links that sent nothing for three intervals; call it about once a second."""
        longest = SILENCE * self.interval
        if now < self._judge_from:
            return
        since = now - longest
        for link in [link for link in self._ring if link.heard_at < since]:
            if not link.waits_for_us:
                self.ended += 1
                link.give_up(f"silent for {longest:g} s")

    def _report(self, now: float) -> None:
        self._report_at = now + self.interval
        if self._sent:
            mean = self._seconds / self._measured if self._measured else None
            average = "not measured yet" if mean is None else f"{mean * 1e3:.1f} ms"
            _log.info("Sent {n} PINGs | Average RTT = {rtt}", n=self._sent, rtt=average)
        self._sent = self._measured = 0
        self._seconds = 0.0

"""PINGs to every link, spread over the interval, and the end of links that went silent.

Rules: one ring of links and no timer of its own; `tick` is called several times a second and
pings as many links as are due, so that ten thousand peers cost the same every moment instead of a
burst every half minute. Any line from a peer is a sign of life (protocol, section 1).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from p2pchat.logs import Log

if TYPE_CHECKING:
    from p2pchat.protocol import PeerProtocol

_log: Final = Log("KeepAlive")
SILENCE: Final = 3
"""Ping intervals without a line that end a link."""
_STANDSTILL: Final = 5.0
"""Seconds between two ticks after which it was us who slept, not the peers."""


class KeepAlive:
    """Pings links in turn, each once an `interval` (seconds)."""

    def __init__(self, interval: float, now: float) -> None:
        self._interval = interval
        self._ring: OrderedDict[PeerProtocol, None] = OrderedDict()
        self._ticked_at = now
        self._owed = 0.0
        self._sent = 0
        self._round_trips: list[float] = []
        self._report_at = now + interval
        self._judge_from = now

    def __len__(self) -> int:
        return len(self._ring)

    def add(self, link: PeerProtocol) -> None:
        """Ping this link once an interval from now on, the first time about one interval later."""
        if not self._ring:
            self._owed = 0.0
        self._ring[link] = None

    def remove(self, link: PeerProtocol) -> None:
        """The link is gone."""
        self._ring.pop(link, None)

    def measured(self, seconds: float) -> None:
        """Take a round-trip time into the next report."""
        self._round_trips.append(seconds)

    def tick(self, now: float) -> None:
        """Send the PINGs that are due since the last call."""
        if now - self._ticked_at > _STANDSTILL:
            # What peers sent meanwhile waits in the sockets: read it before judging them.
            self._judge_from = now + min(self._interval, _STANDSTILL)
        self._owed += len(self._ring) * max(0.0, now - self._ticked_at) / self._interval
        self._ticked_at = now
        # After a standstill of the whole process one round is enough.
        due = min(int(self._owed), len(self._ring))
        self._owed -= int(self._owed)
        for _ in range(due):
            link = next(iter(self._ring))
            self._ring.move_to_end(link)
            link.ping()
        self._sent += due
        if now >= self._report_at:
            self._report(now)

    def end_silent(self, now: float) -> None:
        """Give up links that sent nothing for three intervals; call it about once a second."""
        longest = SILENCE * self._interval
        if now < self._judge_from:
            return
        for link in [*self._ring]:
            if now - link.heard_at > longest and not link.waits_for_us:
                link.give_up(f"silent for {longest:g} s")

    def _report(self, now: float) -> None:
        self._report_at = now + self._interval
        if self._sent:
            times = self._round_trips
            average = f"{sum(times) / len(times) * 1e3:.1f} ms" if times else "not measured yet"
            _log.info("Sent {n} PINGs | Average RTT = {rtt}", n=self._sent, rtt=average)
        self._sent = 0
        self._round_trips = []

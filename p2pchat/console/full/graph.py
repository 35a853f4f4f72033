"""Small graphs of round-trip times.

Rules: pure. A graph's lowest bar is the smallest sample, its highest the largest; samples that
differ by less than a tenth are drawn alike, or noise would look like a mountain range.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from p2pchat.console.reports import Table
from p2pchat.mesh.peers import Peer
from p2pchat.wire.text import printable

BARS: Final = "▁▂▃▄▅▆▇█"
PLAIN_BARS: Final = "_.-~=+*#"
"""For terminals whose encoding has no others."""
_FLAT: Final = 1.1


def sparkline(samples: Sequence[float], bars: str = BARS) -> str:
    """A bar for each sample, oldest first."""
    if not samples:
        return ""
    low, high = min(samples), max(samples)
    if high <= low * _FLAT:
        return bars[0] * len(samples)
    steps = len(bars) - 1
    return "".join(bars[round((sample - low) / (high - low) * steps)] for sample in samples)


def round_trips(peers: Iterable[Peer], bars: str = BARS) -> Table:
    """The peers that have samples or a link, in milliseconds."""
    rows: list[Sequence[str]] = []
    for peer in sorted(peers, key=lambda peer: peer.peer_id):
        samples, average = peer.round_trips, peer.average_round_trip
        if average is not None:
            figures = (average, min(samples), samples[-1])
            milliseconds = [f"{seconds * 1000:.1f}" for seconds in figures]
            rows.append((printable(peer.peer_id), sparkline(samples, bars), *milliseconds))
        elif peer.links:
            rows.append((printable(peer.peer_id), "-", "-", "-", "no answer yet"))
    return Table(("peer_id", "samples", "mean ms", "least", "last"), rows)

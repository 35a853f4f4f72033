"""Small graphs of round-trip times.

Rules: pure. A graph's lowest bar is the smallest sample, its highest the largest; samples that
differ by less than a tenth are drawn alike, or noise would look like a mountain range.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from p2pchat.console.replies import Table
from p2pchat.console.reports import RoundTripRow, round_trip_figures
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


def round_trips_graph(rows: Iterable[RoundTripRow], bars: str = BARS) -> Table:
    """The round-trip times in milliseconds, with a graph of each peer's samples."""
    cells = []
    for row in rows:
        graph = sparkline(row.samples_seconds, bars) or "no answer yet"
        cells.append((printable(row.peer_id), graph, *round_trip_figures(row)))
    return Table(("peer_id", "samples", "mean ms", "least", "last"), cells)

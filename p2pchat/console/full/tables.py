"""Tables that fit a terminal, whatever its width, and small graphs of round-trip times in them.

Rules: pure. Columns are aligned, and the widest give way first. A table is drawn for a width as
often as it is shown, so that it fits again after the window was resized. A graph's lowest bar is
the smallest sample, its highest the largest; samples that differ by less than a tenth are drawn
alike, or noise would look like a mountain range.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from p2pchat.console.full.widths import cut, padded, steady, width
from p2pchat.console.replies import Table
from p2pchat.console.reports import RoundTripRow, round_trip_figures
from p2pchat.speech import _
from p2pchat.wire.names import in_table

_GAP: Final = "  "
_LEAST: Final = 4
BARS: Final = "▁▂▃▄▅▆▇█"
PLAIN_BARS: Final = "_.-~=+*#"
"""For terminals whose encoding has no others."""
_FLAT: Final = 1.1


def fitted(table: Table, room: int) -> list[str]:
    """The titles and a line for each row, each of at most `room` columns."""
    cells = [[*map(steady, row)] for row in (table.head, *table.rows)]
    widths = [max(map(width, column)) for column in zip(*cells, strict=True)]
    for _column in range(table.spare):
        if sum(widths) + len(_GAP) * (len(widths) - 1) > room:
            widths.pop()
    _shrink(widths, room - len(_GAP) * (len(widths) - 1))
    lines = [
        _GAP.join(padded(cell, columns) for cell, columns in zip(row, widths, strict=False))
        for row in cells
    ]
    return [cut(line.rstrip(), room) for line in lines]


def sparkline(samples: Sequence[float], bars: str = BARS) -> str:
    """A bar for each sample, oldest first."""
    if not samples:
        return ""
    low, high = min(samples), max(samples)
    if high <= low * _FLAT:
        return bars[0] * len(samples)
    steps = len(bars) - 1
    return "".join(bars[round((sample - low) / (high - low) * steps)] for sample in samples)


def round_trips_graph(
    rows: Iterable[RoundTripRow],
    bars: str = BARS,
    beside: Callable[[str], str] = lambda _peer_id: "",
) -> Table:
    """The round-trip times in milliseconds, with a graph of each peer's samples.

    `beside` gives what stands behind the figures of a peer.
    """
    cells = []
    for row in rows:
        graph = sparkline(row.samples_seconds, bars) or _("no answer yet")
        mean, least, last = round_trip_figures(row)
        cells.append((in_table(row.peer_id), graph, mean, least, last + beside(row.peer_id)))
    return Table(("peer_id", _("samples"), _("mean ms"), _("least"), _("last")), cells)


def _shrink(widths: list[int], room: int) -> None:
    """Take from the widest column until all fit, or all are narrow."""
    while sum(widths) > room and max(widths) > _LEAST:
        widths[widths.index(max(widths))] -= 1

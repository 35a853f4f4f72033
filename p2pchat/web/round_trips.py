"""The round-trip times of the last minutes, for a plot.

    node.observers.add(round_trips)
    round_trips.since(now - 900)  ->  {"bob@CIC": [[1780000000.0, 0.0003], …]}

Rules: bounded in peers and in samples; one a second for each peer at most. It hears of the node
from the first page on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from p2pchat.mesh.peers import Peer
from p2pchat.node.observers import Observer

MOST_PEERS: Final = 100
MOST_SAMPLES: Final = 300
_APART: Final = 1.0


class RoundTrips(Observer):
    """Of one node; `wall` gives the seconds since the epoch."""

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._samples: dict[str, deque[tuple[float, float]]] = {}

    def round_trip(self, peer: Peer, seconds: float) -> None:
        """A peer has answered a PING."""
        samples, now = self._samples.pop(peer.peer_id, None), self._wall()
        if samples is None:
            samples = deque(maxlen=MOST_SAMPLES)
        if not samples or abs(now - samples[-1][0]) >= _APART:
            samples.append((round(now, 3), round(seconds, 6)))
        # Who was silent for longest makes way.
        self._samples[peer.peer_id] = samples
        if len(self._samples) > MOST_PEERS:
            del self._samples[next(iter(self._samples))]

    def since(self, start: float) -> dict[str, list[tuple[float, float]]]:
        """The samples of each peer after that time, oldest first."""
        found = {
            peer_id: [sample for sample in samples if sample[0] >= start]
            for peer_id, samples in self._samples.items()
        }
        return {peer_id: samples for peer_id, samples in found.items() if samples}

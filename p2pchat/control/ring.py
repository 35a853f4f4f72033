"""The latest events, numbered, for a client that was away: it goes on where it stopped.

    ring.add("message", 3, b'{…}\n{…}\n{…}\n')       every event has the next number
    ring.since(41, kinds)  ->  Missed(12, b'…', 30)     12 are gone, here are the next 30

Rules: pure bookkeeping, bounded in events and in bytes: the oldest go. What came together is kept
together, as it was encoded. Numbers count all kinds that are kept, so that a gap between two events
may be one of kinds that a client did not ask for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container
from typing import Final, NamedTuple

MOST_EVENTS: Final = 2000
MOST_BYTES: Final = 524_288
"""No more than may wait for a client before events are left out, see `outgoing`."""


class Missed(NamedTuple):
    """What a client has not heard."""

    gone: int
    """Events, of whatever kind, that are not kept any more."""
    data: bytes
    """The others, a line each."""
    events: int


class EventRing:
    """The latest events of a run of `feed`, which `run` names."""

    def __init__(self, run: str) -> None:
        self.run = run
        self.kinds: frozenset[str] = frozenset()
        """The kinds that are numbered and kept: those that clients with numbers asked for."""
        self.last = 0
        """The number of the latest event, 0 before the first."""
        self._kept: deque[tuple[str, int, bytes]] = deque()
        self._events = self._bytes = 0

    def add(self, kind: str, count: int, data: bytes) -> None:
        """Keep so many events, a line each; the number of the last one is `last` from now on."""
        self.last += count
        kept = self._kept
        kept.append((kind, count, data))
        events, size = self._events + count, self._bytes + len(data)
        while events > MOST_EVENTS or size > MOST_BYTES:
            _, count, data = kept.popleft()
            events -= count
            size -= len(data)
        self._events, self._bytes = events, size

    def since(self, number: int, kinds: Container[str]) -> Missed:
        """What came after the event of this number, as far as it is kept, of these kinds."""
        upto = self.last - self._events
        gone = max(0, upto - number)
        found: list[bytes] = []
        events = 0
        for kind, count, data in self._kept:
            heard = min(count, max(0, number - upto))
            upto += count
            if kind in kinds and heard < count:
                found.append(data.split(b"\n", heard)[heard] if heard else data)
                events += count - heard
        return Missed(gone, b"".join(found), events)

    def clear(self) -> None:
        """Keep none of them; the numbers go on."""
        self._kept.clear()
        self._events = self._bytes = 0

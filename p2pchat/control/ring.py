"""The latest events, numbered, for a client that was away: it goes on where it stopped.

    ring.add("message", b'{…}\\n')             every event has the next number
    ring.since(41, kinds)  ->  Missed(12, b'…', 30)     12 are gone, here are the next 30

Rules: pure bookkeeping, bounded in events and in bytes: the oldest go. Numbers count all kinds that
are kept, so that a gap between two events may be one of kinds that a client did not ask for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container
from itertools import islice
from typing import Final, NamedTuple

MOST_EVENTS: Final = 2000
MOST_BYTES: Final = 524_288
"""No more than may wait for a client before events are left out, see `outgoing`."""


class Missed(NamedTuple):
    """What a client has not heard."""

    gone: int
    """Events, of whatever kind, that are not kept any more."""
    data: bytes
    """The others, encoded."""
    events: int


class EventRing:
    """The latest events of a run of `feed`, which `run` names."""

    def __init__(self, run: str) -> None:
        self.run = run
        self.kinds: frozenset[str] = frozenset()
        """The kinds that are numbered and kept: those that clients with numbers asked for."""
        self.last = 0
        """The number of the latest event, 0 before the first."""
        self._events: deque[tuple[str, bytes]] = deque()
        self._bytes = 0

    def add(self, kind: str, data: bytes) -> None:
        """Keep an event, whose number is `last` from now on."""
        self.last += 1
        events = self._events
        events.append((kind, data))
        self._bytes += len(data)
        while len(events) > MOST_EVENTS or self._bytes > MOST_BYTES:
            self._bytes -= len(events.popleft()[1])

    def since(self, number: int, kinds: Container[str]) -> Missed:
        """What came after the event of this number, as far as it is kept, of these kinds."""
        first = self.last - len(self._events)
        kept = islice(self._events, max(0, number - first), None)
        found = [data for kind, data in kept if kind in kinds]
        return Missed(max(0, first - number), b"".join(found), len(found))

    def clear(self) -> None:
        """Keep none of them; the numbers go on."""
        self._events.clear()
        self._bytes = 0

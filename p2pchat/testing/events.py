"""The seeded order of events: when what is sent arrives, in which pieces, and on which machine.

Rules: all that is random in the in-memory network comes from here, and so from the seed. Ports,
connectors and transports know these two classes, and nothing of the network that is made of them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any, Final

from p2pchat.testing.clock import FakeClock

_FIRST_EPHEMERAL: Final = 32_768


class Events:
    """One clock, and what happens by it in the order that `seed` gives.

    `latency` is the shortest and the longest time in seconds that a segment takes; `cut` is the
    chance that what is sent at once arrives in pieces, `join` that a read is late and finds more.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        latency: tuple[float, float] = (0.0005, 0.01),
        cut: float = 0.2,
        join: float = 0.1,
    ) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self.clock = FakeClock()
        self.latency = latency
        self.cut = cut
        self.join = join
        self.hosts: dict[str, Machine] = {}
        self.connections: dict[Any, None] = {}
        """The ends of connections that are not closed yet."""
        self.tap: Callable[[Any, bytes], None] | None = None
        """If there is one, it gets the `FakeTransport` and the bytes of each read."""

    def arrival(self) -> float:
        """When a segment that is sent now arrives."""
        return self.clock.seconds() + self.random.uniform(*self.latency)

    def segments(self, data: bytes) -> Iterator[bytes]:
        """Cut bytes as a network might."""
        while len(data) > 1 and self.random.random() < self.cut:
            at = self.random.randrange(1, len(data))
            yield data[:at]
            data = data[at:]
        yield data

    def at(self, when: float, event: Callable[..., Any], *args: object) -> None:
        """Have something happen at this time."""
        self.clock.callLater(max(0.0, when - self.clock.seconds()), event, *args)

    def now(self, event: Callable[..., Any], *args: object) -> None:
        """Have something happen in the next turn."""
        self.clock.callLater(0, event, *args)

    def soon(self, event: Callable[..., Any], *args: object) -> None:
        """Have something happen in the next turn, or somewhat later."""
        late = self.random.random() < self.join
        self.clock.callLater(self.random.uniform(*self.latency) if late else 0, event, *args)

    def later(self, event: Callable[..., Any], *args: object) -> None:
        """Have something happen when a segment that is sent now would arrive."""
        self.at(self.arrival(), event, *args)


class Machine:
    """What a connection must know of the host where it ends."""

    def __init__(self, events: Events, ip: str) -> None:
        self.events = events
        self.ip = ip
        self.reachable = True
        self.kills = 0
        """How often whatever ran here was killed."""
        self.ports: dict[int, Any] = {}
        self._next_port = _FIRST_EPHEMERAL

    def free_port(self) -> int:
        """A port that nothing uses."""
        self._next_port += 1
        while self._next_port in self.ports:
            self._next_port += 1
        return self._next_port

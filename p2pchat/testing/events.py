"""The seeded order of events: when what is sent arrives, in which pieces, and on which machine.

Rules: all that is random in the in-memory network comes from here, and so from the seed. Ports,
connectors and transports know these two classes, and nothing of the network that is made of them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, Final

from p2pchat.testing.clock import FakeClock

_FIRST_EPHEMERAL: Final = 32_768
_LONGEST_WAIT: Final = 60.0
"""Seconds that TCP waits at most before it sends something again."""


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
        self.names: dict[str, list[str]] = {}
        """The names of machines, with the addresses that every host finds for them."""
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


class Loss:
    """What one machine sends to another one vanishes, from `since` on (the clock's seconds).

    `waiting` has the ends of connections that will send something again.
    """

    def __init__(self, since: float) -> None:
        self.since = since
        self.waiting: dict[Any, None] = {}


class Machine:
    """What a connection must know of the host where it ends."""

    def __init__(self, events: Events, ip: str) -> None:
        self.events = events
        self.ip = ip
        self.addresses = [ip]
        """All that it has, of either family; `FakeHost.also` adds one."""
        self.reachable = True
        self.kills = 0
        """How often whatever ran here was killed."""
        self.numbers = count(1)
        """Numbers for the programs here to take: none is given twice."""
        self.ports: dict[int, Any] = {}
        self.paused = False
        """Whether its programs stand still, while its kernel goes on."""
        self.losing: dict[Machine, Loss] = {}
        """The machines that nothing reaches which this one sends."""
        self._postponed: list[tuple[Callable[..., Any], tuple[object, ...]]] = []
        self._next_port = _FIRST_EPHEMERAL

    def source_for(self, there: str) -> str:
        """Its own address of the family of `there`; empty when it has none."""
        six = ":" in there
        return next((each for each in self.addresses if (":" in each) is six), "")

    def do(self, act: Callable[..., Any], *args: object) -> None:
        """Have a program of this machine do something: now, or when it is no longer paused."""
        if self.paused:
            self._postponed.append((act, args))
        else:
            act(*args)

    def cannot_talk_with(self, other: Machine) -> bool:
        """Whether what one of the two sends to the other vanishes."""
        return other in self.losing or self in other.losing

    def begin_loss(self, to: Machine) -> None:
        """Lose all that this machine sends to another one from now on."""
        self.losing.setdefault(to, Loss(self.events.clock.seconds()))

    def end_loss(self, to: Machine) -> None:
        """Lose nothing more; what waits is sent again by and by, later after a longer loss."""
        loss = self.losing.pop(to, None)
        if loss is None:
            return
        now = self.events.clock.seconds()
        longest = min(now - loss.since, _LONGEST_WAIT)
        for end in loss.waiting:
            self.events.at(self.events.arrival() + self._drawn(longest), end.send_again)

    def _drawn(self, longest: float) -> float:
        return self.events.random.uniform(0.0, longest)

    def free_port(self) -> int:
        """A port that nothing uses."""
        self._next_port += 1
        while self._next_port in self.ports:
            self._next_port += 1
        return self._next_port

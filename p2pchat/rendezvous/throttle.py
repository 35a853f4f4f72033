"""How often one address may connect (protocol, section 2).

The first `limit` connections of an address within `window` seconds pass. The next one is turned
away without a word and blocks the address for `window` seconds; what connects meanwhile is told for
how long, and does not prolong it. Loopback is never counted: those are our own programs. An IPv6
network of 64 bits counts as one address: whoever has one of its addresses has them all.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

from p2pchat.wire.address import is_loopback, network_of

PASS: Final = -1
"""The connection is welcome."""
SILENT: Final = 0
"""Close the connection without a word. Anything above: the seconds that the block still lasts."""


class Throttle:
    """Counts connections per address; remembers about `capacity` addresses, a tenth more at most.

    An address is forgotten a window after its last connection. Should there be too many, the one
    that was silent for longest is forgotten early (counted in `forgotten`). One that is blocked
    goes only for another one that is blocked, or many addresses would buy one its freedom.
    """

    def __init__(self, limit: int = 50, window: float = 60.0, capacity: int = 10_000) -> None:
        self.limit = limit
        self.window = window
        self.capacity = capacity
        self.turned_away = 0
        """Connections that did not pass."""
        self.forgotten = 0
        # Apart, each in the order in which they were heard of.
        self._addresses: dict[str, _Address] = {}
        self._blocked: dict[str, _Address] = {}

    def __len__(self) -> int:
        """How many addresses are remembered."""
        return len(self._addresses) + len(self._blocked)

    def admit(self, ip: str, now: float) -> int:
        """Count a connection: `PASS`, `SILENT`, or whole seconds (1 or more) of a block."""
        if not self.limit or is_loopback(ip):
            return PASS
        network = network_of(ip)
        address = (
            self._addresses.pop(network, None) or self._blocked.pop(network, None) or _Address()
        )
        verdict = self._judge(address, now)
        address.seen = now
        remembered = self._addresses if verdict == PASS else self._blocked
        remembered[network] = address  # last in order: the one heard of most recently
        self._forget(now)
        if verdict != PASS:
            self.turned_away += 1
        return verdict

    def _judge(self, address: _Address, now: float) -> int:
        if now < address.blocked_until:
            return math.ceil(address.blocked_until - now)
        times = address.times
        while times and times[0] <= now - self.window:
            times.popleft()
        if len(times) < self.limit:
            times.append(now)
            return PASS
        times.clear()
        address.blocked_until = now + self.window
        return SILENT

    def _forget(self, now: float) -> None:
        # Those who are not blocked keep some room in any case, or nobody would count them.
        room = max(self.capacity - len(self._blocked), 1 + self.capacity // 10)
        self._forget_of(self._addresses, room, now)
        self._forget_of(self._blocked, self.capacity, now)

    def _forget_of(self, addresses: dict[str, _Address], room: int, now: float) -> None:
        while addresses:
            oldest = next(iter(addresses))
            if addresses[oldest].seen > now - self.window:
                if len(addresses) <= room:
                    return
                self.forgotten += 1
            del addresses[oldest]


class _Address:
    """One address: when it connected, until when it is blocked, when it was last heard of."""

    __slots__ = ("blocked_until", "seen", "times")

    def __init__(self) -> None:
        self.times: deque[float] = deque()
        self.blocked_until = -math.inf
        self.seen = -math.inf

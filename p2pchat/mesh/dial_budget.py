"""How many dials may begin: in all, and to one address, whatever an address was heard from.

Rules: pure counting, no I/O; `now` is seconds of a steady clock, passed in. A rate holds in every
second: the n-th dial begins a second after the one n places before it. A dial lasts until its
handshake is done or has failed. Only the dials of the last second are remembered.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from typing import Final

from p2pchat.settings.values import LimitSettings

_ROUNDING: Final = 0.001
"""Seconds to wait in addition, so that no rounding of times makes us look too early."""


class DialBudget:
    """Counts dials against the limits; an address is the key of an `Address`."""

    def __init__(self, limits: LimitSettings) -> None:
        self._recent: deque[tuple[float, str]] = deque()
        self._under_way: Counter[str] = Counter()
        self.configure(limits)

    def configure(self, limits: LimitSettings) -> None:
        """Go by these limits from now on."""
        self._rate = limits.dial_rate
        self._rate_to_one = limits.dial_rate_per_address
        self._most_to_one = limits.max_dials_per_address

    def wait(self, now: float) -> float:
        """Seconds until one more dial may begin, to whatever address; 0 if it may now."""
        while self._recent and now - self._recent[0][0] >= 1:
            self._recent.popleft()
        if len(self._recent) < self._rate:
            return 0.0
        return self._recent[-self._rate][0] + 1 - now + _ROUNDING

    def wait_for(self, address: str, now: float) -> float:
        """The same for this address alone; infinite if a dial to it must end first.

        Call `wait` before, which forgets what is too old to count.
        """
        if self._under_way[address] >= self._most_to_one:
            return math.inf
        times = [at for at, key in self._recent if key == address]
        if len(times) < self._rate_to_one:
            return 0.0
        return times[-self._rate_to_one] + 1 - now + _ROUNDING

    def under_way(self, address: str) -> int:
        """How many dials to this address have not ended."""
        return self._under_way[address]

    def began(self, address: str, now: float) -> None:
        """A dial begins; it must be given back with `ended`."""
        self._recent.append((now, address))
        self._under_way[address] += 1

    def ended(self, address: str) -> None:
        """A dial has ended, whatever came of it."""
        self._under_way[address] -= 1
        if not self._under_way[address]:
            del self._under_way[address]

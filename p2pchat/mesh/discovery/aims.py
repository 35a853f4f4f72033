"""How often an address that others told us of is dialed: pure counting.

Rules: nobody can aim a room at a victim by telling its address. 3 dials an hour go to one address,
10 to its network of 24 bits (64 of IPv6), and one a second in all, 8 at once. `now` is seconds of a
steady clock.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Final

from p2pchat.mesh.link.bucket import TokenBucket
from p2pchat.wire.address import group_of, network_of

_HOUR: Final = 3600.0
TO_ONE: Final = 3
TO_A_GROUP: Final = 10
_RATE, _BURST = 1.0, 8.0


class Aims:
    """The dials of one node to addresses that it was told of."""

    def __init__(self, now: float) -> None:
        self._bucket = TokenBucket(_RATE, now, _BURST)
        self._dials: deque[tuple[float, str, str]] = deque()
        self._to: Counter[str] = Counter()

    def may(self, ip: str, now: float) -> bool:
        """Whether to dial this address now; counted if so."""
        while self._dials and now - self._dials[0][0] >= _HOUR:
            _, *keys = self._dials.popleft()
            for key in keys:
                self._to[key] -= 1
                if not self._to[key]:
                    del self._to[key]
        one, group = f"1 {network_of(ip)}", f"* {group_of(ip)}"
        if self._to[one] >= TO_ONE or self._to[group] >= TO_A_GROUP:
            return False
        if self._bucket.take_some(1, now) is None:
            return False
        self._dials.append((now, one, group))
        self._to[one] += 1
        self._to[group] += 1
        return True

"""A token bucket: how long to wait so that a rate holds on average. Pure arithmetic, no clock."""

from __future__ import annotations


class TokenBucket:
    """Allows `rate` units a second on average, and one second's worth at once."""

    __slots__ = ("_at", "_rate", "_tokens")

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._tokens = rate
        self._at = now

    def take(self, count: float, now: float) -> float:
        """Use `count` units; returns the seconds to wait until the rate holds again, 0 if it does.

        `now` is seconds of a steady clock. A rate of 0 means no limit.
        """
        rate = self._rate
        if not rate:
            return 0.0
        tokens = min(rate, self._tokens + (now - self._at) * rate) - count
        self._tokens = tokens
        self._at = now
        return -tokens / rate if tokens < 0 else 0.0

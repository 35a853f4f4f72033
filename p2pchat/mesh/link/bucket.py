"""A token bucket: how much may happen so that a rate holds on average.

Rules: pure arithmetic, no clock: `now` is seconds of a steady clock, passed in with each question.
"""

from __future__ import annotations


class TokenBucket:
    """Allows `rate` units a second on average, and `burst` at once (default one second's worth)."""

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, now: float, burst: float = 0.0) -> None:
        self._rate = rate
        self._burst = burst or rate
        self._tokens = self._burst
        self._at = now

    def take(self, count: float, now: float) -> float:
        """Use `count` units; returns the seconds to wait until the rate holds again, 0 if it does.

        A rate of 0 means no limit.
        """
        rate = self._rate
        if not rate:
            return 0.0
        tokens = min(self._burst, self._tokens + (now - self._at) * rate) - count
        self._tokens = tokens
        self._at = now
        return -tokens / rate if tokens < 0 else 0.0

    def take_some(self, count: int, now: float) -> int | None:
        """Use as many of `count` units as there are; returns how many. The rate must not be 0.

        None, and nothing is used, if these are too few and less than a second's worth: ask again
        in `second_in` seconds.
        """
        self.take(0, now)
        if self._tokens < min(count, self._rate):
            return None
        some = min(count, int(self._tokens))
        self._tokens -= some
        return some

    @property
    def second_in(self) -> float:
        """Seconds until there is a second's worth, and a millisecond against rounding."""
        return (self._rate - self._tokens) / self._rate + 0.001

    def fill_a_second(self) -> None:
        """Have a second's worth at least."""
        self._tokens = max(self._tokens, self._rate)

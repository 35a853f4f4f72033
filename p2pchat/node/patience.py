"""A bounded time for several waits together, after which nothing is waited for any more.

Rules: only the time that is spent in waiting counts.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime


class Patience:
    """Waits for so many seconds in all."""

    def __init__(self, clock: IReactorTime, seconds: float) -> None:
        self._clock = clock
        self._left = seconds

    @property
    def over(self) -> bool:
        """Whether nothing is waited for any more."""
        return self._left <= 0

    def wait(self, awaited: Deferred[Any]) -> Deferred[bool]:
        """Wait for this; fires with whether it came in time, whatever came."""
        done: Deferred[bool] = Deferred()
        began = self._clock.seconds()

        def came(_: object) -> None:
            if timer.active():
                timer.cancel()
                self._left -= self._clock.seconds() - began
                done.callback(True)

        def late() -> None:
            self._left = 0.0
            done.callback(False)

        if self.over:
            awaited.addErrback(lambda _: None)
            return succeed(False)
        timer = self._clock.callLater(self._left, late)
        awaited.addBoth(came)
        return done

"""Time for tests: it stands still until it is told to pass.

Rules: calls happen in the order of their times, those of one time in the order in which they were
made; while a call runs, `seconds()` is exactly its time. A call that raises stops the test.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count
from typing import Any

from twisted.internet.base import DelayedCall
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer


@implementer(IReactorTime)
class FakeClock:
    """`IReactorTime` whose time passes only in `run`, one call after the other.

    Unlike `twisted.internet.task.Clock`, `run` stops at the time of every call, so that a call
    that makes another one sees the same times as with a real reactor. Its calls are of the class
    that the reactor uses, which is a private part of Twisted.
    """

    def __init__(self, start: float = 1000.0) -> None:
        self._now = start
        self._order = count()
        self._heap: list[tuple[float, int, DelayedCall]] = []

    def seconds(self) -> float:
        """The time, in seconds of no particular era."""
        return self._now

    def callLater(
        self,
        delay: float,
        callable: Callable[..., Any],  # noqa: A002  (Twisted's name)
        *args: object,
        **kw: object,
    ) -> DelayedCall:
        """See `IReactorTime`."""
        call = DelayedCall(
            self._now + delay, callable, args, kw, _forget, self._schedule, self.seconds
        )
        self._schedule(call)
        return call

    def getDelayedCalls(self) -> list[DelayedCall]:
        """The calls that have not happened yet."""
        return [call for at, _, call in sorted(self._heap) if call.active() and call.time == at]

    def run(self, seconds: float) -> None:
        """Let this much time pass."""
        end = self._now + seconds
        while self.step(end):
            pass
        self._now = end

    def step(self, end: float) -> bool:
        """Make the next call if it is due by the time `end`; whether there was one."""
        heap = self._heap
        while heap:
            at, _, call = heap[0]
            if not call.active():
                heapq.heappop(heap)
            elif call.delayed_time > 0:
                heapq.heappop(heap)
                call.activate_delay()
                self._schedule(call)
            elif at > end:
                return False
            else:
                heapq.heappop(heap)
                if call.time != at:  # it was moved, and is in the heap a second time
                    continue
                self._now = max(self._now, at)
                call.called = 1
                call.func(*call.args, **call.kw)
                return True
        return False

    def _schedule(self, call: DelayedCall) -> None:
        heapq.heappush(self._heap, (call.time, next(self._order), call))


def _forget(_: DelayedCall) -> None:
    """A cancelled call stays in the heap until its time and is skipped then."""

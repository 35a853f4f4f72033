"""Time for tests: it stands still until it is told to pass.

Rules: calls happen in the order of their times, those of one time in the order in which they were
made; while a call runs, `seconds()` is exactly its time. A call that raises stops the test.
A machine whose clock is too fast or too slow has a `Rate`.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from itertools import count
from typing import Any

from twisted.internet.base import DelayedCall
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer


class Call(DelayedCall):
    """A call that is to happen; `owner` is who made it, if that was a machine's program."""

    owner: object = None


@implementer(IReactorTime)
class FakeClock:
    """`IReactorTime` whose time passes only in `run`, one call after the other.

    Unlike `twisted.internet.task.Clock`, `run` stops at the time of every call, so that a call
    that makes another one sees the same times as with a real reactor. Its calls are of the class
    that the reactor uses, which is a private part of Twisted.
    """

    def __init__(self, start: float = 1000.0) -> None:
        self._now = start
        self.latest: Call | None = None
        """The call that happened last, or happens now."""
        self._order = count()
        self._heap: list[tuple[float, int, Call]] = []

    def seconds(self) -> float:
        """The time, in seconds of no particular era."""
        return self._now

    def callLater(
        self,
        delay: float,
        callable: Callable[..., Any],  # noqa: A002  (Twisted's name)
        *args: object,
        **kw: object,
    ) -> Call:
        """See `IReactorTime`."""
        call = Call(self._now + delay, callable, args, kw, _forget, self._schedule, self.seconds)
        self._schedule(call)
        return call

    def getDelayedCalls(self) -> list[DelayedCall]:
        """The calls that have not happened yet."""
        calls = [call for at, _, call in sorted(self._heap) if call.active() and call.time == at]
        return [*dict.fromkeys(calls)]

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
                self.latest = call
                call.func(*call.args, **call.kw)
                return True
        return False

    def call_later_at(
        self,
        rate: Rate,
        delay: float,
        call: Callable[..., Any],
        args: tuple[object, ...],
        kw: dict[str, object],
    ) -> Call:
        """The same as `callLater` for a program whose seconds are those of `rate`."""
        at = self._now + delay / rate.rate
        delayed = _RatedCall(at, call, args, kw, _forget, self._schedule, self.seconds)
        delayed.its = rate
        self._schedule(delayed)
        return delayed

    def hold(self, call: Call) -> float:
        """Have a call that is still to come wait for `release`; returns when it was to happen."""
        at = call.time + call.delayed_time
        call.time, call.delayed_time = math.inf, 0
        return at

    def release(self, call: Call, at: float) -> None:
        """Have a call that waits happen at this time, which may be past: then at once."""
        if call.active():
            call.time = max(at, self._now)
            self._schedule(call)

    def _schedule(self, call: Any) -> None:
        heapq.heappush(self._heap, (call.time, next(self._order), call))


class Rate:
    """What a clock shows that counts `rate` seconds in one of `true`; a new rate is no jump."""

    def __init__(self, true: Callable[[], float]) -> None:
        self._true = true
        self._rate = 1.0
        self._since = self._shown_then = true()

    @property
    def rate(self) -> float:
        """Its seconds in one true second."""
        return self._rate

    @rate.setter
    def rate(self, rate: float) -> None:
        self._since, self._shown_then = self._true(), self.shown()
        self._rate = rate

    def shown(self) -> float:
        """What it shows now."""
        return self.at(self._true())

    def at(self, true: float) -> float:
        """What it shows at this true time."""
        return self._shown_then + (true - self._since) * self._rate


class _RatedCall(Call):
    """A call whose program counts its seconds with a clock of another rate."""

    its: Rate

    def getTime(self) -> float:
        """When it comes, by its program's clock."""
        return self.its.at(super().getTime())

    def reset(self, secondsFromNow: float) -> None:  # noqa: N803
        """See `IDelayedCall`."""
        super().reset(secondsFromNow / self.its.rate)

    def delay(self, secondsLater: float) -> None:  # noqa: N803
        """See `IDelayedCall`."""
        super().delay(secondsLater / self.its.rate)


def _forget(_: DelayedCall) -> None:
    """A cancelled call stays in the heap until its time and is skipped then."""

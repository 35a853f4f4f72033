"""Work that would take too long for one turn of the reactor, done in several.

    turns = Turns(reactor)
    turns.do(work())        # a Deferred: it fires when all of the work is done
    at_once(work())         # the same before the reactor runs, when there is nobody to wait

Rules: all that is given to one `Turns` shares the time of a turn, a piece of each after the other,
also what is given when the rest is done. A clock that stands still, as in a test, has everything
done at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from typing import Any, Final, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

_T = TypeVar("_T")

SHARE: Final = 0.01
"""Seconds of a turn after which no further piece is begun."""


class Turns:
    """Does work piece by piece. A piece is what a generator does up to a `yield`: a few ms.

    `clock` measures how long the pieces of a turn have taken.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._work: deque[tuple[Generator[None, None, Any], Deferred[Any]]] = deque()
        self._under_way = False
        self._later: IDelayedCall | None = None
        self._used = 0.0
        self._idle_since = clock.seconds()

    def do(self, work: Generator[None, None, _T]) -> Deferred[_T]:
        """Begin now, if this turn has time left, and go on in later turns until all is done.

        The result fires with what `work` returns, or fails with what it raises. Cancel it to have
        no more done.
        """
        done: Deferred[_T] = Deferred(self._cancelled)
        self._work.append((work, done))
        if not self._under_way:
            self._under_way = True
            now = self._clock.seconds()
            if now - self._idle_since > SHARE:
                self._used = 0.0  # others have had as much, or the turn is another one
            if self._used < SHARE:
                self._take_share(now)
            else:
                self._later = self._clock.callLater(0, self._go_on)
        return done

    def _cancelled(self, done: Deferred[Any]) -> None:
        self._work = deque(each for each in self._work if each[1] is not done)
        if not self._work and self._later is not None:
            self._later.cancel()
            self._later = None
            self._under_way = False

    def _go_on(self) -> None:
        self._later = None
        self._used = 0.0
        self._take_share(self._clock.seconds())

    def _take_share(self, began: float) -> None:
        used = self._used
        while self._work:
            work, done = self._work.popleft()
            try:
                next(work)
            except StopIteration as end:
                done.callback(end.value)
            except Exception:
                done.errback()
            else:
                if not done.called:
                    self._work.append((work, done))
            self._idle_since = self._clock.seconds()
            self._used = used + self._idle_since - began
            if self._work and self._used >= SHARE:
                self._later = self._clock.callLater(0, self._go_on)
                return
        self._under_way = False


def at_once(work: Generator[None, None, _T]) -> _T:
    """Do all of the work in one go: before the reactor runs, nobody waits for a turn."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            value: _T = end.value
            return value

"""Work that would take too long for one turn of the reactor, done in several."""

from __future__ import annotations

from collections.abc import Iterator

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime


def in_turns(clock: IReactorTime, work: Iterator[None]) -> Deferred[None]:
    """Do a piece of `work` now, and one in each later turn, until there is no more.

    A piece is what `work` does between two of its `yield`s. The result fires when all is done, and
    fails with whatever `work` raises. Cancel it to have no more done.
    """
    later: IDelayedCall | None = None

    def cancelled(_: Deferred[None]) -> None:
        if later is not None:
            later.cancel()

    done: Deferred[None] = Deferred(cancelled)

    def go_on() -> None:
        nonlocal later
        later = None
        try:
            next(work)
        except StopIteration:
            done.callback(None)
        except Exception:
            done.errback()
        else:
            later = clock.callLater(0, go_on)

    go_on()
    return done

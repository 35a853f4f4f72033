"""Waiting for something that nobody tells: looked at again and again, and never for long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

_LOOK: Final = 0.02


def until(clock: IReactorTime, come: Callable[[], bool], seconds: float) -> Deferred[None]:
    """Fires when `come` says so, which is asked every 20 ms, or when so many seconds have passed.

    It may have fired already when it is returned.
    """
    deadline = clock.seconds() + seconds
    over: Deferred[None] = Deferred()

    def look() -> None:
        if come() or clock.seconds() >= deadline:
            over.callback(None)
        else:
            clock.callLater(_LOOK, look)

    look()
    return over

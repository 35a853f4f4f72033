"""Whether a client of the control socket reads what waits for it.

    watch = ReadingWatch(clock, progress, wanted, cut_off)
    watch.begin()          # safe to call again

Rules: a client is watched only while the node waits for it: when all is said and not all is
written, or when it asks for more than it reads. Any byte that it takes counts; only one that takes
none for `PATIENCE` seconds is cut off.
"""

from __future__ import annotations

import fcntl
import select
import struct
import termios
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

PATIENCE: Final = 10.0
"""Seconds without progress after which a client that is waited for is cut off."""
_LOOK: Final = 1.0


class ReadingWatch:
    """Looks once a second, as long as `wanted` says so, whether `progress` has a new value.

    `cut_off` is called, once, when it had the same for `PATIENCE` seconds.
    """

    def __init__(
        self,
        clock: IReactorTime,
        progress: Callable[[], object],
        wanted: Callable[[], bool],
        cut_off: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._progress = progress
        self._wanted = wanted
        self._cut_off = cut_off
        self._seen: object = None
        self._since = 0.0
        self._next: IDelayedCall | None = None
        self._over = False

    def begin(self) -> None:
        """Watch from now on, if that is wanted."""
        if self._next is None and not self._over and self._wanted():
            self._seen, self._since = self._progress(), self._clock.seconds()
            self._next = self._clock.callLater(_LOOK, self._look)

    def stop(self) -> None:
        """Watch no more, whatever comes; the client is gone."""
        self._over = True
        later, self._next = self._next, None
        if later is not None:
            later.cancel()

    def _look(self) -> None:
        self._next = None
        if not self._wanted():
            return
        now, seen = self._clock.seconds(), self._progress()
        if seen != self._seen:
            self._seen, self._since = seen, now
        if now - self._since >= PATIENCE:
            self._cut_off()
        else:
            self._next = self._clock.callLater(_LOOK, self._look)


def not_taken(transport: Any) -> int:
    """Bytes that the system holds for the other end of a socket; 0 where it does not tell.

    A large write is one step for the transport, and many for a slow reader: here each is seen.
    """
    try:
        answer = fcntl.ioctl(transport.fileno(), termios.TIOCOUTQ, bytes(4))
    except (AttributeError, OSError, ValueError):
        return 0
    return int(struct.unpack("i", answer)[0])


def is_gone(transport: Any) -> bool:
    """Whether the other end has closed its socket; False when it has closed one side only."""
    look = select.poll()
    try:
        look.register(transport.fileno(), 0)
        return any(what & (select.POLLHUP | select.POLLERR) for _, what in look.poll(0))
    except (AttributeError, OSError, TypeError, ValueError):
        return False

"""How fast a connection is read: no faster than its peer may send, and not if it does not read us.

Rules: not reading is all that we do to who sends too much; TCP makes it wait. A connection that is
not read cannot be called silent, so whoever judges silence asks `paused` first.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from p2pchat.mesh.link.bucket import TokenBucket

_A_SECOND: Final = 100
"""How often `took` is to be called when lines come as fast as they may."""


class Reading(enum.Enum):
    """Why we may not be reading at the moment."""

    ON = "on"
    TOO_FAST = "it sends faster than it may"
    NOT_READ = "it does not read our answers"
    BUSY = "not all that was read is taken in"
    HELD = "it cannot be taken in yet"


_ON: Final = Reading.ON
"""Looked up once: it is asked for with every chunk."""


def _nobody() -> None:
    """Nobody is told any more."""


class ReadLimit:
    """Pauses and resumes one transport.

    `rate` is lines a second on average, 0 for any, and then any number of bytes, too; `byte_rate`
    is bytes a second, 0 for any. `on_resume` is called when reading may go on, and may use up the
    allowance again.
    """

    __slots__ = (
        "_allowance",
        "_bytes",
        "_clock",
        "_more",
        "_on_resume",
        "_over",
        "_reading",
        "_resume",
        "_transport",
        "pauses",
        "unasked",
        "unasked_bytes",
    )

    def __init__(
        self,
        clock: IReactorTime,
        transport: Any,
        rate: float,
        byte_rate: float,
        on_resume: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._transport = transport
        self._allowance = TokenBucket(rate, clock.seconds()) if rate else None
        byte_rate = byte_rate if rate else 0
        self._bytes = TokenBucket(byte_rate, clock.seconds()) if byte_rate else None
        self._on_resume = on_resume
        self._reading = Reading.ON
        self._more = self._over = False
        self._resume: IDelayedCall | None = None
        self.unasked = rate / _A_SECOND if rate else math.inf
        """So many lines may be read before `took` hears of them, all at once."""
        self.unasked_bytes = byte_rate / _A_SECOND if byte_rate else math.inf
        """And so many bytes."""
        self.pauses = 0
        """How often we stopped reading because the peer sent too fast."""

    @property
    def paused(self) -> bool:
        """Whether we do not read at the moment."""
        return self._reading is not Reading.ON

    def took(
        self, lines: int, size: int, now: float, *, overfull: bool, more: bool, wait: float = 0.0
    ) -> None:
        """So many lines were taken in, and so many bytes were read.

        `overfull` says that too many answers wait to be read. `more` says that lines were read
        which are not taken in: they are to be in `on_resume`. `wait` is seconds
        until that may be, at the least.
        """
        if self._reading is not _ON:
            return
        self._more = more
        if self._allowance is not None:
            wait = max(wait, self._allowance.take(lines, now))
        if self._bytes is not None:
            wait = max(wait, self._bytes.take(size, now))
        if wait:
            self._reading = Reading.TOO_FAST
            self.pauses += 1
            self._transport.pauseProducing()
            self._resume = self._clock.callLater(wait, self._slow_enough)
        elif overfull:
            self._reading = Reading.NOT_READ
            self._transport.pauseProducing()
        elif more:
            self._transport.pauseProducing()
            self._go_on_soon()

    def answers_taken(self) -> None:
        """No more answers wait than may."""
        if self._reading is not Reading.NOT_READ:
            return
        if self._more:  # taken in by itself, and not amid what was just being sent
            self._go_on_soon()
        else:
            self._read_again()

    def hold(self) -> None:
        """Read no further until `go_on`."""
        if self._reading is not Reading.HELD:
            self._forget_timer()
            self._reading = Reading.HELD
            self._transport.pauseProducing()

    def go_on(self) -> None:
        """Read again, in a turn of its own."""
        if self._reading is Reading.HELD:
            self._go_on_soon()

    def stop(self) -> None:
        """The session is over: have no more part in whether the transport is read."""
        self._reading = Reading.ON
        self._over = True
        self._forget_timer()

    def gone(self) -> None:
        """So is the transport: forget whom to tell, so that no circle waits for the collector."""
        self.stop()
        self._on_resume = _nobody

    def _forget_timer(self) -> None:
        if self._resume is not None:
            self._resume.cancel()
            self._resume = None

    def _go_on_soon(self) -> None:
        self._reading = Reading.BUSY
        self._resume = self._clock.callLater(0, self._slow_enough)

    def _slow_enough(self) -> None:
        self._resume = None
        self._read_again()

    def _read_again(self) -> None:
        self._reading = Reading.ON
        self._on_resume()
        if self._reading is _ON and not self._over:
            self._transport.resumeProducing()

"""What an attached console shows: lines on standard output, of a flood only what a person can read.

Rules: no Twisted. What the person asked for is shown at once and whole. Of what comes by itself a
watched output shows `RATE` lines a second after a burst of `BURST`: the last ones, with the number
of those that were left out. An output that nobody watches gets everything.
"""

from __future__ import annotations

import os
import select
import sys
from collections import deque
from collections.abc import Iterable

from p2pchat.console.wording import BURST, RATE, left_out_line
from p2pchat.mesh.link.bucket import TokenBucket
from p2pchat.wire.text import printable


class Shown:
    """Shows lines on the descriptor `fd`.

    `watched` tells whether a person reads there, `kept` whether the node keeps messages. `now` is
    seconds of a steady clock, in each call.
    """

    def __init__(self, fd: int, now: float, *, watched: bool, kept: bool) -> None:
        self._fd = fd
        self._watched = watched
        self._kept = kept
        self._encoding = getattr(sys.__stdout__, "encoding", None) or "utf-8"
        self._recent: deque[str] = deque(maxlen=BURST if watched else None)
        self._count = 0
        self._allowance = TokenBucket(RATE, now, BURST)

    def answer(self, lines: Iterable[object]) -> None:
        """Show what was asked for."""
        self._write([str(line) for line in lines])

    def add(self, line: str) -> None:
        """Something happened: to be shown by the next call of `show`."""
        self._recent.append(line)
        self._count += 1

    def left_out(self, count: int) -> None:
        """The node has left out so many events."""
        if self._watched:
            self._count += count
        else:
            self.add(left_out_line(count, kept=self._kept))

    def show(self, now: float) -> float | None:
        """Show what may be shown; returns the seconds until there is more, None when all is out."""
        if not self._count:
            return None
        shown = len(self._recent)
        if self._watched:
            allowed = self._allowance.take_some(self._count, now)
            if allowed is None:
                # A flood: wait until there is a second's worth to show.
                return self._allowance.second_in
            shown = min(shown, allowed)
        left_out = self._count - shown
        lines = [*self._recent][len(self._recent) - shown :]
        self._recent.clear()
        self._count = 0
        self._write([left_out_line(left_out, kept=self._kept)] if left_out else [])
        self._write(lines)
        return None

    def finish(self, now: float) -> None:
        """Show what can be shown of what still waits, and forget the rest."""
        self._allowance.fill_a_second()
        self.show(now)

    def _write(self, lines: list[str]) -> None:
        if not lines:
            return
        text = "".join(printable(line) + "\n" for line in lines)
        data = memoryview(text.encode(self._encoding, "replace"))
        while data:
            try:
                data = data[os.write(self._fd, data) :]
            except BlockingIOError:
                # Another program on this terminal may have made it so.
                select.select([], [self._fd], [])

"""What the plain console shows of what comes in: everything, or what a person can read of a flood.

Rules: `Digest` is for a terminal, `Transcript` for everything else. Taking in a message costs a
`Digest` next to nothing: it formats only what it shows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from p2pchat.console.display import BURST, RATE, left_out_line, message_lines
from p2pchat.console.plain.screen import Screen
from p2pchat.wire.messages import Pub, Send


class Transcript:
    """Shows everything, as far as the screen has room."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def received(self, peer_id: str, messages: Sequence[Send | Pub]) -> None:
        """Messages came from this peer."""
        if self._screen.full:
            self._screen.skip(len(messages))
        else:
            self._screen.write(message_lines(peer_id, messages))

    def event(self, line: str) -> None:
        """Something else happened."""
        if self._screen.full:
            self._screen.skip(1)
        else:
            self._screen.write([line])

    def close(self) -> None:
        """Nothing is kept here."""


class Digest:
    """Shows what a person can read: `RATE` lines a second, after a burst of `BURST`.

    What is more is left out and counted, the last lines are shown. While the screen takes nothing,
    the last `BURST` lines wait here. `kept`: whether the messages are in a history, too.
    """

    def __init__(self, clock: IReactorTime, screen: Screen, *, kept: bool = False) -> None:
        self._clock = clock
        self._screen = screen
        self._in_history = kept
        screen.on_room = self._room
        self._recent: deque[tuple[str, Sequence[Send | Pub | str]]] = deque()
        self._kept = 0
        self._count = 0
        self._tokens = float(BURST)
        self._at = clock.seconds()
        self._due: IDelayedCall | None = None
        self.left_out = 0
        """Lines that were left out since the start."""

    def received(self, peer_id: str, messages: Sequence[Send | Pub]) -> None:
        """Messages came from this peer."""
        self._take(peer_id, messages)

    def event(self, line: str) -> None:
        """Something else happened."""
        self._take("", [line])

    def close(self) -> None:
        """Show what can be shown of what waits, and forget the rest."""
        if self._due is not None:
            self._due.cancel()
        self._tokens = max(self._tokens, RATE)
        self._show()

    def _take(self, peer_id: str, lines: Sequence[Send | Pub | str]) -> None:
        count = len(lines)
        if count > BURST:
            lines = lines[-BURST:]
        self._recent.append((peer_id, lines))
        self._count += count
        self._kept += len(lines)
        while self._kept - len(self._recent[0][1]) >= BURST:
            self._kept -= len(self._recent.popleft()[1])
        if self._due is None:
            self._due = self._clock.callLater(0, self._show)

    def _room(self) -> None:
        if self._due is None:
            self._show()

    def _show(self) -> None:
        self._due = None
        if not self._count or self._screen.blocked:
            return
        now = self._clock.seconds()
        self._tokens = min(float(BURST), self._tokens + (now - self._at) * RATE)
        self._at = now
        shown = min(self._count, int(self._tokens))
        if shown < self._count and self._tokens < RATE:
            # A flood: wait until there is a second's worth to show.
            self._due = self._clock.callLater((RATE - self._tokens) / RATE + 0.001, self._show)
            return
        self._tokens -= shown
        lines = [
            line
            for peer_id, batch in self._recent
            for line in (message_lines(peer_id, batch) if peer_id else batch)  # type: ignore[arg-type]
        ]
        left_out = self._count - shown
        self._recent.clear()
        self._kept = self._count = 0
        if left_out:
            self.left_out += left_out
            self._screen.write([left_out_line(left_out, kept=self._in_history)])
        self._screen.write(lines[-shown:])  # type: ignore[arg-type]

"""What happens in a node -> lines for the person; of a flood, what a person can read.

    [alice@CIC] a direct message             * bob@CIC is connected
    [alice@CIC -> *] to everyone             * bob@CIC has left
    [alice@CIC -> #CIC] to a namespace       … 12,345 more messages (/history shows them)

Rules: `(!)` after a peer's id marks a message that claims to be from somebody else. A message
cannot look like anything but a message: its line begins with a bracket, and a bracket in a name
that would close it early is made visible. `Digest` is for a terminal, `Transcript` for everything
else; taking in a message costs a `Digest` next to nothing, it formats only what it shows.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Final

from p2pchat.messages import Send
from p2pchat.peers import Status
from p2pchat.router import scope_of
from p2pchat.text import printable, shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from p2pchat.messages import Pub
    from p2pchat.peers import Peer
    from p2pchat.screen import Screen

BURST: Final = 200
"""Lines that a terminal shows at once after a quiet time; also the lines kept during a flood."""
RATE: Final = 20.0
"""Lines a second that a person can follow."""


def message_lines(peer_id: str, messages: Sequence[Send | Pub], note: str = "") -> list[str]:
    """A line for each message that came from this peer; `note` stands before the bracket closes."""
    who = _name(peer_id)
    direct = f"[{who}{note}] "
    lines = []
    for message in messages:
        prefix = direct
        if type(message) is not Send or (message.src != peer_id and message.src):
            mark = " (!)" if message.src and message.src != peer_id else ""
            to = "" if isinstance(message, Send) else f" -> {_name(scope_of(message))}"
            prefix = f"[{who}{mark}{to}{note}] "
        lines.append(prefix + printable(message.payload))
    return lines


def late_lines(
    peer_id: str, messages: Sequence[Send | Pub], said: Sequence[float], now: float
) -> list[str]:
    """The same for messages that were said at these times; `now` is the wall clock, too."""
    return [
        line
        for message, when in zip(messages, said, strict=False)
        for line in message_lines(peer_id, [message], f", said {moment(when, now)}")
    ]


def moment(when: float, now: float) -> str:
    """A time of the wall clock, as short as it is clear: with its date unless it was today."""
    then, today = time.localtime(when), time.localtime(now)
    return time.strftime("%H:%M" if then[:3] == today[:3] else "%Y-%m-%d %H:%M", then)


def _name(text: str) -> str:
    return shortened(text, 150).replace("]", "\\x5d")


def left_out_line(count: int, peer_id: str = "", *, kept: bool) -> str:
    """The line instead of so many messages; `kept`: whether there is a history to find them in."""
    whose = f" from {peer_id}" if peer_id else ""
    where = "/history shows them" if kept else "the log has them at DEBUG"
    return printable(f"… {count:,} more messages{whose} ({where})")


class Comings:
    """Turns changes of status into lines, one for each that a person would notice."""

    def __init__(self) -> None:
        self._connected: set[str] = set()

    def line(self, peer: Peer) -> str | None:
        """The line for a peer's new status; None when an attempt merely began or failed."""
        was_connected = peer.peer_id in self._connected
        if peer.status is Status.CONNECTED:
            self._connected.add(peer.peer_id)
            return None if was_connected else f"* {printable(peer.peer_id)} is connected"
        self._connected.discard(peer.peer_id)
        if peer.status is Status.STALE:
            return f"* {printable(peer.peer_id)} does not answer: STALE (/reconnect tries again)"
        if peer.status is Status.DISCONNECTED and was_connected:
            return f"* {printable(peer.peer_id)} {'has left' if peer.left else 'is disconnected'}"
        return None


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

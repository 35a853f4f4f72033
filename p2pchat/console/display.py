"""What happens in a node -> lines for the person.

    [alice@CIC] a direct message             * bob@CIC is connected
    [alice@CIC -> *] to everyone             * bob@CIC has left
    [alice@CIC -> #CIC] to a namespace       … 12,345 more messages (/history shows them)

Rules: `(!)` after a peer's id marks a message that claims to be from somebody else. A message
cannot look like anything but a message: its line begins with a bracket, and a bracket in a name
that would close it early is made visible.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from p2pchat.mesh.peers import Peer, Status
from p2pchat.wire.address import scope_of
from p2pchat.wire.messages import Pub, Send
from p2pchat.wire.text import printable, shortened

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
            to = "" if isinstance(message, Send) else f" -> {_name(scope_of(message.dst))}"
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


class StatusLines:
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

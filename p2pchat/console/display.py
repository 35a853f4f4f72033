"""Messages that came in a node -> lines for a person, in the words of `console.wording`."""

from __future__ import annotations

from collections.abc import Sequence

from p2pchat.console.wording import said_note, sender
from p2pchat.node.router import scope_of
from p2pchat.wire.messages import Pub, Send
from p2pchat.wire.text import printable


def message_lines(peer_id: str, messages: Sequence[Send | Pub], note: str = "") -> list[str]:
    """A line for each message that came from this peer; `note` stands before the bracket closes."""
    direct = sender(peer_id, note=note)
    lines = []
    for message in messages:
        prefix = direct
        if type(message) is not Send or (message.src != peer_id and message.src):
            claims = bool(message.src) and message.src != peer_id
            to = "" if isinstance(message, Send) else scope_of(message)
            prefix = sender(peer_id, to=to, claims=claims, note=note)
        lines.append(prefix + printable(message.payload))
    return lines


def late_lines(
    peer_id: str, messages: Sequence[Send | Pub], said: Sequence[float], now: float
) -> list[str]:
    """The same for messages that were said at these times; `now` is the wall clock, too."""
    return [
        line
        for message, when in zip(messages, said, strict=False)
        for line in message_lines(peer_id, [message], said_note(when, now))
    ]

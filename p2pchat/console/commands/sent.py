"""The direct messages of one person: to whom, and what became of them.

Rules: no I/O. A message is remembered until its ACK came or is overdue; the node bounds how many
are, by refusing the next one. What other parts of the program send through the same node is theirs.
"""

from __future__ import annotations

import re
from typing import Final

from p2pchat.node.node import ChatNode
from p2pchat.node.outgoing import NotSentError
from p2pchat.wire.address import AmbiguousNameError, the_one_called
from p2pchat.wire.names import bracketed, is_escaped, visible
from p2pchat.wire.text import printable, shortened

_MOST_QUEUED: Final = 10_000
_SHOWN: Final = 40
"""Characters of a message by which a person knows it again."""


class SentMessages:
    """Sends for one person through a node."""

    def __init__(self, node: ChatNode) -> None:
        self._node = node
        self._awaited: dict[str, str] = {}
        self._queued: dict[str, str] = {}

    @property
    def pending(self) -> int:
        """How many messages wait for their ACK."""
        return len(self._awaited)

    @property
    def waiting(self) -> int:
        """How many messages wait for a link, or for a second attempt."""
        return len(self._queued)

    def addressee(self, rest: str) -> tuple[str, str]:
        """Split "whom text". A name may hold spaces, if it is one that we know."""
        word, text = first_word(rest)
        if word and "@" not in word and " " in text:
            known = [visible(peer.peer_id) for peer in self._node.peers if " " in peer.peer_id]
            matching = [peer_id for peer_id in known if rest.startswith(peer_id + " ")]
            if matching:
                word = max(matching, key=len)
                text = rest[len(word) + 1 :]
        return word, text

    def resolve(self, name: str) -> str:
        """The peer_id that a bare name means, or a name as it is shown; anything else as it is.

        Raises `NotSentError` when it may mean several.
        """
        if "@" in name and not is_escaped(name):
            return name
        try:
            return the_one_called(name, [peer.peer_id for peer in self._node.peers])
        except AmbiguousNameError as why:
            raise NotSentError(str(why)) from None

    def send(self, peer_id: str, text: str) -> None:
        """Send, and remember it; raises `NotSentError`."""
        self._awaited[self._node.send(peer_id, text)] = text[: _SHOWN + 1]

    def delivered(self, peer_id: str, msg_id: str, seconds: float) -> str | None:
        """The ACK came: the line to show, None when the message was not from here."""
        if self._awaited.pop(msg_id, None) is not None:
            return printable(f"delivered to {bracketed(peer_id)} in {seconds * 1000:.1f} ms")
        text = self._queued.pop(msg_id, None)
        if text is None:
            return None
        return printable(f'delivered to {bracketed(peer_id)}: "{shortened(text, _SHOWN)}"')

    def queued(self, peer_id: str, msg_id: str) -> str | None:
        """The message waits for a link: the line to show, None when it was not from here."""
        text = self._awaited.pop(msg_id, None)
        if text is None:
            return None
        self._wait(msg_id, text)
        peer = self._node.peers.get(peer_id)
        if peer is not None and peer.links:
            return printable(
                f"queued: {bracketed(peer_id)} gets it after what waits already (/outbox)"
            )
        if peer is None:
            # Perhaps a slip of the pen.
            unknown = f"queued: no such peer here yet: {bracketed(peer_id)} (is that its name?)."
            return printable(f"{unknown} It gets the message when it comes (/outbox)")
        return printable(
            f"queued: {bracketed(peer_id)} is not connected, and gets it when it is (/outbox)"
        )

    def undelivered(self, peer_id: str, msg_id: str, reason: str) -> str | None:
        """No ACK came: the line to show, None when the message was not from here."""
        text = self._awaited.pop(msg_id, None)
        if text is not None:
            # Should the node keep it, or its ACK come late, that is told, too.
            self._wait(msg_id, text)
        else:
            text = self._queued.get(msg_id)
        if text is None:
            return None
        return printable(
            f'not delivered to {bracketed(peer_id)}: {reason} ("{shortened(text, _SHOWN)}")'
        )

    def _wait(self, msg_id: str, text: str) -> None:
        if len(self._queued) >= _MOST_QUEUED:
            del self._queued[next(iter(self._queued))]
        self._queued[msg_id] = text


def first_word(rest: str) -> tuple[str, str]:
    """The first word, and all that follows the one space after it, as it is."""
    match = re.match(r"(\S+)(?:\s(.*))?", rest, re.DOTALL)
    return (match[1], match[2] or "") if match else ("", "")

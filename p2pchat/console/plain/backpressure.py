"""Whether the peers keep up with what the person, or a script, sends; and have read it all.

Rules: one peer that takes nothing at all must not keep the others waiting, so only a link that is
making progress is worth waiting for. No timer here: `now` is passed in with each question.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.node.node import ChatNode
from p2pchat.wire.codec import MAX_LINE

STALLED: Final = 0.25
"""Seconds without any progress after which the others wait for a link no longer."""
LAST_CHANCE: Final = 2.0
"""The same, when nobody else waits."""
_UNDERWAY: Final = 16 << 20
"""Bytes that the two operating systems may still hold when nothing waits here."""
LONGEST_DRAIN: Final = 60.0
"""Seconds that the peers have at most to take and read what was published."""


class Backpressure:
    """Watches the links and the pending messages of a node."""

    def __init__(self, node: ChatNode) -> None:
        self._node = node
        self._progress: dict[IPeerLink, tuple[int, object, float]] = {}

    @property
    def many_pending(self) -> bool:
        """Whether the node would soon refuse to send, because too many ACKs are pending."""
        return self._node.outgoing.pending * 2 > self._node.settings.limits.max_pending_acks

    def should_wait(self, now: float) -> bool:
        """Whether to send nothing more for the moment; ask again shortly."""
        if self.many_pending or self._node.outgoing.congested:
            return True
        # Asked once a chunk: the links are looked at only when there is reason to.
        return self._node.mesh.crowded and self.any_moves(
            (
                link
                for link in self._node.mesh.links
                if link.queue.bytes_waiting * 2 > link.queue.limit
            ),
            now,
            STALLED,
        )

    def any_moves(self, links: Iterable[IPeerLink], now: float, patience: float) -> bool:
        """Whether one of these links took something in the last `patience` seconds."""
        progress = {}
        moving = False
        for link in links:
            waiting, sign = link.queue.bytes_waiting, _sign(link)
            before, seen, since = self._progress.get(link, (waiting, None, now))
            if sign != seen or waiting < before:
                since = now
            progress[link] = (waiting, sign, since)
            moving = moving or now - since < patience
        self._progress = progress
        return moving


class Draining:
    """The end of a script: waits until what it published has been sent and read.

    Nobody acknowledges a PUB, and a connection that is closed too soon takes with it what the
    other end has not read yet. But a PONG tells that all before its PING was read.
    """

    def __init__(self, node: ChatNode) -> None:
        self._node = node
        self._backpressure = Backpressure(node)
        self._sent_by: float | None = None
        self._read_by = 0.0
        self._asked_at = 0.0
        self._unread: dict[IPeerLink, float | None] | None = None
        self.failed = False
        """Whether it took too long."""

    def done(self, now: float) -> bool:
        """Whether there is no more to wait for; ask again shortly, until it is true."""
        if self._sent_by is None:
            self._sent_by = now + LONGEST_DRAIN
            # What was published in this turn would leave at its end.
            self._node.outgoing.publishing.flush()
        if self._unread is None:
            waiting = [
                link
                for link in self._node.mesh.links
                if link.queue.bytes_waiting or link.queue.blocked
            ]
            if waiting:
                moves = self._backpressure.any_moves(waiting, now, LAST_CHANCE)
                self.failed = not moves or now >= self._sent_by
                return self.failed
            self._unread = self._ask(now)
        live = {*self._node.mesh.links}
        self._unread = {
            link: before
            for link, before in self._unread.items()
            if link in live and not self._has_read(link, before, now)
        }
        self.failed = bool(self._unread) and now >= self._read_by
        return self.failed or not self._unread

    def _ask(self, now: float) -> dict[IPeerLink, float | None]:
        """PING our own kind, which surely answers, and give it the time that reading may take."""
        asked: dict[IPeerLink, float | None] = {}
        for link in self._node.mesh.links:
            if link.is_p2pchat and link.sent:
                asked[link] = self._last_sample(link)
                link.ping()
        settings = self._node.settings
        needed, limits = settings.connection.ack_timeout, settings.limits
        if limits.peer_rate:
            most = max((link.sent for link in asked), default=0)
            needed += most / limits.peer_rate
            if limits.peer_bytes:
                needed += min(most * MAX_LINE, _UNDERWAY) / limits.peer_bytes
        self._asked_at = now
        self._read_by = now + min(needed, LONGEST_DRAIN)
        return asked

    def _last_sample(self, link: IPeerLink) -> float | None:
        peer = self._node.peers.get(link.peer_id)
        return peer.round_trips[-1] if peer is not None and peer.round_trips else None

    def _has_read(self, link: IPeerLink, before: float | None, now: float) -> bool:
        """Whether there is a new sample, and its PING was not one from before we asked."""
        sample = self._last_sample(link)
        return sample is not None and sample is not before and sample <= now - self._asked_at


def _sign(link: IPeerLink) -> object:
    """Something that changes when the operating system takes something of what is written.

    This looks at private parts of Twisted's transports; other transports give no sign.
    """
    transport: Any = getattr(link, "transport", None)
    return getattr(transport, "offset", 0), len(getattr(transport, "dataBuffer", b""))

"""Whether the peers keep up with what the person, or a script, sends.

Rules: one peer that takes nothing at all must not keep the others waiting, so only a link that is
making progress is worth waiting for. No timer of its own: `now` is passed in with each question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

STALLED: Final = 0.25
"""Seconds without any progress after which the others wait for a link no longer."""


class Queue(Protocol):
    """What waits on one link; see `p2pchat.outflow.Outflow`."""

    limit: int
    bytes_waiting: int

    @property
    def blocked(self) -> bool:
        """Whether the other end does not read what we send."""


class Link(Protocol):
    """A link, as far as its queue is concerned."""

    @property
    def queue(self) -> Queue:
        """What waits to be sent."""


class Links(Protocol):
    """Whoever has the links."""

    @property
    def links(self) -> Sequence[Link]:
        """The links whose handshake is done."""


class Acks(Protocol):
    """Whoever waits for ACKs."""

    @property
    def pending(self) -> int:
        """How many messages wait for their ACK."""


class Backpressure:
    """Watches the queues of `mesh` and the pending ACKs of `router`, of which there may be
    `max_pending`.
    """

    def __init__(self, mesh: Links, router: Acks, max_pending: int) -> None:
        self._mesh = mesh
        self._router = router
        self._max_pending = max_pending
        self._progress: dict[Link, tuple[int, object, float]] = {}

    def should_wait(self, now: float) -> bool:
        """Whether to send nothing more for the moment; ask again shortly."""
        if self._router.pending * 2 > self._max_pending:
            return True
        laden = [
            link for link in self._mesh.links if link.queue.bytes_waiting * 2 > link.queue.limit
        ]
        return self._any_moves(laden, now, STALLED)

    def unsent(self, now: float, patience: float) -> bool | None:
        """Whether something still waits to be sent, and moves: None when it does not move.

        A link moves if it took something in the last `patience` seconds.
        """
        waiting = [
            link for link in self._mesh.links if link.queue.bytes_waiting or link.queue.blocked
        ]
        if not waiting:
            return False
        return True if self._any_moves(waiting, now, patience) else None

    def _any_moves(self, links: Iterable[Link], now: float, patience: float) -> bool:
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


def _sign(link: Link) -> object:
    """Something that changes when the operating system takes something of what is written."""
    transport: Any = getattr(link, "transport", None)
    return getattr(transport, "offset", 0), len(getattr(transport, "dataBuffer", b""))

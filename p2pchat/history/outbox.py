"""Direct messages of ours that nobody has acknowledged yet, in memory.

Rules: no I/O and no clock. Per peer, messages leave in the order in which they were written, a few
at a time, and keep their msg_id until they are acknowledged, cancelled or too old. One whose ACK
did not come is sent again when the next link opens. On the same one only our own kind gets it
again, after a while: other programs most likely read it, and would show it twice.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from msgspec import Struct

from p2pchat.history.records import Record
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.settings.values import HistorySettings
from p2pchat.wire.names import bracketed


class OutboxFullError(Exception):
    """No place for another message; the text is the sentence for the person."""


class Stage(enum.Enum):
    """How far a message of the outbox has come."""

    UNSENT = "waits for a link"
    ON_ITS_WAY = "on its way"
    OVERDUE = "not acknowledged"


class Waited(NamedTuple):
    """A message of the outbox that was delivered."""

    peer_id: str
    seconds: float
    """Since it was said."""
    earlier: str
    """The text, if it was said in an earlier run; else empty."""


class Queued(Struct, gc=False):
    """One message that waits for its ACK."""

    entry: Record
    stage: Stage
    earlier: bool = False
    """Whether it was said in an earlier run."""
    link: IPeerLink | None = None
    """Where it went out, while that link is open."""
    again: bool = False
    """Whether it was sent again on the same link: that its ACK is late has been told."""

    @property
    def peer_id(self) -> str:
        """Whom it is for."""
        return self.entry.conversation

    @property
    def msg_id(self) -> str:
        """Its id, the same however often it is sent."""
        return self.entry.msg_id


class Outbox:
    """What waits, for whom, within the limits of `settings`."""

    def __init__(self, settings: HistorySettings) -> None:
        self.settings = settings
        """What goes by them may change at any time: what waits already stays."""
        self._by_id: dict[str, Queued] = {}
        self._by_peer: dict[str, dict[str, Queued]] = {}
        self._unsent: dict[str, dict[str, Queued]] = {}
        self._on_their_way: dict[str, int] = {}
        self._overdue: dict[str, float] = {}
        self.refused = 0
        """Messages that found no place."""
        self.expired = 0
        """Messages that were given up because they waited for too long."""

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Queued]:
        return iter([*self._by_id.values()])

    def get(self, msg_id: str) -> Queued | None:
        """The message of this id, if it waits."""
        return self._by_id.get(msg_id)

    def of_peer(self, peer_id: str) -> list[Queued]:
        """All messages for a peer, in order."""
        return [*self._by_peer.get(peer_id, {}).values()]

    @property
    def peers_behind(self) -> list[str]:
        """The peers for whom something is unsent."""
        return [*self._unsent]

    def is_behind(self, peer_id: str) -> bool:
        """Whether another message to this peer would overtake one that is unsent."""
        return peer_id in self._unsent

    # ------------------------------------------------------------ in and out

    def check_room(self, peer_id: str) -> None:
        """Raise `OutboxFullError` unless one more message may wait for a link to `peer_id`."""
        if len(self._by_peer.get(peer_id, ())) >= self.settings.outbox_max_per_peer:
            self.refused += 1
            raise OutboxFullError(
                f"{self.settings.outbox_max_per_peer} messages wait for {bracketed(peer_id)} "
                "already (/outbox lists them)"
            )
        if len(self._by_id) >= self.settings.outbox_max:
            self.refused += 1
            raise OutboxFullError(
                f"{self.settings.outbox_max} messages wait already (/outbox lists them)"
            )

    def add(self, entry: Record, stage: Stage = Stage.UNSENT, *, earlier: bool = False) -> Queued:
        """Note a message, the latest for its peer; `earlier`: it was said in an earlier run."""
        queued = Queued(entry, Stage.OVERDUE, earlier)
        self._by_id[queued.msg_id] = queued
        self._by_peer.setdefault(queued.peer_id, {})[queued.msg_id] = queued
        self._move(queued, stage)
        return queued

    def take(self, msg_id: str) -> Queued | None:
        """Take a message out: it was acknowledged, cancelled, or given up."""
        queued = self._by_id.pop(msg_id, None)
        if queued is not None:
            self._move(queued, Stage.OVERDUE)
            self._overdue.pop(msg_id, None)
            _remove(self._by_peer, queued)
        return queued

    def too_old(self, now: float) -> list[Queued]:
        """Take out what has waited for longer than it may; `now` is the wall clock."""
        ttl = self.settings.outbox_ttl
        old = [queued for queued in self._by_id.values() if now - queued.entry.at > ttl]
        for queued in old:
            self.take(queued.msg_id)
        self.expired += len(old)
        return old

    # ------------------------------------------------------------ sending

    def due(self, peer_id: str, window: int) -> list[Queued]:
        """The next messages to send on a link that is open; tell each that was to `sent`.

        `window`: how many may be on their way at a time.
        """
        free = window - self._on_their_way.get(peer_id, 0)
        return [*self._unsent.get(peer_id, {}).values()][: max(0, free)]

    def sent(self, queued: Queued, link: IPeerLink) -> None:
        """It went out on this link."""
        queued.link = link
        self._move(queued, Stage.ON_ITS_WAY)

    def overdue(self, queued: Queued, links: Sequence[IPeerLink], now: float) -> None:
        """Its ACK did not come in time; the others need not wait for it.

        `now`: of the node's clock; see `overdue_before`. `links`: those that are open. On one that
        is newer than its own it goes out again: the older one may be half dead.
        """
        if queued.stage is Stage.ON_ITS_WAY:
            self._move(queued, Stage.OVERDUE)
            self._overdue[queued.msg_id] = now
            since = queued.link.opened_at if queued.link is not None else math.inf
            if any(link.opened_at > since for link in links):
                self._send_again(queued.peer_id, [queued])

    def overdue_before(self, when: float) -> list[Queued]:
        """Those that have been overdue since `when` or longer; each is given once.

        Tell `send_again` those that may go out on the same link.
        """
        late = []
        for msg_id, since in self._overdue.items():
            if since > when:
                break
            late.append(msg_id)
        for msg_id in late:
            del self._overdue[msg_id]
        return [self._by_id[msg_id] for msg_id in late]

    def send_again(self, queued: Queued) -> None:
        """It is to go out once more, on whatever link there is."""
        queued.again = True
        self._send_again(queued.peer_id, [queued])

    def link_opened(self, peer_id: str) -> None:
        """A link is new: what was not acknowledged on another one goes out again."""
        self._send_again(
            peer_id, [each for each in self.of_peer(peer_id) if each.stage is Stage.OVERDUE]
        )

    def link_closed(self, peer_id: str, link: IPeerLink) -> None:
        """A link is gone: what went out on it and is not acknowledged goes out again."""
        gone = [each for each in self.of_peer(peer_id) if each.link is link]
        for queued in gone:
            queued.link = None
        self._send_again(peer_id, gone)

    def _send_again(self, peer_id: str, again: Sequence[Queued]) -> None:
        for queued in again:
            self._move(queued, Stage.UNSENT)
        if peer_id in self._unsent:
            in_order = sorted(self._unsent[peer_id].values(), key=lambda each: each.entry.id)
            self._unsent[peer_id] = {queued.msg_id: queued for queued in in_order}

    def _move(self, queued: Queued, stage: Stage) -> None:
        peer_id, before = queued.peer_id, queued.stage
        if before is stage:
            return
        if before is Stage.OVERDUE:
            self._overdue.pop(queued.msg_id, None)
        if before is Stage.UNSENT:
            _remove(self._unsent, queued)
        elif before is Stage.ON_ITS_WAY:
            self._on_their_way[peer_id] -= 1
            if not self._on_their_way[peer_id]:
                del self._on_their_way[peer_id]
        queued.stage = stage
        if stage is Stage.UNSENT:
            self._unsent.setdefault(peer_id, {})[queued.msg_id] = queued
        elif stage is Stage.ON_ITS_WAY:
            self._on_their_way[peer_id] = self._on_their_way.get(peer_id, 0) + 1


def _remove(by_peer: dict[str, dict[str, Queued]], queued: Queued) -> None:
    of_peer = by_peer[queued.peer_id]
    del of_peer[queued.msg_id]
    if not of_peer:
        del by_peer[queued.peer_id]

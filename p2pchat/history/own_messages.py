"""What we say, in the history: kept as it is said, and as long as it has not arrived.

Rules: as in `durable`, whose other half this is. Until the past is known a message has no number;
it gets one when its predecessors are known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from p2pchat.history.outbox import Outbox, Queued, Stage, Waited
from p2pchat.history.records import ABANDONED, DELIVERED, PUBLISHED, WAITING, Record
from p2pchat.history.store import Store
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.settings.values import HistorySettings

_MAX_UNNUMBERED: Final = 2000


class OwnMessages:
    """Our messages in a store. `wall` is the wall clock."""

    def __init__(
        self, own_id: str, settings: HistorySettings, store: Store, wall: Callable[[], float]
    ) -> None:
        self._own_id = own_id
        self._store = store
        self._wall = wall
        self._unnumbered: list[Record] = []
        self.outbox = Outbox(settings)

    def queue(self, peer_id: str, msg_id: str, payload: str) -> Queued:
        """Keep a direct message until a link opens; raises `OutboxFullError`.

        `DurableHistory.on_queued` is told when it is safe.
        """
        self.outbox.check_room(peer_id)
        return self.outbox.add(self._enter(peer_id, msg_id, payload, WAITING))

    def on_its_way(self, peer_id: str, msg_id: str, payload: str, link: IPeerLink) -> None:
        """Keep a direct message that was just sent on `link`, until it is acknowledged."""
        entry = self._enter(peer_id, msg_id, payload, WAITING)
        self.outbox.add(entry, Stage.ON_ITS_WAY).link = link

    def published(self, scope: str, msg_id: str, payload: str) -> None:
        """Keep a PUB of ours."""
        self._enter(scope, msg_id, payload, PUBLISHED)

    def acknowledged(self, msg_id: str) -> Waited | None:
        """An ACK came: for whom, and how long the message waited; None for one of no message."""
        queued = self.outbox.take(msg_id)
        if queued is None:
            return None
        self._change(queued.entry, DELIVERED)
        waited = max(0.0, self._wall() - queued.entry.at)
        return Waited(queued.peer_id, waited, queued.entry.text if queued.earlier else "")

    def overdue(self, msg_id: str, links: Sequence[IPeerLink], now: float) -> Queued | None:
        """No ACK came in time: the message, if it is kept and will be sent again.

        `links`: those that are open to its peer; `now`: of the node's clock.
        """
        queued = self.outbox.get(msg_id)
        if queued is not None:
            self.outbox.overdue(queued, links, now)
        return queued

    def cancel(self, msg_ids: Sequence[str]) -> int:
        """Send these messages no more; returns how many of them were waiting."""
        cancelled = [queued for queued in map(self.outbox.take, msg_ids) if queued is not None]
        for queued in cancelled:
            self._change(queued.entry, ABANDONED)
        return len(cancelled)

    def _enter(self, conversation: str, msg_id: str, payload: str, state: int) -> Record:
        entry = Record(0, conversation, self._own_id, msg_id, self._wall(), state, payload)
        if self._store.ready:
            entry.id = self._store.next_id()
            self._store.enter(entry)
        elif len(self._unnumbered) < _MAX_UNNUMBERED:
            self._unnumbered.append(entry)
        return entry

    def _change(self, entry: Record, state: int) -> None:
        entry.state = state
        if entry.id:
            self._store.change(entry)

    def too_old(self) -> list[Queued]:
        """Give up what has waited for too long."""
        old = self.outbox.too_old(self._wall())
        for queued in old:
            self._change(queued.entry, ABANDONED)
        return old

    def older_first(self, waiting: list[Record]) -> None:
        """Put the outbox of the past before what was said meanwhile."""
        newer = [(queued, queued.stage) for queued in self.outbox]
        for queued, _ in newer:
            self.outbox.take(queued.msg_id)
        for entry in waiting:
            self.outbox.add(entry, earlier=True)
        unnumbered, self._unnumbered = self._unnumbered, []
        for entry in unnumbered:
            entry.id = self._store.next_id()
            self._store.enter(entry)
        for queued, stage in newer:
            self.outbox.add(queued.entry, stage).link = queued.link

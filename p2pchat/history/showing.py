"""When a message that came is shown: when it is safe, or at once if it cannot come again.

Rules: what a peer says is shown in the order in which it came, so nothing of a peer overtakes what
still waits. What could not be kept is shown with a mark, and once, however often its sender repeats
it.
"""

from __future__ import annotations

from collections.abc import Callable

from p2pchat.history.gathering import Held, HistoryOwner
from p2pchat.history.losses import Losses
from p2pchat.wire.repetitions import RecentIds


class Showing:
    """Has `owner` show what is held until it is safe. `seen`: the ids of what came."""

    def __init__(self, owner: HistoryOwner, seen: RecentIds) -> None:
        self._owner = owner
        self._seen = seen
        self._losses = Losses()
        self._waiting: dict[str, int] = {}
        self._afterwards: dict[str, Callable[[], None]] = {}

    def nothing_waits(self, peer_id: str) -> bool:
        """Whether a message of this peer may be shown now."""
        return peer_id not in self._waiting and not self._losses

    def waits(self, peer_id: str) -> None:
        """Messages of this peer are held, to be shown later: `safe` or `waited` must follow."""
        self._waiting[peer_id] = self._waiting.get(peer_id, 0) + 1

    def after(self, peer_id: str, call: Callable[[], None]) -> None:
        """Make a call when nothing of this peer waits; of several that wait, only the last one."""
        if peer_id in self._waiting:
            self._afterwards[peer_id] = call
        else:
            call()

    def _next(self, peer_id: str) -> None:
        if self._afterwards and peer_id not in self._waiting:
            call = self._afterwards.pop(peer_id, None)
            if call is not None:
                call()

    def waited(self, held: Held) -> None:
        """What was held waits no more."""
        if held.messages:
            peer_id = held.peer.peer_id
            left = self._waiting.get(peer_id, 0) - 1
            if left > 0:
                self._waiting[peer_id] = left
            else:
                self._waiting.pop(peer_id, None)

    def safe(self, held: Held) -> None:
        """What was held is stored: show it, unless it was when an earlier copy was lost."""
        self.waited(held)
        messages, said = held.messages, held.said
        if self._losses and messages:
            new = self._losses.not_shown(held.peer.peer_id, messages)
            messages = [messages[at] for at in new]
            said = None if said is None else [said[at] for at in new]
        if messages and said is None:
            self._owner.kept(held.peer, messages)
        elif messages and said is not None:
            self._owner.kept_late(held.peer, messages, said)
        self._next(held.peer.peer_id)

    def lost(self, held: Held) -> None:
        """What was held could not be stored: show it with a mark, and take it for new again."""
        peer_id, messages = held.peer.peer_id, held.messages
        if not messages:
            return
        new = [messages[at] for at in self._losses.not_shown(peer_id, messages)]
        for key in self._losses.shown(peer_id, messages):
            self._seen.forget(peer_id, key)
        if new:
            self._owner.not_kept(held.peer, new)
        self._next(peer_id)

"""When a message that came is shown: when it is safe, or at once if it cannot come again.

Rules: what a peer says is shown in the order in which it came, so nothing of a peer overtakes what
still waits. What could not be kept is shown with a mark, and once: its sender did not get an ACK
and sends it again; then it is to be kept, and not to be shown a second time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from p2pchat.history.unstored import Arrival
from p2pchat.node.observers import Observers
from p2pchat.wire.messages import Pub, Send
from p2pchat.wire.repetitions import RecentIds, id_text

_MOST: Final = 10_000


class Showing:
    """Shows to the observers what waits until it is stored. `seen`: the ids of what came."""

    def __init__(self, observers: Observers, seen: RecentIds) -> None:
        self._observers = observers
        self._seen = seen
        self._waiting: dict[str, int] = {}
        self._afterwards: dict[str, Callable[[], None]] = {}
        self._unkept: dict[tuple[str, str], None] = {}
        """Peers and ids of messages that were shown and are not kept, the latest ones."""

    def nothing_waits(self, peer_id: str) -> bool:
        """Whether a message of this peer may be shown now."""
        return peer_id not in self._waiting and not self._unkept

    def waits(self, peer_id: str) -> None:
        """Messages of this peer are to be shown later: `stored` or `not_stored` must follow."""
        self._waiting[peer_id] = self._waiting.get(peer_id, 0) + 1

    def after(self, peer_id: str, call: Callable[[], None]) -> None:
        """Make a call when nothing of this peer waits; of several that wait, only the last one."""
        if peer_id in self._waiting:
            self._afterwards[peer_id] = call
        else:
            call()

    def stored(self, arrival: Arrival) -> None:
        """What waited is stored: show it, unless it was when an earlier copy could not be kept."""
        self._waited(arrival)
        peer, messages, said = arrival.peer, arrival.messages, arrival.said
        if self._unkept and messages:
            new = self._not_shown(peer.peer_id, messages)
            messages = [messages[at] for at in new]
            said = None if said is None else [said[at] for at in new]
        if messages and said is None:
            self._observers.received(peer, messages)
        elif messages and said is not None:
            self._observers.received_late(peer, messages, said)
        self._next(peer.peer_id)

    def not_stored(self, arrivals: Sequence[Arrival]) -> None:
        """What waited could not be stored: show it with a mark, and take it for new again."""
        for arrival in arrivals:
            self._waited(arrival)
        for arrival in arrivals:
            self.refused(arrival)

    def refused(self, arrival: Arrival) -> None:
        """The same for messages that had not begun to wait."""
        peer, messages = arrival.peer, arrival.messages
        if not messages:
            return
        new = [messages[at] for at in self._not_shown(peer.peer_id, messages)]
        for message in messages:
            key = id_text(message.msg_id)
            if key:
                self._unkept[peer.peer_id, key] = None
                self._seen.forget(peer.peer_id, key)
        while len(self._unkept) > _MOST:
            del self._unkept[next(iter(self._unkept))]
        if new:
            self._observers.received_unkept(peer, new)
        self._next(peer.peer_id)

    def _waited(self, arrival: Arrival) -> None:
        if arrival.messages:
            peer_id = arrival.peer.peer_id
            left = self._waiting.get(peer_id, 0) - 1
            if left > 0:
                self._waiting[peer_id] = left
            else:
                self._waiting.pop(peer_id, None)

    def _next(self, peer_id: str) -> None:
        if self._afterwards and peer_id not in self._waiting:
            call = self._afterwards.pop(peer_id, None)
            if call is not None:
                call()

    def _not_shown(self, peer_id: str, messages: Sequence[Send | Pub]) -> list[int]:
        """Which of these have not been shown although they were not kept, by their places."""
        return [
            at
            for at, message in enumerate(messages)
            if (peer_id, id_text(message.msg_id)) not in self._unkept
        ]

"""Messages that come in -> what a person can read of them, some ten times a second.

Rules: taking in a message costs next to nothing, whatever its number; nothing is formatted that is
not shown. A quiet chat is shown at once. Of a flood the last lines are shown, at the pace of the
plain console, and what was left out is counted. Who floods loses lines of their own: those of the
others are kept as long as there are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Final, TypeAlias

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from p2pchat.console.wording import BURST, RATE
from p2pchat.mesh.link.bucket import TokenBucket
from p2pchat.wire.messages import Pub, Send

Arrived: TypeAlias = "tuple[str, Send | Pub, str, str]"
"""A peer_id, what came from it, a remark on it, and how it came, as in `wording.security_mark`."""

PACE: Final = 0.1
"""Seconds between two updates of the screen while more keeps coming."""
_LEAST_KEPT: Final = 4


class Arrivals:
    """Takes messages in and gives them to `show(arrived, left_out)`, the latter by peer_id."""

    def __init__(
        self,
        clock: IReactorTime,
        show: Callable[[Sequence[Arrived], dict[str, int]], None],
    ) -> None:
        self._clock = clock
        self._show = show
        self._kept: dict[str, deque[tuple[int, Send | Pub, str, str]]] = {}
        self._count: dict[str, int] = {}
        self._number = 0
        self._shown_at = clock.seconds()
        self._allowance = TokenBucket(RATE, self._shown_at, BURST)
        self._due: IDelayedCall | None = None
        self.left_out = 0
        """Messages that were not shown since the start."""

    def received(
        self,
        peer_id: str,
        messages: Sequence[Send | Pub],
        remarks: Sequence[str] = (),
        security: str = "",
    ) -> None:
        """Messages came from this peer in this way; `remarks` are as many, or none."""
        self._count[peer_id] = self._count.get(peer_id, 0) + len(messages)
        kept = self._kept.get(peer_id)
        if kept is None:
            kept = self._kept[peer_id] = deque()
        most = max(_LEAST_KEPT, BURST // len(self._kept))
        for message, remark in zip(messages[-most:], remarks[-most:] or repeat(""), strict=False):
            self._number += 1
            kept.append((self._number, message, remark, security))
        while len(kept) > most:
            kept.popleft()
        if self._due is None:
            wait = self._shown_at + PACE - self._clock.seconds()
            self._due = self._clock.callLater(max(0.0, wait), self._update)

    def close(self) -> None:
        """Show what waits, and nothing more afterwards."""
        if self._due is not None:
            self._due.cancel()
            self._allowance.fill_a_second()
            self._update()
            if self._due is not None:
                self._due.cancel()

    def _update(self) -> None:
        self._due = None
        self._shown_at = self._clock.seconds()
        room = self._allowance.take_some(sum(self._count.values()), self._shown_at)
        if room is None:
            # A flood: wait until there is a second's worth to show.
            self._due = self._clock.callLater(self._allowance.second_in, self._update)
            return
        chosen = self._choose(room)
        left_out = {
            peer_id: count - len(chosen[peer_id])
            for peer_id, count in self._count.items()
            if count > len(chosen[peer_id])
        }
        self.left_out += sum(left_out.values())
        ordered = sorted(
            (number, peer_id, message, remark, security)
            for peer_id, messages in chosen.items()
            for number, message, remark, security in messages
        )
        self._kept, self._count = {}, {}
        self._show([each[1:] for each in ordered], left_out)

    def _choose(self, room: int) -> dict[str, list[tuple[int, Send | Pub, str, str]]]:
        """The last messages of each peer, shared out evenly: who sent little, gets it all."""
        chosen = {}
        waiting = sorted(self._kept.items(), key=lambda each: len(each[1]))
        for place, (peer_id, messages) in enumerate(waiting):
            share = min(len(messages), room // (len(waiting) - place))
            chosen[peer_id] = [*messages][len(messages) - share :]
            room -= share
        return chosen

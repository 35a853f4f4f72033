"""One pause for each address and port, however many names claim to be there.

Rules: what comes of a dial depends on the address and port, and not on the name: whoever answers is
linked to, under the name that it gives. So while one name's dial is under way, and in the pause
after it, no other name is dialed there. The pause grows with each dial, whatever came of it, and
ends early once a session lasted. The name that was dialed last keeps its own, usual backoff. The
table is bounded, and forgets a place that was left alone for as long as the longest pause.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from p2pchat.mesh.addresses import Place
from p2pchat.settings.values import ConnectionSettings

_MAX_PLACES: Final = 10_000


class _Pause:
    """What is known of one place."""

    __slots__ = ("count", "holder", "until")

    def __init__(self) -> None:
        self.holder = ""
        self.count = 0
        self.until = 0.0


class DialPauses:
    """The pauses of one node; `jitter` gives a number between two others."""

    def __init__(self, jitter: Callable[[float, float], float]) -> None:
        self._jitter = jitter
        self._pauses: OrderedDict[Place, _Pause] = OrderedDict()

    def __len__(self) -> int:
        """How many places are remembered."""
        return len(self._pauses)

    def holder(self, peer_id: str, place: Place, now: float) -> str:
        """The name for which this one must not be dialed there now; empty if it may be."""
        pause = self._pauses.get(place)
        if pause is None or pause.holder == peer_id or now >= pause.until:
            return ""
        return pause.holder

    def began(self, peer_id: str, place: Place) -> None:
        """A dial begins there; `ended` must follow."""
        pause = self._pauses.pop(place, None) or _Pause()
        self._pauses[place] = pause
        pause.holder = peer_id
        pause.until = math.inf

    def ended(self, peer_id: str, place: Place, connection: ConnectionSettings, now: float) -> None:
        """This name's dial there has ended, or the session that it opened soon after: pause."""
        pause = self._pauses.get(place)
        if pause is not None and pause.holder == peer_id:
            pause.count += 1
            pause.until = now + backoff(connection, pause.count, self._jitter)
            self._forget_old(connection.reconnect_backoff_max, now)

    def lasted(self, peer_id: str, place: Place) -> None:
        """A session of this name that we had dialed there lasted: begin anew."""
        pause = self._pauses.get(place)
        if pause is not None and pause.holder == peer_id:
            del self._pauses[place]

    def _forget_old(self, longest: float, now: float) -> None:
        """Forget the places left alone for long, and the first ones beyond the bound."""
        while self._pauses:
            place, pause = next(iter(self._pauses.items()))
            if now < pause.until + longest and len(self._pauses) <= _MAX_PLACES:
                return
            del self._pauses[place]


def backoff(
    connection: ConnectionSettings, failures: int, jitter: Callable[[float, float], float]
) -> float:
    """Seconds to wait after so many failures in a row."""
    longest = connection.reconnect_backoff_max
    try:
        delay = connection.reconnect_backoff_base**failures * jitter(0.8, 1.2)
    except OverflowError:
        return longest
    return min(delay, longest)

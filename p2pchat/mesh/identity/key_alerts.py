"""How often a person is told that a name was claimed by somebody else.

Rules: a name once in an hour, whatever comes; six names in an hour of those that strangers can
choose, and six of those that the person has settled, so that nobody hides a friend's alert behind
others. The rest is counted, and told when the hour is over. Pure; `now` is the node's clock.
"""

from __future__ import annotations

from typing import Final

from p2pchat.logs.limits import Repetitions

HOUR: Final = 3600.0
IN_ALL: Final = 6
_NAMES: Final = 10_000


class KeyAlerts:
    """Lets through what is to be told."""

    def __init__(self) -> None:
        self._names: Repetitions[str] = Repetitions(1, HOUR, _NAMES)
        self._in_all: Repetitions[bool] = Repetitions(IN_ALL, HOUR, 2)
        self._others = 0
        self.told = 0
        """Alerts since the start."""

    @property
    def left_out(self) -> int:
        """Alerts since the start that were not told."""
        return self._names.suppressed + self._in_all.suppressed

    def tell(self, peer_id: str, now: float, *, settled: bool) -> bool:
        """Whether to tell of this name now; `settled`: by the person."""
        if self._names.tell(peer_id, now) is None:
            return False
        left_out = self._in_all.tell(settled, now)
        if left_out is None:
            return False
        self._others += left_out
        self.told += 1
        return True

    def others(self, now: float) -> int:
        """Names that were left out of an hour that is over; call it about once a second."""
        for _ in self._names.over(now):
            pass
        count = self._others + sum(count for _, count in self._in_all.over(now))
        self._others = 0
        return count

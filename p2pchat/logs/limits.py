"""The same fault again and again: told once with its traceback, then counted.

A fault in what happens for every message would otherwise push all else out of the log, and cost
more than the messages do. Rules: two faults are the same if they are of one type and from one
place in the code, reported by one component; what is kept of them is bounded.
"""

from __future__ import annotations

from typing import Final

from twisted.logger import LogEvent

_INTERVAL: Final = 60.0  # seconds in which a fault is told once
_MAX_KINDS: Final = 256

_Key = tuple[object, ...]


class RepeatedFaults:
    """Decides, for one observer of the log, which faults are told."""

    def __init__(self) -> None:
        self._told_at: dict[_Key, float] = {}
        self._left_out: dict[_Key, int] = {}

    def tell(self, event: LogEvent, now: float) -> bool:
        """Whether to tell this event, at `now` (wall clock, seconds); always, if it is no fault."""
        if "log_failure" not in event:
            return True
        key = _key(event)
        told_at = self._told_at.get(key)
        # The wall clock may jump: only the distance counts.
        if told_at is not None and abs(now - told_at) < _INTERVAL:
            self._left_out[key] = self._left_out.get(key, 0) + 1
            return False
        if told_at is None and len(self._told_at) >= _MAX_KINDS:
            self._told_at.clear()
            self._left_out.clear()
        self._told_at[key] = now
        return True

    def left_out(self, event: LogEvent) -> int:
        """How often the fault in this event was left out since it was told before."""
        if not self._left_out:
            return 0
        return self._left_out.pop(_key(event), 0)


def _key(event: LogEvent) -> _Key:
    failure = event.get("log_failure")
    frames = getattr(failure, "frames", None)
    place = tuple(frames[-1][:3]) if frames else ()
    return (event.get("log_namespace"), getattr(failure, "type", None), *place)

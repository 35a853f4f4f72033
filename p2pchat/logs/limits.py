"""The same thing again and again: told a few times an interval, then counted.

Two sources need this. A stranger can cause a line as often as the stranger likes (`RateLimited`). A
fault in what happens for every message would push all else out of the log, and cost more than the
messages do (`RepeatedFaults`). Both decide with `Repetitions`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Final, Generic, TypeVar

from twisted.logger import LogEvent, Logger, LogLevel

from p2pchat.logs.levels import enabled

_FAULT_INTERVAL: Final = 60.0  # seconds in which a fault is told once
_MAX_FAULTS: Final = 256

_Kind = TypeVar("_Kind", bound=Hashable)


class Repetitions(Generic[_Kind]):
    """Lets `limit` of a kind through an interval (in seconds), and counts the rest.

    `now` is any clock's seconds. The clock may jump, since only the distance counts. At most
    `max_kinds` are remembered. One more replaces the oldest of them and its count.
    """

    def __init__(self, limit: int, interval: float, max_kinds: int) -> None:
        self.suppressed = 0
        """How many were left out since the start."""
        self._limit = limit
        self._interval = interval
        self._max_kinds = max_kinds
        self._windows: dict[_Kind, _Window] = {}

    def __len__(self) -> int:
        """How many kinds are remembered."""
        return len(self._windows)

    def tell(self, kind: _Kind, now: float) -> int | None:
        """How many of this kind were left out since one was told; None: leave this one out, too."""
        window = self._windows.get(kind)
        if window is not None and not self._is_over(window, now):
            if window.told >= self._limit:
                window.left_out += 1
                self.suppressed += 1
                return None
            window.told += 1
            return 0
        if window is not None:
            del self._windows[kind]
        elif len(self._windows) >= self._max_kinds:
            del self._windows[next(iter(self._windows))]
        self._windows[kind] = _Window(now)
        return 0 if window is None else window.left_out

    def over(self, now: float) -> Iterator[tuple[_Kind, int]]:
        """Forget the intervals that are over; yields (kind, count) where something was left out."""
        for kind, window in [*self._windows.items()]:
            if self._is_over(window, now):
                del self._windows[kind]
                if window.left_out:
                    yield kind, window.left_out

    def _is_over(self, window: _Window, now: float) -> bool:
        return abs(now - window.began) >= self._interval


class _Window:
    """One kind's interval: when it began, and how many of it were told and left out."""

    __slots__ = ("began", "left_out", "told")

    def __init__(self, began: float) -> None:
        self.began = began
        self.told = 1
        self.left_out = 0


class RateLimited:
    """A logger for what a stranger can cause: at most `limit` lines of a kind an interval.

    What is beyond the limit is counted, and told as one line ("… and 123 more") when the interval
    ends. `interval` is in seconds; `kind` is a short name from our code, never text from outside.

    Call `flush(now)` from a periodic sweep, or the last count of a burst waits for the next burst.
    """

    def __init__(
        self, log: Logger, *, limit: int = 5, interval: float = 60.0, max_kinds: int = 64
    ) -> None:
        self._log = log
        self._interval = interval
        self._repetitions: Repetitions[tuple[LogLevel, str]]
        self._repetitions = Repetitions(limit, interval, max_kinds)

    @property
    def suppressed(self) -> int:
        """How many lines were left out since the start."""
        return self._repetitions.suppressed

    def debug(self, now: float, kind: str, template: str, /, **fields: object) -> None:
        """Log at DEBUG; `now` is any steady clock's seconds."""
        self.emit(LogLevel.debug, now, kind, template, **fields)

    def info(self, now: float, kind: str, template: str, /, **fields: object) -> None:
        """Log at INFO; `now` is any steady clock's seconds."""
        self.emit(LogLevel.info, now, kind, template, **fields)

    def warn(self, now: float, kind: str, template: str, /, **fields: object) -> None:
        """Log at WARNING; `now` is any steady clock's seconds."""
        self.emit(LogLevel.warn, now, kind, template, **fields)

    def emit(
        self, level: LogLevel, now: float, kind: str, template: str, /, **fields: object
    ) -> None:
        """Log at `level` unless the kind has had its lines in this interval."""
        if not enabled(level):
            return
        left_out = self._repetitions.tell((level, kind), now)
        if left_out is None:
            return
        if left_out:
            self._tell_count(level, kind, left_out)
        self._log.emit(level, template, **fields)

    def flush(self, now: float) -> None:
        """Tell what was left out of the intervals that have ended by `now`, and forget them."""
        for (level, kind), left_out in self._repetitions.over(now):
            self._tell_count(level, kind, left_out)

    def _tell_count(self, level: LogLevel, kind: str, count: int) -> None:
        text = "… and {count} more ({kind}) within {interval:g} s"
        self._log.emit(level, text, count=count, kind=kind, interval=self._interval)


class RepeatedFaults:
    """Decides, for one observer of the log, which faults are told.

    Two faults are the same if one component reported them, they are of one type, and they are from
    one place in the code.
    """

    def __init__(self) -> None:
        self._repetitions: Repetitions[tuple[object, ...]]
        self._repetitions = Repetitions(1, _FAULT_INTERVAL, _MAX_FAULTS)

    def __len__(self) -> int:
        """How many faults are remembered."""
        return len(self._repetitions)

    def tell(self, event: LogEvent, now: float) -> int | None:
        """None to leave this event out; else how many of its like were left out before.

        `now` is in seconds of the wall clock. An event that is no fault is always told.
        """
        failure = event.get("log_failure")
        if failure is None:
            return 0
        frames = getattr(failure, "frames", None)
        place = tuple(frames[-1][:3]) if frames else ()
        kind = (event.get("log_namespace"), getattr(failure, "type", None), *place)
        return self._repetitions.tell(kind, now)

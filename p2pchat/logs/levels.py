"""What the program says about itself: levels, loggers, and limits on what strangers make it say.

Rules: one process has one threshold, which `set_level` moves at run time; an event below it is
never built, so that a DEBUG line that is off costs a comparison. Everything that ends up in a file
or on a screen passes through `p2pchat.logs.output`, which makes it printable.
"""

from __future__ import annotations

from typing import ClassVar, Final

from twisted.logger import Logger, LogLevel

from p2pchat.wire.text import shortened

LEVELS: Final = {
    "DEBUG": LogLevel.debug,
    "INFO": LogLevel.info,
    "WARNING": LogLevel.warn,
    "ERROR": LogLevel.error,
}
"""The four levels that a person can choose. Twisted's `critical` (a failure) counts as ERROR."""

_RANKS: Final = {level: rank for rank, level in enumerate(LogLevel.iterconstants())}
_NAMES: Final = {level: name for name, level in LEVELS.items()} | {LogLevel.critical: "ERROR"}
_DEBUG: Final = _RANKS[LogLevel.debug]

_threshold = _RANKS[LogLevel.info]


def set_level(name: str) -> None:
    """Let events of the level `name` (DEBUG, INFO, WARNING, ERROR; any case) and above through.

    Raises ValueError, whose text is a sentence for the person, for any other name.
    """
    global _threshold
    level = LEVELS.get(name.strip().upper())
    if level is None:
        raise ValueError(f'expected one of {", ".join(LEVELS)}, got "{shortened(name, 40)}"')
    _threshold = _RANKS[level]
    Log.debugging = _threshold <= _DEBUG


def get_level() -> str:
    """The name of the lowest level that is let through."""
    return next(name for name, level in LEVELS.items() if _RANKS[level] == _threshold)


def enabled(level: LogLevel) -> bool:
    """Whether an event of this `twisted.logger.LogLevel` is let through now."""
    return _RANKS[level] >= _threshold


def level_name(level: LogLevel) -> str:
    """What a person calls this `twisted.logger.LogLevel`: one of `LEVELS`."""
    return _NAMES[level]


class Log(Logger):
    """A logger of one component: `_log = Log("PeerServer")` writes lines with `[PeerServer]`.

    Use it as any `twisted.logger.Logger`: `_log.info("Connected: {peer}", peer=peer_id)`. Fields
    may hold text from outside. Where even building the fields is too much for a line that is
    usually off, ask `_log.debugging` first.
    """

    debugging: ClassVar[bool] = False
    """Whether DEBUG lines are on: cheap enough to ask for every message."""

    def __get__(self, instance: object, owner: type | None = None) -> Log:
        """Keep the component's name when the logger is an attribute of a class."""
        return self

    def enabled(self, level: LogLevel) -> bool:
        """Whether an event of this `twisted.logger.LogLevel` would be let through."""
        return _RANKS[level] >= _threshold

    def emit(self, level: LogLevel, format: str | None = None, **kwargs: object) -> None:  # noqa: A002
        """Publish an event, unless its level is below the threshold: then do nothing at all."""
        if _RANKS[level] >= _threshold:
            super().emit(level, format, **kwargs)

    def debug(self, format: str | None = None, **kwargs: object) -> None:  # noqa: A002
        """Publish an event of the level DEBUG."""
        if _threshold <= _DEBUG:
            super().emit(LogLevel.debug, format, **kwargs)


class RateLimited:
    """A logger for what a stranger can cause: at most `limit` lines of a kind an interval.

    What is beyond the limit is counted, and told as one line ("… and 123 more") when the interval
    ends. `interval` is in seconds; `kind` is a short name from our code, never text from outside;
    should there be more than `max_kinds` of them in use, the rest share one limit.

    Call `flush(now)` from a periodic sweep, or the last count of a burst waits for the next burst.
    """

    def __init__(
        self, log: Logger, *, limit: int = 5, interval: float = 60.0, max_kinds: int = 64
    ) -> None:
        self.suppressed = 0
        """How many lines were left out since the start."""
        self._log = log
        self._limit = limit
        self._interval = interval
        self._max_kinds = max_kinds
        self._windows: dict[str, _Window] = {}

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
        window = self._windows.get(kind)
        if window is None and len(self._windows) >= self._max_kinds:
            self.flush(now)
            if len(self._windows) >= self._max_kinds:
                kind = "other"
                window = self._windows.get(kind)
        if window is not None and now >= window.ends:
            self._close(kind, window)
            window = None
        if window is None:
            window = self._windows[kind] = _Window(level, now + self._interval)
        if window.lines < self._limit:
            window.lines += 1
            self._log.emit(level, template, **fields)
        else:
            window.left_out += 1
            self.suppressed += 1

    def flush(self, now: float) -> None:
        """Tell what was left out of the intervals that have ended by `now`, and forget them."""
        for kind, window in [*self._windows.items()]:
            if now >= window.ends:
                self._close(kind, window)

    def _close(self, kind: str, window: _Window) -> None:
        del self._windows[kind]
        if window.left_out:
            self._log.emit(
                window.level,
                "… and {count} more ({kind}) within {interval:g} s",
                count=window.left_out,
                kind=kind,
                interval=self._interval,
            )


class _Window:
    """One kind's interval: its level, when it ends, and how much was written and left out."""

    __slots__ = ("ends", "left_out", "level", "lines")

    def __init__(self, level: LogLevel, ends: float) -> None:
        self.level = level
        self.ends = ends
        self.lines = 0
        self.left_out = 0

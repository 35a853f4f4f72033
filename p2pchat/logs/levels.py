"""What the program says about itself: loggers, and the level from which on they say it.

Rules: one process has one threshold, which `set_level` moves at run time; an event below it is
never built, so that a DEBUG line that is off costs a comparison. Everything that ends up in a file
or on a screen passes through `p2pchat.logs.output`, which makes it printable.
"""

from __future__ import annotations

from typing import ClassVar, Final

from twisted.logger import Logger, LogLevel

from p2pchat.speech import Sentence
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
        sentence = Sentence(
            'expected one of {words}, got "{word}"',
            words=", ".join(LEVELS),
            word=shortened(name, 40),
        )
        raise ValueError(sentence)
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

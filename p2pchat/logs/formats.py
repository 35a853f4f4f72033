"""How a log event becomes text: a line for a person, an object for a program, a line for a screen.

Rules: one line an event, `2026-01-31 12:00:00,123+0100 INFO    [PeerServer] text`, in local time
with its distance from UTC, every character made printable; only a failure has more lines, indented.
As JSON it is one object a line, whatever it is.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, TypeAlias

from twisted.logger import LogEvent, LogLevel, formatEvent

from p2pchat.logs.levels import level_name
from p2pchat.wire.names import bracketed
from p2pchat.wire.text import printable, shortened

_MAX_TEXT: Final = 8000  # characters of one event's text; a message has at most 32,768 bytes
_MAX_TRACE: Final = 60  # lines of a traceback; one of endless recursion has a thousand
_MAX_FIELD: Final = 1000  # characters of one of the values that an event was made of
_NAMES: Final = frozenset(("peer", "who", "to"))  # fields that hold a peer_id or a scope
_PLAIN: Final = (str, int, float, bool)
# What Twisted adds to events for observers of its old kind.
_LEGACY: Final = frozenset(("format", "isError", "message", "system", "time", "failure", "why"))

Formatter: TypeAlias = "Callable[[LogEvent], str]"
"""Turns an event into what is appended to the file, the last newline included."""


def text_line(event: LogEvent) -> str:
    """`event` as a line for a person, and indented lines for the traceback of a failure."""
    seconds = event.get("log_time") or 0.0
    moment, zone = _stamp(int(seconds))
    stamp = f"{moment},{int(seconds * 1000) % 1000:03d}{zone}"
    return f"{stamp} {level_name(level_of(event)):<7} {untimed_line(event)}"


def untimed_line(event: LogEvent) -> str:
    """The same without time and level, for who has both by itself."""
    line = f"[{_component(event)}] {_text(event)}\n"
    if "log_failure" in event:
        line += "".join(f"    {printable(part)}\n" for part in _trace(event))
    return line


def json_line(event: LogEvent) -> str:
    """`event` as one JSON object: time (UTC), level, component, text, and traceback of a failure.

    What the text was made of is there, too, under `fields`, as far as it is numbers and short
    texts.
    """
    seconds = event.get("log_time") or 0.0
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(int(seconds)))
    said: dict[str, Any] = {
        "time": f"{moment}.{int(seconds * 1000) % 1000:03d}Z",
        "level": level_name(level_of(event)),
        "component": _component(event),
        "text": _text(event),
    }
    fields = {
        key: value if isinstance(value, int) else _plain(value)
        for key, value in event.items()
        if not key.startswith("log_") and key not in _LEGACY and isinstance(value, _PLAIN)
    }
    if fields and not is_twisted(event):
        said["fields"] = fields
    if "log_failure" in event:
        said["traceback"] = [printable(part) for part in _trace(event)]
    # Only ASCII: halves of surrogate pairs and line separators hurt no reader.
    return json.dumps(said) + "\n"


def _plain(value: str | float) -> str | float:
    if isinstance(value, str):
        return shortened(value, _MAX_FIELD)
    return value if math.isfinite(value) else str(value)


def screen_line(event: LogEvent) -> str:
    """`event` as one short line, without a newline, for between the lines of a conversation."""
    text = _text(event)
    if "log_failure" in event and text != (summary := shortened(_summary(event))):
        text += f" ({summary})"
    return f"{level_name(level_of(event))} [{_component(event)}] {text}"


FORMATTERS: Final[dict[str, Formatter]] = {"text": text_line, "json": json_line}
"""The formats of a log file, by the names that a person gives them."""


def untimed(format_line: Formatter) -> Formatter:
    """The formatter to use where each line gets its time from elsewhere."""
    return untimed_line if format_line is text_line else format_line


@lru_cache(maxsize=2)
def _stamp(second: int) -> tuple[str, str]:
    """Date and time of day; and how far they are from UTC."""
    local = time.localtime(second)
    return time.strftime("%Y-%m-%d %H:%M:%S", local), time.strftime("%z", local)


def level_of(event: LogEvent) -> LogLevel:
    """How grave `event` is."""
    level: LogLevel = event.get("log_level") or LogLevel.info
    return level


def is_twisted(event: LogEvent) -> bool:
    """Whether it is one of Twisted's own."""
    namespace = event.get("log_namespace") or "log_legacy"
    return namespace == "log_legacy" or namespace.startswith("twisted.")


def _component(event: LogEvent) -> str:
    return "Twisted" if is_twisted(event) else shortened(event["log_namespace"], 60)


def _text(event: LogEvent) -> str:
    template = event.get("log_format")
    try:
        # Ten times faster than formatEvent, which also knows "{field()}".
        text = template.format_map(_Shown(event)) if template else formatEvent(event)
    except Exception:  # a field is missing, or its own __format__ fails
        text = formatEvent(event)
    text = text.rstrip("\r\n")
    if not text and "log_failure" in event:  # the second half of "Unhandled error in Deferred"
        text = _summary(event)
    return shortened(text, _MAX_TEXT)


class _Shown:
    """The fields of an event as a sentence of the log shows them: names stand in brackets."""

    __slots__ = ("_event",)

    def __init__(self, event: LogEvent) -> None:
        self._event = event

    def __getitem__(self, key: str) -> Any:
        value = self._event[key]
        return bracketed(value) if key in _NAMES and isinstance(value, str) else value


def _summary(event: LogEvent) -> str:
    failure = event["log_failure"]
    return f"{failure.type.__name__}: {failure.getErrorMessage()}"


def _trace(event: LogEvent) -> list[str]:
    lines: list[str] = event["log_failure"].getTraceback().splitlines()
    if len(lines) > _MAX_TRACE:
        half = _MAX_TRACE // 2
        lines[half:-half] = [f"... {len(lines) - 2 * half} more lines ..."]
    return lines

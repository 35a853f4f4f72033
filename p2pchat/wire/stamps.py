"""Message ids and time stamps as they go over the wire, made cheaply."""

from __future__ import annotations

import time
from collections.abc import Callable


class MessageIds:
    """Fresh UUIDv4 strings, a call each, from random bytes that are fetched many at a time.

    `uuid.uuid4` costs five times as much, and importing `uuid` more than a whole conversation.
    """

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        self._random_bytes = random_bytes
        self._hex = ""
        self._at = 0

    def __call__(self) -> str:
        """A new id: 36 characters, version 4, variant 1."""
        at = self._at
        if at >= len(self._hex):
            self._hex = self._random_bytes(4096).hex()
            at = 0
        self._at = at + 32
        h = self._hex[at : at + 32]
        variant = "89ab"[int(h[16], 16) & 3]
        return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-{variant}{h[17:20]}-{h[20:]}"


class Timestamps:
    """The wall clock as `YYYY-MM-DDTHH:MM:SSZ` in UTC, formatted once a second."""

    def __init__(self, wall_clock: Callable[[], float]) -> None:
        self._wall_clock = wall_clock
        self._second = -1
        self._text = ""

    def __call__(self) -> str:
        """The current time."""
        second = int(self._wall_clock())
        if second != self._second:
            self._second = second
            self._text = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second))
        return self._text

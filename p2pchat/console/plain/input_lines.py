"""Bytes from standard input -> lines of text.

Rules: nothing that is typed or piped in raises, and what is kept of an unfinished line is bounded.
Lines end with LF or CRLF; bytes that are not UTF-8 become U+FFFD; a last line without a newline
counts as a line. A terminal that edits lines itself cuts a long one in silence: a line that may
have been cut is too long.
"""

from __future__ import annotations

import os
import sys
import termios
from typing import Final

from p2pchat.speech import _

MAX_LINE: Final = 65_536
"""Bytes of the longest line that is kept; twice what any message can hold."""

_MAX_CANON: Final = 4095


def longest_line(fd: int, longest: int = MAX_LINE) -> int:
    """Bytes of a line from this descriptor, `longest` at most, that is whole for certain.

    A terminal keeps so many of a line that it lets a person edit, and drops the rest.
    """
    try:
        mode = termios.tcgetattr(fd)[3]
        if not mode & termios.ICANON:
            return longest
        # What Linux says itself is a minimum of long ago.
        most = _MAX_CANON if sys.platform == "linux" else os.fpathconf(fd, "PC_MAX_CANON")
    except (OSError, ValueError, termios.error):
        return longest  # no terminal
    return min(most - 1, longest)


def too_long(*, script: bool) -> str:
    """What is said about a line that was too long, from a script or from a terminal."""
    if script:
        return _("that line is too long: nothing was sent")
    return _(
        "that line is too long: nothing was sent (a terminal may have cut it; a pipe takes more)"
    )


class InputLines:
    """Splits a stream into lines. None stands for a line that was too long."""

    def __init__(self, limit: int = MAX_LINE) -> None:
        self._limit = limit
        self._tail = bytearray()
        self._skipping = False
        self._first = True

    def feed(self, data: bytes) -> list[str | None]:
        """The lines that are complete with these bytes."""
        head, *others = data.split(b"\n")
        if not others:
            return self._unfinished(head)
        lines: list[str | None] = []
        if self._skipping:
            self._skipping = False
        else:
            lines.append(self._text(bytes(self._tail) + head))
        self._tail.clear()
        tail = others.pop()
        lines += map(self._text, others)
        return lines + self._unfinished(tail)

    def finish(self) -> list[str | None]:
        """The input has ended: the last line, if it has no newline."""
        line = bytes(self._tail)
        self._tail.clear()
        return [self._text(line)] if line else []

    def _unfinished(self, part: bytes) -> list[str | None]:
        """Keep the beginning of a line; tell at once, and only once, when it is too long."""
        if self._skipping:
            return []
        self._tail += part
        if len(self._tail) <= self._limit:
            return []
        line = bytes(self._tail)
        self._tail.clear()
        self._skipping = True
        return [self._too_long(line)]

    def _too_long(self, beginning: bytes) -> str | None:  # noqa: ARG002
        """What stands for a line that begins like this, and is too long; a subclass may keep it."""
        return None

    def _text(self, line: bytes) -> str | None:
        if len(line) > self._limit:
            return self._too_long(line)
        text = line.decode("utf-8", "replace").removesuffix("\r")
        if self._first:
            # Some editors begin a file with a byte order mark.
            self._first = False
            text = text.removeprefix("\ufeff")
        return text

"""The end of the log file, for who looks at it.

Rules: a bounded part of the file is read, and every line is made printable.
"""

from __future__ import annotations

import os
from typing import Final

from p2pchat.control.requests import RequestError
from p2pchat.speech import Sentence
from p2pchat.wire.text import shortened, why_not

_MOST_BYTES: Final = 65_536
_MOST_LINES: Final = 200
_LONGEST: Final = 1000


def last_lines(path: str, count: int) -> list[str]:
    """The last lines of a file, oldest first; raises `RequestError` if it cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            start = max(0, os.fstat(descriptor).st_size - _MOST_BYTES)
            data = os.pread(descriptor, _MOST_BYTES, start)
        finally:
            os.close(descriptor)
    except OSError as why:
        sentence = Sentence("the log cannot be read: {why}", why=why_not(why))
        raise RequestError("refused", sentence) from None
    if start:
        data = data.partition(b"\n")[2]
    lines = data.decode("utf-8", "replace").split("\n")
    lines = lines[:-1] if lines[-1] == "" else lines
    return [shortened(line, _LONGEST) for line in lines[-max(1, min(count, _MOST_LINES)) :]]

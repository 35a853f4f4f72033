"""A node that writes down each of its long turns, for who looks at it from outside.

`python -m benchmarks.turns FILE [OPTION]...` is `python -m p2pchat [OPTION]...`, and appends a line
to FILE for each turn of its reactor that took more than 2 ms of CPU: when it ended, by the steady
clock, and how long it took, in seconds. A turn is all that is done between two looks at the
sockets. It looks at a private part of Twisted's reactor, as the program itself does.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

LONG: Final = 0.002


class Timing:
    """The reactor's poller, which measures what happens in between."""

    def __init__(self, poller: Any, path: str) -> None:
        self._poller = poller
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC)
        self._begun = time.thread_time()

    def poll(self, *how: Any) -> Any:
        """See `select.epoll.poll`."""
        took = time.thread_time() - self._begun
        if took > LONG:
            os.write(self._file, f"{time.monotonic():.6f} {took:.6f}\n".encode())
        events = self._poller.poll(*how)
        self._begun = time.thread_time()
        return events

    def __getattr__(self, name: str) -> Any:
        return getattr(self._poller, name)


def long_turns(path: Path, since: float) -> Iterator[float]:
    """How long the long turns took that ended after `since`, by the steady clock."""
    for line in path.read_text(encoding="ascii").splitlines():
        ended, took = map(float, line.split())
        if ended >= since:
            yield took


def main() -> None:
    """Be the program."""
    from twisted.internet import reactor

    where: Any = reactor
    where._poller = Timing(where._poller, sys.argv.pop(1))
    from p2pchat.service.script import main as program

    program()


if __name__ == "__main__":
    main()

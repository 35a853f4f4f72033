"""A small file that is replaced as a whole each time that something has changed.

    file = SmallFile(disk, path, thread)
    file.read()          # before the reactor runs; raises OSError
    file.save(data)      # a Deferred: None when it is on the disk, or why not
    file.close()

Rules: it is made with the first `save`. A thread waits for the disk; what has changed meanwhile is
the next, and nothing between. A file that could not be understood is set aside before it is
replaced.
"""

from __future__ import annotations

from typing import Any, Final

from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from p2pchat.disk import Disk
from p2pchat.logs.levels import Log
from p2pchat.mesh.identity.pin_file import Thread
from p2pchat.speech import Sentence
from p2pchat.wire.text import why_not

_log: Final = Log("Node")
ASIDE: Final = ".damaged"
_LONGEST: Final = 4_000_000
"""Bytes of the longest file that can be ours."""
_MOST_ASIDE: Final = 100


class SmallFile:
    """The file at `path`, of which this process alone writes."""

    def __init__(self, disk: Disk, path: str, thread: Thread) -> None:
        self.path = path
        self.set_aside = False
        """Whether what is there now is to be kept beside it, because nobody could read it."""
        self._disk = disk
        self._thread = thread
        self._next: bytes | None = None
        self._busy = False
        self._asked: list[Deferred[Sentence | None]] = []
        self._closing: Deferred[None] | None = None

    def read(self) -> bytes | None:
        """What it holds; None without one. Raises OSError."""
        if not self._disk.exists(self.path):
            return None
        return self._disk.head(self.path, _LONGEST)

    def save(self, data: bytes) -> Deferred[Sentence | None]:
        """Have this be the file; fires with nothing when it is, else with why not."""
        saved: Deferred[Sentence | None] = Deferred()
        self._next = data
        self._asked.append(saved)
        self._work()
        return saved

    def close(self) -> Deferred[None]:
        """Fires when all is written, or was refused."""
        if not self._busy:
            self._thread.stop()
            return succeed(None)
        self._closing = Deferred()
        return self._closing

    def _work(self) -> None:
        if self._busy or self._next is None:
            return
        data, self._next = self._next, None
        asked, self._asked = self._asked, []
        self._busy = True
        self._thread.run(lambda: self._write(data)).addCallbacks(
            lambda _: self._done(asked, None), lambda failure: self._refused(asked, failure)
        )

    def _write(self, data: bytes) -> None:
        if self.set_aside and self._disk.exists(self.path):
            names = (f"{self.path}{ASIDE}{number or ''}" for number in range(_MOST_ASIDE))
            free = next((name for name in names if not self._disk.exists(name)), None)
            self._disk.rename(self.path, free or self.path + ASIDE)
        self.set_aside = False
        self._disk.replace(self.path, data)

    def _refused(self, asked: list[Deferred[Sentence | None]], failure: Failure) -> None:
        error: Any = failure.value
        why = why_not(error) if isinstance(error, OSError) else Sentence("a fault of ours")
        if not isinstance(error, OSError):
            _log.failure("A small file could not be written", failure)
        self._done(asked, Sentence("{path} cannot be written ({why})", path=self.path, why=why))

    def _done(self, asked: list[Deferred[Sentence | None]], why: Sentence | None) -> None:
        self._busy = False
        for each in asked:
            each.callback(why)
        self._work()
        if self._closing is not None and not self._busy:
            closing, self._closing = self._closing, None
            self._thread.stop()
            closing.callback(None)

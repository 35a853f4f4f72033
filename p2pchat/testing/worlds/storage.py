"""A history's file and its two threads, which the world moves on call by call.

    storage = HandStorage(written)
    DurableHistory(host, own_id, settings, seen, storage.of(path, host))
    storage.threads[0].step()     # one call in the thread that writes, and what follows of it

Rules: nothing is done by itself. `written` holds the ids of our messages that are in the file.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure

from p2pchat.history.database import Database
from p2pchat.history.reading import Reader
from p2pchat.history.storage import Storage
from p2pchat.sqlite import ClosedError, Worker
from p2pchat.testing.network import FakeHost


def memory_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder for a world, where a sync costs nothing if the system has such a place."""
    fast = "/dev/shm"
    return tempfile.TemporaryDirectory(dir=fast if os.access(fast, os.W_OK) else None)


class HandThread(Worker):
    """A thread that makes its next call when it is told to, and none after `stop`."""

    def __init__(self) -> None:
        self.calls: list[tuple[Callable[[], Any], Deferred[Any]]] = []
        self.stopped = False

    def run(self, call: Callable[[], Any]) -> Deferred[Any]:
        """Have it called at one of the next steps."""
        if self.stopped:
            return fail(ClosedError("this program is leaving"))
        result: Deferred[Any] = Deferred()
        self.calls.append((call, result))
        return result

    def step(self) -> None:
        """Make the next call, and tell who waits for it."""
        call, result = self.calls.pop(0)
        try:
            value = call()
        except Exception:
            result.errback(Failure())
        else:
            result.callback(value)

    def stop(self) -> None:
        """Take no more calls."""
        self.stopped = True

    def end(self, *, after_next: bool) -> None:
        """The process ends; `after_next`: the next call is made before, and nobody hears of it."""
        calls, self.calls = self.calls, []
        self.stopped = True
        if after_next and calls:
            with suppress(Exception):
                calls[0][0]()


class NotedDatabase(Database):
    """A database that notes which messages of ours are in the file."""

    def __init__(self, path: str, written: set[str], wall: Callable[[], float]) -> None:
        super().__init__(path, wall=wall)
        self._written = written

    def commit(self, batch: Any) -> Any:
        """Store a batch."""
        done = super().commit(batch)
        self._written.update(entry.msg_id for entry in batch.entries)
        return done


class HandStorage:
    """What one run of a node has of its file; the set `written` outlives it."""

    def __init__(self, written: set[str]) -> None:
        self.written = written
        self.threads = (HandThread(), HandThread())
        """The one that writes, and the one that reads."""
        self._databases: list[Database] = []

    def of(self, path: str, host: FakeHost) -> Storage:
        """The storage for the history in this file."""

        def database() -> Database:
            self._databases.append(NotedDatabase(path, self.written, host.wall))
            return self._databases[-1]

        writing, reading = self.threads
        return Storage(
            writing=writing,
            make_database=database,
            reading=reading,
            make_reader=lambda: Reader(path),
            wall=host.wall,
        )

    @property
    def busy(self) -> bool:
        """Whether a thread has something to do."""
        return any(thread.calls for thread in self.threads)

    def end(self, *, after_next: bool) -> None:
        """The process ends as by `kill -9`; see `HandThread.end`."""
        for thread in self.threads:
            thread.end(after_next=after_next)
        self.close()

    def close(self) -> None:
        """Close what is still open."""
        for database in self._databases:
            database.close()

"""A history on a disk in memory, and its two threads, which the world moves on call by call.

    storage = HandStorage(disk, host, written)
    town.node(name, make_history=storage.maker(settings))
    storage.threads[0].step()     # one call in the thread that writes, and what follows of it

Rules: nothing is done by itself. `written` holds the ids of our messages that are in the file.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from p2pchat.disk import Disk
from p2pchat.history.database import Database
from p2pchat.history.durable import DurableHistory
from p2pchat.history.location import claim
from p2pchat.history.reading import Reader
from p2pchat.history.records import Loaded
from p2pchat.history.storage import Storage
from p2pchat.settings.values import Settings
from p2pchat.testing.databases import PowerLost
from p2pchat.testing.disk import FakeDisk
from p2pchat.testing.network import FakeHost
from p2pchat.testing.threads import SteppedWorker
from p2pchat.wire.repetitions import RecentIds


class HandThread(SteppedWorker):
    """A thread that makes its next call when it is told to."""

    def __init__(self, host: FakeHost, disk: FakeDisk) -> None:
        super().__init__(host, disk, by_hand=True)
        self.abandoned = False
        """Whether its program left without it."""

    def stop(self) -> None:
        """Take no more calls, and make none."""
        self._ended = True

    def abandon(self) -> None:
        """See `Worker`."""
        self.abandoned = True
        super().abandon()

    def end(self, *, after_next: bool) -> None:
        """The process ends; `after_next`: the next call is made before, and nobody hears of it."""
        calls = [*self.calls]
        self._end()
        if after_next and calls:
            with suppress(Exception, PowerLost):
                calls[0][0]()


class NotedDatabase(Database):
    """A database that notes which messages of ours are in the file."""

    def __init__(self, path: str, disk: Disk, wall: Callable[[], float], written: set[str]) -> None:
        super().__init__(path, disk, wall)
        self._written = written

    def load(self, remembered: int) -> Loaded:
        """Read the past; what waits there is there, whatever the commit was that put it there."""
        past = super().load(remembered)
        self._written.update(entry.said_id for entry in past.waiting)
        return past

    def commit(self, batch: Any) -> Any:
        """Store a batch."""
        done = super().commit(batch)
        self._written.update(entry.said_id for entry in batch.entries)
        return done


class HandStorage:
    """What one run of a node has of its disk; the disk and the set `written` outlive it."""

    def __init__(self, disk: FakeDisk, host: FakeHost, written: set[str]) -> None:
        self.disk = disk
        self.written = written
        self._host = host
        self.threads = (HandThread(host, disk), HandThread(host, disk))
        """The one that writes, and the one that reads."""

    def maker(self, settings: Settings) -> Callable[[str, RecentIds], DurableHistory]:
        """What makes the history of a node, as `p2pchat.history.opening.history_maker`."""

        def make(own_id: str, seen: RecentIds) -> DurableHistory:
            host, disk = self._host, self.disk
            taken = claim(path_of(own_id), disk)
            writing, reading = self.threads
            storage = Storage(
                writing=writing,
                make_database=partial(NotedDatabase, taken.path, disk, host.wall, self.written),
                reading=reading,
                make_reader=partial(Reader, taken.path, disk),
                wall=host.wall,
                on_closed=taken.release,
                path=taken.path,
                disk=disk,
            )
            return DurableHistory(host, own_id, settings.history, seen, storage)

        return make

    @property
    def busy(self) -> bool:
        """Whether a thread has something to do."""
        return any(thread.calls for thread in self.threads)

    @property
    def abandoned(self) -> bool:
        """Whether the program left while the disk did not answer."""
        return any(thread.abandoned for thread in self.threads)

    @property
    def holds_lock(self) -> bool:
        """Whether a program that has left in order would keep the next one from its file."""
        return any(path.endswith(".lock") for path in self.disk.in_use) and not (
            self.busy or self.abandoned
        )

    def end(self, *, after_next: bool) -> None:
        """The process ends as by `kill -9`; see `HandThread.end`."""
        for thread in self.threads:
            thread.end(after_next=after_next)
        self.disk.kill()


def path_of(name: str) -> str:
    """Where a node's history is, on its disk."""
    return f"/{name}.sqlite"

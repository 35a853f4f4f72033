"""Keeps what is in a registry in a database, in batches, without ever stopping the rendezvous.

Rules: memory is the truth and the file follows it, `interval` seconds behind. Writing happens in a
thread, one batch at a time. A file that cannot be written is told to the log once, when it begins
and when it ends; meanwhile the rendezvous serves from memory and tries again. What changed is
remembered up to a limit; beyond it, and after a failure, everything is written anew.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Generator, Iterator
from functools import partial
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from p2pchat.logs.levels import Log
from p2pchat.rendezvous.registration import Key, Registration
from p2pchat.rendezvous.registry import Registry
from p2pchat.rendezvous.stores.sqlite import RegistrationFile, Row
from p2pchat.sqlite import ForeignFileError, Worker, is_damage
from p2pchat.turns import Turns, at_once

_log = Log("Database")

_MAX_PENDING: Final = 50_000
_GIVE_BACK: Final = 10.0
"""Seconds from a batch to when the file itself holds it: until then, a copy of it does not."""
_RETRY: Final = 5.0
"""Seconds between two attempts to write a file that could not be written."""


class Persistence(Service):
    """Loads `registry` from `database` when it starts and writes its changes until it stops.

    Start it before anybody registers. `interval`: seconds that changes are collected for; more
    means fewer writes and more lost by a crash. `reactor` provides IReactorTime, and
    IReactorFromThreads unless there is a `thread`.
    """

    name: str | None = "database"

    def __init__(
        self,
        registry: Registry,
        database: RegistrationFile,
        *,
        reactor: Any,
        interval: float = 0.2,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        thread: Worker | None = None,
    ) -> None:
        self.written = 0
        """Batches that were written."""
        self.failing = False
        """Whether the latest attempt to write failed."""
        self._registry = registry
        self._database = database
        self._reactor = reactor
        self._interval = interval
        self._wall = wall
        self._monotonic = monotonic
        self._thread = thread or Worker(reactor, "database")
        self._turns = Turns(reactor)
        self._loaded = False
        self._pending: dict[Key, Registration | None] = {}  # None: it is gone
        self._whole = False
        self._timer: Any = None
        self._quiet: Any = None
        self._writing: Deferred[None] | None = None

    def load(self) -> None:
        """Take over what the file holds, unless that was done: `startService` does it, too.

        Blocks. Raises `ForeignFileError`, and `InUseError` when another server has the file; any
        other trouble is told to the log, and tried again later. The file is closed afterwards, so
        that the process may still fork, and stays ours.
        """
        if self._loaded:
            return
        try:
            self._database.claim()
            at_once(self._restore(*self._database.load(self._wall())))
        except (sqlite3.Error, OSError) as trouble:
            self._failed(trouble)
        except ForeignFileError:
            self._database.release()
            raise
        finally:
            self._database.close()

    def startService(self) -> None:
        """Load the file and follow the registry from now on; raises what `load` raises."""
        self.load()
        super().startService()
        self._registry.journal = self._note
        if self.failing:
            self._schedule(_RETRY)

    async def _stop(self) -> None:
        if self._writing is not None:
            await self._writing
        await self._write_batch()
        await self._thread.run(self._database.close)
        self._database.release()
        self._thread.stop()

    def stopService(self) -> Deferred[None]:
        """Write what is left and close the file."""
        super().stopService()
        self._registry.journal = None
        for timer in (self._timer, self._quiet):
            if timer is not None:
                timer.cancel()
        self._timer = self._quiet = None
        return Deferred.fromCoroutine(self._stop())

    def _note(self, registration: Registration) -> None:
        """Remember a change, and see that it is written soon."""
        self._pending[registration.key] = registration if registration.live else None
        if len(self._pending) > _MAX_PENDING:
            self._pending.clear()
            self._whole = True
        if self._timer is None:
            self._schedule(self._interval)

    def _schedule(self, delay: float) -> None:
        if self.running and self._timer is None and self._writing is None:
            self._timer = self._reactor.callLater(delay, self._begin)

    def _begin(self) -> None:
        self._timer = None
        self._writing = writing = Deferred.fromCoroutine(self._write_batch())
        writing.addCallback(self._finished)

    def _finished(self, _: None) -> None:
        self._writing = None
        if self.failing:
            self._schedule(_RETRY)
        elif self._pending or self._whole:
            self._schedule(self._interval)
        if self._quiet is None and self.running:
            self._quiet = self._reactor.callLater(_GIVE_BACK, self._give_back)

    def _give_back(self) -> None:
        self._quiet = None
        if not self.failing:
            moved = self._thread.run(self._database.give_back)
            moved.addErrback(self._not_given_back)

    def _not_given_back(self, failure: Failure) -> None:
        # The next batch finds out, and tells, if it is more than somebody who reads the file.
        _log.debug("The database stays in two files: {why}", why=failure.getErrorMessage())

    async def _write_batch(self) -> None:
        """Bring the file up to date. Never fails: trouble is told, and `failing` set."""
        try:
            if not self._loaded:
                self._database.claim()
                load = partial(self._database.load, self._wall())
                await self._turns.do(self._restore(*await self._thread.run(load)))
            changed, gone, whole = self._take()
            if changed or gone or whole:
                await self._thread.run(partial(self._write, changed, gone, whole))
                self.written += 1
        except Exception as trouble:  # whatever it is, the rendezvous goes on
            self._failed(trouble)
        else:
            if self.failing:
                self.failing = False
                _log.info("The database {path} is written again", path=self._database.path)

    def _take(self) -> tuple[list[Registration], list[Key], bool]:
        """What is to be written, and whether it is all there is; nothing is pending afterwards."""
        pending, self._pending = self._pending, {}
        whole, self._whole = self._whole, False
        if whole:
            return self._registry.all(), [], True
        changed = [each for each in pending.values() if each is not None]
        return changed, [key for key, each in pending.items() if each is None], False

    def _write(self, changed: list[Registration], gone: list[Key], whole: bool) -> None:
        """Write in the wall clock's time, in the thread."""
        epoch = self._wall() - self._monotonic()

        def rows() -> Iterator[Row]:
            # One after the other: nobody else could run while all of them are thrown away at once.
            while changed:
                it = changed.pop()
                end = epoch + it.until
                yield Row(it.ip, it.namespace, it.name, it.port, it.ttl, end, it.hint)

        self._database.write(rows(), gone, whole=whole)

    def _restore(self, rows: list[Row], aside: str | None) -> Generator[None, None, None]:
        self._loaded = True
        if aside is not None:
            _log.error(
                "The database {path} is damaged: it is now called {aside}, and an empty one begun",
                path=self._database.path,
                aside=aside,
            )
        if self._database.damaged:
            _log.warn(
                "The database {path} is damaged in {count} places: what was there is left out",
                path=self._database.path,
                count=self._database.damaged,
            )
        wall, monotonic = self._wall(), self._monotonic()
        restored = yield from self._registry.restoring(
            # A wall clock that was set back must not make a lease longer than it was granted.
            Registration(
                row.ip,
                row.namespace,
                row.name,
                row.port,
                row.ttl,
                monotonic + min(row.expires - wall, row.ttl),
                hint=row.hint,
            )
            for row in rows
        )
        _log.info(
            "Took over {count} registrations from {path}", count=restored, path=self._database.path
        )

    def _failed(self, trouble: Exception) -> None:
        self._pending.clear()
        self._whole = True
        if is_damage(trouble):
            self._loaded = False  # to load it is what sets it aside
        if not self.failing:
            self.failing = True
            _log.error(
                "The database {path} cannot be used ({trouble}): registrations live in memory "
                "only, and it is tried again every {seconds:g} s",
                path=self._database.path,
                trouble=trouble,
                seconds=_RETRY,
            )

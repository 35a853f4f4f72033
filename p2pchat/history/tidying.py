"""What is done to a history file a step at a time: filing, and deleting what is old or unwanted.

Rules: a message that comes waits for one step at most. Filing and looking after what is old wait
until nothing else is to do. Under a load that never ends nothing may grow without limit either:
then steps are taken between the batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from p2pchat.history.database import Database
from p2pchat.history.filing import AT_ONCE
from p2pchat.history.shares import Shares
from p2pchat.logs.levels import Log

_log: Final = Log("History")
QUIET: Final = 2.0
"""Seconds without a batch after which it is quiet."""
WORTH_FILING: Final = 32
"""Messages that are filed as soon as it is quiet: a transaction for fewer costs most of what one
for so many does."""
_FILE_LATEST: Final = 60.0
"""Seconds after which any number of messages is filed."""
MAX_UNFILED: Final = 500_000
"""Messages that may wait to be filed before that hinders others."""
_PRUNE_EVERY: Final = 60.0
_PRUNE_LATEST: Final = 300.0
_PRUNED_AT_ONCE: Final = 1000
_PRUNED_UNDER_LOAD: Final = 20_000
_RETRY: Final = 5.0


class Tidying:
    """Steps of tidying up. `call` makes a call on the database; `busy` tells whether others wait.

    `limits`: the size beyond which messages go, and whose go first.
    """

    def __init__(
        self,
        call: Callable[[Callable[[Database], Any]], Deferred[Any]],
        busy: Callable[[], bool],
        limits: Shares,
    ) -> None:
        self._call = call
        self._busy = busy
        self.limits = limits
        """May be changed at any time."""
        self._prune_at = 0.0
        self._file_at = _FILE_LATEST
        self._retry_at = 0.0
        self._now = 0.0
        self.running = False
        """Whether a step is being made."""
        self.unfiled = 0
        """Messages that are stored, but not filed yet."""
        self.removed = 0
        """Messages that were deleted because there was no room."""
        self._making_room = False
        self.in_wal = False
        """Whether something was written that a copy of the file may not hold yet."""

    def when_quiet(self, now: float, before: float) -> None:
        """Do what waits, if anything does; `before`: what came then (wall clock) is too old."""
        self._note(now)
        if self.running or now < self._retry_at:
            return
        if self.unfiled >= WORTH_FILING or (self.unfiled and now >= self._file_at):
            self._file(1, more=True)
        elif now >= self._prune_at:
            self._prune_at = now + _PRUNE_EVERY
            self._prune(before, _PRUNED_AT_ONCE, more=True)
        elif self.in_wal:
            self._checkpoint()

    def under_load(self, now: float, before: float) -> None:
        """The same when it is never quiet, as far as it cannot wait."""
        self._note(now)
        if self.running:
            return
        if now >= self._file_at:
            self._file(1, more=False)
        elif now >= self._prune_at + _PRUNE_LATEST:
            self._prune(before, _PRUNED_UNDER_LOAD, more=False)

    def overloaded(self, count: int) -> None:
        """More than `MAX_UNFILED` wait; `count` more messages were stored."""
        if not self.running:
            # Twice what comes, so that it becomes less.
            self._file(2 * count // AT_ONCE + 1, more=False)

    async def forget(self, peer_id: str) -> int:
        """Delete what a peer said and what was said to it, whoever waits; how many messages.

        Fails as `Database.forget` does.
        """
        steps: Iterator[int] = await self._call(lambda database: database.forget(peer_id))
        deleted = 0
        while (count := await self._call(lambda _: next(steps, None))) is not None:
            deleted += count
        return deleted

    def _note(self, now: float) -> None:
        self._now = now
        if not self.unfiled:
            self._file_at = now + _FILE_LATEST

    def _file(self, steps: int, *, more: bool) -> None:
        def file(database: Database) -> int:
            left = 0
            for _ in range(steps):
                left = database.file()
            return left

        def done(left: int) -> None:
            self.running = False
            self.unfiled = left
            self.in_wal = True
            if left and more and not self._busy():
                self._file(steps, more=more)

        self.running = True
        self._file_at = self._now + _FILE_LATEST
        self._call(file).addCallbacks(done, self._failed)

    def _checkpoint(self) -> None:
        def done(_: None) -> None:
            self.running = False

        self.running = True
        self.in_wal = False
        self._call(lambda database: database.checkpoint()).addCallbacks(done, self._failed)

    def make_room(self) -> None:
        """The file is too large: make room before the next batch is written."""

        def done(unfiled: int) -> None:
            self._making_room = False
            self.unfiled = unfiled

        def make(database: Database) -> int:
            return self._make_room(database, limits)

        def failed(failure: Failure) -> None:
            self._making_room = False
            self._failed(failure)

        if not self._making_room:
            self._making_room = True
            limits = self.limits
            self._call(make).addCallbacks(done, failed)

    def _make_room(self, database: Database, limits: Shares) -> int:
        unfiled = database.make_room(limits)
        self.removed = database.removed
        return unfiled

    def _prune(self, before: float, limit: int, *, more: bool) -> None:
        limits = self.limits

        def prune(database: Database) -> bool:
            if database.prune(before, limit):
                return True
            self.unfiled = self._make_room(database, limits)
            database.drop_unused_names()
            return more and database.give_back()

        def done(left: bool) -> None:
            self.running = False
            self.in_wal = self.in_wal or left
            if not left:
                self._prune_at = self._now + _PRUNE_EVERY
            elif more and not self._busy():
                self._prune(before, limit, more=more)

        self.running = True
        self._call(prune).addCallbacks(done, self._failed)

    def _failed(self, failure: Failure) -> None:
        # The next batch, which matters more, will say whether the file is out of reach.
        self.running = False
        self._retry_at = self._now + _RETRY
        _log.warn("The history could not be tidied up: {why}", why=_why(failure))


def _why(failure: Any) -> str:
    return str(failure.value) or type(failure.value).__name__

"""Calls on the database, in the one thread that writes the file; and how long the disk takes.

Rules: one call at a time, in their order. The database is made by the first one, in the thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from p2pchat.history.database import Database
from p2pchat.sqlite import Worker

_T = TypeVar("_T")

HANGS_AFTER: Final = 5.0
"""Seconds after which a call that has not returned is one that may never return."""


class FileCalls:
    """Makes calls on what `make_database` makes, in `thread`."""

    def __init__(
        self, clock: IReactorTime, thread: Worker, make_database: Callable[[], Database]
    ) -> None:
        self._clock = clock
        self._thread = thread
        self._make_database = make_database
        self._database: Database | None = None
        self._under_way = 0
        self._since = 0.0

    @property
    def has_file(self) -> bool:
        """Whether there was a call."""
        return self._database is not None

    def call(self, call: Callable[[Database], _T]) -> Deferred[_T]:
        """Make a call when those before it have returned."""

        def run() -> _T:
            if self._database is None:
                self._database = self._make_database()
            return call(self._database)

        def returned(result: _T) -> _T:
            self._under_way -= 1
            self._since = self._clock.seconds()
            return result

        if not self._under_way:
            self._since = self._clock.seconds()
        self._under_way += 1
        return self._thread.run(run).addBoth(returned)

    def hangs(self, now: float) -> bool:
        """Whether a call has been under way for too long."""
        return bool(self._under_way) and now - self._since >= HANGS_AFTER

    def close(self) -> Deferred[None]:
        """Close the file and end the thread."""
        return self._thread.run(self._close).addBoth(lambda _: self._thread.stop())

    def abandon(self) -> None:
        """Wait for nothing any more."""
        self._thread.abandon()

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()

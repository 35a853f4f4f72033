"""One history file, and the threads that touch it: one that writes, one that answers questions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from msgspec import Struct
from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from p2pchat.disk import SYSTEM, Disk
from p2pchat.history.database import Database
from p2pchat.history.reading import Reader
from p2pchat.history.records import HistoryError
from p2pchat.speech import Sentence
from p2pchat.sqlite import ClosedError, Worker

_T = TypeVar("_T")


def _ignore() -> None:
    """Nobody waits for the end."""


class Storage(Struct):
    """One file, and the threads that touch it."""

    writing: Worker
    make_database: Callable[[], Database]
    """Is called in the thread `writing`."""
    reading: Worker
    make_reader: Callable[[], Reader]
    """Is called in the thread `reading`."""
    wall: Callable[[], float]
    """The wall clock."""
    on_closed: Callable[[], None] = _ignore
    """Is called when nothing touches the file any more."""
    path: str = ""
    """Where the file is, for who wants to know its size."""
    disk: Disk = SYSTEM
    """The disk that it is on."""


class Questions:
    """Asks the reader of a storage, in its thread.

    `on_damage` is told in how many new places the file was found damaged.
    """

    def __init__(self, storage: Storage, on_damage: Callable[[int], None]) -> None:
        self._storage = storage
        self._on_damage = on_damage
        self._reader: Reader | None = None
        self._unanswered: dict[Deferred[Any], None] = {}

    def ask(self, question: Callable[[Reader], list[_T]]) -> Deferred[list[_T]]:
        """Fires with the answer; fails with a `HistoryError` after `stop`."""

        def read() -> tuple[list[_T], int]:
            if self._reader is None:
                self._reader = self._storage.make_reader()
            return question(self._reader), self._reader.newly_damaged()

        def answered(answer: tuple[list[_T], int]) -> list[_T]:
            found, damaged = answer
            if damaged:
                self._on_damage(damaged)
            return found

        def closed(failure: Failure) -> NoReturn:
            failure.trap(ClosedError)
            raise HistoryError(Sentence("this node is leaving"))

        answer: Deferred[list[_T]] = Deferred()
        self._unanswered[answer] = None

        def over(result: list[_T] | Failure) -> None:
            if answer in self._unanswered:  # else it was told already that nobody reads any more
                del self._unanswered[answer]
                answer.callback(result)

        self._storage.reading.run(read).addCallbacks(answered, closed).addBoth(over)
        return answer

    def abandon(self) -> None:
        """Answer what is asked, without waiting for the disk, and read no more."""
        self._storage.reading.abandon()
        unanswered, self._unanswered = self._unanswered, {}
        for answer in unanswered:
            answer.errback(HistoryError(Sentence("this node leaves, and the disk does not answer")))

    def stop(self) -> Deferred[None]:
        """Answer what is asked, and close the reader."""
        closed: Deferred[None] = succeed(None)
        if self._reader is not None:
            closed = self._storage.reading.run(self._reader.close)
        return closed.addBoth(lambda _: self._storage.reading.stop())

"""A thread that makes blocking calls, one after the other, for the reactor's thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure

from p2pchat.history.records import HistoryError

_T = TypeVar("_T")


class InThread(Protocol):
    """Makes blocking calls somewhere else, one after the other."""

    def run(self, call: Callable[[], _T]) -> Deferred[_T]:
        """Make `call`; its result fires in the reactor's thread."""

    def stop(self) -> None:
        """End when what was given is done."""


class Worker:
    """One thread, begun by its first call. `reactor` provides IReactorFromThreads.

    Call `stop` at the end: a thread that waits would keep the process alive.
    """

    def __init__(self, reactor: Any, name: str) -> None:
        self._reactor = reactor
        self._name = name
        self._calls: queue.SimpleQueue[tuple[Callable[[], Any], Deferred[Any]] | None] = (
            queue.SimpleQueue()
        )
        self._thread: threading.Thread | None = None
        self._stopped = False

    def run(self, call: Callable[[], _T]) -> Deferred[_T]:
        """Make `call` in the thread, after those before it; its result fires in the reactor's.

        After `stop` it fails with a `HistoryError`.
        """
        if self._stopped:
            return fail(HistoryError("this node is leaving"))
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._name)
            self._thread.start()
        result: Deferred[_T] = Deferred()
        self._calls.put((call, result))
        return result

    def stop(self) -> None:
        """End the thread when what it was given is done; blocks until then."""
        self._stopped = True
        thread, self._thread = self._thread, None
        if thread is not None:
            self._calls.put(None)
            thread.join()

    def _work(self) -> None:
        while (task := self._calls.get()) is not None:
            call, result = task
            try:
                value = call()
            except BaseException:
                self._reactor.callFromThread(result.errback, Failure())
            else:
                self._reactor.callFromThread(result.callback, value)

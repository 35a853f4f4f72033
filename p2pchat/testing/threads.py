"""A thread that a world steps, and the history of a node on a disk in memory.

    thread = SteppedWorker(host, disk)   # its calls are made at moments that the disk's seed draws
    thread = SteppedWorker(host, disk, by_hand=True); thread.step()

Rules: the calls are made one after the other, each in a turn of its own. A call has returned, and
later the node hears of it: whoever is killed in between never does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from msgspec.structs import replace
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from p2pchat.history.durable import DurableHistory
from p2pchat.history.opening import history_maker
from p2pchat.node.lists_file import open_lists
from p2pchat.node.own_lists import OwnLists
from p2pchat.settings.values import Settings
from p2pchat.sqlite import ClosedError, Worker
from p2pchat.testing.databases import PowerLost
from p2pchat.testing.disk import FakeDisk
from p2pchat.wire.repetitions import RecentIds


class SteppedWorker(Worker):
    """A thread of whatever runs on `host`, whose calls take as long as `disk` says.

    `by_hand`: nothing happens but in `step`, and what a call returned is told at once.
    """

    def __init__(self, host: IReactorTime, disk: FakeDisk, *, by_hand: bool = False) -> None:
        self.calls: deque[tuple[Callable[[], Any], Deferred[Any]]] = deque()
        """What it has still to do."""
        self._host = host
        self._disk = disk
        self._by_hand = by_hand
        self._timer: Any = None
        self._told_until = 0.0
        self._telling: dict[Any, None] = {}
        self._ended = False

    def run(self, call: Callable[[], Any]) -> Deferred[Any]:
        """See `Worker`."""
        if self._ended:
            return fail(ClosedError("this program is leaving"))
        result: Deferred[Any] = Deferred()
        self.calls.append((call, result))
        self._wait()
        return result

    def step(self) -> None:
        """Make the next call; raises IndexError when there is none."""
        call, result = self.calls.popleft()
        try:
            value = call()
        except PowerLost:  # the process is no more
            self._end()
        except Exception:
            self._tell(result.errback, Failure())
        else:
            self._tell(result.callback, value)

    def stop(self) -> None:
        """See `Worker`: make what is left, now."""
        while self.calls:
            self.step()
        self._ended = True
        self._cancel()

    def abandon(self) -> None:
        """See `Worker`: the process ends now, with all that it has open."""
        self._end()
        self._disk.kill()

    def _end(self) -> None:
        self._ended = True
        self.calls.clear()
        self._cancel()
        for call in self._telling:
            if call.active():  # else the host was killed
                call.cancel()
        self._telling.clear()

    def _cancel(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def _wait(self) -> None:
        if self.calls and self._timer is None and not self._by_hand:
            self._timer = self._host.callLater(self._moment(), self._next)

    def _next(self) -> None:
        self._timer = None
        self.step()
        self._wait()

    def _tell(self, tell: Callable[[Any], None], value: object) -> None:
        if self._by_hand:
            tell(value)
            return
        # In their order, as from a real thread.
        now = self._host.seconds()
        self._told_until = max(self._told_until, now + self._moment())
        call = self._host.callLater(self._told_until - now, lambda: heard())
        self._telling[call] = None

        def heard() -> None:
            del self._telling[call]
            tell(value)

    def _moment(self) -> float:
        return self._disk.random.uniform(*self._disk.delay)


def history_on(
    disk: FakeDisk, host: Any, settings: Settings, wall: Callable[[], float], own_id: str
) -> Callable[[str, RecentIds], DurableHistory]:
    """What makes the history of the node `own_id` on this disk: give it to `ChatNode`.

    In the file that `settings` name, else in `/NAME@NAMESPACE.sqlite`.
    """
    path = settings.history.file or f"/{own_id}.sqlite"
    kept = replace(settings, history=replace(settings.history, file=path))
    threads = partial(_thread, disk)
    return history_maker(host, kept, wall, disk, threads)


def lists_on(disk: FakeDisk, host: Any) -> Callable[[str], OwnLists]:
    """What makes the person's lists on this disk, in `/NAME@NAMESPACE.lists`, as `history_on`."""

    def make(own_id: str) -> OwnLists:
        return open_lists(disk, f"/{own_id}.lists", SteppedWorker(host, disk), lambda _: None)

    return make


def _thread(disk: FakeDisk, host: Any, name: str) -> SteppedWorker:  # noqa: ARG001
    return SteppedWorker(host, disk)

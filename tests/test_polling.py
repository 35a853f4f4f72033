"""`poll_directly`: the reactor does all that it did, and what this relies on is there."""

from __future__ import annotations

import os
import socket
from functools import partial
from typing import TYPE_CHECKING, Any

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.selectreactor import SelectReactor
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.polling import poll_directly

if TYPE_CHECKING:
    from collections.abc import Callable


class _Reader:
    """A descriptor that notes what is asked of it."""

    def __init__(self, reactor: Any, end: socket.socket) -> None:
        self.reactor, self.end = reactor, end
        self.read: list[bytes] = []
        self.lost: list[Any] = []
        self.error: Exception | None = None
        self.first: Callable[[], None] = lambda: None

    def fileno(self) -> int:
        return self.end.fileno()

    def logPrefix(self) -> str:
        return "reader"

    def doRead(self) -> None:
        self.first()
        self.read.append(self.end.recv(100))
        if self.error is not None:
            raise self.error

    def connectionLost(self, reason: Any) -> None:
        self.lost.append(reason)


class PollDirectly(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor: Any = EPollReactor()
        self.addCleanup(self._close)
        self.assertTrue(poll_directly(self.reactor))

    def _close(self) -> None:
        self.reactor.removeAll()
        self.reactor._poller.close()
        for end in (self.reactor.waker.i, self.reactor.waker.o):
            os.close(end)

    def _reader(self) -> tuple[_Reader, socket.socket]:
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        reader = _Reader(self.reactor, ours)
        self.reactor.addReader(reader)
        self.addCleanup(self.reactor.removeReader, reader)
        return reader, theirs

    def test_what_is_ready_is_served(self) -> None:
        reader, theirs = self._reader()
        self.reactor.doIteration(0)
        self.assertEqual(reader.read, [])
        theirs.send(b"hi")
        self.reactor.doIteration(None)
        self.assertEqual(reader.read, [b"hi"])

    def test_the_main_loop_uses_it(self) -> None:
        served = []
        iterate = self.reactor.doIteration

        def counted(timeout: float | None) -> None:
            served.append(timeout)
            iterate(timeout)

        self.reactor.doIteration = counted
        self.reactor.callWhenRunning(self.reactor.callLater, 0.001, self.reactor.stop)
        self.reactor.run(installSignalHandlers=False)
        self.assertTrue(served)

    def test_what_raises_loses_its_connection_and_hurts_nobody_else(self) -> None:
        (bad, to_bad), (good, to_good) = self._reader(), self._reader()
        bad.error = ZeroDivisionError()
        to_bad.send(b"x")
        to_good.send(b"y")
        self.reactor.doIteration(0)
        self.assertEqual(len(bad.lost), 1)
        self.assertEqual(good.read, [b"y"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_what_was_closed_meanwhile_is_left_alone(self) -> None:
        readers = [self._reader() for _ in range(2)]
        for (reader, theirs), (other, _) in zip(readers, reversed(readers), strict=True):
            theirs.send(b"x")
            reader.first = partial(self.reactor.removeReader, other)
        self.reactor.doIteration(0)
        self.assertEqual(len(self.reactor.getReaders()), 2, "one of the two, and the waker")

    def test_a_reactor_of_another_kind_stays_as_it_is(self) -> None:
        class Other(EPollReactor):
            pass

        for kind in (Other, SelectReactor):
            other: Any = kind.__new__(kind)
            self.assertFalse(poll_directly(other))
            self.assertNotIn("doIteration", vars(other))

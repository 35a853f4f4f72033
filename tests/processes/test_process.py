"""`poll_directly`: the reactor does all that it did, and what this relies on is there."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.error import ConnectionDone
from twisted.internet.main import CONNECTION_DONE
from twisted.internet.selectreactor import SelectReactor
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.service.process import poll_directly


class _Reader:
    """A descriptor that notes what is asked of it."""

    def __init__(self, reactor: Any, end: socket.socket) -> None:
        self.reactor, self.end = reactor, end
        self.read: list[bytes] = []
        self.lost: list[Any] = []
        self.error: Exception | None = None
        self.why: Exception | None = None
        self.most = 100
        self.first: Callable[[], None] = lambda: None

    def fileno(self) -> int:
        return self.end.fileno()

    def logPrefix(self) -> str:
        return "reader"

    def doRead(self) -> Exception | None:
        self.first()
        self.read.append(self.end.recv(self.most))
        if self.error is not None:
            raise self.error
        return self.why

    def connectionLost(self, reason: Any) -> None:
        self.lost.append(reason)


class PollDirectly(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor: Any = EPollReactor()
        self.addCleanup(self._close)
        self.assertTrue(poll_directly(self.reactor))

    def _close(self) -> None:
        self._discard(self.reactor)

    def _discard(self, reactor: Any) -> None:
        reactor.removeAll()
        reactor._poller.close()
        for end in (reactor.waker.i, reactor.waker.o):
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

    def _serve(self, at_most: float = 5) -> list[str]:
        """Run until somebody stops it; returns what there is to say against it."""
        late: list[str] = []

        def too_late() -> None:
            late.append("nobody stopped it in time")
            self.reactor.stop()

        self.reactor.callLater(at_most, too_late)
        self.reactor.run(installSignalHandlers=False)
        return late

    def test_a_turn_without_calls_is_left_out(self) -> None:
        turns = []
        turn = self.reactor.runUntilCurrent

        def counted() -> None:
            turns.append(len(reader.read))
            turn()

        self.reactor.runUntilCurrent = counted
        reader, theirs = self._reader()
        theirs.send(b"x")

        def again() -> None:
            if len(reader.read) < 50:
                theirs.send(b"x")
            else:
                self.reactor.stop()

        reader.most, reader.first = 1, again
        self.assertEqual(self._serve(), [])
        self.assertEqual(len(reader.read), 51)
        self.assertLess(len(turns), 10)

    def test_what_an_event_asks_for_is_done_at_once(self) -> None:
        """A new call, one that is moved forward, one from a thread, and the end."""
        later = []
        moved = self.reactor.callLater(4, self.reactor.stop)
        steps: dict[str, Callable[[], object]] = {
            "call": lambda: self.reactor.callLater(0, theirs_send),
            "thread": lambda: self.reactor.callFromThread(theirs_send),
            "moved": lambda: moved.reset(0.001),
        }

        def theirs_send() -> None:
            later.append(name)
            theirs.send(b"x")

        reader, theirs = self._reader()
        names = iter(steps)
        name = ""

        def next_step() -> None:
            nonlocal name
            name = next(names)
            steps[name]()

        reader.first = next_step
        theirs.send(b"x")
        self.assertEqual(self._serve(2), [])
        self.assertEqual(later, ["call", "thread"])

    def test_a_crash_ends_it(self) -> None:
        reader, theirs = self._reader()
        reader.first = self.reactor.crash
        theirs.send(b"x")
        self.assertEqual(self._serve(2), [])
        self.assertEqual(reader.read, [b"x"])

    def test_without_what_it_looks_at_it_changes_nothing(self) -> None:
        other: Any = EPollReactor()
        del other._newTimedCalls
        self.assertFalse(poll_directly(other))
        self.assertNotIn("doIteration", vars(other))
        other._newTimedCalls = []
        self._discard(other)

    def test_what_raises_loses_its_connection_and_hurts_nobody_else(self) -> None:
        (bad, to_bad), (good, to_good) = self._reader(), self._reader()
        bad.error = ZeroDivisionError()
        to_bad.send(b"x")
        to_good.send(b"y")
        self.reactor.doIteration(0)
        self.assertEqual(len(bad.lost), 1)
        self.assertEqual(good.read, [b"y"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_what_says_that_it_is_over_is_told_and_served_no_more(self) -> None:
        reader, theirs = self._reader()
        reader.why = CONNECTION_DONE
        theirs.send(b"x")
        self.reactor.doIteration(0)
        self.assertEqual([type(reason.value) for reason in reader.lost], [ConnectionDone])
        self.assertNotIn(reader, self.reactor.getReaders())

    def test_an_end_without_input_is_told_too(self) -> None:
        reader, theirs = self._reader()
        reader.end.shutdown(socket.SHUT_RDWR)
        reader.why = CONNECTION_DONE
        theirs.close()
        self.reactor.doIteration(0)
        self.assertEqual([type(reason.value) for reason in reader.lost], [ConnectionDone])

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

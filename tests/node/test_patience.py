"""Waiting for so long in all."""

from __future__ import annotations

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.node.patience import Patience


class PatienceTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.patience = Patience(self.clock, 10.0)

    def test_what_comes_in_time(self) -> None:
        self.assertTrue(self.successResultOf(self.patience.wait(succeed("x"))))
        failing: Deferred[None] = Deferred()
        waiting = self.patience.wait(failing)
        self.clock.advance(4)
        failing.errback(Failure(ValueError()))
        self.assertTrue(self.successResultOf(waiting))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_all_waits_together(self) -> None:
        first: Deferred[None] = Deferred()
        self.patience.wait(first)
        self.clock.advance(6)
        first.callback(None)
        self.clock.advance(100)  # which is not spent in waiting
        second: Deferred[None] = Deferred()
        waiting = self.patience.wait(second)
        self.clock.advance(3.9)
        self.assertNoResult(waiting)
        self.clock.advance(0.2)
        self.assertFalse(self.successResultOf(waiting))
        self.assertTrue(self.patience.over)
        second.callback(None)  # nobody minds
        self.assertFalse(self.successResultOf(self.patience.wait(Deferred())))

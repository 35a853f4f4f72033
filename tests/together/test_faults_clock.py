"""A wall clock that jumps, by an hour or to 1970: nothing expires, fires or stops because of it.

All that waits is measured by the reactor's steady clock; the wall clock only stamps. So each test
sets the wall clock alone, and sees that nothing but the stamps follows.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.base import ReactorBase
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.logs.file import LogFile
from p2pchat.service import process
from p2pchat.testing.nodes import connected_pair

JUMPS = (3600.0, -3600.0, -1.7e9)


class SteadyReactorTests(SynchronousTestCase):
    """The real reactor's timers, with a wall clock that jumps under them."""

    def timers(self, *, steady: bool, jump: float) -> list[str]:
        """What has fired when the wall clock has jumped and hardly any time has passed."""
        wall = [1_800_000_000.0]

        class Reactor(ReactorBase):
            seconds = staticmethod(lambda: wall[0])

            def installWaker(self) -> None:
                pass

        reactor: Any = Reactor()
        if steady:
            process.use_steady_clock(reactor)
        fired: list[str] = []
        reactor.callLater(60, fired.append, "late")
        reactor.callLater(0, fired.append, "now")
        wall[0] += jump
        reactor.runUntilCurrent()
        for call in reactor.getDelayedCalls():
            call.cancel()
        return fired

    def test_a_jump_makes_no_timer_early_or_late(self) -> None:
        for jump in JUMPS:
            self.assertEqual(self.timers(steady=True, jump=jump), ["now"])

    def test_without_the_steady_clock_it_would(self) -> None:
        self.assertEqual(self.timers(steady=False, jump=3600), ["now", "late"])
        self.assertEqual(self.timers(steady=False, jump=-3600), [])


class NodeTests(SynchronousTestCase):
    """Leases, ACKs, keep-alive, presence: two nodes talk through every jump."""

    def test_nothing_happens_but_other_stamps(self) -> None:
        town, alice, bob = connected_pair(4)
        self.addCleanup(town.close)
        town.run(5)
        asked = len(town.rendezvous.requests)
        statuses = len(town.seen(alice).statuses)
        for jump in JUMPS:
            for node in (alice, bob):
                town.host_of(node).wrong_by += jump
            alice.send("bob@CIC", "what time is it?")
            town.run(100)
        self.assertRegex(alice.mesh.context.timestamp(), "^1972-")
        seen = town.seen(alice)
        self.assertEqual((len(seen.acked), seen.failed), (len(JUMPS), []))
        self.assertEqual(len(seen.statuses), statuses)
        self.assertEqual(town.links(alice), {"bob@CIC": 1})
        # Two nodes that discover once a minute, and register once in an hour.
        more = len(town.rendezvous.requests) - asked
        self.assertTrue(8 <= more <= 12, more)
        self.assertEqual(alice.presence.trouble + bob.presence.trouble, "")


class LogTests(SynchronousTestCase):
    """The log's own waits use the time of its lines: only distances count."""

    def test_a_log_that_failed_is_tried_again_whatever_the_clock_says(self) -> None:
        for jump in JUMPS:
            log = LogFile("/dev/full", max_bytes=10_000, files=1, warn=lambda _: None)
            self.assertFalse(log.write("x\n", 1000.0))
            log.path = self.mktemp()
            self.assertFalse(log.write("x\n", 1001.0))
            self.assertTrue(log.write("x\n", 1001.0 + jump))
            log.close()

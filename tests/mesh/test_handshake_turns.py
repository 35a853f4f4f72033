"""Whose turn it is to shake hands: who rests keeps nobody else waiting."""

from __future__ import annotations

from typing import Any

from twisted.internet.base import DelayedCall
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.link.handshake_budget import DEAR, REST
from p2pchat.mesh.link.security import TURN, LinkSecurity
from p2pchat.testing.clock import FakeClock
from tests.support.sealed_links import FakeJudge
from tests.support.seals import ALICE, keys_from

ENEMY, FRIEND = "203.0.113.1", "198.51.100.1"


class Handshake:
    """One that counts how often its turn came."""

    def __init__(self, ip: str) -> None:
        self.ip = ip
        self.turns = 0

    def go_on(self) -> None:
        self.turns += 1


class HandshakeTurnTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = FakeClock()
        self.security = LinkSecurity(keys_from(ALICE), FakeJudge(), self.clock)

    def step(self, handshake: Any) -> bool:
        """Whether it may go on within 100 ms."""
        if self.security.may_step(handshake):
            return True
        self.clock.run(0.1)
        return bool(handshake.turns)

    def test_who_waits_for_the_end_of_a_rest_holds_nobody_else_up(self) -> None:
        self.security.stepped(ENEMY, DEAR * 2)
        self.assertFalse(self.step(Handshake(ENEMY)))
        self.assertTrue(self.step(Handshake(FRIEND)))
        self.assertTrue(self.step(Handshake(FRIEND)))

    def test_a_look_that_is_far_away_comes_sooner_for_who_can_go_sooner(self) -> None:
        resting = Handshake(ENEMY)
        self.security.stepped(ENEMY, DEAR * 2)
        self.assertFalse(self.step(resting))
        self.security.stepped(FRIEND, 0.3)  # all that there is for all
        waiting = Handshake("198.51.101.1")
        self.assertFalse(self.security.may_step(waiting))
        self.clock.run(2)
        self.assertEqual(waiting.turns, 1)
        self.assertEqual(resting.turns, 0)
        self.clock.run(REST)
        self.assertEqual(resting.turns, 1)

    def test_a_turn_takes_few_steps_however_fast_the_clock_runs(self) -> None:
        """On a busy machine a second may go by while we work for some milliseconds."""
        clock = Clock()
        security = LinkSecurity(keys_from(ALICE), FakeJudge(), clock)

        class Slow(Handshake):
            def go_on(self) -> None:
                super().go_on()
                clock.rightNow += 1.0
                security.stepped(self.ip, TURN / 2)

        waiting = [Slow(f"198.51.{number}.1") for number in range(9)]
        security.stepped(FRIEND, TURN)
        for each in waiting:
            self.assertFalse(security.may_step(each))
        for done in (2, 4, 6, 8, 9):
            # What is due now is a turn of the reactor; what it makes is due in the next one.
            due: list[Any] = sorted(clock.getDelayedCalls(), key=DelayedCall.getTime)
            for call in due:
                clock.calls.remove(call)
                call.called = 1
                call.func()
            self.assertEqual(sum(each.turns for each in waiting), done)

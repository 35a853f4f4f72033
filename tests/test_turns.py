"""Work in several turns: what shares a turn, how it ends, and that nothing is left of it."""

from __future__ import annotations

from collections.abc import Generator

from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.turns import SHARE, Turns


class TurnsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.turns = Turns(self.clock)
        self.did: list[str] = []

    def work(self, name: str, pieces: int, takes: float = SHARE) -> Generator[None, None, str]:
        for number in range(pieces):
            self.clock.rightNow += takes
            self.did.append(f"{name}{number}")
            yield
        return name

    def test_what_takes_no_time_is_done_at_once(self) -> None:
        self.assertEqual(self.successResultOf(self.turns.do(self.work("a", 3, 0))), "a")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_what_takes_long_goes_on_in_later_turns(self) -> None:
        done = self.turns.do(self.work("a", 3))
        self.assertEqual(self.did, ["a0"])
        self.assertNoResult(done)
        self.clock.advance(0)
        self.assertEqual(self.did, ["a0", "a1", "a2"])
        self.assertEqual(self.successResultOf(done), "a")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_all_work_shares_a_turn(self) -> None:
        first, second = self.turns.do(self.work("a", 2)), self.turns.do(self.work("b", 2, 0))
        self.assertEqual(self.did, ["a0"])
        self.clock.pump([0] * 4)
        self.assertEqual(self.did, ["a0", "a1", "b0", "b1"])
        self.assertEqual((self.successResultOf(first), self.successResultOf(second)), ("a", "b"))

    def test_what_is_given_when_the_rest_is_done_shares_the_turn_too(self) -> None:
        for name in "abc":
            self.turns.do(self.work(name, 1, 0.6 * SHARE))
        self.assertEqual(self.did, ["a0", "b0"])
        self.clock.advance(0)
        self.assertEqual(self.did, ["a0", "b0", "c0"])
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.clock.advance(2 * SHARE)
        self.turns.do(self.work("d", 1))
        self.assertEqual(self.did[3:], ["d0"], "it waits for nothing when others had their turn")

    def test_work_may_give_more(self) -> None:
        given = []

        def giving() -> Generator[None, None, None]:
            given.append(self.turns.do(self.work("b", 1, 0)))
            yield

        self.successResultOf(self.turns.do(giving()))
        self.assertEqual(self.successResultOf(given[0]), "b")

    def test_a_failure_hurts_nothing_else(self) -> None:
        def failing() -> Generator[None, None, None]:
            yield
            raise ZeroDivisionError

        other, wrong = self.turns.do(self.work("a", 2)), self.turns.do(failing())
        self.clock.pump([0] * 4)
        self.failureResultOf(wrong, ZeroDivisionError)
        self.assertEqual(self.successResultOf(other), "a")

    def test_what_is_cancelled_leaves_nothing(self) -> None:
        done = self.turns.do(self.work("a", 3))
        done.cancel()
        self.failureResultOf(done, CancelledError)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        after = self.turns.do(self.work("b", 1, 0))
        self.clock.advance(0)
        self.assertEqual(self.successResultOf(after), "b")

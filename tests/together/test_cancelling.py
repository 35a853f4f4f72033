"""A message is told to be cancelled, or too old, when no kill brings it back, or that one may."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from p2pchat.console.commands import past
from p2pchat.history.file_calls import HANGS_AFTER
from p2pchat.history.records import ABANDONED, WAITING, HistoryError
from p2pchat.history.store import GATHER
from p2pchat.node.cancelling import TOO_OLD, Cancelled
from tests.support.histories import FULL, BrokenConnection
from tests.together.test_outcomes import OutcomeCase

FULL_DISK = "database or disk is full"
NO_ANSWER = "the disk does not answer"


class CancelCase(OutcomeCase):
    def setUp(self) -> None:
        super().setUp()
        self.loaded()

    def queued(self, peer_id: str = "bob@CIC", text: str = "oi") -> None:
        """A message waits, and is stored."""
        self.say(peer_id, text)
        self.written()
        self.told.take()

    def cancel(self) -> Deferred[Cancelled]:
        return self.outgoing.cancel([*self.outbox])

    def answer(self, cancelled: Deferred[Cancelled]) -> tuple[int, str]:
        count, why = self.successResultOf(cancelled)
        return count, str(why or "")

    def killed(self) -> list[str]:
        """The process is killed now; returns what goes out when the next one has a link."""
        self.thread.calls.clear()
        BrokenConnection.trouble = None
        self.start()
        self.step()
        self.linked()
        return self.texts_sent()


class KilledTests(CancelCase):
    def test_at_any_moment(self) -> None:
        for early in (False, True):
            told: list[bool] = []
            for steps in range(3):
                with self.subTest(steps=steps, its_own_batch_is_under_way=early):
                    self.doCleanups()
                    self.setUp()
                    if early:
                        self.say("bob@CIC", "oi")
                        self.clock.advance(GATHER)
                    else:
                        self.queued()
                    answers: list[Cancelled] = []
                    self.cancel().addCallback(answers.append)
                    for _ in range(min(steps, 1 + early)):
                        self.thread.step()
                    told.append(bool(self.outcomes()))
                    self.assertEqual(answers, [(1, None)] if told[-1] else [])
                    came_back = self.killed()
                    self.assertFalse(told[-1] and came_back, "it was told to be cancelled")
            self.assertEqual((told[0], told[-1]), (False, True))

    def test_before_the_past_is_known(self) -> None:
        self.start()
        self.say("bob@CIC", "oi")
        cancelled = self.cancel()
        self.linked()
        self.assertEqual(self.outcomes(), [])
        self.step()
        self.assertEqual(self.answer(cancelled), (1, ""))
        self.assertEqual(self.outcomes(), [("undelivered", "m1", "cancelled")])
        self.assertEqual((self.texts_sent(), self.killed()), ([], []))

    def test_the_past_is_never_known(self) -> None:
        self.start()
        self.say("bob@CIC", "oi")
        cancelled = self.cancel()
        self.clock.advance(HANGS_AFTER)
        self.assertEqual(self.answer(cancelled), (1, ""), "it was never written")
        self.step()
        self.written()
        self.assertEqual(self.outcomes(), [("undelivered", "m1", "cancelled")])
        self.assertEqual(self.states(), {"oi": ABANDONED})


class OrderTests(CancelCase):
    def test_twice_and_by_two(self) -> None:
        self.queued()
        waiting = [*self.outbox]
        first, second = self.outgoing.cancel([*waiting, *waiting]), self.outgoing.cancel(waiting)
        self.step()
        self.assertEqual(self.answer(first), (1, ""))
        self.assertEqual(self.answer(second), (0, ""))
        self.assertEqual(self.outcomes(), [("undelivered", "m1", "cancelled")])

    def test_a_link_opens_and_an_ack_comes_meanwhile(self) -> None:
        self.queued()
        self.cancel()
        self.linked()
        self.outgoing.acknowledged("bob@CIC", "m1")
        self.sweep()
        self.assertEqual(self.outcomes(), [])
        self.step()
        self.assertEqual(self.outcomes(), [("undelivered", "m1", "cancelled")])
        self.assertEqual((self.texts_sent(), self.states()), ([], {"oi": ABANDONED}))

    def test_the_node_leaves_meanwhile(self) -> None:
        self.queued()
        cancelled = self.cancel()
        stopped = self.history.stop()
        self.step()
        self.outgoing.close()
        self.successResultOf(stopped)
        self.assertEqual(self.answer(cancelled), (1, ""))
        self.assertEqual(self.outcomes(), [("undelivered", "m1", "cancelled")])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_the_node_leaves_without_its_disk(self) -> None:
        self.queued()
        cancelled = self.cancel()
        self.outgoing.close()
        self.assertEqual(self.answer(cancelled), (1, NO_ANSWER))
        reason = f"cancelled, but not for good ({NO_ANSWER})"
        self.assertEqual(self.outcomes(), [("undelivered", "m1", reason)])
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.step()
        self.assertEqual(self.outcomes(), [], "its end comes once")

    def test_the_node_waits_for_its_disk_no_longer(self) -> None:
        self.queued()
        self.outgoing.close()
        self.assertEqual(self.answer(self.cancel()), (1, NO_ANSWER))
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.step()


class FailingDiskTests(CancelCase):
    def test_a_full_disk(self) -> None:
        self.queued()
        BrokenConnection.trouble = FULL
        cancelled = self.cancel()
        self.step()
        self.assertEqual(self.answer(cancelled), (1, FULL_DISK))
        reason = f"cancelled, but not for good ({FULL_DISK})"
        self.assertEqual(self.outcomes(), [("undelivered", "m1", reason)])
        self.linked()
        self.assertEqual(self.texts_sent(), [], "this process sends it no more")
        self.assertEqual(self.killed(), ["oi"], "but the next one does")

    def test_there_is_room_again(self) -> None:
        self.queued()
        BrokenConnection.trouble = FULL
        self.cancel()
        self.step()
        BrokenConnection.trouble = None
        self.sweep(6)
        self.step()
        self.assertEqual(self.killed(), [])

    def test_what_was_never_stored_is_cancelled_for_good(self) -> None:
        BrokenConnection.trouble = FULL
        self.say("bob@CIC", "oi")
        self.written()
        self.told.take()
        cancelled = self.cancel()
        self.step()
        self.assertEqual(self.answer(cancelled), (1, ""))
        self.assertEqual(self.outcomes(), [("undelivered", "m1", "cancelled")])
        self.assertEqual(self.killed(), [])

    def test_a_disk_that_does_not_answer(self) -> None:
        for stored in (False, True):
            with self.subTest(stored=stored):
                self.doCleanups()
                self.setUp()
                if stored:
                    self.queued()
                else:
                    self.say("bob@CIC", "oi")
                    self.clock.advance(GATHER)
                cancelled = self.cancel()
                self.clock.advance(HANGS_AFTER - 0.1)
                self.assertNoResult(cancelled)
                self.clock.advance(0.1)
                self.assertEqual(self.answer(cancelled), (1, NO_ANSWER))
                reason = f"cancelled, but not for good ({NO_ANSWER})"
                self.assertEqual(self.outcomes(), [("undelivered", "m1", reason)])
                self.step()
                self.sweep()
                self.step()
                self.assertEqual((self.outcomes(), self.states()), ([], {"oi": ABANDONED}))

    def test_what_the_person_reads(self) -> None:
        self.queued()
        BrokenConnection.trouble = FULL
        answer = past.outbox(self.outgoing, "cancel all", str)
        assert isinstance(answer, Deferred)
        self.step()
        self.assertEqual(
            self.failureResultOf(answer, HistoryError).getErrorMessage(),
            f"cancelled 1 message, but not for good ({FULL_DISK}): what was not delivered may be"
            " sent when this program starts again",
        )
        self.assertEqual(self.states(), {"oi": WAITING})


class ForgetTests(CancelCase):
    def test_it_is_told_when_it_is_deleted_for_good(self) -> None:
        told = []
        for steps in range(6):
            self.doCleanups()
            self.setUp()
            self.queued()
            self.outgoing.forget("bob@CIC")
            for _ in range(steps):
                if self.thread.calls:
                    self.thread.step()
            told.append(bool(self.outcomes()))
            self.assertFalse(told[-1] and self.killed())
        self.assertEqual((told[0], told[-1]), (False, True))


class ExpiredTests(CancelCase):
    TTL = 300.0

    def setUp(self) -> None:
        super().setUp()
        self.loaded(outbox_ttl=self.TTL)

    def run_for(self, seconds: float) -> None:
        """The node runs, and so does its wall clock; its disk does nothing."""
        self.wall += seconds
        self.sweep(seconds)

    def too_old(self) -> None:
        """A message is stored, and then grows too old, which is to be written."""
        self.queued()
        self.run_for(self.TTL - 20.0)
        self.step()
        self.run_for(81.0)

    def start_again(self) -> None:
        """The process is killed now, and the next one has a link before it knows the past."""
        self.thread.calls.clear()
        BrokenConnection.trouble = None
        self.start(outbox_ttl=self.TTL)
        self.told.take()
        self.linked()

    def test_killed_at_any_moment(self) -> None:
        told: list[bool] = []
        for steps in range(3):
            with self.subTest(steps=steps):
                self.doCleanups()
                self.setUp()
                self.too_old()
                for _ in range(steps):
                    if self.thread.calls:
                        self.thread.step()
                told.append(bool(self.outcomes()))
                self.start_again()
                self.step()
                ended = self.outcomes()
                if told[-1]:
                    self.assertEqual(self.texts_sent(), [], "it was told to be given up")
                self.assertTrue(ended or self.texts_sent(), "nobody ever hears of it")
        self.assertEqual((told[0], told[-1]), (False, True))

    def test_killed_when_it_was_told_and_written(self) -> None:
        self.too_old()
        self.step()
        self.assertEqual(self.outcomes(), [("undelivered", "m1", str(TOO_OLD))])
        self.written()
        self.assertEqual(self.states(), {"oi": ABANDONED})
        self.start_again()
        self.step()
        self.assertEqual((self.outcomes(), self.texts_sent()), ([], []))

    def test_what_is_too_old_at_the_start_is_not_sent_first(self) -> None:
        self.queued()
        self.run_for(self.TTL - 20.0)
        self.step()
        self.wall += 100.0
        self.start_again()
        self.say("bob@CIC", "agora")
        self.step()
        self.assertEqual(self.texts_sent(), ["agora"])
        self.assertEqual(self.outcomes(), [("undelivered", "m1", str(TOO_OLD))])

    def test_a_disk_that_fails_or_hangs(self) -> None:
        for why in (FULL_DISK, NO_ANSWER):
            with self.subTest(why=why):
                self.doCleanups()
                self.setUp()
                self.too_old()
                if why == FULL_DISK:
                    BrokenConnection.trouble = FULL
                    self.step()
                else:
                    self.clock.advance(HANGS_AFTER)
                reason = f"{TOO_OLD}, but not for good ({why})"
                self.assertEqual(self.outcomes(), [("undelivered", "m1", reason)])
                BrokenConnection.trouble = None
                self.run_for(6)
                self.step()
                self.written()
                self.assertEqual((self.outcomes(), self.states()), ([], {"oi": ABANDONED}))

    def test_what_was_never_stored_is_given_up_for_good(self) -> None:
        BrokenConnection.trouble = FULL
        self.say("bob@CIC", "oi")
        self.written()
        self.told.take()
        self.run_for(self.TTL + 61.0)
        self.step()
        self.assertEqual(self.outcomes(), [("undelivered", "m1", str(TOO_OLD))])
        self.assertEqual(self.killed(), [])

    def test_the_node_leaves_meanwhile(self) -> None:
        self.too_old()
        stopped = self.history.stop()
        self.step()
        self.outgoing.close()
        self.successResultOf(stopped)
        self.assertEqual(self.outcomes(), [("undelivered", "m1", str(TOO_OLD))])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_what_grows_too_old_while_the_node_ends_is_left_to_the_next(self) -> None:
        self.queued()
        self.outgoing.close()
        stopped = self.history.stop()
        self.run_for(self.TTL + 61.0)
        self.step()
        self.successResultOf(stopped)
        self.assertEqual((self.outcomes(), self.clock.getDelayedCalls()), ([], []))
        self.start_again()
        self.step()
        self.assertEqual(self.outcomes(), [("undelivered", "m1", str(TOO_OLD))])

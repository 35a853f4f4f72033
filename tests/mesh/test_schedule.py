"""When a rendezvous is asked next."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.discovery.schedule import REQUESTS_A_MINUTE, RequestSchedule

START = 1000.0


def schedule(interval: float = 60.0, budget: int | None = REQUESTS_A_MINUTE) -> RequestSchedule:
    """One without jitter, with everything due at START."""
    made = RequestSchedule(interval, budget, lambda low, high: (low + high) / 2)
    made.renew_and_discover(START)
    return made


class DueTests(SynchronousTestCase):
    """While all is well."""

    def test_everything_is_due_at_the_start_and_nothing_before(self) -> None:
        times = schedule()
        for now, due in ((START - 0.1, False), (START, True)):
            self.assertIs(times.renewal_due(now), due)
            self.assertIs(times.discovery_due(now), due)

    def test_half_the_lease_and_the_interval(self) -> None:
        times = schedule()
        times.granted(7200, START)
        times.discovering(START)
        self.assertFalse(times.renewal_due(START + 3599))
        self.assertTrue(times.renewal_due(START + 3600))
        self.assertFalse(times.discovery_due(START + 59))
        self.assertTrue(times.discovery_due(START + 60))

    def test_a_shorter_interval_counts_at_once_and_a_longer_one_from_the_next_time(self) -> None:
        times = schedule()
        times.discovering(START)
        times.configure(10, START + 1)
        self.assertTrue(times.discovery_due(START + 11))
        times.discovering(START + 11)
        times.configure(100, START + 12)
        self.assertTrue(times.discovery_due(START + 21))
        times.discovering(START + 21)
        self.assertFalse(times.discovery_due(START + 120))

    @given(st.floats(0, 1e6))
    def test_however_short_the_lease_most_of_the_budget_is_left_for_discovery(
        self, lease: float
    ) -> None:
        times = schedule()
        times.granted(lease, START)
        self.assertFalse(times.renewal_due(START + 4.9))
        own = schedule(budget=None)
        own.granted(lease, START)
        self.assertFalse(own.renewal_due(START + 0.9))


class BudgetTests(SynchronousTestCase):
    """How often in a minute."""

    def test_both_kinds_count_and_a_minute_later_they_are_forgotten(self) -> None:
        times = schedule()
        for number in range(REQUESTS_A_MINUTE):
            self.assertTrue(times.may_ask(START + number))
            (times.registering if number % 2 else times.discovering)(START + number)
        self.assertFalse(times.may_ask(START + 59.9))
        self.assertTrue(times.may_ask(START + 60))
        times.registering(START + 60)
        self.assertFalse(times.may_ask(START + 60.9))

    def test_without_one_nothing_is_noted_that_would_grow_for_ever(self) -> None:
        times = schedule(budget=None)
        for _ in range(1000):
            self.assertTrue(times.may_ask(START))
            times.registering(START)
            times.discovering(START)
        self.assertEqual(times._asked, [])


class FailureTests(SynchronousTestCase):
    """What a failure puts off."""

    def waits(self, times: RequestSchedule, count: int) -> list[float]:
        return [times.failed(START, registered=False) for _ in range(count)]

    def test_the_backoff_grows_to_half_a_minute_and_starts_over(self) -> None:
        times = schedule()
        self.assertEqual(self.waits(times, 7), [1, 2, 4, 8, 16, 30, 30])
        times.reset_backoff()
        self.assertEqual(self.waits(times, 2), [1, 2])

    def test_it_is_never_longer_than_the_interval(self) -> None:
        self.assertEqual(self.waits(schedule(interval=3), 4), [1, 2, 3, 3])

    def test_both_are_due_after_the_wait(self) -> None:
        times = schedule()
        wait = times.failed(START, registered=False)
        for now, due in ((START + wait - 0.1, False), (START + wait, True)):
            self.assertIs(times.renewal_due(now), due)
            self.assertIs(times.discovery_due(now), due)

    def test_a_registration_in_force_is_not_renewed_before_its_time(self) -> None:
        times = schedule()
        times.granted(200, START)
        times.failed(START + 1, registered=True)
        self.assertTrue(times.discovery_due(START + 2))
        self.assertFalse(times.renewal_due(START + 99))
        times.failed(START + 100, registered=True)
        self.assertFalse(times.renewal_due(START + 101))
        self.assertTrue(times.renewal_due(START + 102))

    def test_who_is_refused_asks_once_an_interval_and_still_discovers(self) -> None:
        times = schedule()
        times.failed(START, registered=False)
        times.refused(START)
        self.assertTrue(times.discovery_due(START))
        self.assertFalse(times.renewal_due(START + 59))
        times.discovering(START)
        times.refused(START + 10)
        self.assertFalse(times.discovery_due(START + 59))
        self.assertTrue(times.discovery_due(START + 60))

    def test_a_block_silences_everybody_but_not_for_ever(self) -> None:
        for said, believed in ((30.0, 30.0), (1e9, 600.0)):
            times = schedule(budget=None)
            times.blocked(said, START)
            self.assertFalse(times.may_ask(START + believed - 0.1))
            self.assertTrue(times.may_ask(START + believed))

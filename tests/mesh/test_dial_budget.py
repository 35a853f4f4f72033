"""How many dials may begin: in every second, in all and to one address."""

from __future__ import annotations

import math

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.dial_budget import DialBudget
from p2pchat.settings.values import LimitSettings


class DialBudgetTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.budget = DialBudget(LimitSettings())

    def begin(self, address: str, now: float) -> None:
        self.assertEqual((self.budget.wait(now), self.budget.wait_for(address, now)), (0, 0))
        self.budget.began(address, now)

    def test_so_many_in_all_in_every_second(self) -> None:
        for n in range(50):
            self.begin(f"a{n}", 10 + n / 100)
        self.assertAlmostEqual(self.budget.wait(10.6), 0.4, 2)
        self.assertEqual(self.budget.wait(11.0), 0)
        self.begin("b", 11.0)
        self.assertAlmostEqual(self.budget.wait(11.0), 0.01, 2)

    def test_so_many_to_one_address_in_every_second(self) -> None:
        for n in range(10):
            self.begin("a", 10 + n / 100)
            self.budget.ended("a")
        self.assertAlmostEqual(self.budget.wait_for("a", 10.5), 0.5, 2)
        self.begin("b", 10.5)
        self.budget.wait(11.0)
        self.assertEqual(self.budget.wait_for("a", 11.0), 0)

    def test_so_many_under_way_to_one_address(self) -> None:
        for n in range(8):
            self.begin("a", 10 + n)
        self.assertEqual(self.budget.wait_for("a", 99), math.inf)
        self.assertEqual(self.budget.wait_for("b", 99), 0)
        self.budget.ended("a")
        self.assertEqual(self.budget.wait_for("a", 99), 0)

    def test_waiting_as_long_as_it_says_is_enough(self) -> None:
        now = 1e9 / 3
        for _ in range(500):
            wait = self.budget.wait(now) or self.budget.wait_for("a", now)
            now += wait
            self.begin("a", now)
            self.budget.ended("a")
        self.assertAlmostEqual(now - 1e9 / 3, 49, 0)

    def test_nothing_is_kept_of_what_is_over(self) -> None:
        for n in range(1000):
            self.begin(f"a{n}", n / 10)
            self.budget.ended(f"a{n}")
        self.budget.wait(1e6)
        self.assertEqual((len(self.budget._recent), len(self.budget._under_way)), (0, 0))

    def test_limits_may_change(self) -> None:
        for _ in range(8):
            self.begin("a", 10)
        self.budget.configure(
            LimitSettings(dial_rate=3, dial_rate_per_address=2, max_dials_per_address=20)
        )
        self.assertAlmostEqual(self.budget.wait(10.2), 0.8, 2)
        self.assertAlmostEqual(self.budget.wait_for("a", 10.2), 0.8, 2)

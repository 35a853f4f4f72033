"""What handshakes of strangers may cost: CPU time by address group and in all, in turns."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.link.handshake_budget import DEAR, REST, HandshakeBudget
from p2pchat.wire.address import group_of

STEP = 0.002


class Connection:
    def __init__(self, ip: str) -> None:
        self.ip = ip

    def go_on(self) -> None:
        raise AssertionError("the budget gives it back, and its user has it go on")


class HandshakeBudgetTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.now = 1000.0
        self.budget = HandshakeBudget(self.now)

    def steps(self, ip: str, seconds: float, pause: float = 0.02) -> float:
        """How much CPU time steps from `ip` get in so many seconds."""
        got, end = 0.0, self.now + seconds
        while self.now < end:
            if self.budget.may_go(ip, self.now):
                self.budget.spent(ip, STEP, self.now)
                got += STEP
            else:
                self.now += pause
        return got

    def use_up(self, ip: str) -> None:
        self.steps(ip, 10)
        while self.budget.may_go(ip, self.now):
            self.budget.spent(ip, STEP, self.now)

    def let_go(self) -> list[str]:
        """Who of those who wait goes now, each for a step."""
        gone = []
        while (connection := self.budget.next(self.now)) is not None:
            self.budget.spent(connection.ip, STEP, self.now)
            gone.append(connection.ip)
        return gone

    def test_an_honest_handshake_never_waits(self) -> None:
        for n in range(50):
            self.assertTrue(self.budget.may_go(f"10.0.{n}.1", self.now))
            self.budget.spent(f"10.0.{n}.1", 0.0005, self.now)
            self.now += 0.01

    def test_one_group_has_its_share(self) -> None:
        self.assertAlmostEqual(self.steps("10.0.0.1", 10), 0.12 + 0.4, delta=0.01)

    def test_a_group_is_not_one_address(self) -> None:
        self.use_up("10.0.0.1")
        self.assertFalse(self.budget.may_go("10.0.0.77", self.now))
        self.assertTrue(self.budget.may_go("10.0.1.1", self.now))

    def test_all_groups_have_theirs(self) -> None:
        got = 0.0
        begin = self.now
        for n in range(2000):
            got += self.steps(f"10.{n // 250}.{n % 250}.1", 0.005, pause=0.001)
        self.assertAlmostEqual(got, 0.3 + 0.15 * (self.now - begin), delta=0.02)

    def test_one_turn_never_spends_a_burst(self) -> None:
        spent = 0.0
        for n in range(200):
            if self.budget.may_go(f"10.0.{n}.1", self.now):
                self.budget.spent(f"10.0.{n}.1", STEP, self.now)
                spent += STEP
        self.assertAlmostEqual(spent, 0.010, delta=0.001)

    def test_who_waits_goes_in_turns_of_groups(self) -> None:
        self.budget.spent("10.9.9.9", 0.5, self.now)
        for ip in ("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.1.1", "10.0.2.1"):
            self.assertFalse(self.budget.may_go(ip, self.now))
            self.budget.wait(Connection(ip), self.now)
        self.assertEqual((self.let_go(), self.budget.waiting), ([], 5))
        wait = self.budget.next_in(self.now)
        assert wait is not None
        self.now += wait + 0.1
        self.assertEqual(
            self.let_go(), ["10.0.0.1", "10.0.1.1", "10.0.2.1", "10.0.0.2", "10.0.0.3"]
        )
        self.assertIsNone(self.budget.next_in(self.now))

    def test_nobody_passes_who_waits(self) -> None:
        self.budget.spent("10.9.9.9", 0.5, self.now)
        self.budget.wait(Connection("10.0.0.1"), self.now)
        self.now += 60.0
        self.assertFalse(self.budget.may_go("10.0.1.1", self.now))
        self.assertEqual(self.let_go(), ["10.0.0.1"])
        self.assertTrue(self.budget.may_go("10.0.1.1", self.now))

    def test_who_waits_for_its_own_group_keeps_nobody_up(self) -> None:
        self.use_up("10.0.0.1")
        self.budget.wait(Connection("10.0.0.2"), self.now)
        self.assertEqual(self.let_go(), [])
        self.assertTrue(self.budget.may_go("10.0.1.1", self.now))
        self.assertFalse(self.budget.may_go("10.0.0.3", self.now))

    def test_a_dear_step_rests_its_address(self) -> None:
        self.budget.spent("10.0.0.1", DEAR + 0.001, self.now)
        self.assertFalse(self.budget.may_go("10.0.0.1", self.now))
        self.assertTrue(self.budget.may_go("10.0.0.2", self.now))
        self.now += REST + 0.01
        self.assertTrue(self.budget.may_go("10.0.0.1", self.now))
        self.assertEqual(self.budget.rests, 1)

    def test_who_rests_keeps_no_neighbour_waiting(self) -> None:
        self.budget.spent("10.0.0.1", 0.5, self.now)
        for ip in ("10.0.0.1", "10.0.0.2"):
            self.budget.wait(Connection(ip), self.now)
        self.now += 9.9
        self.assertEqual(self.let_go(), ["10.0.0.2"])
        self.assertAlmostEqual(self.budget.next_in(self.now) or 0, 0.101)
        self.now += 0.11
        self.assertEqual(self.let_go(), ["10.0.0.1"])

    def test_this_machine_never_rests(self) -> None:
        """All its people share one address."""
        self.budget.failed_late("127.0.0.1", self.now)
        self.assertTrue(self.budget.may_go("127.0.0.1", self.now))

    def test_a_neighbour_without_ipv4_rests_nobody_else(self) -> None:
        """All link-local addresses count as one: one machine would keep all others out."""
        self.budget.failed_late("fe80::bad%eth0", self.now)
        self.budget.spent("fe80::bad%eth0", DEAR + 0.001, self.now)
        self.assertTrue(self.budget.may_go("fe80::1%eth0", self.now))
        self.assertEqual(self.budget.rests, 0)

    def test_a_late_failure_rests_its_group(self) -> None:
        self.budget.failed_late("10.0.0.1", self.now)
        self.now += REST - 0.1
        self.assertFalse(self.budget.may_go("10.0.0.1", self.now))
        self.now += 0.2
        self.assertTrue(self.budget.may_go("10.0.0.1", self.now))

    def test_who_ends_waits_no_more(self) -> None:
        self.budget.spent("10.9.9.9", 0.5, self.now)
        first, second = Connection("10.0.0.1"), Connection("10.0.1.1")
        self.budget.wait(first, self.now)
        self.budget.wait(second, self.now)
        self.budget.forget(first)
        self.budget.forget(first)
        self.now += 10
        self.assertEqual((self.let_go(), self.budget.waiting), (["10.0.1.1"], 0))

    def test_groups_are_forgotten(self) -> None:
        for n in range(10_000):
            self.budget.failed_late(f"10.{n // 250}.{n % 250}.1", self.now)
            self.budget.may_go(f"10.{n // 250}.{n % 250}.1", self.now)
        self.assertEqual((len(self.budget._groups), len(self.budget._rests)), (4096, 4096))
        self.now += 20
        self.budget.may_go("10.0.0.1", self.now)
        self.budget.failed_late("10.0.0.1", self.now)
        self.assertEqual((len(self.budget._groups), len(self.budget._rests)), (1, 1))

    def test_groups(self) -> None:
        for ip, group in (
            ("10.1.2.3", "10.1.2.0/24"),
            ("::ffff:10.1.2.3", "10.1.2.0/24"),
            ("127.0.0.1", "loopback"),
            ("2001:db8::1", "2001:db8::/64"),
            ("fe80::1", "fe80::/64"),
        ):
            self.assertEqual(group_of(ip), group if group != "loopback" else group_of("::1"))

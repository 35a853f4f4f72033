"""How often an address may connect: exactly, and in bounded memory."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.rendezvous.throttle import PASS, SILENT, Throttle
from p2pchat.wire.address import plain_ip

IP = "192.0.2.1"


class ThrottleTests(SynchronousTestCase):
    def test_fifty_pass_then_silence_then_a_countdown(self) -> None:
        throttle = Throttle()
        self.assertEqual({throttle.admit(IP, 100 + i / 10) for i in range(50)}, {PASS})
        self.assertEqual(throttle.admit(IP, 106.0), SILENT)
        self.assertEqual(throttle.admit(IP, 106.0), 60)
        self.assertEqual(throttle.admit(IP, 106.5), 60)
        self.assertEqual(throttle.admit(IP, 107.0), 59)
        self.assertEqual(throttle.admit(IP, 165.9), 1)
        self.assertEqual(throttle.turned_away, 5)

    def test_trying_does_not_prolong_and_the_count_starts_anew(self) -> None:
        throttle = Throttle()
        verdicts = [throttle.admit(IP, 0.0) for _ in range(51)]
        self.assertEqual(verdicts, [PASS] * 50 + [SILENT])
        for second in range(1, 60):
            self.assertEqual(throttle.admit(IP, float(second)), 60 - second)
        self.assertEqual([throttle.admit(IP, 60.0) for _ in range(51)], [PASS] * 50 + [SILENT])

    def test_waiting_as_long_as_told_is_enough(self) -> None:
        throttle = Throttle(limit=1)
        throttle.admit(IP, 0.0)
        throttle.admit(IP, 0.25)
        told = throttle.admit(IP, 10.1)
        self.assertEqual(throttle.admit(IP, 10.1 + told), PASS)

    def test_the_window_slides(self) -> None:
        throttle = Throttle(limit=2, window=60)
        self.assertEqual(throttle.admit(IP, 0.0), PASS)
        self.assertEqual(throttle.admit(IP, 50.0), PASS)
        self.assertEqual(throttle.admit(IP, 60.0), PASS)
        self.assertEqual(throttle.admit(IP, 61.0), SILENT)

    def test_addresses_are_counted_apart(self) -> None:
        throttle = Throttle(limit=1)
        self.assertEqual(throttle.admit("192.0.2.1", 0.0), PASS)
        self.assertEqual(throttle.admit("192.0.2.2", 0.0), PASS)
        self.assertEqual(throttle.admit("192.0.2.1", 0.0), SILENT)

    def test_loopback_and_no_limit_are_never_counted(self) -> None:
        throttle = Throttle(limit=1)
        for ip in ("127.0.0.1", "127.255.3.4", "::1", plain_ip("::ffff:127.0.0.1")):
            self.assertEqual({throttle.admit(ip, 0.0) for _ in range(99)}, {PASS})
        self.assertEqual({Throttle(limit=0).admit(IP, 0.0) for _ in range(99)}, {PASS})
        self.assertEqual(len(throttle), 0)

    def test_an_address_is_forgotten_after_a_window(self) -> None:
        throttle = Throttle(limit=1)
        throttle.admit("192.0.2.1", 0.0)
        throttle.admit("192.0.2.2", 30.0)
        throttle.admit("192.0.2.3", 60.0)
        self.assertEqual(len(throttle), 2)
        self.assertEqual(throttle.forgotten, 0)

    def test_a_blocked_address_that_keeps_quiet_stays_blocked(self) -> None:
        throttle = Throttle(limit=1)
        throttle.admit(IP, 0.0)
        throttle.admit(IP, 1.0)
        throttle.admit("192.0.2.2", 60.0)
        self.assertEqual(throttle.admit(IP, 60.5), 1)

    def test_memory_is_bounded(self) -> None:
        throttle = Throttle(limit=1, capacity=3)
        for i in range(10):
            throttle.admit(f"192.0.2.{i}", 0.0)
        self.assertEqual(len(throttle), 3)
        self.assertEqual(throttle.forgotten, 7)
        self.assertEqual(throttle.admit("192.0.2.9", 0.0), SILENT)
        self.assertEqual(throttle.admit("192.0.2.0", 0.0), PASS)

    def test_a_blocked_address_is_not_forgotten_for_others(self) -> None:
        """Nobody buys one address its freedom with ten thousand others."""
        throttle = Throttle(limit=1, capacity=10)
        throttle.admit(IP, 0.0)
        self.assertEqual(throttle.admit(IP, 0.0), SILENT)
        for number in range(10_000):
            throttle.admit(f"10.0.{number >> 8}.{number & 255}", 1.0)
        self.assertEqual(len(throttle), 10)
        self.assertEqual(throttle.admit(IP, 2.0), 58)

    def test_when_all_are_blocked_a_new_one_is_counted_nevertheless(self) -> None:
        throttle = Throttle(limit=1, capacity=3)
        for number in range(4):
            for verdict in (PASS, SILENT):
                self.assertEqual(throttle.admit(f"192.0.2.{number}", float(number)), verdict)
        self.assertEqual((len(throttle), throttle.forgotten), (3, 1))
        self.assertEqual(throttle.admit("192.0.2.3", 4.0), 59)
        self.assertEqual(throttle.admit("192.0.2.0", 4.0), PASS)
        self.assertEqual(len(throttle), 4)

    def test_a_network_of_ipv6_is_one_address(self) -> None:
        throttle = Throttle()
        verdicts = [throttle.admit(f"2001:db8:1:2::{number:x}", 0.0) for number in range(4900)]
        self.assertEqual((verdicts.count(PASS), len(throttle)), (50, 1))
        self.assertEqual(throttle.admit("2001:db8:1:3::1", 0.0), PASS)

    @given(st.lists(st.floats(0, 30), max_size=60))
    def test_never_more_than_the_limit_in_a_window(self, waits: list[float]) -> None:
        throttle, now, passed = Throttle(limit=3, window=20), 0.0, []
        blocked_until = -math.inf
        for wait in waits:
            now += wait
            verdict = throttle.admit(IP, now)
            if verdict == PASS:
                self.assertGreaterEqual(now, blocked_until)
                passed.append(now)
            elif verdict == SILENT:
                blocked_until = now + 20
            else:
                self.assertEqual(verdict, math.ceil(blocked_until - now))
            self.assertLessEqual(sum(time > now - 20 for time in passed), 3)


class AddressTests(SynchronousTestCase):
    def test_forms(self) -> None:
        self.assertEqual(plain_ip("::ffff:192.0.2.1"), "192.0.2.1")
        self.assertEqual(plain_ip("::ffff:c000:201"), "::ffff:c000:201")
        self.assertEqual(plain_ip("2001:db8::1"), "2001:db8::1")

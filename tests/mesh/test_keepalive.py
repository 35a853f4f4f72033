"""PINGs: one a link and interval, evenly spread; and the end of links that went silent."""

from __future__ import annotations

from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import LogEvent
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.logs.levels import Log, get_level, set_level
from p2pchat.mesh import keepalive
from p2pchat.mesh.keepalive import KeepAlive
from p2pchat.mesh.link.protocol import PeerProtocol
from tests.support.fake_link import FakeLink

INTERVAL = 30.0


class KeepAliveTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.addCleanup(set_level, get_level())
        set_level("INFO")
        self.events: list[LogEvent] = []
        log = Log("KeepAlive", observer=self.events.append)  # type: ignore[arg-type]
        self.patch(keepalive, "_log", log)
        self.now = 0.0
        self.keepalive = KeepAlive(INTERVAL, self.now)

    def add(self, link: FakeLink | None = None) -> FakeLink:
        link = link or FakeLink()
        link.heard_at = self.now
        self.keepalive.add(cast("PeerProtocol", link))
        return link

    def remove(self, link: FakeLink) -> None:
        self.keepalive.remove(cast("PeerProtocol", link))

    def run_until(self, then: float, step: float = 0.25) -> None:
        while self.now < then:
            self.now = min(then, self.now + step)
            self.keepalive.tick(self.now)

    def logged(self) -> list[str]:
        return [event["log_format"].format_map(event) for event in self.events]


class PingTests(KeepAliveTestCase):
    def test_one_link_is_pinged_once_an_interval(self) -> None:
        link = self.add()
        for n in range(1, 6):
            self.run_until(n * INTERVAL - 0.25)
            self.assertEqual(link.pings, n - 1)
            self.run_until(n * INTERVAL)
            self.assertEqual(link.pings, n)

    def test_the_first_ping_of_a_link_after_an_empty_time_waits_an_interval(self) -> None:
        gone = self.add()
        self.run_until(29.0)
        self.remove(gone)
        link = self.add()
        self.run_until(58.75)
        self.assertEqual(link.pings, 0)
        self.run_until(59.0)
        self.assertEqual(link.pings, 1)

    def test_who_comes_as_another_one_goes_waits_an_interval(self) -> None:
        gone = self.add()
        self.run_until(29.0)
        link = self.add()
        self.remove(gone)
        self.run_until(58.75)
        self.assertEqual(link.pings, 0)
        self.run_until(59.0)
        self.assertEqual(link.pings, 1)

    def test_coming_and_going_does_not_hold_up_who_stays(self) -> None:
        stays = self.add()
        for n in range(1, 60):
            passes = self.add()
            self.run_until(n * 1.0)
            self.remove(passes)
        self.run_until(2 * INTERVAL + 0.25)
        self.assertEqual(stays.pings, 2)

    def test_who_is_gone_is_pinged_no_more(self) -> None:
        gone, stays = self.add(), self.add()
        self.remove(gone)
        self.remove(gone)
        self.assertEqual(len(self.keepalive), 1)
        self.run_until(INTERVAL * 3)
        self.assertEqual((gone.pings, stays.pings), (0, 3))

    def test_nobody_to_ping(self) -> None:
        self.run_until(INTERVAL * 3)
        self.assertEqual(self.logged(), [])

    def test_a_thousand_links_share_the_interval_evenly(self) -> None:
        links = [self.add() for _ in range(1000)]
        share = len(links) * 0.1 / INTERVAL
        pinged = 0
        for n in range(1, 601):
            self.now = n * 0.1
            self.keepalive.tick(self.now)
            total = sum(link.pings for link in links)
            self.assertLess(total - pinged, 2 * share)
            self.assertLess(abs(total - n * share), 1.5)
            pinged = total
            rounds = {link.pings for link in links}
            self.assertLessEqual(max(rounds) - min(rounds), 1)
        self.assertGreaterEqual(pinged, 1999)

    @given(
        st.lists(st.floats(0.05, 1.0), min_size=1, max_size=20),
        st.integers(1, 40),
    )
    def test_no_link_waits_longer_than_an_interval_and_a_tick(
        self, steps: list[float], count: int
    ) -> None:
        self.keepalive = KeepAlive(5.0, 0.0)
        links = [FakeLink() for _ in range(count)]
        for link in links:
            self.keepalive.add(cast("PeerProtocol", link))
        now, rounds = 0.0, 0
        last = [0.0] * count
        while now < 21.0:
            now += steps[rounds % len(steps)]
            rounds += 1
            before = [link.pings for link in links]
            self.keepalive.tick(now)
            for n, link in enumerate(links):
                self.assertIn(link.pings - before[n], (0, 1))
                if link.pings > before[n]:
                    last[n] = now
                self.assertLess(now - last[n], 5.0 + max(steps) + 1e-6)

    def test_newcomers_wait_their_turn(self) -> None:
        old = [self.add() for _ in range(10)]
        self.run_until(15.0)
        new = [self.add() for _ in range(10)]
        self.run_until(22.5)
        self.assertEqual({link.pings for link in old}, {1})
        self.assertEqual({link.pings for link in new}, {0})
        self.run_until(45.0)
        self.assertEqual({link.pings for link in new}, {1})

    def test_after_a_standstill_every_link_is_pinged_once_not_many_times(self) -> None:
        links = [self.add() for _ in range(10)]
        self.now = 10 * INTERVAL
        self.keepalive.tick(self.now)
        self.assertEqual({link.pings for link in links}, {1})
        self.run_until(self.now + 2.75)
        self.assertEqual(sum(link.pings for link in links), 10)
        self.run_until(self.now + INTERVAL)
        self.assertEqual({link.pings for link in links}, {2})

    def test_a_clock_that_stands_or_steps_back_owes_nothing(self) -> None:
        link = self.add()
        for now in (20.0, 20.0, 10.0, 20.0):
            self.keepalive.tick(now)
        self.assertEqual(link.pings, 1)

    def test_a_link_that_ends_as_another_is_pinged(self) -> None:
        links = [self.add() for _ in range(4)]

        class Ending(FakeLink):
            def ping(ending) -> None:
                super().ping()
                for link in links:
                    self.remove(link)
                self.remove(ending)

        ending = Ending()
        self.keepalive.add(cast("PeerProtocol", ending))
        for link in links:  # behind the one that ends
            self.remove(link)
            self.add(link)
        self.now = INTERVAL
        self.keepalive.tick(self.now)
        self.assertEqual((ending.pings, [link.pings for link in links]), (1, [0] * 4))
        self.assertEqual(len(self.keepalive), 0)


class SilenceTests(KeepAliveTestCase):
    def judge(self, now: float) -> None:
        self.run_until(now)
        self.keepalive.end_silent(now)

    def test_three_intervals_without_a_line_end_a_link(self) -> None:
        link = self.add()
        self.judge(90.0)
        self.assertEqual(link.gave_up, [])
        self.judge(90.25)
        self.assertEqual(link.gave_up, ["silent for 90 s"])

    def test_any_line_is_a_sign_of_life(self) -> None:
        link = self.add()
        self.run_until(80.0)
        link.heard_at = 80.0
        self.judge(170.0)
        self.assertEqual(link.gave_up, [])
        self.judge(170.25)
        self.assertEqual(len(link.gave_up), 1)

    def test_who_waits_for_us_is_not_silent(self) -> None:
        link = self.add()
        link.waits_for_us = True
        self.judge(500.0)
        self.assertEqual(link.gave_up, [])

    def test_links_may_leave_the_ring_as_they_are_given_up(self) -> None:
        class Ending(FakeLink):
            def give_up(ending, reason: str) -> None:
                super().give_up(reason)
                self.remove(ending)

        links = [self.add(Ending()) for _ in range(5)]
        self.judge(100.0)
        self.assertEqual([len(link.gave_up) for link in links], [1] * 5)
        self.assertEqual(len(self.keepalive), 0)

    def test_after_our_own_standstill_peers_get_time_to_be_heard(self) -> None:
        heard, silent = self.add(), self.add()
        self.run_until(10.0)
        self.now = 3610.0
        self.keepalive.tick(self.now)  # asks everyone
        self.keepalive.end_silent(self.now)
        self.assertEqual((heard.pings, heard.gave_up, silent.gave_up), (1, [], []))
        self.judge(3614.75)
        self.assertEqual((heard.gave_up, silent.gave_up), ([], []))
        heard.heard_at = self.now
        self.judge(3615.0)
        self.assertEqual((heard.gave_up, silent.gave_up), ([], ["silent for 90 s"]))

    def test_a_busy_moment_is_no_standstill(self) -> None:
        link = self.add()
        self.run_until(86.0)
        self.now = 90.5
        self.keepalive.tick(self.now)
        self.keepalive.end_silent(self.now)
        self.assertEqual(len(link.gave_up), 1)

    def test_short_intervals_get_short_reprieves(self) -> None:
        self.keepalive = KeepAlive(1.0, 0.0)
        link = self.add()
        self.keepalive.tick(6.0)
        self.keepalive.end_silent(6.9)
        self.assertEqual(link.gave_up, [])
        self.keepalive.end_silent(7.0)
        self.assertEqual(link.gave_up, ["silent for 3 s"])


class ReportTests(KeepAliveTestCase):
    def test_one_line_an_interval(self) -> None:
        for _ in range(2):
            self.add()
        for seconds in (0.0412, 0.0452):
            self.keepalive.measured(seconds)
        self.run_until(INTERVAL - 0.25)
        self.assertEqual(self.logged(), [])
        self.run_until(INTERVAL)
        self.assertEqual(self.logged(), ["Sent 2 PINGs | Average RTT = 43.2 ms"])
        self.keepalive.measured(0.1)
        self.run_until(2 * INTERVAL)
        self.assertEqual(self.logged()[1:], ["Sent 2 PINGs | Average RTT = 100.0 ms"])

    def test_without_an_answer(self) -> None:
        self.add()
        self.run_until(INTERVAL)
        self.assertEqual(self.logged(), ["Sent 1 PINGs | Average RTT = not measured yet"])

    def test_without_a_ping_there_is_nothing_to_tell(self) -> None:
        self.keepalive.measured(0.1)
        self.run_until(INTERVAL)
        self.add()
        self.run_until(2 * INTERVAL)
        self.assertEqual(self.logged(), ["Sent 1 PINGs | Average RTT = not measured yet"])

    def test_many_measurements_take_no_more_room_than_one(self) -> None:
        def room() -> int:
            return sum(len(it) for it in vars(self.keepalive).values() if isinstance(it, list))

        before: Any = room()
        for _ in range(1000):
            self.keepalive.measured(0.1)
        self.assertEqual(room(), before)

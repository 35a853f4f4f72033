"""Hosts and links of the fake network that fail: one-way loss, a host that stops, wrong clocks."""

from __future__ import annotations

from typing import Any

from twisted.internet import error
from twisted.internet.interfaces import IReactorTCP, IReactorTime
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from p2pchat.testing.network import EPOCH, FakeNetwork
from p2pchat.testing.transport import QUEUE, WINDOW
from tests.testing.test_fakes import Dialing, End, Listening

YEAR = 365 * 86_400.0


class FaultCase(SynchronousTestCase):
    seed = 4

    def setUp(self) -> None:
        self.begin(self.seed)

    def begin(self, seed: int) -> None:
        self.network = FakeNetwork(seed)
        self.home, self.away = (self.network.host(f"10.0.0.{n}") for n in (1, 2))
        self.listening = Listening()
        self.away.listenTCP(4000, self.listening)

    def dial(self, timeout: float | None = 30) -> Dialing:
        dialing = Dialing()
        self.home.connectTCP("10.0.0.2", 4000, dialing, timeout=timeout)
        return dialing

    def connect(self) -> tuple[End, End]:
        dialing = self.dial()
        self.network.run(0.1)
        return dialing.end, self.listening.ends[-1]


class OneWayLossTests(FaultCase):
    def test_what_is_lost_arrives_afterwards_in_its_order(self) -> None:
        for seed in range(20):
            self.begin(seed)
            here, there = self.connect()
            self.network.begin_loss(self.home, self.away)
            for number in range(50):
                here.transport.write(b"%d," % number)
                there.transport.write(b"%d;" % number)
                self.network.run(0.1)
            self.assertEqual(there.data, b"")
            self.assertEqual(here.data, b"".join(b"%d;" % n for n in range(50)))
            self.assertEqual((here.events, there.events), (["made"], ["made"]))
            self.network.end_loss(self.home, self.away)
            here.transport.write(b"last")
            self.network.run(5.1)
            self.assertEqual(there.data, b"".join(b"%d," % n for n in range(50)) + b"last")

    def test_it_arrives_later_after_a_longer_loss_and_within_a_minute(self) -> None:
        waits = []
        for seed in range(30):
            self.begin(seed)
            here, there = self.connect()
            self.network.begin_loss(self.home, self.away)
            here.transport.write(b"x")
            self.network.run(3600)
            self.network.end_loss(self.home, self.away)
            waits.append(self.network.run_until(lambda end=there: bool(end.data)))  # type: ignore[misc]
        self.assertLess(max(waits), 60)
        self.assertGreater(max(waits), 30)
        self.assertLess(min(waits), 10)

    def test_a_loss_that_begins_again_before_all_is_there(self) -> None:
        here, there = self.connect()
        for _ in range(5):
            self.network.begin_loss(self.home, self.away)
            here.transport.write(b"ab")
            self.network.run(3)
            self.network.end_loss(self.home, self.away)
        self.network.run(10)
        self.assertEqual(there.data, b"ab" * 5)

    def test_without_acknowledgements_a_window_arrives_and_no_more(self) -> None:
        here, there = self.connect()
        self.network.begin_loss(self.home, self.away)
        there.transport.write(b"x" * (2 * WINDOW))
        self.network.run(5)
        self.assertEqual(len(here.data), WINDOW)
        self.network.end_loss(self.home, self.away)
        self.network.run(6)
        self.assertEqual(len(here.data), 2 * WINDOW)

    def test_a_farewell_is_sent_again(self) -> None:
        here, there = self.connect()
        self.network.begin_loss(self.home, self.away)
        here.transport.write(b"farewell")
        here.transport.loseConnection()
        self.network.run(5)
        self.assertEqual((here.events, there.events), (["made", "lost"], ["made"]))
        self.network.end_loss(self.home, self.away)
        self.network.run(6)
        self.assertEqual((there.data, there.events), (b"farewell", ["made", "read lost"]))

    def test_a_reset_is_not_and_the_other_end_learns_of_it_when_it_sends(self) -> None:
        here, there = self.connect()
        self.network.begin_loss(self.home, self.away)
        here.transport.write(b"never")
        here.transport.abortConnection()
        self.network.run(5)
        self.network.end_loss(self.home, self.away)
        self.network.run(600)
        self.assertEqual((there.data, there.events), (b"", ["made"]))
        there.transport.write(b"anybody?")
        self.network.run(1)
        self.assertEqual(there.reason, error.ConnectionLost)

    def test_an_attempt_to_connect_hangs_in_either_direction(self) -> None:
        for here, there in ((self.home, self.away), (self.away, self.home)):
            self.network.begin_loss(here, there)
            impatient, patient = self.dial(10), self.dial(None)
            self.network.run(20)
            self.assertEqual(impatient.failed, error.TimeoutError)
            self.assertEqual((patient.failed, patient.end.events), (None, []))
            self.network.end_loss(here, there)
            self.network.run(20)
            self.assertEqual(patient.end.events, ["made"])
            patient.end.transport.abortConnection()
            self.network.run(1)

    def test_a_refusal_is_lost_too(self) -> None:
        self.away.ports[4000].close()
        self.network.begin_loss(self.away, self.home)
        dialing = self.dial(10)
        self.network.run(11)
        self.assertEqual(dialing.failed, error.TimeoutError)

    def test_others_are_not_concerned(self) -> None:
        third = self.network.host("10.0.0.3")
        here, there = self.connect()
        self.network.begin_loss(self.home, third)
        self.network.begin_loss(self.home, self.home)
        here.transport.write(b"x")
        self.network.run(1)
        self.assertEqual(there.data, b"x")


class PausedHostTests(FaultCase):
    def setUp(self) -> None:
        super().setUp()
        self.happened: list[str] = []

    def test_its_timers_wait_and_come_in_their_order(self) -> None:
        for delay, name in ((3, "c"), (1, "a"), (2, "b"), (100, "far")):
            self.away.callLater(delay, self.happened.append, name)
        moved = self.away.callLater(1, self.happened.append, "moved")
        moved.delay(49)
        verifyObject(IReactorTCP, self.away)
        self.away.pause()
        self.away.pause()
        self.network.run(60)
        self.assertEqual((self.happened, len(self.away.getDelayedCalls())), ([], 5))
        self.away.resume()
        self.away.resume()
        self.network.run(0)
        self.assertEqual(self.happened, ["a", "b", "c", "moved"])
        self.network.run(40)
        self.assertEqual(self.happened[4:], ["far"])
        self.assertEqual(self.network.clock.getDelayedCalls(), [])

    def test_one_that_is_due_can_still_be_cancelled_by_one_before(self) -> None:
        second = self.away.callLater(2, self.happened.append, "cancelled")
        self.away.callLater(1, second.cancel)
        self.away.pause()
        self.network.run(60)
        self.away.resume()
        self.network.run(1)
        self.assertEqual(self.happened, [])

    def test_its_kernel_takes_what_arrives_up_to_the_window(self) -> None:
        here, there = self.connect()
        self.away.pause()
        here.transport.registerProducer(here, True)
        here.transport.write(b"x" * (WINDOW + QUEUE))
        self.network.run(1)
        self.assertEqual((there.data, there.transport.unread), (b"", WINDOW))
        self.assertEqual((here.transport.queued, here.events), (QUEUE, ["made", "pause"]))
        self.away.resume()
        self.network.run(1)
        self.assertEqual(len(there.data), WINDOW + QUEUE)

    def test_its_kernel_accepts_up_to_the_backlog(self) -> None:
        self.away.ports[4000].backlog = 2
        self.away.pause()
        dialed = [self.dial() for _ in range(4)]
        self.network.run(0.5)
        made = [each for each in dialed if "made" in each.end.events]
        self.assertEqual((len(made), self.listening.ends), (3, []))
        made[-1].end.transport.write(b"early")
        self.network.run(5)
        self.away.resume()
        self.network.run(0.1)
        self.assertEqual(len(self.listening.ends), 3)
        self.assertIn(b"early", [end.data for end in self.listening.ends])
        self.network.run(15)
        self.assertEqual(len(self.listening.ends), 4)

    def test_what_ends_meanwhile_is_told_afterwards(self) -> None:
        closed, its_end = self.connect()
        reset, other_end = self.connect()
        self.away.pause()
        closed.transport.loseConnection()
        reset.transport.write(b"thrown away")
        self.network.run(0.1)
        reset.transport.abortConnection()
        self.network.run(60)
        self.assertEqual((its_end.events, other_end.events), (["made"], ["made"]))
        self.away.resume()
        self.network.run(1)
        self.assertEqual(
            (its_end.events, other_end.events), (["made", "read lost"], ["made", "lost"])
        )
        self.assertEqual((other_end.data, other_end.reason), (b"", error.ConnectionLost))

    def test_its_own_attempts_and_ports(self) -> None:
        dialing = self.dial(5)
        closed: list[object] = []
        late = Dialing()
        self.home.connectTCP("10.9.9.9", 4000, late, timeout=5)
        self.home.listenTCP(5000, Listening()).stopListening().addBoth(closed.append)
        self.home.pause()
        self.network.run(60)
        self.assertEqual((dialing.end.events, late.failed, closed), ([], None, []))
        self.home.resume()
        self.network.run(1)
        self.assertEqual(
            (dialing.end.events, late.failed, closed), (["made"], error.TimeoutError, [None])
        )

    def test_timers_come_before_what_arrived_or_after(self) -> None:
        orders = set()
        for seed in range(20):
            self.begin(seed)
            here, there = self.connect()
            order: list[str] = []
            self.patch(there, "dataReceived", lambda _, it=order: it.append("read"))
            self.away.callLater(1, order.append, "timer")
            self.away.pause()
            here.transport.write(b"x")
            self.network.run(60)
            self.away.resume()
            self.network.run(0)
            orders.add(tuple(order))
        self.assertEqual(orders, {("timer", "read"), ("read", "timer")})

    def test_one_that_is_killed_meanwhile(self) -> None:
        here, there = self.connect()
        self.away.callLater(1, self.fail)
        self.away.pause()
        here.transport.write(b"x")
        pending = self.dial()
        self.network.run(60)
        self.away.kill()
        self.assertFalse(self.away.paused)
        self.network.run(10)
        self.assertEqual((there.data, there.events), (b"", ["made"]))
        self.assertEqual(here.reason, error.ConnectionLost)
        self.assertEqual(pending.end.events, ["made", "read lost"])
        self.assertEqual(self.away.connections(), [])


class ClockTests(FaultCase):
    def test_a_wall_clock_that_is_wrong_jumps_and_runs_too_fast(self) -> None:
        start = self.network.clock.seconds()
        self.assertEqual(self.home.wall(), EPOCH + start)
        self.home.wrong_by += YEAR
        self.assertEqual(self.home.wall(), EPOCH + start + YEAR)
        self.home.wall_rate = 2
        self.assertEqual(self.home.wall(), EPOCH + start + YEAR)
        self.network.run(10)
        self.assertEqual((self.home.wall(), self.home.wall_rate), (EPOCH + start + YEAR + 20, 2))
        self.home.wall_rate = 0.5
        self.network.run(10)
        self.assertEqual(self.home.wall(), EPOCH + start + YEAR + 25)
        self.assertEqual(self.away.wall(), EPOCH + start + 20)
        self.assertEqual(self.home.seconds(), start + 20)

    def test_a_steady_clock_that_runs_too_fast(self) -> None:
        times: list[float] = []
        start = self.home.seconds()
        self.home.steady_rate = 1.01
        verifyObject(IReactorTime, self.home)

        def tick() -> None:
            times.append(self.network.clock.seconds() - start)

        self.home.callLater(101, tick)
        moved: Any = self.home.callLater(1, tick)
        moved.reset(202)
        self.assertAlmostEqual(moved.getTime(), self.home.seconds() + 202)
        moved.delay(101)
        self.assertAlmostEqual(moved.getTime(), self.home.seconds() + 303)
        self.network.run(400)
        self.assertAlmostEqual(times[0], 100)
        self.assertAlmostEqual(times[1], 300)
        self.assertAlmostEqual(self.home.seconds(), start + 404)
        self.assertEqual((self.home.steady_rate, self.away.steady_rate), (1.01, 1.0))

    def test_no_quartz_is_wrong_by_more(self) -> None:
        for rate in (0.98, 1.02, float("nan")):
            self.assertRaises(ValueError, setattr, self.home, "steady_rate", rate)

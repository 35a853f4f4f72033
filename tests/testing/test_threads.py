"""The thread that is stepped: in order, at moments of the seed, and gone with its process."""

from __future__ import annotations

from functools import partial
from random import Random

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.sqlite import ClosedError
from p2pchat.testing.databases import PowerLost
from p2pchat.testing.disk import FakeDisk
from p2pchat.testing.network import FakeNetwork
from p2pchat.testing.threads import SteppedWorker


class ThreadTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.network = FakeNetwork(1)
        self.host = self.network.host("10.0.0.1")
        self.disk = FakeDisk(Random(1))
        self.thread = SteppedWorker(self.host, self.disk)
        self.events: list[str] = []

    def call(self, name: str) -> Deferred[str]:
        def call() -> str:
            self.events.append(f"{name} made")
            return name

        result = self.thread.run(call)
        result.addCallback(lambda heard: self.events.append(f"{heard} heard"))
        return result

    def events_of(self, seed: int) -> list[str]:
        self.disk.random = Random(seed)
        self.events.clear()
        for name in "abc":
            self.call(name)
        self.assertEqual(self.events, [])
        self.network.run(1)
        return [*self.events]

    def test_calls_are_made_and_heard_in_order(self) -> None:
        seen = set()
        for seed in range(20):
            events = self.events_of(seed)
            self.assertEqual([each[0] for each in events if "made" in each], [*"abc"])
            self.assertEqual([each[0] for each in events if "heard" in each], [*"abc"])
            self.assertEqual(events, self.events_of(seed))
            seen.add(tuple(events))
        self.assertGreater(len(seen), 3)

    def test_a_slow_disk(self) -> None:
        self.disk.delay = (3.0, 4.0)
        self.call("a")
        self.network.run(2.9)
        self.assertEqual(self.events, [])
        self.network.run(5.2)
        self.assertEqual(self.events, ["a made", "a heard"])

    def test_who_is_killed_does_not_hear_of_it(self) -> None:
        self.disk.delay = (1.0, 1.0)
        self.call("a")
        self.network.run(1.5)
        self.host.kill()
        self.network.run(5)
        self.assertEqual(self.events, ["a made"])

    def test_what_a_call_raises_is_its_result(self) -> None:
        result = self.thread.run(partial(int, "no number"))
        self.network.run(1)
        self.failureResultOf(result, ValueError)

    def test_no_power_no_result(self) -> None:
        def lose() -> None:
            raise PowerLost

        result = self.thread.run(lose)
        self.call("a")
        self.network.run(5)
        self.assertNoResult(result)
        self.assertEqual((self.events, self.host.getDelayedCalls()), ([], []))

    def test_the_end(self) -> None:
        """To stop waits for what is to be done, to abandon does not."""
        for end, events in (
            (SteppedWorker.stop, ["a made", "a heard"]),
            (SteppedWorker.abandon, []),
        ):
            self.events.clear()
            self.thread = SteppedWorker(self.host, self.disk)
            self.call("a")
            end(self.thread)
            self.network.run(1)
            self.assertEqual(self.events, events)
            self.failureResultOf(self.thread.run(lambda: None), ClosedError)
            self.assertEqual(self.host.getDelayedCalls(), [])

    def test_by_hand(self) -> None:
        self.thread = SteppedWorker(self.host, self.disk, by_hand=True)
        self.call("a")
        self.network.run(5)
        self.assertEqual(self.events, [])
        self.thread.step()
        self.assertEqual(self.events, ["a made", "a heard"])
        self.assertRaises(IndexError, self.thread.step)

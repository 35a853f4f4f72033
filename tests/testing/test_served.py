"""The real rendezvous on a host of the fake network, and the nodes that register with it."""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from p2pchat.rendezvous.directory import IDirectory, Unreachable
from p2pchat.rendezvous.limits import Limits
from p2pchat.rendezvous.stores.sqlite import RegistrationFile
from p2pchat.sqlite import ClosedError
from p2pchat.testing.disk import FakeDisk
from p2pchat.testing.network import FakeNetwork
from p2pchat.testing.nodes import FakeTown
from p2pchat.testing.served import ServedRendezvous
from p2pchat.testing.threads import SteppedWorker


class ServedCase(SynchronousTestCase):
    def town(self, seed: int = 1, nodes: int = 3, **options: Any) -> FakeTown:
        town = FakeTown(seed)
        self.served = town.serve(**options)
        for number in range(nodes):
            town.node(f"n{number}@CIC")
        town.run_until_meshed()
        return town

    def known(self, town: FakeTown) -> list[bool]:
        return [self.served.knows(node.me.peer_id) for node in town.nodes]


class TownTests(ServedCase):
    def test_nodes_find_each_other_and_leave_nothing(self) -> None:
        town = self.town()
        verifyObject(IDirectory, self.served.at(town.network.host("10.0.0.1")))
        self.assertEqual(self.known(town), [True] * 3)
        self.assertEqual(town.rendezvous.requests, [])
        leaving = town.nodes[0]
        town.leave(leaving)
        self.assertFalse(self.served.knows(leaving.me.peer_id))
        town.close()
        self.assertFalse(self.served.running)

    def test_one_seed_is_one_story(self) -> None:
        stories = []
        for _ in range(2):
            town = self.town(5)
            server = self.served.server
            assert server is not None
            town.run(300)
            stories.append((server.factory.answers.given, town.network.random.random()))
            town.close()
        self.assertEqual(*stories)

    def test_one_that_is_killed_and_started_again(self) -> None:
        town = self.town()
        self.served.kill()
        town.run(600)
        self.assertTrue(town.meshed())
        self.served.start()
        self.assertRaises(RuntimeError, self.served.start)
        self.assertEqual(self.known(town), [False] * 3)
        town.network.run_until(lambda: all(self.known(town)), 120)
        town.node("late@CIC")
        town.run_until_meshed()
        town.close()

    def test_one_that_stands_still(self) -> None:
        town = self.town()
        self.served.host.pause()
        town.run(300)
        self.assertTrue(town.meshed())
        town.node("late@CIC")
        town.run(30)
        self.assertFalse(self.served.knows("late@CIC"))
        self.served.host.resume()
        town.run_until_meshed(180)
        self.assertEqual(self.known(town), [True] * 4)
        town.close()

    def test_one_that_hears_and_cannot_answer(self) -> None:
        town = self.town(nodes=2)
        late = town.node("late@CIC", start=False)
        host = town.host_of(late)
        town.network.begin_loss(self.served.host, host)
        late.startService()
        town.run(60)
        self.assertFalse(self.served.knows("late@CIC"))
        town.network.end_loss(self.served.host, host)
        town.run_until_meshed(180)
        town.close()

    def test_its_limits(self) -> None:
        town = self.town(nodes=1, limits=Limits(registrations=1))
        client = self.served.at(town.network.host("10.0.9.9"))
        refused = client.register("CIC", "eve", 4000, 60)
        town.run(1)
        self.failureResultOf(refused)
        town.close()


class FileTests(ServedCase):
    def setUp(self) -> None:
        self.path = os.path.join(self.mktemp(), "registrations.db")
        os.makedirs(os.path.dirname(self.path))

    def file(self) -> RegistrationFile:
        return RegistrationFile(self.path)

    def test_what_was_written_outlives_a_kill(self) -> None:
        town = self.town(make_file=self.file)
        town.run(5)
        self.served.kill()
        town.run(5)
        self.served.start()
        self.assertEqual(self.known(town), [True] * 3)
        town.close()
        self.assertFalse(os.path.exists(self.path + ".lock"))

    def test_leases_end_by_its_wall_clock(self) -> None:
        town = self.town(make_file=self.file)
        town.run(5)
        self.served.kill()
        self.served.host.wrong_by += 86_400
        self.served.start()
        self.assertEqual(self.known(town), [False] * 3)
        town.close()


class ClientTests(SynchronousTestCase):
    def test_one_that_is_down(self) -> None:
        network = FakeNetwork()
        served = ServedRendezvous(network.host("10.0.0.9"))
        asking = served.at(network.host("10.0.0.1")).discover("CIC")
        network.run(1)
        self.failureResultOf(asking, Unreachable)
        self.assertFalse(served.running)
        self.successResultOf(served.stop())


class ThreadTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.network = FakeNetwork()
        self.host = self.network.host("10.0.0.1")
        disk = FakeDisk(self.network.random)
        disk.delay = (0.0, 0.5)
        self.thread = SteppedWorker(self.host, disk)

    def test_calls_are_made_in_their_order_and_results_fire(self) -> None:
        made: list[int] = []
        results = [self.thread.run(lambda n=n: made.append(n)) for n in range(20)]  # type: ignore[misc]
        self.assertEqual(made, [])
        self.network.run(20)
        self.assertEqual(made, [*range(20)])
        for result in results:
            self.successResultOf(result)
        failing: Deferred[object] = self.thread.run(lambda: 1 // 0)
        self.network.run(1)
        self.failureResultOf(failing, ZeroDivisionError)

    def test_it_stands_still_with_its_host_and_ends_with_it(self) -> None:
        made: list[int] = []
        self.thread.run(lambda: made.append(1))
        self.host.pause()
        self.network.run(60)
        self.assertEqual(made, [])
        self.host.resume()
        self.network.run(1)
        self.thread.run(lambda: made.append(2))
        self.host.kill()
        self.network.run(60)
        self.assertEqual(made, [1])
        self.thread.stop()
        self.failureResultOf(self.thread.run(int), ClosedError)

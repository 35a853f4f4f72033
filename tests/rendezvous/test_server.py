"""The rendezvous as a service, in the fake network; `tests/processes` has it over real sockets."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.rendezvous.client import RendezvousClient
from p2pchat.rendezvous.directory import DirectoryError, Listing, NotRegistered
from p2pchat.rendezvous.server import RendezvousService
from p2pchat.testing.network import FakeNetwork


class ServiceTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.network = FakeNetwork(5)
        self.host = self.network.host("10.0.0.1")
        self.service = self.make()
        self.client = RendezvousClient(self.network.host("10.0.0.2"), "10.0.0.1", 8080)

    def make(self) -> RendezvousService:
        host = self.host
        return RendezvousService(8080, reactor=host, monotonic=host.seconds)

    def stop(self) -> None:
        stopped = self.service.stopService()
        self.network.run(0.1)
        self.successResultOf(stopped)

    def unregister(self) -> Deferred[None]:
        left = self.client.unregister("CIC", "olá", 4000)
        self.network.run(1)
        return left

    def listed(self) -> list[Listing]:
        """What a DISCOVER finds."""
        asked = self.client.discover(None)
        self.network.run(1)
        return [*self.successResultOf(asked)]

    def register(self) -> None:
        granted = self.client.register("CIC", "olá", 4000, 60)
        self.network.run(1)
        grant = self.successResultOf(granted)
        self.assertEqual((grant.ttl, grant.ip), (60, "10.0.0.2"))

    def test_with_our_own_client(self) -> None:
        self.service.startService()
        asked = self.client.discover(None)
        self.network.run(1)
        self.failureResultOf(asked, NotRegistered)
        self.register()
        (peer,) = self.listed()
        self.assertEqual((peer.peer_id, peer.ip, peer.port), ("olá@CIC", "10.0.0.2", 4000))
        self.successResultOf(self.unregister())
        self.failureResultOf(self.unregister(), NotRegistered)
        self.stop()
        self.assertEqual(self.host.getDelayedCalls(), [])

    def test_started_again_it_remembers(self) -> None:
        self.service.startService()
        self.register()
        self.stop()
        self.stop()
        self.assertFalse(self.service.listening)
        self.service.privilegedStartService()
        self.service.startService()
        self.assertEqual([peer.peer_id for peer in self.listed()], ["olá@CIC"])

    def test_stopping_cuts_off_who_is_connected(self) -> None:
        self.service.startService()
        asked = self.client.register("CIC", "olá", 4000, 60)
        self.network.run_until(lambda: bool(self.service.factory.connections))
        self.stop()
        self.network.run(1)
        self.failureResultOf(asked, DirectoryError)
        self.assertEqual((self.host.connections(), self.host.getDelayedCalls()), ([], []))

    def test_with_time_to_drain_who_is_connected_is_answered(self) -> None:
        self.service.drain = 5.0
        self.service.startService()
        asked = self.client.register("CIC", "olá", 4000, 60)
        self.network.run_until(lambda: bool(self.service.factory.connections))
        stopped = self.service.stopService()
        self.assertFalse(self.service.listening)
        self.network.run(1)
        self.assertEqual(self.successResultOf(asked).ip, "10.0.0.2")
        self.successResultOf(stopped)
        self.assertEqual((self.host.connections(), self.host.getDelayedCalls()), ([], []))

    def test_a_taken_port_and_another_try(self) -> None:
        self.service.startService()
        second = self.make()
        with self.assertRaises(CannotListenError):
            second.listen()
        self.assertFalse(second.listening)
        self.stop()
        second.listen()
        self.assertTrue(second.listening)
        self.register()

    def test_listens_once_with_a_long_queue(self) -> None:
        reactor = MemoryReactorClock()
        service = RendezvousService(8080, "::", reactor=reactor)
        service.privilegedStartService()
        service.startService()
        self.assertEqual(
            [(port, backlog, interface) for port, _, backlog, interface in reactor.tcpServers],
            [(8080, 4096, "::")],
        )
        self.successResultOf(service.stopService())
        self.assertEqual(service.port, 8080)
        self.assertEqual(reactor.getDelayedCalls(), [])

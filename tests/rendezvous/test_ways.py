"""The ways to a rendezvous by IPv4 and by IPv6: looked up, asked together, left alone a while."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.rendezvous.client import RendezvousClient
from p2pchat.rendezvous.directory import Blocked, DirectoryError, RequestRefused, Unreachable
from p2pchat.testing.network import FakeHost, FakeNetwork

FOUR, SIX, NAME = "10.0.0.9", "fd00::9", "rendezvous.example"


class WaysTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.network = FakeNetwork(2, latency=(0.001, 0.002))
        self.home = self.network.host("10.0.0.1").also("fd00::1")
        self.asked: list[tuple[str, bytes]] = []
        self.network.names[NAME] = [SIX, FOUR]
        self.client = RendezvousClient(self.home, NAME, 8080)

    def tearDown(self) -> None:
        self.assertEqual((self.home.getDelayedCalls(), self.home.connections()), ([], []))

    def serve(self, ip: str, reply: bytes) -> FakeHost:
        """A rendezvous at this address alone; with an empty reply it says nothing."""
        asked = self.asked

        class Answering(Protocol):
            transport: Any

            def dataReceived(self, data: bytes) -> None:
                asked.append((ip, data))
                if reply:
                    self.transport.write(reply)
                    self.transport.loseConnection()

        factory: Any = ServerFactory.forProtocol(Answering)
        factory.noisy = False
        host = self.network.host(ip)
        host.listenTCP(8080, factory, interface="::")
        return host

    def register(self, seconds: float = 12.0) -> Any:
        """What comes of a REGISTER."""
        found: list[Any] = []
        self.client.register("CIC", "a", 4000, 60).addBoth(found.append)
        self.network.run(seconds)
        return found[0] if not hasattr(found[0], "value") else found[0].value

    def ok(self, ip: str, ttl: int = 60) -> bytes:
        return b'{"status":"OK","ttl":%d,"ip":"%b"}\n' % (ttl, ip.encode())

    def test_who_listens_over_one_family_registers_over_that_one(self) -> None:
        """Others would dial an address at which nothing listens."""
        self.serve(FOUR, self.ok("10.0.0.1"))
        self.serve(SIX, self.ok("fd00::1"))
        for listens_on, ip in (("0.0.0.0", FOUR), ("10.0.0.1", FOUR), ("fd00::1", SIX)):
            self.client = RendezvousClient(self.home, NAME, 8080, listens_on=listens_on)
            self.asked.clear()
            self.register()
            self.assertEqual([each for each, _ in self.asked], [ip])
        self.client = RendezvousClient(self.home, NAME, 8080, listens_on="::")
        self.asked.clear()
        self.register()
        self.assertEqual({each for each, _ in self.asked}, {FOUR, SIX})
        # Without it nobody would be found at all.
        self.client = RendezvousClient(self.home, SIX, 8080, listens_on="0.0.0.0")
        self.asked.clear()
        self.register()
        self.assertEqual([each for each, _ in self.asked], [SIX])

    def test_each_family_gets_a_registration_and_the_shorter_lease_counts(self) -> None:
        self.serve(FOUR, self.ok("192.0.2.1", 50))
        self.serve(SIX, self.ok("fd00::1", 40))
        grant = self.register()
        self.assertEqual((grant.ttl, {*grant.ips}), (40, {"192.0.2.1", "fd00::1"}))
        self.assertEqual({*grant.here}, {"10.0.0.1", "fd00::1"})
        self.assertEqual({ip for ip, _ in self.asked}, {FOUR, SIX})

    def test_an_answer_counts_more_than_none(self) -> None:
        self.serve(FOUR, b'{"status":"ERROR","message":"bad_name"}\n')
        self.assertIsInstance(self.register(), RequestRefused)
        self.network.host(FOUR).kill()
        self.serve(SIX, b'{"status":"ERROR","message":"blocked, 30 seconds"}\n')
        self.assertIsInstance(self.register(), Blocked)

    def test_a_network_that_is_blocked_over_one_family_uses_the_other(self) -> None:
        """And leaves the first one alone for as long as it says."""
        self.serve(FOUR, self.ok("192.0.2.1"))
        six = self.serve(SIX, self.ok("fd00::1"))
        self.register()
        del six.ports[8080]
        self.serve(SIX, b'{"status":"ERROR","message":"blocked, 30 seconds"}\n')
        self.client._ways.prefer(self.client._ways._ways[True])
        found = self.client.discover("CIC")
        self.network.run(1)
        self.assertEqual(self.successResultOf(found), [])
        for _ in range(3):
            self.assertEqual(self.register(2).ip, "192.0.2.1")
        self.assertEqual([ip for ip, _ in self.asked].count(SIX), 2)
        self.network.run(30)
        self.register()
        self.assertEqual([ip for ip, _ in self.asked].count(SIX), 3)

    def test_one_that_is_down_is_asked_over_all_ways_however_often_it_failed(self) -> None:
        for _ in range(5):
            self.assertIsInstance(self.register(), Unreachable)
        self.serve(FOUR, self.ok("192.0.2.1"))
        self.serve(SIX, self.ok("fd00::1"))
        self.assertEqual(len(self.register().ips), 2)

    def test_who_does_not_answer_is_broken_off_and_may_have_heard(self) -> None:
        """Our end of that connection is ours, or our own registration would be somebody else's."""
        self.serve(FOUR, self.ok("192.0.2.1"))
        self.serve(SIX, b"")
        grant = self.register(0.6)
        self.assertEqual((grant.ip, {*grant.ips}), ("192.0.2.1", {"192.0.2.1", "fd00::1"}))
        self.network.run(0.1)
        self.client.unregister("CIC", "a", 4000).addErrback(lambda _: None)
        self.network.run(12)
        self.assertEqual([ip for ip, line in self.asked if b"UNREGISTER" in line].count(SIX), 1)

    def test_one_that_does_not_say_our_address(self) -> None:
        """Then nothing of ours is known, and nothing is taken for somebody else's."""
        self.serve(FOUR, b'{"status":"OK"}\n')
        self.serve(SIX, self.ok("fd00::1"))
        self.assertEqual(self.register().ips in ((), ("fd00::1",)), True)
        self.assertEqual(self.client._ways.our_ips, ())

    def test_a_name_that_nobody_knows(self) -> None:
        self.network.names.clear()
        error = self.register()
        self.assertIsInstance(error, Unreachable)
        self.assertIn("its name could not be looked up", str(error))
        self.assertIn(f"{NAME}:8080", str(error))

    def test_a_look_up_that_takes_for_ever(self) -> None:
        self.patch(self.home.nameResolver, "resolveHostName", lambda *_: None)
        error = self.register(11)
        self.assertIn("could not be looked up in time", str(error))
        self.assertIsInstance(error, DirectoryError)

    def test_a_name_that_moves(self) -> None:
        self.serve(FOUR, self.ok("192.0.2.1"))
        self.network.names[NAME] = [FOUR]
        self.assertEqual(self.register().ips, ("192.0.2.1",))
        self.serve("10.0.0.8", self.ok("192.0.2.2"))
        self.network.names[NAME] = ["10.0.0.8", FOUR]
        self.assertEqual(self.register().ips, ("192.0.2.2",))

    def test_cancelling_at_whatever_stage(self) -> None:
        self.serve(FOUR, b"")
        self.serve(SIX, b"")
        for ask in (
            lambda: self.client.register("CIC", "a", 4000, 60),
            lambda: self.client.discover("CIC"),
            lambda: self.client.unregister("CIC", "a", 4000),
        ):
            for seconds in (0, 0.0015, 0.003, 1):
                request: Any = ask()
                self.network.run(seconds)
                request.cancel()
                self.failureResultOf(request, CancelledError)
                self.network.run(0.1)
                self.assertEqual(self.home.connections(), [])

    def test_addresses_that_are_known_are_not_looked_up(self) -> None:
        self.network.names.clear()
        self.serve(FOUR, self.ok("10.0.0.1"))
        self.serve(SIX, self.ok("fd00::1"))
        self.client = RendezvousClient(self.home, FOUR, 8080, addresses=[FOUR, SIX])
        self.assertEqual(len(self.register().ips), 2)
        self.assertEqual(self.client.address, f"{FOUR}:8080")

"""Listings that would have every node flood a third party, and what is dialed of them.

Each attack that worked is a test: the connections that one node makes are counted.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from twisted.internet.protocol import Protocol, ServerFactory
from twisted.logger import LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.peers import Status
from p2pchat.node.node import ChatNode
from p2pchat.settings.values import LimitSettings, Settings
from p2pchat.testing.network import FakeHost
from p2pchat.testing.nodes import FakeTown
from p2pchat.testing.transport import FakeTransport
from tests.support.quirky_peers import Program

VICTIM = "10.66.0.1"
MANY = 20_000


class Closing(Protocol):
    """Accepts and closes: a web server, say, or whatever the victim runs."""

    transport: FakeTransport

    def connectionMade(self) -> None:
        self.transport.loseConnection()


class Answering(Protocol):
    """Answers HELLO under the name that it is told to have, and closes a moment later."""

    transport: FakeTransport
    name = b""

    def dataReceived(self, data: bytes) -> None:
        self.transport.write(b'{"type":"HELLO_OK","peer_id":"%s"}\n' % self.name)
        self.transport.loseConnection()


class ListingTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.town = FakeTown(5, latency=(0.001, 0.001), cut=0, join=0)
        self.dials: list[tuple[float, str, int]] = []

    def tearDown(self) -> None:
        self.town.close()

    def alice(self, limits: LimitSettings | None = None, seconds: float = 0) -> ChatNode:
        """A node whose dials are noted."""
        settings = Settings(limits=limits or LimitSettings())
        alice = self.town.node("alice@CIC", settings=settings, start=False)
        home = self.town.host_of(alice)
        connect = home.connectTCP

        def noting(host: str, port: int, *rest: Any, **more: Any) -> Any:
            self.dials.append((home.seconds(), host, port))
            return connect(host, port, *rest, **more)

        self.patch(home, "connectTCP", noting)
        alice.startService()
        self.town.run(seconds)
        return alice

    def accepts(self, host: FakeHost, port: int, protocol: type[Protocol] = Closing) -> None:
        factory: Any = ServerFactory.forProtocol(protocol)
        factory.noisy = False
        host.listenTCP(port, factory)

    def most_in_a_second(self) -> int:
        times = [at for at, _, _ in self.dials]
        return max(sum(at <= other < at + 1 for other in times[n:]) for n, at in enumerate(times))

    def most_at_once(self, host: FakeHost) -> int:
        return len(self.town.network.between(host, self.town.network.host(VICTIM)))


class FloodTests(ListingTestCase):
    """One node, a minute, and a listing of 20,000 names."""

    def test_twenty_thousand_names_at_one_port_that_accepts_and_closes(self) -> None:
        self.accepts(self.town.network.host(VICTIM), 4000)
        for n in range(MANY):
            self.town.rendezvous.enter(f"p{n}@CIC", VICTIM, 4000)
        alice = self.alice(seconds=70)  # what a node may ask in a minute is not enough for all
        self.assertEqual(len(alice.peers), MANY - 1, "she is one of those that were read")
        self.assertLess(len(self.dials), 20)
        alice.mesh.reconnect()
        self.town.run(10)
        self.assertLess(len(self.dials), 24)
        self.assertEqual({peer.status for peer in alice.peers} - {*Status}, set())

    def test_twenty_thousand_ports_of_one_address(self) -> None:
        victim = self.town.network.host(VICTIM)
        for n in range(MANY):
            self.town.rendezvous.enter(f"p{n}@CIC", VICTIM, 2000 + n)
        for port in range(2000, 3000):
            self.accepts(victim, port)
        self.alice(seconds=60)
        self.assertGreater(len(self.dials), 500)
        self.assertLessEqual(len(self.dials), 600)
        self.assertLessEqual(self.most_in_a_second(), 10)

    def test_a_friend_is_met_while_they_wait(self) -> None:
        for n in range(MANY - 1):
            self.town.rendezvous.enter(f"p{n}@CIC", VICTIM, 2000 + n)
        bob = Program(self.town.network.host("10.0.7.7"), "bob@CIC")
        bob.listen()
        self.town.rendezvous.enter("bob@CIC", "10.0.7.7", 4000)
        alice = self.alice(seconds=2)
        self.assertEqual(self.town.links(alice), {"bob@CIC": 1})

    def test_a_friend_that_registers_later_finds_a_place(self) -> None:
        for n in range(1000):
            self.town.rendezvous.enter(f"p{n}@CIC", VICTIM, 2000 + n)
        alice = self.alice(LimitSettings(max_known_peers=100), seconds=3)
        alice.friends.wrote_to("bob@CIC")
        for name, ip in (("bob", "10.0.7.7"), ("carol", "10.0.7.8")):
            Program(self.town.network.host(ip), f"{name}@CIC").listen()
            self.town.rendezvous.enter(f"{name}@CIC", ip, 4000)
        alice.presence.discover()
        self.town.run(2)
        self.assertEqual(self.town.links(alice), {"bob@CIC": 1})
        self.assertEqual(len(alice.peers), 100)

    def test_an_address_that_answers_has_no_more_links_than_its_share(self) -> None:
        victim = self.town.network.host(VICTIM)
        names = [f"p{n}@CIC" for n in range(60)]
        for n, name in enumerate(names):
            Program(victim, name).listen(4000 + n)
            self.town.rendezvous.enter(name, VICTIM, 4000 + n)
        limits = LimitSettings(max_links_per_ip=20, max_known_peers=100)
        alice = self.alice(limits, seconds=30)
        self.assertEqual(len(self.town.links(alice)), 20)
        self.assertEqual(len(self.dials), 20)
        self.assertGreater(alice.mesh.admission.postponed, 30)
        self.assertNotIn(Status.STALE, {peer.status for peer in alice.peers})
        # A friend is met there all the same, and a stranger when one of them has gone.
        friend = [*alice.peers][-1]
        alice.friends.wrote_to(friend.peer_id)
        alice.mesh.reconnect()
        self.town.run(2)
        self.assertTrue(friend.links)
        alice.mesh.links[0].leave("enough")
        alice.mesh.links[1].leave("enough")
        self.town.run(2)
        alice.mesh.reconnect()
        self.town.run(2)
        self.assertEqual(len(self.town.links(alice)), 20)

    def test_twenty_thousand_addresses(self) -> None:
        for n in range(MANY):
            self.town.rendezvous.enter(f"p{n}@CIC", f"10.{n // 250 + 100}.{n % 250}.1", 4000)
        self.alice(seconds=60)
        self.assertLessEqual(self.most_in_a_second(), 50)
        self.assertGreater(len(self.dials), 600)

    def test_twenty_thousand_addresses_that_refuse(self) -> None:
        for n in range(500):
            self.town.network.host(f"10.90.{n // 250}.{n % 250}")
        for n in range(MANY):
            self.town.rendezvous.enter(f"p{n}@CIC", f"10.90.{n % 500 // 250}.{n % 250}", 2000 + n)
        self.alice(seconds=60)
        self.assertLessEqual(self.most_in_a_second(), 50)
        self.assertGreater(len(self.dials), 2_900)
        each = Counter(host for _, host, _ in self.dials)
        self.assertLess(max(each.values()) - min(each.values()), 3)

    def test_addresses_that_swallow_packets_have_eight_dials_at_once(self) -> None:
        self.town.network.host(VICTIM).unplug()
        for n in range(100):
            self.town.rendezvous.enter(f"p{n}@CIC", VICTIM, 4000 + n)
        self.alice(seconds=9)
        self.assertEqual(len(self.dials), 8)
        self.town.run(10)
        self.assertEqual(len(self.dials), 16)

    def test_a_port_that_answers_under_every_name_is_backed_off_from_too(self) -> None:
        victim = self.town.network.host(VICTIM)
        for n in range(1000):
            self.town.rendezvous.enter(f"p{n}@CIC", VICTIM, 4000)
        names = iter(range(1000))

        class Obliging(Answering):
            def connectionMade(self) -> None:
                self.name = b"p%d@CIC" % next(names)

        self.accepts(victim, 4000, Obliging)
        self.alice(seconds=60)
        self.assertLess(len(self.dials), 40)

    def test_the_other_names_of_a_place_become_stale_with_it(self) -> None:
        for n in range(3):
            self.town.rendezvous.enter(f"p{n}@CIC", VICTIM, 4000)
        self.accepts(self.town.network.host(VICTIM), 4000)
        alice = self.alice(seconds=50)
        self.assertEqual({peer.status for peer in alice.peers}, {Status.STALE})
        self.assertFalse(alice.mesh.dials_under_way())
        self.assertLess(len(self.dials), 12)

    def test_their_lines_in_the_log_are_few(self) -> None:
        lines: list[LogEvent] = []
        observer: Any = lines.append
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        for n in range(100):
            self.town.rendezvous.enter(f"p{n}@CIC", VICTIM, 4000)
        self.accepts(self.town.network.host(VICTIM), 4000)
        self.town.rendezvous.enter("bob@CIC", VICTIM, 4001)
        alice = self.alice()
        alice.friends.wrote_to("bob@CIC")
        self.town.run(50)
        self.assertEqual({peer.status for peer in alice.peers}, {Status.STALE})
        said = [text for text in map(formatEvent, lines) if "STALE" in text]
        self.assertEqual(len(said), 5 + 1)
        self.assertIn("bob@CIC does not answer: STALE", said)

    def test_limits_may_change_while_it_runs(self) -> None:
        for n in range(100):
            self.town.rendezvous.enter(f"p{n}@CIC", VICTIM, 4000 + n)
        self.town.network.host(VICTIM)
        alice = self.alice(LimitSettings(dial_rate=1), seconds=10)
        self.assertIn(len(self.dials), (10, 11))
        alice.configure(Settings(limits=LimitSettings(dial_rate=20, dial_rate_per_address=5)))
        self.dials.clear()
        self.town.run(10)
        self.assertIn(len(self.dials), range(45, 56))

    def test_who_has_the_place_of_an_old_registration_is_met(self) -> None:
        self.town.rendezvous.enter("old@CIC", "10.0.7.7", 4000)
        bob = Program(self.town.network.host("10.0.7.7"), "bob@CIC")
        bob.listen()
        self.town.rendezvous.enter("bob@CIC", "10.0.7.7", 4000)
        alice = self.alice(seconds=2)
        self.assertEqual([*self.town.links(alice)], ["bob@CIC"])


class RoomTests(ListingTestCase):
    """Honest rooms still meet."""

    def test_five_hundred_at_addresses_of_their_own(self) -> None:
        for n in range(500):
            ip = f"10.80.{n // 250}.{n % 250}"
            Program(self.town.network.host(ip), f"p{n}@CIC").listen()
            self.town.rendezvous.enter(f"p{n}@CIC", ip, 4000)
        alice = self.alice()
        took = self.town.network.run_until(lambda: len(self.town.links(alice)) == 500, 20)
        self.assertLess(took, 11)
        self.assertEqual(len(self.dials), 500)

    def test_a_hundred_behind_one_address(self) -> None:
        host = self.town.network.host("10.80.0.1")
        for n in range(100):
            Program(host, f"p{n}@CIC").listen(4000 + n)
            self.town.rendezvous.enter(f"p{n}@CIC", host.ip, 4000 + n)
        alice = self.alice()
        took = self.town.network.run_until(lambda: len(self.town.links(alice)) == 100, 20)
        self.assertLess(took, 11)
        self.assertEqual(len(self.dials), 100)


class SourceTests(ListingTestCase):
    """What is dialed depends on where the listing came from."""

    NAMED = (
        ("127.0.0.1", 5432),
        ("10.0.7.7", 22),
        ("10.0.7.7", 4000),
        ("169.254.169.254", 8000),
        ("224.0.0.1", 4000),
        ("255.255.255.255", 4000),
        ("0.0.0.0", 4000),
        ("localhost", 4000),
        ("::1", 4000),
        ("::ffff:10.0.7.8", 4000),
        ("fe80::1%eth0", 4000),
        ("198.51.100.7", 4000),
        ("0x7f.1", 4000),
    )

    def dialed(self, source: str) -> set[tuple[str, int]]:
        self.town.rendezvous.source = source
        for n, (ip, port) in enumerate(self.NAMED):
            self.town.rendezvous.enter(f"p{n}@CIC", ip, port)
        alice = self.alice(seconds=30)
        found = {(host, port) for _, host, port in self.dials}
        self.assertEqual(alice.peers.addresses_refused, len(self.NAMED) - len(found))
        for peer in alice.peers:
            self.assertEqual(peer.status is Status.UNKNOWN, not peer.addresses)
        return found

    def test_a_public_one(self) -> None:
        self.assertEqual(self.dialed("203.0.113.1"), {("198.51.100.7", 4000)})

    def test_a_private_one(self) -> None:
        expected = {("198.51.100.7", 4000), ("10.0.7.7", 4000), ("10.0.7.8", 4000)}
        self.assertEqual(self.dialed("192.168.1.5"), expected)

    def test_one_on_this_machine(self) -> None:
        expected = {("198.51.100.7", 4000), ("10.0.7.7", 4000), ("10.0.7.8", 4000)}
        expected |= {("127.0.0.1", 5432), ("169.254.169.254", 8000), ("0.0.0.0", 4000)}
        expected |= {("::1", 4000), ("fe80::1%eth0", 4000)}
        self.assertEqual(self.dialed("127.0.0.1"), expected)

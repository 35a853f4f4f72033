"""The public fakes keep their word: time, and the habits of TCP."""

from __future__ import annotations

from typing import Any

from twisted.internet import error
from twisted.internet.interfaces import IHalfCloseableProtocol, IReactorTCP, IReactorTime
from twisted.internet.protocol import ClientFactory, Protocol, ServerFactory, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from p2pchat.rendezvous.directory import IDirectory
from p2pchat.testing.clock import FakeClock
from p2pchat.testing.directory import FakeRendezvous, StaticDirectory
from p2pchat.testing.network import FakeHost, FakeNetwork
from p2pchat.testing.nodes import FakeTown, connected_pair
from p2pchat.testing.transport import QUEUE, WINDOW


class ClockTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = FakeClock(0)
        self.calls: list[tuple[float, str]] = []

    def call(self, name: str) -> None:
        self.calls.append((self.clock.seconds(), name))

    def test_calls_come_at_their_times_and_in_their_order(self) -> None:
        verifyObject(IReactorTime, self.clock)
        for delay, name in ((2, "c"), (1, "a"), (1, "b")):
            self.clock.callLater(delay, self.call, name)
        self.clock.run(1.5)
        self.assertEqual(self.calls, [(1, "a"), (1, "b")])
        self.assertEqual(self.clock.seconds(), 1.5)
        self.clock.run(1)
        self.assertEqual(self.calls[2:], [(2, "c")])

    def test_a_call_that_makes_another_one(self) -> None:
        self.clock.callLater(1, lambda: self.clock.callLater(1, self.call, "later"))
        self.clock.run(5)
        self.assertEqual(self.calls, [(2, "later")])

    def test_cancelled_and_moved_calls(self) -> None:
        cancelled, sooner, later = (self.clock.callLater(5, self.call, n) for n in "xsl")
        both = self.clock.callLater(5, self.call, "b")
        cancelled.cancel()
        sooner.reset(1)
        later.delay(3)
        both.reset(1)
        both.delay(6)
        self.assertEqual(len(self.clock.getDelayedCalls()), 3)
        self.clock.run(10)
        self.assertEqual(self.calls, [(1, "s"), (7, "b"), (8, "l")])
        self.assertEqual(self.clock.getDelayedCalls(), [])


@implementer(IHalfCloseableProtocol)
class End(Protocol):
    """One end of a connection, which remembers."""

    transport: Any

    def __init__(self) -> None:
        self.data = b""
        self.reads: list[int] = []
        self.events: list[str] = []
        self.reason: Any = None

    def connectionMade(self) -> None:
        self.events.append("made")

    def dataReceived(self, data: bytes) -> None:
        self.data += data
        self.reads.append(len(data))

    def readConnectionLost(self) -> None:
        self.events.append("read lost")

    def writeConnectionLost(self) -> None:
        self.events.append("write lost")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.events.append("lost")
        self.reason = reason.type

    # a producer, too
    def pauseProducing(self) -> None:
        self.events.append("pause")

    def resumeProducing(self) -> None:
        self.events.append("resume")

    def stopProducing(self) -> None:
        self.events.append("stop")


class Listening(ServerFactory):
    noisy = False

    def __init__(self) -> None:
        self.ends: list[End] = []

    def buildProtocol(self, addr: object) -> Any:
        self.ends.append(End())
        return self.ends[-1]


class Dialing(ClientFactory):
    noisy = False

    def __init__(self) -> None:
        self.end = End()
        self.failed: Any = None
        self.lost: Any = None

    def buildProtocol(self, addr: object) -> Any:
        return self.end

    def clientConnectionFailed(self, connector: object, reason: Failure) -> None:
        self.failed = reason.type

    def clientConnectionLost(self, connector: object, reason: Failure) -> None:
        self.lost = reason.type


class NetworkTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.network = FakeNetwork(4)
        self.home = self.network.host("10.0.0.1")
        self.away = self.network.host("10.0.0.2")
        verifyObject(IReactorTCP, self.home)
        verifyObject(IReactorTime, self.home)

    def connect(self) -> tuple[End, End]:
        listening, dialing = Listening(), Dialing()
        self.away.listenTCP(4000 + len(self.away.ports), listening)
        self.home.connectTCP("10.0.0.2", max(self.away.ports), dialing)
        self.network.run(0.1)
        return dialing.end, listening.ends[0]

    def test_bytes_arrive_in_order_cut_and_joined(self) -> None:
        here, there = self.connect()
        sent = b""
        for number in range(200):
            here.transport.write(b"%d," % number)
            sent += b"%d," % number
            self.network.run(0.001)
        self.network.run(1)
        self.assertEqual(there.data, sent)
        self.assertGreater(len(set(there.reads)), 3)

    def test_the_same_seed_gives_the_same_run(self) -> None:
        runs = []
        for seed in (1, 1, 2):
            self.network = FakeNetwork(seed)
            self.home, self.away = (self.network.host(f"10.0.0.{n}") for n in (1, 2))
            here, there = self.connect()
            for _ in range(50):
                here.transport.write(b"x" * 10)
                self.network.run(0.01)
            runs.append(there.reads)
        self.assertEqual(runs[0], runs[1])
        self.assertNotEqual(runs[0], runs[2])

    def test_who_does_not_read_stops_the_sender(self) -> None:
        here, there = self.connect()
        there.transport.pauseProducing()
        here.transport.registerProducer(here, True)
        here.transport.write(b"x" * (WINDOW + QUEUE))
        self.network.run(1)
        self.assertEqual((here.transport.queued, there.transport.unread), (QUEUE, WINDOW))
        self.assertEqual(here.events, ["made", "pause"])
        there.transport.resumeProducing()
        self.network.run(1)
        self.assertEqual(here.events, ["made", "pause", "resume"])
        self.assertEqual(len(there.data), WINDOW + QUEUE)

    def test_closing_waits_for_what_was_written(self) -> None:
        here, there = self.connect()
        here.transport.write(b"x" * 200_000)
        here.transport.loseConnection()
        self.network.run(1)
        self.assertEqual(len(there.data), 200_000)
        self.assertEqual((here.events, here.reason), (["made", "lost"], error.ConnectionDone))
        self.assertEqual(there.events, ["made", "read lost"])

    def test_aborting_does_not(self) -> None:
        here, there = self.connect()
        here.transport.write(b"x" * 200_000)
        here.transport.abortConnection()
        self.network.run(1)
        self.assertEqual(there.data, b"")
        self.assertEqual(
            (here.reason, there.reason), (error.ConnectionAborted, error.ConnectionLost)
        )

    def test_half_a_close(self) -> None:
        here, there = self.connect()
        here.transport.write(b"question")
        here.transport.loseWriteConnection()
        here.transport.write(b" and more")
        self.network.run(1)
        here.transport.write(b"too late")
        there.transport.write(b"answer")
        there.transport.loseConnection()
        self.network.run(1)
        self.assertEqual((there.data, here.data), (b"question and more", b"answer"))
        self.assertEqual(here.events, ["made", "write lost", "read lost"])
        here.transport.loseConnection()
        self.network.run(1)
        self.assertEqual(here.reason, error.ConnectionDone)

    def test_closing_with_unread_bytes_throws_away_what_was_said(self) -> None:
        here, there = self.connect()
        there.transport.pauseProducing()
        here.transport.write(b"unread")
        self.network.run(1)
        here.transport.pauseProducing()
        there.transport.write(b"farewell")
        there.transport.loseConnection()
        self.network.run(1)
        self.assertEqual((here.data, here.reason), (b"", error.ConnectionLost))

    def test_writing_to_who_has_closed(self) -> None:
        here, there = self.connect()
        there.transport.loseConnection()
        self.network.run(1)
        here.transport.write(b"anybody?")
        self.network.run(1)
        self.assertEqual(here.reason, error.ConnectionLost)

    def test_links_that_break(self) -> None:
        here, there = self.connect()
        self.assertEqual(self.network.break_links(self.home, self.away), 1)
        self.network.run(1)
        self.assertEqual((here.reason, there.reason), (error.ConnectionLost, error.ConnectionLost))

    def test_a_cable_that_is_pulled(self) -> None:
        here, there = self.connect()
        self.away.unplug()
        here.transport.write(b"hello?")
        self.network.run(100)
        self.assertEqual((there.data, here.events), (b"", ["made"]))
        silent = Dialing()
        self.home.connectTCP("10.0.0.2", 4000, silent, timeout=5)
        self.network.run(6)
        self.assertEqual(silent.failed, error.TimeoutError)
        self.away.plug_in()
        again, _ = self.connect()
        self.assertEqual(again.events, ["made"])

    def test_a_process_that_is_killed(self) -> None:
        here, there = self.connect()
        self.away.callLater(1, self.fail)
        self.away.kill()
        self.network.run(2)
        self.assertEqual(there.events, ["made"])
        self.assertEqual(here.events, ["made", "read lost"])
        self.assertEqual((self.away.ports, self.away.connections()), ({}, []))

    def test_attempts_that_fail(self) -> None:
        loopback = Listening()
        self.away.listenTCP(5000, loopback, interface="127.0.0.1")
        expected = {
            ("10.0.0.2", 4999): error.ConnectionRefusedError,
            ("10.0.0.2", 5000): error.ConnectionRefusedError,
            ("10.9.9.9", 1): error.TimeoutError,
        }
        for (ip, port), reason in expected.items():
            dialing = Dialing()
            self.home.connectTCP(ip, port, dialing, timeout=3)
            self.network.run(4)
            self.assertEqual(dialing.failed, reason)
        stopped = Dialing()
        connector = self.home.connectTCP("10.9.9.9", 1, stopped)
        connector.disconnect()
        self.assertEqual(stopped.failed, error.UserError)
        self.assertRaises(error.NotConnectingError, connector.stopConnecting)
        self.assertRaises(OverflowError, self.home.connectTCP, "10.0.0.2", 0, stopped)

    def test_ports(self) -> None:
        port = self.home.listenTCP(4000, Listening())
        self.assertRaises(error.CannotListenError, self.home.listenTCP, 4000, Listening())
        self.assertEqual((port.getHost().host, port.getHost().port), ("0.0.0.0", 4000))
        done: list[object] = []
        port.stopListening().addCallback(done.append)
        self.network.run(0)
        self.assertEqual((done, self.home.ports), ([None], {}))

    def test_a_protocol_that_fails_is_logged_and_closed(self) -> None:
        here, there = self.connect()
        self.patch(there, "dataReceived", lambda _: 1 / 0)
        here.transport.write(b"x")
        self.network.run(1)
        self.assertEqual(there.reason, ZeroDivisionError)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_what_is_no_bytes_is_not_written(self) -> None:
        here, _ = self.connect()
        self.assertRaises(TypeError, here.transport.write, "text")


class DirectoryTests(SynchronousTestCase):
    def test_leases_end(self) -> None:
        network = FakeNetwork()
        rendezvous = FakeRendezvous(network.clock)
        client = rendezvous.at(network.host("10.0.0.1"))
        verifyObject(IDirectory, client)
        verifyObject(IDirectory, StaticDirectory())
        client.register("CIC", "bob", 4000, 60)
        network.run(1)
        (entry,) = rendezvous.listings("CIC")
        self.assertEqual((entry.ip, entry.ttl, entry.expires_in), ("10.0.0.1", 60, 59))
        self.assertEqual(rendezvous.listings("other"), [])
        network.run(60)
        self.assertFalse(rendezvous.knows("bob@CIC"))


class TownTests(SynchronousTestCase):
    def test_what_is_left_behind_is_noticed(self) -> None:
        town, alice, _ = connected_pair()
        host: FakeHost = town.host_of(alice)
        host.callLater(100, int)
        error_ = self.assertRaises(AssertionError, town.close)
        self.assertIn("10.0.0.1", str(error_))

    def test_what_does_not_come_true_is_told_with_its_seed(self) -> None:
        town = FakeTown(77)
        town.node("alice@CIC")
        town.network.host("10.0.0.2").listenTCP(4000, Listening())
        failure = self.assertRaises(AssertionError, town.network.run_until, lambda: False, 1)
        self.assertIn("seed 77", str(failure))
        town.close()

    def test_two_nodes_of_one_seed_have_the_same_story(self) -> None:
        stories = []
        for _ in range(2):
            town, alice, bob = connected_pair(9)
            town.network.break_links(town.host_of(alice), town.host_of(bob))
            stories.append(town.run_until_meshed())
            town.close()
        self.assertEqual(*stories)

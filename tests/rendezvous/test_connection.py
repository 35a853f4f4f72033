"""Connections of the server, over in-memory transports and a clock that tests turn."""

from __future__ import annotations

import json
from typing import Any, cast

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from p2pchat.rendezvous import requests
from p2pchat.rendezvous.bans import Bans
from p2pchat.rendezvous.connection import RendezvousFactory, RequestProtocol
from p2pchat.rendezvous.limits import Limits
from p2pchat.rendezvous.registry import Registry
from p2pchat.turns import at_once

IP = "192.0.2.1"
REGISTER = b'{"type":"REGISTER","namespace":"CIC","name":"alice","port":4000}\n'
GRANTED = b'{"status":"OK","ttl":7200,"ip":"192.0.2.1","port":4000}\n'
DISCOVER = b'{"type":"DISCOVER"}\n'


class FakeTransport(StringTransport):
    """Remembers a half close and an abort, which StringTransport does not know or act on."""

    half_closed = False
    aborted = False

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        super().registerProducer(producer, streaming)
        if not streaming:  # as a real one
            producer.resumeProducing()

    def take(self) -> None:
        """The other end has read all that was written."""
        if self.producer is not None:
            self.producer.resumeProducing()

    def loseWriteConnection(self) -> None:
        self.half_closed = True

    def abortConnection(self) -> None:
        self.aborted = True

    @property
    def state(self) -> str:
        if self.aborted:
            return "aborted"
        if self.disconnecting:
            return "closing"
        return "lingering" if self.half_closed else "open"


@implementer(IPushProducer)
class RecordingPort:
    """A port that notes when it is paused and resumed."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.numberAccepts = 4096

    def pauseProducing(self) -> None:
        self.calls.append("pause")

    def resumeProducing(self) -> None:
        self.calls.append(f"resume at {self.numberAccepts}")

    def stopProducing(self) -> None: ...


class ServerCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000.25)
        self.begin(Limits())

    def begin(self, limits: Limits) -> None:
        self.factory = RendezvousFactory(Registry(), limits, self.clock, self.clock.seconds)
        self.addCleanup(self.factory.stop)

    def connect(
        self, ip: str = IP, port: int = 4711
    ) -> tuple[RequestProtocol, FakeTransport] | None:
        kind = IPv6Address if ":" in ip else IPv4Address
        protocol = self.factory.buildProtocol(kind("TCP", ip, port))
        if protocol is None:
            return None
        transport = FakeTransport()
        protocol.makeConnection(cast("Any", transport))
        return protocol, transport

    def connected(self, ip: str = IP) -> tuple[RequestProtocol, FakeTransport]:
        connection = self.connect(ip)
        assert connection is not None
        return connection

    def register(self, count: int) -> None:
        """Have so many names registered, and one of loopback."""
        registry, now = self.factory.answers.registry, self.clock.seconds()
        for number in range(count):
            ip = f"10.0.{number // 200}.{number % 200}"
            registry.register(ip, "a", f"x{number}", 1, 7200, now)
        registry.register("127.0.0.1", "a", "me", 1, 7200, now)

    def lose(self, protocol: RequestProtocol) -> None:
        protocol.connectionLost(Failure(ConnectionDone()))

    def ask(self, line: bytes, ip: str = IP) -> bytes:
        protocol, transport = self.connected(ip)
        protocol.dataReceived(line)
        self.assertEqual(transport.state, "closing")
        self.lose(protocol)
        reply: bytes = transport.value()
        return reply

    def message(self, reply: bytes) -> str:
        self.assertTrue(reply.endswith(b"\n"))
        return str(json.loads(reply)["message"])


class LineTests(ServerCase):
    """From bytes to the request, whose answer is tested in `test_answers`."""

    def test_ipv4_in_ipv6_is_shown_as_ipv4(self) -> None:
        self.assertEqual(self.ask(REGISTER, "::ffff:192.0.2.1"), GRANTED)
        self.assertIn(b'"ip":"2001:db8::1"', self.ask(REGISTER, "2001:db8::1"))

    def test_in_pieces(self) -> None:
        for size in (1, 7, 40):
            protocol, transport = self.connected()
            for start in range(0, len(REGISTER), size):
                self.assertEqual(transport.value(), b"")
                protocol.dataReceived(REGISTER[start : start + size])
            self.assertEqual((transport.value(), transport.state), (GRANTED, "closing"))
            self.lose(protocol)

    def test_only_the_first_line_counts_and_its_sender_may_still_be_sending(self) -> None:
        protocol, transport = self.connected()
        protocol.dataReceived(REGISTER + DISCOVER)
        protocol.dataReceived(DISCOVER * 1000)
        self.assertEqual((transport.value(), transport.state), (GRANTED, "lingering"))
        protocol.writeConnectionLost()
        self.assertEqual(transport.state, "lingering")
        protocol.readConnectionLost()
        self.assertEqual((transport.value(), transport.state), (GRANTED, "closing"))

    def test_lingering_ends(self) -> None:
        protocol, transport = self.connected()
        protocol.dataReceived(REGISTER + b"x")
        for _ in range(8):
            self.assertEqual(transport.state, "lingering")
            self.clock.advance(0.24)
            protocol.dataReceived(b"x")
        self.clock.advance(0.5)
        self.assertEqual(transport.state, "aborted")

    def test_a_tail_without_newline(self) -> None:
        protocol, transport = self.connected()
        self.assertTrue(IHalfCloseableProtocol.providedBy(protocol))
        protocol.dataReceived(REGISTER[:10])
        protocol.dataReceived(REGISTER[10:-1])
        self.assertEqual(transport.value(), b"")
        protocol.readConnectionLost()
        self.assertEqual((transport.value(), transport.state), (GRANTED, "closing"))

    def test_end_without_a_byte(self) -> None:
        protocol, transport = self.connected()
        protocol.readConnectionLost()
        self.assertEqual(self.message(transport.value()), "Empty request line")
        self.assertEqual(transport.state, "closing")

    def test_the_longest_line(self) -> None:
        longest = b"x" * 32_767
        for pieces in ([longest + b"\n"], [longest, b"\n"], [longest[:5], longest[5:] + b"\n"]):
            protocol, transport = self.connected()
            for piece in pieces:
                protocol.dataReceived(piece)
            self.assertEqual(self.message(transport.value()), "Unknown command")
            self.lose(protocol)
        protocol, transport = self.connected()
        protocol.dataReceived(b"x" * 32_768)
        self.assertEqual(transport.value(), b"")
        protocol.readConnectionLost()
        self.assertEqual(self.message(transport.value()), "Unknown command")

    def test_too_long_at_once(self) -> None:
        for pieces in (
            [b"x" * 32_768 + b"\n"],
            [b"x" * 32_769],
            [b"x" * 32_768, b"x"],
            [b"x" * 32_768, b"\n"],
            [b"x" * 65_536],
            [b"x" * 40_000 + b"\n" + REGISTER],
        ):
            protocol, transport = self.connected()
            for piece in pieces:
                protocol.dataReceived(piece)
            self.assertEqual(transport.value(), requests.TOO_LONG)
            self.assertEqual(transport.state, "lingering")
            self.assertEqual(len(protocol._received), 0)
            self.lose(protocol)


class DeadlineTests(ServerCase):
    def advance(self, seconds: float) -> None:
        self.clock.pump([0.25] * round(seconds / 0.25))

    def test_silence(self) -> None:
        protocol, transport = self.connected()
        self.advance(4.75)
        self.assertEqual(transport.value(), b"")
        self.advance(0.5)
        self.assertEqual(transport.value(), requests.TIMED_OUT)
        self.assertEqual(transport.state, "lingering")
        self.assertEqual(self.factory.timed_out, 1)
        self.advance(2.5)
        self.assertEqual(transport.state, "aborted")
        self.assertEqual(transport.value(), requests.TIMED_OUT)
        self.lose(protocol)

    def test_silence_is_counted_from_the_latest_byte(self) -> None:
        protocol, transport = self.connected()
        for byte in REGISTER[:5]:
            self.advance(4.5)
            protocol.dataReceived(bytes([byte]))
        self.assertEqual(transport.value(), b"")
        protocol.dataReceived(REGISTER[5:])
        self.assertEqual(transport.value(), GRANTED)
        self.lose(protocol)

    def test_a_dribble_has_an_end(self) -> None:
        protocol, transport = self.connected()
        for _ in range(119):
            protocol.dataReceived(b"x")
            self.advance(0.25)
        self.assertEqual(transport.value(), b"")
        self.advance(0.5)
        self.assertEqual(transport.value(), requests.TIMED_OUT)
        self.lose(protocol)

    def test_a_short_reply_that_nobody_reads_has_an_end(self) -> None:
        self.register(500)
        protocol, transport = self.connected("127.0.0.1")
        protocol.dataReceived(DISCOVER)
        self.assertGreater(len(transport.value()), 40_000)
        self.advance(3)
        self.assertEqual(transport.state, "closing")
        self.advance(1)
        self.assertEqual(transport.state, "aborted")
        self.lose(protocol)

    def test_one_timer_for_all_and_none_when_idle(self) -> None:
        connections = [self.connected() for _ in range(20)]
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        for protocol, _ in connections:
            self.lose(protocol)
        self.advance(0.25)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stopping_leaves_nothing(self) -> None:
        _, transport = self.connected()
        self.factory.stop()
        self.assertEqual(transport.state, "aborted")
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertIsNone(self.connect())
        self.factory.stop()
        self.factory.resume()
        self.assertIsNotNone(self.connect())


class LongReplyTests(ServerCase):
    """A reply in pieces, and readers that take them slowly, not at all, or all at once."""

    def setUp(self) -> None:
        super().setUp()
        self.register(15_000)
        self.replies = self.factory.answers.registry.long_replies

    def asking(self, line: bytes = DISCOVER) -> tuple[RequestProtocol, FakeTransport]:
        protocol, transport = self.connected("127.0.0.1")
        protocol.dataReceived(line)
        return protocol, transport

    def advance(self, seconds: float) -> None:
        self.clock.pump([0.25] * round(seconds / 0.25))

    def test_piece_by_piece_as_it_is_read(self) -> None:
        protocol, transport = self.asking()
        sizes = [len(transport.value())]
        while transport.state == "open":
            transport.take()
            sizes.append(len(transport.value()))
        self.assertEqual(len(json.loads(transport.value())["peers"]), 15_001)
        self.assertLess(max(b - a for a, b in zip([0, *sizes], sizes, strict=False)), 140_000)
        self.assertEqual((transport.state, transport.producer), ("closing", None))
        self.lose(protocol)

    def test_a_client_that_has_sent_more_or_closed_its_half_gets_it_all(self) -> None:
        for line, close, end in (
            (DISCOVER * 3, False, "lingering"),
            (DISCOVER * 3, True, "closing"),
            (DISCOVER, True, "closing"),
            (DISCOVER[:-1], True, "closing"),
        ):
            protocol, transport = self.asking(line)
            if close:
                protocol.readConnectionLost()
            self.assertEqual(transport.state, "open")
            while transport.producer is not None:
                transport.take()
            self.assertEqual(len(json.loads(transport.value())["peers"]), 15_001)
            self.assertEqual(transport.state, end)
            self.lose(protocol)

    def test_who_reads_nothing_is_cut_off_after_ten_seconds(self) -> None:
        protocol, transport = self.asking()
        self.advance(9.75)
        self.assertEqual(transport.state, "open")
        self.advance(0.5)
        self.assertEqual(transport.state, "aborted")
        self.assertLess(len(transport.value()), 140_000)
        transport.take()  # the reactor may ask once more
        self.assertLess(len(transport.value()), 140_000)
        self.lose(protocol)

    def test_who_reads_very_slowly_is_cut_off_after_a_minute(self) -> None:
        protocol, transport = self.asking()
        for _ in range(6):
            self.advance(9)
            transport.take()
            self.assertEqual(transport.state, "open")
        self.advance(6.25)
        self.assertEqual(transport.state, "aborted")
        self.lose(protocol)

    def test_three_hundred_readers_that_read_nothing_share_its_first_pieces(self) -> None:
        readers = [self.asking() for _ in range(300)]
        (reply,) = self.replies._kept
        self.assertEqual((len(reply.readers), len(reply._pieces)), (300, 2))
        self.advance(10.5)
        self.assertEqual({transport.state for _, transport in readers}, {"aborted"})
        for protocol, _ in readers:
            self.lose(protocol)
        self.assertEqual(len(reply.readers), 0)

    def test_stalling_readers_of_ever_new_replies_never_hold_more_than_the_most(self) -> None:
        self.asking()
        self.replies.most = 3 * self.replies.size
        for _ in range(40):
            self.clock.advance(1)
            self.asking()
            self.assertLessEqual(self.replies.size, self.replies.most)

    def test_who_gives_way_is_cut_off(self) -> None:
        protocol, transport = self.asking()
        self.replies.most = self.replies.size
        for _ in range(2):
            self.advance(5)
            transport.take()
        self.asking()
        self.assertEqual((transport.state, self.replies.cut_off), ("aborted", 1))
        self.lose(protocol)

    def test_lost_evicted_or_stopped_it_is_read_no_more(self) -> None:
        self.lose(self.asking()[0])
        self.asking()[0].abandon()
        (reply,) = self.replies._kept
        self.assertEqual(reply.readers, {})
        protocol, _ = self.asking()
        self.factory.stop()
        self.assertEqual(reply.readers, {})
        protocol.stopProducing()
        self.lose(protocol)


class BanTests(ServerCase):
    def test_a_banned_address_is_turned_away_without_a_word(self) -> None:
        at_once(self.factory.answers.registry.ban(Bans(["192.0.2.0/24", "2001:db8::/32"])))
        for ip in (IP, "::ffff:192.0.2.9", "2001:db8::9"):
            self.assertIsNone(self.connect(ip))
        self.assertEqual(self.factory.banned, 3)
        self.assertIn(b'"OK"', self.ask(REGISTER, "203.0.113.1"))
        at_once(self.factory.answers.registry.ban(Bans()))
        self.assertEqual(self.ask(REGISTER), GRANTED)


class CrowdTests(ServerCase):
    """Too many connections: at a time, and of one address."""

    def states(self, connections: list[tuple[RequestProtocol, FakeTransport]]) -> list[str]:
        return [transport.state for _, transport in connections]

    def test_the_oldest_gives_way_after_its_grace(self) -> None:
        self.begin(Limits(connections=3))
        connections = [self.connected(f"192.0.2.{i}") for i in range(3)]
        self.clock.advance(1)
        connections += [self.connected(f"192.0.3.{i}") for i in range(2)]
        self.assertEqual(self.states(connections), ["aborted", "aborted", "open", "open", "open"])
        self.assertEqual(self.factory.connections.evicted, 2)
        self.lose(connections[0][0])
        connections[4][0].dataReceived(REGISTER)
        self.assertIn(b'"OK"', connections[4][1].value())

    def test_a_storm_waits_in_the_queue_of_the_kernel(self) -> None:
        self.begin(Limits(connections=3))
        port = self.factory.connections.port = RecordingPort()
        connections = [self.connected(f"192.0.2.{i}") for i in range(3)]
        self.assertEqual(port.calls, [])
        connections += [self.connected(f"192.0.3.{i}") for i in range(2)]  # handed over together
        self.assertEqual(self.states(connections), ["open"] * 5)
        self.assertEqual(port.calls, ["pause"])
        for protocol, _ in connections[:3]:
            protocol.dataReceived(REGISTER)
            self.lose(protocol)
        self.assertEqual(port.calls[1:], ["resume at 100"])
        for protocol, _ in connections[3:]:
            self.lose(protocol)
        self.assertEqual(len(port.calls), 2)

    def test_silent_clients_keep_the_others_waiting_for_a_second_at_most(self) -> None:
        self.begin(Limits(connections=3))
        port = self.factory.connections.port = RecordingPort()
        connections = [self.connected(f"192.0.2.{i}") for i in range(4)]
        self.clock.pump([0.25] * 3)
        self.assertEqual(port.calls, ["pause"])
        self.clock.advance(0.25)
        self.assertEqual(port.calls[1:], ["resume at 100"])
        connections.append(self.connected("192.0.3.1"))
        self.assertEqual(self.states(connections), ["aborted", "open", "open", "open", "open"])

    def test_far_too_many_at_once(self) -> None:
        self.begin(Limits(connections=3))
        connections = [self.connected(f"192.0.2.{i}") for i in range(110)]
        self.assertEqual(self.states(connections).count("aborted"), 7)
        self.assertEqual(len(self.factory.connections), 103)

    def test_stopping_while_paused(self) -> None:
        self.begin(Limits(connections=1))
        port = self.factory.connections.port = RecordingPort()
        connections = [self.connected(f"192.0.2.{i}") for i in range(2)]
        self.factory.stop()
        self.assertEqual(self.states(connections), ["aborted"] * 2)
        for protocol, _ in connections:
            self.lose(protocol)
        self.assertEqual(port.calls, ["pause"])

    def test_fifty_connections_then_silence_then_the_sentence(self) -> None:
        for _ in range(50):
            self.ask(REGISTER)
        protocol, transport = self.connected()
        protocol.dataReceived(REGISTER)
        self.assertEqual((transport.value(), transport.state), (b"", "lingering"))
        self.lose(protocol)
        self.clock.advance(12.5)
        connection = self.connect(port=4321)
        assert connection is not None
        protocol, transport = connection
        sentence = (
            "Connection from 192.0.2.1:4321 has been blocked due to excessive login attempts "
            "(limit: 50). The block will be lifted in 48 seconds."
        )
        self.assertEqual(self.message(transport.value()), sentence)
        self.assertEqual(transport.state, "lingering")
        protocol.dataReceived(REGISTER)
        self.assertEqual(transport.value().count(b"\n"), 1)
        self.lose(protocol)
        self.assertIn(b'"OK"', self.ask(REGISTER, "192.0.2.2"))
        self.clock.advance(47.5)
        self.assertEqual(self.ask(REGISTER), GRANTED)

    def test_a_network_of_ipv6_is_throttled_as_one_address(self) -> None:
        passed = 0
        for number in range(200):
            connection = self.connect(f"2001:db8:1:2:{number:x}::1")
            assert connection is not None
            connection[0].dataReceived(REGISTER)
            passed += b'"OK"' in connection[1].value()
            self.lose(connection[0])
        self.assertEqual(passed, 50)
        self.assertIn(b'"OK"', self.ask(REGISTER, "2001:db8:1:3::1"))

    def test_blocked_addresses_take_no_place_of_others(self) -> None:
        self.begin(Limits(connections=4, per_minute=1))
        self.ask(REGISTER)
        self.connected("192.0.2.2")
        states = [self.connect() is not None for _ in range(4)]
        self.assertEqual(states, [True, False, False, False])
        self.assertEqual(self.factory.connections.evicted, 0)

    def test_loopback_and_a_limit_of_none(self) -> None:
        for ip in ("127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"):
            for _ in range(120):
                self.ask(DISCOVER, ip)
        self.begin(Limits(per_minute=0))
        for _ in range(120):
            self.ask(DISCOVER)


class DrainTests(ServerCase):
    def test_it_waits_for_requests_under_way_and_not_for_silence(self) -> None:
        silent, asking = self.connected(), self.connected()
        asking[0].dataReceived(REGISTER[:9])
        self.clock.advance(1.5)
        young = self.connected()
        drained = self.factory.connections.drained(10.0)
        states = [each[1].state for each in (silent, asking, young)]
        self.assertEqual(states, ["aborted", "open", "open"])
        for protocol, _ in (silent, young):
            self.lose(protocol)
        self.clock.advance(1.0)
        self.assertNoResult(drained)
        asking[0].dataReceived(REGISTER[9:])
        self.assertEqual(asking[1].value(), GRANTED)
        self.lose(asking[0])
        self.clock.advance(0.25)
        self.successResultOf(drained)

    def test_it_does_not_wait_for_longer(self) -> None:
        protocol, _ = self.connected()
        protocol.dataReceived(REGISTER[:9])
        drained = self.factory.connections.drained(2.0)
        for _ in range(9):
            self.clock.advance(0.25)
        self.successResultOf(drained)

    def test_nobody_is_connected(self) -> None:
        self.successResultOf(self.factory.connections.drained(2.0))

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
from p2pchat.rendezvous.connection import Limits, RendezvousFactory, RequestProtocol
from p2pchat.rendezvous.registry import Registry

IP = "192.0.2.1"
REGISTER = b'{"type":"REGISTER","namespace":"CIC","name":"alice","port":4000}\n'
GRANTED = b'{"status":"OK","ttl":7200,"ip":"192.0.2.1","port":4000}\n'
DISCOVER = b'{"type":"DISCOVER"}\n'


class FakeTransport(StringTransport):
    """Remembers a half close and an abort, which StringTransport does not know or act on."""

    half_closed = False
    aborted = False

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

    def test_a_reply_that_nobody_reads_has_an_end(self) -> None:
        for i in range(3000):
            self.factory.answers.registry.register(IP, "a", f"x{i}", 1, 7200, self.clock.seconds())
        protocol, transport = self.connected()
        protocol.dataReceived(DISCOVER)
        self.assertGreater(len(transport.value()), 200_000)
        self.advance(6)
        self.assertEqual(transport.state, "closing")
        self.advance(12)
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

"""Connections behind a balancer: whose they are, who is believed, and what is cut off."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress

from p2pchat.rendezvous.bans import Bans
from p2pchat.rendezvous.limits import Limits
from p2pchat.rendezvous.proxied import ProxiedFactory, ProxiedProtocol
from p2pchat.turns import at_once
from tests.rendezvous.test_connection import DISCOVER, REGISTER, FakeTransport, ServerCase
from tests.rendezvous.test_proxy_header import FIRST_IPV4, second
from tests.support.loglines import captured

BALANCER = IPv4Address("TCP", "10.0.0.1", 5000)
GRANTED = b'{"status":"OK","ttl":7200,"ip":"198.51.100.7","port":4000}\n'


class ProxiedCase(ServerCase):
    def begin(self, limits: Limits, *balancers: str) -> None:
        super().begin(limits)
        self.proxied = ProxiedFactory(self.factory, balancers or ["10.0.0.0/24"])

    def passed_on(self, addr: IAddress = BALANCER) -> tuple[ProxiedProtocol, FakeTransport] | None:
        protocol = self.proxied.buildProtocol(addr)
        if protocol is None:
            return None
        transport = FakeTransport()
        protocol.makeConnection(cast("Any", transport))
        return protocol, transport

    def said(self, data: bytes, addr: IAddress = BALANCER) -> tuple[bytes, str]:
        """What comes back, and how the connection is then."""
        passed = self.passed_on(addr)
        assert passed is not None
        passed[0].dataReceived(data)
        return passed[1].value(), passed[1].state


class ClientTests(ProxiedCase):
    def test_the_client_s_address_is_what_is_stored(self) -> None:
        for number, header in enumerate((FIRST_IPV4, second("198.51.100.7", 1, more=b"\1\0\0"))):
            self.assertEqual(self.said(header + REGISTER), (GRANTED, "closing"))
            self.assertTrue(self.factory.answers.registry.knows("198.51.100.7", 0.0), number)
        self.assertFalse(self.factory.answers.registry.knows("10.0.0.1", 0.0))

    def test_in_any_pieces(self) -> None:
        data = FIRST_IPV4 + REGISTER
        for size in (1, 7, len(FIRST_IPV4)):
            passed = self.passed_on()
            assert passed is not None
            for begin in range(0, len(data), size):
                passed[0].dataReceived(data[begin : begin + size])
            self.assertEqual(passed[1].value(), GRANTED)

    def test_half_a_close_is_passed_on(self) -> None:
        passed = self.passed_on()
        assert passed is not None
        protocol, transport = passed
        protocol.dataReceived(FIRST_IPV4 + REGISTER[:-1])
        protocol.readConnectionLost()
        self.assertEqual((transport.value(), transport.state), (GRANTED, "closing"))
        protocol.writeConnectionLost()
        self.lose(cast("Any", protocol))
        self.assertEqual(len(self.factory.connections), 0)

    def test_each_client_is_throttled_and_banned_for_itself(self) -> None:
        self.begin(Limits(per_minute=2))
        line = second("198.51.100.7", 1) + DISCOVER
        told = [self.said(line)[0][:40] for _ in range(4)]
        refused = b'{"status":"ERROR","message":"peer_not_re'
        self.assertEqual(told[:3], [refused, refused, b""])
        self.assertIn(b'"message":"Connection ', told[3])
        self.assertEqual(self.said(second("198.51.100.8", 1) + DISCOVER)[0][:40], refused)
        at_once(self.factory.answers.registry.ban(Bans(["198.51.100.8"])))
        self.assertEqual(self.said(second("198.51.100.8", 1) + DISCOVER), (b"", "closing"))

    def test_a_health_check_is_answered_as_often_as_it_comes(self) -> None:
        self.begin(Limits(per_minute=1))
        for header in (second("10.0.0.9", 1, command=0x20), b"PROXY UNKNOWN\r\n"):
            for _ in range(3):
                self.assertIn(b"peer_not_registered", self.said(header + DISCOVER)[0])


class TrustTests(ProxiedCase):
    def test_who_is_believed(self) -> None:
        for balancers, addr, believed in (
            (["10.0.0.1"], BALANCER, True),
            (["10.0.0.1"], IPv4Address("TCP", "10.0.0.2", 1), False),
            (["10.0.0.1"], IPv6Address("TCP", "::ffff:10.0.0.1", 1), True),
            # Not what is inside an address: who comes through a translator is somebody else.
            (["10.0.0.1"], IPv6Address("TCP", "64:ff9b::a00:1", 1), False),
            (["10.0.0.1"], IPv6Address("TCP", "2002:a00:1::1", 1), False),
            (["fe80::/10"], IPv6Address("TCP", "fe80::1%eth0", 1), True),
            (["unix"], UNIXAddress(None), True),
            (["unix"], BALANCER, False),
            (["10.0.0.1"], UNIXAddress(b"/x"), False),
        ):
            self.begin(Limits(), *balancers)
            self.assertEqual(self.passed_on(addr) is not None, believed, (balancers, addr))
            self.assertEqual(self.proxied.strangers, not believed)

    def test_a_wrong_header_is_cut_off_and_told_once(self) -> None:
        lines = captured(self)
        for data in (REGISTER, b"PROXY TCP4 x y 1 2\r\n", b"x" * 70_000):
            self.assertEqual(self.said(data), (b"", "aborted"))
        self.assertEqual(self.proxied.bad_headers, 3)
        self.assertEqual(len(lines()), 1)
        self.assertIn("balancer 10.0.0.1 has no PROXY header", lines()[0])

    def test_a_header_that_dribbles_in_is_late(self) -> None:
        passed = self.passed_on()
        assert passed is not None
        protocol, transport = passed
        for byte in FIRST_IPV4[:24]:
            protocol.dataReceived(bytes([byte]))
            self.clock.advance(0.25)
        self.assertEqual(transport.state, "aborted")
        protocol.dataReceived(FIRST_IPV4[24:] + REGISTER)
        self.assertEqual(transport.value(), b"")

    def test_one_that_ends_early(self) -> None:
        for data, bad in ((b"", 0), (b"PROXY TCP4", 1)):
            passed = self.passed_on()
            assert passed is not None
            passed[0].dataReceived(data)
            passed[0].readConnectionLost()
            self.lose(cast("Any", passed[0]))
            self.assertEqual(self.proxied.bad_headers, bad)
        self.assertEqual(len(self.factory.connections), 0)

    def test_those_without_a_header_have_places_like_all_others(self) -> None:
        self.begin(Limits(connections=1))
        first = self.passed_on()
        assert first is not None
        self.clock.advance(1.1)
        second_one = self.passed_on()
        assert second_one is not None
        self.assertEqual((first[1].state, second_one[1].state), ("aborted", "open"))
        self.factory.stop()
        self.assertEqual(second_one[1].state, "aborted")
        self.assertIsNone(self.passed_on())

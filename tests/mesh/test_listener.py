"""Inbound connections: who gets a place, and what the others are told."""

from __future__ import annotations

import json

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.link.admission import Admission
from p2pchat.mesh.link.context import LinkContext
from p2pchat.mesh.link.listener import REFUSALS, PeerServerFactory, Refusal
from p2pchat.mesh.link.protocol import PeerProtocol
from p2pchat.settings.values import LimitSettings, Settings
from p2pchat.testing.clock import FakeClock
from p2pchat.wire.identity import Identity
from tests.support.links import TIME, RecordingOwner


class ListenerTests(SynchronousTestCase):
    def setUp(self) -> None:
        limits = LimitSettings(max_links_per_ip=2)
        self.factory = PeerServerFactory()
        self.clock = FakeClock()
        self.factory.context = LinkContext(
            Identity.of("me@CIC"),
            Settings(limits=limits),
            RecordingOwner(),
            self.clock,
            new_id=lambda: "id",
            timestamp=lambda: TIME,
        )
        self.factory.admission = Admission(limits)

    def connects(self, ip: str) -> object:
        protocol = self.factory.buildProtocol(IPv4Address("TCP", ip, 50_000))
        if isinstance(protocol, PeerProtocol):
            protocol.ip = ip
            self.factory.admission.arrived(protocol, 0.0)
        return protocol

    def test_who_finds_a_place_gets_a_link(self) -> None:
        link = self.connects("10.0.0.2")
        assert isinstance(link, PeerProtocol)
        self.assertFalse(link.outbound)
        self.assertEqual(self.factory.admission.links, 1)

    def test_who_finds_none_is_told_so(self) -> None:
        for _ in range(2):
            link = self.connects("10.0.0.2")
            assert isinstance(link, PeerProtocol)
            self.factory.admission.settled(link)
        refusal = self.connects("10.0.0.2")
        assert isinstance(refusal, Refusal)
        transport = StringTransport()
        refusal.makeConnection(transport)
        bye = json.loads(transport.value())
        self.assertEqual((bye["type"], bye["reason"], bye["src"]), ("BYE", "busy", "me@CIC"))
        self.assertTrue(transport.disconnecting)
        refusal.dataReceived(b"whatever")
        self.assertEqual(self.factory.admission.links, 2)
        self.assertIsInstance(self.connects("10.0.0.3"), PeerProtocol)

    def test_many_refusals_a_second_are_told_to_some_of_them(self) -> None:
        for _ in range(2):
            link = self.connects("10.0.0.2")
            assert isinstance(link, PeerProtocol)
            self.factory.admission.settled(link)
        answers = [self.connects("10.0.0.2") for _ in range(3 * REFUSALS)]
        self.assertEqual(sum(isinstance(it, Refusal) for it in answers), REFUSALS)
        self.assertEqual(answers[REFUSALS:], [None] * 2 * REFUSALS)
        self.clock.run(1)
        self.assertIsInstance(self.connects("10.0.0.2"), Refusal)

    def test_so_are_those_of_who_is_blocked(self) -> None:
        self.factory.refuses = lambda ip: ip == "10.0.0.9"
        answers = [self.connects("10.0.0.9") for _ in range(2 * REFUSALS)]
        self.assertEqual(sum(isinstance(it, Refusal) for it in answers), REFUSALS)
        self.assertIsInstance(self.connects("10.0.0.3"), PeerProtocol)

    def test_an_address_without_an_ip(self) -> None:
        self.assertIsInstance(self.factory.buildProtocol(None), PeerProtocol)

    def test_ipv4_that_came_to_a_socket_of_both_families(self) -> None:
        """Limits, logs and lists of the blocked know one form of it."""
        asked: list[str] = []

        def refuses(ip: str) -> bool:
            asked.append(ip)
            return False

        self.factory.refuses = refuses
        link = self.factory.buildProtocol(IPv6Address("TCP", "::ffff:10.0.0.2", 50_000))
        assert isinstance(link, PeerProtocol)
        transport = StringTransport(peerAddress=IPv6Address("TCP", "::ffff:10.0.0.2", 50_000))
        link.makeConnection(transport)
        self.assertEqual(
            (asked, link.ip, link.address), (["10.0.0.2"], "10.0.0.2", "10.0.0.2:50000")
        )

    def test_all_addresses_of_an_ipv6_network_are_one(self) -> None:
        for prefix in ("2001:db8:0:1::", "fe80::"):
            for number in range(1, 3):
                link = self.connects(f"{prefix}{number}")
                assert isinstance(link, PeerProtocol)
                self.assertTrue(self.factory.admission.opened(link, 0.0, friend=False))
        self.assertIsInstance(self.connects("2001:db8:0:1::ffff"), Refusal)
        # On one link, friends have places of their own: whether it is one, HELLO tells.
        third = self.connects("fe80::ffff")
        assert isinstance(third, PeerProtocol)
        self.assertFalse(self.factory.admission.opened(third, 0.0, friend=False))
        self.assertIsInstance(self.connects("2001:db8:0:2::1"), PeerProtocol)

"""Nodes that find each other at a rendezvous that passes keys on as hints."""

from __future__ import annotations

from typing import Any

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.identity.key_text import key_text
from p2pchat.node.node import ChatNode
from p2pchat.settings.values import LimitSettings, SecuritySettings, Settings
from p2pchat.testing.network import FakeHost
from p2pchat.testing.nodes import FakeTown
from p2pchat.testing.transport import FakeTransport
from tests.support.rotations import keys_of

REQUIRE = Settings(limits=LimitSettings(peer_rate=0), security=SecuritySettings(policy="require"))


class HintTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.town = FakeTown(5)
        self.addCleanup(self.town.close)
        self.served = self.town.serve()
        self.heard: list[tuple[str, bytes]] = []
        self.town.network.tap = self._tap

    def _tap(self, end: FakeTransport, data: bytes) -> None:
        self.heard.append((end.other.host.ip, data))

    def hellos(self) -> list[str]:
        """Who said HELLO in the clear, by address."""
        return [ip for ip, data in self.heard if b'"HELLO"' in data]

    def enter(self, name: str, host: FakeHost, key: str) -> None:
        """Register somebody, with a hint."""
        now = self.served.host.seconds()
        self.served.registry.register(host.ip, "CIC", name, 4000, 7200, now, key)

    def key_of(self, node: ChatNode) -> list[bytes | None]:
        return [link.key for link in node.mesh.links]

    def test_the_first_contact_hides_the_names(self) -> None:
        self.town.node("alice@CIC", sealed=True)
        self.town.node("bob@CIC", sealed=True)
        self.town.run_until_meshed()
        self.assertEqual(self.hellos(), [])

    def test_a_wrong_key_is_no_reason_to_refuse(self) -> None:
        bob = self.town.node("bob@CIC", sealed=True)
        self.town.run(1)
        self.enter("bob", self.town.host_of(bob), key_text(bytes([9]) * 32))
        alice = self.town.node("alice@CIC", sealed=True)
        self.town.run_until_meshed()
        self.assertEqual(self.key_of(alice), [keys_of("bob@CIC").own])
        assert alice.trusting is not None
        pin = alice.trusting.known.pin_of("bob@CIC")
        assert pin is not None
        self.assertTrue(pin.has(keys_of("bob@CIC").own))

    def test_who_cannot_encrypt_is_reached_by_one_connection_more(self) -> None:
        bob = self.town.host_of(self.town.node("bob@CIC"))
        carol = self.town.plain("carol@CIC", ask=False).host
        self.town.run(1)
        for name, host in (("bob", bob), ("carol", carol)):
            self.enter(name, host, key_text(bytes([9]) * 32))
        alice = self.town.node("alice@CIC", sealed=True, start=False)
        dials: list[str] = []
        ours = self.town.host_of(alice)
        connect = ours.connectTCP

        def dial(ip: str, *rest: Any, **more: Any) -> Any:
            dials.append(ip)
            return connect(ip, *rest, **more)

        self.patch(ours, "connectTCP", dial)
        alice.startService()
        self.town.run(30)
        links = {link.peer_id: link.key for link in alice.mesh.links}
        self.assertEqual(links, {"bob@CIC": None, "carol@CIC": None})
        self.assertEqual([dials.count(host.ip) for host in (bob, carol)], [2, 2])

    def test_never_in_the_clear_where_that_is_required(self) -> None:
        bob = self.town.node("bob@CIC")
        self.town.run(1)
        self.enter("bob", self.town.host_of(bob), key_text(bytes([9]) * 32))
        alice = self.town.node("alice@CIC", sealed=True, settings=REQUIRE)
        ours = self.town.host_of(alice).ip
        self.heard.clear()
        self.town.run(60)
        self.assertEqual(self.key_of(alice), [])
        self.assertNotIn(ours, self.hellos())

    def test_who_encrypts_no_more_says_no_key(self) -> None:
        bob = self.town.node("bob@CIC", sealed=True)
        self.town.run(1)
        (entry,) = self.served.registry.all()
        self.assertEqual(entry.hint, key_text(keys_of("bob@CIC").own))
        off = SecuritySettings(policy="off")
        bob.configure(msgspec.structs.replace(bob.settings, security=off))
        bob.presence.register_anew()
        self.town.run(1)
        (entry,) = self.served.registry.all()
        self.assertEqual(entry.hint, "")

"""What waits for a peer goes to the key that its name had when it was said, and to no other."""

from __future__ import annotations

from typing import Any

from p2pchat.mesh.identity.known_keys import KnownKeys
from p2pchat.node.node import ChatNode
from p2pchat.testing.nodes import fake_keys
from tests.together.test_keeping import KeepingCase


class SealedCase(KeepingCase):
    """Nodes that have keys, and keep messages."""

    def sealed(
        self, name: str, *, owner: str = "", known: KnownKeys | None = None, **options: Any
    ) -> ChatNode:
        wall = self.town.network.host("10.0.0.1").wall
        return self.node(
            name,
            make_keys=lambda peer_id: fake_keys(peer_id, owner=owner, wall=wall, known=known),
            **options,
        )

    def friends(self) -> tuple[ChatNode, ChatNode]:
        alice, bob = self.sealed("alice@CIC"), self.sealed("bob@CIC", keeps=False)
        self.meet()
        alice.send("bob@CIC", "hi")
        self.town.run(2)
        self.assertEqual(self.texts(bob), ["hi"])
        return alice, bob

    def securities(self, node: ChatNode) -> dict[str, str]:
        return {link.peer_id: link.security for link in node.mesh.links}


class SealedOutboxTests(SealedCase):
    def test_an_impostor_and_a_plain_program_come_first(self) -> None:
        alice, bob = self.friends()
        self.town.kill(bob)
        self.town.run(1)
        alice.send("bob@CIC", "for bob alone")
        mallory = self.sealed("bob@CIC", keeps=False, owner="mallory", ip="10.0.0.66")
        self.town.run(60)
        plain = self.node("bob@CIC", keeps=False, ip="10.0.0.77")
        self.town.run(60)
        self.assertEqual(len(alice.outgoing.outbox), 1)
        self.assertEqual((self.texts(mallory), self.texts(plain)), ([], []))
        back = self.sealed("bob@CIC", keeps=False, ip="10.0.0.88")
        self.town.run(120)
        self.assertEqual(self.texts(back), ["for bob alone"])
        self.assertEqual((self.texts(mallory), self.texts(plain)), ([], []))
        self.assertEqual(len(alice.outgoing.outbox), 0)

    def test_the_first_key_of_a_name_gets_what_was_said_to_nobody_yet(self) -> None:
        alice = self.sealed("alice@CIC")
        self.town.run(1)
        alice.send("bob@CIC", "whoever you are")
        self.town.run(1)
        bob = self.sealed("bob@CIC", keeps=False)
        self.town.run(30)
        self.assertEqual(self.texts(bob), ["whoever you are"])
        assert alice.trusting is not None
        pin = alice.trusting.known.pin_of("bob@CIC")
        assert pin is not None
        self.assertTrue(pin.settled)

    def said_in_the_clear(self) -> tuple[ChatNode, ChatNode]:
        """Alice has said something to a plain bob, who did not get it, and a key has come."""
        alice, plain = self.sealed("alice@CIC"), self.node("bob@CIC", keeps=False, ip="10.0.0.5")
        self.meet()
        self.assertEqual(self.securities(alice), {"bob@CIC": "plain"})
        self.town.host_of(plain).unplug()
        alice.send("bob@CIC", "for the plain one")
        self.town.run(1)
        new = self.sealed("bob@CIC", keeps=False, owner="a new key", ip="10.0.0.66")
        self.town.run(120)
        self.assertEqual(self.securities(alice), {"bob@CIC": "encrypted"})
        self.town.kill(plain)
        return alice, new

    def test_what_was_said_in_the_clear_goes_to_no_later_key(self) -> None:
        alice, new = self.said_in_the_clear()
        self.assertEqual(self.texts(new), [])
        self.assertEqual(len(alice.outgoing.outbox), 1)
        alice.send("bob@CIC", "for the new one")
        alice.send("bob@CIC", "and this")
        self.town.run(5)
        self.assertEqual(self.texts(new), ["for the new one", "and this"])
        self.assertEqual(len(alice.outgoing.outbox), 1)

    def test_but_by_the_decision_of_the_person(self) -> None:
        alice, new = self.said_in_the_clear()
        assert alice.trusting is not None
        assert new.trusting is not None
        alice.trusting.trust("bob@CIC", new.trusting.own_fingerprint, typed=True)
        self.town.run(5)
        self.assertEqual(self.texts(new), ["for the plain one"])

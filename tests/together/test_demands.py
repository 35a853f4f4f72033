"""A message that demands an encrypted or a verified link leaves on no other one, whatever comes."""

from __future__ import annotations

from p2pchat.history.records import ENCRYPTED, VERIFIED
from p2pchat.mesh.identity.known_keys import KnownKeys
from p2pchat.node.news import Became, InsecureError, News
from p2pchat.node.node import ChatNode
from tests.together.test_sealed_outbox import SealedCase


class DemandCase(SealedCase):
    """Alice keeps messages, and what she says demands something."""

    def demand(self, alice: ChatNode, text: str, security: int) -> list[News]:
        told: list[News] = []
        alice.send("bob@CIC", text, told.append, security=security)
        return told


class DemandTests(DemandCase):
    def test_it_waits_for_a_link_that_is_encrypted(self) -> None:
        alice = self.sealed("alice@CIC")
        self.town.run(1)
        told = self.demand(alice, "sealed", ENCRYPTED)
        alice.send("bob@CIC", "anyhow")
        self.town.run(1)
        plain = self.node("bob@CIC", keeps=False, ip="10.0.0.77")
        self.town.run(60)
        self.assertEqual(self.texts(plain), ["anyhow"], "the other one does not wait behind it")
        self.assertEqual([news.became for news in told], [Became.QUEUED])
        alice.send("bob@CIC", "and this at once")
        self.town.run(0.2)
        self.assertEqual(self.texts(plain), ["anyhow", "and this at once"])
        with self.assertRaises(InsecureError):
            self.demand(alice, "another", ENCRYPTED)
        self.town.kill(plain)
        bob = self.sealed("bob@CIC", keeps=False, ip="10.0.0.88")
        self.town.run(120)
        self.assertEqual(self.texts(bob), ["sealed"])
        self.assertEqual(told[-1].became, Became.DELIVERED)
        self.assertEqual(len(alice.outgoing.outbox), 0)

    def test_it_waits_until_the_key_is_verified(self) -> None:
        alice = self.sealed("alice@CIC")
        self.town.run(1)
        self.demand(alice, "for your eyes", VERIFIED)
        self.demand(alice, "whoever you are", ENCRYPTED)
        bob = self.sealed("bob@CIC", keeps=False)
        self.town.run(30)
        self.assertEqual(self.texts(bob), ["whoever you are"])
        assert alice.trusting is not None
        assert bob.trusting is not None
        alice.trusting.verify("bob@CIC", bob.trusting.own_fingerprint)
        self.town.run(1)
        self.assertEqual(self.texts(bob), ["whoever you are", "for your eyes"])

    def test_the_demand_outlives_a_restart_and_a_kill(self) -> None:
        alice = self.sealed("alice@CIC")
        self.town.run(1)
        self.demand(alice, "sealed", ENCRYPTED)
        self.demand(alice, "for your eyes", VERIFIED)
        self.town.run(1)
        for how in ("kill", "leave"):
            if how == "kill":
                self.town.kill(alice)
            else:
                self.town.leave(alice)
            alice = self.sealed("alice@CIC", ip="10.0.0.1")
            plain = self.node("bob@CIC", keeps=False, ip="10.0.0.77")
            self.town.run(60)
            self.assertEqual(self.texts(plain), [])
            self.assertEqual(len(alice.outgoing.outbox), 2)
            self.town.kill(plain)
            self.town.run(1)
        bob = self.sealed("bob@CIC", keeps=False, ip="10.0.0.88")
        self.town.run(120)
        self.assertEqual(self.texts(bob), ["sealed"])
        assert alice.trusting is not None
        assert bob.trusting is not None
        alice.trusting.verify("bob@CIC", bob.trusting.own_fingerprint)
        self.town.run(1)
        self.assertEqual(self.texts(bob), ["sealed", "for your eyes"])

    def test_what_is_not_acknowledged_goes_out_again_on_no_other_link(self) -> None:
        alice, bob = self.friends()
        self.town.host_of(bob).unplug()
        told = self.demand(alice, "sealed", ENCRYPTED)
        self.town.run(1)
        assert alice.trusting is not None
        alice.trusting.forget("bob@CIC")
        self.town.kill(bob)
        plain = self.node("bob@CIC", keeps=False, ip="10.0.0.77")
        self.town.run(200)
        self.assertEqual(self.securities(alice), {"bob@CIC": "plain"})
        self.assertEqual(self.texts(plain), [])
        self.assertNotIn(Became.DELIVERED, [news.became for news in told])
        self.assertEqual(len(alice.outgoing.outbox), 1)


class RestartTests(DemandCase):
    """What waits for a name, over a restart of who said it."""

    def test_it_goes_to_the_pinned_key_alone(self) -> None:
        known = KnownKeys(self.town.network.host("10.0.0.1").wall)
        alice = self.sealed("alice@CIC", known=known)
        bob = self.sealed("bob@CIC", keeps=False)
        self.meet()
        alice.send("bob@CIC", "hi")
        self.town.run(2)
        self.town.kill(bob)
        self.town.run(1)
        alice.send("bob@CIC", "for bob alone")
        self.town.run(1)
        self.town.kill(alice)
        # The pins are what the file of the keys would hold.
        alice = self.sealed("alice@CIC", known=known, ip="10.0.0.1")
        mallory = self.sealed("bob@CIC", keeps=False, owner="mallory", ip="10.0.0.66")
        self.town.run(60)
        plain = self.node("bob@CIC", keeps=False, ip="10.0.0.77")
        self.town.run(60)
        self.assertEqual((self.texts(mallory), self.texts(plain)), ([], []))
        self.assertEqual(len(alice.outgoing.outbox), 1)
        back = self.sealed("bob@CIC", keeps=False, ip="10.0.0.88")
        self.town.run(120)
        self.assertEqual(self.late(back) or self.texts(back), ["for bob alone"])
        self.assertEqual((self.texts(mallory), self.texts(plain)), ([], []))
        self.assertEqual(len(alice.outgoing.outbox), 0)

    def test_what_was_said_in_the_clear_goes_to_no_later_key(self) -> None:
        alice = self.sealed("alice@CIC")
        plain = self.node("bob@CIC", keeps=False, ip="10.0.0.5")
        self.meet()
        self.assertEqual(self.securities(alice), {"bob@CIC": "plain"})
        self.town.host_of(plain).unplug()
        alice.send("bob@CIC", "for the plain one")
        self.town.run(1)
        self.town.kill(alice)
        self.town.kill(plain)
        alice = self.sealed("alice@CIC", ip="10.0.0.1")
        new = self.sealed("bob@CIC", keeps=False, owner="a new key", ip="10.0.0.66")
        self.town.run(120)
        self.assertEqual(self.securities(alice), {"bob@CIC": "encrypted"})
        self.assertEqual((self.texts(new), len(alice.outgoing.outbox)), ([], 1))
        assert alice.trusting is not None
        assert new.trusting is not None
        alice.trusting.trust("bob@CIC", new.trusting.own_fingerprint, typed=True)
        self.town.run(5)
        self.assertEqual(self.texts(new), ["for the plain one"])

"""Nodes that are killed, or lose the power, and whom they know after that."""

from __future__ import annotations

from functools import partial
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.node.node import ChatNode
from p2pchat.testing.disk import FakeDisk
from p2pchat.testing.nodes import FakeTown, fake_keys

ROUNDS = 80


class PinsThatSurviveTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.chance = Random(11)
        self.town = FakeTown(11)
        self.disk = FakeDisk(Random(12))
        self.disk.delay = (0.0, 0.3)  # slower than the network
        self.bob = self.town.node("bob@CIC", sealed=True)

    def alice(self) -> ChatNode:
        return self.town.node("alice@CIC", ip="10.0.1.1", sealed=True, disk=self.disk)

    def mallory(self) -> ChatNode:
        """Somebody with the name of bob, and another key."""
        host = self.town.network.host("10.0.6.6")
        keys = partial(fake_keys, owner="mallory", wall=host.wall)
        return self.town.node("bob@CIC", ip=host.ip, sealed=True, make_keys=keys)

    def test_200_kills_and_power_cuts(self) -> None:
        """Whatever bob has got from alice came by a pin that holds after the kill."""
        alice, settled = self.alice(), False
        for number in range(ROUNDS):
            if not settled:
                self.town.run(self.chance.uniform(0.5, 3))
                if alice.peers.is_linked("bob@CIC"):
                    alice.send("bob@CIC", f"{number}")
            self.town.run(self.chance.choice((0, 0.02, 0.1, 0.2, 2)))
            got, power = bool(self.town.seen(self.bob).texts), number % 2 == 1
            if power:
                self.town.run(2.5)  # synced within a second, on a quick disk
                got = bool(self.town.seen(self.bob).texts)
            self.town.kill(alice)
            if power:
                self.disk.power_loss()
            alice = self.alice()
            assert alice.trusting is not None
            assert self.bob.trusting is not None
            pin = alice.trusting.known.pin_of("bob@CIC")
            settled = pin is not None and pin.settled
            if got:
                assert pin is not None
                self.assertTrue(pin.settled, f"round {number}")
            if pin is not None:
                self.assertEqual(pin.key, self.bob.trusting.own_key)
            if settled and number % 20 == 19:
                self.impostor(alice)
            if settled and number % 10 == 9:
                self.town.run(2)
                self.forget(alice)
                settled = False
        self.town.leave(alice)
        self.town.close()

    def forget(self, alice: ChatNode) -> None:
        """Begin anew: the decision is synced, and bob has got nothing yet."""
        assert alice.trusting is not None
        decision = alice.trusting.forget("bob@CIC")
        self.town.run(3)
        self.assertEqual(self.successResultOf(decision.synced), "")
        self.town.seen(self.bob).messages.clear()

    def impostor(self, alice: ChatNode) -> None:
        """bob is away, and another comes under the name, whom alice writes to."""
        self.town.leave(self.bob)
        mallory = self.mallory()
        alice.send("bob@CIC", "for bob alone")
        self.town.run(10)
        self.assertEqual(self.town.seen(mallory).messages, [])
        self.town.leave(mallory)
        messages = self.town.seen(self.bob).messages
        self.bob = self.town.node("bob@CIC", sealed=True)
        self.town.seen(self.bob).messages += messages
        self.town.run(5)

    def test_what_was_not_synced_may_be_gone_with_the_power(self) -> None:
        alice = self.alice()
        self.town.run_until_meshed()
        assert alice.trusting is not None
        assert self.bob.trusting is not None
        decision = alice.trusting.verify("bob@CIC", self.bob.trusting.own_fingerprint)
        self.assertNoResult(decision.synced)
        self.town.kill(alice)
        self.disk.power_loss()
        alice = self.alice()
        assert alice.trusting is not None
        self.assertIsNone(alice.trusting.known.pin_of("bob@CIC"))
        self.town.close()

    def test_without_a_history(self) -> None:
        """A first message waits for the disk all the same, and the next ones behind it."""
        host = self.town.network.host("10.0.1.1")
        self.disk.delay = (0.3, 0.3)
        keys = partial(fake_keys, wall=host.wall, disk=self.disk, host=host)
        alice = self.town.node("alice@CIC", ip=host.ip, make_keys=keys)
        self.town.run_until_meshed()
        for text in ("1", "2", "3"):
            alice.send("bob@CIC", text)
        self.town.run(0.2)
        self.assertEqual(self.town.seen(self.bob).texts, [])
        self.town.run(1)
        self.assertEqual(self.town.seen(self.bob).texts, ["1", "2", "3"])
        self.assertEqual(len(self.town.seen(alice).acked), 3)
        self.town.close()

    def test_without_a_history_and_the_link_ends(self) -> None:
        host = self.town.network.host("10.0.1.1")
        self.disk.delay = (2.0, 2.0)
        keys = partial(fake_keys, wall=host.wall, disk=self.disk, host=host)
        alice = self.town.node("alice@CIC", ip=host.ip, make_keys=keys)
        self.town.run_until_meshed()
        alice.send("bob@CIC", "1")
        self.town.leave(self.bob)
        self.town.run(6)
        self.assertEqual(len(self.town.seen(alice).failed), 1)
        self.assertEqual(alice.outgoing.pending, 0)
        self.town.close()

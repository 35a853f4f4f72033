"""What came to a node of a world, and in which order it is told: sound nodes, and what is found."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.peers import Peer
from p2pchat.testing.nodes import FakeTown
from p2pchat.testing.worlds.account import Account
from p2pchat.testing.worlds.arrivals import Arrivals
from p2pchat.wire.messages import Send

ALICE, BOB = "alice@CIC", "bob@CIC"


class ArrivalsTests(SynchronousTestCase):
    """Alice says three texts to Bob, and the test tells what his observers are told."""

    def setUp(self) -> None:
        self.town, self.account = FakeTown(seed=3), Account()
        alice, bob = self.town.node(ALICE), self.town.node(BOB)
        self.arrivals, self.bob = Arrivals(bob, self.account), bob
        self.town.run_until_meshed()
        self.town.run(1)
        self.texts = [self.account.say(ALICE, BOB, "send") for _ in range(3)]
        for text in self.texts:
            self.account.accepted(text, alice.send(BOB, text))
        self.town.run(1)
        peer = bob.peers.get(ALICE)
        assert peer is not None
        self.alice: Peer = peer

    def tell(self, text: str) -> list[str]:
        self.arrivals.told += 1
        found = self.arrivals.shown(self.alice, Send("?", ALICE, BOB, text, True))
        return [violation.kind for violation in found]

    def kinds_at_the_end(self) -> list[str]:
        return [violation.kind for violation in self.arrivals.missing()]

    def test_in_its_order(self) -> None:
        self.assertEqual([self.tell(text) for text in self.texts], [[], [], []])
        self.assertEqual(self.kinds_at_the_end(), [])
        self.assertEqual(self.tell(self.texts[0]), [], "that it is told twice is found elsewhere")

    def test_in_another_order(self) -> None:
        told = [self.tell(text) for text in reversed(self.texts)]
        self.assertEqual(told, [[], *[["shown after what came later"]] * 2])

    def test_what_never_came(self) -> None:
        text = self.account.say(ALICE, BOB, "send")
        self.assertEqual(self.tell(text), ["shown, and it did not come"])

    def test_what_is_left_out(self) -> None:
        self.tell(self.texts[0])
        self.assertEqual(self.kinds_at_the_end(), ["received, and not shown"])

    def test_a_status_before_what_came_earlier(self) -> None:
        before = len(self.arrivals._peers[ALICE].statuses)
        self.bob.mesh.on_status(self.alice)
        for _ in range(before):
            self.assertEqual([*self.arrivals.status(self.alice)], [])
        found = [violation.kind for violation in self.arrivals.status(self.alice)]
        self.assertEqual(found, ["a status is told before what came earlier"] * 3)

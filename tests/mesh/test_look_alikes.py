"""The person is told of who looks like a friend: once a name, and not without end."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.look_alikes import LookAlikes
from p2pchat.wire.friends import Friends
from tests.support.quirky_peers import Program
from tests.support.towns import MeshTestCase


class LookAlikesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.friends = Friends()
        self.friends.wrote_to("bob@CIC")
        self.told: list[str] = []
        self.it = LookAlikes(self.friends, lambda sentence: self.told.append(str(sentence)))

    def test_once_a_name(self) -> None:
        for now, name in enumerate(("bob@CIC", "b0b@CIC", "eva@CIC", "b0b@CIC", "BOB@CIC")):
            self.it.opened(name, now * 100.0)
        sentence = "[{}] is connected, looks like [bob@CIC], and may be somebody else"
        self.assertEqual(self.told, [sentence.format("b0b@CIC"), sentence.format("BOB@CIC")])

    def test_a_name_that_is_a_sentence_stays_in_its_bracket(self) -> None:
        self.friends.wrote_to("x] has left@CIC")
        self.it.opened("X] has left@CIC", 0)
        self.assertEqual((self.told[0].count("["), self.told[0].count("]")), (2, 2))

    def test_strangers_cannot_have_the_person_told_without_end(self) -> None:
        names = ["bob" + "\u0301" * n + "@CIC" for n in range(1, 101)]
        for name in names:
            self.it.opened(name, 0.0)
        self.assertEqual((len(self.told), self.it.not_told), (10, 90))
        for name in names:
            self.it.opened(name, 60.0)
        self.assertTrue(self.told[10].endswith("(90 more links with such names)"), self.told[10])
        self.assertIn("bob", self.told[10])
        self.assertEqual(len(self.told), 20)
        for now in range(2, 2000):
            self.it.opened("bo" + "\u0301" * now + "b@CIC", now * 60.0)
        self.assertEqual(len(self.it._told), 1000)


class LinkTests(MeshTestCase):
    def test_a_link_of_a_look_alike(self) -> None:
        alice, _ = self.pair()
        alice.send("bob@CIC", "oi")
        for at, name in enumerate(("b0b@CIC", "carol@CIC")):
            program = Program(self.town.network.host(f"10.0.9.{at}"), name)
            program.dial(self.town.host_of(alice).ip)
        self.town.run(1)
        self.assertEqual(
            self.town.seen(alice).notices,
            ["[b0b@CIC] is connected, looks like [bob@CIC], and may be somebody else"],
        )

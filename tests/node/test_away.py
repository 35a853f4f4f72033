"""Who is away: what peers say of themselves, and what a hostile one says."""

from __future__ import annotations

from p2pchat.mesh.link.protocol import PeerProtocol
from p2pchat.node.away import EVERY, MOST
from p2pchat.node.news import NotSentError
from p2pchat.testing.older import OlderNode
from p2pchat.wire.codec import encode
from p2pchat.wire.messages import Away
from tests.support.towns import MeshTestCase


class AwayTests(MeshTestCase):
    def test_there_and_back_and_again_at_each_new_link(self) -> None:
        alice, bob = self.pair()
        alice.absences.say("  lunch \n till two ")
        self.town.run(1)
        self.assertEqual(self.town.seen(bob).away, [("alice@CIC", "lunch till two")])
        self.town.network.break_links(self.town.host_of(alice), self.town.host_of(bob))
        self.town.run(1)
        self.assertEqual(bob.absences.text_of("alice@CIC"), "", "nobody keeps it")
        self.town.run_until_meshed()
        carol = self.town.node("carol@CIC")
        self.town.run_until_meshed()
        self.town.run(1)
        for node in (bob, carol):
            self.assertEqual(node.absences.text_of("alice@CIC"), "lunch till two")
        alice.absences.say("")
        self.town.run(EVERY + 1)
        self.assertEqual(self.town.seen(bob).away[-1], ("alice@CIC", ""))
        self.assertRaises(NotSentError, alice.absences.say, "x" * (MOST + 1))

    def test_it_is_told_to_nobody_who_does_not_listen(self) -> None:
        alice = self.town.node("alice@CIC")
        older = self.town.node("old@CIC", make=OlderNode)
        plain = self.town.plain("plain@CIC")
        self.town.run(10)
        self.assertEqual(len(alice.mesh.links), 2)
        alice.absences.say("lunch")
        self.town.run(5)
        self.assertEqual(self.town.seen(older).away, [])
        self.assertEqual([message for link in plain.links for message in link.got("AWAY")], [])

    def test_what_a_hostile_one_says(self) -> None:
        alice, bob = self.pair()
        link = self.only_link(alice)
        assert isinstance(link, PeerProtocol)
        taken = [
            number
            for number in range(10_000)
            if link.send(encode(Away("a", f"\x1b[2J\u202e{number}{'x' * 90}")))
        ]
        self.assertGreater(len(taken), 5000)
        self.town.run(2)
        (_, first), *more = self.town.seen(bob).away
        self.assertEqual(more, [])
        self.assertLessEqual(len(first), MOST + 1)
        self.assertTrue(first.startswith("\\x1b[2J\\u202e"))
        self.town.run(EVERY)
        self.assertEqual(len(self.town.seen(bob).away), 2, "and in the end the last one")
        self.assertIn(f"{taken[-1]}x", bob.absences.text_of("alice@CIC"))
        self.town.leave(alice)
        self.town.run(1)
        self.assertEqual(
            (bob.absences._texts, bob.absences._told, bob.absences._pending), ({},) * 3
        )

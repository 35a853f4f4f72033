"""Who is away: what peers say of themselves, and what a hostile one says."""

from __future__ import annotations

from twisted.internet.task import Clock

from p2pchat.mesh.link.protocol import PeerProtocol
from p2pchat.mesh.peers import Peer
from p2pchat.node.away import AT_ONCE, EVERY, MOST, STRANGERS
from p2pchat.node.news import NotSentError
from p2pchat.node.observers import Observer
from p2pchat.testing.older import OlderNode
from p2pchat.wire.codec import encode
from p2pchat.wire.messages import Away
from tests.support.consoles import FakeNode
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

    def test_who_is_back_before_the_old_link_is_known_to_be_dead(self) -> None:
        alice, bob = self.pair()
        host = self.town.host_of(alice)
        alice.absences.say("lunch")
        self.town.run(1)
        host.unplug()
        self.town.kill(alice)
        host.plug_in()
        alice = self.town.node("alice@CIC", ip=host.ip)
        self.town.run(EVERY + 2)
        self.assertGreater(len(bob.mesh.links), 1, "the old one is still there")
        self.assertEqual(bob.absences.text_of("alice@CIC"), "")
        self.assertEqual(self.town.seen(bob).away, [("alice@CIC", "lunch"), ("alice@CIC", "")])

    def test_who_is_still_away_with_a_second_link_is_not_told_again(self) -> None:
        alice, bob = self.pair()
        host = self.town.host_of(alice)
        alice.absences.say("lunch")
        self.town.run(EVERY + 1)
        host.unplug()
        self.town.kill(alice)
        host.plug_in()
        alice = self.town.node("alice@CIC", ip=host.ip)
        alice.absences.say("lunch")
        self.town.run(EVERY + 2)
        self.assertEqual(bob.absences.text_of("alice@CIC"), "lunch")
        self.assertEqual(self.town.seen(bob).away, [("alice@CIC", "lunch")])

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
        left = bob.absences
        pending = left._friends_pending, left._strangers_pending
        self.assertEqual((left._texts, left._told, *pending), ({},) * 4)

    def test_strangers_leave_the_screen_to_others(self) -> None:
        told: list[str] = []

        class Watching(Observer):
            def away_changed(self, peer: Peer, text: str) -> None:
                told.append(peer.peer_id)

        node = FakeNode(Clock())
        node.observers.add(Watching())
        node.friends.wrote_to("friend@CIC")
        links = {name: node.meets(name) for name in [f"n{at}@CIC" for at in range(100)]}
        links["friend@CIC"] = node.meets("friend@CIC")
        for name, link in links.items():
            peer = node.peers.get(name)
            assert peer is not None
            node.absences.heard(peer, link, Away("a", "lunch"), 100.0)
        self.assertEqual(len(told), AT_ONCE + 1)
        self.assertEqual(told[-1], "friend@CIC")
        for at in range(1, 40):
            node.absences.sweep(100.0 + at / 4)
        self.assertLess(len(told), AT_ONCE + 1 + STRANGERS * 10 + 1)
        for at in range(1, 40):
            node.absences.sweep(110.0 + at)
        self.assertEqual({*told}, {*links})

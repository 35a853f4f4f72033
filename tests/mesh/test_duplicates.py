"""Two links with one peer: which one ends, and that nothing is lost by it."""

from __future__ import annotations

from typing import cast

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.duplicates import DUPLICATE, superseded
from p2pchat.mesh.link.protocol import PeerProtocol
from p2pchat.mesh.peers import Peer, Status
from p2pchat.node.node import ChatNode
from p2pchat.testing.nodes import FakeTown
from tests.support.fake_link import FakeLink
from tests.support.towns import MeshTestCase


class DialedLink(FakeLink):
    """One that knows whom it was meant to reach; None for an inbound one."""

    def __init__(self, dialed: str | None = None, instance: str = "") -> None:
        super().__init__(outbound=dialed is not None, instance=instance)
        self.dialed = dialed


class SupersededTests(SynchronousTestCase):
    def look(self, *links: DialedLink) -> tuple[DialedLink | None, list[DialedLink]]:
        """Which of bob's links is to end when the last one is new, and their order then."""
        peer = Peer("bob@CIC")
        peer.links.extend(links)
        ending = superseded(peer, cast("PeerProtocol", links[-1]))
        return cast("DialedLink | None", ending), cast("list[DialedLink]", peer.links)

    def test_a_first_link_supersedes_nothing(self) -> None:
        for link in (DialedLink(), DialedLink("bob@CIC"), DialedLink(None, "x")):
            self.assertEqual(self.look(link), (None, [link]))

    def test_of_two_with_one_process_the_older_ends(self) -> None:
        for dialed in (None, "bob@CIC"):
            old, new = DialedLink(dialed, "x"), DialedLink(dialed, "x")
            self.assertEqual(self.look(old, new), (old, [new, old]))

    def test_crossed_dials_are_not_judged_here(self) -> None:
        inbound, outbound = DialedLink(None, "x"), DialedLink("bob@CIC", "x")
        self.assertEqual(self.look(inbound, outbound), (None, [inbound, outbound]))

    def test_one_of_another_process_stays_and_the_new_one_is_used(self) -> None:
        for dialed in (None, "bob@CIC"):
            old, new = DialedLink(None, "before"), DialedLink(dialed, "after")
            self.assertEqual(self.look(old, new), (None, [new, old]))

    def test_one_of_another_program_stays(self) -> None:
        old, new = DialedLink(), DialedLink(None, "x")
        self.assertEqual(self.look(old, new), (None, [old, new]))

    def test_another_program_that_answers_for_somebody_else_is_not_needed_twice(self) -> None:
        old = DialedLink()
        stray = DialedLink("carol@CIC")
        self.assertEqual(self.look(old, stray), (stray, [old, stray]))
        for wanted in (DialedLink(), DialedLink("bob@CIC")):
            self.assertEqual(self.look(old, wanted), (None, [old, wanted]))


class TwoLinksTests(MeshTestCase):
    """The duplicate rule, and what it must not lose."""

    def test_crossing_dials_end_with_one_link_and_lose_nothing(self) -> None:
        crossed = 0
        for seed in range(40):
            town = FakeTown(seed, latency=(0.001, 0.05))
            alice, bob = town.node("alice@CIC", start=False), town.node("bob@CIC", start=False)
            town.rendezvous.enter("alice@CIC", "10.0.0.1", 4000)
            town.rendezvous.enter("bob@CIC", "10.0.0.2", 4000)
            alice.startService()
            bob.startService()
            ids = set()
            doubled = False
            for number in range(40):
                town.run(0.01)
                doubled = doubled or 2 in town.links(alice).values()
                for node, other in ((alice, "bob@CIC"), (bob, "alice@CIC")):
                    if other in town.links(node):
                        ids.add((node, node.send(other, str(number))))
            crossed += doubled
            town.run(3)
            where = f"seed {seed}"
            self.assertTrue(town.meshed(), where)
            acked = {(node, i) for node in (alice, bob) for _, i in town.seen(node).acked}
            self.assertEqual(acked, ids, where)
            for node in (alice, bob):
                texts = town.seen(node).texts
                self.assertEqual(len(texts), len(set(texts)), where)
                self.assertNotIn(Status.DISCONNECTED, [s for _, s in town.seen(node).statuses])
            self.assertTrue(self.dialed_by_alice(alice) is not self.dialed_by_alice(bob), where)
            town.close()
        self.assertGreater(crossed, 4)

    def dialed_by_alice(self, node: ChatNode) -> bool:
        return self.only_link(node).outbound

    def test_the_link_of_the_smaller_id_stays(self) -> None:
        alice, bob = self.pair()
        if self.only_link(alice).outbound:
            alice, bob = bob, alice
        dialer = self.peer(alice, bob.me.peer_id)
        links, dialer.links = dialer.links, []
        alice.mesh.reconnect()  # as if it had not noticed that there is a link
        self.town.run(0)
        dialer.links = links
        self.town.run(3)
        self.assertTrue(self.town.meshed())
        smaller = min(alice, bob, key=lambda node: node.me.peer_id)
        self.assertTrue(self.only_link(smaller).outbound)

    def test_of_two_links_in_one_direction_the_newer_stays(self) -> None:
        alice, bob = self.pair()
        if not self.only_link(alice).outbound:
            alice, bob = bob, alice
        before = self.only_link(alice)
        peer = self.peer(alice, bob.me.peer_id)
        peer.links.clear()
        alice.mesh.reconnect()
        self.town.run(0)
        peer.links.append(before)
        msg_id = bob.send(alice.me.peer_id, "meanwhile")
        self.town.run(3)
        self.assertTrue(self.town.meshed())
        self.assertIsNot(self.only_link(alice), before)
        self.assertEqual([i for _, i in self.town.seen(bob).acked], [msg_id])

    def test_an_end_as_a_duplicate_is_no_farewell(self) -> None:
        alice, bob = self.pair()
        self.only_link(alice).leave(DUPLICATE)
        self.town.run(0.5)
        self.assertFalse(self.peer(bob, "alice@CIC").left)
        self.town.run_until_meshed(5)

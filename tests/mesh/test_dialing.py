"""Who is dialed: peers that are lost, STALE, or have said BYE, and when they come back."""

from __future__ import annotations

from functools import partial

from p2pchat.mesh.peers import Peer, Status
from p2pchat.node.node import ChatNode
from tests.support.quirky_peers import Program
from tests.support.towns import MeshTestCase


class WinningBackTests(MeshTestCase):
    """Peers that are lost, STALE, or have said BYE."""

    def stale(self) -> tuple[ChatNode, ChatNode]:
        """Alice, and bob whom she has given up, although he lives."""
        alice, bob = self.pair()
        self.town.host_of(bob).unplug()
        bob.presence.stopService()
        self.only_link(alice).give_up("test")
        self.only_link(bob).give_up("test")
        for node in (alice, bob):
            name = "bob@CIC" if node is alice else "alice@CIC"
            peer = self.peer(node, name)
            self.town.network.run_until(partial(self.is_stale, peer), 120)
        self.town.host_of(bob).plug_in()
        return alice, bob

    def is_stale(self, peer: Peer) -> bool:
        return peer.status is Status.STALE

    def test_five_attempts_and_an_unchanged_registration_leave_it_stale(self) -> None:
        alice, _ = self.stale()
        expected = [Status.CONNECTING, Status.CONNECTED, Status.DISCONNECTED]
        expected += [Status.CONNECTING, Status.DISCONNECTED] * 4
        expected += [Status.CONNECTING, Status.STALE]
        self.assertEqual(self.statuses(alice, "bob@CIC"), expected)
        for _ in range(5):
            alice.presence.discover()
            self.town.run(40)
        self.assertIs(self.peer(alice, "bob@CIC").status, Status.STALE)

    def test_it_comes_back_when_it_dials(self) -> None:
        alice, bob = self.stale()
        self.assertEqual(bob.mesh.reconnect(), 1)
        self.town.run_until_meshed(2)
        self.assertIs(self.peer(alice, "bob@CIC").status, Status.CONNECTED)

    def test_it_comes_back_when_the_person_wants_it(self) -> None:
        alice, _ = self.stale()
        self.assertEqual(alice.mesh.reconnect(), 1)
        self.town.run_until_meshed(2)
        self.assertEqual(alice.mesh.reconnect(), 0)

    def test_it_comes_back_when_it_renews_its_registration(self) -> None:
        _, bob = self.stale()
        self.rendezvous.enter("bob@CIC", self.town.host_of(bob).ip, 4000)
        self.town.run_until_meshed(62)

    def test_it_comes_back_when_it_registers_from_elsewhere(self) -> None:
        alice, _ = self.stale()
        self.rendezvous.remove("bob@CIC")
        self.rendezvous.enter("bob@CIC", "10.0.9.9", 4000, 60)
        self.town.run(62)
        self.assertIs(self.peer(alice, "bob@CIC").status, Status.CONNECTING)

    def test_a_long_outage_heals(self) -> None:
        alice, bob = self.pair()
        carol = self.town.node("carol@CIC")
        self.town.run_until_meshed()
        self.town.host_of(bob).unplug()
        self.town.run(300)
        self.assertEqual(self.town.links(alice), {"carol@CIC": 1})
        self.assertEqual(self.town.links(bob), {})
        self.town.host_of(bob).plug_in()
        self.town.run_until_meshed(130)
        carol.publish("*", "all here?")
        self.town.run(1)
        self.assertEqual(self.town.seen(bob).texts, ["all here?"])

    def test_who_said_bye_is_dialed_only_when_it_registers_again(self) -> None:
        alice, bob = self.pair()
        self.town.leave(bob)
        self.rendezvous.enter("bob@CIC", "10.0.0.2", 4000, 7140)  # it has not got round to that yet
        self.town.run(200)
        self.assertEqual(self.statuses(alice, "bob@CIC")[-1], Status.DISCONNECTED)
        self.assertTrue(self.peer(alice, "bob@CIC").left)
        self.rendezvous.enter("bob@CIC", "10.0.9.9", 4000)  # where nobody is, for now
        alice.presence.discover()
        self.town.run(1)
        self.assertFalse(self.peer(alice, "bob@CIC").left)
        self.town.node("bob@CIC", ip="10.0.0.2")
        self.town.run_until_meshed(62)
        self.assertFalse(self.peer(alice, "bob@CIC").left)

    def test_who_says_bye_is_not_dialed_by_an_earlier_plan(self) -> None:
        alice = self.town.node("alice@CIC")
        self.rendezvous.enter("bob@CIC", "10.0.0.9", 4000)
        alice.presence.discover()
        self.town.run(12)
        bob = Program(self.town.network.host("10.0.0.9"), "bob@CIC")
        bob.dial("10.0.0.1")
        self.town.run(0.2)
        bob.link.say("BYE")
        bob.listen()
        self.town.run(40)
        self.assertEqual(len(bob.links), 1)
        self.assertIs(self.peer(alice, "bob@CIC").status, Status.DISCONNECTED)

    def test_a_restart_is_a_new_start(self) -> None:
        alice, bob = self.pair()
        host = self.town.host_of(bob)
        self.town.kill(bob)
        again = self.town.node("bob@CIC", ip=host.ip)
        self.town.run_until_meshed(5)
        alice.send("bob@CIC", "hello again")
        self.town.run(1)
        self.assertEqual(self.town.seen(again).texts, ["hello again"])

    def test_a_machine_that_vanished_and_came_back_is_reached_two_seconds_later(self) -> None:
        alice, bob = self.pair()
        host = self.town.host_of(bob)
        host.unplug()
        self.town.kill(bob)
        host.plug_in()
        again = self.town.node("bob@CIC", ip=host.ip)
        self.town.run(3)
        self.assertEqual(self.town.links(alice), {"bob@CIC": 2})
        self.assertEqual(alice.mesh.second_links.displaced, 1)
        alice.send("bob@CIC", "on the new link")
        self.town.run(1)
        self.assertEqual(self.town.seen(again).texts, ["on the new link"])
        self.town.run_until_meshed(95)

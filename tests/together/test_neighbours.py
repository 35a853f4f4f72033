"""Nodes on one network that find each other without a rendezvous, and dials by hand."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.direct_dial import DialError
from p2pchat.mesh.discovery.lan.beacon import Beacon, encode
from p2pchat.mesh.peers import Status
from p2pchat.node.node import ChatNode
from p2pchat.testing.directory import FakeRendezvous
from p2pchat.testing.neighbours import FakeLan
from p2pchat.testing.nodes import FakeTown


class NeighbourCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.town = FakeTown()
        self.addCleanup(self.town.close)
        self.network = FakeLan(self.town.network.clock)

    def node(self, name: str, number: int, *, lan: bool = True, **options: Any) -> ChatNode:
        """A node whose rendezvous nobody else asks."""
        ip = f"10.0.0.{number}"
        host = self.town.network.host(ip)
        options.setdefault("directory", FakeRendezvous(self.town.network.clock).at(host))
        if lan:
            options["carrier"] = self.network.carrier(ip)
        return self.town.node(f"{name}@CIC", ip=ip, **options)


class NeighbourTests(NeighbourCase):
    def test_two_meet_without_a_server(self) -> None:
        alice, bob = self.node("alice", 1), self.node("bob", 2)
        self.assertLess(self.town.run_until_meshed(), 2)
        alice.send("bob@CIC", "oi")
        self.town.run(1)
        self.assertEqual(self.town.seen(bob).texts, ["oi"])

    def test_our_own_name_at_another_place_is_told_and_not_dialed(self) -> None:
        alice, bob = self.node("alice", 1), self.node("bob", 2)
        self.town.run_until_meshed()
        for instance in ("e" * 16, "f" * 16):  # of two, one is silent earlier
            self.network.shout("10.0.0.2", encode(Beacon("alice@CIC", instance, port=4000)))
            self.town.run(25)
        self.town.run(100)
        self.assertIsNone(alice.peers.get("alice@CIC"))
        self.assertEqual([link.peer_id for link in bob.mesh.links], ["alice@CIC"])
        told = [it for it in self.town.seen(alice).notices if "else uses the name" in it]
        self.assertIn("[alice@CIC] (on this network, at 10.0.0.2)", told[0])

    def test_twelve_meet(self) -> None:
        for number in range(1, 13):
            self.node(f"n{number}", number, sealed=False)
        self.assertLess(self.town.run_until_meshed(), 10)

    def test_who_leaves_is_no_longer_listed_and_may_come_back(self) -> None:
        alice, bob = self.node("alice", 1), self.node("bob", 2)
        self.town.run_until_meshed()
        self.town.leave(bob)
        peer = alice.peers.get("bob@CIC")
        assert peer is not None
        self.town.run(1)
        self.assertFalse(peer.listed)
        self.assertIs(peer.status, Status.DISCONNECTED)
        self.node("bob", 2)
        self.assertLess(self.town.run_until_meshed(), 2)

    def test_who_was_killed_and_comes_back_is_met_at_once(self) -> None:
        self.node("alice", 1)
        bob = self.node("bob", 2)
        self.town.run_until_meshed()
        self.town.kill(bob)
        self.town.run(5)
        self.node("bob", 3)
        self.assertLess(self.town.run_until_meshed(), 2)

    def test_a_rendezvous_and_the_network_are_one_picture(self) -> None:
        shared: Any = {"directory": None}
        alice, bob = self.node("alice", 1, **shared), self.node("bob", 2, **shared)
        carol = self.node("carol", 3, lan=False, **shared)
        self.town.run_until_meshed()
        peer = alice.peers.get("bob@CIC")
        assert peer is not None
        self.assertEqual((peer.registered, peer.seen_at), (True, (("10.0.0.2", 4000),)))
        self.network.drops = lambda: True
        self.town.run(150)
        self.assertEqual((peer.registered, peer.seen_at, peer.listed), (True, (), True))
        self.assertEqual(peer.addresses, (("10.0.0.2", 4000),))
        self.assertTrue(self.town.meshed())
        self.assertEqual({*self.town.links(carol)}, {"alice@CIC", "bob@CIC"})
        assert bob.lan is not None
        self.assertIsNone(bob.lan.trouble)

    def test_whoever_is_not_listed_but_seen_stays(self) -> None:
        alice = self.node("alice", 1)
        self.node("bob", 2)
        self.town.run_until_meshed()
        self.town.run(200)  # her rendezvous has said many times that nobody is there
        peer = alice.peers.get("bob@CIC")
        assert peer is not None
        self.assertEqual((peer.registered, peer.listed), (False, True))

    def test_who_is_blocked_is_not_dialed_and_is_met_when_it_is_not_any_more(self) -> None:
        alice = self.node("alice", 1)
        alice.mesh.blocking.block("bob@CIC")
        bob = self.node("bob", 2)
        self.town.run(50)
        self.assertEqual(self.town.links(alice), {})
        alice.mesh.blocking.unblock("bob@CIC")
        self.assertLess(self.town.network.run_until(lambda: bool(self.town.links(bob)), 70), 61)

    def test_a_flood_of_beacons_makes_few_dials(self) -> None:
        alice = self.node("alice", 1)
        self.node("bob", 2)
        self.town.run_until_meshed()
        for number in range(2000):
            beacon = Beacon(f"eve{number}@CIC", f"{number:016x}", 4000)
            self.network.shout(f"10.0.{number % 100 + 1}.1", encode(beacon))
            self.town.run(0.005)
        dialed = [peer for peer in alice.peers if peer.status is not Status.UNKNOWN]
        self.assertLessEqual(len(dialed), 35)
        self.assertTrue(self.town.links(alice))

    def test_our_name_elsewhere_is_told(self) -> None:
        alice = self.node("alice", 1)
        self.town.run(5)
        self.network.shout("10.0.0.9", encode(Beacon("alice@CIC", "1" * 16, 4000)))
        self.town.run(1)
        self.assertIn("on this network, at 10.0.0.9", self.town.seen(alice).notices[-1])


class DirectDialTests(NeighbourCase):
    def dial(self, node: ChatNode, host: str, port: int = 4000) -> Deferred[str]:
        dialed = node.mesh.dial(host, port)
        self.town.run(11)
        return dialed

    def test_who_answers_is_a_peer(self) -> None:
        alice, bob = self.node("alice", 1, lan=False), self.node("bob", 2, lan=False)
        self.town.run(5)
        self.assertEqual(self.town.links(alice), {})
        self.assertEqual(self.successResultOf(self.dial(alice, "10.0.0.2")), "bob@CIC")
        bob.send("alice@CIC", "oi")
        self.town.run(1)
        self.assertEqual(self.town.seen(alice).texts, ["oi"])

    def test_a_link_that_is_lost_is_made_again(self) -> None:
        alice = self.node("alice", 1, lan=False)
        bob = self.node("bob", 2, lan=False)
        self.dial(alice, "10.0.0.2")
        self.town.kill(bob)
        self.town.run(5)
        self.node("bob", 2, lan=False)
        self.town.run(120)
        self.assertEqual(self.town.links(alice), {"bob@CIC": 1})

    def test_in_tls(self) -> None:
        alice = self.node("alice", 1, lan=False, sealed=True)
        self.node("bob", 2, lan=False, sealed=True)
        self.assertEqual(self.successResultOf(self.dial(alice, "10.0.0.2")), "bob@CIC")
        peer = alice.peers.get("bob@CIC")
        assert peer is not None
        self.assertEqual(peer.link_in_use.security, "encrypted")

    def test_by_a_name_that_has_two_addresses(self) -> None:
        alice = self.node("alice", 1, lan=False)
        self.node("bob", 2, lan=False)
        self.town.network.names["bob.example"] = ["fd00::99", "10.0.0.2"]
        self.assertEqual(self.successResultOf(self.dial(alice, "bob.example")), "bob@CIC")
        why = self.failureResultOf(self.dial(alice, "nobody.example"), DialError)
        self.assertIn("there is no such host", why.getErrorMessage())

    def test_who_is_linked_already_is_said_to_be_there(self) -> None:
        alice = self.node("alice", 1)
        self.node("bob", 2)
        self.town.run_until_meshed()
        self.assertEqual(self.successResultOf(self.dial(alice, "10.0.0.2")), "bob@CIC")
        self.town.run(10)
        self.assertTrue(self.town.meshed())

    def test_nobody_is_there(self) -> None:
        alice = self.node("alice", 1, lan=False)
        for host, port in (("10.0.0.99", 4000), ("10.0.0.1", 4001), ("10.0.0.1", 4000)):
            why = self.failureResultOf(self.dial(alice, host, port), DialError)
            self.assertRegex(why.getErrorMessage(), f"^nobody was reached at {host}:{port}: .")

    def test_so_many_at_once(self) -> None:
        alice = self.node("alice", 1, lan=False)
        dials = [alice.mesh.dial(f"10.0.0.{number}", 4000) for number in range(50, 60)]
        early = [self.failureResultOf(each, DialError) for each in dials[8:]]
        self.assertIn("too many", early[0].getErrorMessage())
        self.town.run(11)
        for each in dials[:8]:
            self.failureResultOf(each, DialError)

    def test_who_leaves_waits_for_nobody(self) -> None:
        alice = self.node("alice", 1, lan=False)
        dialed = alice.mesh.dial("10.0.0.99", 4000)
        self.town.leave(alice)
        self.failureResultOf(dialed, DialError)

"""A room that has lost its rendezvous comes back, by where its peers once were."""

from __future__ import annotations

from itertools import count, islice
from random import Random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.mesh.peers import Peer
from p2pchat.node.book_file import BookFile
from p2pchat.node.node import ChatNode
from p2pchat.node.small_file import SmallFile
from p2pchat.testing.directory import Fault
from p2pchat.testing.disk import FakeDisk
from p2pchat.testing.nodes import FakeTown
from p2pchat.testing.threads import SteppedWorker
from p2pchat.wire.codec import encode
from p2pchat.wire.messages import KnownPeer, Peers, PeersReq


class RoomCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.town = FakeTown()
        self.addCleanup(self.town.close)
        self.disks: dict[str, FakeDisk] = {}

    def node(self, name: str, number: int, **options: Any) -> ChatNode:
        """A node that finds whatever an earlier one of this name has left."""
        ip, peer_id = f"10.0.{number // 200}.{number % 200 + 1}", f"{name}@CIC"
        host = self.town.network.host(ip)
        disk = self.disks.setdefault(peer_id, FakeDisk(Random(1)))

        def make_book(own_id: str) -> BookFile:
            file = SmallFile(disk, f"/{own_id}.peers", SteppedWorker(host, disk))
            return BookFile(host, file)

        return self.town.node(peer_id, ip=ip, make_book=make_book, **options)

    def one_room(self) -> bool:
        """Whether everybody can be reached from everybody, over links."""
        reached, waiting = set[str](), [self.town.nodes[0].me.peer_id]
        links = {node.me.peer_id: [*self.town.links(node)] for node in self.town.nodes}
        while waiting:
            peer_id = waiting.pop()
            if peer_id not in reached:
                reached.add(peer_id)
                waiting += links.get(peer_id, [])
        return reached >= links.keys()


class ComebackTests(RoomCase):
    def test_two_meet_again(self) -> None:
        alice, bob = self.node("alice", 1), self.node("bob", 2)
        self.town.run_until_meshed()
        self.town.run(10)
        self.town.leave(alice)
        self.town.leave(bob)
        self.town.rendezvous.fault = Fault.DEAD
        alice, bob = self.node("alice", 1), self.node("bob", 2)
        took = self.town.run_until_meshed()
        self.assertLess(took, 20)
        self.assertGreater(took, 2, "the rendezvous is given its time")

    def test_after_a_kill(self) -> None:
        alice, bob = self.node("alice", 1), self.node("bob", 2)
        self.town.run_until_meshed()
        self.town.run(310)
        self.town.kill(alice)
        self.town.kill(bob)
        self.town.rendezvous.fault = Fault.DEAD
        self.node("alice", 1), self.node("bob", 2)
        self.assertLess(self.town.run_until_meshed(), 20)

    def test_nobody_is_dialed_while_the_rendezvous_answers(self) -> None:
        alice, bob = self.node("alice", 1), self.node("bob", 2)
        self.town.run_until_meshed()
        self.town.run(10)
        self.town.leave(alice)
        self.town.leave(bob)
        alice = self.node("alice", 1)
        self.town.run(30)
        peer = alice.peers.get("bob@CIC")
        self.assertTrue(peer is None or not peer.known_at)
        self.town.run(60)
        peer = alice.peers.get("bob@CIC")
        assert peer is not None
        self.assertTrue(peer.known_at, "one a minute is looked for all the same")

    def test_a_room_with_half_of_its_addresses_gone(self) -> None:
        nodes = [self.node(f"n{number}", number) for number in range(16)]
        self.town.run_until_meshed()
        self.town.run(10)
        for node in nodes:
            self.town.leave(node)
        self.town.rendezvous.fault = Fault.DEAD
        for number in range(16):
            self.node(f"n{number}", number if number % 2 else number + 100)
        took = self.town.network.run_until(self.one_room, 120)
        self.assertLess(took, 120)

    def test_a_room_in_which_three_of_ten_lie(self) -> None:
        """The liars tell addresses where nobody is, whenever they are asked."""
        nodes = [self.node(f"n{number}", number) for number in range(16)]
        self.town.run_until_meshed()
        self.town.run(10)
        for node in nodes:
            self.town.leave(node)
        self.town.rendezvous.fault = Fault.DEAD
        nowhere = (KnownPeer(f"x{n}@CIC", f"10.{n % 200}.9.9", 4000) for n in count())

        def lie(_peer: Peer, link: IPeerLink, message: PeersReq | Peers) -> None:
            if isinstance(message, PeersReq):
                link.send(encode(Peers(message.msg_id, "CIC", [*islice(nowhere, 20)])))

        for number in range(16):
            node = self.node(f"n{number}", number if number % 2 else number + 100)
            if number % 3 == 0:
                self.patch(node._finding.exchange, "heard", lie)
        self.assertLess(self.town.network.run_until(self.one_room, 120), 120)

    def test_what_is_damaged_is_set_aside(self) -> None:
        disk = self.disks["alice@CIC"] = FakeDisk(Random(1))
        disk.replace("/alice@CIC.peers", b'{"peers":[{"id":1}]}')
        alice, bob = self.node("alice", 1), self.node("bob", 2)
        self.town.run_until_meshed()
        self.town.run(10)
        self.town.leave(alice)
        self.town.leave(bob)
        self.assertTrue(disk.exists("/alice@CIC.peers.damaged"))
        self.assertIn(b"bob@CIC", disk.head("/alice@CIC.peers", 10_000))

    def test_a_short_session_is_not_kept(self) -> None:
        alice, bob = self.node("alice", 1), self.node("bob", 2)
        self.town.run_until_meshed()
        self.town.leave(bob)
        self.town.leave(alice)
        self.assertFalse(self.disks["alice@CIC"].exists("/alice@CIC.peers"))


class ExchangeTests(RoomCase):
    def test_who_is_new_learns_where_others_are(self) -> None:
        """Her rendezvous knows nobody; one address is all that she has."""
        for number in range(8):
            self.node(f"n{number}", number)
        self.town.run_until_meshed()
        self.town.run(10)
        self.town.rendezvous.fault = Fault.DEAD
        alice = self.node("alice", 50)
        self.town.run(5)
        alice.mesh.dial("10.0.0.1", 4000)
        self.town.run(180)
        self.assertGreaterEqual(len(self.town.links(alice)), 4)

    def test_a_liar_aims_nobody_at_a_victim(self) -> None:
        """It tells 10,000 addresses that are one victim's, minute after minute, for an hour."""
        victim = self.town.network.host("10.0.9.9")
        alice = self.node("alice", 1)
        liar = self.node("eve", 2)
        self.town.run_until_meshed()
        self.town.rendezvous.fault = Fault.DEAD
        told = (KnownPeer(f"v{number}@CIC", "10.0.9.9", 1024 + number) for number in count())

        def lie(_peer: Peer, link: IPeerLink, message: PeersReq | Peers) -> None:
            if isinstance(message, PeersReq):
                known = [*islice(told, 170)]
                link.send(encode(Peers(message.msg_id, "CIC", known)))

        self.patch(liar._finding.exchange, "heard", lie)
        dialed: list[str] = []
        connect = self.town.host_of(alice).connectTCP

        def connect_tcp(host: str, *rest: Any, **more: Any) -> Any:
            dialed.append(host)
            return connect(host, *rest, **more)

        self.patch(self.town.host_of(alice), "connectTCP", connect_tcp)
        self.town.run(3600)
        self.assertGreater(dialed.count(victim.ip), 0)
        self.assertLessEqual(dialed.count(victim.ip), 3)
        self.assertTrue(self.town.links(alice))

"""Links and peers of a node: who is dialed, who stays, who comes back, and how everybody leaves."""

from __future__ import annotations

from functools import partial
from typing import Any

from twisted.internet.protocol import ServerFactory
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.duplicates import DUPLICATE
from p2pchat.mesh.link.protocol import PeerProtocol
from p2pchat.mesh.peers import Peer, Status
from p2pchat.node.node import ChatNode
from p2pchat.rendezvous.directory import Listing
from p2pchat.settings.values import LimitSettings, PeerSettings, Settings
from p2pchat.testing.nodes import FakeTown
from tests.support.quirky_peers import ForeignPeer, NeverAnswersBye, Program


class MeshTestCase(SynchronousTestCase):
    seed = 1

    def setUp(self) -> None:
        self.town = FakeTown(self.seed)
        self.rendezvous = self.town.rendezvous

    def tearDown(self) -> None:
        self.town.close()

    def pair(self) -> tuple[ChatNode, ChatNode]:
        alice, bob = self.town.node("alice@CIC"), self.town.node("bob@CIC")
        self.town.run_until_meshed()
        self.town.run(6)
        return alice, bob

    def peer(self, node: ChatNode, name: str) -> Peer:
        peer = node.peers.get(name)
        assert peer is not None
        return peer

    def only_link(self, node: ChatNode) -> PeerProtocol:
        (link,) = node.mesh.links
        assert isinstance(link, PeerProtocol)
        return link

    def statuses(self, node: ChatNode, name: str) -> list[Status]:
        return [status for who, status in self.town.seen(node).statuses if who == name]


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

    def test_five_attempts_and_it_is_stale(self) -> None:
        alice, _ = self.stale()
        expected = [Status.CONNECTING, Status.CONNECTED, Status.DISCONNECTED]
        expected += [Status.CONNECTING, Status.DISCONNECTED] * 4
        expected += [Status.CONNECTING, Status.STALE]
        self.assertEqual(self.statuses(alice, "bob@CIC"), expected)
        # Waits of 1, 2, 4, 8 and 16 s, give or take a fifth, and ten seconds a dial.
        took = self.town.network.clock.seconds() - 1006
        self.assertTrue(0.8 * 31 + 50 < took < 1.2 * 31 + 52, took)
        self.town.run(200)
        self.assertEqual(self.peer(alice, "bob@CIC").status, Status.STALE)

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

    def test_an_unchanged_registration_brings_nobody_back(self) -> None:
        alice, _ = self.stale()
        for _ in range(5):
            alice.presence.discover()
            self.town.run(30)
        self.assertIs(self.peer(alice, "bob@CIC").status, Status.STALE)

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

    def test_a_machine_that_vanished_and_came_back_is_reached_at_once(self) -> None:
        alice, bob = self.pair()
        host = self.town.host_of(bob)
        host.unplug()
        self.town.kill(bob)
        host.plug_in()
        again = self.town.node("bob@CIC", ip=host.ip)
        self.town.run(1)
        self.assertEqual(self.town.links(alice), {"bob@CIC": 2})
        alice.send("bob@CIC", "on the new link")
        self.town.run(1)
        self.assertEqual(self.town.seen(again).texts, ["on the new link"])
        self.town.run_until_meshed(95)


class TwoLinksTests(MeshTestCase):
    """The duplicate rule, and what it must not lose."""

    def test_crossing_dials_end_with_one_link_and_lose_nothing(self) -> None:
        crossed = 0
        for seed in range(60):
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
        self.assertGreater(crossed, 5)

    def dialed_by_alice(self, node: ChatNode) -> bool:
        return self.only_link(node).outbound

    def test_the_link_of_the_smaller_id_stays(self) -> None:
        alice, bob = self.pair()
        if self.only_link(alice).outbound:
            alice, bob = bob, alice
        dialer = self.peer(alice, bob.me.peer_id)
        links, dialer.links = dialer.links, []
        alice.mesh.reconnect()  # as if it had not noticed that there is a link
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


class NamesTests(MeshTestCase):
    """Our own name, and names that cannot be."""

    def test_our_name_at_another_address(self) -> None:
        alice = self.town.node("alice@CIC")
        self.rendezvous.enter("alice@CIC", "10.0.7.7", 4000)
        for _ in range(3):
            alice.presence.discover()
            self.town.run(1)
        (notice,) = self.town.seen(alice).notices
        self.assertIn("10.0.7.7:4000", notice)
        self.assertIn("choose another", notice)
        self.assertEqual(self.town.links(alice), {})

    def test_our_name_on_another_port_of_our_machine(self) -> None:
        one = self.town.node("alice@CIC", ip="10.0.0.1")
        self.town.run(1)
        other = self.town.node(
            "alice@CIC", ip="10.0.0.1", settings=Settings(peer=PeerSettings(port=4001))
        )
        self.town.run(125)
        self.assertEqual(len(self.town.seen(one).notices), 1)
        self.assertEqual(len(self.town.seen(other).notices), 1)

    def test_an_old_registration_beside_ours_is_no_stranger(self) -> None:
        alice = self.town.node("alice@CIC")
        self.town.run(1)
        old = Listing("alice", "CIC", "10.0.0.1", 3999, 60, 60)
        alice.mesh.discovered([old, *self.rendezvous.listings()])
        self.assertEqual(self.town.seen(alice).notices, [])

    def test_impossible_names_are_not_dialed(self) -> None:
        alice = self.town.node("alice@CIC")
        self.town.run(1)
        odd = [
            Listing(name, "CIC", "10.0.0.5", 4000, 1, 1) for name in ("", "x" * 65, "\x1b", "a\n")
        ]
        alice.mesh.discovered(odd)
        self.assertEqual(len(alice.peers), 0)

    def test_more_peers_than_fit_are_not_taken_from_a_list(self) -> None:
        settings = Settings(limits=LimitSettings(max_known_peers=3))
        alice = self.town.node("alice@CIC", settings=settings)
        self.town.run(1)
        alice.mesh.discovered([Listing(f"p{n}", "CIC", "10.0.5.5", 4000, 1, 1) for n in range(9)])
        self.assertEqual(len(alice.peers), 3)


class LimitTests(MeshTestCase):
    """What a peer can cost us."""

    def test_a_peer_that_takes_nothing_is_ended_after_its_time(self) -> None:
        settings = Settings(limits=LimitSettings(max_queue_bytes=65_536, stall_timeout=30))
        alice = self.town.node("alice@CIC", settings=settings)
        stalled = Program(self.town.network.host("10.0.0.8"), "bob@CIC")
        stalled.dial("10.0.0.1")
        other = self.town.node("carol@CIC")
        self.town.run(0.5)
        stalled.link.transport.pauseProducing()
        text = "x" * 30_000
        published = []
        for _ in range(48):
            published.append(alice.publish("*", text))
            self.town.run(0.1)
        self.assertGreater(alice.outgoing.dropped, 10)
        self.assertGreater(sum(result.dropped for result in published), 10)
        self.assertEqual(len(self.town.seen(other).texts), 48)
        self.town.run(24)
        self.assertIn("bob@CIC", self.town.links(alice))
        self.town.run(4)
        self.assertNotIn("bob@CIC", self.town.links(alice))

    def test_a_peer_that_asks_and_never_reads_is_ended_too(self) -> None:
        settings = Settings(limits=LimitSettings(max_queue_bytes=65_536, stall_timeout=30))
        alice = self.town.node("alice@CIC", settings=settings)
        greedy = Program(self.town.network.host("10.0.0.8"), "bob@CIC")
        greedy.dial("10.0.0.1")
        self.town.run(0.5)
        greedy.link.transport.pauseProducing()
        for _ in range(100):
            greedy.link.say("PING", msg_id="x" * 20_000, timestamp=None)
            self.town.run(0.05)
        link = self.only_link(alice)
        self.assertLess(link.queue.bytes_waiting, 400_000)
        self.assertGreater(greedy.link.transport.queued, 1_000_000)
        self.town.run(35)
        self.assertEqual(self.town.links(alice), {})

    def test_a_silent_link_is_ended_after_three_intervals(self) -> None:
        alice, bob = self.pair()
        self.town.host_of(bob).unplug()
        self.town.run(58)
        self.assertEqual(self.town.links(alice), {"bob@CIC": 1})
        self.town.run(35)
        self.assertEqual(self.town.links(alice), {})

    def test_handshakes_beyond_the_limit_are_turned_away(self) -> None:
        settings = Settings(limits=LimitSettings(max_handshakes=2, max_links_per_ip=2))

        class Quiet(ForeignPeer):
            def say_hello(self) -> None:
                pass

        alice = self.town.node("alice@CIC", settings=settings)
        programs = [
            Program(self.town.network.host(f"10.0.3.{n}"), "x@CIC", Quiet) for n in range(4)
        ]
        for program in programs:
            program.dial("10.0.0.1")
        self.town.run(0.5)
        byes = [bye["reason"] for program in programs for bye in program.link.got("BYE")]
        self.assertEqual(byes, ["busy", "busy"])
        self.assertEqual(alice.mesh.admission.handshakes, 2)
        self.town.run(13)
        self.assertEqual((alice.mesh.admission.handshakes, alice.mesh.admission.links), (0, 0))
        again = Program(self.town.network.host("10.0.3.9"), "bob@CIC")
        again.dial("10.0.0.1")
        self.town.run(0.5)
        self.assertTrue(again.link.open)

    def test_the_places_are_counted_right_whatever_happens(self) -> None:
        alice, bob = self.pair()
        for _ in range(5):
            self.town.network.break_links(self.town.host_of(alice), self.town.host_of(bob))
            self.town.run_until_meshed()
        for node in (alice, bob):
            admission = node.mesh.admission
            self.assertEqual((admission.links, admission.handshakes), (1, 0))


class LeavingTests(MeshTestCase):
    """BYE to everybody, and an end within two seconds."""

    def test_everybody_is_told(self) -> None:
        nodes = [self.town.node(f"n{n}@CIC") for n in range(6)]
        self.town.run_until_meshed()
        self.assertLess(self.town.leave(nodes[0]), 0.5)
        for node in nodes[1:]:
            self.assertTrue(self.peer(node, "n0@CIC").left)
        self.assertFalse(self.rendezvous.knows("n0@CIC"))
        self.town.check_clean(self.town.host_of(nodes[0]))

    def test_stalled_and_silent_peers_cannot_hold_it_up(self) -> None:
        alice, bob = self.pair()
        host = self.town.host_of(alice)
        programs = [
            Program(self.town.network.host(f"10.0.4.{n}"), f"p{n}@CIC", NeverAnswersBye)
            for n in range(3)
        ]
        for program in programs:
            program.dial(host.ip)
        self.town.run(1)
        programs[0].link.transport.pauseProducing()
        for _ in range(20):
            alice.publish("*", "x" * 30_000)
        self.town.run(0.1)
        self.town.host_of(bob).unplug()
        self.assertLess(self.town.leave(alice), 3.0)
        self.town.check_clean(host)

    def test_in_the_middle_of_everything(self) -> None:
        for tenths in range(0, 40, 3):
            town = FakeTown(tenths, latency=(0.01, 0.1))
            first = [town.node(f"a{n}@CIC") for n in range(3)]
            town.network.host("10.0.6.6").unplug()
            town.rendezvous.enter("gone@CIC", "10.0.6.6", 4000)
            town.run(tenths / 30)
            for node in first:
                host = town.host_of(node)
                town.leave(node)
                town.check_clean(host)
            town.run(30)
            for node in first:
                town.check_clean(town.host_of(node))

    def test_a_connection_that_comes_too_late(self) -> None:
        alice = self.town.node("alice@CIC")
        self.town.run(1)
        host = self.town.host_of(alice)
        factory: Any = host.ports[4000].factory
        self.town.leave(alice)
        late = ServerFactory()
        late.buildProtocol = factory.buildProtocol  # type: ignore[method-assign]
        host.listenTCP(5000, late)
        program = Program(self.town.network.host("10.0.0.9"), "bob@CIC")
        program.dial(host.ip, 5000)
        self.town.run(1)
        self.assertTrue(program.link.closed)
        host.ports[5000].close()
        self.town.check_clean(host)

    def test_those_who_wait_to_be_dialed_are_not_dialed_any_more(self) -> None:
        for n in range(300):
            self.town.rendezvous.enter(f"p{n}@CIC", f"10.9.{n // 100}.{n % 100}", 4000)
        alice = self.town.node("alice@CIC")
        self.town.run(1)
        self.assertGreater(alice.mesh.admission.dials, 100)
        host = self.town.host_of(alice)
        dialed: list[str] = []
        self.patch(host, "connectTCP", lambda ip, *_, **__: dialed.append(ip))
        alice.mesh.leave()
        self.assertEqual(dialed, [])
        self.assertEqual(alice.mesh.admission.dials, 0)

    def test_leaving_twice(self) -> None:
        alice, _ = self.pair()
        alice.mesh.leave()
        self.successResultOf(alice.mesh.leave())
        self.town.run(0.1)
        self.town.leave(alice)

    def test_nothing_happens_while_it_leaves(self) -> None:
        alice, _ = self.pair()
        alice.mesh.leave()
        seen = len(self.town.seen(alice).statuses)
        alice.mesh.reconnect()
        self.town.run(5)
        self.assertEqual(len(self.town.seen(alice).statuses), seen)
        self.assertEqual(self.town.links(alice), {})

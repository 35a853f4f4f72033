"""The links of a node: whom it knows, what a peer can cost it, and how everybody leaves."""

from __future__ import annotations

from typing import Any

from twisted.internet.protocol import ServerFactory

from p2pchat.rendezvous.directory import Listing
from p2pchat.settings.values import LimitSettings, Settings
from p2pchat.testing.directory import Fault
from p2pchat.testing.nodes import FakeTown
from tests.support.quirky_peers import ForeignPeer, NeverAnswersBye, Program
from tests.support.towns import MeshTestCase


class ListedTests(MeshTestCase):
    """What a DISCOVER reply may hold."""

    def test_impossible_names_are_not_dialed(self) -> None:
        alice = self.town.node("alice@CIC")
        self.town.run(1)
        odd = [
            Listing(name, "CIC", "10.0.0.5", 4000, 1, 1) for name in ("", "x" * 65, "\x1b", "a\n")
        ]
        alice.mesh.discovered(odd, "10.0.0.9")
        self.assertEqual(len(alice.peers), 0)

    def test_more_peers_than_fit_are_not_taken_from_a_list(self) -> None:
        settings = Settings(limits=LimitSettings(max_known_peers=3))
        alice = self.town.node("alice@CIC", settings=settings)
        self.town.run(1)
        alice.mesh.discovered(
            [Listing(f"p{n}", "CIC", "10.0.5.5", 4000, 1, 1) for n in range(9)], "10.0.0.9"
        )
        self.assertEqual(len(alice.peers), 3)

    def test_a_listing_of_our_namespace_says_nothing_of_others(self) -> None:
        alice = self.town.node("alice@CIC")
        for name in ("bob@CIC", "carol@x"):
            self.rendezvous.enter(name, "10.0.0.9", 4000, ttl=30)
        self.town.run(1)
        self.rendezvous.fault = Fault.TOO_LONG
        self.town.run(121)
        peers = {peer.peer_id: peer.listed for peer in alice.peers}
        self.assertEqual(peers, {"bob@CIC": False, "carol@x": True})


class LimitTests(MeshTestCase):
    """What a peer can cost us."""

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

    def test_strangers_of_many_names_and_addresses_leave_places_to_friends(self) -> None:
        alice = self.town.node("alice@CIC", settings=Settings(limits=LimitSettings(max_links=16)))
        alice.friends.wrote_to("bob@CIC")
        for number in range(30):
            host = self.town.network.host(f"10.0.7.{number}")
            Program(host, f"stranger{number}@CIC").dial("10.0.0.1")
        self.town.run(5)
        self.assertEqual(len(alice.mesh.links), 14)
        friend = Program(self.town.network.host("10.0.8.1"), "bob@CIC")
        friend.dial("10.0.0.1")
        self.town.run(5)
        self.assertEqual(len(alice.mesh.links), 15)
        self.assertEqual(
            [peer.peer_id for peer in alice.peers if peer.peer_id == "bob@CIC" and peer.links],
            ["bob@CIC"],
        )

    def test_the_places_are_counted_right_whatever_happens(self) -> None:
        class Quiet(ForeignPeer):
            def say_hello(self) -> None:
                pass

        alice, bob = self.pair()
        quiet = Program(self.town.network.host("10.0.3.1"), "x@CIC", Quiet)
        quiet.dial(self.town.host_of(alice).ip)
        self.town.run(0.5)
        self.assertEqual((alice.mesh.admission.links, alice.mesh.admission.handshakes), (2, 1))
        for _ in range(5):
            self.town.network.break_links(self.town.host_of(alice), self.town.host_of(bob))
            self.town.run_until_meshed()
        self.town.run(13)
        for node in (alice, bob):
            admission = node.mesh.admission
            self.assertEqual((admission.links, admission.handshakes), (1, 0))
            self.assertEqual(
                sum(admission._per_address.values()), sum(not it.outbound for it in node.mesh.links)
            )


class DearEnd:
    """A link without HELLO whose look takes time."""

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.looked_at = 0

    def tick(self, _now: float) -> None:
        self.looked_at += 1
        self.clock._now += 0.001


class DeadlineTests(MeshTestCase):
    def test_hundreds_that_are_over_at_once_are_ended_in_pieces(self) -> None:
        mesh: Any = self.town.node("alice@CIC").mesh
        self.town.run(1)
        links = [DearEnd(self.town.network.clock) for _ in range(200)]
        mesh.context.unsettled.update(dict.fromkeys(links))
        mesh.look_at_deadlines(self.town.network.clock.seconds())
        mesh.context.unsettled.clear()
        self.assertLess(sum(link.looked_at for link in links), 24)
        self.town.run(1)
        self.assertEqual({link.looked_at for link in links}, {1})


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
        self.assertEqual(alice.mesh.admission.dials, 50)
        host = self.town.host_of(alice)
        dialed: list[str] = []
        self.patch(host, "connectTCP", lambda ip, *_, **__: dialed.append(ip))
        alice.mesh.leave()
        self.assertEqual(dialed, [])
        self.assertEqual(alice.mesh.admission.dials, 0)

    def test_leaving_twice_and_nothing_happens_meanwhile(self) -> None:
        alice, _ = self.pair()
        alice.mesh.leave()
        self.successResultOf(alice.mesh.leave())
        seen = len(self.town.seen(alice).statuses)
        alice.mesh.reconnect()
        self.town.run(5)
        self.assertEqual(len(self.town.seen(alice).statuses), seen)
        self.assertEqual(self.town.links(alice), {})
        self.town.leave(alice)

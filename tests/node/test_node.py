"""A node as a whole: its port and name, start and stop, and what a person can do with it."""

from __future__ import annotations

import errno
from typing import Any

from twisted.internet.error import CannotListenError
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.peers import Status
from p2pchat.node.finding import LOCAL_INTERVAL
from p2pchat.node.news import NotSentError
from p2pchat.node.node import CannotStartError, ChatNode
from p2pchat.node.observers import Observer
from p2pchat.settings.values import PeerSettings, Settings
from p2pchat.testing.directory import Fault, StaticDirectory
from p2pchat.testing.network import FakeHost, FakeNetwork
from p2pchat.testing.nodes import FakeTown, connected_pair


class ListeningTests(SynchronousTestCase):
    """Which port, which name, and the sentences when there is none."""

    def setUp(self) -> None:
        self.network = FakeNetwork()
        self.host = self.network.host("10.0.0.1")

    def node(self, *, own_name: str = "ana", local: bool = False, **peer: Any) -> ChatNode:
        settings = Settings(peer=PeerSettings(**peer))
        return ChatNode(
            self.host, settings, StaticDirectory(), own_name=lambda: own_name, local=local
        )

    def listening(self, **options: Any) -> ChatNode:
        node = self.node(**options)
        node.listen()
        return node

    def assertCannotStart(self, node: ChatNode, *words: str) -> None:
        error = self.assertRaises(CannotStartError, node.listen)
        for word in words:
            self.assertIn(word, str(error))

    def test_without_settings_ports_count_up_and_names_do_not(self) -> None:
        nodes = [self.listening() for _ in range(3)]
        self.assertEqual([node.port for node in nodes], [4000, 4001, 4002])
        self.assertEqual([node.me.peer_id for node in nodes], ["ana@lobby"] * 3)
        self.assertEqual(len({node.me.instance for node in nodes}), 3)

    def test_a_name_that_was_chosen_stays(self) -> None:
        names = [self.listening(name="eva", namespace="CIC").me.peer_id for _ in range(2)]
        self.assertEqual(names, ["eva@CIC"] * 2)

    def test_when_many_ports_are_taken_any_will_do(self) -> None:
        for _ in range(50):
            self.listening()
        self.assertGreater(self.listening().port, 4049)

    def test_a_port_that_was_chosen_and_is_taken(self) -> None:
        self.listening(port=5000)
        self.assertCannotStart(self.node(port=5000), "port 5000", "all interfaces", "in use")

    def test_port_zero_is_any(self) -> None:
        node = self.listening(port=0)
        self.assertGreater(node.port, 0)
        self.assertEqual(node.presence.port, node.port)

    def test_a_node_of_this_machine_listens_on_loopback(self) -> None:
        for node, interface in (
            (self.listening(local=True), "127.0.0.1"),
            (self.listening(local=True, interface="10.0.0.1"), "10.0.0.1"),
            (self.listening(), "::"),
        ):
            self.assertEqual(self.host.ports[node.port].interface, interface)

    def test_an_interface_that_is_none_is_one_sentence_and_one_attempt(self) -> None:
        attempts = []

        class Bare(FakeHost):
            def listenTCP(self, port: int, *rest: Any, interface: str = "", **more: Any) -> Any:
                attempts.append(port)
                raise CannotListenError(
                    interface, port, OSError(errno.EADDRNOTAVAIL, "Cannot assign address")
                )

        self.host = Bare(self.network, "10.0.0.3")
        self.assertCannotStart(self.node(interface="1.2.3.4"), "1.2.3.4", "Cannot assign address")
        self.assertEqual(len(attempts), 1)

    def test_what_is_no_name(self) -> None:
        for name in ("", "x" * 65):
            self.assertCannotStart(self.node(own_name=name), "this cannot be our name")
        self.assertEqual(self.host.ports, {})

    def test_stopping_a_node_that_never_started(self) -> None:
        for node in (self.node(), self.listening()):
            done: list[object] = []
            node.stopService().addBoth(done.append)
            self.network.run(0.1)
            self.assertEqual(done, [None])
        self.assertEqual(self.host.ports, {})
        self.assertEqual(self.host.getDelayedCalls(), [])


class LifeTests(SynchronousTestCase):
    """From start to stop."""

    def test_a_pair_meets_and_talks(self) -> None:
        town, alice, bob = connected_pair()
        msg_id = alice.send("bob@CIC", "olá, 世界 😀")
        bob.publish("*", "to all")
        bob.publish("#CIC", "to CIC")
        town.run(1)
        self.assertEqual(town.seen(bob).texts, ["olá, 世界 😀"])
        self.assertEqual(town.seen(alice).texts, ["to all", "to CIC"])
        self.assertEqual(town.seen(alice).acked, [("bob@CIC", msg_id)])
        town.close()

    def test_what_cannot_be_sent(self) -> None:
        town, alice, _ = connected_pair()
        for peer_id, text in (
            ("alice@CIC", "x"),
            ("nobody@CIC", "x"),
            ("bob@CIC", "x" * 40_000),
        ):
            self.assertRaises(NotSentError, alice.send, peer_id, text)
        self.assertRaises(NotSentError, alice.publish, "CIC", "x")
        town.close()

    def test_round_trips_are_measured(self) -> None:
        town, alice, _ = connected_pair()
        for _ in range(12):
            alice.ping_all()
            town.run(0.1)
        peer = alice.peers.get("bob@CIC")
        assert peer is not None
        self.assertEqual(len(peer.round_trips), 10)
        assert peer.average_round_trip is not None
        self.assertTrue(0.0005 < peer.average_round_trip < 0.05)
        town.close()

    def test_an_ack_that_never_comes_is_reported(self) -> None:
        town, alice, bob = connected_pair()
        town.host_of(bob).unplug()
        msg_id = alice.send("bob@CIC", "hello?")
        town.run(4.9)
        self.assertEqual(town.seen(alice).failed, [])
        town.run(0.5)
        ((peer_id, failed, reason),) = town.seen(alice).failed
        self.assertEqual((peer_id, failed), ("bob@CIC", msg_id))
        self.assertIn("5 s", reason)
        town.host_of(bob).plug_in()
        town.close()

    def test_what_waits_for_its_ack_when_the_node_leaves_is_reported(self) -> None:
        town, alice, bob = connected_pair()
        town.host_of(bob).unplug()
        msg_id = alice.send("bob@CIC", "hello?")
        town.leave(alice)
        self.assertEqual([i for _, i, _ in town.seen(alice).failed], [msg_id])
        town.close()

    def test_leaving_tells_the_peers_and_the_rendezvous(self) -> None:
        town, alice, bob = connected_pair()
        self.assertLess(town.leave(alice), 0.5)
        self.assertFalse(town.rendezvous.knows("alice@CIC"))
        self.assertIs(bob.peers.get("alice@CIC").status, Status.DISCONNECTED)  # type: ignore[union-attr]
        town.check_clean(town.host_of(alice))
        town.close()

    def test_leaving_while_the_rendezvous_is_silent_takes_less_than_three_seconds(self) -> None:
        town, alice, bob = connected_pair()
        town.rendezvous.fault = Fault.SILENT
        town.host_of(bob).unplug()
        self.assertLess(town.leave(alice, 3.0), 3.0)
        town.run(11)
        town.check_clean(town.host_of(alice))
        town.host_of(bob).plug_in()
        town.close()

    def test_leaving_twice(self) -> None:
        town, alice, _ = connected_pair()
        again: Any = alice.stopService()
        town.leave(alice)
        self.assertEqual(self.successResultOf(again), None)
        town.close()

    def test_a_sweep_that_fails_does_not_stop_the_next(self) -> None:
        town, alice, _ = connected_pair()
        calls: list[float] = []

        def sweep(now: float) -> None:
            calls.append(now)
            raise RuntimeError("ours")

        self.patch(alice.mesh, "sweep", sweep)
        town.run(3)
        self.assertGreaterEqual(len(calls), 3)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), len(calls))
        town.close()

    def test_an_observer_that_fails_hurts_nobody(self) -> None:
        town, alice, bob = connected_pair()

        class Broken(Observer):
            def __getattribute__(self, name: str) -> Any:
                if name.startswith("__"):
                    return super().__getattribute__(name)
                raise RuntimeError("theirs")

        broken: Any = Broken()
        alice.observers.add(broken)
        bob.send("alice@CIC", "still there?")
        town.run(1)
        self.assertEqual(town.seen(alice).texts, ["still there?"])
        self.assertEqual(len(town.seen(bob).acked), 1)
        alice.observers.remove(broken)
        self.assertGreater(len(self.flushLoggedErrors(RuntimeError)), 0)
        town.close()


class RendezvousTests(SynchronousTestCase):
    """The rendezvous fails, and the node does not."""

    def test_links_outlive_it_and_everybody_is_registered_again(self) -> None:
        for fault in (Fault.DEAD, Fault.SILENT, Fault.SLOW, Fault.BLOCKED, Fault.NOT_REGISTERED):
            town = FakeTown(2)
            nodes = [town.node(f"n{n}@CIC") for n in range(4)]
            town.run_until_meshed()
            town.rendezvous.fault = fault
            town.rendezvous.forget()
            town.run(120)
            self.assertTrue(town.meshed(), fault)
            nodes[0].publish("*", "still talking")
            town.run(1)
            for node in nodes[1:]:
                self.assertEqual(town.seen(node).texts, ["still talking"], fault)
            town.rendezvous.forget()
            town.rendezvous.fault = Fault.NONE
            town.run(61)
            for node in nodes:
                self.assertTrue(town.rendezvous.knows(node.me.peer_id), fault)
            town.node("late@CIC")
            town.run_until_meshed(5)
            town.close()

    def test_it_lies(self) -> None:
        town, alice, _ = connected_pair()
        town.rendezvous.fault = Fault.LYING
        town.run(200)
        self.assertTrue(town.meshed())
        self.assertLess(len(alice.peers), 12)
        town.rendezvous.fault = Fault.NONE
        town.close()

    def test_a_directory_of_this_machine_is_asked_often(self) -> None:
        town = FakeTown()
        here: dict[str, Any] = {"ip": "127.0.0.1", "local": True}
        one = town.node("one@lobby", settings=Settings(peer=PeerSettings(port=4000)), **here)
        town.run(10)
        two = town.node("two@lobby", settings=Settings(peer=PeerSettings(port=4001)), **here)
        self.assertLess(town.run_until_meshed(), LOCAL_INTERVAL + 0.5)
        town.run(60)
        asked = [kind for _, _, kind in town.rendezvous.requests].count("DISCOVER")
        self.assertGreater(asked, 2 * 60 / (LOCAL_INTERVAL + 1))
        town.leave(one)
        town.leave(two)
        town.close()

    def test_a_fixed_list_is_enough(self) -> None:
        town = FakeTown()
        bob = town.node("bob@CIC", directory=StaticDirectory(ip="10.0.0.1"))
        alice = town.node(
            "alice@CIC", directory=StaticDirectory([("bob@CIC", "10.0.0.1", 4000)], ip="10.0.0.2")
        )
        town.run_until_meshed(1)
        alice.send("bob@CIC", "found you")
        town.run(1)
        self.assertEqual(town.seen(bob).texts, ["found you"])
        town.close()

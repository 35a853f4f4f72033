"""Who is blocked has no link, is not dialed and not heard; without a restart."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.blocking import Blocking
from p2pchat.mesh.peers import Status
from p2pchat.node.figures import statistics
from p2pchat.settings.values import LimitSettings, Settings
from tests.support.quirky_peers import Program
from tests.support.towns import MeshTestCase


class ListTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.changes = 0
        self.blocking = Blocking(["*@spam"], self.changed)

    def changed(self) -> None:
        self.changes += 1

    def test_what_is_added_and_taken_back(self) -> None:
        self.assertEqual(self.blocking.block(" bob@CIC"), "bob@CIC")
        self.blocking.block("bob@CIC")
        self.blocking.block("192.0.2.7")
        self.assertEqual((self.changes, len(self.blocking)), (2, 3))
        self.assertEqual(self.blocking.added, ["bob@CIC", "192.0.2.7/32"])
        self.assertTrue(self.blocking.has("bob@CIC", "10.0.0.1"))
        self.assertTrue(self.blocking.has("eve@CIC", "192.0.2.7"))
        self.blocking.unblock("192.0.2.7")
        self.assertFalse(self.blocking.has("eve@CIC", "192.0.2.7"))
        self.assertEqual(self.changes, 3)

    def test_what_cannot_be_done(self) -> None:
        for call, text, why in (
            (self.blocking.block, "bob", '"bob" is no peer_id'),
            (self.blocking.unblock, "bob@CIC", "bob@CIC is not blocked (/block lists what is)"),
            (self.blocking.unblock, "*@spam", "*@spam is in limits.blocked: take it out there"),
        ):
            with self.assertRaises(ValueError) as caught:
                call(text)
            self.assertTrue(str(caught.exception).startswith(why), caught.exception)
        self.assertEqual(self.changes, 0)

    def test_it_is_bounded(self) -> None:
        for number in range(1000):
            self.blocking.block(f"p{number}@CIC")
        with self.assertRaises(ValueError):
            self.blocking.block("one@more")

    def test_another_configuration_leaves_what_was_added(self) -> None:
        self.blocking.block("bob@CIC")
        self.blocking.configure(["eve@CIC"])
        self.assertEqual(self.blocking.configured, ["eve@CIC"])
        self.assertTrue(self.blocking.has_peer("bob@CIC") and self.blocking.has_peer("eve@CIC"))
        self.assertFalse(self.blocking.has_peer("x@spam"))


class BlockingTests(MeshTestCase):
    def figures(self, node: Any) -> Any:
        return statistics(node).snapshot()["links"]

    def test_an_open_link_ends_and_nothing_that_comes_is_shown(self) -> None:
        alice, bob = self.pair()
        carol = self.town.node("carol@CIC")
        self.town.run(10)
        bob.send("alice@CIC", "before")
        self.town.run(1)
        alice.mesh.blocking.block("bob@CIC")
        bob.send("alice@CIC", "meanwhile")
        bob.publish("*", "meanwhile")
        self.town.run(3)
        self.assertEqual(self.town.seen(alice).texts, ["before"])
        self.assertEqual(self.town.links(alice), {"carol@CIC": 1})
        self.assertIs(self.peer(alice, "bob@CIC").status, Status.DISCONNECTED)
        # However long bob tries, and whoever dials.
        self.town.run(150)
        alice.mesh.reconnect()
        bob.mesh.reconnect()
        self.town.run(5)
        self.assertEqual(self.town.links(alice), {"carol@CIC": 1})
        self.assertEqual(self.town.seen(alice).texts, ["before"])
        self.assertGreater(self.figures(alice)["refused_blocked"], 1)
        self.assertEqual(self.figures(alice)["blocked"], 1)
        carol.send("alice@CIC", "I am still here")
        self.town.run(1)
        self.assertEqual(self.town.seen(alice).texts, ["before", "I am still here"])
        admission = alice.mesh.admission
        self.assertEqual((admission.links, admission.handshakes, admission.dials), (1, 0, 0))

    def test_who_is_not_blocked_any_more_is_back(self) -> None:
        alice, bob = self.pair()
        alice.mesh.blocking.block("bob@*")
        self.town.run(100)
        self.assertEqual(self.town.links(alice), {})
        alice.mesh.blocking.unblock("bob@*")
        bob.mesh.reconnect()
        self.town.run_until_meshed(70)

    def test_who_came_back_meanwhile_is_dialed(self) -> None:
        alice, bob = self.town.node("alice@CIC"), self.town.node("bob@CIC")
        self.town.run_until_meshed()
        ip = self.town.host_of(bob).ip
        self.town.leave(bob)
        alice.mesh.blocking.block("bob@CIC")
        self.town.node("bob@CIC", ip=ip)
        self.town.run(0.5)  # before the rendezvous is asked again: it lists bob as before
        self.assertGreater(self.figures(alice)["refused_blocked"], 0)
        alice.mesh.blocking.unblock("bob@CIC")
        self.town.run_until_meshed(1)

    def test_a_reload_is_enough(self) -> None:
        alice, bob = self.pair()
        for entry in ("bob@CIC", "*@CIC", self.town.host_of(bob).ip, "10.0.0.0/8"):
            settings = Settings(limits=LimitSettings(blocked=(entry,)))
            alice.configure(settings)
            self.town.run(70)
            self.assertEqual(self.town.links(alice), {}, entry)
            alice.configure(Settings())
            bob.mesh.reconnect()
            self.town.run_until_meshed(70)

    def test_an_address_is_refused_before_it_says_anything(self) -> None:
        settings = Settings(limits=LimitSettings(blocked=("10.0.6.0/24",)))
        alice = self.town.node("alice@CIC", settings=settings)
        self.town.run(1)
        program = Program(self.town.network.host("10.0.6.66"), "eve@CIC")
        program.dial(self.town.host_of(alice).ip)
        self.town.run(1)
        self.assertEqual([bye["reason"] for bye in program.link.got("BYE")], ["blocked"])
        self.assertTrue(program.link.closed)
        self.assertEqual(self.figures(alice)["refused_blocked"], 1)
        self.assertEqual(self.figures(alice)["refused"], 0)

    def test_neither_a_name_nor_an_address_is_dialed(self) -> None:
        settings = Settings(limits=LimitSettings(blocked=("eve@*", "10.0.6.67")))
        alice = self.town.node("alice@CIC", settings=settings)
        programs = [
            Program(self.town.network.host("10.0.6.66"), "eve@CIC"),
            Program(self.town.network.host("10.0.6.67"), "mallory@CIC"),
        ]
        for program in programs:
            program.listen()
            self.rendezvous.enter(program.peer_id, program.host.ip, 4000)
        self.town.run(130)
        self.assertEqual([program.links for program in programs], [[], []])
        self.assertEqual(len(alice.peers), 0)

    def test_who_answers_for_somebody_else_is_refused_too(self) -> None:
        settings = Settings(limits=LimitSettings(blocked=("eve@CIC",)))
        alice = self.town.node("alice@CIC", settings=settings)
        program = Program(self.town.network.host("10.0.6.66"), "eve@CIC")
        program.listen()
        self.rendezvous.enter("innocent@CIC", program.host.ip, 4000)
        self.town.run(70)
        self.assertTrue(program.links)
        self.assertEqual((program.live, self.town.links(alice)), ([], {}))
        self.assertEqual(alice.mesh.admission.dials, 0)

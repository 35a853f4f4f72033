"""Nodes over IPv4, over IPv6 and over both, with the real rendezvous, which has both."""

from __future__ import annotations

from twisted.internet.testing import EventLoggingObserver
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.logs.levels import get_level, set_level
from p2pchat.node.node import ChatNode
from p2pchat.rendezvous.client import RendezvousClient
from p2pchat.testing.network import FakeHost
from p2pchat.testing.nodes import FakeTown

SEEDS = range(6)


class DualStackCase(SynchronousTestCase):
    def settle(self, seed: int = 1) -> FakeTown:
        """A town with a rendezvous of both families."""
        self.town = FakeTown(seed)
        self.town.network.host("10.0.255.254").also("fd00::fe")
        self.served = self.town.serve(name="rendezvous.example")
        return self.town

    def host(self, number: int, families: str) -> FakeHost:
        """A machine with the addresses of these families: `4`, `6` or `46`."""
        addresses = {"4": f"10.0.0.{number}", "6": f"fd00::{number}"}
        host = self.town.network.host(addresses[families[0]])
        for family in families[1:]:
            host.also(addresses[family])
        return host

    def node(self, name: str, number: int, families: str) -> ChatNode:
        return self.town.node(f"{name}@CIC", ip=self.host(number, families).ip, sealed=self.sealed)

    sealed = False

    def linked(self) -> dict[str, set[str]]:
        """With whom each node has one link."""
        named = {node.me.peer_id.split("@")[0]: node for node in self.town.nodes}
        return {
            name: {peer.split("@")[0] for peer, links in self.town.links(node).items() if links}
            for name, node in named.items()
        }

    def assertAllIsWell(self) -> None:
        """Nobody was told anything, and nobody has two links."""
        for node in self.town.nodes:
            self.assertEqual(self.town.seen(node).notices, [])
            self.assertEqual({*self.town.links(node).values()} - {1}, set())


class PairsTests(DualStackCase):
    def test_each_pair_that_has_a_family_in_common_is_linked(self) -> None:
        for seed in SEEDS:
            town = self.settle(seed)
            for number, (name, families) in enumerate(
                (("four", "4"), ("six", "6"), ("both", "46"), ("too", "46"), ("old", "4")), 1
            ):
                self.node(name, number, families)
            town.run(120)
            four, six = {"four", "old"}, {"six"}
            both = {"both", "too"}
            expected = {name: (four | both) - {name} for name in four}
            expected |= {name: (six | both) - {name} for name in six}
            expected |= {name: (four | six | both) - {name} for name in both}
            self.assertEqual(self.linked(), expected, f"seed {seed}")
            self.assertAllIsWell()
            town.close()

    def test_both_ends_that_dial_at_once_over_two_families_are_one_peer(self) -> None:
        """Also encrypted, and whatever the order in which things happen."""
        for seed in SEEDS:
            for sealed in (False, True):
                self.sealed = sealed
                town = self.settle(seed)
                self.node("a", 1, "46")
                self.node("b", 2, "46")
                town.run(30)
                for _ in range(2):
                    for node in town.nodes:
                        node.mesh.reconnect()
                    town.run(10)
                self.assertEqual(self.linked(), {"a": {"b"}, "b": {"a"}}, f"seed {seed}")
                self.assertAllIsWell()
                town.close()

    def test_one_has_two_registrations_of_one_name(self) -> None:
        town = self.settle()
        node = self.node("both", 1, "46")
        town.run(1)
        self.assertEqual({each.ip for each in self.served.registry.all()}, {"10.0.0.1", "fd00::1"})
        grant = node.presence.grant
        assert grant is not None
        self.assertEqual({*grant.ips}, {"10.0.0.1", "fd00::1"})
        town.run(200)
        self.assertAllIsWell()
        town.leave(node)
        self.assertEqual(self.served.registry.all(), [])
        town.close()

    def test_an_address_is_told_in_one_form(self) -> None:
        town = self.settle()
        both, four = self.node("both", 1, "46"), self.node("four", 2, "4")
        town.run(10)
        (peer,) = both.peers.connected()
        self.assertEqual(peer.links[0].ip, "10.0.0.2")
        self.assertTrue(peer.links[0].address.startswith("10.0.0.2:"))
        (peer,) = four.peers.connected()
        self.assertEqual(peer.links[0].ip, "10.0.0.1")
        six = self.node("six", 3, "6")
        town.run(70)
        (peer,) = six.peers.connected()
        self.assertTrue(peer.links[0].address.startswith("[fd00::1]:"), peer.links[0].address)
        town.close()


class PlainTests(DualStackCase):
    def test_one_of_another_make_sees_what_it_saw(self) -> None:
        """It knows IPv4 alone, and hears of no other address of who has one."""
        town = self.settle()
        both = self.node("both", 1, "46")
        six = self.node("six", 2, "6")
        town.run(2)
        plain = town.plain("plain@CIC", ip="10.0.0.3")
        town.run(70)
        self.assertEqual(self.linked()["both"], {"plain", "six"})
        plain.send("both@CIC", "oi")
        town.run(1)
        self.assertEqual((town.seen(both).texts, plain.faults), (["oi"], []))
        self.assertNotIn("plain@CIC", town.links(six))
        (reply,) = self.replies(b'{"type":"DISCOVER","namespace":"CIC"}', "10.0.0.3")
        self.assertNotIn("fd00::1", reply)
        self.assertTrue(reply.index("10.0.0.1") < reply.index("10.0.0.3") < reply.index("fd00::2"))
        everybody = self.replies(
            b'{"type":"DISCOVER","namespace":"CIC","families":["ipv4","ipv6"]}', "10.0.0.3"
        )
        everybody += self.replies(b'{"type":"DISCOVER","namespace":"CIC"}', "fd00::2")
        for reply in everybody:
            self.assertIn("fd00::1", reply)
        town.close()

    def replies(self, line: bytes, ip: str) -> list[str]:
        """What the rendezvous answers to this line from this address."""
        assert self.served.server is not None
        reply = self.served.server.factory.answers.reply(line, ip)
        assert isinstance(reply, bytes)
        return [reply.decode()]


class RaceTests(DualStackCase):
    def test_an_address_that_leads_nowhere_costs_a_quarter_of_a_second(self) -> None:
        """And what was given up is no failure that anybody reads of."""
        events = EventLoggingObserver()
        level = get_level()
        set_level("DEBUG")
        self.addCleanup(set_level, level)
        for seed in SEEDS:
            self.one_race(seed, events)
        told = [str(event.get("log_format", "")) for event in events]
        self.assertNotEqual(told, [])
        self.assertEqual([text for text in told if "failed" in text], [])

    def one_race(self, seed: int, events: EventLoggingObserver) -> None:
        town = self.settle(seed)
        bob = self.node("bob", 2, "4")
        town.run(1)
        now = town.network.clock.seconds()
        for number in range(2):
            address = f"fd00::dead:{number}"
            self.served.registry.register(address, "CIC", "bob", 4000, 7200, now)
        # Bob dials nobody, so that it is alice who has to.
        bob.presence.stopService()
        globalLogPublisher.addObserver(events)
        alice = self.node("alice", 1, "46")
        town.network.run_until(lambda: alice.mesh.admission.dials > 0)
        took = town.network.run_until(lambda: town.links(alice) != {}, 5)
        globalLogPublisher.removeObserver(events)
        self.assertLess(took, 0.5, f"seed {seed}")
        self.assertEqual(town.links(alice), {"bob@CIC": 1})
        self.assertEqual(alice.mesh.admission.dials, 0)
        town.run(20)
        self.assertEqual(alice.mesh.admission.links, 1)
        town.close()


class RendezvousTests(DualStackCase):
    def test_one_that_answers_over_one_family_alone(self) -> None:
        town = self.settle()
        town.network.names["rendezvous.example"] = ["fd00::dead", "10.0.255.254"]
        node = self.node("both", 1, "46")
        took = town.network.run_until(lambda: node.presence.grant is not None)
        self.assertLess(took, 0.6)
        self.assertEqual([each.ip for each in self.served.registry.all()], ["10.0.0.1"])
        town.close()

    def test_a_family_that_failed_three_times_rests(self) -> None:
        town = self.settle()
        town.network.names["rendezvous.example"] = ["fd00::dead", "10.0.255.254"]
        host = self.host(1, "46")
        client, dialed = self.served.at(host), []
        connect = host.connectTCP

        def counting(ip: str, *rest: object, **more: object) -> object:
            dialed.append(ip)
            return connect(ip, *rest, **more)  # type: ignore[arg-type]

        self.patch(host, "connectTCP", counting)
        for _ in range(5):
            client.register("CIC", "a", 4000, 7200)
            town.run(2)
        self.assertEqual(dialed.count("fd00::dead"), 3)
        self.assertEqual(dialed.count("10.0.255.254"), 5)
        town.run(600)
        client.register("CIC", "a", 4000, 7200)
        town.run(2)
        self.assertEqual(dialed.count("fd00::dead"), 4)
        town.close()

    def test_discover_goes_on_over_the_other_family(self) -> None:
        town = self.settle()
        client = self.served.at(self.host(1, "46"))
        client.register("CIC", "a", 4000, 7200)
        town.run(1)
        self.assertEqual(len(self.served.registry), 2)
        for gone in ("10.0.255.254", "fd00::fe"):
            others = [ip for ip in ("10.0.255.254", "fd00::fe") if ip != gone]
            town.network.names["rendezvous.example"] = ["fd00::dead" if ":" in gone else "10.9.9.9"]
            town.network.names["rendezvous.example"] += others
            found = client.discover("CIC")
            town.run(12)
            self.assertEqual(len(self.successResultOf(found)), 1 if ":" in gone else 2)
        town.close()

    def test_a_link_local_address_is_not_registered(self) -> None:
        town = self.settle()
        self.served.host.also("fe80::fe%eth0")
        host = town.network.host("fe80::1%eth0")
        refused = RendezvousClient(host, "fe80::fe%eth0", 8080).register("CIC", "a", 4000, 60)
        town.run(1)
        self.assertIn("link-local", self.failureResultOf(refused).getErrorMessage())
        self.assertEqual(len(self.served.registry), 0)
        town.close()

"""The checks of a world that count: a sound node has nothing wrong, and each slip is found."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.node.node import ChatNode
from p2pchat.rendezvous.registry import Registry
from p2pchat.testing.nodes import FakeTown
from p2pchat.testing.worlds.counters import (
    counter_violations,
    left_violations,
    registry_violations,
    settled_violations,
)
from p2pchat.testing.worlds.inner import Violation


def kinds(violations: Iterable[Violation]) -> list[str]:
    return [violation.kind for violation in violations]


class CounterTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.town = FakeTown(seed=3)
        self.ana = self.town.node("ana@CIC")
        self.bob = self.town.node("bob@CIC")
        self.town.run_until_meshed()
        self.town.run(1.0)
        self.mesh: Any = self.ana.mesh

    def wrong(self) -> list[str]:
        return kinds(counter_violations(self.ana))

    def test_a_sound_node(self) -> None:
        self.assertEqual(self.wrong(), [])

    def test_links_that_are_counted_wrong(self) -> None:
        self.mesh.admission.links += 1
        self.assertEqual(self.wrong(), ["links are counted wrong"])

    def test_dials_that_are_counted_wrong(self) -> None:
        self.mesh.admission.dials += 1
        self.assertEqual(self.wrong(), ["dials are counted wrong"])

    def test_bytes_that_are_counted_wrong(self) -> None:
        self.mesh.context.batch.waiting += 1
        self.assertEqual(self.wrong(), ["what waits is counted wrong"])

    def test_what_is_on_its_way_is_counted_wrong(self) -> None:
        self.ana.outgoing.outbox._on_their_way_to["bob@CIC"] = 1
        self.assertEqual(self.wrong(), ["what is on its way is counted wrong"])

    def test_a_peer_that_is_connected_without_a_link(self) -> None:
        self.ana.peers.get("bob@CIC").links.clear()  # type: ignore[union-attr]
        self.assertEqual(self.wrong(), ["connected peers without a link"])

    def test_a_handshake_that_is_over_time(self) -> None:
        link = self.mesh.links[0]
        self.mesh.context.unsettled[link] = None
        link.session._deadline = self.ana.clock.seconds() - 2.0
        link.session.leave("leaving", link.session._deadline - 2.0)
        self.assertEqual(self.wrong(), ["closing for too long"])

    def test_a_link_that_is_silent(self) -> None:
        self.mesh.keepalive._judge_from -= 10.0  # it has not just begun
        self.mesh.links[0].heard_at -= 100.0
        self.assertEqual(self.wrong(), ["a silent link is not ended"])

    def test_a_lease_that_is_renewed_too_late(self) -> None:
        schedule: Any = self.ana.presence._schedule
        schedule._register_at += 5000.0
        self.assertEqual(self.wrong(), ["a lease is renewed too late"])


class EndTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.town = FakeTown(seed=4)
        self.nodes = [self.town.node("ana@CIC"), self.town.node("bob@CIC")]
        self.town.run_until_meshed()

    def settled(self, nodes: list[ChatNode], *listed: str) -> list[str]:
        return kinds(settled_violations(nodes, listed))

    def test_all_is_well(self) -> None:
        self.assertEqual(self.settled(self.nodes, "ana@CIC", "bob@CIC"), [])

    def test_who_is_not_listed(self) -> None:
        self.assertEqual(self.settled(self.nodes, "ana@CIC"), ["it is there, and not listed"])

    def test_no_link(self) -> None:
        self.town.network.break_links(*map(self.town.host_of, self.nodes))
        self.town.run(0.1)
        found = self.settled(self.nodes, "ana@CIC", "bob@CIC")
        self.assertEqual({*found}, {"0 links with a peer that is there"})

    def test_a_timer_that_is_left(self) -> None:
        ana = self.nodes[0]
        host = self.town.host_of(ana)
        self.town.leave(ana)
        self.assertEqual(kinds(left_violations("ana@CIC", host)), [])
        host.callLater(5.0, lambda: None)
        self.assertEqual(
            kinds(left_violations("ana@CIC", host)), ["a timer is left behind at the end"]
        )


class RegistryTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.registry = Registry()
        self.registry.register("10.0.0.1", "CIC", "ana", 4000, 60, 100.0)

    def wrong(self) -> list[str]:
        return kinds(registry_violations(self.registry, 100.5))

    def test_sound_books(self) -> None:
        self.registry.discover("CIC", 100.2)
        self.registry.register("10.0.0.1", "CIC", "ana", 4000, 60, 100.3)
        self.assertEqual(self.wrong(), [])

    def test_a_count_that_is_wrong(self) -> None:
        self.registry._count += 1
        self.assertEqual(self.wrong(), ["registrations are counted wrong"])

    def test_a_lease_that_nobody_has(self) -> None:
        self.registry._ends[170] = dict.fromkeys(registrations_of("bob"))
        self.assertEqual(self.wrong(), ["a lease ends that is not there"])

    def test_a_listing_that_is_too_old(self) -> None:
        self.registry._replies_of = 100
        self.registry._replies["CIC"] = b"{}\n"
        self.assertEqual(self.wrong(), ["a listing leaves somebody out"])


def registrations_of(name: str) -> list[Any]:
    registry = Registry()
    registry.register("10.0.0.2", "CIC", name, 4000, 60, 100.0)
    return registry.all()

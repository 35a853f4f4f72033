"""What programs get of peers, links and round-trip times; the tables are in `test_peers`."""

from __future__ import annotations

from msgspec import to_builtins
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.console.reports import link_rows, peer_rows, round_trip_rows
from p2pchat.turns import at_once
from tests.support.consoles import FakeNode, listing


class RowTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.node = FakeNode(Clock())
        self.link = self.node.meets("zoe@UnB", outbound=False)

    def test_peers(self) -> None:
        peer = self.node.knows("bob@CIC")
        peer.addresses, peer.registered = (("10.0.0.2", 4000), ("::1", 4001)), True
        self.node.peers.connected()[0].add_round_trip(0.0012345678)
        bob, zoe = to_builtins(at_once(peer_rows(self.node.peers, None)))
        self.assertEqual(
            bob,
            {
                "peer_id": "bob@CIC",
                "status": "UNKNOWN",
                "addresses": ("10.0.0.2:4000", "[::1]:4001"),
                "listed": True,
                "links": 0,
                "linked_from": "",
                "rtt_seconds": None,
                "security": "",
                "key": "",
            },
        )
        self.assertEqual((zoe["addresses"], zoe["listed"]), ((), False))
        self.assertEqual((zoe["links"], zoe["linked_from"]), (1, self.link.address))
        self.assertEqual(zoe["rtt_seconds"], 0.001235)

    def test_what_the_rendezvous_has_just_told_counts(self) -> None:
        self.node.knows("bob@CIC").registered = True
        listings = [listing("carol@CIC"), listing("dan@UnB")]
        rows = at_once(peer_rows(self.node.peers, "CIC", listings))
        self.assertEqual(
            [(row.peer_id, row.listed) for row in rows],
            [("bob@CIC", False), ("carol@CIC", True)],
        )

    def test_of_two_families_the_one_that_is_used_comes_first(self) -> None:
        listings = [listing("zoe@UnB", ip="2001:db8::2"), listing("zoe@UnB", ip="10.0.0.2")]
        for used, first in (("10.0.0.9", "10.0.0.2:4000"), ("fd00::9", "[2001:db8::2]:4000")):
            self.link.ip = used
            (zoe,) = at_once(peer_rows(self.node.peers, "UnB", listings))
            self.assertEqual((zoe.addresses[0], len(zoe.addresses)), (first, 2))

    def test_links(self) -> None:
        self.link.sent, self.link.received = 3, 4
        (row,) = to_builtins(link_rows(self.node.peers, 90.04, 1_000_000_000))
        self.assertEqual(
            row,
            {
                "peer_id": "zoe@UnB",
                "direction": "inbound",
                "address": self.link.address,
                "since": "2001-09-09T01:45:09Z",
                "age_seconds": 90.0,
                "sent": 3,
                "received": 4,
                "security": "plain",
                "key": "",
                "family": "IPv4",
                "source": "",
            },
        )

    def test_who_told_the_address_of_a_link(self) -> None:
        link = self.node.meets("bob@CIC")
        peer, place = self.node.peers.connected("CIC")[0], ("10.0.0.9", 40_000)
        sources = []
        for was_at, registered_at, seen_at, dialed in (
            ((), (), (), "bob@CIC"),
            ((place,), (), (), "bob@CIC"),
            ((place,), (place,), (), "bob@CIC"),
            ((place,), (place,), (place,), "bob@CIC"),
            ((), (), (place,), ""),
        ):
            peer.known_at, peer.registered_at, peer.seen_at = was_at, registered_at, seen_at
            link.dialed = dialed
            sources += [row.source for row in link_rows([peer], 90.0, 1e9)]
        self.assertEqual(sources, ["", "remembered", "rendezvous", "network", "person"])

    def test_round_trips(self) -> None:
        self.node.knows("bob@CIC")
        rows = round_trip_rows(self.node.peers)
        self.assertEqual(
            to_builtins(rows),
            [{"peer_id": "zoe@UnB", "average_seconds": None, "samples_seconds": []}],
        )
        for seconds in (0.001, 0.0020000004):
            self.node.peers.connected()[0].add_round_trip(seconds)
        (row,) = round_trip_rows(self.node.peers)
        self.assertEqual((row.average_seconds, row.samples_seconds), (0.0015, [0.001, 0.002]))

"""Two links with the same peer: which one is sent on, and which one ends ("accepts", row 6)."""

from __future__ import annotations

from itertools import permutations

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.peers import PeerTable
from tests.support.fake_link import FakeLink


class PlainLinksTests(SynchronousTestCase):
    """Some clients keep one link per direction and send on either: both stay."""

    def test_both_stay_and_the_first_is_sent_on(self) -> None:
        for outbound_first in (True, False):
            for own_id in ("alice@CIC", "zoe@CIC"):
                table = PeerTable(own_id, 10)
                first = FakeLink("bob@CIC", outbound=outbound_first)
                second = FakeLink("bob@CIC", outbound=not outbound_first)
                self.assertIsNone(table.link_opened(first)[1])
                peer, surplus = table.link_opened(second)
                self.assertIsNone(surplus)
                self.assertEqual(peer.links, [first, second])

    def test_when_the_first_ends_the_second_is_sent_on(self) -> None:
        table = PeerTable("alice@CIC", 10)
        first, second = FakeLink("bob@CIC"), FakeLink("bob@CIC", outbound=True)
        table.link_opened(first)
        peer, _ = table.link_opened(second)
        table.link_closed(first)
        self.assertEqual((peer.links, table.connected()), ([second], [peer]))


class SameKindTests(SynchronousTestCase):
    def pair(self, own_id: str, first: FakeLink, second: FakeLink) -> tuple[object, list[object]]:
        """The link that we should end, and the links in their order."""
        table = PeerTable(own_id, 10)
        self.assertIsNone(table.link_opened(first)[1])
        peer, surplus = table.link_opened(second)
        return surplus, [*peer.links]

    def test_the_smaller_id_ends_what_the_other_dialed(self) -> None:
        for own_id, peer_id in (
            ("alice@CIC", "bob@CIC"),
            ("Zoe@CIC", "alice@CIC"),  # code points, not the alphabet
            ("alice@CIC", "alice@x"),
            ("a@x", "aa@x"),
            ("z@x", "é@x"),
            ("\uffff@x", "\U0001f600@x"),  # not the order of UTF-16 units
        ):
            ours = FakeLink(peer_id, outbound=True, instance="b")
            theirs = FakeLink(peer_id, outbound=False, instance="b")
            self.assertEqual(self.pair(own_id, ours, theirs), (theirs, [ours, theirs]))
            self.assertEqual(self.pair(own_id, theirs, ours), (theirs, [ours, theirs]))
            # The other end: it sends on the link that stays, and waits for the other's BYE.
            ours = FakeLink(own_id, outbound=True, instance="a")
            theirs = FakeLink(own_id, outbound=False, instance="a")
            self.assertEqual(self.pair(peer_id, ours, theirs), (None, [theirs, ours]))
            self.assertEqual(self.pair(peer_id, theirs, ours), (None, [theirs, ours]))

    def test_two_processes_of_one_name_both_stay(self) -> None:
        """The peer started again, and its old link is not known to be dead yet."""
        old = FakeLink("bob@CIC", outbound=True, instance="before")
        new = FakeLink("bob@CIC", outbound=False, instance="after")
        self.assertEqual(self.pair("alice@CIC", old, new), (None, [old, new]))

    def test_two_links_in_one_direction_both_stay(self) -> None:
        old = FakeLink("bob@CIC", instance="b")
        new = FakeLink("bob@CIC", instance="b")
        self.assertEqual(self.pair("alice@CIC", old, new), (None, [old, new]))

    def test_an_unnamed_process_is_never_taken_for_another(self) -> None:
        old, new = FakeLink("bob@CIC", outbound=True), FakeLink("bob@CIC", outbound=False)
        old.is_p2pchat = new.is_p2pchat = True
        self.assertEqual(self.pair("alice@CIC", old, new), (None, [old, new]))

    def test_a_plain_link_beside_one_of_our_kind_stays(self) -> None:
        old = FakeLink("bob@CIC", outbound=True, instance="b")
        new = FakeLink("bob@CIC", outbound=False)
        self.assertEqual(self.pair("alice@CIC", old, new), (None, [old, new]))

    def test_of_three_links_one_of_the_other_direction_ends(self) -> None:
        table = PeerTable("alice@CIC", 10)
        first, second = (FakeLink("bob@CIC", instance="b") for _ in range(2))
        ours = FakeLink("bob@CIC", outbound=True, instance="b")
        table.link_opened(first)
        table.link_opened(second)
        peer, surplus = table.link_opened(ours)
        self.assertIs(surplus, first)
        self.assertEqual(peer.links, [ours, first, second])


class Node:
    """A table, and its ends of two connections with the other node."""

    def __init__(self, own_id: str, peer_id: str) -> None:
        self.own_id = own_id
        self.table = PeerTable(own_id, 10)
        self.ends = {
            dialer: FakeLink(peer_id, outbound=dialer == own_id, instance=f"of {peer_id}")
            for dialer in (own_id, peer_id)
        }

    def open(self, dialer: str) -> str | None:
        """The handshake of the connection that `dialer` dialed is done; who dialed what ends."""
        _, surplus = self.table.link_opened(self.ends[dialer])
        return next((name for name, link in self.ends.items() if link is surplus), None)

    def close(self, dialer: str) -> None:
        self.table.link_closed(self.ends[dialer])

    @property
    def kept(self) -> list[str]:
        links = [link for peer in self.table.connected() for link in peer.links]
        return [name for link in links for name, end in self.ends.items() if end is link]


class CrossingDialsTests(SynchronousTestCase):
    """Both nodes dial at once: whatever is opened first where, both keep the same connection."""

    def test_both_ends_agree_in_every_order(self) -> None:
        orders = 0
        for low, high in (("alice@CIC", "bob@CIC"), ("Zoe@CIC", "alice@CIC")):
            steps = [(node, dialer) for node in (low, high) for dialer in (low, high)]
            for order in permutations(steps):
                # Who listens has opened the session before who dialed reads HELLO_OK.
                if order.index((high, low)) > order.index((low, low)):
                    continue
                if order.index((low, high)) > order.index((high, high)):
                    continue
                orders += 1
                self.check(low, high, order)
        self.assertEqual(orders, 12)

    def check(self, low: str, high: str, order: tuple[tuple[str, str], ...]) -> None:
        nodes = {low: Node(low, high), high: Node(high, low)}
        ended: list[tuple[str, str]] = []
        for name, dialer in order:
            ending = nodes[name].open(dialer)
            if ending is not None:
                ended.append((name, ending))
        # The BYE of the one that ends a link comes after all that opened it.
        self.assertEqual(ended, [(low, high)], order)
        for name in (low, high):
            # Before the BYE arrives, both send on the one that stays.
            self.assertEqual(nodes[name].kept, [low, high], order)
            nodes[name].close(high)
            self.assertEqual(nodes[name].kept, [low], order)
            self.assertEqual(len(nodes[name].table.connected()), 1)

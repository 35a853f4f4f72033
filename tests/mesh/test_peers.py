"""The peer table: what listings say, who is connected, who gives way, and which link is used."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.addresses import AddressRules
from p2pchat.mesh.peers import Peer, PeerTable, Status
from p2pchat.rendezvous.directory import Listing
from p2pchat.wire.friends import Friends
from tests.support.fake_link import FakeLink


def listing(ip: str = "192.0.2.7", port: int = 4000, ttl: float = 60, left: float = 60) -> Listing:
    return Listing("bob", "CIC", ip, port, ttl, left)


class CalledTests(SynchronousTestCase):
    def test_a_friend_who_is_away_is_found_in_another_form_of_unicode(self) -> None:
        friends = Friends()
        friends.wrote_to("jos\u00e9@CIC")
        table = PeerTable(9, friends)
        self.assertEqual(table.called("jose\u0301@CIC"), "jos\u00e9@CIC")
        self.assertEqual(table.called("jose\u0301"), "jose\u0301")
        table.listed("jos\u00e9@CIC")
        self.assertEqual(table.called("jose\u0301"), "jos\u00e9@CIC")
        table.listed("jose\u0301@CIC")
        self.assertEqual(table.called("jose\u0301@CIC"), "jose\u0301@CIC")


class InTheClearTests(SynchronousTestCase):
    def test_it_counts_peers_whatever_links_they_have(self) -> None:
        table, counts = PeerTable(9), []
        plain, sealed, other = FakeLink(), FakeLink(), FakeLink("ana@home")
        sealed.key = b"k" * 32
        for change in (
            lambda: table.link_opened(plain),
            lambda: table.link_opened(other),
            lambda: table.link_opened(sealed),
            lambda: table.link_closed(plain),
            lambda: table.link_closed(plain),
            lambda: table.link_closed(sealed),
            lambda: table.link_closed(other),
        ):
            change()
            clear = (table.count_in_the_clear("CIC"), table.count_in_the_clear("home"))
            counts.append((*clear, table.count_in_the_clear()))
        expected = [(1, 0, 1), (1, 1, 2), (1, 1, 2), (0, 1, 1), (0, 1, 1), (0, 1, 1), (0, 0, 0)]
        self.assertEqual(counts, expected)

    def test_how_what_is_being_told_came(self) -> None:
        peer, link = Peer("bob@CIC"), FakeLink()
        self.assertEqual(peer.security_of(), "plain")
        link.security, peer.heard_on = "verified", link
        for src, security in (("", "verified"), ("bob@CIC", "verified"), ("ana@CIC", "plain")):
            self.assertEqual(peer.security_of(src), security)


class PeerTests(SynchronousTestCase):
    def test_a_new_peer(self) -> None:
        peer = Peer("bob@home@CIC")
        self.assertEqual((peer.peer_id, peer.namespace), ("bob@home@CIC", "CIC"))
        self.assertIs(peer.status, Status.UNKNOWN)
        self.assertEqual(
            (peer.addresses, peer.links, peer.listed, peer.left), ((), [], False, False)
        )

    def test_the_last_ten_round_trips_and_their_mean(self) -> None:
        peer = Peer("bob@CIC")
        self.assertIsNone(peer.average_round_trip)
        for n in range(1, 26):
            peer.add_round_trip(n / 10)
        self.assertEqual([*peer.round_trips], [n / 10 for n in range(16, 26)])
        average = peer.average_round_trip
        assert average is not None
        self.assertAlmostEqual(average, 2.05)


class HeardOfTests(SynchronousTestCase):
    """What a DISCOVER reply says of one peer ("accepts", row 9; section 2, "the client's side")."""

    def setUp(self) -> None:
        self.peer = Peer("bob@CIC")

    def heard(self, *entries: Listing, now: float = 0.0, own_ip: str = "") -> bool:
        return self.peer.heard_of(entries, AddressRules("127.0.0.1", [own_ip]), now)

    def test_the_first_time(self) -> None:
        self.assertTrue(self.heard(listing(), now=10.0))
        self.assertEqual(self.peer.addresses, (("192.0.2.7", 4000),))
        self.assertEqual((self.peer.listed, self.peer.expires_at), (True, 70.0))

    def test_the_same_registration_a_little_later_is_no_renewal(self) -> None:
        self.heard(listing(left=60), now=0.0)
        for now, left in ((10.0, 50), (20.0, 41), (30.4, 31), (40.0, 20)):
            self.assertFalse(self.heard(listing(left=left), now=now))

    def test_a_lease_that_ends_later_is_a_renewal(self) -> None:
        self.heard(listing(left=60), now=0.0)
        self.assertTrue(self.heard(listing(left=60), now=30.0))
        self.assertFalse(self.heard(listing(left=50), now=40.0))

    def test_another_address_is_a_renewal(self) -> None:
        self.heard(listing(left=60), now=0.0)
        self.assertTrue(self.heard(listing(port=4001, left=50), now=10.0))
        self.assertTrue(self.heard(listing("192.0.2.8", 4001, left=40), now=20.0))
        self.assertFalse(self.heard(listing("192.0.2.8", 4001, left=30), now=30.0))

    def test_after_an_absence_it_is_new(self) -> None:
        self.heard(listing(left=60), now=0.0)
        self.peer.registered = False
        self.assertTrue(self.heard(listing(left=50), now=10.0))

    def test_of_several_addresses_the_latest_registration_is_first(self) -> None:
        self.heard(
            listing("192.0.2.1", 4001, ttl=7200, left=100),  # registered 7100 s ago
            listing("192.0.2.2", 4002, ttl=60, left=50),  # 10 s ago
            listing("192.0.2.3", 4003, ttl=7200, left=7000),  # 200 s ago
        )
        self.assertEqual(
            self.peer.addresses, (("192.0.2.2", 4002), ("192.0.2.3", 4003), ("192.0.2.1", 4001))
        )
        self.assertEqual(self.peer.expires_at, 7000)

    def test_equal_addresses_are_one(self) -> None:
        self.heard(listing(left=50), listing(left=40))
        self.assertEqual(self.peer.addresses, (("192.0.2.7", 4000),))

    def test_another_order_of_the_same_addresses_is_no_renewal(self) -> None:
        """Two registrations of one second change places as their remaining time is rounded."""
        first = ("192.0.2.1", 4001)
        second = ("192.0.2.2", 4002)
        self.heard(listing(*first, left=50), listing(*second, left=50), now=0.0)
        self.assertFalse(self.heard(listing(*first, left=48), listing(*second, left=49), now=1.0))
        self.assertEqual(self.peer.addresses, (second, first))

    def test_an_old_address_whose_lease_ended_is_no_renewal(self) -> None:
        self.heard(listing("192.0.2.1", left=50), listing("192.0.2.2", left=5), now=0.0)
        self.assertFalse(self.heard(listing("192.0.2.1", left=40), now=10.0))
        self.assertEqual(self.peer.addresses, (("192.0.2.1", 4000),))

    def test_our_own_public_address_is_tried_at_loopback_first(self) -> None:
        self.heard(
            listing("192.0.2.7", 4000, left=50),
            listing("192.0.2.9", 4001, left=60),
            own_ip="192.0.2.7",
        )
        self.assertEqual(
            self.peer.addresses,
            (("127.0.0.1", 4000), ("192.0.2.7", 4000), ("192.0.2.9", 4001)),
        )

    def test_loopback_itself_is_tried_once(self) -> None:
        self.heard(listing("127.0.0.1"), own_ip="127.0.0.1")
        self.assertEqual(self.peer.addresses, (("127.0.0.1", 4000),))

    def test_a_rendezvous_that_lists_thousands_of_addresses(self) -> None:
        self.heard(*(listing(port=n, left=n) for n in range(1, 10_000)))
        self.assertEqual(
            self.peer.addresses, tuple(("192.0.2.7", n) for n in range(9999, 9991, -1))
        )

    def test_a_rendezvous_that_knows_no_ttl(self) -> None:
        self.assertTrue(self.heard(listing(ttl=0, left=0), now=5.0))
        self.assertFalse(self.heard(listing(ttl=0, left=0), now=6.0))


class TableTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.friends = Friends()
        self.table = PeerTable(3, self.friends)

    def open(self, peer_id: str, **options: Any) -> FakeLink:
        link = FakeLink(peer_id, **options)
        self.table.link_opened(link)
        return link

    def name(self, peer_id: str) -> Peer | None:
        """What a DISCOVER reply that names this peer does."""
        peer = self.table.listed(peer_id)
        if peer is not None:
            peer.heard_of([listing()], AddressRules(""), 0.0)
        return peer

    def not_listed(self, *said: Any) -> None:
        for _ in self.table.not_listed(*said):
            pass

    def known(self) -> list[str]:
        return [peer.peer_id for peer in self.table]

    def test_empty(self) -> None:
        self.assertEqual((len(self.table), [*self.table], self.table.connected()), (0, [], []))
        self.assertIsNone(self.table.get("bob@CIC"))
        self.assertEqual(self.table.connected("CIC"), [])

    def test_listed_peers_are_known_and_not_connected(self) -> None:
        peer = self.name("bob@CIC")
        self.assertIs(self.table.get("bob@CIC"), peer)
        self.assertIs(self.name("bob@CIC"), peer)
        self.assertEqual((len(self.table), self.table.connected()), (1, []))

    def test_a_peer_is_connected_while_it_has_a_link(self) -> None:
        first, second = self.open("bob@CIC"), self.open("bob@CIC")
        other = self.open("carol@x")
        bob, carol = self.table.get("bob@CIC"), self.table.get("carol@x")
        self.assertEqual(self.table.connected(), [bob, carol])
        self.assertEqual(self.table.connected("CIC"), [bob])
        self.assertIs(self.table.link_closed(first), bob)
        self.assertEqual(self.table.connected("CIC"), [bob])
        self.table.link_closed(second)
        self.assertEqual(self.table.connected("CIC"), [])
        self.table.link_closed(other)
        self.assertEqual(self.table.connected(), [])
        self.assertEqual(self.known(), ["bob@CIC", "carol@x"])

    def test_a_link_forgets_that_the_peer_had_left(self) -> None:
        peer = self.name("bob@CIC")
        assert peer is not None
        peer.left = True
        self.open("bob@CIC")
        self.assertFalse(peer.left)

    def test_a_link_that_is_not_in_the_table(self) -> None:
        self.assertIsNone(self.table.link_closed(FakeLink("bob@CIC")))
        link = self.open("bob@CIC")
        self.assertIsNone(self.table.link_closed(FakeLink("bob@CIC")))
        self.assertIsNotNone(self.table.link_closed(link))
        self.assertIsNone(self.table.link_closed(link))

    def test_who_is_no_longer_listed(self) -> None:
        bob, carol = self.name("bob@CIC"), self.name("carol@CIC")
        assert bob is not None
        assert carol is not None
        self.not_listed({"carol@CIC": None}.keys())
        self.assertEqual((bob.listed, carol.listed), (False, True))
        self.name("bob@CIC")
        self.assertTrue(bob.listed)

    def test_a_full_table_has_no_place_for_one_more_of_a_listing(self) -> None:
        for name in ("b@x", "c@x", "d@x"):
            self.assertIsNotNone(self.name(name))
        self.assertIsNone(self.name("e@x"))
        self.assertEqual((self.known(), self.table.refused), (["b@x", "c@x", "d@x"], 1))
        self.assertIsNotNone(self.name("b@x"))

    def test_whoever_connects_takes_the_place_of_the_one_without_a_link_for_longest(self) -> None:
        for name in ("b@x", "c@x", "d@x"):
            self.name(name)
        self.table.link_closed(self.open("b@x"))
        self.open("e@x")
        self.assertEqual(self.known(), ["b@x", "d@x", "e@x"])
        self.open("f@x")
        self.assertEqual(self.known(), ["b@x", "e@x", "f@x"])
        self.assertEqual(self.table.forgotten, 2)

    def test_links_always_find_a_place(self) -> None:
        links = [self.open(f"{name}@x") for name in "bcdef"]
        self.assertEqual(len(self.table.connected()), 5)
        self.assertEqual(self.table.forgotten, 0)
        self.assertIsNone(self.name("g@x"))
        self.table.link_closed(links[0])
        self.open("h@x")
        self.assertEqual(self.known(), ["c@x", "d@x", "e@x", "f@x", "h@x"])

    def test_strangers_that_came_and_went_do_not_keep_listed_peers_out(self) -> None:
        for n in range(10):
            self.table.link_closed(self.open(f"stranger{n}@x"))
        for name in ("b@x", "c@x", "d@x"):
            self.assertIsNotNone(self.name(name))
        self.assertEqual((self.known(), self.table.refused), (["b@x", "c@x", "d@x"], 0))

    def test_strangers_give_way_before_listed_peers(self) -> None:
        self.name("b@x")
        self.name("c@x")
        for n in range(10):
            self.table.link_closed(self.open(f"stranger{n}@x"))
        self.assertEqual(self.known(), ["b@x", "c@x", "stranger9@x"])

    def test_a_peer_whose_lease_ended_gives_way_too(self) -> None:
        for name in ("b@x", "c@x", "d@x"):
            self.name(name)
        link = self.open("c@x")
        self.not_listed({"d@x"})
        self.assertIsNotNone(self.name("e@x"))
        self.assertEqual(self.known(), ["c@x", "d@x", "e@x"])
        self.assertIsNone(self.name("f@x"))
        self.table.link_closed(link)
        self.assertIsNotNone(self.name("f@x"))
        self.assertEqual(self.known(), ["d@x", "e@x", "f@x"])

    def test_who_is_listed_again_does_not_give_way(self) -> None:
        for name in ("b@x", "c@x", "d@x"):
            self.name(name)
        self.not_listed(set())
        self.name("b@x")
        self.name("c@x")
        for name in ("e@x", "f@x"):
            self.name(name)
        self.assertEqual(self.known(), ["b@x", "c@x", "e@x"])

    def test_who_gives_way_is_told_of(self) -> None:
        forgotten: list[Peer] = []
        self.table.on_forgotten = forgotten.append
        peer = self.name("b@x")
        for name in "cde":
            self.open(f"{name}@x")
        self.assertEqual(forgotten, [peer])

    def test_it_may_change_while_it_is_read(self) -> None:
        self.name("b@x")
        self.name("c@x")
        for peer in self.table:
            self.open(peer.peer_id + "y")
        for peer in self.table.connected():
            self.table.link_closed(peer.links[0])
        self.assertEqual(self.table.connected(), [])


class FriendTests(SynchronousTestCase):
    """Strangers, however many, take no place from those to whom we wrote."""

    def setUp(self) -> None:
        self.friends = Friends()
        self.table = PeerTable(100, self.friends)

    def listed(self, peer_id: str) -> Peer | None:
        peer = self.table.listed(peer_id)
        if peer is not None:
            peer.registered = True
        return peer

    def not_listed(self, *said: Any) -> None:
        for _ in self.table.not_listed(*said):
            pass

    def flood(self, *, how_many: int = 1000, link: bool = False) -> None:
        for n in range(how_many):
            self.listed(f"stranger{n}@x")
            if link:
                opened = FakeLink(f"passer{n}@x")
                self.table.link_opened(opened)
                self.table.link_closed(opened)

    def knows(self, peer_id: str) -> bool:
        return self.table.get(peer_id) is not None

    def test_one_that_registers_later_takes_the_place_of_a_listed_stranger(self) -> None:
        self.friends.wrote_to("bob@x")
        self.flood()
        self.assertIsNotNone(self.listed("bob@x"))
        self.assertEqual((len(self.table), self.table.forgotten), (100, 1))
        self.assertFalse(self.knows("stranger0@x"))

    def test_one_that_dials_in_later_keeps_its_place(self) -> None:
        self.friends.wrote_to("bob@x")
        self.flood()
        link = FakeLink("bob@x")
        self.table.link_opened(link)
        self.table.link_closed(link)
        self.flood(link=True)
        self.assertTrue(self.knows("bob@x"))
        self.assertEqual(len(self.table), 100)

    def test_one_that_no_listing_names_keeps_its_place(self) -> None:
        self.friends.wrote_to("bob@x")
        self.listed("bob@x")
        self.not_listed(())
        self.flood(link=True)
        self.assertTrue(self.knows("bob@x"))

    def test_one_to_whom_we_wrote_since_it_came(self) -> None:
        self.listed("bob@x")
        self.friends.wrote_to("bob@x")
        self.flood(link=True)
        self.assertTrue(self.knows("bob@x"))

    def test_strangers_with_links_take_no_place_from_a_listed_one(self) -> None:
        for n in range(150):
            self.table.link_opened(FakeLink(f"stranger{n}@x"))
        self.friends.wrote_to("bob@x")
        self.assertIsNotNone(self.listed("bob@x"))
        self.assertIsNone(self.listed("carol@x"))

    def test_many_friends_are_bounded_too(self) -> None:
        names = [f"friend{n}@x" for n in range(200)]
        self.friends.wrote_to(*names)
        listed = [self.listed(name) for name in names]
        self.assertEqual((listed.count(None), len(self.table)), (100, 100))
        # No listing names them: they make way for the others, but not for strangers.
        self.not_listed(())
        self.flood(link=False)
        self.assertTrue(self.knows(names[0]))
        for name in names[100:]:
            self.assertIsNotNone(self.listed(name))
        self.assertEqual(len(self.table), 100)
        link = FakeLink(names[0])
        self.table.link_opened(link)
        self.assertEqual(len(self.table), 100)
        self.assertFalse(self.knows(names[100]))

    def test_a_stranger_that_connects_to_a_table_of_friends(self) -> None:
        names = [f"friend{n}@x" for n in range(100)]
        self.friends.wrote_to(*names)
        for name in names:
            self.listed(name)
        self.flood(link=True)
        self.assertTrue(all(map(self.knows, names)))
        self.assertLessEqual(len(self.table), 101)

    def test_one_listing_of_a_namespace_says_nothing_of_others(self) -> None:
        for name in ("bob@x", "carol@x", "dave@y"):
            self.listed(name)
        self.not_listed({"bob@x"}, "x")
        self.assertEqual([peer.peer_id for peer in self.table if peer.listed], ["bob@x", "dave@y"])


class LinksInUseTests(SynchronousTestCase):
    """Which of a peer's links is written to ("accepts", row 6)."""

    def links(self, *links: FakeLink) -> tuple[Peer, FakeLink, list[FakeLink]]:
        table = PeerTable(10)
        for link in links:
            peer = table.link_opened(link)
        return peer, peer.link_in_use, peer.links_in_use  # type: ignore[return-value]

    def test_when_the_first_ends_the_second_is_sent_on(self) -> None:
        table = PeerTable(10)
        first, second = FakeLink("bob@CIC"), FakeLink("bob@CIC", outbound=True)
        table.link_opened(first)
        peer = table.link_opened(second)
        table.link_closed(first)
        self.assertEqual((peer.links, table.connected()), ([second], [peer]))

    def test_the_first_that_is_not_leaving(self) -> None:
        first, second = FakeLink(instance="a"), FakeLink(instance="b")
        peer, used, all_used = self.links(first, second)
        self.assertEqual((used, all_used), (first, [first]))
        first.leaving = True
        self.assertEqual((peer.link_in_use, peer.links_in_use), (second, [second]))
        second.leaving = True
        self.assertIs(peer.link_in_use, first)

    def test_only_another_program_at_one_address_is_written_to_on_two(self) -> None:
        first, beside, elsewhere, ours = (FakeLink() for _ in range(4))
        elsewhere.ip = "10.0.0.66"
        ours.is_p2pchat = True
        _, used, all_used = self.links(first, elsewhere, ours, beside)
        self.assertEqual((used, all_used), (first, [first, beside]))

    def test_a_neighbour_without_ipv4_gets_nothing_that_is_for_another(self) -> None:
        """All link-local addresses share a limit, and are not one machine for that."""
        first, beside, neighbour = (FakeLink() for _ in range(3))
        first.ip = beside.ip = "fe80::b%eth0"
        neighbour.ip = "fe80::bad%eth0"
        _, _, all_used = self.links(first, neighbour, beside)
        self.assertEqual(all_used, [first, beside])


NAMES = [f"{name}@{namespace}" for namespace in ("x", "y") for name in "bcd"]
EVENT = st.one_of(
    st.tuples(st.just("open"), st.sampled_from(NAMES), st.booleans(), st.sampled_from(["", "i"])),
    st.tuples(st.just("close"), st.integers(0, 50)),
    st.tuples(st.just("list"), st.sets(st.sampled_from(NAMES))),
    st.tuples(st.just("write"), st.sampled_from(NAMES)),
)


class ModelTests(SynchronousTestCase):
    @given(st.integers(1, 7), st.lists(EVENT, max_size=60))
    def test_against_a_naive_model(self, room: int, events: list[tuple[Any, ...]]) -> None:
        friends = Friends()
        table = PeerTable(room, friends)
        links: list[FakeLink] = []
        for what, *details in events:
            if what == "open":
                peer_id, outbound, instance = details
                link = FakeLink(peer_id, outbound=outbound, instance=instance)
                peer = table.link_opened(link)
                links.append(link)
                self.assertEqual(peer.peer_id, peer_id)
                self.assertIs(peer.links[-1], link)
            elif what == "close" and links:
                link = links.pop(details[0] % len(links))
                closed = table.link_closed(link)
                assert closed is not None
                self.assertNotIn(link, closed.links)
            elif what == "write":
                friends.wrote_to(*details)
            elif what == "list":
                for peer_id in sorted(details[0]):
                    peer_or_none = table.listed(peer_id)
                    if peer_or_none is None:
                        self.assertGreaterEqual(len(table), room)
                    else:
                        peer_or_none.heard_of([listing()], AddressRules(""), 0.0)
                for _ in table.not_listed(details[0]):
                    pass
            self.check(table, links, room)

    def check(self, table: PeerTable, links: list[FakeLink], room: int) -> None:
        connected = {link.peer_id for link in links}
        self.assertEqual({peer.peer_id for peer in table.connected()}, connected)
        self.assertEqual(len(table.connected()), len(connected))
        for namespace in ("x", "y", "z"):
            self.assertEqual(
                {peer.peer_id for peer in table.connected(namespace)},
                {peer_id for peer_id in connected if peer_id.endswith("@" + namespace)},
            )
        present = [peer for peer in table if peer.links or peer.listed]
        self.assertEqual(table.count_present(), len(present))
        for peer in table:
            self.assertIs(table.get(peer.peer_id), peer)
            self.assertCountEqual(peer.links, [it for it in links if it.peer_id == peer.peer_id])
        # One that lost its link stays until somebody new needs the place.
        self.assertLessEqual(len(table), max(room, len(NAMES)))
        idle = [peer for peer in table if not peer.links]
        self.assertCountEqual([*table._idle, *table._gone], idle)
        for peer in table._idle:
            self.assertTrue(peer.listed)
        for peer in table._gone:
            self.assertFalse(peer.listed)

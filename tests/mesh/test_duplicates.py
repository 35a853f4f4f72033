"""Several links with one peer: which one is used, which one ends, and that nothing is lost."""

from __future__ import annotations

from itertools import permutations
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.duplicates import CROSSING, DUPLICATE, SecondLinks
from p2pchat.mesh.peers import Peer, PeerTable, Status
from p2pchat.node.node import ChatNode
from p2pchat.testing.nodes import FakeTown
from p2pchat.wire.friends import Friends
from tests.support.fake_link import FakeLink
from tests.support.quirky_peers import ForeignPeer, Impostor, Program
from tests.support.towns import MeshTestCase


class Links:
    """The links that `own_id` has with one peer, as the mesh tells of them."""

    def __init__(self, own_id: str = "alice@CIC", peer_id: str = "bob@CIC") -> None:
        self.table = PeerTable(10)
        self.told: list[str] = []
        self.moved: list[Peer] = []
        self.friends = Friends()
        self.rules = SecondLinks(
            own_id,
            100.0,
            lambda sentence: self.told.append(str(sentence)),
            self.moved.append,
            self.friends,
        )
        self.peer_id = peer_id
        self.now = 100.0

    def open(
        self, instance: str = "", *, outbound: bool = False, ip: str = "10.0.0.2", **more: Any
    ) -> tuple[FakeLink, FakeLink | None]:
        """One more link; returns it and the one that we should end."""
        link = FakeLink(self.peer_id, outbound=outbound, instance=instance)
        link.ip, link.opened_at, link.heard_at = ip, self.now, self.now
        for name, value in more.items():
            setattr(link, name, value)
        peer = self.table.link_opened(link)
        surplus = self.rules.opened(peer, link, self.now)
        assert surplus is None or isinstance(surplus, FakeLink)
        return link, surplus

    def close(self, link: FakeLink) -> None:
        self.table.link_closed(link)

    def run(self, seconds: float) -> None:
        for _ in range(int(seconds * 4)):
            self.now += 0.25
            self.rules.look(self.now)

    @property
    def peer(self) -> Peer:
        peer = self.table.get(self.peer_id)
        assert peer is not None
        return peer


class SecondLinksTests(SynchronousTestCase):
    """A name proves nothing ("accepts", row 6)."""

    def test_a_first_link_is_not_doubted(self) -> None:
        for instance in ("", "x"):
            links = Links()
            link, surplus = links.open(instance, outbound=True)
            links.run(10)
            self.assertEqual((surplus, link.pings, links.peer.links), (None, 0, [link]))

    def test_the_older_one_is_pinged_and_stays_in_use_when_it_is_heard(self) -> None:
        for own_id in ("alice@CIC", "zoe@CIC"):
            for old_way in (True, False):
                for new_way in (True, False):
                    for instance in ("same", "another", ""):
                        links = Links(own_id)
                        old, _ = links.open("same", outbound=old_way)
                        links.run(CROSSING + 1)
                        new, surplus = links.open(instance, outbound=new_way, ip="10.0.0.66")
                        self.assertEqual((surplus, old.pings, new.pings), (None, 1, 0))
                        links.run(1)
                        old.heard_at = links.now
                        links.run(90)
                        self.assertEqual(links.peer.links, [old, new])
                        self.assertEqual((links.moved, links.rules.displaced), ([], 0))

    def test_one_that_is_not_heard_gives_way_after_two_seconds(self) -> None:
        links = Links()
        old, _ = links.open("before")
        links.run(60)
        new, _ = links.open("after", ip="10.0.0.3")
        links.run(1.75)
        self.assertIs(links.peer.link_in_use, old)
        links.run(0.25)
        self.assertIs(links.peer.link_in_use, new)
        self.assertEqual((links.moved, links.rules.displaced), ([links.peer], 1))
        links.close(old)
        links.run(1)
        self.assertEqual(links.peer.links, [new])

    def test_one_that_is_heard_again_is_used_again(self) -> None:
        links = Links()
        old, _ = links.open("x")
        links.run(60)
        new, _ = links.open("x", ip="10.0.0.66")
        links.run(3)
        self.assertIs(links.peer.link_in_use, new)
        old.heard_at = links.now
        links.run(0.25)
        self.assertEqual(links.peer.links, [old, new])

    def test_two_families_of_one_machine_are_no_news(self) -> None:
        """Its key proves it, or our own kind says so at addresses where the name is registered."""
        key, other, both = b"k" * 32, b"o" * 32, ("10.0.0.2", "fd00::2")
        for old_key, new_key, instance, registered, told in (
            (key, key, "", (), 0),
            (key, other, "", both, 1),
            (None, None, "x", both, 0),
            (None, None, "x", both[:1], 1),
            (None, None, "y", both, 1),
            (None, None, "", both, 1),
        ):
            links = Links()
            links.open("x" if instance else "", ip=both[0], key=old_key)
            links.peer.addresses = tuple((ip, 4000) for ip in registered)
            links.run(CROSSING + 1)
            links.open(instance, ip=both[1], key=new_key)
            self.assertEqual(len(links.told), told, (old_key, new_key, instance, registered))

    def test_dials_that_crossed_over_two_families(self) -> None:
        links = Links()
        links.open("x", outbound=True, ip="10.0.0.2", key=b"k")
        _, surplus = links.open("x", ip="fd00::2", key=b"k")
        self.assertIsNotNone(surplus)
        self.assertEqual(links.told, [])

    def test_one_that_we_do_not_read_is_not_judged(self) -> None:
        links = Links()
        old, _ = links.open("x", waits_for_us=True)
        links.run(60)
        links.open("x")
        links.run(10)
        self.assertIs(links.peer.link_in_use, old)

    def test_its_own_address_comes_before_another_one(self) -> None:
        links = Links()
        links.open("x")
        links.run(60)
        back, _ = links.open("x")
        links.open("x", ip="10.0.0.66")
        links.run(2)
        self.assertIs(links.peer.link_in_use, back)

    def test_who_opens_many_links_has_one_ping_sent_in_two_seconds(self) -> None:
        links = Links()
        old, _ = links.open("x")
        for _ in range(40):
            links.open("x", ip="10.0.0.66")
            links.run(0.25)
            old.heard_at = links.now
        self.assertLessEqual(old.pings, 6)
        self.assertIs(links.peer.link_in_use, old)

    def test_a_link_that_ends_before_it_is_judged(self) -> None:
        links = Links()
        old, _ = links.open("x")
        new, _ = links.open("x", ip="10.0.0.3")
        links.close(old)
        links.run(3)
        self.assertEqual((links.peer.links, links.moved), ([new], []))

    def test_another_program_that_comes_back_is_written_to_at_once(self) -> None:
        links = Links()
        old, _ = links.open()
        new, surplus = links.open()
        self.assertEqual((surplus, links.peer.links, old.pings), (None, [new, old], 0))

    def test_but_not_from_another_address_nor_instead_of_a_p2pchat(self) -> None:
        for instance, ip in (("", "10.0.0.66"), ("x", "10.0.0.2")):
            links = Links()
            old, _ = links.open(instance)
            new, _ = links.open(ip=ip)
            self.assertEqual((links.peer.links, old.pings), ([old, new], 1))

    def test_nor_from_a_neighbour_without_ipv4(self) -> None:
        links = Links()
        old, _ = links.open(ip="fe80::b%eth0")
        links.run(CROSSING + 1)
        new, _ = links.open(ip="fe80::bad%eth0")
        self.assertEqual((links.peer.links, old.pings), ([old, new], 1))
        self.assertEqual(len(links.told), 1)

    def test_another_program_that_answers_for_somebody_else_is_not_needed_twice(self) -> None:
        links = Links()
        old, _ = links.open()
        stray, surplus = links.open(outbound=True, dialed="carol@CIC")
        self.assertEqual((surplus, links.peer.links), (stray, [old, stray]))
        for dialed in (None, "bob@CIC"):
            _, surplus = links.open(outbound=dialed is not None, dialed=dialed)
            self.assertIsNone(surplus)

    def test_a_link_from_another_address_is_told(self) -> None:
        links = Links(peer_id="bob@CIC")
        links.open("x")
        links.open("x")
        self.assertEqual(links.told, [])
        for _ in range(100):
            links.open("x", ip="10.0.0.66")
            links.open(ip="10.0.0.67")
        sentence = (
            "[bob@CIC] has a second link, from 10.0.0.66 (the first is from 10.0.0.2): "
            "one of the two may be somebody else"
        )
        self.assertEqual(links.told, [sentence])
        links.run(60)
        links.open(ip="10.0.0.68")
        self.assertEqual(len(links.told), 2)

    def test_strangers_cannot_have_the_person_told_without_end(self) -> None:
        links = Links()
        for n in range(100):
            links.peer_id = f"x{n}@CIC"
            links.open()
            links.open(ip="10.0.0.66")
        self.assertEqual(len(links.told), 10)
        # Nor keep what concerns a friend from being told, once a minute.
        links.friends.wrote_to("bob@CIC")
        links.peer_id = "bob@CIC"
        links.open()
        for _ in range(3):
            links.open(ip="10.0.0.66")
        self.assertEqual(len(links.told), 11)
        self.assertIn("[bob@CIC] has a second link", links.told[-1])

    def test_an_ipv6_network_is_one_address(self) -> None:
        links = Links()
        links.open("x", ip="2001:db8::1")
        links.open("x", ip="2001:db8::2:3")
        self.assertEqual(links.told, [])
        links.open("x", ip="2001:db8:0:1::1")
        self.assertEqual(len(links.told), 1)


class AckOverdueTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.links = Links()

    def test_the_only_link(self) -> None:
        link, _ = self.links.open("x")
        self.links.rules.ack_overdue(self.links.peer, link, self.links.now)
        self.assertEqual((self.links.peer.links, link.pings), ([link], 0))

    def test_at_one_address_the_other_link_is_used_at_once_and_once(self) -> None:
        first, _ = self.links.open("x")
        second, _ = self.links.open("x")
        for _ in range(3):
            self.links.rules.ack_overdue(self.links.peer, first, self.links.now)
        self.assertEqual(self.links.peer.links, [second, first])

    def test_at_another_address_only_when_the_first_is_not_heard(self) -> None:
        for answers in (True, False):
            links = Links()
            first, _ = links.open("x")
            second, _ = links.open("x", ip="10.0.0.66")
            first.heard_at = links.now + 1
            links.run(3)
            links.rules.ack_overdue(links.peer, first, links.now)
            self.assertEqual((links.peer.link_in_use, first.pings), (first, 2))
            if answers:
                first.heard_at = links.now + 0.1
            links.run(2)
            self.assertIs(links.peer.link_in_use, first if answers else second)


class CrossingDialsTests(SynchronousTestCase):
    """Both nodes dial at once: whatever is opened first where, both keep the same connection."""

    def test_the_smaller_id_ends_what_the_other_dialed(self) -> None:
        for low, high in (
            ("alice@CIC", "bob@CIC"),
            ("Zoe@CIC", "alice@CIC"),  # code points, not the alphabet
            ("alice@CIC", "alice@x"),
            ("a@x", "aa@x"),
            ("z@x", "é@x"),
            ("\uffff@x", "\U0001f600@x"),  # not the order of UTF-16 units
        ):
            for ours_first in (True, False):
                links = Links(low, high)
                first, _ = links.open("b", outbound=ours_first)
                second, surplus = links.open("b", outbound=not ours_first)
                ours, theirs = (first, second) if ours_first else (second, first)
                self.assertEqual((surplus, links.peer.links), (theirs, [ours, theirs]))
                # The other end: it sends on the link that stays, and waits for the other's BYE.
                links = Links(high, low)
                first, _ = links.open("a", outbound=ours_first)
                second, surplus = links.open("a", outbound=not ours_first)
                ours, theirs = (first, second) if ours_first else (second, first)
                self.assertEqual((surplus, links.peer.links), (None, [theirs, ours]))
                # It does not come: whoever says the name of bob only said that dials crossed.
                links.run(2)
                self.assertEqual(links.peer.links, [first, second])

    def test_a_link_that_ends_in_time_is_not_used_again(self) -> None:
        for leaving in (True, False):
            links = Links("bob@CIC", "alice@CIC")
            ours, _ = links.open("a", outbound=True)
            theirs, _ = links.open("a")
            links.run(1)
            if leaving:
                ours.leaving = True
            else:
                links.close(ours)
            links.run(3)
            self.assertIs(links.peer.link_in_use, theirs)

    def test_what_did_not_cross_does_not_end(self) -> None:
        for why, old, new, options in (
            ("some clients keep one link per direction", "", "", {}),
            ("it started again, and its old link is not known to be dead", "b", "after", {}),
            ("a plain link beside one of our kind", "b", "", {}),
            ("one of our kind that does not name its process", "", "", {"is_p2pchat": True}),
            ("who comes from elsewhere need not be the same", "b", "b", {"ip": "10.0.0.66"}),
        ):
            for outbound in (True, False):
                links = Links()
                links.open(old, outbound=outbound)
                _, surplus = links.open(new, outbound=not outbound, **options)
                self.assertIsNone(surplus, why)

    def test_dials_cross_at_one_time(self) -> None:
        for seconds, crossed in ((CROSSING, True), (CROSSING + 1, False)):
            links = Links()
            links.open("b", outbound=True)
            links.run(seconds)
            new, surplus = links.open("b")
            self.assertIs(surplus, new if crossed else None)

    def test_a_machine_that_slept_meanwhile(self) -> None:
        links = Links()
        links.open("b", outbound=True)
        links.run(1)
        links.now += 3600
        new, surplus = links.open("b")
        self.assertIs(surplus, new)

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
        nodes = {low: Links(low, high), high: Links(high, low)}
        ends: dict[tuple[str, str], FakeLink] = {}
        ended: list[tuple[str, str]] = []
        for name, dialer in order:
            ends[name, dialer], surplus = nodes[name].open("i", outbound=dialer == name)
            ended += [key for key, link in ends.items() if link is surplus]
        # The BYE of the one that ends a link comes after all that opened it.
        self.assertEqual(ended, [(low, high)], order)
        for name, links in nodes.items():
            self.assertIs(links.peer.link_in_use, ends[name, low], order)
            links.close(ends[name, high])
            self.assertEqual(links.peer.links, [ends[name, low]], order)


class ImpostorTests(MeshTestCase):
    """A stranger at another address says bob's name, and whatever else bob tells to strangers."""

    def attack(self, low: bool, kind: type[ForeignPeer], *, forged: bool) -> None:
        names = ("alice@CIC", "bob@CIC") if low else ("bob@CIC", "alice@CIC")
        nodes = [self.town.node(name) for name in names]
        self.town.run_until_meshed()
        self.town.run(6)
        alice, bob = nodes if low else reversed(nodes)
        stranger = Program(self.town.network.host("10.0.6.66"), "bob@CIC", kind)
        if forged:
            # Bob tells his instance to whoever dials him.
            spy = Program(self.town.network.host("10.0.6.66"), "spy@CIC", Impostor)
            spy.dial(self.town.host_of(bob).ip)
            self.town.run(1)
            (answer,) = spy.link.got("HELLO_OK")
            self.assertTrue(answer["instance"])
            spy.link.say("BYE", reason="")
            self.town.run(1)
            Impostor.told = {key: answer[key] for key in ("agent", "instance", "features")}
        before = [link for link in alice.mesh.links if link.peer_id == "bob@CIC"]
        for _ in range(3):
            stranger.dial(self.town.host_of(alice).ip)
            self.town.run(0.1)
            alice.send("bob@CIC", "for bob only")
            alice.publish("*", "for all bobs")
            self.town.run(5)
            alice.send("bob@CIC", "for bob only")
            self.town.run(1)
        heard = ["for bob only", "for all bobs", "for bob only"] * 3
        self.assertEqual(self.town.seen(bob).texts, heard)
        for theirs in stranger.links:
            self.assertEqual(theirs.texts, [])
        self.assertEqual(len(self.town.seen(alice).acked), 6)
        self.assertEqual(self.town.seen(alice).failed, [])
        for link in before:
            self.assertIn(link, alice.mesh.links)
        told = [it for it in self.town.seen(alice).notices if "second link, from 10.0.6.66" in it]
        self.assertEqual(len(told), 1)
        Impostor.told = {}

    def test_of_our_kind_with_the_instance_of_the_real_one(self) -> None:
        for low in (True, False):
            with self.subTest(low=low):
                self.town = FakeTown(2)
                self.attack(low, Impostor, forged=True)
                self.town.close()
        self.town = FakeTown()

    def test_another_program(self) -> None:
        for low in (True, False):
            with self.subTest(low=low):
                self.town = FakeTown(3)
                self.attack(low, ForeignPeer, forged=False)
                self.town.close()
        self.town = FakeTown()

    def test_an_ack_of_somebody_else_is_none(self) -> None:
        alice, bob = self.pair()
        self.town.host_of(bob).unplug()
        msg_id = alice.send("bob@CIC", "for bob only")
        stranger = Program(self.town.network.host("10.0.6.66"), "eve@CIC")
        stranger.dial(self.town.host_of(alice).ip)
        self.town.run(1)
        stranger.link.say("ACK", msg_id=msg_id)
        self.town.run(1)
        self.assertEqual(self.town.seen(alice).acked, [])
        self.assertEqual(alice.outgoing.pending, 1)


class TwoLinksTests(MeshTestCase):
    """The duplicate rule, and what it must not lose."""

    def test_crossing_dials_end_with_one_link_and_lose_nothing(self) -> None:
        crossed = 0
        for seed in range(40):
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
        self.assertGreater(crossed, 4)

    def dialed_by_alice(self, node: ChatNode) -> bool:
        return self.only_link(node).outbound

    def test_the_link_of_the_smaller_id_stays(self) -> None:
        alice, bob = self.pair()
        if self.only_link(alice).outbound:
            alice, bob = bob, alice
        dialer = self.peer(alice, bob.me.peer_id)
        links, dialer.links = dialer.links, []
        alice.mesh.reconnect()  # as if it had not noticed that there is a link
        self.town.run(0)
        dialer.links = links
        self.town.run(3)
        self.assertTrue(self.town.meshed())
        smaller = min(alice, bob, key=lambda node: node.me.peer_id)
        self.assertTrue(self.only_link(smaller).outbound)

    def test_of_two_links_in_one_direction_both_stay_and_the_older_is_used(self) -> None:
        alice, bob = self.pair()
        if not self.only_link(alice).outbound:
            alice, bob = bob, alice
        before = self.only_link(alice)
        peer = self.peer(alice, bob.me.peer_id)
        peer.links.clear()
        alice.mesh.reconnect()
        self.town.run(0)
        peer.links.append(before)
        msg_id = bob.send(alice.me.peer_id, "meanwhile")
        self.town.run(3)
        self.assertEqual(self.town.links(bob), {alice.me.peer_id: 2})
        self.assertEqual([i for _, i in self.town.seen(bob).acked], [msg_id])
        alice.send(bob.me.peer_id, "on the older one")
        self.assertEqual(before.sent, 1)

    def test_an_end_as_a_duplicate_is_no_farewell(self) -> None:
        alice, bob = self.pair()
        self.only_link(alice).leave(DUPLICATE)
        self.town.run(0.5)
        self.assertFalse(self.peer(bob, "alice@CIC").left)
        self.town.run_until_meshed(5)

"""Where others are: who is asked, what is told, and what is taken in of an answer."""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.candidates import Candidates
from p2pchat.mesh.discovery.aims import TO_A_GROUP, TO_ONE, Aims
from p2pchat.mesh.discovery.exchange import EVERY, FEW, MOST, Exchange
from p2pchat.mesh.peers import Peer, PeerTable
from p2pchat.settings.values import Settings
from p2pchat.wire.messages import PEERS, KnownPeer, Peers, PeersReq
from tests.support.fake_link import FakeLink, fake_context


class ExchangeTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.peers = PeerTable(100)
        self.book = Candidates((), Random(1).uniform)
        context = fake_context("ana@CIC", Settings(), self.clock, "q")
        self.exchange = Exchange(
            context, self.peers, self.book, lambda: 1000.0 + self.clock.seconds(), Random(1).uniform
        )

    def meets(
        self, peer_id: str, ip: str = "203.0.113.5", *, speaks: bool = True
    ) -> tuple[Peer, FakeLink]:
        link = FakeLink(peer_id, instance="1")
        link.ip = ip
        link.shared = frozenset({PEERS} if speaks else ())
        return self.peers.link_opened(link), link

    def told(self, *known: KnownPeer, msg_id: str = "", namespace: str = "CIC") -> int:
        """How many of an answer to our question are taken in."""
        if self.peers.get("bob@CIC") is None:
            self.bob = self.meets("bob@CIC")
        peer, link = self.bob
        self.exchange.ask(answers=False)
        before = len(self.book)
        asked = link.messages[-1]["msg_id"]
        self.exchange.heard(peer, link, Peers(msg_id or asked, namespace, [*known]))
        return len(self.book) - before

    def test_one_who_speaks_it_is_asked(self) -> None:
        _, plain = self.meets("carol@CIC", speaks=False)
        _, link = self.meets("bob@CIC")
        self.exchange.ask(answers=False)
        self.assertEqual(
            link.messages,
            [{"type": "PEERS_REQ", "msg_id": "q1", "namespace": "CIC", "limit": 20, "ttl": 1}],
        )
        self.assertEqual(plain.lines, [])

    def test_nobody_is_asked_when_there_are_enough_and_a_rendezvous(self) -> None:
        _, link = self.meets("bob@CIC")
        for number in range(FEW):
            self.book.met(f"n{number}@CIC", (f"10.0.0.{number}", 4000), 1.0)
        self.exchange.ask(answers=True)
        self.assertEqual(link.lines, [])
        self.exchange.ask(answers=False)
        self.assertEqual(len(link.lines), 1)

    def test_what_is_told(self) -> None:
        peer, link = self.meets("bob@CIC")
        self.book.met("eva@CIC", ("203.0.113.9", 4000), 880.0)
        self.book.met("bob@CIC", ("203.0.113.5", 4000), 880.0)
        self.book.told("dan@CIC", ("203.0.113.8", 4000), "x@CIC", 1.0)
        self.exchange.heard(peer, link, PeersReq("b7", "CIC"))
        self.assertEqual(
            [each["peers"] for each in link.messages],
            [[{"id": "eva@CIC", "ip": "203.0.113.9", "port": 4000, "seen": 120}]],
        )

    def test_no_scope_of_ours_is_told(self) -> None:
        """It would be another machine's interface of that name."""
        peer, link = self.meets("bob@CIC")
        self.book.met("eva@CIC", ("203.0.113.9", 4000), 880.0)
        self.book.met("eva@CIC", ("fe80::9%eth0", 4000), 880.0)
        self.book.met("dan@CIC", ("fe80::8%eth0", 4000), 880.0)
        self.exchange.heard(peer, link, PeersReq("b7", "CIC"))
        (told,) = (each["peers"] for each in link.messages)
        self.assertEqual([(each["id"], each["ip"]) for each in told], [("eva@CIC", "203.0.113.9")])

    def test_no_scope_of_others_is_taken_in(self) -> None:
        self.bob = self.meets("bob@CIC", "fe80::5%eth0")
        self.assertEqual(self.told(KnownPeer("eva@CIC", "fe80::9%eth0", 4000)), 0)
        self.assertEqual(self.told(KnownPeer("eva@CIC", "10.0.0.9", 4000)), 1)

    def test_so_much_and_so_often(self) -> None:
        peer, link = self.meets("bob@CIC")
        for number in range(150):
            self.book.met(f"n{number}@CIC", (f"10.0.0.{number}", 4000), 1.0)
        for limit in (10**30, -1):
            for _ in range(5):
                self.exchange.heard(peer, link, PeersReq("b7", "CIC", limit))
            self.clock.advance(EVERY)
        self.assertEqual([len(each["peers"]) for each in link.messages], [MOST, 0])

    def test_what_is_taken_in(self) -> None:
        self.assertEqual(self.told(KnownPeer("eva@CIC", "203.0.113.9", 4000)), 1)

    def test_what_was_not_asked_for(self) -> None:
        eva = KnownPeer("eva@CIC", "203.0.113.9", 4000)
        self.assertEqual(self.told(eva, msg_id="other"), 0)
        peer, link = self.meets("carol@CIC")
        self.exchange.heard(peer, link, Peers("q1", "CIC", [eva]))
        self.assertEqual(len(self.book), 0)

    def test_an_answer_counts_once(self) -> None:
        peer, link = self.meets("bob@CIC")
        self.exchange.ask(answers=False)
        self.exchange.heard(peer, link, Peers("q1", "CIC", []))
        again = Peers("q1", "CIC", [KnownPeer("eva@CIC", "203.0.113.9", 4000)])
        self.exchange.heard(peer, link, again)
        self.assertEqual(len(self.book), 0)

    def test_what_cannot_be_somewhere(self) -> None:
        for odd in (
            KnownPeer("ana@CIC", "203.0.113.9", 4000),
            KnownPeer("eva", "203.0.113.9", 4000),
            KnownPeer("e\nva@CIC", "203.0.113.9", 4000),
            KnownPeer("eva@UnB", "203.0.113.9", 4000),
            KnownPeer("eva@CIC", "127.0.0.1", 4000),
            KnownPeer("eva@CIC", "10.0.0.1", 4000),
            KnownPeer("eva@CIC", "224.0.0.1", 4000),
            KnownPeer("eva@CIC", "example.org", 4000),
            KnownPeer("eva@CIC", "203.0.113.9", 22),
            KnownPeer("eva@CIC", "203.0.113.9", 10**20),
        ):
            self.assertEqual(self.told(odd), 0, odd)
        self.assertEqual(self.told(KnownPeer("eva@CIC", "203.0.113.9", 4000)), 1)

    def test_no_more_than_fifty_are_read(self) -> None:
        many = [KnownPeer(f"n{number}@UnB", "203.0.113.9", 4000) for number in range(MOST)]
        self.assertEqual(self.told(*many, KnownPeer("eva@CIC", "203.0.113.9", 4000)), 0)


class AimsTests(SynchronousTestCase):
    def dials(self, *ips: str, seconds: int = 3600) -> int:
        aims, count = Aims(0.0), 0
        for second in range(seconds):
            for ip in ips:
                count += aims.may(ip, float(second))
        return count

    def test_one_address(self) -> None:
        self.assertEqual(self.dials("198.51.100.1"), TO_ONE)
        self.assertEqual(self.dials("198.51.100.1", seconds=7200), 2 * TO_ONE)

    def test_one_group(self) -> None:
        self.assertEqual(self.dials(*(f"198.51.100.{n}" for n in range(9))), TO_A_GROUP)

    def test_ipv6_is_counted_by_its_network(self) -> None:
        self.assertEqual(self.dials(*(f"2001:db8::{n:x}" for n in range(99))), TO_ONE)

    def test_all(self) -> None:
        ips: Any = [f"198.51.{n}.1" for n in range(200)]
        self.assertLessEqual(self.dials(*ips, seconds=20), 29)

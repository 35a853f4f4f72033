"""What links teach the book: at which addresses somebody listens, with the scope that it needs."""

from __future__ import annotations

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.addresses import Place
from p2pchat.mesh.book import LASTING, Book
from p2pchat.mesh.candidates import Candidates
from p2pchat.mesh.peers import PeerTable
from tests.support.fake_link import FakeLink

SIX = ("fe80::9%eth0", 4000)


class BookTests(SynchronousTestCase):
    def places(
        self, ip: str, *, outbound: bool = False, listens_on: int = 0, seen_at: tuple[Place, ...]
    ) -> list[Place]:
        """What is kept of a peer whose link ends, and whose beacons came from `seen_at`."""
        peers, candidates = PeerTable(10), Candidates((), Random(1).uniform)
        link = FakeLink("bob@CIC", outbound=outbound)
        link.ip, link.listens_on = ip, listens_on
        link.address = f"[{ip}]:4000" if ":" in ip else f"{ip}:4000"
        peers.link_opened(link)
        peer = peers.sighted("bob@CIC", seen_at)
        assert peer is not None
        Book(candidates, lambda: LASTING).link_closed(peer, link)
        known = candidates.tried.get("bob@CIC")
        return [] if known is None else known.places

    def test_where_we_dialed(self) -> None:
        self.assertEqual(self.places("10.0.0.9", outbound=True, seen_at=()), [("10.0.0.9", 4000)])
        self.assertEqual(self.places(SIX[0], outbound=True, seen_at=()), [SIX])

    def test_who_dialed_us(self) -> None:
        place = ("10.0.0.9", 4001)
        self.assertEqual(self.places("10.0.0.9", seen_at=()), [])
        self.assertEqual(self.places("10.0.0.9", seen_at=(place,)), [place])
        self.assertEqual(self.places("10.0.0.9", listens_on=4001, seen_at=()), [place])

    def test_who_dialed_us_from_a_link_local_address(self) -> None:
        """It comes without its scope; without one nobody can be dialed there."""
        self.assertEqual(self.places("fe80::9", listens_on=4000, seen_at=()), [])
        self.assertEqual(self.places("fe80::9", seen_at=(SIX,)), [SIX])
        later = (SIX[0], 4001)
        self.assertEqual(self.places("fe80::9", listens_on=4001, seen_at=(SIX,)), [later])

    def test_this_machine(self) -> None:
        self.assertEqual(self.places("127.0.0.1", outbound=True, seen_at=()), [])

"""Two links with one peer in the same direction."""

from __future__ import annotations

from typing import cast

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.duplicates import superseded
from p2pchat.mesh.link.protocol import PeerProtocol
from p2pchat.mesh.peers import Peer
from tests.support.fake_link import FakeLink


class DialedLink(FakeLink):
    """One that knows whom it was meant to reach; None for an inbound one."""

    def __init__(self, dialed: str | None = None, instance: str = "") -> None:
        super().__init__(outbound=dialed is not None, instance=instance)
        self.dialed = dialed


class SupersededTests(SynchronousTestCase):
    def look(self, *links: DialedLink) -> tuple[DialedLink | None, list[DialedLink]]:
        """Which of bob's links is to end when the last one is new, and their order then."""
        peer = Peer("bob@CIC")
        peer.links.extend(links)
        ending = superseded(peer, cast("PeerProtocol", links[-1]))
        return cast("DialedLink | None", ending), cast("list[DialedLink]", peer.links)

    def test_a_first_link_supersedes_nothing(self) -> None:
        for link in (DialedLink(), DialedLink("bob@CIC"), DialedLink(None, "x")):
            self.assertEqual(self.look(link), (None, [link]))

    def test_of_two_with_one_process_the_older_ends(self) -> None:
        for dialed in (None, "bob@CIC"):
            old, new = DialedLink(dialed, "x"), DialedLink(dialed, "x")
            self.assertEqual(self.look(old, new), (old, [new, old]))

    def test_crossed_dials_are_not_judged_here(self) -> None:
        inbound, outbound = DialedLink(None, "x"), DialedLink("bob@CIC", "x")
        self.assertEqual(self.look(inbound, outbound), (None, [inbound, outbound]))

    def test_one_of_another_process_stays_and_the_new_one_is_used(self) -> None:
        for dialed in (None, "bob@CIC"):
            old, new = DialedLink(None, "before"), DialedLink(dialed, "after")
            self.assertEqual(self.look(old, new), (None, [new, old]))

    def test_one_of_another_program_stays(self) -> None:
        old, new = DialedLink(), DialedLink(None, "x")
        self.assertEqual(self.look(old, new), (None, [old, new]))

    def test_another_program_that_answers_for_somebody_else_is_not_needed_twice(self) -> None:
        old = DialedLink()
        stray = DialedLink("carol@CIC")
        self.assertEqual(self.look(old, stray), (stray, [old, stray]))
        for wanted in (DialedLink(), DialedLink("bob@CIC")):
            self.assertEqual(self.look(old, wanted), (None, [old, wanted]))

"""Publications of one turn: one block for all, in order, never more than a link has room for."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.link.send_queue import WriteBatch
from p2pchat.mesh.peers import PeerTable
from p2pchat.node.broadcast import Broadcast
from tests.support.fake_link import FakeLink


class BroadcastTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.peers = PeerTable(100)
        self.broadcast = Broadcast(self.peers, WriteBatch(self.clock), 400)
        self.links = [FakeLink(peer_id) for peer_id in ("bob@CIC", "carol@CIC", "dave@UnB")]
        for link in self.links:
            self.peers.link_opened(link)

    def sent(self) -> list[bytes]:
        return [b"".join(link.lines) for link in self.links]

    def test_nothing_leaves_before_the_turn_ends(self) -> None:
        self.broadcast.add(None, b"1\n")
        self.broadcast.add(None, b"2\n")
        self.assertEqual(self.sent(), [b"", b"", b""])
        self.clock.advance(0)
        self.assertEqual(self.sent(), [b"1\n2\n"] * 3)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_another_scope_keeps_the_order(self) -> None:
        self.broadcast.add(None, b"1\n")
        self.broadcast.add("CIC", b"2\n")
        self.assertEqual(self.sent(), [b"1\n"] * 3)
        self.broadcast.add(None, b"3\n")
        self.clock.advance(0)
        self.assertEqual(self.sent(), [b"1\n2\n3\n", b"1\n2\n3\n", b"1\n3\n"])

    def test_a_block_stays_below_a_quarter_of_the_limit(self) -> None:
        for _ in range(3):
            self.broadcast.add(None, b"x" * 49 + b"\n")
        self.assertEqual([len(link.lines) for link in self.links], [2, 2, 2])
        self.clock.advance(0)
        self.assertEqual([len(link.lines) for link in self.links], [3, 3, 3])

    def test_who_is_full_or_gone_loses_it_alone(self) -> None:
        self.links[0].takes = False
        self.broadcast.add("CIC", b"1\n")
        self.broadcast.spread()
        self.assertEqual((self.sent(), self.broadcast.dropped), ([b"", b"1\n", b""], 1))
        self.clock.advance(0)
        self.assertEqual(self.broadcast.dropped, 1)

    def test_the_second_link_takes_what_the_first_does_not(self) -> None:
        second = FakeLink("bob@CIC")
        self.peers.link_opened(second)
        self.links[0].takes = False
        self.broadcast.add("CIC", b"1\n")
        self.broadcast.spread()
        self.assertEqual((second.lines, self.broadcast.dropped), ([b"1\n"], 0))

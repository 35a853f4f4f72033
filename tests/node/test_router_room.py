"""What the person is told of a PUB, and what leaves, while some peers have little room."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.link.send_queue import SendQueue, WriteBatch
from p2pchat.mesh.peers import PeerTable
from p2pchat.node.observers import Observers
from p2pchat.node.router import Router
from p2pchat.settings.values import LimitSettings, Settings
from p2pchat.wire.stamps import MessageIds
from tests.support.fake_link import FakeLink

PEERS = ("bob@CIC", "carol@CIC", "carol@CIC", "dave@UnB")


class SmallLink(FakeLink):
    """Takes so many bytes, and then none."""

    room = 0

    def has_room(self, size: int) -> bool:
        return size <= self.room

    def send_all(self, lines: list[bytes], block: bytes) -> bool:
        if len(block) > self.room:
            return False
        self.room -= len(block)
        return super().send_all(lines, block)


class RoomTests(SynchronousTestCase):
    @given(
        st.lists(st.integers(0, 2_000), min_size=len(PEERS), max_size=len(PEERS)),
        st.lists(st.tuples(st.sampled_from(("*", "#CIC", "#UnB")), st.integers(1, 300))),
        st.sets(st.integers(0, 20)),
    )
    def test_what_is_told_is_what_leaves(
        self, rooms: list[int], said: list[tuple[str, int]], turn_ends: set[int]
    ) -> None:
        clock, peers = Clock(), PeerTable("alice@CIC", 100)
        links = [SmallLink(peer_id) for peer_id in PEERS]
        for link, room in zip(links, rooms, strict=True):
            link.room = room
            peers.link_opened(link)
        batch = WriteBatch(clock)
        batch.crowded.add(SendQueue(batch, lambda _: None, 0))
        settings = Settings(limits=LimitSettings(max_queue_bytes=3_000))
        router = Router("alice@CIC", peers, settings, MessageIds(), Observers(), batch)
        told = dropped = 0
        for number, (scope, size) in enumerate(said):
            published = router.publish(scope, "x" * size)
            told += published.peers
            dropped += published.dropped
            if number in turn_ends:
                clock.advance(0)
        clock.advance(0)
        self.assertEqual(sum(len(link.lines) for link in links), told)
        self.assertEqual(router.dropped, dropped)

"""Whole nodes in one fake network, for tests of the mesh: its links and the peers behind them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.link.protocol import PeerProtocol
from p2pchat.mesh.peers import Peer, Status
from p2pchat.node.node import ChatNode
from p2pchat.testing.nodes import FakeTown


class MeshTestCase(SynchronousTestCase):
    seed = 1

    def setUp(self) -> None:
        self.town = FakeTown(self.seed)
        self.rendezvous = self.town.rendezvous

    def tearDown(self) -> None:
        self.town.close()

    def pair(self) -> tuple[ChatNode, ChatNode]:
        alice, bob = self.town.node("alice@CIC"), self.town.node("bob@CIC")
        self.town.run_until_meshed()
        self.town.run(6)
        return alice, bob

    def peer(self, node: ChatNode, name: str) -> Peer:
        peer = node.peers.get(name)
        assert peer is not None
        return peer

    def only_link(self, node: ChatNode) -> PeerProtocol:
        (link,) = node.mesh.links
        assert isinstance(link, PeerProtocol)
        return link

    def statuses(self, node: ChatNode, name: str) -> list[Status]:
        return [status for who, status in self.town.seen(node).statuses if who == name]

"""A node, its real client and real sockets, against the public server's two versions."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from p2pchat.mesh.peers import Status
from p2pchat.node.node import ChatNode
from p2pchat.rendezvous.client import RendezvousClient
from p2pchat.settings.values import PeerSettings, Settings
from tests.support.reference_rendezvous import ReferenceRendezvous

reactor: Any = _reactor


class BothVersions(TestCase):
    """What a person sees must not depend on which version answers."""

    timeout = 30

    def _rendezvous(self, older: bool) -> tuple[ReferenceRendezvous, int]:
        server = ReferenceRendezvous(older)
        port = reactor.listenTCP(0, server, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        return server, port.getHost().port

    def _node(self, name: str, rendezvous: int) -> ChatNode:
        peer = PeerSettings(name=name, namespace="CIC", port=0, interface="127.0.0.1")
        directory = RendezvousClient(reactor, "127.0.0.1", rendezvous)
        node = ChatNode(reactor, Settings(peer=peer), directory)
        node.listen()
        node.startService()
        return node

    async def _until(self, true: Any) -> None:
        while not true():
            await deferLater(reactor, 0.01)

    async def _whole_life(self, older: bool) -> None:
        server, port = self._rendezvous(older)
        alice = self._node("alice", port)
        await self._until(lambda: alice.presence.grant is not None)
        bob = self._node("bob", port)
        await self._until(lambda: alice.peers.get("bob@CIC") and bob.peers.get("alice@CIC"))
        await self._until(lambda: all(n.mesh.links for n in (alice, bob)))
        self.assertEqual([p.status for p in alice.peers], [Status.CONNECTED])
        await bob.stopService()
        await alice.stopService()
        self.assertEqual(server.records, [])
        withdrawals = [r for r in server.requests if r["type"] == "UNREGISTER"]
        for withdrawal in withdrawals:
            self.assertLessEqual({"name", "namespace", "port"}, withdrawal.keys())

    async def test_newer(self) -> None:
        await self._whole_life(older=False)

    async def test_older(self) -> None:
        await self._whole_life(older=True)

    async def test_forgotten_by_the_newer_one(self) -> None:
        server, port = self._rendezvous(older=False)
        alice = self._node("alice", port)
        self.addCleanup(alice.stopService)
        await self._until(lambda: alice.presence.grant is not None)
        server.records.clear()
        await alice.presence.discover().addErrback(lambda _: None)
        await self._until(lambda: [r["name"] for r in server.records] == ["alice"])

    async def test_forgotten_by_the_older_one(self) -> None:
        server, port = self._rendezvous(older=True)
        alice = self._node("alice", port)
        self.addCleanup(alice.stopService)
        await self._until(lambda: alice.presence.grant is not None)
        server.records.clear()
        await alice.presence.discover()
        await self._until(lambda: [r["name"] for r in server.records] == ["alice"])

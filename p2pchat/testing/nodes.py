"""Nodes in a fake network: whole chats in one process, as fast as the processor can.

    town = FakeTown(seed=3)
    alice, bob = town.node("alice@CIC"), town.node("bob@CIC")
    town.run_until_meshed()
    alice.send("bob@CIC", "oi")
    town.run(1)
    assert town.seen(bob).texts == ["oi"]
    town.close()                         # everybody leaves; raises if anything is left behind

Rules: a node is the real `ChatNode` on a `FakeHost`; only time, network and rendezvous are not.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from random import Random
from typing import Any, Final

from twisted.internet.defer import Deferred

from p2pchat.mesh.claims import OwnKeys
from p2pchat.mesh.identity.key_file import fleeting_key
from p2pchat.mesh.identity.keys import Keys
from p2pchat.mesh.identity.known_keys import KnownKeys
from p2pchat.mesh.peers import Peer, Status
from p2pchat.node.node import ChatNode
from p2pchat.node.observers import Observer
from p2pchat.rendezvous.directory import IDirectory
from p2pchat.settings.values import LimitSettings, PeerSettings, Settings
from p2pchat.testing.directory import FakeRendezvous
from p2pchat.testing.network import FakeHost, FakeNetwork
from p2pchat.wire.messages import Pub, Send

PORT: Final = 4000


def connected_pair(seed: int = 0) -> tuple[FakeTown, ChatNode, ChatNode]:
    """A town with `alice@CIC` and `bob@CIC`, connected.

    Call the town's `close` at the end: it proves that nothing was left behind.
    """
    town = FakeTown(seed)
    alice, bob = town.node("alice@CIC"), town.node("bob@CIC")
    town.run_until_meshed()
    return town, alice, bob


class Recorder(Observer):
    """An observer that remembers everything, in the order in which it happened."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, Send | Pub]] = []
        """(peer_id, message) of all that was received."""
        self.statuses: list[tuple[str, Status]] = []
        """(peer_id, status) of all changes."""
        self.acked: list[tuple[str, str]] = []
        """(peer_id, msg_id) of what was delivered."""
        self.failed: list[tuple[str, str, str]] = []
        """(peer_id, msg_id, reason) of what was not."""
        self.notices: list[str] = []
        self.remarks: list[str] = []

    @property
    def texts(self) -> list[str]:
        """The texts of all received messages."""
        return [message.payload for _, message in self.messages]

    def status_changed(self, peer: Peer) -> None:
        """Remember it."""
        self.statuses.append((peer.peer_id, peer.status))

    def received(self, peer: Peer, messages: list[Send | Pub]) -> None:
        """Remember them."""
        self.messages += [(peer.peer_id, message) for message in messages]

    def delivered(self, peer_id: str, msg_id: str, seconds: float) -> None:  # noqa: ARG002
        """Remember it."""
        self.acked.append((peer_id, msg_id))

    def undelivered(self, peer_id: str, msg_id: str, reason: str) -> None:
        """Remember it."""
        self.failed.append((peer_id, msg_id, reason))

    def remark(self, sentence: str) -> None:
        """Remember it."""
        self.remarks.append(sentence)

    def notice(self, sentence: str) -> None:
        """Remember it."""
        self.notices.append(sentence)


@cache
def _keys_of(owner: str) -> Keys:
    # No time passes in a fake network, so no handshake is dear.
    return fleeting_key(Random(f"key of {owner}").randbytes, cpu=lambda: 0.0).keys


def fake_keys(
    peer_id: str, *, owner: str = "", wall: Callable[[], float], known: KnownKeys | None = None
) -> OwnKeys:
    """The key of `owner`, or of `peer_id`, for a node in a fake network: see `ChatNode`.

    A key is made once in a process. `known` are the keys of others, none if it is left out.
    """
    return OwnKeys(_keys_of(owner or peer_id), KnownKeys(wall) if known is None else known)


class FakeTown:
    """A network, a rendezvous, and the nodes that live there."""

    def __init__(self, seed: int = 0, **network: Any) -> None:
        self.network = FakeNetwork(seed, **network)
        self.rendezvous = FakeRendezvous(self.network.clock)
        self.nodes: list[ChatNode] = []
        self._recorders: dict[ChatNode, Recorder] = {}
        self._hosts: dict[ChatNode, FakeHost] = {}

    def node(
        self,
        peer_id: str,
        *,
        ip: str = "",
        settings: Settings | None = None,
        directory: IDirectory | None = None,
        start: bool = True,
        sealed: bool = False,
        **options: Any,
    ) -> ChatNode:
        """A node of this name, on a host of its own unless `ip` names one, and started.

        Its port is 4000 unless `settings` say something else; `options` go to `ChatNode`. `sealed`
        gives it a key of its own, the same each time for this name, and nobody's key is known to
        it. TLS has chance of its own: such a world is not the same twice, byte for byte.
        """
        host = self.network.host(ip or f"10.0.0.{len(self.network.hosts) + 1}")
        name, namespace = peer_id.rsplit("@", 1)
        base = settings or Settings(limits=LimitSettings(peer_rate=0))
        port = PORT if settings is None or settings.peer.port is None else settings.peer.port
        chance = {
            "jitter": self.network.random.uniform,
            "random_bytes": Random(f"{self.network.seed} {len(self._hosts)}").randbytes,
            "wall": host.wall,
        }
        if sealed:
            options.setdefault("make_keys", partial(fake_keys, wall=host.wall))
        node = ChatNode(
            host,
            Settings(
                peer=PeerSettings(name=name, namespace=namespace, port=port),
                connection=base.connection,
                limits=base.limits,
                rendezvous=base.rendezvous,
                history=base.history,
                security=base.security,
            ),
            directory or self.rendezvous.at(host),
            **chance | options,
        )
        self.nodes.append(node)
        self._hosts[node] = host
        recorder = self._recorders[node] = Recorder()
        node.observers.add(recorder)
        if start:
            node.startService()
        return node

    def seen(self, node: ChatNode) -> Recorder:
        """What this node was told."""
        return self._recorders[node]

    def host_of(self, node: ChatNode) -> FakeHost:
        """Where this node runs."""
        return self._hosts[node]

    def run(self, seconds: float) -> None:
        """Let this much time pass."""
        self.network.run(seconds)

    def links(self, node: ChatNode) -> dict[str, int]:
        """How many links this node has, by peer_id."""
        return {peer.peer_id: len(peer.links) for peer in node.peers.connected()}

    def meshed(self) -> bool:
        """Whether every node has exactly one link with every other one, and no more."""
        names = {node.me.peer_id for node in self.nodes}
        return all(
            self.links(node) == dict.fromkeys(names - {node.me.peer_id}, 1) for node in self.nodes
        )

    def run_until_meshed(self, at_most: float = 60.0) -> float:
        """Let time pass until `meshed`; returns how much did, or raises AssertionError."""
        return self.network.run_until(self.meshed, at_most)

    def kill(self, node: ChatNode) -> None:
        """End a node as `kill -9` does. Its host must run no other one."""
        self._hosts[node].kill()
        self.nodes.remove(node)

    def leave(self, node: ChatNode, at_most: float = 3.0) -> float:
        """Stop a node and let time pass until it is gone; returns how long it took."""
        gone: list[object] = []
        stopping: Any = node.stopService()
        assert isinstance(stopping, Deferred)
        stopping.addBoth(gone.append)
        took = self.network.run_until(lambda: bool(gone), at_most)
        if gone != [None]:
            raise AssertionError(f"stopService failed: {gone[0]}")
        if node in self.nodes:
            self.nodes.remove(node)
        return took

    def close(self) -> None:
        """Stop all nodes; raises AssertionError when one leaves anything behind."""
        hosts = {self._hosts[node] for node in self.nodes}
        for node in [*self.nodes]:
            self.leave(node)
        for host in hosts:
            self.check_clean(host)

    def check_clean(self, host: FakeHost) -> None:
        """Raise AssertionError if a delayed call, a connection or a port is left on a host."""
        left: list[object] = [*host.getDelayedCalls(), *host.connections(), *host.ports]
        if left:
            raise AssertionError(f"left behind on {host.ip}: {left} (seed {self.network.seed})")

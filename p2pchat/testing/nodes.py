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

from collections.abc import Callable, Mapping
from functools import cache, partial
from random import Random
from typing import Any, Final, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from p2pchat.mesh.claims import OwnKeys
from p2pchat.mesh.identity.key_file import fleeting_key
from p2pchat.mesh.identity.keys import Keys
from p2pchat.mesh.identity.known_keys import KnownKeys
from p2pchat.mesh.identity.pin_file import open_pins
from p2pchat.mesh.peers import Peer, Status
from p2pchat.node.node import ChatNode
from p2pchat.node.observers import Observer
from p2pchat.rendezvous.directory import IDirectory
from p2pchat.settings.values import LimitSettings, PeerSettings, Settings
from p2pchat.speech import Sentence
from p2pchat.testing.directory import FakeRendezvous
from p2pchat.testing.disk import FakeDisk
from p2pchat.testing.liar import Liar
from p2pchat.testing.lies import Lie
from p2pchat.testing.network import FakeHost, FakeNetwork
from p2pchat.testing.plain import PlainPeer
from p2pchat.testing.plain_link import PlainLink
from p2pchat.testing.served import ServedRendezvous
from p2pchat.testing.threads import SteppedWorker, history_on, lists_on
from p2pchat.wire.messages import Pub, Send

PORT: Final = 4000
_Other = TypeVar("_Other", bound=PlainPeer)


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
        self.changes: list[tuple[str, str, str]] = []
        """(peer_id, the msg_id of what is changed, the new text) of all changes."""
        self.away: list[tuple[str, str]] = []
        """(peer_id, text) of who went away; without a text, of who came back."""

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

    def changed(self, peer: Peer, message: Send | Pub) -> None:
        """Remember it."""
        self.changes.append((peer.peer_id, message.of, message.payload))

    def away_changed(self, peer: Peer, text: str) -> None:
        """Remember it."""
        self.away.append((peer.peer_id, text))

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
    peer_id: str,
    *,
    owner: str = "",
    wall: Callable[[], float],
    known: KnownKeys | None = None,
    disk: FakeDisk | None = None,
    host: Any = None,
    tell: Callable[[Sentence], None] = lambda _: None,
) -> OwnKeys:
    """The key of `owner`, or of `peer_id`, for a node in a fake network: see `ChatNode`.

    A key is made once in a process. `known` are the keys of others, none if it is left out. With a
    `disk`, that of `host`, they are in `/NAME@NAMESPACE.keys` there, and `tell` gets its sentences.
    """
    keys = _keys_of(owner or peer_id)
    if known is None and disk is not None:
        path, thread = f"/{peer_id}.keys", SteppedWorker(host, disk)
        is_new = not disk.exists(path)
        file, lines = open_pins(disk, path, keys.own, tell, is_new=is_new, thread=thread)
        known = KnownKeys(wall, file, lines)
    return OwnKeys(keys, KnownKeys(wall) if known is None else known)


class FakeTown:
    """A network, a rendezvous, and the nodes that live there."""

    def __init__(self, seed: int = 0, **network: Any) -> None:
        self.network = FakeNetwork(seed, **network)
        self.rendezvous = FakeRendezvous(self.network.clock)
        self.served: ServedRendezvous | None = None
        """The real rendezvous, once there is one; `rendezvous` is asked by nobody then."""
        self.nodes: list[ChatNode] = []
        self.others: list[PlainPeer] = []
        """Programs of other makes, liars among them."""
        self._recorders: dict[ChatNode, Recorder] = {}
        self._hosts: dict[ChatNode, FakeHost] = {}
        self._disks: dict[ChatNode, FakeDisk] = {}

    def serve(self, ip: str = "10.0.255.254", **options: Any) -> ServedRendezvous:
        """Put the real rendezvous server on a host, and start it.

        Nodes that are made from then on ask it; `options` go to `ServedRendezvous`.
        """
        self.served = ServedRendezvous(self.network.host(ip), **options)
        self.served.start()
        return self.served

    def node(
        self,
        peer_id: str,
        *,
        ip: str = "",
        settings: Settings | None = None,
        directory: IDirectory | None = None,
        start: bool = True,
        disk: FakeDisk | None = None,
        make: Callable[..., ChatNode] = ChatNode,
        sealed: bool = False,
        **options: Any,
    ) -> ChatNode:
        """A node of this name, on a host of its own unless `ip` names one, and started.

        Its port is 4000 unless `settings` say something else; `options` go to `ChatNode`. `make`
        makes it, a subclass perhaps. With a `disk` it keeps messages there: what an earlier node of
        this name left, it finds. `sealed` gives it a key of its own, the same each time for this
        name. Nobody's key is known to it, but for those on its `disk`. TLS has chance of its own:
        such a world is not the
        same twice, byte for byte.
        """
        host = self._host(ip)
        name, namespace = peer_id.rsplit("@", 1)
        base = settings or Settings(limits=LimitSettings(peer_rate=0))
        port = PORT if settings is None or settings.peer.port is None else settings.peer.port
        chance = {
            "jitter": self.network.random.uniform,
            "random_bytes": Random(f"{self.network.seed} {len(self._hosts)}").randbytes,
            "wall": host.wall,
        }
        whole = Settings(
            peer=PeerSettings(name=name, namespace=namespace, port=port),
            connection=base.connection,
            limits=base.limits,
            rendezvous=base.rendezvous,
            history=base.history,
            security=base.security,
        )
        if disk is not None:
            options["make_history"] = history_on(disk, host, whole, host.wall, peer_id)
            options.setdefault("make_lists", lists_on(disk, host))
        if sealed:
            untold: list[Sentence] = []
            make_keys = partial(fake_keys, wall=host.wall, disk=disk, host=host, tell=untold.append)
            options.setdefault("make_keys", make_keys)
        node = make(
            host,
            whole,
            directory or self._directory(host),
            **chance | options,
        )
        self._hosts[node] = host
        if disk is not None:
            self._disks[node] = disk
        recorder = self._recorders[node] = Recorder()
        node.observers.add(recorder)
        if start:
            node.startService()
        self.nodes.append(node)  # not one that could not start
        return node

    def plain(
        self,
        peer_id: str,
        *,
        ip: str = "",
        kind: type[PlainLink] = PlainLink,
        ask: bool = True,
    ) -> PlainPeer:
        """A program of another make, on a host of its own unless `ip` names one; it listens.

        With `ask` it registers, and dials whom it finds. `kind` gives it a habit.
        """
        return self._settle(PlainPeer(self._host(ip), peer_id, kind), ask)

    def liar(
        self, peer_id: str, rates: float | Mapping[Lie, float], *, ip: str = "", ask: bool = True
    ) -> Liar:
        """The same, one that breaks the rules; see `Liar`. What it draws comes from the seed."""
        random = Random(f"{self.network.seed} {len(self.others)} lies")
        return self._settle(Liar(self._host(ip), peer_id, rates, random=random), ask)

    def _settle(self, peer: _Other, ask: bool) -> _Other:
        self.others.append(peer)
        peer.listen(PORT)
        if ask:
            peer.register(self._directory(peer.host), PORT)
        return peer

    def _host(self, ip: str) -> FakeHost:
        return self.network.host(ip or f"10.0.0.{len(self.network.hosts) + 1}")

    def _directory(self, host: FakeHost) -> IDirectory:
        return (self.served or self.rendezvous).at(host)

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
        if node in self._disks:
            self._disks[node].kill()
        self.nodes.remove(node)

    def leave(self, node: ChatNode, at_most: float = 3.0) -> float:
        """Stop a node and let time pass until it is gone; returns how long it took."""
        took = self._stop(node.stopService(), at_most)
        if node in self.nodes:
            self.nodes.remove(node)
        if node in self._disks and (left := self._disks[node].in_use):
            raise AssertionError(f"left open by {node.me.peer_id}: {left}")
        return took

    def _stop(self, stopping: Any, at_most: float) -> float:
        gone: list[object] = []
        assert isinstance(stopping, Deferred)
        stopping.addBoth(gone.append)
        took = self.network.run_until(lambda: bool(gone), at_most)
        if isinstance(gone[0], Failure):
            raise AssertionError(f"stopService failed: {gone[0]}")
        return took

    def close(self) -> None:
        """Stop all nodes; raises AssertionError when one leaves anything behind."""
        hosts = {self._hosts[node] for node in self.nodes}
        hosts |= {peer.host for peer in self.others}
        for node in [*self.nodes]:
            self.leave(node)
        for peer in self.others:
            peer.close()
        self.run(0)
        if self.served is not None:
            self._stop(self.served.stop(), 3.0)
            hosts.add(self.served.host)
        for host in hosts:
            self.check_clean(host)

    def check_clean(self, host: FakeHost) -> None:
        """Raise AssertionError if a delayed call, a connection or a port is left on a host."""
        left: list[object] = [*host.getDelayedCalls(), *host.connections(), *host.ports]
        if left:
            raise AssertionError(f"left behind on {host.ip}: {left} (seed {self.network.seed})")

"""A state machine: any sequence of whatever can happen to a whole node.

The same for one session is in `tests/wire/test_session_pairs`.
"""

from __future__ import annotations

import json
from contextlib import suppress as ignoring

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.link.protocol import PeerProtocol
from p2pchat.mesh.peers import Status
from p2pchat.node.figures import statistics
from p2pchat.node.news import NotSentError
from p2pchat.settings.values import ConnectionSettings, LimitSettings, Settings
from p2pchat.testing.directory import Fault
from p2pchat.testing.nodes import FakeTown
from tests.support.quirky_peers import ForeignPeer, Program

HOSTILE = [
    b"rubbish\n",
    b"\xff\xfe\n",
    b"{" * 500 + b"\n",
    b'{"type":"HELLO","peer_id":"me@CIC"}\n',
    b'{"type":"HELLO","peer_id":"friend@CIC","agent":"p2pchat/1","instance":"i"}\n',
    b'{"type":"HELLO","peer_id":"friend@CIC","agent":"p2pchat/1","instance":"j"}\n',
    b'{"type":"HELLO","peer_id":"other@x"}\n',
    b'{"type":"HELLO_OK","peer_id":"friend@CIC"}\n',
    b'{"type":"SEND","msg_id":"1","payload":"hi","require_ack":true}\n',
    b'{"type":"SEND","msg_id":"1","dst":"x@y","payload":"hi","require_ack":true}\n',
    b'{"type":"PUB","msg_id":"2","dst":"*","payload":"hi"}\n' * 50,
    b'{"type":"PING","msg_id":"p"}\n' * 50,
    b'{"type":"ACK","msg_id":"1"}\n',
    b'{"type":"BYE"}\n',
    b'{"type":"BYE","reason":"duplicate link"}\n',
    b'{"type":"BYE_OK"}\n',
    b"x" * 33_000,
    b'{"type":"SEND",',
]


class Puppet(ForeignPeer):
    """Does nothing by itself."""

    def connectionMade(self) -> None:
        pass

    def dataReceived(self, data: bytes) -> None:
        pass


class NodeMachine(RuleBasedStateMachine):
    """A node among strangers, with one friend of our own kind."""

    def __init__(self) -> None:
        super().__init__()
        self.town = FakeTown(1, cut=0.3, join=0.2)
        limits = LimitSettings(
            max_links=6,
            max_links_per_ip=3,
            max_handshakes=3,
            max_queue_bytes=20_000,
            stall_timeout=5,
            peer_rate=200,
            remembered_ids=50,
            max_known_peers=6,
            max_pending_acks=5,
        )
        connection = ConnectionSettings(
            discovery_interval=5, reconnect_backoff_max=4, max_reconnect_attempts=2, ping_interval=5
        )
        self.node = self.town.node(
            "me@CIC", settings=Settings(connection=connection, limits=limits)
        )
        self.friend = self.town.node("friend@CIC")
        self.host = self.town.host_of(self.node)
        self.strangers = [
            Program(self.town.network.host(f"10.0.9.{number}"), "raw@CIC", Puppet)
            for number in range(3)
        ]
        for program in self.strangers:
            program.listen()
        self.sent: set[str] = set()
        self.town.run(1)

    @property
    def live(self) -> list[ForeignPeer]:
        return [link for program in self.strangers for link in program.live if link.transport]

    @rule(which=st.integers(0, 2))
    def connect(self, which: int) -> None:
        self.strangers[which].dial(self.host.ip)
        self.town.run(0.1)

    @precondition(lambda self: self.live)
    @rule(which=st.integers(0, 20), line=st.sampled_from(HOSTILE))
    def say(self, which: int, line: bytes) -> None:
        self.live[which % len(self.live)].raw(line)
        self.town.run(0.05)

    @precondition(lambda self: self.live)
    @rule(which=st.integers(0, 20), how=st.sampled_from(["abort", "close", "half", "deaf", "dead"]))
    def change(self, which: int, how: str) -> None:
        transport = self.live[which % len(self.live)].transport
        if how == "abort":
            transport.abortConnection()
        elif how == "close":
            transport.loseConnection()
        elif how == "half":
            transport.loseWriteConnection()
        elif how == "deaf":
            transport.pauseProducing()
        else:
            transport.severed = transport.other.severed = True
        self.town.run(0.05)

    @rule(seconds=st.sampled_from([0.01, 0.3, 3.0, 20.0]))
    def wait(self, seconds: float) -> None:
        self.town.run(seconds)

    @rule(
        to=st.sampled_from(["friend@CIC", "other@x", "raw@CIC", "me@CIC", "nobody@x"]),
        size=st.sampled_from([1, 5000]),
    )
    def send(self, to: str, size: int) -> None:
        with ignoring(NotSentError):
            self.sent.add(self.node.send(to, "x" * size))

    @rule(scope=st.sampled_from(["*", "#CIC", "#x"]), size=st.sampled_from([1, 9000]))
    def publish(self, scope: str, size: int) -> None:
        self.node.publish(scope, "x" * size)

    @rule(fault=st.sampled_from([*Fault]))
    def disturb_rendezvous(self, fault: Fault) -> None:
        self.town.rendezvous.fault = fault

    @rule(number=st.integers(0, 9), port=st.sampled_from([4000, 1, 65_535]))
    def list_somebody(self, number: int, port: int) -> None:
        self.town.rendezvous.enter(f"listed{number}@CIC", f"10.0.9.{number}", port)

    @rule()
    def lose_the_friend(self) -> None:
        self.town.network.break_links(self.host, self.town.host_of(self.friend))
        self.town.run(0.1)

    @rule()
    def reconnect(self) -> None:
        self.node.mesh.reconnect()

    @invariant()
    def the_books_are_right(self) -> None:
        node, mesh = self.node, self.node.mesh
        admission = mesh.admission
        assert admission.links == len(mesh._links) <= 6 + admission.dials + 1
        inbound = [link for link in mesh._links if not link.outbound]
        assert sum(admission._per_address.values()) == len(inbound)
        assert admission.handshakes == sum(not link.peer_id for link in inbound) <= 3
        assert admission.dials >= 0
        assert len(node.peers) <= 6 + 6
        assert node.outgoing.pending <= 5
        assert node.incoming.remembered <= 50
        linked = {id(link) for peer in node.peers for link in peer.links}
        assert linked == {id(link) for link in mesh.links}
        for peer in node.peers:
            assert (peer.status is Status.CONNECTED) is bool(peer.links), peer.peer_id
        for link in mesh._links:
            assert link.queue.bytes_waiting <= 20_000 + 70_000
            assert isinstance(link, PeerProtocol)
            assert len(link._tail) < 32_768

    @invariant()
    def everything_is_accounted_for(self) -> None:
        seen = self.town.seen(self.node)
        over = [msg_id for _, msg_id in seen.acked] + [msg_id for _, msg_id, _ in seen.failed]
        assert len(over) == len(set(over))
        assert set(over) <= self.sent
        assert len(self.sent) - len(over) == self.node.outgoing.pending

    @invariant()
    def it_can_tell(self) -> None:
        json.dumps(statistics(self.node).snapshot())

    def teardown(self) -> None:
        for link in self.live:
            link.transport.abortConnection()
        self.town.rendezvous.fault = Fault.NONE
        self.town.run(10)
        # The friend is there again, and nothing is left behind.
        self.town.run(70)
        assert "friend@CIC" in self.town.links(self.node)
        self.node.send("friend@CIC", "after all that")
        self.town.run(1)
        assert self.town.seen(self.friend).texts[-1] == "after all that"
        self.town.close()


class MachineTests(SynchronousTestCase):
    def test_any_node(self) -> None:
        few = settings(max_examples=40, stateful_step_count=30)
        run_state_machine_as_test(NodeMachine, settings=few)
        self.assertEqual(self.flushLoggedErrors(), [])

"""State machines: any sequence of whatever can happen to a session, and to a whole node."""

from __future__ import annotations

import json
from contextlib import suppress as ignoring
from itertools import count
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.link.protocol import PeerProtocol
from p2pchat.mesh.peers import Status
from p2pchat.node.figures import statistics
from p2pchat.node.outgoing import NotSentError
from p2pchat.settings.values import ConnectionSettings, LimitSettings, Settings
from p2pchat.testing.directory import Fault
from p2pchat.testing.nodes import FakeTown
from p2pchat.wire.codec import encode, raw_json
from p2pchat.wire.identity import Identity
from p2pchat.wire.messages import (
    Ack,
    Bye,
    ByeOk,
    Hello,
    HelloOk,
    Message,
    Ping,
    Pong,
    Pub,
    Send,
    Unknown,
)
from p2pchat.wire.outputs import Deliver, Finish, Measured, Opened, Output, Transmit
from p2pchat.wire.session import BYE_TIMEOUT, Session
from p2pchat.wire.states import State
from tests.support.quirky_peers import ForeignPeer, Program
from tests.support.sessions import asked

NAMES = st.sampled_from(["bob@CIC", "me@CIC", "carol@x", "", "no-at", "a@b@c", "x" * 70 + "@y"])
IDS = st.sampled_from(["1", "2", None, 7, ["x"], "\ud800", "y" * 300])
DSTS = st.sampled_from(["me@CIC", "me", "", "*", "#CIC", "#x", "bob@CIC"])
TTLS = st.sampled_from([1, 0, -1, 2])
GREETINGS = {
    "agent": st.sampled_from(["", "p2pchat/1"]),
    "instance": st.sampled_from(["", "us", "i"]),
}
MESSAGES: st.SearchStrategy[Message | Unknown] = st.one_of(
    st.builds(Hello, NAMES, **GREETINGS),
    st.builds(HelloOk, NAMES, **GREETINGS),
    st.builds(lambda i, t: Ping(raw_json(i), raw_json("now"), t), st.sampled_from(["p", ""]), TTLS),
    st.builds(lambda i: Pong(raw_json(i), raw_json("now")), st.sampled_from(["id-1", "id-2", "x"])),
    st.builds(Ack, IDS),
    st.builds(Send, IDS, NAMES, DSTS, st.just("text"), st.booleans(), TTLS),
    st.builds(Pub, IDS, NAMES, DSTS, st.just("text"), st.booleans(), TTLS),
    st.builds(Bye, IDS, NAMES, DSTS, st.text(max_size=5)),
    st.builds(ByeOk, IDS),
    st.builds(Unknown, st.text(max_size=5)),
)

RARELY = st.integers(0, 15).map(lambda number: number == 7)
"""For what ends a session: or hardly any would become old enough for anything else."""


class SessionMachine(RuleBasedStateMachine):
    """One session, told anything at any time."""

    @initialize(
        dialed=st.sampled_from([None, "bob@CIC"]),
        patience=st.sampled_from([5.0, 10.0]),
        greeted=st.booleans(),
    )
    def begin(self, dialed: str | None, patience: float, greeted: bool) -> None:
        ids = count(1)
        me = Identity.of("me@CIC", "p2pchat/1", "us")
        self.now = 0.0
        self.session = Session(
            me, 0.0, lambda: f"id-{next(ids)}", dialed=dialed, handshake_timeout=patience
        )
        self.patience = patience
        self.left_at: float | None = None
        self.bad = 0
        self.finished = self.opened = False
        self.pings = 0
        self.take(self.session.start())
        if greeted:
            self.hear(Hello("bob@CIC") if dialed is None else HelloOk("bob@CIC"))
            assert self.opened

    def take(self, outputs: list[Output]) -> None:
        """Look at what the session answered, in its order."""
        assert not (self.finished and outputs), "it answers after its end"
        for output in outputs:
            assert not self.finished, "something follows the end"
            if isinstance(output, Finish):
                self.finished = True
            elif isinstance(output, Opened):
                assert not self.opened
                self.opened = True
                assert self.session.peer_id
            elif isinstance(output, Deliver):
                assert self.opened
                assert output.messages
                for message in output.messages:
                    assert message.ttl > 0
            elif isinstance(output, Measured):
                assert 0 <= output.seconds <= self.now
            elif isinstance(output, Transmit):
                encode(output.message)
                if not self.opened:
                    # Before the handshake nothing is said but the greeting, and a farewell.
                    assert isinstance(output.message, (Hello, HelloOk, Bye)), output

    @rule(message=MESSAGES, perhaps=RARELY)
    def hear_anything(self, message: Message | Unknown, perhaps: bool) -> None:
        if perhaps or not isinstance(message, (Bye, ByeOk)):
            self.hear(message)

    def hear(self, message: Message | Unknown) -> None:
        self.bad = 0
        self.take(self.session.receive(message, self.now))

    @rule(messages=st.lists(st.builds(Send, IDS, NAMES, DSTS, st.just("t")), max_size=3))
    def hear_chat(self, messages: list[Send]) -> None:
        if messages and self.session.takes_chat:
            self.bad = 0
        self.take(self.session.chat(messages))

    @rule()
    def hear_rubbish(self) -> None:
        self.bad += 1
        was = self.finished
        self.take(self.session.bad_line("not JSON"))
        assert was or self.finished is (self.bad >= 20)

    @rule(perhaps=RARELY)
    def hear_too_much(self, perhaps: bool) -> None:
        if perhaps:
            self.take(self.session.line_too_long())
            assert self.finished

    @rule(seconds=st.sampled_from([0.25, 1.0, 3.0, 30.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.take(self.session.tick(self.now))

    @rule()
    def ping(self) -> None:
        self.take(asked(self.session, self.now, f"p-{self.now}"))

    @rule(perhaps=RARELY)
    def leave(self, perhaps: bool) -> None:
        if not perhaps:
            return
        if self.session.state is State.OPEN:
            self.left_at = self.now
        self.take(self.session.leave("enough", self.now))

    @invariant()
    def it_is_of_a_piece(self) -> None:
        state = self.session.state
        assert self.finished is (state is State.CLOSED)
        assert len(self.session.pings) <= 4
        if state in (State.OPEN, State.CLOSING):
            assert self.opened

    @invariant()
    def nothing_waits_for_ever(self) -> None:
        now = self.now
        state = self.session.state
        if state in (State.AWAIT_HELLO, State.AWAIT_HELLO_OK):
            assert now < self.patience
        elif state is State.CLOSING:
            assert self.left_at is not None
            assert now < self.left_at + BYE_TIMEOUT


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
        assert sum(admission._per_ip.values()) == len(inbound)
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


QUICK = settings(max_examples=150, stateful_step_count=40)
FEW = settings(max_examples=40, stateful_step_count=30)


class MachineTests(SynchronousTestCase):
    def test_any_session(self) -> None:
        self.run_machine(SessionMachine, QUICK)

    def test_any_node(self) -> None:
        self.run_machine(NodeMachine, FEW)

    def run_machine(self, machine: Any, how: settings) -> None:
        run_state_machine_as_test(machine, settings=how)
        self.assertEqual(self.flushLoggedErrors(), [])

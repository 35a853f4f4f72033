"""Any sequence of events at one session, and two sessions back to back."""

from __future__ import annotations

import math
from collections import deque
from itertools import count
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from p2pchat.wire.codec import decode, encode
from p2pchat.wire.identity import Identity
from p2pchat.wire.messages import (
    FEATURES,
    HISTORY,
    Ack,
    Bye,
    ByeOk,
    CatchUp,
    Hello,
    HelloOk,
    Ping,
    Pong,
    Pub,
    Said,
    Send,
    Unknown,
)
from p2pchat.wire.outputs import (
    Acknowledged,
    Deliver,
    Ending,
    Extended,
    Finish,
    Measured,
    Opened,
    Output,
    Remark,
    Transmit,
)
from p2pchat.wire.session import BYE_TIMEOUT, Session
from p2pchat.wire.states import State
from tests.support.sessions import SessionTestCase, asked, inbound

# ---------------------------------------------------------------- anything at all

IDS = st.sampled_from(["id-1", "id-2", "x", "", 7, None, 1.5, ["x"], "\ud800", "y" * 300])
PEER_IDS = st.sampled_from(
    ["alice@CIC", "bob@CIC", "carol@other", "bob", "", "b\x1b@x", "a@b@c", "n" * 65 + "@x"]
)
SCOPES = st.sampled_from(["alice@CIC", "alice", "", "*", "#CIC", "CIC", "#x", "bob@CIC"])
INSTANCES = st.sampled_from(["", "our-instance", "another"])
RAWS = st.sampled_from([b'"p-1"', b'"p-2"', b"7", b"null", b'"\\ud800"', b"[1]"]).map(Raw)
TTLS = st.sampled_from([1, 1, 1, 0, -1, 2])
TEXT = st.text(max_size=5)
CHAT: st.SearchStrategy[Send | Pub] = st.one_of(
    [st.builds(kind, IDS, PEER_IDS, SCOPES, TEXT, st.booleans(), TTLS) for kind in (Send, Pub)]
)
FEATURE_LISTS = st.sampled_from([FEATURES, (*FEATURES, HISTORY)])
AGENTS = st.sampled_from(["", "x"])
ANY_EVENT = st.one_of(
    CHAT,
    st.lists(CHAT, max_size=3),
    *(
        st.builds(kind, PEER_IDS, features=FEATURE_LISTS, agent=AGENTS, instance=INSTANCES)
        for kind in (Hello, HelloOk)
    ),
    *(st.builds(kind, RAWS, RAWS, TTLS) for kind in (Ping, Pong)),
    st.builds(Ack, IDS),
    st.builds(Said, TEXT, PEER_IDS, SCOPES, TEXT, st.just(1.0), st.booleans(), TTLS),
    st.builds(CatchUp, TEXT),
    st.builds(Unknown, TEXT),
    st.sampled_from(["start", "ping", "ping", "ping", "bad line", "bad line"]),
    # What ends a session comes seldom: or hardly any would become old enough for the rest.
    st.one_of(
        st.sampled_from(["leave", "leave", "long line"]),
        st.builds(Bye, IDS, PEER_IDS, PEER_IDS, TEXT),
        st.builds(ByeOk, IDS, PEER_IDS, PEER_IDS),
    ),
)
STEPS = st.tuples(ANY_EVENT, st.sampled_from([0.0, 0.0, 0.5, 1.5]))


class Story:
    """One session that is told anything at any time, and what must be true of its answers."""

    def __init__(self, dialed: str | None, max_bad_lines: int, patience: float) -> None:
        me = Identity.of("alice@CIC", "p2pchat/1", "our-instance", (*FEATURES, HISTORY))
        self.session = inbound(
            me, dialed=dialed, max_bad_lines=max_bad_lines, handshake_timeout=patience
        )
        self.greeting = Hello if dialed else HelloOk
        self.max_bad_lines = max_bad_lines
        self.patience = patience
        self.now = 0.0
        self.bad_lines = 0
        self.left_at = math.inf
        self.opened = self.finished = False

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.take(self.session.tick(self.now))
        state = self.session.state
        if state in (State.AWAIT_HELLO, State.AWAIT_HELLO_OK):
            assert self.now < self.patience
        elif state is State.CLOSING:
            assert self.now < self.left_at + BYE_TIMEOUT

    def happen(self, event: Any) -> None:
        session, was_finished = self.session, self.finished
        match event:
            case "start":
                self.take(session.start())
            case "ping":
                self.take(asked(session, self.now, f"p-{len(session.pings)}"))
            case "leave":
                if session.state is State.OPEN:
                    self.left_at = self.now
                self.take(session.leave("leaving", self.now))
            case "bad line":
                self.bad_lines += 1
                self.take(session.bad_line("not JSON"))
                assert was_finished or self.finished is (self.bad_lines >= self.max_bad_lines)
            case "long line":
                self.take(session.line_too_long())
                assert self.finished
            case list():
                self.bad_lines = 0 if session.takes_chat else self.bad_lines
                self.take(session.chat(event))
            case _:
                self.bad_lines = 0
                self.take(session.receive(event, self.now))

    def take(self, outputs: list[Output]) -> None:
        """Look at what the session answered, in its order."""
        for output in outputs:
            assert not self.finished, "something follows the end"
            match output:
                case Finish():
                    self.finished = True
                case Opened():
                    assert not self.opened
                    self.opened = True
                case Deliver(messages):
                    assert self.opened
                    assert messages
                    assert min(message.ttl for message in messages) > 0
                case Measured(seconds):
                    assert self.opened
                    assert 0 <= seconds <= self.now
                case Acknowledged() | Extended():
                    assert self.opened
                case Transmit(message):
                    encode(message)
                    # Nothing but a greeting or a farewell goes out before the handshake is done.
                    assert self.opened or isinstance(message, (self.greeting, Bye))
        state = self.session.state
        assert self.finished is (state is State.CLOSED)
        assert len(self.session.pings) <= 4
        if self.session.takes_chat:
            assert self.opened
            assert self.session.peer_id not in ("", "alice@CIC")


class AnythingTests(SessionTestCase):
    @settings(max_examples=200)
    @given(
        st.sampled_from([None, "bob@CIC"]),
        st.integers(1, 5),
        st.sampled_from([5.0, 10.0]),
        st.booleans(),
        st.lists(STEPS, max_size=30),
    )
    def test_any_sequence_ends_at_most_once_and_in_silence(
        self,
        dialed: str | None,
        max_bad_lines: int,
        patience: float,
        greeted: bool,
        steps: list[tuple[Any, float]],
    ) -> None:
        story = Story(dialed, max_bad_lines, patience)
        if greeted:
            story.happen(Hello("bob@CIC") if dialed is None else HelloOk("bob@CIC"))
            self.assertTrue(story.opened)
        for event, seconds in steps:
            story.happen(event)
            story.wait(seconds)


# ---------------------------------------------------------------- two ends of one connection


class End:
    """One end of a connection in memory: its session, and what its node heard."""

    def __init__(self, name: str, dialed: str | None) -> None:
        ids = count(1)
        me = Identity.of(f"{name}@CIC", "p2pchat/1", f"instance of {name}")
        self.name = name
        self.session = Session(me, 0.0, lambda: f"{name}-{next(ids)}", dialed=dialed)
        self.arriving: deque[bytes] = deque()
        self.other: End
        self.outputs: list[Output] = []
        self.sent: list[str] = []

    def perform(self, outputs: list[Output]) -> None:
        for output in outputs:
            self.outputs.append(output)
            if isinstance(output, Transmit):
                self.other.arriving.append(encode(output.message))

    def say(self) -> None:
        """Send a message, if the session is open, as a node does."""
        if self.session.state is State.OPEN:
            text = f"{len(self.sent)} from {self.name}"
            self.sent.append(text)
            to = self.session.peer_id
            self.perform([Transmit(Send(text, f"{self.name}@CIC", to, text, True))])

    def take(self) -> bool:
        """Read one line; False when there is none. After the end nobody reads."""
        if not self.arriving:
            return False
        self.perform(self.session.receive(decode(self.arriving.popleft()), 1.0))
        return True

    @property
    def heard(self) -> list[str]:
        return [
            message.payload
            for output in self.outputs
            if isinstance(output, Deliver)
            for message in output.messages
        ]

    @property
    def endings(self) -> list[Ending]:
        return [output.ending for output in self.outputs if isinstance(output, Finish)]


def connected() -> tuple[End, End]:
    """alice, who dialed, and bob; HELLO is on its way."""
    alice, bob = End("alice", "bob@CIC"), End("bob", None)
    alice.other, bob.other = bob, alice
    for end in (alice, bob):
        end.perform(end.session.start())
    return alice, bob


def settle(alice: End, bob: End) -> None:
    while alice.take() or bob.take():
        pass


class PairTests(SessionTestCase):
    def test_the_whole_conversation(self) -> None:
        alice, bob = connected()
        settle(alice, bob)
        self.assertOpened(alice.session, "bob@CIC", is_p2pchat=True, instance="instance of bob")
        self.assertOpened(bob.session, "alice@CIC", is_p2pchat=True, instance="instance of alice")
        alice.say()
        bob.say()
        alice.perform(asked(alice.session, 1.0))
        settle(alice, bob)
        self.assertEqual((alice.heard, bob.heard), (["0 from bob"], ["0 from alice"]))
        self.assertIn(Measured(0.0), alice.outputs)
        alice.perform(alice.session.leave("leaving", 1.0))
        settle(alice, bob)
        self.assertEqual(alice.outputs[-1], Finish(Ending.LEFT, "BYE answered"))
        self.assertEqual(bob.outputs[-1], Finish(Ending.SAID_BYE, "leaving"))

    def test_byes_that_cross(self) -> None:
        alice, bob = connected()
        settle(alice, bob)
        alice.perform(alice.session.leave("first", 1.0))
        bob.perform(bob.session.leave("second", 1.0))
        settle(alice, bob)
        self.assertEqual(alice.outputs[-1], Finish(Ending.LEFT, "second"))
        self.assertEqual(bob.outputs[-1], Finish(Ending.LEFT, "first"))

    def test_what_crosses_a_bye_is_not_lost(self) -> None:
        alice, bob = connected()
        settle(alice, bob)
        bob.say()
        alice.say()
        alice.perform(alice.session.leave("leaving", 1.0))
        bob.say()
        settle(alice, bob)
        self.assertEqual(alice.heard, ["0 from bob", "1 from bob"])
        self.assertEqual(bob.heard, ["0 from alice"])

    def test_a_process_that_dials_itself(self) -> None:
        """The end that listens sees it, and ends without a word; the connection ends the other."""
        alice, bob = End("alice", "bob@CIC"), End("alice", None)
        alice.other, bob.other = bob, alice
        alice.perform(alice.session.start())
        settle(alice, bob)
        self.assertEqual(bob.outputs, [Finish(Ending.SELF, "a connection from ourselves")])
        self.assertEqual(alice.session.state, State.AWAIT_HELLO_OK)

    @given(st.lists(st.sampled_from([(n, what) for n in (0, 1) for what in "tttttsspl"])))
    def test_in_any_order_of_events_both_ends_agree(self, events: list[tuple[int, str]]) -> None:
        """t: read one line, s: SEND, p: PING, l: leave; each at either end."""
        ends = connected()
        for n, what in events:
            end = ends[n]
            match what:
                case "t":
                    end.take()
                case "s":
                    end.say()
                case "p":
                    end.perform(asked(end.session, 1.0))
                case "l" if end.session.takes_chat:
                    end.perform(end.session.leave("leaving", 1.0))
        settle(*ends)
        for end in ends:
            # In order, each once, and all of them: a BYE that crosses loses nothing.
            self.assertEqual(end.heard, end.other.sent)
            for output in end.outputs:
                self.assertNotIsInstance(output, Remark)  # each understood all that was said
        if any(self.said_bye(end) for end in ends):
            for end in ends:
                # Who has seen the other's BYE does not say one any more.
                ending = Ending.LEFT if self.said_bye(end) else Ending.SAID_BYE
                self.assertEqual(end.endings, [ending])
        else:
            for end in ends:
                self.assertIs(end.session.state, State.OPEN)
                self.assertEqual(end.session.peer_id, f"{end.other.name}@CIC")

    def said_bye(self, end: End) -> bool:
        return any(
            isinstance(output, Transmit) and isinstance(output.message, Bye)
            for output in end.outputs
        )

"""Any sequence of events at one session, and two sessions back to back."""

from __future__ import annotations

from collections import deque
from itertools import count
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from p2pchat.wire.codec import decode, encode
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
from p2pchat.wire.outputs import (
    Acknowledged,
    Deliver,
    Ending,
    Finish,
    Measured,
    Opened,
    Output,
    Remark,
    Transmit,
)
from p2pchat.wire.session import Session
from p2pchat.wire.states import State
from tests.support.sessions import SessionTestCase, asked, inbound

# ---------------------------------------------------------------- anything at all

IDS = st.sampled_from(["id-1", "id-2", "x", "", 7, None, 1.5, ["x"]])
PEER_IDS = st.sampled_from(
    ["alice@CIC", "bob@CIC", "carol@other", "bob", "", "b\x1b@x", "n" * 65 + "@x"]
)
SCOPES = st.sampled_from(["alice@CIC", "alice", "", "*", "#CIC", "CIC", "#x", "bob@CIC"])
INSTANCES = st.sampled_from(["", "our-instance", "another"])
RAWS = st.sampled_from([b'"id-1"', b'"id-2"', b"7", b"null", b'"\\ud800"', b"[1]"]).map(Raw)
TTLS = st.sampled_from([1, 1, 1, 0, -1])
ANY_MESSAGE: st.SearchStrategy[Message | Unknown] = st.one_of(
    *(
        st.builds(kind, PEER_IDS, agent=st.sampled_from(["", "x"]), instance=INSTANCES)
        for kind in (Hello, HelloOk)
    ),
    *(st.builds(kind, RAWS, RAWS, TTLS) for kind in (Ping, Pong)),
    *(
        st.builds(kind, IDS, PEER_IDS, SCOPES, st.text(max_size=5), st.booleans(), TTLS)
        for kind in (Send, Pub)
    ),
    st.builds(Ack, IDS),
    st.builds(Bye, IDS, PEER_IDS, PEER_IDS, st.text(max_size=5)),
    st.builds(ByeOk, IDS, PEER_IDS, PEER_IDS),
    st.builds(Unknown, st.text(max_size=5)),
)
ANY_EVENT = st.one_of(
    ANY_MESSAGE,
    st.lists(ANY_MESSAGE.filter(lambda it: isinstance(it, Send | Pub)), max_size=3),
    st.sampled_from(["start", "ping", "leave", "tick", "bad line", "long line"]),
)


class AnythingTests(SessionTestCase):
    @given(
        st.sampled_from([None, "bob@CIC"]),
        st.integers(1, 3),
        st.lists(st.tuples(ANY_EVENT, st.sampled_from([0.0, 0.5, 3.0])), max_size=25),
    )
    def test_any_sequence_ends_at_most_once_and_in_silence(
        self, dialed: str | None, max_bad_lines: int, events: list[tuple[Any, float]]
    ) -> None:
        session = inbound(dialed=dialed, max_bad_lines=max_bad_lines)
        now = 0.0
        seen: list[Output] = []
        for event, seconds in events:
            now += seconds
            was_closed = session.state is State.CLOSED
            outputs = self.happens(session, event, now)
            if was_closed:
                self.assertEqual(outputs, [])
            seen += outputs
            kinds = [type(output) for output in seen]
            finished = Finish in kinds
            self.assertIs(finished, session.state is State.CLOSED)
            self.assertEqual(finished, Finish in kinds[-1:], "an end is the last output")
            self.assertLessEqual(kinds.count(Finish), 1)
            self.assertLessEqual(kinds.count(Opened), 1)
            for kind in (Deliver, Measured, Acknowledged):
                if kind in kinds:
                    self.assertIn(Opened, kinds[: kinds.index(kind)])
            if session.takes_chat:
                self.assertIn(Opened, kinds)
                self.assertNotEqual(session.peer_id, "alice@CIC")
        self.assertSpokeInOrder(seen, dialed)

    def happens(self, session: Session, event: Any, now: float) -> list[Output]:
        match event:
            case "start":
                return session.start()
            case "ping":
                return asked(session, now)
            case "leave":
                return session.leave("leaving", now)
            case "tick":
                return session.tick(now)
            case "bad line":
                return session.bad_line("not JSON")
            case "long line":
                return session.line_too_long()
            case list():
                return session.chat(event)
            case _:
                return session.receive(event, now)

    def assertSpokeInOrder(self, outputs: list[Output], dialed: str | None) -> None:
        """Nothing but HELLO, HELLO_OK and BYE goes out before the handshake is done."""
        is_open = False
        for output in outputs:
            match output:
                case Opened():
                    is_open = True
                case Transmit(message):
                    encode(message)
                    if not is_open:
                        greeting: tuple[type, ...] = (HelloOk,) if dialed is None else (Hello,)
                        self.assertIsInstance(message, (*greeting, Bye))


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

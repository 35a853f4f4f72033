"""The whole table of the states: every state x everything that can happen, and what comes of it.

alice@CIC is us. In AWAIT_HELLO somebody dialed us, in AWAIT_HELLO_OK we dialed bob@CIC; OPEN,
CLOSING and CLOSED are with bob@CIC. In PROBED bob@CIC dialed and asked whether we encrypt.
Sessions begin at second 100; the next id of ours is "id-N". Read a row as: in this state, when this
happens, we answer with this list, and are then in that state. The order of the rows is that of
`EVENTS`; a missing row fails the test.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.wire.codec import raw_json
from p2pchat.wire.guard import Guard
from p2pchat.wire.identity import Identity
from p2pchat.wire.messages import (
    Ack,
    Away,
    Bye,
    ByeOk,
    CatchUp,
    Edit,
    Hello,
    HelloOk,
    KeyChange,
    Pair,
    Peers,
    PeersReq,
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
    Elsewhere,
    Ending,
    Finish,
    Opened,
    Output,
    Remark,
    Transmit,
)
from p2pchat.wire.session import BYE_TIMEOUT, Session
from p2pchat.wire.states import State
from tests.support.sessions import asked

AWAIT_HELLO, AWAIT_HELLO_OK = State.AWAIT_HELLO, State.AWAIT_HELLO_OK
PROBED, OPEN, CLOSING, CLOSED = State.PROBED, State.OPEN, State.CLOSING, State.CLOSED
START: Final = 100.0
ME: Final = Identity.of("alice@CIC", "p2pchat/1", "our-instance")
TIMESTAMP: Final = "2024-05-01T10:00:00Z"

SEND: Final = Send("s1", "bob@CIC", "alice@CIC", "oi", True)
PUB: Final = Pub("p1", "bob@CIC", "*", "oi all")
PING: Final = Ping(raw_json("q1"), raw_json(TIMESTAMP))
NOT_ASKED: Final = Pong(raw_json("not asked"))
BYE_OK: Final = ByeOk("x")
BYE: Final = Bye("b1", "bob@CIC", "alice@CIC", "leaving")

EVENTS: Final[dict[str, Callable[[Session], list[Output]]]] = {
    "HELLO": lambda it: it.receive(Hello("bob@CIC"), START),
    "HELLO of carol": lambda it: it.receive(Hello("carol@CIC"), START),
    "HELLO_OK": lambda it: it.receive(HelloOk("bob@CIC"), START),
    "PING": lambda it: it.receive(PING, START),
    "PONG": lambda it: it.receive(NOT_ASKED, START),
    "ACK": lambda it: it.receive(Ack("a1"), START),
    "SEND": lambda it: it.receive(SEND, START),
    "PUB": lambda it: it.receive(PUB, START),
    "SEND, PUB": lambda it: it.chat([SEND, PUB]),
    "SAID": lambda it: it.receive(Said("s1", "bob@CIC", "alice@CIC", "oi", 1.0), START),
    "CATCH_UP": lambda it: it.receive(CatchUp("c1"), START),
    "EDIT": lambda it: it.receive(Edit("e1", "s1", "bob@CIC", "alice@CIC", "olá"), START),
    "AWAY": lambda it: it.receive(Away("w1", "tea"), START),
    "KEY": lambda it: it.receive(KeyChange("k1", "", "", 1, "", ""), START),
    "PEERS_REQ": lambda it: it.receive(PeersReq("q1", "CIC"), START),
    "PEERS": lambda it: it.receive(Peers("q1", "CIC", []), START),
    "PAIR": lambda it: it.receive(Pair("r1", 1), START),
    "BYE": lambda it: it.receive(BYE, START),
    "BYE_OK": lambda it: it.receive(BYE_OK, START),
    "unknown": lambda it: it.receive(Unknown("RELAY"), START),
    "bad line": lambda it: it.bad_line("not JSON"),
    "20th bad line": lambda it: [it.bad_line("not JSON") for _ in range(20)][-1],
    "line too long": lambda it: it.line_too_long(),
    "start": lambda it: it.start(),
    "ping": lambda it: asked(it, START, "id-1", TIMESTAMP),
    "leave": lambda it: it.leave("leaving", START),
    "1.99 s": lambda it: it.tick(START + BYE_TIMEOUT - 0.01),
    "2 s": lambda it: it.tick(START + BYE_TIMEOUT),
    "9.99 s": lambda it: it.tick(START + 9.99),
    "10 s": lambda it: it.tick(START + 10),
}

HELLO_OF_OURS: Final = Transmit(Hello("alice@CIC", agent="p2pchat/1", instance="our-instance"))
HELLO_OK_OF_OURS: Final = Transmit(HelloOk("alice@CIC", agent="p2pchat/1", instance="our-instance"))
PONG_OF_OURS: Final = Transmit(Pong(raw_json("q1"), raw_json(TIMESTAMP)))
BYE_OK_OF_OURS: Final = Transmit(ByeOk("b1", "alice@CIC", "bob@CIC"))


def bye(reason: str, msg_id: str = "id-1", to: str = "bob@CIC") -> Transmit:
    return Transmit(Bye(msg_id, "alice@CIC", to, reason))


def ignored(what: str, who: str = "[bob@CIC]", state: str = "open") -> list[Output]:
    return [Remark("debug", "unexpected", f"ignored {what} from {who} in state {state}")]


def waiting(what: str) -> tuple[list[Output], State]:
    return ignored(what, state="await-hello-ok"), AWAIT_HELLO_OK


def not_hello(what: str) -> tuple[list[Output], State]:
    reason = f"the first message was {what}, not HELLO"
    return [Finish(Ending.REFUSED, reason)], CLOSED


def in_the_clear(what: str) -> tuple[list[Output], State]:
    reason = f"{what} came in the clear from who can encrypt"
    return [Finish(Ending.REFUSED, reason)], CLOSED


def bad_line(who: str) -> Remark:
    return Remark("warn", "bad line", f"bad line from {who}: not JSON")


def long_line(who: str) -> Remark:
    return Remark("warn", "long line", f"line too long from {who}")


LATE: Final = Finish(Ending.TIMEOUT, "no handshake in time")
ERROR: Final = Finish(Ending.VIOLATION, "protocol error")
TOO_LONG: Final = Finish(Ending.VIOLATION, "line_too_long")
NOTHING: Final[list[Output]] = []

TABLE: Final[dict[State, dict[str, tuple[list[Output], State]]]] = {
    AWAIT_HELLO: {
        "HELLO": ([HELLO_OK_OF_OURS, Opened()], OPEN),
        "HELLO of carol": ([HELLO_OK_OF_OURS, Opened()], OPEN),
        "HELLO_OK": not_hello("HELLO_OK"),
        "PING": not_hello("PING"),
        "PONG": not_hello("PONG"),
        "ACK": not_hello("ACK"),
        "SEND": not_hello("SEND"),
        "PUB": not_hello("PUB"),
        "SEND, PUB": (NOTHING, AWAIT_HELLO),
        "SAID": not_hello("SAID"),
        "CATCH_UP": not_hello("CATCH_UP"),
        "EDIT": not_hello("EDIT"),
        "AWAY": not_hello("AWAY"),
        "KEY": not_hello("KEY"),
        "PEERS_REQ": not_hello("PEERS_REQ"),
        "PEERS": not_hello("PEERS"),
        "PAIR": not_hello("PAIR"),
        "BYE": not_hello("BYE"),
        "BYE_OK": not_hello("BYE_OK"),
        "unknown": not_hello("[RELAY]"),
        "bad line": ([bad_line("a stranger")], AWAIT_HELLO),
        "20th bad line": ([bad_line("a stranger"), bye("protocol error", to=""), ERROR], CLOSED),
        "line too long": ([long_line("a stranger"), bye("line_too_long", to=""), TOO_LONG], CLOSED),
        "start": (NOTHING, AWAIT_HELLO),
        "ping": (NOTHING, AWAIT_HELLO),
        "leave": ([Finish(Ending.LEFT, "leaving")], CLOSED),
        "1.99 s": (NOTHING, AWAIT_HELLO),
        "2 s": (NOTHING, AWAIT_HELLO),
        "9.99 s": (NOTHING, AWAIT_HELLO),
        "10 s": ([LATE], CLOSED),
    },
    AWAIT_HELLO_OK: {
        "HELLO": waiting("HELLO"),
        "HELLO of carol": waiting("HELLO"),
        "HELLO_OK": ([Opened()], OPEN),
        "PING": waiting("PING"),
        "PONG": waiting("PONG"),
        "ACK": waiting("ACK"),
        "SEND": waiting("SEND"),
        "PUB": waiting("PUB"),
        "SEND, PUB": (NOTHING, AWAIT_HELLO_OK),
        "SAID": waiting("SAID"),
        "CATCH_UP": waiting("CATCH_UP"),
        "EDIT": waiting("EDIT"),
        "AWAY": waiting("AWAY"),
        "KEY": waiting("KEY"),
        "PEERS_REQ": waiting("PEERS_REQ"),
        "PEERS": waiting("PEERS"),
        "PAIR": waiting("PAIR"),
        "BYE": ([Finish(Ending.REFUSED, "the other end answered BYE: leaving")], CLOSED),
        "BYE_OK": waiting("BYE_OK"),
        "unknown": waiting("[RELAY]"),
        "bad line": ([bad_line("[bob@CIC]")], AWAIT_HELLO_OK),
        "20th bad line": ([bad_line("[bob@CIC]"), bye("protocol error"), ERROR], CLOSED),
        "line too long": ([long_line("[bob@CIC]"), bye("line_too_long"), TOO_LONG], CLOSED),
        "start": ([HELLO_OF_OURS], AWAIT_HELLO_OK),
        "ping": (NOTHING, AWAIT_HELLO_OK),
        "leave": ([Finish(Ending.LEFT, "leaving")], CLOSED),
        "1.99 s": (NOTHING, AWAIT_HELLO_OK),
        "2 s": (NOTHING, AWAIT_HELLO_OK),
        "9.99 s": (NOTHING, AWAIT_HELLO_OK),
        "10 s": ([LATE], CLOSED),
    },
    # Nothing more may come: it would be somebody else's.
    PROBED: {
        "HELLO": in_the_clear("HELLO"),
        "HELLO of carol": in_the_clear("HELLO"),
        "HELLO_OK": in_the_clear("HELLO_OK"),
        "PING": in_the_clear("PING"),
        "PONG": in_the_clear("PONG"),
        "ACK": in_the_clear("ACK"),
        "SEND": in_the_clear("SEND"),
        "PUB": in_the_clear("PUB"),
        "SEND, PUB": (NOTHING, PROBED),
        "SAID": in_the_clear("SAID"),
        "CATCH_UP": in_the_clear("CATCH_UP"),
        "EDIT": in_the_clear("EDIT"),
        "AWAY": in_the_clear("AWAY"),
        "KEY": in_the_clear("KEY"),
        "PEERS_REQ": in_the_clear("PEERS_REQ"),
        "PEERS": in_the_clear("PEERS"),
        "PAIR": in_the_clear("PAIR"),
        "BYE": in_the_clear("BYE"),
        "BYE_OK": in_the_clear("BYE_OK"),
        "unknown": in_the_clear("[RELAY]"),
        "bad line": in_the_clear("a bad line"),
        "20th bad line": (NOTHING, CLOSED),
        "line too long": in_the_clear("a long line"),
        "start": (NOTHING, PROBED),
        "ping": (NOTHING, PROBED),
        "leave": ([Finish(Ending.LEFT, "leaving")], CLOSED),
        "1.99 s": (NOTHING, PROBED),
        "2 s": (NOTHING, PROBED),
        "9.99 s": (NOTHING, PROBED),
        "10 s": ([LATE], CLOSED),
    },
    OPEN: {
        "HELLO": ([HELLO_OK_OF_OURS], OPEN),
        "HELLO of carol": (ignored("HELLO"), OPEN),
        "HELLO_OK": (ignored("HELLO_OK"), OPEN),
        "PING": ([PONG_OF_OURS], OPEN),
        "PONG": ([Elsewhere(NOT_ASKED)], OPEN),
        "ACK": ([Acknowledged("a1")], OPEN),
        "SEND": ([Deliver([SEND])], OPEN),
        "PUB": ([Deliver([PUB])], OPEN),
        "SEND, PUB": ([Deliver([SEND, PUB])], OPEN),
        "SAID": (ignored("SAID"), OPEN),
        "CATCH_UP": (ignored("CATCH_UP"), OPEN),
        "EDIT": (ignored("EDIT"), OPEN),
        "AWAY": (ignored("AWAY"), OPEN),
        "KEY": (ignored("KEY"), OPEN),
        "PEERS_REQ": (ignored("PEERS_REQ"), OPEN),
        "PEERS": (ignored("PEERS"), OPEN),
        "PAIR": (ignored("PAIR"), OPEN),
        "BYE": ([BYE_OK_OF_OURS, Finish(Ending.SAID_BYE, "leaving")], CLOSED),
        "BYE_OK": ([Elsewhere(BYE_OK)], OPEN),
        "unknown": (ignored("[RELAY]"), OPEN),
        "bad line": ([bad_line("[bob@CIC]")], OPEN),
        "20th bad line": ([bad_line("[bob@CIC]"), bye("protocol error"), ERROR], CLOSED),
        "line too long": ([long_line("[bob@CIC]"), bye("line_too_long"), TOO_LONG], CLOSED),
        "start": (NOTHING, OPEN),
        "ping": ([Transmit(Ping(raw_json("id-1"), raw_json(TIMESTAMP)))], OPEN),
        "leave": ([bye("leaving")], CLOSING),
        "1.99 s": (NOTHING, OPEN),
        "2 s": (NOTHING, OPEN),
        "9.99 s": (NOTHING, OPEN),
        "10 s": (NOTHING, OPEN),
    },
    # Our BYE is on its way: what the other end sent before it saw it still counts.
    CLOSING: {
        "HELLO": (NOTHING, CLOSING),
        "HELLO of carol": (NOTHING, CLOSING),
        "HELLO_OK": (ignored("HELLO_OK", state="closing"), CLOSING),
        "PING": ([PONG_OF_OURS], CLOSING),
        "PONG": ([Elsewhere(NOT_ASKED)], CLOSING),
        "ACK": ([Acknowledged("a1")], CLOSING),
        "SEND": ([Deliver([SEND])], CLOSING),
        "PUB": ([Deliver([PUB])], CLOSING),
        "SEND, PUB": ([Deliver([SEND, PUB])], CLOSING),
        "SAID": (ignored("SAID", state="closing"), CLOSING),
        "CATCH_UP": (ignored("CATCH_UP", state="closing"), CLOSING),
        "EDIT": (ignored("EDIT", state="closing"), CLOSING),
        "AWAY": (ignored("AWAY", state="closing"), CLOSING),
        "KEY": (ignored("KEY", state="closing"), CLOSING),
        "PEERS_REQ": (ignored("PEERS_REQ", state="closing"), CLOSING),
        "PEERS": (ignored("PEERS", state="closing"), CLOSING),
        "PAIR": (ignored("PAIR", state="closing"), CLOSING),
        "BYE": ([BYE_OK_OF_OURS, Finish(Ending.LEFT, "leaving")], CLOSED),
        "BYE_OK": ([Elsewhere(BYE_OK), Finish(Ending.LEFT, "BYE answered")], CLOSED),
        "unknown": (ignored("[RELAY]", state="closing"), CLOSING),
        "bad line": ([bad_line("[bob@CIC]")], CLOSING),
        "20th bad line": ([bad_line("[bob@CIC]"), Finish(Ending.LEFT, "protocol error")], CLOSED),
        "line too long": ([long_line("[bob@CIC]"), Finish(Ending.LEFT, "line_too_long")], CLOSED),
        "start": (NOTHING, CLOSING),
        "ping": (NOTHING, CLOSING),
        "leave": (NOTHING, CLOSING),
        "1.99 s": (NOTHING, CLOSING),
        "2 s": ([Finish(Ending.LEFT, "no BYE_OK in time")], CLOSED),
        "9.99 s": ([Finish(Ending.LEFT, "no BYE_OK in time")], CLOSED),
        "10 s": ([Finish(Ending.LEFT, "no BYE_OK in time")], CLOSED),
    },
    CLOSED: dict.fromkeys(EVENTS, (NOTHING, CLOSED)),
}


def session_in(state: State) -> Session:
    """A session in this state, made by the shortest way there."""
    ids = count(0 if state in (CLOSING, CLOSED) else 1)
    dialed = "bob@CIC" if state is AWAIT_HELLO_OK else None
    session = Session(ME, START, lambda: f"id-{next(ids)}", dialed=dialed)
    if state is PROBED:
        session.guard = Guard(sealed=False, vouch=lambda _peer_id, _greeting: "")
        session.receive(Hello("bob@CIC", tls=1), START)
    elif state not in (AWAIT_HELLO, AWAIT_HELLO_OK):
        session.receive(Hello("bob@CIC"), START)
    if state in (CLOSING, CLOSED):
        session.leave("leaving", START)
    if state is CLOSED:
        session.receive(ByeOk(), START)
    assert session.state is state
    return session


class TableTests(SynchronousTestCase):
    def test_the_table_is_complete(self) -> None:
        self.assertEqual(list(TABLE), list(State))
        for state, rows in TABLE.items():
            self.assertEqual(list(rows), list(EVENTS), state)

    def test_every_row(self) -> None:
        for state, rows in TABLE.items():
            for event, (outputs, then) in rows.items():
                with self.subTest(state=state.value, event=event):
                    session = session_in(state)
                    self.assertEqual(EVENTS[event](session), outputs)
                    self.assertIs(session.state, then)

    def test_an_open_session_is_the_same_whoever_dialed(self) -> None:
        for event, (outputs, then) in TABLE[OPEN].items():
            session = session_in(AWAIT_HELLO_OK)
            session.receive(HelloOk("bob@CIC"), START)
            self.assertEqual(EVENTS[event](session), outputs, event)
            self.assertIs(session.state, then, event)

    def test_chat_is_welcome_while_open_and_until_the_bye_was_answered(self) -> None:
        for state in State:
            self.assertIs(session_in(state).takes_chat, state in (OPEN, CLOSING))
            self.assertIs(session_in(state).welcomes([SEND, PUB]), state in (OPEN, CLOSING))

    def test_after_two_events_closed_is_still_the_end(self) -> None:
        """Whatever row ends a session, no second event gets an answer."""
        for state, rows in TABLE.items():
            for event, (_, then) in rows.items():
                if then is not CLOSED:
                    continue
                for second, happens in EVENTS.items():
                    session = session_in(state)
                    EVENTS[event](session)
                    self.assertEqual(happens(session), [], (state, event, second))

"""The states of a session, and what each message does in each of them (protocol, section 1).

    AWAIT_HELLO ----HELLO----> OPEN --leave()--> CLOSING --BYE_OK--> CLOSED
    AWAIT_HELLO_OK -HELLO_OK-> OPEN ---BYE-----------------------> CLOSED

Rules of this module: `TABLE` names, for a state and a kind of message, the step to take: a function
of the session, the message and the time, which changes the session and returns what is to be done
about it. For a pair that the table does not list the step is `unexpected`.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, Final

from p2pchat.address import split_peer_id
from p2pchat.messages import (
    HISTORY,
    Ack,
    Bye,
    ByeOk,
    CatchUp,
    Hello,
    HelloOk,
    Message,
    Ping,
    Pong,
    Pub,
    Said,
    Send,
    Unknown,
)
from p2pchat.outputs import (
    Acknowledged,
    Ending,
    Extended,
    Measured,
    Opened,
    Output,
    Remark,
    Transmit,
)
from p2pchat.text import shortened
from p2pchat.wire import from_raw

if TYPE_CHECKING:
    from collections.abc import Callable

    from p2pchat.session import Session

    _Step = Callable[[Session, Any, float], list[Output]]


class State(enum.Enum):
    """Where a session stands."""

    AWAIT_HELLO = "await-hello"
    AWAIT_HELLO_OK = "await-hello-ok"
    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


# ---------------------------------------------------------------- the handshake


def _hello(session: Session, hello: Hello, _now: float) -> list[Output]:
    if hello.instance and hello.instance == session.me.instance:
        return session.finish(Ending.SELF, "a connection from ourselves")
    if hello.peer_id == session.me.peer_id:
        return session.finish(Ending.NAME_IN_USE, f"somebody else is {hello.peer_id}, too")
    try:
        split_peer_id(hello.peer_id)
    except ValueError as why:
        return session.finish(Ending.REFUSED, f"impossible peer_id: {why}")
    _open(session, hello.peer_id, hello)
    return [Transmit(session.me.hello_ok(kin=session.kin)), Opened()]


def _hello_ok(session: Session, answer: HelloOk, _now: float) -> list[Output]:
    if answer.instance and answer.instance == session.me.instance:
        return session.finish(Ending.SELF, "a connection to ourselves")
    peer_id = answer.peer_id or session.dialed or ""
    if peer_id == session.me.peer_id:
        if answer.instance:
            return session.finish(Ending.NAME_IN_USE, f"somebody else is {peer_id}, too")
        # Some clients answer with the caller's id; who was dialed is what we know of them.
        peer_id = session.dialed or ""
    try:
        split_peer_id(peer_id)
    except ValueError as why:
        return session.finish(Ending.REFUSED, f"impossible peer_id: {why}")
    _open(session, peer_id, answer)
    return [Opened()]


def _open(session: Session, peer_id: str, greeting: Hello) -> None:
    session.state = State.OPEN
    session.peer_id = peer_id
    session.kin = bool(greeting.agent)
    # A feature that is listed proves nothing by itself: some clients echo what they are told.
    session.keeps = session.kin and HISTORY in greeting.features and HISTORY in session.me.features
    session.instance = greeting.instance[:64]


def _hello_again(session: Session, hello: Hello, now: float) -> list[Output]:
    if hello.peer_id == session.peer_id:
        return [Transmit(session.me.hello_ok(kin=session.kin))]
    return unexpected(session, hello, now)


def _not_hello(session: Session, message: Message | Unknown, _now: float) -> list[Output]:
    return session.finish(Ending.REFUSED, f"the first message was {_type(message)}, not HELLO")


def _turned_away(session: Session, bye: Bye, _now: float) -> list[Output]:
    reason = shortened(bye.reason, 80) or "no reason given"
    return session.finish(Ending.REFUSED, f"the other end answered BYE: {reason}")


# ---------------------------------------------------------------- the open session


def _chat(session: Session, message: Send | Pub, _now: float) -> list[Output]:
    return session.chat((message,))


def _extended(session: Session, message: Said | CatchUp, now: float) -> list[Output]:
    if not session.keeps:
        return unexpected(session, message, now)
    if isinstance(message, Said):
        ours = session.me.addresses if message.require_ack else session.me.scopes
        if message.dst not in ours or message.ttl <= 0:
            text = f"{session.peer_id} sent us a late message for {shortened(message.dst, 80)}"
            return [Remark("info", "not for us", f"{text}: dropped")]
    return [Extended(message)]


def _ack(_session: Session, ack: Ack, _now: float) -> list[Output]:
    return [Acknowledged(ack.msg_id)]


def _ping(session: Session, ping: Ping, _now: float) -> list[Output]:
    if ping.ttl <= 0:
        return [Remark("info", "ttl", f"{session.peer_id} sent a PING with ttl <= 0: dropped")]
    pong = Pong(ping.msg_id, ping.timestamp)
    return [Transmit(pong)]


def _pong(session: Session, pong: Pong, now: float) -> list[Output]:
    pings, msg_id = session.pings, pong.msg_id
    if len(pings) == 1 and pings[0][0] == msg_id:
        # Nearly every PONG: the one that is awaited, with the id as it was sent.
        session.pings = ()
        return [Measured(now - pings[0][1])]
    value = from_raw(msg_id)
    for ping in pings:
        if from_raw(ping[0]) == value:
            session.pings = tuple(it for it in pings if it is not ping)
            return [Measured(now - ping[1])]
    return []


def _bye(session: Session, bye: Bye, _now: float) -> list[Output]:
    msg_id = session.new_id() if bye.msg_id is None else bye.msg_id
    answer = ByeOk(msg_id, session.me.peer_id, session.peer_id)
    was_ours = session.state is State.CLOSING
    ending = Ending.LEFT if was_ours else Ending.SAID_BYE
    return [Transmit(answer), *session.finish(ending, shortened(bye.reason, 80))]


def _bye_ok(session: Session, _answer: ByeOk, _now: float) -> list[Output]:
    return session.finish(Ending.LEFT, "BYE answered")


def _ignore(_session: Session, _message: Message | Unknown, _now: float) -> list[Output]:
    return []


def unexpected(session: Session, message: Message | Unknown, _now: float) -> list[Output]:
    """The policy for every pair that the table does not list: logged, and nothing happens."""
    text = f"ignored {_type(message)} from {session.other_end} in state {session.state.value}"
    return [Remark("debug", "unexpected", text)]


def _type(message: Message | Unknown) -> str:
    return message.type if isinstance(message, Unknown) else str(message.__struct_config__.tag)


# ---------------------------------------------------------------- the table

_OPEN: Final[dict[type, _Step]] = {
    Send: _chat,
    Pub: _chat,
    Said: _extended,
    CatchUp: _extended,
    Ack: _ack,
    Ping: _ping,
    Pong: _pong,
    Bye: _bye,
    Hello: _hello_again,
}
_ANY: Final = (Hello, HelloOk, Ping, Pong, Ack, Send, Pub, Said, CatchUp, Bye, ByeOk, Unknown)

TABLE: Final[dict[State, dict[type, _Step]]] = {
    State.AWAIT_HELLO: dict.fromkeys(_ANY, _not_hello) | {Hello: _hello},
    State.AWAIT_HELLO_OK: {HelloOk: _hello_ok, Bye: _turned_away},
    State.OPEN: _OPEN,
    # Our BYE may have crossed with messages: they still count, until the other end has seen it.
    State.CLOSING: _OPEN | {ByeOk: _bye_ok, Hello: _ignore},
    State.CLOSED: dict.fromkeys(_ANY, _ignore),
}

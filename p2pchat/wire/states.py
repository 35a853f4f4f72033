"""The states of a session, and what each message does in each of them (protocol, section 1).

    AWAIT_HELLO ----HELLO----> OPEN --leave()--> CLOSING --BYE_OK--> CLOSED
    AWAIT_HELLO_OK -HELLO_OK-> OPEN ---BYE-----------------------> CLOSED
    AWAIT_HELLO --HELLO, tls--> PROBED                   the dialer comes back in TLS

Rules of this module: it is data. `TABLE` names, for a state and a kind of message, the step to
take: a method of `p2pchat.wire.session.Session`, which is given the message and the time, changes
the session, and returns the outputs. For a pair that the table does not list the step is
`on_unexpected`.
"""

from __future__ import annotations

import enum
from typing import Final

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


class State(enum.Enum):
    """Where a session stands."""

    AWAIT_HELLO = "await-hello"
    AWAIT_HELLO_OK = "await-hello-ok"
    PROBED = "probed"
    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


_OPEN: Final[dict[type, str]] = {
    Send: "on_chat",
    Pub: "on_chat",
    Said: "on_extended",
    CatchUp: "on_extended",
    Edit: "on_edit",
    Away: "on_away",
    KeyChange: "on_key_change",
    PeersReq: "on_peers",
    Peers: "on_peers",
    Pair: "on_pair",
    Ack: "on_ack",
    Ping: "on_ping",
    Pong: "on_pong",
    Bye: "on_bye",
    ByeOk: "on_bye_ok",
    Hello: "on_hello_again",
}
_ANY: Final[tuple[type, ...]] = (
    Hello,
    HelloOk,
    Ping,
    Pong,
    Ack,
    Send,
    Pub,
    Said,
    CatchUp,
    Edit,
    Away,
    KeyChange,
    PeersReq,
    Peers,
    Pair,
    Bye,
    ByeOk,
    Unknown,
)

TABLE: Final[dict[State, dict[type, str]]] = {
    State.AWAIT_HELLO: dict.fromkeys(_ANY, "on_not_hello") | {Hello: "on_hello"},
    State.AWAIT_HELLO_OK: {HelloOk: "on_hello_ok", Bye: "on_turned_away"},
    State.PROBED: dict.fromkeys(_ANY, "on_after_probe"),
    State.OPEN: _OPEN,
    # Our BYE may have crossed with messages: they still count, until the other end has seen it.
    State.CLOSING: _OPEN | {Hello: "on_ignored"},
    State.CLOSED: dict.fromkeys(_ANY, "on_ignored"),
}

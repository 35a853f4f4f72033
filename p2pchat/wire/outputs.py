"""What a session answers with: things for its caller to perform, in the order of the list."""

from __future__ import annotations

import enum
from typing import Literal

from msgspec import Struct

from p2pchat.wire.messages import (
    ByeOk,
    Extension,
    Message,
    Pong,
    Pub,
    Send,
)


class Ending(enum.Enum):
    """Why a session ended."""

    SAID_BYE = "said BYE"
    """The other end said BYE: it left, and is not dialed until it registers again."""
    LEFT = "left"
    """We said BYE."""
    SELF = "self"
    """Both ends are this very process."""
    NAME_IN_USE = "name in use"
    """Somebody else uses our peer_id."""
    REFUSED = "refused"
    """One end did not want the session; it never opened."""
    KEY_REFUSED = "our key was refused"
    """The one whom we dialed knows another key under our name."""
    UPGRADE = "comes back encrypted"
    """The other end can encrypt: it is dialed again, in TLS."""
    TIMEOUT = "timeout"
    """No handshake in time."""
    VIOLATION = "violation"
    """The other end broke the protocol for good."""
    LOST = "lost"
    """The connection broke, or went silent."""


class Transmit(Struct, gc=False):
    """Send this message."""

    message: Message


class Opened(Struct, gc=False):
    """The handshake is done; `peer_id`, `is_p2pchat` and `instance` of the session are set."""


class Probed(Struct, gc=False):
    """The other end only asked whether we encrypt: not a byte more may come, nor is said."""


class Deliver(Struct, gc=False):
    """These messages are for us, in this order; duplicates are not yet taken out."""

    messages: list[Send | Pub]


class Extended(Struct, gc=False):
    """A message of our own kind's extensions came, for us."""

    message: Extension


class Acknowledged(Struct, gc=False):
    """An ACK came for this id."""

    msg_id: object


class Measured(Struct, gc=False):
    """A PONG came: the round-trip time in seconds, by our own clock."""

    seconds: float


class Elsewhere(Struct, gc=False):
    """An answer that belongs to another link of the peer, if to any: some clients answer there."""

    answer: Pong | ByeOk


class Remark(Struct, gc=False):
    """Something to log. `kind` groups remarks for rate limiting."""

    level: Literal["debug", "info", "warn"]
    kind: str
    text: str


class Finish(Struct, gc=False):
    """The session is over: let what was transmitted leave, then close the connection."""

    ending: Ending
    reason: str


Output = (
    Transmit
    | Opened
    | Probed
    | Deliver
    | Extended
    | Acknowledged
    | Measured
    | Elsewhere
    | Remark
    | Finish
)

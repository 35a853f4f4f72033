"""The rules of the protocol that a liar breaks, and the odd values with which it does.

Rules: a lie is one member, so that a world can give each a probability of its own and count it.
"""

from __future__ import annotations

import enum
from typing import Any, Final

from p2pchat.testing.plain_link import LONGEST_LINE


class Lie(enum.Enum):
    """One rule, and how it is broken. The sections say when its probability is asked."""

    # For each SEND that it gets.
    ACK_WRONG_ID = "it acknowledges another id"
    ACK_WITHOUT_ID = "its ACK has no msg_id"
    ACK_ODD_ID = "its ACK has an id of a wrong type"
    ACK_TWICE = "it acknowledges twice"
    ACK_LATE = "it acknowledges up to a minute later"
    ACK_NEVER = "it does not acknowledge"

    # For each PING and BYE that it gets.
    PONG_WRONG_ID = "its PONG has another id"
    PONG_NEVER = "it does not answer PING"
    BYE_OK_WRONG_ID = "its BYE_OK has another id"
    BYE_IGNORED = "it takes no notice of BYE"

    # For each connection, at its beginning.
    NAME_OF_ANOTHER = "it says the name of somebody else"
    NAME_OF_THE_NODE = "it says the name of the node that it talks with"
    NAME_IMPOSSIBLE = "its name is none"
    ECHO = "it greets with the features, agent and instance that it was told"
    KIND = "it says that it is a p2pchat that keeps messages"
    ODD_GREETING = "the fields of its greeting have wrong types"
    NO_GREETING = "it says nothing before the handshake is over"
    CHAT_FIRST = "it sends before the handshake"

    # For each write.
    PIECES = "its lines come in pieces"

    # For each of its moments, on each open connection.
    HELLO_AGAIN = "it says HELLO, or HELLO_OK, again"
    HELLO_OTHER = "it says HELLO again with another name"
    ACK_UNSENT = "it acknowledges what was never sent"
    PONG_UNASKED = "it says PONG without a PING"
    BYE_OK_UNASKED = "it says BYE_OK without a BYE"
    FOR_ANOTHER = "it sends what is for somebody else"
    SRC_OF_ANOTHER = "it sends in the name of somebody else"
    WRONG_NAMESPACE = "it publishes to a namespace that is not the node's"
    ODD_ID = "the msg_id is huge, empty, or of a wrong type"
    SAME_ID = "it uses an id again, for another text"
    ID_OF_ANOTHER = "it uses an id that it heard of somebody else"
    AGAIN = "it sends the same message again"
    WRONG_TYPES = "a field has a wrong type"
    UNKNOWN_TYPE = "it says what is no message of the protocol"
    LATE = "it says SAID with a time or a text that cannot be"
    CATCH_UP = "it asks for what it missed, with limits that cannot be"
    CHANGE = "it changes what it or another one said, in a way that cannot be"
    AWAY = "it says that it is away, with a text that cannot be"
    JUNK = "it writes bytes that are no JSON"
    BAD_UTF8 = "it writes JSON that is no UTF-8"
    LONG_LINE = "it writes a line that is too long"
    BYE_AND_ON = "it says BYE, and goes on"
    SILENCE = "it reads no more for up to two minutes"
    HALF_CLOSE = "it closes its direction"

    # For each of its registrations.
    REGISTERS_ANOTHER = "it registers the name of somebody else at its own address"
    LISTS_ANOTHER_PLACE = "it registers its name at the address of somebody else"


IMPERSONATING: Final = frozenset({Lie.NAME_OF_ANOTHER, Lie.REGISTERS_ANOTHER})
"""With these it may be taken for somebody else, for a name proves nothing: what is sent to that one
may reach the liar. Without them, what honest nodes say to each other reaches them."""

ODD_IDS: Final[tuple[Any, ...]] = (
    *("", " ", "x" * 30_000, "\x1b[2J", "\ud800", "é" * 200, "\0", "__proto__"),
    *(0, -1, 10**30, 1.5, 1e308, True, None, ..., [], {}, {"a": [1]}, ["x"] * 50),
)
"""Ids; `...` is none."""
ODD_VALUES: Final[tuple[Any, ...]] = (
    *(None, True, 0, -1, 10**400, 1e308, "", "x", "\ud800\x1b]0;x\x07", [], {}, [[[[1]]]], ...),
)
"""Values of a field."""
IMPOSSIBLE_NAMES: Final[tuple[Any, ...]] = (
    *("", "nobody", "@", "a@", "@b", "x" * 65 + "@CIC", "\x1b[2J@CIC", "a\nb@CIC", None, 7, []),
)
JUNK: Final = (
    *(b"\n", b"\0\0\0\n", b"{\n", b"[]\n", b"null\n", b"{}\n", b'"HELLO"\n', b"GET / HTTP/1.1\r\n"),
    *(b'{"type":"SEND"}\n', b'{"type":[]}\n', b'{"type":"SEND","type":"PUB","msg_id":"1"}\n'),
    *(b"[" * 20_000 + b"\n", b'{"type":"ACK","msg_id":NaN}\n', b"\xff\xfe\n", b"\x16\x03\x01\n"),
    b'{"type":"PING","msg_id":' + b"[" * 9_000 + b"]" * 9_000 + b"}\n",
)
BAD_UTF8: Final = b'{"type":"SEND","msg_id":"u","dst":"","payload":"\xff\xc0\xaf"}\n'
LONG_LINE: Final = b'{"type":"SEND","payload":"' + b"x" * (2 * LONGEST_LINE)
"""Without its end: nobody need wait for that."""

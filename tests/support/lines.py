"""Lines and messages of every kind, and what can be asserted of them."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import Raw
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.wire import codec as wire
from p2pchat.wire.codec import decode
from p2pchat.wire.liberal import WireError
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

TEXT = st.text(st.characters(codec="utf-8"), max_size=50)
ANY_TEXT = st.text(st.characters(categories=None), max_size=50)  # halves of surrogate pairs, too
INTEGERS = st.integers(-(2**70), 2**70)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | INTEGERS | FLOATS | ANY_TEXT
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT.filter(bool), inner, max_size=4)
    ),
    max_leaves=8,
)
RAW = JSON.map(lambda value: Raw(json.dumps(value).encode()))
TTL = st.integers(-5, 5)
MESSAGES: st.SearchStrategy[Message] = st.one_of(
    *(
        st.builds(
            kind,
            TEXT,
            TEXT,
            st.lists(TEXT, max_size=3).map(tuple),
            TTL,
            agent=TEXT,
            instance=TEXT,
        )
        for kind in (Hello, HelloOk)
    ),
    *(st.builds(kind, RAW, RAW, TTL) for kind in (Ping, Pong)),
    st.builds(Ack, JSON, JSON, TTL),
    *(st.builds(kind, JSON, ANY_TEXT, TEXT, ANY_TEXT, st.booleans(), TTL) for kind in (Send, Pub)),
    st.builds(Bye, JSON, TEXT, TEXT, ANY_TEXT, TTL),
    st.builds(ByeOk, JSON, TEXT, TEXT, TTL),
)
TYPES = ("HELLO", "HELLO_OK", "PING", "PONG", "ACK", "SEND", "PUB", "BYE", "BYE_OK")
KINDS = (Hello, HelloOk, Ping, Pong, Ack, Send, Pub, Bye, ByeOk)
NAMES = [
    *("peer_id", "version", "features", "agent", "instance", "ttl", "msg_id", "timestamp"),
    *("src", "dst", "payload", "require_ack", "reason"),
]
ODD_VALUES = JSON | st.sampled_from([math.inf, -math.inf, math.nan, "1", "true", "#CIC", "a@b"])
ODD_OBJECTS = st.fixed_dictionaries(
    {"type": st.sampled_from(TYPES) | ODD_VALUES},
    optional=dict.fromkeys(NAMES, ODD_VALUES),
)


def fields_of(message: Message) -> dict[str, Any]:
    """A message's fields, with raw JSON as its value."""
    fields = msgspec.structs.asdict(message)
    return {
        name: ("raw", json.loads(bytes(value))) if isinstance(value, Raw) else value
        for name, value in fields.items()
    }


def line_of(**fields: object) -> bytes:
    return json.dumps(fields).encode() + b"\n"


def read_as(message: Message | Unknown, kind: type[Any]) -> Any:
    """The message, proved to be of exactly this class."""
    assert type(message) is kind, message
    return message


class WireTestCase(SynchronousTestCase):
    def assertSame(self, first: Message | Unknown, second: Message | Unknown) -> None:
        """The same class and the same fields; raw JSON may differ in white space and escapes."""
        self.assertIs(type(first), type(second))
        if isinstance(first, Unknown) or isinstance(second, Unknown):
            self.assertEqual(first, second)
        else:
            self.assertEqual(fields_of(first), fields_of(second))

    def assertRefused(self, line: bytes, why: str) -> None:
        with self.assertRaises(WireError) as caught:
            decode(line)
        self.assertEqual(str(caught.exception), why)

    def assertLiberal(self, line: bytes) -> None:
        """The typed call refuses this line, so that the liberal reading is what is tested."""
        with self.assertRaises((msgspec.MsgspecError, ValueError)):
            wire._decode_typed(line)

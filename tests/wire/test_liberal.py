"""What is taken, in the forms that real clients send, as what it means; and what is no message."""

from __future__ import annotations

import json
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from p2pchat.wire import liberal
from p2pchat.wire.codec import decode, encode, raw_json
from p2pchat.wire.liberal import WireError, read_liberally
from p2pchat.wire.messages import (
    Ack,
    Bye,
    ByeOk,
    Hello,
    HelloOk,
    Message,
    Ping,
    Pub,
    Send,
    Unknown,
)
from tests.support import fuzz_targets
from tests.support.lines import (
    JSON,
    KINDS,
    MESSAGES,
    ODD_OBJECTS,
    TYPES,
    WireTestCase,
    fields_of,
    line_of,
    read_as,
)

HELLOS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"version": 1.0}, {"version": "1.0"}),
    ({"version": None}, {"version": "null"}),
    ({"features": None}, {"features": ()}),
    ({"features": ["ack", None, 7]}, {"features": ("ack",)}),
    ({"features": {"ack": True}}, {"features": ()}),
    ({"timestamp": 1.5}, {}),
    ({"agent": None, "instance": 7}, {}),
    (
        {"version": 1.0, "agent": "p2pchat/9", "instance": "x"},
        {"version": "1.0", "agent": "p2pchat/9", "instance": "x"},
    ),
    ({"peer_id": None, "src": "a@b"}, {}),
    ({"peer_id": 7, "src": "a@b"}, {}),
    ({"peer_id": None}, {"peer_id": ""}),
    ({"peer_id": ["a@b"], "src": 7}, {"peer_id": ""}),
]
"""What a HELLO or HELLO_OK of a@b says otherwise, and what is read otherwise."""

REQUIRE_ACKS: list[tuple[object, bool]] = [
    *((odd, False) for odd in cast("list[object]", [None, False, "no", 0, []])),
    *((odd, True) for odd in cast("list[object]", [True, "true", "True", 1])),
]
EXTRAS: list[object] = [1, None, [1, {"a": "b"}], {"deep": [[[[]]]]}, "text"]

FORMS: list[tuple[dict[str, Any], Message | Unknown]] = [
    *(
        ({"type": name, "peer_id": "a@b", **odd}, kind(**{"peer_id": "a@b", **read}))
        for kind, name in ((Hello, "HELLO"), (HelloOk, "HELLO_OK"))
        for odd, read in HELLOS
    ),
    ({"type": "HELLO", "src": "a@b"}, Hello("a@b")),
    ({"type": "HELLO_OK"}, HelloOk("")),
    # Whether an ACK is wanted.
    *(
        ({"type": "SEND", "msg_id": "i", "require_ack": odd}, Send("i", require_ack=wanted))
        for odd, wanted in REQUIRE_ACKS
    ),
    # A payload that is no string is its JSON text.
    *(
        ({"type": name, "msg_id": "i", "payload": payload}, kind("i", payload=text))
        for payload, text in (
            ("olá 👩", "olá 👩"),
            (7, "7"),
            (1.5, "1.5"),
            (None, "null"),
            (True, "true"),
            (["olá", 1], '["olá", 1]'),
            ({"a": {"b": None}}, '{"a": {"b": null}}'),
        )
        for kind, name in ((Send, "SEND"), (Pub, "PUB"))
    ),
    ({"type": "SEND"}, Send(None)),
    *(
        ({"type": "PUB", "msg_id": "i", "payload": "x", "dst": odd}, Pub("i", dst=dst, payload="x"))
        for odd, dst in (("*", "*"), ("#CIC", "#CIC"), ("a@b", "a@b"), (None, ""), (7, ""))
    ),
    ({"type": "PUB", "msg_id": "i", "src": 7}, Pub("i")),
    # ACK with other fields, or with fewer; one without an id acknowledges nothing.
    ({"type": "ACK", "msg_id": "i", "from": "a@b"}, Ack("i")),
    ({"type": "ACK", "msg_id": "i", "src": "a@b", "dst": "c@d"}, Ack("i")),
    ({"type": "ACK", "msg_id": "i", "timestamp": None}, Ack("i")),
    ({"type": "ACK"}, Ack(None)),
    *(({"type": "ACK", "msg_id": "i", "extra": value}, Ack("i")) for value in EXTRAS),
    ({"type": "BYE"}, Bye()),
    ({"type": "BYE", "msg_id": "i", "dest": "a@b"}, Bye("i")),
    ({"type": "BYE", "msg_id": 7, "dst": "*", "reason": "x"}, Bye(7, dst="*", reason="x")),
    ({"type": "BYE", "src": None, "dst": None, "reason": None}, Bye()),
    ({"type": "BYE", "src": "a@b", "reason": ["x"]}, Bye(src="a@b")),
    ({"type": "BYE", "src": 7, "reason": "x"}, Bye(reason="x")),
    ({"type": "BYE_OK"}, ByeOk()),
    ({"type": "BYE_OK", "src": 7, "dst": "a@b"}, ByeOk(dst="a@b")),
    # An id of any kind comes through as it is.
    *(
        ({"type": name, "msg_id": msg_id}, kind(msg_id))
        for msg_id in ("", 7, -(10**30), 1.5, True, None, [1, ["x"]], {"a": None}, "\ud800")
        for kind, name in (
            (Send, "SEND"),
            (Pub, "PUB"),
            (Ack, "ACK"),
            (Bye, "BYE"),
            (ByeOk, "BYE_OK"),
        )
    ),
    # A type that nobody knows is told by its name; one that is no string, by its JSON text.
    *(
        ({"type": kind, "msg_id": "i"}, Unknown(kind))
        for kind in ("RELAY", "HELLO_REJECT", "WHO_HAS", "ERROR", "hello", "", "SEND ")
    ),
    *(
        ({"type": kind}, Unknown(name))
        for kind, name in (
            (None, "null"),
            (7, "7"),
            (1.5, "1.5"),
            (True, "true"),
            (["SEND"], '["SEND"]'),
            ({"a": 1}, '{"a": 1}'),
        )
    ),
    ({}, Unknown("null")),
]
"""The fields of a line, and the message that it is."""

TTLS: list[tuple[object, int]] = [
    *((odd, 1) for odd in cast("list[object]", [None, "", "x", "nan", [], {}, True, 1.0, 0.5])),
    *((odd, 1) for odd in ("1", "7", "inf")),
    *((odd, 0) for odd in (False, 0, 0.0, -0.5, "0", "-1", "-inf")),
    *((odd, odd) for odd in (3, 10**30, -7, -(10**400))),
]
TIMES: list[object] = ["2024-05-01T10:00:00", 1714557600.25, 1714557600, None, {"odd": []}]

NOT_JSON = (
    b"",
    b"\n",
    b"   ",
    b"hello",
    b"{",
    b'{"type":"BYE"',
    b'{"type":"BYE"}}',
    b'{"type":"BYE"} {"type":"BYE"}',
    b'{"type":"BYE",}',
    b"{'type':'BYE'}",
    b'{"type":"BYE","x":NaN}',
    b'{"type":"SEND","msg_id":NaN}',
    b'{"type":"SEND","msg_id":Infinity}',
    b'{"type":"SEND","msg_id":-Infinity}',
    b'{"type":"SEND","msg_id":1e999}',
    b'{"type":"PING","msg_id":1e999,"ttl":null}',
    b'{"type":"BYE","x":01}',
    b'{"type":"BYE","x":"\x01"}',
    b'{"type":"BYE","x":"\\x41"}',
    b'{"type":"BYE"}\x00',
    b"\x00" * 100,
    b'\xef\xbb\xbf{"type":"BYE"}',
    '{"type":"BYE"}'.encode("utf-16-le"),
    '{"type":"BYE"}'.encode("utf-32-be"),
    b"GET / HTTP/1.1\r",
    b'{"type":"SEND","msg_id":' + b"1" * 5000 + b"}",
)
NOT_UTF8 = (
    b"\xff",
    '{"type":"BYE"}'.encode("utf-16"),
    b'{"type":"BYE","reason":"\xff"}',
    b'{"type":"BYE","unknown":"\xff"}',
    b'{"type":"PING","msg_id":"\xff"}',
    b'{"type":"PING","msg_id":["\xc3"]}',
    b'{"type":"SEND","msg_id":"i","payload":"ol\xe1"}',
    b'{"type":"BYE","reason":"\xed\xa0\x80"}',  # a surrogate as CESU-8
    b'{"type":"BYE","reason":"\xc0\x80"}',  # an overlong form
    b'{"\xff":1}',
)
NO_OBJECT = (b"[]", b'[{"type":"BYE"}]', b"7", b"null", b"true", b'"HELLO"', b"1.5")


class AcceptedTests(WireTestCase):
    """Rows 1, 2, 4 and 5 of what p2pchat accepts, as far as a line shows them."""

    def test_every_form(self) -> None:
        for fields, message in FORMS:
            line = line_of(**fields)
            self.assertSame(decode(line), message)
            self.assertSame(read_liberally(line), message)

    def test_what_ends_the_line(self) -> None:
        for end in (b"", b"\n", b"\r\n", b"\r", b" \t\r\n"):
            self.assertSame(decode(b'{"type":"BYE"}' + end), Bye())
            self.assertSame(decode(b'{"type":"BYE","src":null}' + end), Bye())

    def test_what_json_leaves_open(self) -> None:
        for line, message in (
            (b'{"type":"SEND","msg_id":"i","payload":"ol\\u00e1 \\ud83d\\udc69"}', "olá 👩"),
            ('{"type":"SEND","msg_id":"i","payload":"olá 👩"}'.encode(), "olá 👩"),
            (b' \t{ "\\u0074ype" :\t"SEND" ,\r"msg_id" : "i" , "payload" : "x" } ', "x"),
            (b'{"type":"SEND","msg_id":"i","payload":"a","payload":"b"}', "b"),
        ):
            self.assertSame(decode(line), Send("i", payload=message))
        line = b'{"type":"SEND","type":"PING","msg_id":"i"}'
        self.assertSame(decode(line), Ping(raw_json("i")))

    def test_an_unknown_type_is_shortened_and_made_printable(self) -> None:
        message = read_as(decode(line_of(type="\x1b[2J" + "x" * 30_000)), Unknown)
        self.assertTrue(message.type.startswith("\\x1b[2Jxxx"))
        self.assertLess(len(message.type), 50)

    def test_a_ttl_or_a_timestamp_of_any_kind(self) -> None:
        for name, kind in zip(TYPES, KINDS, strict=True):
            for odd, ttl in TTLS:
                line = line_of(type=name, msg_id="i", peer_id="a@b", ttl=odd)
                for message in (decode(line), read_liberally(line)):
                    self.assertEqual(fields_of(read_as(message, kind))["ttl"], ttl, (name, odd))
            for odd in TIMES:
                read_as(decode(line_of(type=name, msg_id="i", peer_id="a@b", timestamp=odd)), kind)


class RefusedTests(WireTestCase):
    """A line of bad JSON, not UTF-8, not an object, or nested without end."""

    def test_what_is_no_message(self) -> None:
        for why, lines in (
            ("not JSON", NOT_JSON),
            ("not UTF-8", NOT_UTF8),
            ("not an object", NO_OBJECT),
        ):
            for line in lines:
                self.assertRefused(line, why)

    def test_nesting_without_end(self) -> None:
        for depth in (40, 500, 900, 985, 990, 1000, 5000, 16_000):
            for opened, closed in ((b"[", b"]"), (b'{"a":', b"}")):
                nest = opened * min(depth, 32_000 // len(opened + b"1" + closed))
                nest += b"1" + closed * (len(nest) // len(opened))
                for start in (
                    b'{"type":"SEND","msg_id":',
                    b'{"type":"ACK","msg_id":',
                    b'{"type":"BYE","msg_id":',
                    b'{"type":"BYE_OK","msg_id":',
                    b'{"type":"PUB","payload":',
                    b'{"type":"PING","ttl":null,"msg_id":',
                    b'{"type":',
                ):
                    self.assertRefused(start + nest + b"}", "nested too deeply")

    def test_brackets_without_end(self) -> None:
        for line in (b"[" * 32_000, b'{"a":' * 6000, b'{"type":"PING","msg_id":' + b"[" * 32_000):
            with self.assertRaises(WireError):
                decode(line)

    def test_moderate_nesting_is_fine(self) -> None:
        msg_id: object = 1
        for _ in range(liberal._MAX_DEPTH - 2):
            msg_id = [msg_id]
        self.assertEqual(read_as(decode(line_of(type="SEND", msg_id=msg_id)), Send).msg_id, msg_id)
        self.assertRefused(line_of(type="SEND", msg_id=[[msg_id]]), "nested too deeply")

    def test_deep_nesting_where_nothing_is_kept(self) -> None:
        line = b'{"type":"BYE","unknown":' + b"[" * 500 + b"]" * 500 + b"}"
        self.assertSame(decode(line), Bye())

    def test_thousands_of_digits_that_can_still_be_read(self) -> None:
        digits = b"9" * 4300
        message = read_as(decode(b'{"type":"SEND","msg_id":' + digits + b"}"), Send)
        self.assertIn(digits, encode(Ack(message.msg_id)))


class AnythingTests(WireTestCase):
    """Whatever arrives: what must hold is said once, in the target of the fuzzer."""

    @given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
    def test_bytes_and_json(self, line: bytes) -> None:
        fuzz_targets.wire(line)

    @given(st.binary(max_size=30), st.integers(0, 300), MESSAGES)
    def test_a_line_with_bytes_changed(self, noise: bytes, at: int, message: Message) -> None:
        line = encode(message)
        fuzz_targets.wire(line[:at] + noise + line[at + len(noise) :])
        fuzz_targets.wire(line[:at])

    @given(ODD_OBJECTS, st.booleans())
    def test_objects_with_a_type(self, fields: dict[str, object], ascii_only: bool) -> None:
        text = json.dumps(fields, ensure_ascii=ascii_only)
        fuzz_targets.wire(text.encode("utf-8", "surrogatepass"))

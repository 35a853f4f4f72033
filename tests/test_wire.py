"""One line <-> one message: strict in what is emitted, liberal in what is taken."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from twisted.trial.unittest import SynchronousTestCase

from p2pchat import wire
from p2pchat.messages import (
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
from p2pchat.wire import (
    MAX_LINE,
    MessageTooLongError,
    WireError,
    decode,
    encode,
    from_raw,
    raw_json,
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


class EmittedTests(WireTestCase):
    """ "What p2pchat emits": every field of the table, always there, of the right type."""

    def emitted(self, message: Message) -> dict[str, Any]:
        line = encode(message)
        self.assertEqual(line.count(b"\n"), 1)
        self.assertTrue(line.endswith(b"\n"))
        fields: dict[str, Any] = json.loads(line)
        return fields

    def test_hello_and_hello_ok(self) -> None:
        for kind, name in ((Hello, "HELLO"), (HelloOk, "HELLO_OK")):
            self.assertEqual(
                self.emitted(kind("alice@CIC", agent="p2pchat/1", instance="f00d")),
                {
                    "type": name,
                    "peer_id": "alice@CIC",
                    "version": "1.0",
                    "features": ["ack", "metrics"],
                    "ttl": 1,
                    "agent": "p2pchat/1",
                    "instance": "f00d",
                },
            )

    def test_ping_and_pong(self) -> None:
        for kind, name in ((Ping, "PING"), (Pong, "PONG")):
            self.assertEqual(
                self.emitted(kind(raw_json("id"), raw_json("2024-01-01T00:00:00Z"))),
                {"type": name, "msg_id": "id", "timestamp": "2024-01-01T00:00:00Z", "ttl": 1},
            )

    def test_send_and_pub(self) -> None:
        for kind, name, require_ack in ((Send, "SEND", True), (Pub, "PUB", False)):
            self.assertEqual(
                self.emitted(kind("id", "a@b", "c@d", "olá", require_ack)),
                {
                    "type": name,
                    "msg_id": "id",
                    "src": "a@b",
                    "dst": "c@d",
                    "payload": "olá",
                    "require_ack": require_ack,
                    "ttl": 1,
                },
            )

    def test_ack(self) -> None:
        self.assertEqual(
            self.emitted(Ack("id", "2024-01-01T00:00:00Z")),
            {"type": "ACK", "msg_id": "id", "timestamp": "2024-01-01T00:00:00Z", "ttl": 1},
        )

    def test_bye_and_bye_ok(self) -> None:
        self.assertEqual(
            self.emitted(Bye("id", "a@b", "c@d", "leaving")),
            {
                "type": "BYE",
                "msg_id": "id",
                "src": "a@b",
                "dst": "c@d",
                "reason": "leaving",
                "ttl": 1,
            },
        )
        self.assertEqual(
            self.emitted(ByeOk("id", "a@b", "c@d")),
            {"type": "BYE_OK", "msg_id": "id", "src": "a@b", "dst": "c@d", "ttl": 1},
        )

    def test_the_longest_line_has_exactly_the_limit(self) -> None:
        room = MAX_LINE - len(encode(Send("id", "a@b", "c@d", "")))
        self.assertEqual(len(encode(Send("id", "a@b", "c@d", "x" * room))), MAX_LINE)
        with self.assertRaises(MessageTooLongError) as caught:
            encode(Send("id", "a@b", "c@d", "x" * (room + 1)))
        self.assertEqual(
            str(caught.exception),
            "the message is too long: 32,769 bytes, at most 32,768 fit into a line",
        )

    def test_bytes_count_not_characters(self) -> None:
        with self.assertRaises(MessageTooLongError):
            encode(Pub("id", "a@b", "*", "👩" * (MAX_LINE // 4)))
        with self.assertRaises(MessageTooLongError):
            encode(Pub("id", "a@b", "*", "\x01" * (MAX_LINE // 6)))

    def test_half_a_surrogate_pair_leaves_as_an_escape(self) -> None:
        line = encode(Ack("\ud83d é"))
        self.assertEqual(json.loads(line)["msg_id"], "\ud83d é")
        self.assertTrue(line.isascii())

    def test_too_long_is_too_long_in_escapes_as_well(self) -> None:
        with self.assertRaises(MessageTooLongError):
            encode(Ack("\ud83d" + "é" * 6000))

    @given(MESSAGES)
    def test_what_was_encoded_is_decoded(self, message: Message) -> None:
        self.assertSame(decode(encode(message)), message)

    @given(MESSAGES)
    def test_always_one_line_of_utf8(self, message: Message) -> None:
        line = encode(message)
        self.assertLessEqual(len(line), MAX_LINE)
        self.assertEqual(line.index(b"\n"), len(line) - 1)
        self.assertIsInstance(json.loads(line.decode("utf-8")), dict)


class AcceptedTests(WireTestCase):
    """ "What p2pchat accepts", rows 1, 2, 4 and 5, as far as a line shows them."""

    def test_a_newline_a_carriage_return_or_nothing_ends_the_line(self) -> None:
        for end in (b"", b"\n", b"\r\n", b"\r", b" \t\r\n"):
            self.assertSame(decode(b'{"type":"BYE"}' + end), Bye())
            self.assertSame(decode(b'{"type":"BYE","src":null}' + end), Bye())

    def test_raw_utf8_and_escapes_are_the_same(self) -> None:
        for payload in ('"olá 👩"', '"ol\\u00e1 \\ud83d\\udc69"'):
            line = f'{{"type":"SEND","msg_id":"i","payload":{payload}}}'.encode()
            self.assertSame(decode(line), Send("i", payload="olá 👩"))

    def test_white_space_and_escaped_keys(self) -> None:
        line = b' \t{ "\\u0074ype" :\t"SEND" ,\r"msg_id" : "i" , "payload" : "x" } '
        self.assertSame(decode(line), Send("i", payload="x"))

    def test_unknown_fields_are_ignored(self) -> None:
        values: tuple[object, ...] = (1, None, [1, {"a": "b"}], {"deep": [[[[]]]]}, "text")
        for value in values:
            self.assertSame(decode(line_of(type="ACK", msg_id="i", extra=value)), Ack("i"))

    def test_unknown_types_are_told_by_name(self) -> None:
        for kind in ("RELAY", "HELLO_REJECT", "WHO_HAS", "ERROR", "hello", "", "SEND "):
            self.assertEqual(decode(line_of(type=kind, msg_id="i")), Unknown(kind))

    def test_a_type_that_is_no_string_is_unknown(self) -> None:
        for kind, name in (
            (None, "null"),
            (7, "7"),
            (1.5, "1.5"),
            (True, "true"),
            (["SEND"], '["SEND"]'),
            ({"a": 1}, '{"a": 1}'),
        ):
            self.assertEqual(decode(line_of(type=kind)), Unknown(name))
        self.assertEqual(decode(b"{}"), Unknown("null"))

    def test_an_unknown_type_is_shortened_and_made_printable(self) -> None:
        message = read_as(decode(line_of(type="\x1b[2J" + "x" * 30_000)), Unknown)
        self.assertTrue(message.type.startswith("\\x1b[2Jxxx"))
        self.assertLess(len(message.type), 50)

    def test_hello_version_and_features_and_ttl_of_any_kind(self) -> None:
        for kind, name in ((Hello, "HELLO"), (HelloOk, "HELLO_OK")):
            for odd in (
                {"version": 1.0},
                {"version": None},
                {"features": None},
                {"features": ["ack", None, 7]},
                {"features": {"ack": True}},
                {"ttl": None},
                {"ttl": "1"},
                {"ttl": 1.0},
                {"timestamp": 1.5},
                {"agent": None},
                {"instance": 7},
            ):
                hello = read_as(decode(line_of(type=name, peer_id="a@b", **odd)), kind)
                self.assertEqual((hello.peer_id, hello.ttl), ("a@b", 1), odd)
                self.assertEqual((hello.agent, hello.instance), ("", ""), odd)

    def test_hello_odd_version_and_features_as_read(self) -> None:
        hello = read_as(decode(line_of(type="HELLO", peer_id="a@b", version=1.0)), Hello)
        self.assertEqual(hello.version, "1.0")
        hello = read_as(decode(line_of(type="HELLO", peer_id="a@b", features=["ack", 7])), Hello)
        self.assertEqual(hello.features, ("ack",))
        hello = read_as(decode(line_of(type="HELLO", peer_id="a@b", features=None)), Hello)
        self.assertEqual(hello.features, ())

    def test_hello_with_nothing_but_a_peer_id(self) -> None:
        line = line_of(type="HELLO", peer_id="a@b")
        self.assertSame(decode(line), Hello("a@b"))
        self.assertSame(wire._liberal(line), Hello("a@b"))

    def test_hello_with_src_instead_of_peer_id(self) -> None:
        for odd in ({}, {"peer_id": None}, {"peer_id": 7}):
            for kind, name in ((Hello, "HELLO"), (HelloOk, "HELLO_OK")):
                hello = read_as(decode(line_of(type=name, src="a@b", **odd)), kind)
                self.assertEqual(hello.peer_id, "a@b")

    def test_hello_with_no_id_at_all(self) -> None:
        for odd in ({}, {"peer_id": None}, {"peer_id": ["a@b"]}, {"src": 7}):
            self.assertEqual(read_as(decode(line_of(type="HELLO", **odd)), Hello).peer_id, "")

    def test_agent_and_instance_survive_an_odd_hello(self) -> None:
        line = line_of(type="HELLO", peer_id="a@b", version=1.0, agent="p2pchat/9", instance="x")
        self.assertLiberal(line)
        hello = read_as(decode(line), Hello)
        self.assertEqual((hello.agent, hello.instance), ("p2pchat/9", "x"))

    def test_timestamps_of_any_kind(self) -> None:
        timestamps: tuple[object, ...] = (
            "2024-05-01T10:00:00Z",
            "2024-05-01T10:00:00+02:00",
            "2024-05-01T10:00:00",
            1714557600.25,
            1714557600,
            None,
            {"odd": []},
        )
        for timestamp in timestamps:
            for name, kind in zip(TYPES, KINDS, strict=True):
                message = decode(line_of(type=name, msg_id="i", peer_id="a@b", timestamp=timestamp))
                self.assertIs(type(message), kind)
        self.assertSame(decode(line_of(type="ACK", msg_id="i")), Ack("i"))

    def test_require_ack_missing_or_null_is_false(self) -> None:
        for odd, wanted in (
            ({}, False),
            ({"require_ack": None}, False),
            ({"require_ack": False}, False),
            ({"require_ack": "no"}, False),
            ({"require_ack": 0}, False),
            ({"require_ack": []}, False),
            ({"require_ack": True}, True),
            ({"require_ack": "true"}, True),
            ({"require_ack": "True"}, True),
            ({"require_ack": 1}, True),
        ):
            message = read_as(decode(line_of(type="SEND", msg_id="i", **odd)), Send)
            self.assertIs(message.require_ack, wanted, odd)

    def test_ack_with_from_with_src_and_dst_or_without_a_timestamp(self) -> None:
        for odd in ({}, {"from": "a@b"}, {"src": "a@b", "dst": "c@d"}, {"timestamp": None}):
            self.assertSame(decode(line_of(type="ACK", msg_id="i", **odd)), Ack("i"))

    def test_an_ack_without_an_id_acknowledges_nothing(self) -> None:
        self.assertSame(decode(line_of(type="ACK")), Ack(None))

    def test_a_ttl_of_any_kind(self) -> None:
        for odd, wanted in (
            (None, 1),
            ("", 1),
            ("x", 1),
            ("nan", 1),
            ([], 1),
            ({}, 1),
            (True, 1),
            (1.0, 1),
            (0.5, 1),
            ("7", 1),
            ("inf", 1),
            (3, 3),
            (10**30, 10**30),
            (False, 0),
            (0, 0),
            (0.0, 0),
            (-0.5, 0),
            ("0", 0),
            ("-1", 0),
            ("-inf", 0),
            (-7, -7),
            (-(10**400), -(10**400)),
        ):
            for name in TYPES:
                message = decode(line_of(type=name, msg_id="i", peer_id="a@b", ttl=odd))
                assert not isinstance(message, Unknown)
                self.assertEqual(fields_of(message)["ttl"], wanted, (name, odd))
                # The same with the liberal reading of something else in the line.
                message = wire._liberal(line_of(type=name, msg_id="i", ttl=odd))
                assert not isinstance(message, Unknown)
                self.assertEqual(fields_of(message)["ttl"], wanted, (name, odd))

    def test_pub_dst_as_it_comes(self) -> None:
        for odd, dst in (
            ({"dst": "*"}, "*"),
            ({"dst": "#CIC"}, "#CIC"),
            ({"dst": "CIC"}, "CIC"),
            ({"dst": "a@b"}, "a@b"),
            ({"dst": None}, ""),
            ({"dst": 7}, ""),
            ({}, ""),
        ):
            message = read_as(decode(line_of(type="PUB", msg_id="i", payload="x", **odd)), Pub)
            self.assertEqual((message.dst, message.payload), (dst, "x"))

    def test_bye_without_src_dst_or_reason_or_with_dest(self) -> None:
        for odd, wanted in (
            ({}, Bye()),
            ({"msg_id": "i", "dest": "a@b"}, Bye("i")),
            ({"msg_id": 7, "dst": "*", "reason": "x"}, Bye(7, dst="*", reason="x")),
            ({"src": None, "dst": None, "reason": None}, Bye()),
            ({"src": "a@b", "reason": ["x"]}, Bye(src="a@b")),
        ):
            self.assertSame(decode(line_of(type="BYE", **odd)), wanted)

    def test_bye_ok_with_any_id(self) -> None:
        for msg_id in (None, "i", 7, 1.5, True, ["i"], {"a": 1}, "\ud800"):
            self.assertSame(decode(line_of(type="BYE_OK", msg_id=msg_id)), ByeOk(msg_id))
        self.assertSame(decode(line_of(type="BYE_OK")), ByeOk())
        self.assertSame(decode(line_of(type="BYE_OK", src=7, dst="a@b")), ByeOk(dst="a@b"))

    def test_a_payload_that_is_no_string_is_its_json_text(self) -> None:
        for payload, text in (
            (7, "7"),
            (1.5, "1.5"),
            (None, "null"),
            (True, "true"),
            (["olá", 1], '["olá", 1]'),
            ({"a": {"b": None}}, '{"a": {"b": null}}'),
        ):
            for kind, name in ((Send, "SEND"), (Pub, "PUB")):
                message = read_as(decode(line_of(type=name, msg_id="i", payload=payload)), kind)
                self.assertEqual(message.payload, text)
        self.assertEqual(read_as(decode(line_of(type="SEND", msg_id="i")), Send).payload, "")

    def test_ids_of_any_kind_come_through_as_they_are(self) -> None:
        for msg_id in ("", "i", 7, -(10**30), 1.5, True, None, [1, ["x"]], {"a": None}, "\ud800"):
            for name in ("SEND", "PUB", "ACK", "BYE", "BYE_OK"):
                message = decode(line_of(type=name, msg_id=msg_id))
                self.assertEqual(fields_of(read_as(message, type(message)))["msg_id"], msg_id)
        self.assertIsNone(read_as(decode(line_of(type="SEND")), Send).msg_id)

    def test_the_last_of_repeated_keys_counts(self) -> None:
        line = b'{"type":"SEND","msg_id":"i","payload":"a","payload":"b"}'
        self.assertSame(decode(line), Send("i", payload="b"))
        line = b'{"type":"SEND","type":"PING","msg_id":"i"}'
        self.assertSame(decode(line), Ping(raw_json("i")))


class EchoTests(WireTestCase):
    """ "A PING's msg_id and timestamp come back verbatim, whatever their type." """

    def echo(self, line: bytes) -> bytes:
        ping = read_as(decode(line), Ping)
        return encode(Pong(ping.msg_id, ping.timestamp))

    def test_byte_for_byte(self) -> None:
        for raw in (
            b'"id"',
            b"7",
            b"-0",
            b"1e3",
            b"1E+400",
            b"0.1234567890123456789012345678901234567890",
            b"1" * 5000,
            b"null",
            b"true",
            b'"\\u00e9\\/ \\ud83d\\udc69"',
            '"olá 👩"'.encode(),
            b'[ 1 , {"a" : "b"} ]',
        ):
            line = b'{"type":"PING","msg_id":%b,"timestamp":%b,"ttl":1}' % (raw, raw)
            wanted = b'{"type":"PONG","msg_id":%b,"timestamp":%b,"ttl":1}\n' % (raw, raw)
            self.assertEqual(self.echo(line), wanted)

    def test_byte_for_byte_in_the_liberal_reading_too(self) -> None:
        for raw in (b'"id"', b"1e3", b"0.12345678901234567890123", b"[ 1 ]", b'"\\u00e9"', b"-0"):
            line = b'{"type":"PING","msg_id":%b,"timestamp":%b,"ttl":null}' % (raw, raw)
            self.assertLiberal(line)
            wanted = b'{"type":"PONG","msg_id":%b,"timestamp":%b,"ttl":1}\n' % (raw, raw)
            self.assertEqual(self.echo(line), wanted)

    def test_half_a_surrogate_pair_comes_back_as_its_escape(self) -> None:
        line = b'{"type":"PING","msg_id":"\\uD800","timestamp":"\\udfff\\ud800"}'
        self.assertLiberal(line)
        wanted = b'{"type":"PONG","msg_id":"\\ud800","timestamp":"\\udfff\\ud800","ttl":1}\n'
        self.assertEqual(self.echo(line), wanted)

    def test_what_is_absent_comes_back_as_null(self) -> None:
        for line in (b'{"type":"PING"}', b'{"type":"PING","ttl":null}'):
            wanted = b'{"type":"PONG","msg_id":null,"timestamp":null,"ttl":1}\n'
            self.assertEqual(self.echo(line), wanted)

    @given(JSON, JSON, st.sampled_from([1, None, "1", 1.0]))
    def test_any_json(self, msg_id: object, timestamp: object, ttl: object) -> None:
        line = line_of(type="PING", msg_id=msg_id, timestamp=timestamp, ttl=ttl)
        answer = json.loads(self.echo(line))
        self.assertEqual((answer["msg_id"], answer["timestamp"]), (msg_id, timestamp))

    def test_our_own_raw_json(self) -> None:
        for text in ("", "id", 'a"b\\', "olá"):
            self.assertEqual(from_raw(raw_json(text)), text)

    def test_raw_json_that_cannot_be_read_is_none(self) -> None:
        for raw in (
            b'"\\ud800"',
            b"1e999",
            b"1" * 5000,
            b"[" * 16_000 + b"]" * 16_000,
            b"nonsense",
            b'"\xff"',
            b"",
        ):
            self.assertIsNone(from_raw(Raw(raw)))


class RefusedTests(WireTestCase):
    """ "A line of bad JSON, not UTF-8, or not an object." """

    def test_not_json(self) -> None:
        for line in (
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
        ):
            self.assertRefused(line, "not JSON")

    def test_not_utf8_wherever_it_stands(self) -> None:
        for line in (
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
        ):
            self.assertRefused(line, "not UTF-8")

    def test_not_an_object(self) -> None:
        for line in (b"[]", b'[{"type":"BYE"}]', b"7", b"null", b"true", b'"HELLO"', b"1.5"):
            self.assertRefused(line, "not an object")

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
        for _ in range(wire._MAX_DEPTH - 2):
            msg_id = [msg_id]
        self.assertEqual(read_as(decode(line_of(type="SEND", msg_id=msg_id)), Send).msg_id, msg_id)
        self.assertRefused(line_of(type="SEND", msg_id=[[msg_id]]), "nested too deeply")

    def test_deep_nesting_where_nothing_is_kept_or_only_echoed(self) -> None:
        nest = b"[" * 500 + b"]" * 500
        self.assertSame(decode(b'{"type":"BYE","unknown":' + nest + b"}"), Bye())
        ping = read_as(decode(b'{"type":"PING","msg_id":' + nest + b"}"), Ping)
        self.assertIn(nest, encode(Pong(ping.msg_id)))

    def test_thousands_of_digits_that_can_still_be_read(self) -> None:
        digits = b"9" * 4300
        message = read_as(decode(b'{"type":"SEND","msg_id":' + digits + b"}"), Send)
        self.assertIn(digits, encode(Ack(message.msg_id)))


class AnythingTests(WireTestCase):
    """Whatever arrives, there is a message or a `WireError`, and what is echoed can be encoded."""

    def check(self, line: bytes) -> None:
        try:
            message = decode(line)
        except WireError as why:
            self.assertIn(str(why), ("not JSON", "not UTF-8", "not an object", "nested too deeply"))
            return
        match message:
            case Unknown():
                pass
            case Ping():
                if b"\n" not in line[:-1]:
                    self.checkAnswer(Pong(message.msg_id, message.timestamp))
                from_raw(message.msg_id)
            case Send() | Pub():
                self.assertIsInstance(message.payload, str)
                self.assertIsInstance(message.require_ack, bool)
                self.checkAnswer(Ack(message.msg_id, "now"))
            case Bye():
                self.checkAnswer(ByeOk(message.msg_id, "a@b", "c@d"))
            case Hello():
                self.assertTrue(all(isinstance(item, str) for item in message.features))

    def checkAnswer(self, answer: Message) -> None:
        try:
            line = encode(answer)
        except MessageTooLongError:
            return
        self.assertEqual(line.index(b"\n"), len(line) - 1)
        json.loads(line.decode("utf-8"), parse_constant=self.fail)

    @given(st.binary(max_size=200))
    def test_bytes(self, line: bytes) -> None:
        self.check(line)

    @given(st.binary(max_size=30), st.integers(0, 300), MESSAGES)
    def test_a_line_with_bytes_changed(self, noise: bytes, at: int, message: Message) -> None:
        line = encode(message)
        self.check(line[:at] + noise + line[at + len(noise) :])
        self.check(line[:at])

    @given(JSON)
    def test_json(self, value: object) -> None:
        self.check(json.dumps(value).encode())

    @given(ODD_OBJECTS, st.booleans())
    def test_objects_with_a_type(self, fields: dict[str, object], ascii_only: bool) -> None:
        text = json.dumps(fields, ensure_ascii=ascii_only)
        self.check(text.encode("utf-8", "surrogatepass"))

    @given(ODD_OBJECTS)
    def test_both_readings_agree_where_both_can_read(self, fields: dict[str, object]) -> None:
        line = json.dumps(fields).encode()
        try:
            typed: Message = wire._decode_typed(line)
            liberal = wire._liberal(line)
        except (msgspec.MsgspecError, ValueError, WireError):
            return
        self.assertSame(typed, liberal)

    @given(MESSAGES)
    def test_both_readings_agree_on_what_we_emit(self, message: Message) -> None:
        self.assertSame(wire._liberal(encode(message)), message)

"""What is emitted: every field of the table, one line, always; and what a PONG repeats."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from p2pchat.wire.codec import (
    MAX_LINE,
    MessageTooLongError,
    decode,
    encode,
    from_raw,
    raw_json,
)
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
)
from tests.support.lines import JSON, MESSAGES, WireTestCase, line_of, read_as


class EmittedTests(WireTestCase):
    """Every field of the table, always there, of the right type."""

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


class EchoTests(WireTestCase):
    """A PING's msg_id and timestamp come back verbatim, whatever their type."""

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

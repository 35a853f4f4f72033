"""What is no message, and proof that nothing but a message or a refusal ever comes out."""

from __future__ import annotations

import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from p2pchat.wire import codec as wire
from p2pchat.wire import liberal
from p2pchat.wire.codec import MessageTooLongError, decode, encode, from_raw
from p2pchat.wire.liberal import WireError, read_liberally
from p2pchat.wire.messages import (
    Ack,
    Bye,
    ByeOk,
    Hello,
    Message,
    Ping,
    Pong,
    Pub,
    Send,
    Unknown,
)
from tests.support.lines import JSON, MESSAGES, ODD_OBJECTS, WireTestCase, line_of, read_as


class RefusedTests(WireTestCase):
    """A line of bad JSON, not UTF-8, or not an object."""

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
        for _ in range(liberal._MAX_DEPTH - 2):
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
            liberally = read_liberally(line)
        except (msgspec.MsgspecError, ValueError, WireError):
            return
        self.assertSame(typed, liberally)

    @given(MESSAGES)
    def test_both_readings_agree_on_what_we_emit(self, message: Message) -> None:
        self.assertSame(read_liberally(encode(message)), message)

"""One line <-> one message: what is emitted, echoed, and read in blocks."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from p2pchat.wire.codec import (
    MAX_LINE,
    LineTooLongError,
    MessageTooLongError,
    decode,
    decode_block,
    decode_each,
    encode,
    encode_all,
    from_raw,
    raw_json,
)
from p2pchat.wire.liberal import WireError, read_liberally
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
    KnownPeer,
    Message,
    Pair,
    Peers,
    PeersReq,
    Ping,
    Pong,
    Pub,
    Said,
    Send,
)
from tests.support.lines import JSON, MESSAGES, WireTestCase, line_of, read_as

CHAT = {"msg_id": "id", "src": "a@b", "dst": "c@d", "payload": "olá"}
WHEN = "2024-01-01T00:00:00Z"
EMITTED: list[tuple[Message, dict[str, object]]] = [
    *(
        (
            kind("a@b", agent="p2pchat/1", instance="f00d"),
            {
                "type": name,
                "peer_id": "a@b",
                "version": "1.0",
                "features": ["ack", "metrics"],
                "ttl": 1,
                "agent": "p2pchat/1",
                "instance": "f00d",
            },
        )
        for kind, name in ((Hello, "HELLO"), (HelloOk, "HELLO_OK"))
    ),
    *(
        (
            kind(raw_json("id"), raw_json(WHEN)),
            {"type": name, "msg_id": "id", "timestamp": WHEN, "ttl": 1},
        )
        for kind, name in ((Ping, "PING"), (Pong, "PONG"))
    ),
    (
        Send("id", "a@b", "c@d", "olá", True),
        {"type": "SEND", **CHAT, "require_ack": True, "ttl": 1},
    ),
    (Pub("id", "a@b", "c@d", "olá"), {"type": "PUB", **CHAT, "require_ack": False, "ttl": 1}),
    (
        Said("id", "a@b", "c@d", "olá", 1.5),
        {"type": "SAID", **CHAT, "said": 1.5, "require_ack": False, "ttl": 1},
    ),
    (
        CatchUp("id"),
        {"type": "CATCH_UP", "msg_id": "id", "after": "", "limit": 0, "max_age": 0.0, "ttl": 1},
    ),
    (Edit("id", "m0", "a@b", "c@d", "olá"), {"type": "EDIT", "of": "m0", **CHAT, "ttl": 1}),
    (
        PeersReq("id", "CIC"),
        {"type": "PEERS_REQ", "msg_id": "id", "namespace": "CIC", "limit": 20, "ttl": 1},
    ),
    (
        Peers("id", "CIC", [KnownPeer("eva@CIC", "203.0.113.9", 4000, 120)]),
        {
            "type": "PEERS",
            "msg_id": "id",
            "namespace": "CIC",
            "peers": [{"id": "eva@CIC", "ip": "203.0.113.9", "port": 4000, "seen": 120}],
            "ttl": 1,
        },
    ),
    (
        Pair("id", 2, "pake", "proof"),
        {"type": "PAIR", "msg_id": "id", "step": 2, "pake": "pake", "proof": "proof", "reason": ""},
    ),
    (Away("id", "tea"), {"type": "AWAY", "msg_id": "id", "text": "tea", "ttl": 1}),
    (
        KeyChange("id", "o", "n", 2**63 - 1, "a", "b"),
        {
            "type": "KEY",
            "msg_id": "id",
            "old": "o",
            "new": "n",
            "count": 2**63 - 1,
            "by_old": "a",
            "by_new": "b",
            "ttl": 1,
        },
    ),
    (Ack("id", WHEN), {"type": "ACK", "msg_id": "id", "timestamp": WHEN, "ttl": 1}),
    (
        Bye("id", "a@b", "c@d", "tea"),
        {"type": "BYE", "msg_id": "id", "src": "a@b", "dst": "c@d", "reason": "tea", "ttl": 1},
    ),
    (
        ByeOk("id", "a@b", "c@d"),
        {"type": "BYE_OK", "msg_id": "id", "src": "a@b", "dst": "c@d", "ttl": 1},
    ),
]
"""Every field of the protocol's table, always there, of the right type."""


class EmittedTests(WireTestCase):
    """What leaves: one line of UTF-8 with every field, and never too long."""

    def test_every_field_of_the_table(self) -> None:
        for message, fields in EMITTED:
            self.assertEqual(json.loads(encode(message)), fields)

    def test_the_longest_line_has_exactly_the_limit(self) -> None:
        room = MAX_LINE - len(encode(Send("id", "a@b", "c@d", "")))
        longest, longer = (Send("id", "a@b", "c@d", "x" * n) for n in (room, room + 1))
        self.assertEqual(len(encode(longest)), MAX_LINE)
        with self.assertRaises(MessageTooLongError) as caught:
            encode(longer)
        self.assertEqual(
            str(caught.exception),
            "the message is too long: 32,769 bytes, at most 32,768 fit into a line",
        )
        self.assertEqual(encode_all([longest] * 2), encode(longest) * 2)
        self.assertIsNone(encode_all([longest, longer]))

    def test_bytes_count_not_characters(self) -> None:
        for payload in ("👩" * (MAX_LINE // 4), "\x01" * (MAX_LINE // 6)):
            with self.assertRaises(MessageTooLongError):
                encode(Pub("id", "a@b", "*", payload))

    def test_half_a_surrogate_pair_leaves_as_an_escape(self) -> None:
        line = encode(Ack("\ud83d é"))
        self.assertEqual(json.loads(line)["msg_id"], "\ud83d é")
        self.assertTrue(line.isascii())
        self.assertIsNone(encode_all([Ack("\ud83d é")]))
        with self.assertRaises(MessageTooLongError):
            encode(Ack("\ud83d" + "é" * 6000))

    @given(MESSAGES)
    def test_what_was_encoded_is_one_line_and_is_decoded(self, message: Message) -> None:
        line = encode(message)
        self.assertLessEqual(len(line), MAX_LINE)
        self.assertEqual(line.index(b"\n"), len(line) - 1)
        self.assertIsInstance(json.loads(line.decode("utf-8")), dict)
        self.assertSame(decode(line), message)
        self.assertSame(read_liberally(line), message)


class EchoTests(WireTestCase):
    """A PING's msg_id and timestamp come back verbatim, whatever their type."""

    def echo(self, line: bytes) -> bytes:
        ping = read_as(decode(line), Ping)
        return encode(Pong(ping.msg_id, ping.timestamp))

    def test_byte_for_byte_in_either_reading(self) -> None:
        for raw in (
            b'"id"',
            b"7",
            b"-0",
            b"1e3",
            b"0.1234567890123456789012345678901234567890",
            b"null",
            b"true",
            b'"\\u00e9\\/ \\ud83d\\udc69"',
            '"olá 👩"'.encode(),
            b'[ 1 , {"a" : "b"} ]',
        ):
            usual = b'{"type":"PING","msg_id":%b,"timestamp":%b,"ttl":1}' % (raw, raw)
            odd = b'{"type":"PING","msg_id":%b,"timestamp":%b,"ttl":null}' % (raw, raw)
            wanted = b'{"type":"PONG","msg_id":%b,"timestamp":%b,"ttl":1}\n' % (raw, raw)
            self.assertEqual(self.echo(usual), wanted)
            self.assertLiberal(odd)
            self.assertEqual(self.echo(odd), wanted)

    def test_what_only_the_typed_reading_can_take(self) -> None:
        for raw in (b"1E+400", b"1" * 5000, b"[" * 500 + b"]" * 500):
            wanted = b'{"type":"PONG","msg_id":%b,"timestamp":null,"ttl":1}\n' % raw
            self.assertEqual(self.echo(b'{"type":"PING","msg_id":%b}' % raw), wanted)

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
        for raw in (b'"\\ud800"', b"1e999", b"1" * 5000, b"nonsense", b'"\xff"', b""):
            self.assertIsNone(from_raw(Raw(raw)))
        self.assertIsNone(from_raw(Raw(b"[" * 16_000 + b"]" * 16_000)))


PUB = b'{"type":"PUB","msg_id":"1","dst":"*","payload":"x"}'
PIECES = (
    b"\n",
    b"\r\n",
    b" ",
    b",",
    b"{",
    b"}",
    b'"',
    b'{"type":"',
    b'"z":"',
    b"\xff",
    PUB,
    PUB + b"\n",
    PUB + b"\n" + PUB + b"\n",
    b'{"type":"BYE"}\n',
    b'{"type":"PING","msg_id":[1,\n2]}\n',
    b'{"type":"NEW"}\n',
    b"x" * MAX_LINE,
)


class BlockTests(WireTestCase):
    """What is read at once is what is read line by line, or it is not read at once."""

    def check(self, block: bytes) -> list[Message] | None:
        """Whatever `decode_block` reads, `decode_each` reads, and there is one a line."""
        at_once = decode_block(block, block.count(b"\n"))
        if at_once is not None:
            one_by_one = [*decode_each(block)]
            self.assertEqual(at_once, one_by_one)
            self.assertEqual([type(it) for it in at_once], [type(it) for it in one_by_one])
            self.assertEqual(len(at_once), block.count(b"\n"))
        return at_once

    def test_what_we_emit_is_read_at_once(self) -> None:
        messages: list[Message] = [Pub(f"é{n}", "a@b", "*", "x" * n) for n in range(2000)]
        block = b"".join(map(encode, messages))
        self.assertEqual(encode_all(messages), block)
        self.assertEqual(self.check(block), messages)

    def test_one_line_of_any_form_is_read_at_once(self) -> None:
        for line in (b' { "type" : "BYE" } \r\n', PUB + b" \n"):
            self.assertEqual(self.check(line), [decode(line)])

    def test_what_needs_a_closer_look(self) -> None:
        for block in (
            PUB + PUB + b"\n",
            PUB + PUB + b"\n\n",
            PUB + b" " + PUB + b'\n{"type":"PUB",\n"msg_id":"1"}\n',
            PUB + PUB + b'\n{"type":"PUB","z":"}\n{"type":"}\n',
            PUB + PUB + b'\n{"type":"PUB","z":{}\n{"type":"x"}}\n',
            PUB + b"\r\n" + PUB + b"\r\n",
            PUB + b"\n\n" + PUB + b"\n",
            PUB + b'\n{"type":"PUB","msg_id":"\xff"}\n',
            PUB + b'\n{"type":"PING","msg_id":"\xff"}\n',
            PUB + b'\n{"type":"NEW"}\n',
            PUB + b"\n[]\n",
            PUB + b"\n" + PUB[:-1] + b" " * MAX_LINE + b"}\n",
            PUB[:-1] + b" " * (MAX_LINE - len(PUB)) + b"}\n",
        ):
            self.assertIsNone(self.check(block), block)

    def test_the_longest_line_is_none_too_long(self) -> None:
        longest = PUB[:-1] + b" " * (MAX_LINE - len(PUB) - 1) + b"}\n"
        self.assertEqual(len(longest), MAX_LINE)
        for block in (longest, longest * 3, PUB + b"\n" + longest + PUB + b"\n"):
            self.assertIsNotNone(self.check(block))

    def test_one_by_one_ends_with_a_line_that_is_too_long(self) -> None:
        read = [*decode_each(b"\n" + PUB + b"\n{\n \r\n" + b"x" * MAX_LINE + b"\n" + PUB + b"\n")]
        self.assertEqual([type(it) for it in read], [Pub, WireError, LineTooLongError])

    def test_one_by_one_each_line_has_its_own_utf8(self) -> None:
        bad = b'{"type":"PING","msg_id":"\xff"}\n'
        read = [*decode_each(PUB + b"\n" + bad + PUB + b"\n")]
        self.assertEqual([type(it) for it in read], [Pub, WireError, Pub])
        self.assertEqual(str(read[1]), "not UTF-8")

    @given(st.lists(st.sampled_from(PIECES), max_size=12))
    def test_pieces_of_lines_in_any_order(self, pieces: list[bytes]) -> None:
        self.check(b"".join(pieces) + b"\n")

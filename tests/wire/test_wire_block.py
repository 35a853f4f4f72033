"""Blocks of lines: what is read at once is what is read line by line, or it is not read at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from p2pchat.wire.codec import (
    MAX_LINE,
    LineTooLongError,
    decode,
    decode_block,
    decode_each,
    encode,
)
from p2pchat.wire.liberal import WireError
from p2pchat.wire.messages import Message, Pub
from tests.support.lines import WireTestCase

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
        self.assertEqual(self.check(b"".join(map(encode, messages))), messages)

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

    @given(st.lists(st.sampled_from(PIECES), max_size=12))
    def test_pieces_of_lines_in_any_order(self, pieces: list[bytes]) -> None:
        self.check(b"".join(pieces) + b"\n")

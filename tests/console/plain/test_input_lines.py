"""Bytes from standard input, in any pieces, as lines."""

from __future__ import annotations

import os
import termios

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.console.plain.input_lines import MAX_LINE, InputLines, longest_line


class InputLinesTests(SynchronousTestCase):
    def test_lines(self) -> None:
        lines = InputLines()
        self.assertEqual(lines.feed(b"a\nb\r\n\nc"), ["a", "b", ""])
        self.assertEqual(lines.finish(), ["c"])
        self.assertEqual(lines.finish(), [])

    def test_a_terminal_that_cuts_lines_gives_none_that_may_be_cut(self) -> None:
        ours, typed = os.openpty()
        self.addCleanup(os.close, ours)
        self.addCleanup(os.close, typed)
        longest = longest_line(typed)
        lines = InputLines(longest)
        for size in (4094, 4095, 6000):
            for part in (b"x" * size)[:2000], (b"x" * size)[2000:] + b"\n":
                os.write(ours, part)
            data = os.read(typed, 65536)
            whole = data == b"x" * size + b"\n"
            self.assertIs(whole, size < 6000)
            self.assertEqual(lines.feed(data), ["x" * size] if size == longest else [None])
            os.read(ours, 65536)
        mode = termios.tcgetattr(typed)
        mode[3] &= ~termios.ICANON
        termios.tcsetattr(typed, termios.TCSANOW, mode)
        self.assertEqual(longest_line(typed), MAX_LINE)

    def test_what_is_not_utf_8_is_replaced(self) -> None:
        self.assertEqual(InputLines().feed(b"ol\xe1 \xff\n"), ["ol\ufffd \ufffd"])

    def test_a_byte_order_mark_is_dropped_at_the_beginning_only(self) -> None:
        self.assertEqual(InputLines().feed("\ufeffa\n\ufeffb\n".encode()), ["a", "\ufeffb"])

    @given(
        st.lists(
            st.text(st.characters(codec="utf-8", exclude_characters="\n\r\ufeff")), max_size=5
        ),
        st.data(),
    )
    def test_any_chunking_gives_the_same_lines(self, texts: list[str], data: st.DataObject) -> None:
        stream = "".join(f"{text}\n" for text in texts).encode()
        lines, found, at = InputLines(), [], 0
        while at < len(stream):
            size = data.draw(st.integers(1, 7))
            found += lines.feed(stream[at : at + size])
            at += size
        self.assertEqual(found, texts)

    def test_a_long_line_is_told_once_and_at_once_and_the_next_one_is_whole(self) -> None:
        lines = InputLines(10)
        self.assertEqual(lines.feed(b"x" * 11), [None])
        self.assertEqual(lines.feed(b"x" * 100), [])
        self.assertEqual(lines.feed(b"x\nnext\n"), ["next"])
        self.assertEqual(lines.feed(b"y" * 11 + b"\nnext\n"), [None, "next"])
        self.assertEqual(lines.feed(b"z" * 10), [])
        self.assertEqual(lines.feed(b"z\n" + b"0123456789\n"), [None, "0123456789"])
        self.assertEqual(lines.finish(), [])

    def test_what_is_kept_is_bounded(self) -> None:
        lines = InputLines()
        for _ in range(100):
            lines.feed(b"x" * 8192)
            self.assertLessEqual(len(lines._tail), MAX_LINE)

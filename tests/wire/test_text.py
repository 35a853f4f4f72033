"""What strangers write is made visible, and everything else is left as it came."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.wire.text import marks_in_cells, printable, shortened, system_reason

ANY_TEXT = st.text(st.characters(categories=None))  # halves of surrogate pairs, too


class PrintableTests(SynchronousTestCase):
    def test_ordinary_text_is_left_alone(self) -> None:
        for text in (
            "",
            "oi!",
            "olá, João",
            "日本語",
            "👩‍👩‍👧 ☕️",
            "ﷺ",
            "zero\u200dwidth\u200cjoiners",
            "\ue0b0 main \U000f0001",  # symbols of a font
        ):
            self.assertEqual(printable(text), text)

    def test_controls_and_escapes_become_visible(self) -> None:
        for text, visible in (
            ("a\nb", "a\\nb"),
            ("\r", "\\r"),
            ("\t", "\\t"),
            ("\0", "\\x00"),
            ("\x1b[31mred", "\\x1b[31mred"),
            ("\x7f", "\\x7f"),
            ("\x9b31m", "\\x9b31m"),
            ("\x85", "\\x85"),
            ("\u2028", "\\u2028"),
            ("\u202egnp.exe", "\\u202egnp.exe"),
            ("\u2066", "\\u2066"),
            ("\u200e", "\\u200e"),
            ("\u061c", "\\u061c"),
            ("\ufeff", "\\ufeff"),
            ("\ud83d", "\\ud83d"),
            ("a\ufff9b\ufffac\ufffb", "a\\ufff9b\\ufffac\\ufffb"),
        ):
            self.assertEqual(printable(text), visible)

    def test_marks_without_a_width_are_counted(self) -> None:
        acute, sign, joiner, jamo = "\u0301", "\u0901", "\u200d", "\u1161"
        for mark in (acute, sign, joiner, jamo, "\ufe0f", "\U000e0062", "\u200b"):
            self.assertEqual(printable("a" + mark * 8), "a" + mark * 8)
            for before in ("", "a", "abcdefg", "日本"):
                self.assertEqual(
                    printable(before + mark * 15_000 + "b" + mark),
                    before + mark * 8 + "(+14,992 marks)b" + mark,
                )
        mixed = (acute + joiner) * 100
        self.assertEqual(printable(mixed), mixed[:8] + "(+192 marks)")

    @given(st.text(st.sampled_from("ab日\u0301\u200d\u1161"), max_size=60))
    def test_no_cell_holds_more_than_its_marks(self, text: str) -> None:
        self.assertNotRegex(printable(text), "[\u0301\u200d\u1161]{9}")

    @given(ANY_TEXT)
    def test_the_result_is_one_line_of_harmless_utf8(self, text: str) -> None:
        result = printable(text)
        result.encode("utf-8")
        self.assertLessEqual(len(result.splitlines()), 1)
        self.assertNotIn("Cc", {unicodedata.category(character) for character in result})

    @given(ANY_TEXT)
    def test_doing_it_twice_changes_nothing(self, text: str) -> None:
        self.assertEqual(printable(printable(text)), printable(text))


class EditedTests(SynchronousTestCase):
    def test_marks_beyond_those_of_a_cell_are_cells(self) -> None:
        acute = "\u0301"
        for text, drawn in (
            ("oi", "oi"),
            ("olá", "olá"),
            ("a" + acute * 8, "a" + acute * 8),
            ("a" + acute * 10 + "b", "a" + acute * 8 + "··b"),
        ):
            self.assertEqual(marks_in_cells(text), drawn)


class ShortenedTests(SynchronousTestCase):
    def test_text_up_to_the_limit_is_whole(self) -> None:
        self.assertEqual(shortened("abc", 3), "abc")

    def test_longer_text_ends_with_an_ellipsis_at_the_limit(self) -> None:
        self.assertEqual(shortened("abcd", 3), "ab…")

    def test_it_is_printable(self) -> None:
        self.assertEqual(shortened("\x1b", 3), "\\x1b")


class SystemReasonTests(SynchronousTestCase):
    def test_what_the_system_says_or_the_kind_of_error(self) -> None:
        self.assertEqual(system_reason(OSError(2, "No such file")), "No such file")
        self.assertEqual(system_reason(TimeoutError()), "TimeoutError")

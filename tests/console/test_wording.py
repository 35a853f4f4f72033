"""What a person reads: messages and events as lines."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.console.wording import (
    StatusLines,
    left_out_line,
    message_lines,
    said_note,
    security_mark,
    sender,
)
from p2pchat.wire.messages import Pub, Send, marked


class MessageLineTests(SynchronousTestCase):
    def line(self, message: Send | Pub, peer_id: str = "alice@CIC") -> str:
        (line,) = message_lines(peer_id, [message])
        return line

    def test_a_direct_message(self) -> None:
        for src in ("alice@CIC", ""):
            self.assertEqual(self.line(Send("1", src, "ana@CIC", "oi")), "[alice@CIC] oi")

    def test_a_published_message(self) -> None:
        for dst, shown in (
            ("*", "*"),
            ("", "*"),
            ("#CIC", "#CIC"),
            ("CIC", "#CIC"),
            ("ana@CIC", "ana@CIC"),
        ):
            self.assertEqual(
                self.line(Pub("1", "alice@CIC", dst, "oi")), f"[alice@CIC -> {shown}] oi"
            )

    def test_a_claim_to_be_somebody_else_is_marked(self) -> None:
        self.assertEqual(self.line(Send("1", "bob@CIC", "ana@CIC", "oi")), "[alice@CIC (!)] oi")
        self.assertEqual(self.line(Pub("1", "bob@CIC", "*", "oi")), "[alice@CIC (!) -> *] oi")

    def test_an_id_that_comes_with_another_text_is_marked(self) -> None:
        self.assertEqual(self.line(marked(Send("1", "", "", "oi"))), "[alice@CIC (reused id)] oi")
        claim = marked(Pub("1", "bob@CIC", "*", "oi"))
        self.assertEqual(self.line(claim), "[alice@CIC (!) -> * (reused id)] oi")
        (unkept,) = message_lines("alice@CIC", [claim], " (not kept)")
        self.assertEqual(unkept, "[alice@CIC (!) -> * (not kept) (reused id)] oi")

    def test_how_it_came_stands_before_the_bracket(self) -> None:
        direct, published = Send("1", "", "", "oi"), Pub("1", "alice@CIC", "*", "oi")
        claim = Send("1", "bob@CIC", "", "oi")
        for security, mark in (("verified", "+"), ("encrypted", " "), ("plain", "~"), ("?", "~")):
            lines = message_lines("alice@CIC", [direct, published, claim], "", security)
            self.assertEqual(lines[:2], [f"{mark}[alice@CIC] oi", f"{mark}[alice@CIC -> *] oi"])
            self.assertEqual(lines[2], "~[alice@CIC (!)] oi", "it was only carried by alice")
            self.assertEqual(security_mark(security), mark)
        self.assertEqual(message_lines("alice@CIC", [claim]), ["[alice@CIC (!)] oi"])

    @given(st.text(max_size=20), st.sampled_from(["", "verified", "encrypted", "plain"]))
    def test_no_name_writes_into_the_column_of_the_mark(self, name: str, security: str) -> None:
        (line,) = message_lines(name, [Send("1", "", "", "x")], "", security)
        mark = security_mark(security)
        self.assertTrue(line.startswith(f"{mark}["), line)
        self.assertEqual(line[len(mark) :].count("["), 1, line)

    def test_a_name_cannot_pass_for_another_one(self) -> None:
        self.assertEqual(
            self.line(Send("1", "", "", "x"), "bob@CIC] hi [x@y"), "[bob@CIC\\x5d hi \\x5bx@y] x"
        )

    @given(st.text(), st.text(), st.text())
    def test_it_is_one_harmless_line_whatever_is_said(self, src: str, dst: str, text: str) -> None:
        for message in (Send("1", src, dst, text), Pub("1", src, dst, text)):
            line = self.line(message)
            self.assertTrue(line.startswith("[alice@CIC"))
            self.assertLessEqual(len(line.splitlines()), 1)
            self.assertNotIn("\x1b", line)


class WordingTests(SynchronousTestCase):
    def test_the_beginning_of_a_message(self) -> None:
        self.assertEqual(sender("b@C"), "[b@C] ")
        self.assertEqual(sender("b@C", to="#C"), "[b@C -> #C] ")
        self.assertEqual(sender("b@C", claims=True, to="*", note=", x"), "[b@C (!) -> *, x] ")
        self.assertEqual(sender("b]\x1b@C", to="#]"), "[b\\x5d\\x1b@C -> #\\x5d] ")

    def test_when_it_was_said(self) -> None:
        now = time.mktime((2026, 1, 31, 15, 0, 0, 0, 0, -1))
        self.assertEqual(said_note(now - 3600, now), ", said 14:00")

    def test_messages_that_are_left_out(self) -> None:
        self.assertEqual(
            left_out_line(1234, kept=True), "… 1,234 more messages (/history shows them)"
        )
        self.assertEqual(
            left_out_line(1, "b\x07@C", kept=False),
            "… 1 more message from [b\\x07@C] (the log has it at DEBUG)",
        )

    def test_only_what_a_person_would_notice_is_told_of_a_peer(self) -> None:
        lines = StatusLines()
        for status, left, line in (
            ("CONNECTING", False, None),
            ("DISCONNECTED", False, None),
            ("CONNECTED", False, "* [bob@CIC] is connected"),
            ("CONNECTED", False, None),
            ("DISCONNECTED", False, "* [bob@CIC] is disconnected"),
            ("CONNECTING", False, None),
            ("DISCONNECTED", False, None),
            ("STALE", False, "* [bob@CIC] does not answer: STALE (/reconnect tries again)"),
            ("CONNECTED", False, "* [bob@CIC] is connected"),
            ("DISCONNECTED", True, "* [bob@CIC] has left"),
        ):
            self.assertEqual(lines.line("bob@CIC", status, left=left), line)

"""The words for what happens in a node."""

from __future__ import annotations

import time

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.console.wording import StatusLines, left_out_line, said_note, sender


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
            "… 1 more messages from b\\x07@C (the log has them at DEBUG)",
        )

    def test_only_what_a_person_would_notice_is_told_of_a_peer(self) -> None:
        lines = StatusLines()
        for status, left, line in (
            ("CONNECTING", False, None),
            ("DISCONNECTED", False, None),
            ("CONNECTED", False, "* bob@CIC is connected"),
            ("CONNECTED", False, None),
            ("DISCONNECTED", False, "* bob@CIC is disconnected"),
            ("CONNECTING", False, None),
            ("DISCONNECTED", False, None),
            ("STALE", False, "* bob@CIC does not answer: STALE (/reconnect tries again)"),
            ("CONNECTED", False, "* bob@CIC is connected"),
            ("DISCONNECTED", True, "* bob@CIC has left"),
        ):
            self.assertEqual(lines.line("bob@CIC", status, left=left), line)

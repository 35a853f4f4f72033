"""What was said, taken out of the file of what was typed."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.console.typed_lines import holds_words, take_words_out


class TypedLinesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp()).resolve()

    def test_which_lines_hold_what_was_said(self) -> None:
        for line in (
            "oi",
            "/msg bob oi",
            "/pub * oi",
            "/reply oi",
            "/r oi",
            "/search oi",
            "/mgs oi",
        ):
            self.assertTrue(holds_words(line.encode()), line)
        for line in ("/peers", "/to bob@CIC", "/FORGET bob@CIC", "/history", "/quit", "/log DEBUG"):
            self.assertFalse(holds_words(line.encode()), line)
        self.assertTrue(holds_words(b"/"))
        self.assertTrue(holds_words(b"/\xff\xfe"))

    def test_they_go_and_the_rest_stays(self) -> None:
        self.path.write_bytes(b"/peers\noi\n/msg bob \xff\n/to bob@CIC\n/help")
        take_words_out(str(self.path))
        self.assertEqual(self.path.read_bytes(), b"/peers\n/to bob@CIC\n/help")
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)
        self.assertEqual(os.listdir(self.path.parent).count(f"{self.path.name}.{os.getpid()}"), 0)

    def test_nothing_to_do(self) -> None:
        take_words_out(str(self.path))
        self.assertFalse(self.path.exists())
        self.path.write_bytes(b"/peers\n")
        before = self.path.stat()
        take_words_out(str(self.path))
        self.assertEqual(self.path.stat().st_ino, before.st_ino)

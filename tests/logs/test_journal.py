"""Lines for systemd's journal, and what the log holds of messages."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from typing import Any

from twisted.logger import LogLevel
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.logs import output
from p2pchat.logs.formats import json_line, text_line
from p2pchat.logs.journal import for_journal, is_journal
from p2pchat.logs.output import complain, prepare_twistd, start_logging, stream_format
from p2pchat.logs.texts import logged, show_texts
from p2pchat.settings.values import LoggingSettings
from tests.logs.test_formats import event


class JournalTests(SynchronousTestCase):
    def setUp(self) -> None:
        reading, self.writing = os.pipe()
        self.addCleanup(os.close, reading)
        self.addCleanup(os.close, self.writing)

    def named(self, descriptor: int) -> dict[str, str]:
        found = os.fstat(descriptor)
        return {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}

    def test_only_the_stream_that_systemd_names(self) -> None:
        environ = self.named(self.writing)
        self.assertTrue(is_journal(self.writing, environ))
        other = os.open(os.devnull, os.O_WRONLY)
        self.addCleanup(os.close, other)
        self.assertFalse(is_journal(other, environ))
        for said in ({}, {"JOURNAL_STREAM": ""}, {"JOURNAL_STREAM": "8"}):
            self.assertFalse(is_journal(self.writing, said))
        self.assertFalse(is_journal(999_999, environ))

    def test_each_line_has_its_severity_and_no_time(self) -> None:
        line = for_journal(text_line)
        for level, number in (
            (LogLevel.debug, 7),
            (LogLevel.info, 6),
            (LogLevel.warn, 4),
            (LogLevel.error, 3),
            (LogLevel.critical, 3),
        ):
            self.assertEqual(line(event(level=level, text="oi")), f"<{number}>[Test] oi\n")
        # What comes from outside makes no line of its own, and no severity.
        self.assertEqual(line(event(text="a\n<0>b")).count("\n"), 1)

    def test_a_traceback_is_as_grave_as_its_first_line(self) -> None:
        try:
            raise ValueError("boom")
        except ValueError:
            failure = Failure()
        text = for_journal(text_line)(event("broken", LogLevel.critical, log_failure=failure))
        lines = text.splitlines()
        self.assertEqual(lines[0], "<3>[Test] broken")
        self.assertGreater(len(lines), 3)
        self.assertTrue(all(line.startswith("<3>    ") for line in lines[1:]), text)

    def test_an_object_stays_one(self) -> None:
        text = for_journal(json_line)(event(level=LogLevel.warn, text="oi"))
        self.assertEqual(json.loads(text.removeprefix("<4>"))["text"], "oi")

    def test_standard_output_and_files(self) -> None:
        self.patch(os, "environ", {**os.environ, **self.named(self.writing)})
        self.assertIs(stream_format("text", 1), text_line)
        self.assertIs(stream_format("text", None), text_line)
        self.assertEqual(stream_format("text", self.writing)(event(text="oi")), "<6>[Test] oi\n")

    def test_a_word_at_the_start(self) -> None:
        for journal, shown in ((False, "no\\n port\n"), (True, "<3>no\\n port\n")):
            self.patch(output, "is_journal", lambda _, journal=journal: journal)
            stream = io.StringIO()
            self.patch(sys, "stderr", stream)
            complain("no\n port")
            self.assertEqual(stream.getvalue(), shown)


class OffsetTests(SynchronousTestCase):
    def test_the_hour_that_comes_twice(self) -> None:
        before = os.environ.get("TZ")
        self.addCleanup(self._restore, before)
        os.environ["TZ"] = "WET0WEST,M3.5.0/1,M10.5.0"
        time.tzset()
        stamps = [
            text_line(event(text="x", log_time=1_761_438_600.0 + hour * 3600))[:28]
            for hour in (0, 1)
        ]
        self.assertEqual(stamps, ["2025-10-26 01:30:00,000+0100", "2025-10-26 01:30:00,000+0000"])

    def _restore(self, before: str | None) -> None:
        os.environ.pop("TZ", None)
        if before is not None:
            os.environ["TZ"] = before
        time.tzset()


class TextTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.addCleanup(show_texts, False)

        class Beginner:
            def beginLoggingTo(self, observers: Any, redirectStandardIO: bool) -> None:
                pass

        self.patch(output, "globalLogBeginner", Beginner())
        self.patch(output, "_open_files", [])

    def test_only_their_length_unless_they_are_wanted(self) -> None:
        self.assertEqual(logged("olá"), "3 characters")
        show_texts(True)
        self.assertEqual(logged("olá"), "olá")

    def test_it_is_a_setting_of_the_log(self) -> None:
        for texts, shown in ((True, "oi"), (False, "2 characters")):
            file = start_logging(LoggingSettings(texts=texts), self.mktemp())
            self.addCleanup(file.close)
            self.assertEqual(logged("oi"), shown)
            show_texts(False)
            prepare_twistd(LoggingSettings(texts=texts), self.mktemp())
            self.assertEqual(logged("oi"), shown)
        self.assertFalse(LoggingSettings().texts, "nobody asked for them")

"""Log events as JSON, one object a line."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import LogLevel
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.logs import output
from p2pchat.logs.formats import FORMATTERS, json_line
from p2pchat.logs.output import lost_lines, reopen, start_logging
from p2pchat.settings.values import LoggingSettings

LONG_AGO = 1_000_000_000.5


def event(template: str = "{text}", level: LogLevel = LogLevel.info, **fields: Any) -> Any:
    base = {"log_format": template, "log_level": level, "log_time": LONG_AGO}
    return {**base, "log_namespace": "Test", **fields}


def read(line: str) -> dict[str, Any]:
    assert line.endswith("\n")
    assert line.count("\n") == 1
    assert line.isascii()

    def never(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    found: dict[str, Any] = json.loads(line, parse_constant=never)
    return found


class JsonTests(SynchronousTestCase):
    def test_a_line(self) -> None:
        said = event("{peer} after {ms:.1f} ms", LogLevel.warn, peer="bob@CIC", ms=12.34, n=3)
        self.assertEqual(
            read(json_line(said)),
            {
                "time": "2001-09-09T01:46:40.500Z",
                "level": "WARNING",
                "component": "Test",
                "text": "[bob@CIC] after 12.3 ms",
                "fields": {"peer": "bob@CIC", "ms": 12.34, "n": 3},
            },
        )

    def test_what_is_no_plain_value_is_left_out(self) -> None:
        said = event("done", thing=object(), many=[1], log_source=self, isError=0)
        self.assertNotIn("fields", read(json_line(said)))
        self.assertNotIn("fields", read(json_line(event(text="x", log_namespace="twisted.web"))))

    def test_odd_numbers_and_texts(self) -> None:
        said = event("odd", x=float("nan"), y=float("inf"), big=2**70, text="x" * 5000, yes=True)
        fields = read(json_line(said))["fields"]
        self.assertEqual((fields["x"], fields["y"], fields["big"]), ("nan", "inf", 2**70))
        self.assertEqual(len(fields["text"]), 1000)
        self.assertIs(fields["yes"], True)

    @given(st.text(st.characters(categories=None)))
    def test_any_text_is_one_line(self, text: str) -> None:
        read(json_line(event(text=text)))

    def test_a_failure_brings_its_traceback(self) -> None:
        try:
            raise ValueError("\x1b[2J")
        except ValueError:
            failure = Failure()
        said = read(json_line(event("broken", LogLevel.critical, log_failure=failure)))
        self.assertEqual((said["level"], said["text"]), ("ERROR", "broken"))
        self.assertIn("ValueError", said["traceback"][-1])
        self.assertNotIn("\x1b", "".join(said["traceback"]))

    def test_an_event_without_anything(self) -> None:
        self.assertEqual(read(json_line({}))["component"], "Twisted")


class FileTests(SynchronousTestCase):
    def start(self, **settings: Any) -> str:
        path = str(self.mktemp())
        begun: list[Any] = []

        class Beginner:
            def beginLoggingTo(self, observers: Any, redirectStandardIO: bool) -> None:
                begun.extend(observers)

        self.patch(output, "globalLogBeginner", Beginner())
        self.patch(output, "_open_files", [])
        self.file = start_logging(LoggingSettings(**settings), path)
        self.addCleanup(self.file.close)
        self.observer = begun[-1]
        return path

    def lines(self, path: str) -> list[str]:
        with open(path, encoding="utf-8") as file:
            return file.read().splitlines()

    def test_the_format_is_a_setting(self) -> None:
        for name, formatter in FORMATTERS.items():
            path = self.start(format=name)
            self.observer(event(text="oi"))
            self.assertEqual(self.lines(path), [formatter(event(text="oi")).rstrip()])

    def test_lines_that_were_lost_are_counted(self) -> None:
        self.start()
        self.assertEqual(lost_lines(), 0)
        self.file.lost = 3
        self.assertEqual(lost_lines(), 3)

    def test_it_can_be_opened_anew(self) -> None:
        import os

        path = self.start()
        self.observer(event(text="before"))
        os.rename(path, path + ".old")
        reopen()
        self.observer(event(text="after"))
        self.assertIn("before", self.lines(path + ".old")[0])
        self.assertIn("after", self.lines(path)[0])

"""Levels, loggers, and limits on what strangers make them say; and how events become lines."""

from __future__ import annotations

import io
import json
import os
import re
import sys
import time
import warnings
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import LogBeginner, LogEvent, LogLevel, LogPublisher, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.logs import output
from p2pchat.logs.file import LogFile
from p2pchat.logs.formats import screen_line, text_line
from p2pchat.logs.levels import Log, enabled, get_level, set_level
from p2pchat.logs.output import (
    FileObserver,
    LogCounters,
    ScreenObserver,
    prepare_twistd,
    show_on_screen,
    start_logging,
    twistd_observer,
    wanted,
)
from p2pchat.settings.values import LoggingSettings
from p2pchat.speech import Sentence


class LogTestCase(SynchronousTestCase):
    """Restores the process's level, and collects what loggers made by `log` publish."""

    def setUp(self) -> None:
        self.addCleanup(set_level, get_level())
        set_level("INFO")
        self.events: list[LogEvent] = []

    def log(self, component: str = "Test") -> Log:
        return Log(component, observer=self.events.append)  # type: ignore[arg-type]

    def texts(self) -> list[str]:
        return [event["log_format"].format_map(event) for event in self.events]


def event(template: str = "text", level: LogLevel = LogLevel.info, **fields: Any) -> LogEvent:
    return {
        "log_format": template,
        "log_level": level,
        "log_namespace": "Test",
        "log_time": 1000.0,
        **fields,
    }


def failure_event(template: str = "While trying", message: str = "boom") -> LogEvent:
    try:
        raise ValueError(message)
    except ValueError:
        return event(template, LogLevel.critical, log_failure=Failure())


class LevelTests(LogTestCase):
    def test_names_in_any_case(self) -> None:
        for name in ("DEBUG", "info", "Warning", " error "):
            set_level(name)
            self.assertEqual(get_level(), name.strip().upper())

    def test_another_name_is_refused_with_a_sentence(self) -> None:
        set_level("WARNING")
        with self.assertRaises(ValueError) as caught:
            set_level("loud\x1b")
        self.assertEqual(
            str(caught.exception), 'expected one of DEBUG, INFO, WARNING, ERROR, got "loud\\x1b"'
        )
        self.assertEqual(get_level(), "WARNING")

    def test_what_passes_at_each_level(self) -> None:
        for name, passing in (("DEBUG", 5), ("INFO", 4), ("WARNING", 3), ("ERROR", 2)):
            set_level(name)
            self.events.clear()
            log = self.log()
            log.debug("d")
            log.info("i")
            log.warn("w")
            log.error("e")
            log.critical("c")
            self.assertEqual("".join(self.texts()), "diwec"[-passing:])
            levels = [*LogLevel.iterconstants()]
            self.assertEqual([log.enabled(level) for level in levels].count(True), passing)
            self.assertEqual([enabled(level) for level in levels].count(True), passing)
            self.assertEqual(log.debugging, name == "DEBUG")

    def test_a_line_that_is_off_formats_nothing(self) -> None:
        self.log().debug("{x}", x=object())
        self.log().emit(LogLevel.debug, "{x}", x=object())
        self.assertEqual(self.events, [])

    def test_an_unhandled_failure_always_passes(self) -> None:
        set_level("ERROR")
        self.log().failure("oh", Failure(ValueError("boom")))
        self.assertEqual([event["log_level"] for event in self.events], [LogLevel.critical])

    def test_the_component_is_kept_in_a_class(self) -> None:
        class Holder:
            log = self.log("Holder's")

        Holder().log.info("x")
        Holder.log.info("y")
        self.assertEqual([event["log_namespace"] for event in self.events], ["Holder's"] * 2)


class TextLineTests(LogTestCase):
    def test_the_form_of_a_line(self) -> None:
        seconds = time.mktime((2026, 1, 31, 12, 0, 0, 0, 0, -1)) + 0.123
        line = text_line(event("Connected: {peer}", peer="alice@CIC", log_time=seconds))
        offset = time.strftime("%z", time.localtime(seconds))
        stamp = f"2026-01-31 12:00:00,123{offset}"
        self.assertEqual(line, f"{stamp} INFO    [Test] Connected: [alice@CIC]\n")

    def test_every_level_has_the_same_width(self) -> None:
        for level, name in (
            (LogLevel.debug, "DEBUG  "),
            (LogLevel.warn, "WARNING"),
            (LogLevel.error, "ERROR  "),
            (LogLevel.critical, "ERROR  "),
        ):
            self.assertIn(f" {name} [Test] text\n", text_line(event(level=level)))

    @given(st.text(st.characters(categories=None)), st.text(st.characters(categories=None)))
    def test_whatever_is_in_it_an_event_is_one_line(self, name: str, text: str) -> None:
        line = text_line(event("{text}", text=text, log_namespace=f"x{name}"))
        line.encode("utf-8")
        self.assertEqual(len(line.splitlines()), 1)
        self.assertTrue(line.endswith("\n"))

    def test_very_long_text_is_cut(self) -> None:
        self.assertLess(len(text_line(event("{text}", text="x" * 100_000))), 10_000)

    def test_text_from_outside_is_not_a_template(self) -> None:
        self.assertIn("{peer.__class__}", text_line(event("{text}", text="{peer.__class__}")))

    def test_the_slow_forms_work_as_well(self) -> None:
        self.assertIn("called", text_line(event("{f()}", f=lambda: "called")))
        self.assertIn("Unable to format", text_line(event("{missing}")))
        bare = {"log_level": LogLevel.info, "log_namespace": "Test"}
        self.assertRegex(text_line(bare), r"^\d{4}-\d\d-\d\d .* INFO    \[Test\] \n$")

    def test_a_failure_has_its_traceback_indented_and_printable(self) -> None:
        first, *rest = text_line(
            failure_event(message="bo\x1bom\nERROR [Forged] line")
        ).splitlines()
        self.assertTrue(first.endswith(" ERROR   [Test] While trying"))
        self.assertTrue(all(line.startswith("    ") for line in rest), rest)
        self.assertIn("bo\\x1bom", rest[-2])
        self.assertNotIn("\x1b", "".join(rest))

    def test_a_failure_without_a_text_says_what_it_is(self) -> None:
        self.assertIn("[Test] ValueError: boom\n", text_line(failure_event("")))

    def test_endless_recursion_is_cut(self) -> None:
        def again() -> None:
            again()

        try:
            again()
        except RecursionError:
            text = text_line(event(log_failure=Failure()))
        self.assertLess(text.count("\n"), 70)
        self.assertIn("more lines ...", text)

    def test_twisted_is_one_component(self) -> None:
        for namespace in ("twisted.internet.defer", "log_legacy"):
            self.assertIn(" [Twisted] ", text_line(event(log_namespace=namespace)))

    def test_for_the_screen(self) -> None:
        self.assertEqual(screen_line(event("a\x07", LogLevel.warn)), "WARNING [Test] a\\x07")
        self.assertEqual(
            screen_line(failure_event()), "ERROR [Test] While trying (ValueError: boom)"
        )
        self.assertEqual(screen_line(failure_event("")), "ERROR [Test] ValueError: boom")


class WantedTests(LogTestCase):
    def test_twisteds_remarks_come_only_with_debug(self) -> None:
        for namespace in ("twisted.internet.tcp", "log_legacy"):
            remark = event(log_namespace=namespace)
            warning = event(level=LogLevel.warn, log_namespace=namespace)
            set_level("INFO")
            self.assertEqual((wanted(remark), wanted(warning)), (False, True))
            set_level("DEBUG")
            self.assertEqual((wanted(remark), wanted(warning)), (True, True))

    def test_the_threshold_holds_for_all(self) -> None:
        set_level("ERROR")
        self.assertFalse(wanted(event(level=LogLevel.warn)))
        self.assertFalse(wanted({}))

    def test_counters_count_what_is_wanted(self) -> None:
        counters = LogCounters()
        for each in (event(), event(), event(level=LogLevel.debug), failure_event()):
            counters(each)
        self.assertEqual(counters.by_level, {"DEBUG": 0, "INFO": 2, "WARNING": 0, "ERROR": 1})
        self.assertEqual(counters.failures, 1)


class ObserverTests(LogTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.path = self.mktemp()
        self.told: list[Sentence] = []
        self.file = LogFile(self.path, max_bytes=10_000, files=2, warn=self.told.append)
        self.addCleanup(self.file.close)

    def written(self) -> list[str]:
        with open(self.path, encoding="utf-8") as file:
            return [line.split(" ", 2)[-1] for line in file.read().splitlines()]

    def test_wanted_events_are_written(self) -> None:
        observer = FileObserver(self.file)
        observer(event("olá"))
        observer(event("no", LogLevel.debug))
        self.assertEqual(self.written(), ["INFO    [Test] olá"])

    def test_another_format_is_another_function(self) -> None:
        FileObserver(self.file, lambda event: json.dumps(event["log_format"]) + "\n")(event("x"))
        self.assertEqual(self.written(), ['"x"'])

    def test_lost_lines_are_told_in_the_file(self) -> None:
        folder = self.mktemp()
        self.path = os.path.join(folder, "log")
        self.file = LogFile(self.path, max_bytes=10_000, files=2, warn=self.told.append)
        self.addCleanup(self.file.close)
        observer = FileObserver(self.file)
        for seconds in (1000.0, 1001.0, 1002.0):
            observer(event(log_time=seconds))
        os.mkdir(folder)
        observer(event("back", log_time=1006.0))
        observer(event("more", log_time=1007.0))
        self.assertEqual(
            self.written(),
            [
                "INFO    [Test] back",
                "WARNING [Log] 3 lines before this one could not be written",
                "INFO    [Test] more",
            ],
        )
        self.assertEqual(len(self.told), 1)

    def test_telling_the_person_may_itself_be_logged(self) -> None:
        def warn(sentence: Sentence) -> None:
            self.told.append(sentence)
            observer(event(str(sentence)))

        file = LogFile(os.path.join(self.mktemp(), "x"), max_bytes=1, files=1, warn=warn)
        observer = FileObserver(file)
        observer(event())
        self.assertEqual(len(self.told), 1)

    def test_the_screen_gets_the_graver_ones(self) -> None:
        shown: list[str] = []
        observer = ScreenObserver(shown.append)
        for level in (LogLevel.info, LogLevel.warn, LogLevel.error):
            observer(event(level=level))
        self.assertEqual(shown, ["WARNING [Test] text", "ERROR [Test] text"])

    def test_the_screen_comes_and_goes(self) -> None:
        shown: list[str] = []
        stop = show_on_screen(shown.append, "ERROR")
        log = Log("Here", observer=globalLogPublisher)
        log.error("one")
        log.warn("two")
        stop()
        log.error("three")
        self.assertEqual(shown, ["ERROR [Here] one"])


class StartTests(LogTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.publisher = LogPublisher()
        stdio = SimpleNamespace(stdout=sys.stdout, stderr=sys.stderr)
        self.stdio = dict(vars(stdio))
        self.beginner = LogBeginner(
            self.publisher,
            io.StringIO(),
            stdio,
            SimpleNamespace(showwarning=warnings.showwarning),
        )
        self.patch(output, "globalLogBeginner", self.beginner)
        self.patch(output, "counters", LogCounters())
        self.begun = stdio

    def test_a_program_logs_to_its_file_and_keeps_its_streams(self) -> None:
        path = self.mktemp()
        Log("Early", observer=self.publisher).info("before the start")
        file = start_logging(LoggingSettings(level="WARNING", file=path), path)
        self.addCleanup(file.close)
        log = Log("Late", observer=self.publisher)
        log.info("off")
        log.warn("on")
        with open(path, encoding="utf-8") as written:
            self.assertRegex(written.read(), r"^\S+ \S+ WARNING \[Late\] on\n$")
        self.assertEqual(output.counters.by_level["WARNING"], 1)
        self.assertEqual(vars(self.begun), self.stdio)
        self.assertEqual(get_level(), "WARNING")

    def test_a_folder_that_nobody_named_is_made(self) -> None:
        path = os.path.join(self.mktemp(), "log", "x.log")
        file = start_logging(LoggingSettings(), path)
        self.addCleanup(file.close)
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)

    def test_a_folder_that_is_missing_is_told_at_once(self) -> None:
        path = os.path.join(self.mktemp(), "x.log")
        told: list[Sentence] = []
        start_logging(LoggingSettings(file=path), path, told.append)
        (sentence,) = map(str, told)
        self.assertIn("cannot be written to", sentence)
        self.assertIn("No such file or directory", sentence)

    def test_by_default_problems_go_to_the_real_standard_error(self) -> None:
        stream = io.StringIO()
        self.patch(sys, "__stderr__", stream)
        path = os.path.join(self.mktemp(), "x.log")
        start_logging(LoggingSettings(file=path), path)
        self.assertEqual(stream.getvalue().count("\n"), 1)

    def test_a_closed_standard_error_is_no_problem(self) -> None:
        stream = io.StringIO()
        stream.close()
        path = os.path.join(self.mktemp(), "x.log")
        for closed in (stream, None):
            self.patch(sys, "__stderr__", closed)
            prepare_twistd(LoggingSettings(file=path), path)
            twistd_observer()

    def test_what_twistd_is_given(self) -> None:
        path = self.mktemp()
        prepare_twistd(LoggingSettings(level="DEBUG", file=path), path)
        self.assertFalse(os.path.exists(path))
        observer = twistd_observer()
        self.assertTrue(os.path.exists(path))
        observer(event("hello", LogLevel.debug))
        with open(path, encoding="utf-8") as written:
            self.assertTrue(re.search(r"DEBUG   \[Test\] hello\n$", written.read()))

"""What is told a few times and then counted: lines that strangers cause, faults that repeat."""

from __future__ import annotations

from typing import Any

from twisted.logger import LogLevel
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.logs.file import LogFile
from p2pchat.logs.limits import RateLimited, RepeatedFaults
from p2pchat.logs.output import FileObserver
from tests.logs.test_levels import LogTestCase


class RateLimitedTests(LogTestCase):
    def test_lines_beyond_the_limit_are_counted_and_told_with_the_next_burst(self) -> None:
        limited = RateLimited(self.log(), limit=2, interval=60)
        for number in range(125):
            limited.warn(10.0, "bad line", "line {number}", number=number)
        self.assertEqual(self.texts(), ["line 0", "line 1"])
        self.assertEqual(limited.suppressed, 123)
        limited.warn(69.9, "bad line", "late")
        self.assertEqual(len(self.events), 2)
        limited.warn(70.0, "bad line", "again")
        self.assertEqual(self.texts()[2:], ["… and 124 more (bad line) within 60 s", "again"])
        self.assertEqual({event["log_level"] for event in self.events}, {LogLevel.warn})

    def test_flush_tells_what_is_over_and_only_once(self) -> None:
        limited = RateLimited(self.log(), limit=1, interval=60)
        for _ in range(3):
            limited.info(0.0, "kind", "line")
        limited.flush(59.0)
        self.assertEqual(self.texts(), ["line"])
        limited.flush(60.0)
        limited.flush(120.0)
        self.assertEqual(self.texts(), ["line", "… and 2 more (kind) within 60 s"])

    def test_nothing_is_told_when_nothing_was_left_out(self) -> None:
        limited = RateLimited(self.log(), limit=1)
        limited.info(0.0, "kind", "line")
        limited.flush(1000.0)
        self.assertEqual(self.texts(), ["line"])

    def test_kinds_have_a_limit_each(self) -> None:
        limited = RateLimited(self.log(), limit=1)
        limited.info(0.0, "a", "a")
        limited.info(0.0, "b", "b")
        limited.info(0.0, "a", "a")
        self.assertEqual(self.texts(), ["a", "b"])

    def test_what_is_kept_is_bounded(self) -> None:
        limited = RateLimited(self.log(), limit=1, interval=60, max_kinds=2)
        for kind in ("a", "a", "b", "c", "b", "a"):
            limited.info(0.0, kind, kind)
        self.assertEqual(self.texts(), ["a", "b", "c", "a"])  # the oldest was forgotten for "c"
        limited.flush(60.0)
        self.assertEqual(self.texts()[4:], [])  # and "b" for the second "a"
        self.assertEqual(limited.suppressed, 2)

    def test_each_level_has_a_limit(self) -> None:
        limited = RateLimited(self.log(), limit=1)
        for _ in range(3):
            limited.warn(0.0, "handshake", "odd")
            limited.info(0.0, "handshake", "usual")
        limited.flush(60.0)
        more = "… and 2 more (handshake) within 60 s"
        self.assertEqual(self.texts(), ["odd", "usual", more, more])
        levels = [event["log_level"] for event in self.events]
        self.assertEqual(levels, [LogLevel.warn, LogLevel.info] * 2)

    def test_a_level_that_is_off_is_neither_logged_nor_counted(self) -> None:
        limited = RateLimited(self.log(), limit=1)
        for _ in range(3):
            limited.debug(0.0, "kind", "line")
        self.assertEqual((self.events, limited.suppressed), ([], 0))


class RepeatedFaultTests(SynchronousTestCase):
    """A fault that happens for every message is told once a minute, and counted."""

    def event(self, fault: Exception, now: float) -> dict[str, Any]:
        try:
            raise fault
        except Exception:
            failure = Failure()
        return {
            "log_level": LogLevel.critical,
            "log_namespace": "Router",
            "log_format": "It failed",
            "log_failure": failure,
            "log_time": now,
        }

    def test_once_with_its_traceback_then_counted(self) -> None:
        log = LogFile(self.mktemp(), max_bytes=1_000_000, files=1, warn=self.fail)
        observer = FileObserver(log)
        for number in range(1000):
            observer(self.event(ValueError(f"{number}"), 1000.0 + number / 100))
        observer(self.event(KeyError("another"), 1020.0))
        observer(self.event(ValueError("again"), 1061.0))
        log.close()
        with open(log.path) as file:
            text = file.read()
        self.assertEqual(text.count("Traceback"), 3)
        self.assertIn("happened 999 more times", text)
        self.assertIn("KeyError", text)

    def test_lines_that_are_no_faults_are_always_told(self) -> None:
        faults = RepeatedFaults()
        self.assertEqual([faults.tell({}, 1.0) for _ in range(5)], [0] * 5)

    def test_what_is_kept_is_bounded(self) -> None:
        faults = RepeatedFaults()
        for number in range(2000):
            event = {"log_failure": Failure(ValueError()), "log_namespace": f"n{number}"}
            self.assertEqual(faults.tell(event, 1.0), 0)
        self.assertLessEqual(len(faults), 256)

    def test_a_clock_that_jumps_back_silences_nothing(self) -> None:
        faults = RepeatedFaults()
        event = {"log_failure": Failure(ValueError()), "log_namespace": "n"}
        self.assertEqual(faults.tell(event, 10_000.0), 0)
        self.assertIsNone(faults.tell(event, 10_001.0))
        self.assertEqual(faults.tell(event, 6_400.0), 1)
        self.assertEqual(faults.tell(event, 10_000.0), 0)

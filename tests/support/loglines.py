"""What a test made the program say in its log."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.logs.formats import screen_line
from p2pchat.logs.output import wanted


def captured(case: SynchronousTestCase) -> Callable[[], list[str]]:
    """A function that returns the lines so far, those of Twisted left out."""
    events: list[LogEvent] = []
    observer = cast("ILogObserver", events.append)
    globalLogPublisher.addObserver(observer)
    case.addCleanup(globalLogPublisher.removeObserver, observer)

    def lines() -> list[str]:
        ours = (event for event in events if not str(event.get("log_namespace")).startswith("twi"))
        return [screen_line(event) for event in ours if wanted(event)]

    return lines

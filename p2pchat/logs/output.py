"""Where log events go: lines in a file, and the graver ones on the screen.

Rules: Twisted's own remarks ("Starting factory ...") come through at DEBUG, its warnings and
errors always. How an event becomes text is a function of `p2pchat.logs.formats`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Final, TextIO, TypeAlias

from twisted.logger import (
    ILogObserver,
    LogEvent,
    LogLevel,
    LogPublisher,
    globalLogBeginner,
    globalLogPublisher,
)
from zope.interface import implementer

from p2pchat.logs.file import LogFile
from p2pchat.logs.formats import FORMATTERS, Formatter, is_twisted, level_of, screen_line, text_line
from p2pchat.logs.journal import for_journal, is_journal, marked
from p2pchat.logs.levels import LEVELS, enabled, level_name, set_level
from p2pchat.logs.limits import RepeatedFaults
from p2pchat.logs.texts import show_texts
from p2pchat.settings.values import LoggingSettings
from p2pchat.speech import Sentence, spoken
from p2pchat.wire.text import printable

FilesOf: TypeAlias = Callable[[], AbstractContextManager[object]]
"""What makes the context in which files are made, so that they belong to the right user."""


def wanted(event: LogEvent) -> bool:
    """Whether `event` passes the process's threshold, and is not one of Twisted's remarks."""
    level = level_of(event)
    if not enabled(level):
        return False
    return level >= LogLevel.warn or enabled(LogLevel.debug) or not is_twisted(event)


@implementer(ILogObserver)
class LogCounters:
    """How many events there were: `by_level` (name to count), `failures` of them tracebacks."""

    def __init__(self) -> None:
        self.by_level = dict.fromkeys(LEVELS, 0)
        self.failures = 0

    def __call__(self, event: LogEvent) -> None:
        """Count `event`, if it is wanted."""
        if wanted(event):
            self.by_level[level_name(level_of(event))] += 1
            self.failures += "log_failure" in event


counters: Final = LogCounters()
"""What was counted in this process since its log began."""


@implementer(ILogObserver)
class FileObserver:
    """Writes the wanted events to `file`, each as `formatter` says."""

    def __init__(self, file: LogFile, formatter: Formatter = text_line) -> None:
        self.file = file
        self._format = formatter
        self._told_lost = 0
        self._busy = False
        self._faults = RepeatedFaults()

    def __call__(self, event: LogEvent) -> None:
        """Write `event`; a problem with the file is the file's, and never raised."""
        # Telling the person of a problem may itself be logged, where standard error is.
        if self._busy or not wanted(event):
            return
        self._busy = True
        try:
            now = event.get("log_time") or 0.0
            more = self._faults.tell(event, now)
            if more is None:
                return
            if more:
                self.file.write(self._format(_repeated(more, now)), now)
            if self.file.write(self._format(event), now) and self.file.lost > self._told_lost:
                count, self._told_lost = self.file.lost - self._told_lost, self.file.lost
                self.file.write(self._format(_lost(count, now)), now)
        finally:
            self._busy = False


@implementer(ILogObserver)
class ScreenObserver:
    """Gives events of the level `level` (a name) and above to `show`, as lines."""

    def __init__(self, show: Callable[[str], None], level: str = "WARNING") -> None:
        self._show = show
        self._level = LEVELS[level]
        self._faults = RepeatedFaults()

    def __call__(self, event: LogEvent) -> None:
        """Show `event`, if it is wanted and grave enough."""
        if level_of(event) < self._level or not wanted(event):
            return
        if self._faults.tell(event, event.get("log_time") or 0.0) is not None:
            self._show(screen_line(event))


def show_on_screen(show: Callable[[str], None], level: str = "WARNING") -> Callable[[], None]:
    """Hand events of `level` and above to `show`, one line each, from now on.

    `show` must not block. Call what is returned when the screen goes away.
    """
    observer = ScreenObserver(show, level)
    globalLogPublisher.addObserver(observer)
    return lambda: globalLogPublisher.removeObserver(observer)


def start_logging(
    settings: LoggingSettings, path: str, warn: Callable[[Sentence], None] | None = None
) -> LogFile:
    """Begin the process's log, in `path`, and set its level; for a program that is not twistd.

    `path` is what `p2pchat.service.chat_options` made of `settings.file`. `warn` is called with
    a sentence when the file cannot be written (default: it goes to standard error). Standard output
    and standard error are left alone. Call once; close what is returned at the very end.
    """
    set_level(settings.level)
    show_texts(settings.texts)
    observer = _file_observer(settings, path, warn or _to_stderr)
    globalLogBeginner.beginLoggingTo([counters, observer], redirectStandardIO=False)
    return observer.file


def prepare_twistd(settings: LoggingSettings, path: str, files: FilesOf = nullcontext) -> None:
    """Set the process's level, and say what `twistd_observer` is to make.

    `files`: in what the file is made, so that it belongs to the user as whom the process will run.
    """
    global _make_observer
    set_level(settings.level)
    show_texts(settings.texts)

    def make() -> LogPublisher:
        with files():
            return LogPublisher(counters, _file_observer(settings, path, _to_stderr))

    _make_observer = make


def reopen() -> None:
    """Open the process's log anew: somebody may have moved the file, or made room."""
    for file in _open_files:
        file.open(time.time())


def log_paths() -> list[str]:
    """The files to which the process's log goes; none where it goes to standard output."""
    return [file.path for file in _open_files if file.path != "-"]


def lost_lines() -> int:
    """How many lines could not be written since the start."""
    return sum(file.lost for file in _open_files)


_open_files: Final[list[LogFile]] = []


TWISTD_LOGGER: Final = "p2pchat.logs.output.twistd_observer"
"""For twistd's option --logger, which takes the name of a function."""


def twistd_observer(_stream: object = None) -> ILogObserver:
    """Make the observer that `prepare_twistd` described; twistd and twist call this."""
    return _make_observer()


_make_observer: Callable[[], ILogObserver] = LogPublisher


def _file_observer(
    settings: LoggingSettings, path: str, warn: Callable[[Sentence], None]
) -> FileObserver:
    file = LogFile(path, max_bytes=settings.max_bytes, files=settings.files, warn=warn)
    if settings.file is None and path != "-":  # a folder that the person did not name
        with suppress(OSError):  # the file tells what is wrong
            os.makedirs(os.path.dirname(file.path), mode=0o700, exist_ok=True)
    file.open(time.time())
    _open_files.append(file)
    return FileObserver(file, stream_format(settings.format, 1 if path == "-" else None))


def stream_format(name: str, descriptor: int | None) -> Formatter:
    """The formatter of this name for what goes to a descriptor, or to a file for None."""
    formatter = FORMATTERS[name]
    if descriptor is not None and is_journal(descriptor):
        return for_journal(formatter)
    return formatter


def complain(sentence: str | Sentence, level: str = "ERROR", stream: TextIO | None = None) -> None:
    """Tell the person who started the program, on standard error, or the journal if it is that.

    The journal is a log, and gets it in English.
    """
    stream = sys.stderr if stream is None else stream
    with suppress(OSError, ValueError):
        if stream is not None:
            journal = is_journal(2)
            line = printable(str(sentence) if journal else spoken(sentence)) + "\n"
            stream.write(marked(level, line) if journal else line)
            stream.flush()


def _to_stderr(sentence: Sentence) -> None:
    # Not sys.stderr, which twistd replaces by the log that has just failed.
    if sys.__stderr__ is not None:
        complain(sentence, "WARNING", sys.__stderr__)


def _repeated(count: int, now: float) -> LogEvent:
    text = "The fault that follows happened {count} more times since it was told"
    return _counted(LogLevel.error, text, count, now)


def _lost(count: int, now: float) -> LogEvent:
    return _counted(LogLevel.warn, "{count} lines before this one could not be written", count, now)


def _counted(level: object, text: str, count: int, now: float) -> LogEvent:
    return {
        "log_level": level,
        "log_namespace": "Log",
        "log_format": text,
        "log_time": now,
        "count": count,
    }

"""Lines for systemd's journal: each with its severity in front, and without a time of their own.

    <4>[Presence] the rendezvous does not answer      (sd-daemon(3), syslog(3))

Rules: only a stream that is the journal's gets them. systemd names that one in `$JOURNAL_STREAM`,
and a program that was given another output has the variable all the same (systemd.exec(5)).
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from twisted.logger import LogEvent

from p2pchat.logs.formats import Formatter, level_of, untimed
from p2pchat.logs.levels import level_name

_SEVERITIES = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3}


def is_journal(descriptor: int, environ: Mapping[str, str] | None = None) -> bool:
    """Whether what is written to this descriptor goes to the journal."""
    named = (os.environ if environ is None else environ).get("JOURNAL_STREAM", "")
    try:
        found = os.fstat(descriptor)
    except OSError:
        return False
    return named == f"{found.st_dev}:{found.st_ino}"


def for_journal(format_line: Formatter) -> Formatter:
    """What makes the same lines for the journal; each one of a traceback is an entry there."""

    def line(event: LogEvent) -> str:
        return marked(level_name(level_of(event)), untimed(format_line)(event))

    return line


def marked(level: str, text: str) -> str:
    """`text`, which ends with a newline, with the severity of `level` before each of its lines."""
    mark = f"<{_SEVERITIES[level]}>"
    return "".join(f"{mark}{line}\n" for line in text.split("\n")[:-1])

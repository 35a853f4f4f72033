"""What any program of ours counts of its process and of its log, whatever it does.

Rules: as in `figures`: reading changes nothing.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Mapping
from typing import Any, Final

from p2pchat.logs.output import LogCounters, counters, lost_lines
from p2pchat.node.stats import Figure, Section, counter, gauge, limit


def log_section() -> Section[LogCounters]:
    """What this process logged."""
    return Section("log", _LOG, counters)


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return round(usage.ru_utime + usage.ru_stime, 2)


def _peak_memory() -> int:
    # Kilobytes on Linux, bytes on macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _memory() -> int | None:
    # proc(5): pages in all, and those that are in memory.
    try:
        with open("/proc/self/statm", encoding="utf-8") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        return None


def _descriptors() -> int | None:
    try:
        return len(os.listdir("/dev/fd")) - 1  # without the one that lists them
    except OSError:
        return None


def _descriptor_limit() -> int | None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


PROCESS: Final[Mapping[str, Figure[Any]]] = {
    "cpu_seconds": counter("processor time used by the process", lambda _: _cpu_seconds()),
    "resident_memory_bytes": gauge("resident memory", lambda _: _memory()),
    "peak_memory_bytes": gauge("largest resident memory so far", lambda _: _peak_memory()),
    "descriptors": gauge("files and sockets that are open", lambda _: _descriptors()),
    "descriptors_limit": limit("of those at most", lambda _: _descriptor_limit()),
}
"""What the process takes."""
_LOG: Final[Mapping[str, Figure[LogCounters]]] = {
    "debug": counter("lines at DEBUG", lambda log: log.by_level["DEBUG"]),
    "info": counter("lines at INFO", lambda log: log.by_level["INFO"]),
    "warning": counter("lines at WARNING", lambda log: log.by_level["WARNING"]),
    "error": counter("lines at ERROR", lambda log: log.by_level["ERROR"]),
    "failures": counter(
        "of those, faults of the program itself, with a traceback", lambda log: log.failures
    ),
    "lost_lines": counter("lines that could not be written to the file", lambda _: lost_lines()),
}

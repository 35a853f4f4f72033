"""All counters and limits of a running program in one snapshot: for /stats, clients and /metrics.

    statistics = Statistics(node_sections(node, clock))
    statistics.add(control.section())           # whoever else counts something
    statistics.snapshot()                       # {"links": {"connections": 3, ...}, ...}
    lines(statistics.snapshot())                # the same for a person

Rules: a section names its figures once, each with what kind it is and what it means, and reads all
of them at once. Nothing is collected between two snapshots. A figure called `x_limit` is the limit
of `x`.
"""

from __future__ import annotations

import enum
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

Number: TypeAlias = int | float
Values: TypeAlias = "Mapping[str, Number | str | None]"
Snapshot: TypeAlias = "dict[str, dict[str, Number | str | None]]"
"""Section to figure to value; None is a limit that does not apply."""


class Kind(enum.Enum):
    """How a figure behaves."""

    COUNTER = "counter"
    """It only grows, since the program started."""
    GAUGE = "gauge"
    """It is as it is at the moment."""
    LIMIT = "limit"
    """A setting, or what the system allows."""
    TEXT = "text"
    """A word or a sentence."""


class Figure(NamedTuple):
    """One figure of a section."""

    name: str
    kind: Kind
    help: str


class Section(NamedTuple):
    """What one part of the program counts; `read` returns a value for each of the figures."""

    name: str
    figures: Sequence[Figure]
    read: Callable[[], Values]


class Statistics:
    """The sections of one program, in the order in which they were added."""

    def __init__(self, sections: Sequence[Section] = ()) -> None:
        self.sections = [*sections]

    def add(self, section: Section) -> None:
        """Take this section into every snapshot from now on."""
        self.sections.append(section)

    def snapshot(self) -> Snapshot:
        """All figures as they are now; ready to become JSON."""
        found: Snapshot = {}
        for section in self.sections:
            values = section.read()
            found[section.name] = {figure.name: values[figure.name] for figure in section.figures}
        return found


def lines(snapshot: Snapshot, width: int = 79) -> list[str]:
    """A snapshot for a person: a paragraph for each section."""
    shown = []
    for section, values in snapshot.items():
        parts = []
        for name, value in values.items():
            if value is None or (name.endswith("_limit") and name[: -len("_limit")] in values):
                continue
            limit = values.get(f"{name}_limit")
            of = "" if limit is None else f" of {_shown(limit)}"
            shown_value = str(value) if name == "port" else _shown(value)
            parts.append(f"{name.replace('_', ' ')} {shown_value}{of}")
        shown += textwrap.wrap(
            f"{section}: {', '.join(parts)}", width, subsequent_indent="  ", break_long_words=False
        )
    return shown


def _shown(value: Number | str) -> str:
    if isinstance(value, str):
        return value or "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}".removesuffix(".0")

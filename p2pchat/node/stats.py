"""All counters and limits of a running program in one snapshot: for /stats, clients and /metrics.

    FIGURES = {"clients": gauge("programs that are connected", lambda control: control.clients)}
    statistics = Statistics([Section("control", FIGURES, control)])
    statistics.snapshot()                       # {"control": {"clients": 3}}
    lines(statistics.snapshot())                # the same for a person

Rules: a figure is said once, with its kind, what it means and how it is read. Nothing is collected
between two snapshots. A figure called `x_limit` is the limit of `x`.
"""

from __future__ import annotations

import enum
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

Number: TypeAlias = int | float
Value: TypeAlias = Number | str | None
"""None is a limit that does not apply, or what the system does not tell."""
Snapshot: TypeAlias = dict[str, Mapping[str, Value]]
"""Section to figure to value."""

Subject = TypeVar("Subject")


class FigureKind(enum.Enum):
    """How a figure behaves."""

    COUNTER = "counter"
    """It only grows, since the program started."""
    GAUGE = "gauge"
    """It is as it is at the moment."""
    LIMIT = "limit"
    """A setting, or what the system allows."""
    TEXT = "text"
    """A word or a sentence."""


class Figure(NamedTuple, Generic[Subject]):
    """One figure of a section; `read` tells its value, given what the section is about."""

    kind: FigureKind
    help: str
    read: Callable[[Subject], Value]


def counter(meaning: str, read: Callable[[Subject], Number]) -> Figure[Subject]:
    """A figure that only grows."""
    return Figure(FigureKind.COUNTER, meaning, read)


def gauge(meaning: str, read: Callable[[Subject], Number | None]) -> Figure[Subject]:
    """A figure that is as it is at the moment; None where the system does not tell it."""
    return Figure(FigureKind.GAUGE, meaning, read)


def limit(meaning: str, read: Callable[[Subject], Number | None]) -> Figure[Subject]:
    """A setting, or what the system allows."""
    return Figure(FigureKind.LIMIT, meaning, read)


def text(meaning: str, read: Callable[[Subject], str]) -> Figure[Subject]:
    """A word or a sentence."""
    return Figure(FigureKind.TEXT, meaning, read)


class Section(NamedTuple, Generic[Subject]):
    """What one part of the program, the subject, counts: its figures by their names."""

    name: str
    figures: Mapping[str, Figure[Subject]]
    subject: Subject

    def read(self) -> Mapping[str, Value]:
        """The figures as they are now."""
        return {name: figure.read(self.subject) for name, figure in self.figures.items()}


class Statistics:
    """The sections of one program, in the order in which they are shown."""

    def __init__(self, sections: Sequence[Section[Any]]) -> None:
        self.sections = sections

    def snapshot(self) -> Snapshot:
        """All figures as they are now; ready to become JSON."""
        return {section.name: section.read() for section in self.sections}


def lines(snapshot: Snapshot, width: int = 79) -> list[str]:
    """A snapshot for a person: a paragraph for each section."""
    shown = []
    for section, values in snapshot.items():
        parts = []
        for name, value in values.items():
            if value is None or (name.endswith("_limit") and name[: -len("_limit")] in values):
                continue
            most = values.get(f"{name}_limit")
            of = "" if most is None else f" of {_with_commas(most)}"
            shown_value = str(value) if name == "port" else _with_commas(value)
            parts.append(f"{name.replace('_', ' ')} {shown_value}{of}")
        shown += textwrap.wrap(
            f"{section}: {', '.join(parts)}", width, subsequent_indent="  ", break_long_words=False
        )
    return shown


def _with_commas(value: Number | str) -> str:
    if isinstance(value, str):
        return value or "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}".removesuffix(".0")

"""What happened in many worlds: the account of a run, which adds up with those of others.

    totals = Totals()
    totals.add(seed, world.run())
    totals.missing()              ->  the events that never happened, though there is code for them

Rules: a run of `ENOUGH` worlds in which some kind of event never happened proves less than it
seems to, and fails.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from msgspec import Struct, field

from p2pchat.testing.worlds.account import CANCELLED, DELIVERED, GIVEN_UP, KEPT, QUEUED
from p2pchat.testing.worlds.acts import ACTS
from p2pchat.testing.worlds.readable import shortened
from p2pchat.testing.worlds.world import Ran

MOST: Final = 200
"""Characters of a line about a finding."""
ENOUGH: Final = 1000
"""Worlds in which everything must have happened."""
EVENTS: Final = (
    *ACTS,
    DELIVERED,
    QUEUED,
    KEPT,
    CANCELLED,
    GIVEN_UP,
    "killed while a thread had a call",
    "shown late",
    "shown, and not kept",
    "lost power in a commit",
    "lost power",
    "changed",
    "a change shown as a message",
    "too old",
    "encrypts",
    "says what the older version said",
    "left without its disk",
    "could not start",
    "told to be lost",
    "lies",
    "told of damage",
    "unread",
    "lost power when something was too old",
    "moved",
    "one room again",
    "dialed a victim",
    "answers",
)
"""All kinds of events that a run of `ENOUGH` worlds must have."""


class Finding(Struct):
    """Something that was wrong in a world."""

    seed: int
    check: str
    kind: str
    what: str

    def line(self) -> str:
        """It in one line for a person."""
        return shortened(f"world {self.seed}: {self.check}: {self.kind}: {self.what}", MOST)

    def replay(self, more: str = "") -> str:
        """The command that tells its world act by act; `more`: an act of which there was much."""
        command = f"python -m benchmarks.worlds --seed {self.seed} --trace"
        return f"{command} --more {more!r}" if more else command


class Totals(Struct):
    """The account of a run."""

    worlds: int = 0
    steps: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    """What happened, and how often."""
    findings: list[Finding] = field(default_factory=list)

    def add(self, seed: int, ran: Ran, steps: int) -> None:
        """One more world."""
        self.worlds += 1
        self.steps += steps
        self.counts.update(ran.counts)
        self.findings += [
            Finding(seed, check, kind, what)
            for check, kinds in sorted(ran.found.items())
            for kind, what in sorted(kinds.items())
        ]

    def join(self, other: Totals) -> None:
        """Those of another run."""
        self.worlds += other.worlds
        self.steps += other.steps
        self.counts.update(other.counts)
        self.findings += other.findings

    def first_of_each_kind(self) -> list[Finding]:
        """Of each check and kind the first finding."""
        return [*{(each.check, each.kind): each for each in reversed(self.findings)}.values()]

    def missing(self) -> list[str]:
        """The kinds of events that never happened, if there were worlds enough."""
        if self.worlds < ENOUGH:
            return []
        return [event for event in EVENTS if not self.counts[event]]

    def lines(self) -> list[str]:
        """The account for a person."""
        seeds = {finding.seed for finding in self.findings}
        said = ", ".join(f"{event} {self.counts[event]:,}" for event in sorted(self.counts))
        lines = [f"{self.worlds:,} worlds, {self.steps:,} steps: {said}"]
        lines += [f"it never happened: {event}" for event in self.missing()]
        lines.append(f"findings in {len(seeds)} worlds")
        return lines

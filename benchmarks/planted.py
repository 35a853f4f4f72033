"""Plants a fault in a copy of the program, and counts the worlds until one of them finds it.

    python -m benchmarks.planted                          all faults
    python -m benchmarks.planted ack-from-anybody         one of them, or several
    python -m benchmarks.planted --list                   their names, and why each matters
    python -m benchmarks.planted synchronous-normal --only power
                                                          in the worlds that have this act, or this
                                                          kind: it is in all at least as early
    python -m benchmarks.planted journal-in-memory --more power
                                                          in longer worlds with much of this act
    python -m benchmarks.planted --sound                  no fault: these worlds must find nothing

Prints of each fault in which world it was found, after how many seconds, and by which check. The
status is 1 when one was not found, or when the sound program is found to be wrong.

Rules: the program is copied, and only the copy is changed. Worlds run one after the other from
`--first` on, in a process of their own, until the first finding. A world that takes longer than
`LONGEST` counts as one that found its fault: it does not end.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.measuring import ROOT
from benchmarks.planted_changes import OF_CHANGES
from benchmarks.planted_links import ON_LINKS, Fault
from benchmarks.planted_messages import OF_MESSAGES

FAULTS: Final = ON_LINKS + OF_MESSAGES + OF_CHANGES
LONGEST: Final = 60
"""Seconds of one world, of which most take a tenth."""
_COPIED: Final = ("p2pchat", "benchmarks")
_SOUND: Final = Fault("(none)", "", "", "", "The program as it is.")


class Which(NamedTuple):
    """Which worlds there are."""

    only: str = ""
    """Those with this act, or of this kind; the others are counted, and not run."""
    more: str = ""
    """Longer ones, with much of this act."""


class Hunt(NamedTuple):
    """What became of one fault."""

    fault: Fault
    worlds: int
    """Which world found it, of those that begin at `--first`; of one not found, how many ran."""
    seconds: float
    finding: str
    """The check, what was wrong, and with what; empty when nothing was found."""
    trouble: str = ""
    """Why the worlds could not run."""

    def __str__(self) -> str:
        how = self.trouble or self.finding or "NOT FOUND"
        return f"{self.fault.name:42} {self.worlds:6} {self.seconds:8.1f} s  {how}"


# -------------------------------------------------------------------- in the copy


def findings(seed: int, which: Which) -> list[str]:
    """What the world of this seed finds; nothing if it is none of `which`."""
    from p2pchat.testing.worlds.world import World

    only, world = which.only, World.of(seed, which.more)
    if only and only not in world.kind.rates and not getattr(world.kind, only, False):
        return []
    found = world.run().found
    return [
        f"{check}: {kind}: {what}" for check, kinds in found.items() for kind, what in kinds.items()
    ]


def search(first: int, at_most: int, at_most_seconds: float, which: Which) -> None:
    """Run worlds until one finds something; prints JSON: which one, and what. Runs in the copy."""
    from benchmarks.worlds import quiet

    quiet()
    began, seed = time.monotonic(), first

    def too_long(*_: object) -> None:
        _answer(seed - first + 1, f"G0: a world takes longer than {LONGEST} s: seed {seed}")
        os._exit(0)  # the program may catch whatever is raised here

    signal.signal(signal.SIGALRM, too_long)
    for seed in range(first, first + at_most):
        signal.alarm(LONGEST)
        found = findings(seed, which)
        if found:
            _answer(seed - first + 1, found[0])
            return
        if time.monotonic() - began > at_most_seconds:
            break
    _answer(seed - first + 1, "")


def _answer(worlds: int, finding: str) -> None:
    sys.stdout.write(json.dumps([worlds, finding]) + "\n")
    sys.stdout.flush()


# -------------------------------------------------------------------- around it


def plant(fault: Fault, root: Path) -> None:
    """Change the program below `root`; raises `ValueError` when the place is not there, once."""
    if fault is _SOUND:
        return
    path = root / "p2pchat" / fault.file
    text = path.read_text(encoding="utf-8")
    count = text.count(fault.before)
    if count != 1:
        raise ValueError(f"{fault.name}: its text is {count} times in {fault.file}")
    path.write_text(text.replace(fault.before, fault.after), encoding="utf-8")


def hunt(fault: Fault, first: int, at_most: int, at_most_seconds: float, which: Which) -> Hunt:
    """Plant a fault in a copy of its own, and have it searched for.

    What the program as it is finds in the same world counts for nothing.
    """
    began, worlds = time.perf_counter(), 0
    with _folder() as folder:
        root = Path(folder)
        for name in _COPIED:
            shutil.copytree(ROOT / name, root / name)
        plant(fault, root)
        while True:
            left = max(1.0, at_most_seconds - (time.perf_counter() - began))
            ran, finding, trouble = _search_in(root, first + worlds, at_most - worlds, left, which)
            worlds += ran
            seconds = time.perf_counter() - began
            if not finding or trouble or fault is _SOUND:
                break
            if not _search_in(ROOT, first + worlds - 1, 1, 1.0, which)[1]:
                break
            finding = ""
            if worlds >= at_most or seconds > at_most_seconds:
                break
    return Hunt(fault, worlds, seconds, finding, trouble)


def _search_in(
    root: Path, first: int, at_most: int, seconds: float, which: Which
) -> tuple[int, str, str]:
    """Search with the program below `root`: how many worlds ran, what was found, and trouble."""
    words = [sys.executable, "-m", "benchmarks.planted", "--search"]
    words += ["--first", str(first), "--at-most", str(at_most), "--seconds", str(seconds)]
    words += ["--only", which.only, "--more", which.more]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    ran = subprocess.run(
        words, cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    try:
        worlds, finding = json.loads(ran.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        last = ran.stderr.strip().splitlines()[-1:] or ["nothing was said"]
        return 0, "", f"the worlds ended with {ran.returncode}: {last[0]}"
    return worlds, finding, ""


def _folder() -> tempfile.TemporaryDirectory[str]:
    """A folder for a copy, where a sync costs nothing if the system has such a place."""
    fast = "/dev/shm"
    return tempfile.TemporaryDirectory(
        prefix="planted-", dir=fast if os.access(fast, os.W_OK) else None
    )


def hunts(faults: list[Fault], options: argparse.Namespace) -> Iterator[Hunt]:
    """Hunt for all of them, some at a time, in their order."""
    one = partial(
        hunt,
        first=options.first,
        at_most=options.at_most,
        at_most_seconds=options.seconds,
        which=Which(options.only, options.more),
    )
    with ThreadPoolExecutor(options.jobs) as pool:
        yield from pool.map(one, faults)


def main() -> None:
    """Plant faults one by one, and count the worlds until each is found."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="a fault (default: all)")
    parser.add_argument("--first", type=int, default=1_000_000, help="the first seed")
    parser.add_argument("--at-most", type=int, default=5000, metavar="N", help="worlds a fault")
    parser.add_argument("--seconds", type=float, default=1e9, help="and seconds a fault")
    parser.add_argument(
        "--only",
        default="",
        metavar="ACT",
        help="only worlds with this act, or kind",
    )
    parser.add_argument(
        "--more", default="", metavar="ACT", help="longer worlds with much of this act"
    )
    parser.add_argument("--jobs", type=int, default=1, metavar="J", help="faults at a time")
    parser.add_argument("--sound", action="store_true", help="plant nothing: nothing may be found")
    parser.add_argument("--list", action="store_true", help="print the faults")
    parser.add_argument("--markdown", action="store_true", help="print the table for the documents")
    parser.add_argument("--search", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.search:
        which = Which(options.only, options.more)
        search(options.first, options.at_most, options.seconds, which)
        return
    by_name = {fault.name: fault for fault in FAULTS}
    unknown = [name for name in options.names if name not in by_name]
    if unknown:
        parser.error(f"no such fault: {', '.join(unknown)} (--list prints them)")
    faults = [by_name[name] for name in options.names] or [*FAULTS]
    if options.list:
        for fault in faults:
            _print(f"{fault.name:42} {fault.file:34} {fault.why}")
        return
    done = []
    for ran in hunts([_SOUND] if options.sound else faults, options):
        _print(str(ran))
        done.append(ran)
    if options.sound:
        raise SystemExit(1 if done[0].finding or done[0].trouble else 0)
    missed = [ran.fault.name for ran in done if not ran.finding]
    _print(f"{len(done) - len(missed)} of {len(done)} found from seed {options.first} on")
    if options.markdown:
        _table(done)
    raise SystemExit(1 if missed else 0)


def _table(done: list[Hunt]) -> None:
    _print("| fault | file | found in world | by |\n|---|---|---|---|")
    for ran in done:
        where = f"{ran.worlds:,}" if ran.finding else f"not in {ran.worlds:,}"
        check = ": ".join(ran.finding.split(": ")[:2])
        _print(f"| {ran.fault.name} | `{ran.fault.file}` | {where} | {check} |")


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

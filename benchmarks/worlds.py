"""Worlds from new seeds, until the time is over: what was wrong in them, and how they went.

    python -m benchmarks.worlds --minutes 2 --jobs 2     hunt; the first seed is the clock's
    python -m benchmarks.worlds --first 48211 --count 9  these
    python -m benchmarks.worlds --seed 48211 --trace     one of them, act by act
    python -m benchmarks.worlds --seed 48211 --shrink    the shortest world with the same fault
    python -m benchmarks.worlds --more power --count 99  with much of this act in each of them
    python -m benchmarks.worlds --sum a.json b.json      several accounts in one

The exit status is 1 if something was wrong. The last lines say what, and how to see it again.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import msgspec
from twisted.logger import globalLogBeginner

from p2pchat.logs.levels import set_level
from p2pchat.testing.worlds.acts import ACTS
from p2pchat.testing.worlds.shrink import literal, shrink
from p2pchat.testing.worlds.totals import Finding, Totals
from p2pchat.testing.worlds.world import World

_AT_ONCE: Final = 10
"""Worlds that a process is given at a time."""
_COLLECT_AT: Final = 50_000
"""New objects after which the collector looks at them."""
_LAST: Final = 20
"""Findings on the last lines, those of each kind first."""
_STORIES: Final = 3
"""Findings that are shrunk and told, each of another kind."""


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=1.0, help="how long to hunt")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--first", type=int, help="the first seed")
    parser.add_argument("--count", type=int, help="how many seeds, however long they take")
    parser.add_argument("--seed", type=int, help="this world alone")
    parser.add_argument("--more", default="", choices=["", *ACTS], help="much of this act")
    parser.add_argument("--trace", action="store_true", help="tell it act by act")
    parser.add_argument("--bytes", action="store_true", help="the same, with all that is read")
    parser.add_argument("--shrink", action="store_true", help="find the shortest one like it")
    parser.add_argument("--account", type=Path, help="append the account to this file, as JSON")
    parser.add_argument("--sum", type=Path, nargs="+", help="add the accounts in these files up")
    options = parser.parse_args()
    quiet()
    if options.sum:
        raise SystemExit(report(added_up(options.sum)))
    if options.seed is not None:
        raise SystemExit(one(options))
    first = int(time.time() * 1000) % 1_000_000_000 if options.first is None else options.first
    say(f"worlds from seed {first} on")
    began, totals = time.perf_counter(), hunt(options, first)
    seconds = time.perf_counter() - began
    say(f"{totals.worlds * 3600 / seconds:,.0f} worlds an hour, {options.jobs} processes")
    if options.account is not None:
        with options.account.open("ab") as file:
            file.write(msgspec.json.encode(totals) + b"\n")
    for finding in totals.first_of_each_kind()[-_STORIES:]:
        tell(finding, options.more)
    raise SystemExit(report(totals, options.more))


def quiet() -> None:
    """Faults are among what is found: nothing of a log goes to the screen.

    The collector of garbage looks at no module any more, and seldom during a world: it took a tenth
    of the time.
    """
    set_level("ERROR")
    globalLogBeginner.beginLoggingTo([], redirectStandardIO=False)
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AT, 20, 1000)


def one(options: argparse.Namespace) -> int:
    """Run one world; returns the exit status."""
    world = World.of(options.seed, options.more)
    say(f"world {options.seed}: {world.kind}")
    ran = world.run(say if options.trace or options.bytes else None, tell_bytes=options.bytes)
    totals = Totals()
    totals.add(options.seed, ran, len(world.steps))
    if options.shrink and totals.findings:
        tell(totals.findings[0], options.more)
    return report(totals, options.more)


def hunt(options: argparse.Namespace, first: int) -> Totals:
    """Run worlds from this seed on, until the time is over or there are as many as asked for."""
    totals = Totals()
    end = time.perf_counter() + 60 * options.minutes
    pieces = iter(pieces_of(first, options.count))
    with ProcessPoolExecutor(options.jobs, get_context("spawn"), initializer=quiet) as processes:
        running: set[Future[Totals]] = set()
        while True:
            while len(running) < 2 * options.jobs and (
                options.count is not None or time.perf_counter() < end
            ):
                piece = next(pieces, None)
                if piece is None:
                    break
                running.add(processes.submit(run, piece, options.more))
            if not running:
                return totals
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for each in done:
                some = each.result()
                totals.join(some)
                for finding in some.findings:
                    say(finding.line())


def pieces_of(first: int, most: int | None) -> Iterator[range]:
    """The seeds, in pieces for a process."""
    for start in count(first, _AT_ONCE):
        stop = start + _AT_ONCE if most is None else min(start + _AT_ONCE, first + most)
        if stop <= start:
            return
        yield range(start, stop)


def run(seeds: range, more: str = "") -> Totals:
    """Run the worlds of these seeds; `more`: an act of which they have much."""
    totals = Totals()
    for seed in seeds:
        world = World.of(seed, more)
        totals.add(seed, world.run(), len(world.steps))
        gc.collect()
    return totals


def tell(finding: Finding, more: str) -> None:
    """Tell the shortest world in which the same is wrong, as a story and as a test can hold it."""
    world = shrink(World.of(finding.seed, more), (finding.check, finding.kind))
    say(f"\n{finding.line()}")
    say(f"the same in {len(world.steps)} steps, {world.kind.nodes} nodes:")
    world.run(say)
    say(literal(world))


def added_up(files: list[Path]) -> Totals:
    """The accounts in these files, one a line, in one."""
    totals = Totals()
    for path in files:
        for line in path.read_bytes().splitlines():
            # msgspec knows no Counter.
            counted = msgspec.json.decode(line, type=Totals, dec_hook=lambda kind, said: kind(said))
            totals.join(counted)
    return totals


def report(totals: Totals, more: str = "") -> int:
    """Print the account, and in the end what was wrong; returns the exit status."""
    for line in totals.lines():
        say(line)
    first = totals.first_of_each_kind()
    others = [each for each in totals.findings if each not in first]
    if len(totals.findings) > _LAST:
        say(f"{_LAST} of {len(totals.findings)} findings:")
    for each in [*first, *others][:_LAST]:
        say(f"{each.line()}\n    {each.replay(more)}")
    return 1 if totals.findings or totals.missing() else 0


def say(line: str) -> None:
    """One line, and no surprise for the terminal."""
    sys.stdout.write(line.encode("ascii", "backslashreplace").decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

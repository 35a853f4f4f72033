"""All benchmarks, or those that are named, beside the same work done by simpler programs.

    python -m benchmarks                         takes many minutes
    python -m benchmarks --quick                 rougher figures, sooner
    python -m benchmarks messages start          only these
    python -m benchmarks --json results.json     for `python -m benchmarks.plot`

Each row shows a figure for every program, and p2pchat's divided by each of the others': below 1
it costs less. Needs Linux, for the kernel's account of CPU time and memory. Redis takes part when
redis-server is installed; ten thousand peers need `ulimit -n 21000`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from pathlib import Path

from benchmarks import (
    cluster,
    connections,
    events,
    fanout,
    light,
    long_line,
    messages,
    operations,
    registrations,
    start,
)
from benchmarks.measuring import Report

BENCHMARKS = {
    "messages": messages.run,
    "fanout": fanout.run,
    "connections": connections.run,
    "rendezvous": registrations.run,
    "operations": operations.run,
    "cluster": cluster.run,
    "events": events.run,
    "start": start.run,
    "light": light.run,
    "line": long_line.run,
}


def main() -> None:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    unknown = {*options.names} - {*BENCHMARKS}
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    print(f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores")
    report = Report()
    for name in options.names or BENCHMARKS:
        BENCHMARKS[name](report, quick=options.quick)
    if options.json is not None:
        options.json.write_text(json.dumps(report.rows, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""What an administrator's options cost a REGISTER: all of them, and PROXY headers, beside none.

python -m benchmarks operations
P2PCHAT_BEFORE=/path/to/another/checkout python -m benchmarks operations
"""

from __future__ import annotations

import os
import struct
import sys
import tempfile
from pathlib import Path

from benchmarks.measuring import LOOPBACK, OURS, Program, Report, free_port, in_turn, running
from benchmarks.registrations import ask, asking, register

NOTHING, BEFORE = "no option", "before"
HEADER = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes([198, 51, 100, 7, 192, 0, 2, 1])
HEADER += struct.pack("!HH", 40_000, 8080)
NAMES = 1_000


def server(name: str, *options: str, checkout: str = "") -> Program:
    """One that runs on loopback, from another checkout if one is named."""
    port = free_port()
    code = f"import sys; sys.path.insert(0, {checkout!r}); sys.argv[0] = 'p2pchat-rendezvous'\n"
    code += "from p2pchat.service.rendezvous import main; sys.exit(main())"
    words = [sys.executable, "-c", code, "--port", str(port), "--interface", LOOPBACK, *options]
    return Program(name, words, port)


def run(report: Report, *, quick: bool) -> None:
    """All of it."""
    rounds, count = (3, 1_000) if quick else (11, 3_000)
    again = [register(number % NAMES) for number in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "c.json").write_text('{"logging": {"format": "json", "level": "WARNING"}}')
        everything = ["--config", f"{folder}/c.json", "--control", f"{folder}/s"]
        everything += ["--metrics", str(free_port())]
        before = os.environ.get("P2PCHAT_BEFORE", "")
        other = server(BEFORE, "--log-level", "WARNING", checkout=before) if before else None
        nothing = server(NOTHING, "--log-level", "WARNING")
        with running(server(OURS, *everything), nothing, other) as programs:
            for program in programs:
                ask(program.port, map(register, range(NAMES)))
            figures = in_turn(programs, rounds, asking(again))
            report.add("Operations", "REGISTER, all options", "us CPU", figures)
            if BEFORE in figures:
                these = {OURS: figures[NOTHING], BEFORE: figures[BEFORE]}
                report.add("Operations", "REGISTER, no option", "us CPU", these)
    options = ["--proxy-protocol", LOOPBACK, "--connections-per-minute", "0"]
    options += ["--registrations-per-address", "0", "--log-level", "WARNING"]
    passed_on = server(OURS, *options)
    with running(passed_on, server(NOTHING, "--log-level", "WARNING")) as programs:

        def measure(program: Program) -> float:
            header = HEADER if program is passed_on else b""
            return asking([header + line for line in again])(program)

        for program in programs:
            measure(program)
        figures = in_turn(programs, rounds, measure)
        report.add("Operations", "REGISTER, PROXY header", "us CPU", figures)

"""From the start of a process, with its bytecode, until it answers HELLO."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from unittest.mock import patch

from benchmarks.measuring import Figures, Peer, Report, chat, plain


def run(report: Report, *, quick: bool) -> None:
    """All of it.

    Where Python may keep no bytecode, nearly half of a start would be the compiling of our modules.
    The first round, which does not count, keeps it.
    """
    with tempfile.TemporaryDirectory() as kept, patch.dict(os.environ, PYTHONPYCACHEPREFIX=kept):
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        _measure(report, 4 if quick else 12)


def _measure(report: Report, rounds: int) -> None:
    walls: Figures = {}
    cpus: Figures = {}
    for number in range(rounds):
        for make in (chat, plain):
            program = make()
            answered = False
            while not answered:
                with contextlib.suppress(OSError):
                    Peer(program.port).socket.close()
                    answered = True
                time.sleep(0.001)
            wall, cpu = time.perf_counter() - program.started, program.cpu()
            program.stop()
            if number:
                walls.setdefault(program.name, []).append(wall * 1e3)
                cpus.setdefault(program.name, []).append(cpu * 1e3)
    report.add("Start", "until HELLO is answered", "ms", walls)
    report.add("Start", "until HELLO is answered", "ms CPU", cpus)

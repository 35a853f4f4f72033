"""SEND: a flood, with answers in windows, and one at a time; and how the cost grows with size."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable

from benchmarks.measuring import Peer, Program, Report, chat, in_turn, message, plain, running, text

SIZES = (10, 100, 1_000, 10_000)


def flood(count: int, size: int = 20) -> Callable[[Program], float]:
    """Measures microseconds of CPU a message that wants no ACK; the last one's ACK ends it."""

    def measure(program: Program) -> float:
        peer = Peer(program.port)
        lines = b"".join(message(text(size), ack=False) for _ in range(count))
        before = program.cpu()
        peer.socket.sendall(lines + message("last", ack=True))
        peer.read(1)
        peer.socket.close()
        return (program.cpu() - before) / count * 1e6

    return measure


def windows(count: int, width: int) -> Callable[[Program], float]:
    """Measures microseconds of CPU a message and its ACK, `width` of them in flight."""

    def measure(program: Program) -> float:
        peer = Peer(program.port)
        lines = [message(text(20), ack=True) for _ in range(count)]
        before = program.cpu()
        peer.socket.sendall(b"".join(lines[:width]))
        sent, answered = width, 0
        while answered < count:
            more = peer.read(1).count(b"\n")
            answered += more
            peer.socket.sendall(b"".join(lines[sent : sent + more]))
            sent += more
        peer.socket.close()
        return (program.cpu() - before) / count * 1e6

    return measure


def one_at_a_time(count: int) -> Callable[[Program], float]:
    """Measures the median microseconds from a SEND to its ACK."""

    def measure(program: Program) -> float:
        peer, times = Peer(program.port), []
        for line in [message(text(20), ack=True) for _ in range(count)]:
            start = time.perf_counter()
            peer.socket.sendall(line)
            peer.socket.recv(65_536)
            times.append(time.perf_counter() - start)
        peer.socket.close()
        return statistics.median(times) * 1e6

    return measure


def run(report: Report, *, quick: bool) -> None:
    """All of it."""
    count, rounds = (4_000, 3) if quick else (20_000, 7)
    section = "Messages"
    with running(chat(), plain()) as programs:
        unit = "us CPU a message"
        report.add(section, "SEND, flood", unit, in_turn(programs, rounds, flood(5 * count)))
        report.add(
            section, "SEND+ACK, 64 in flight", unit, in_turn(programs, rounds, windows(count, 64))
        )
        for size in SIZES:
            measure = flood(min(5 * count, 20_000_000 // (size + 150)), size)
            report.add(
                "Message size",
                f"SEND of {size:,} bytes",
                unit,
                in_turn(programs, rounds, measure),
                size,
            )
    with running(chat(history=True), plain()) as programs:
        what = "SEND+ACK, 64 in flight, kept"
        report.add(section, what, unit, in_turn(programs, rounds, windows(count // 2, 64)))
    # On one core, or the waking of the other one is most of what is measured.
    cores = os.sched_getaffinity(0)
    core = min(cores)
    with running(chat(core=core), plain(core=core)) as programs:
        os.sched_setaffinity(0, {core})
        try:
            figures = in_turn(programs, 2 * rounds, one_at_a_time(count // 10))
        finally:
            os.sched_setaffinity(0, cores)
        report.add(section, "SEND+ACK, one at a time", "us, median", figures)

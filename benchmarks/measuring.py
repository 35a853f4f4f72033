"""What all benchmarks share: programs under test, a peer that drives them, figures and tables.

Rules: programs are measured in turn within each round, and what counts is the ratio of two of
them in one round: the absolute figures of a machine that does other things mean little. CPU time
is the kernel's own account of a program's threads.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOOPBACK = "127.0.0.1"
OURS, PLAIN, REDIS = "p2pchat", "plain Twisted", "Redis"
NAMESPACE = "bench"
Figures = dict[str, list[float]]
"""Program -> a figure a round."""


class Program:
    """A process under test, which listens on `port`. Its input stays open; see `feed`.

    `output` is a descriptor for what it says, to nobody if it is left out.
    """

    def __init__(
        self,
        name: str,
        words: Sequence[str],
        port: int,
        core: int | None = None,
        *,
        output: int = subprocess.DEVNULL,
    ) -> None:
        self.name, self.port = name, port
        self._home = tempfile.mkdtemp(prefix="p2pchat-bench-")
        folders = dict.fromkeys(("XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"), self._home)
        self.started = time.perf_counter()
        self._process = subprocess.Popen(
            words,
            cwd=ROOT,
            env={**os.environ, **folders},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            preexec_fn=None if core is None else lambda: os.sched_setaffinity(0, {core}),
        )

    def ready(self, timeout: float = 30.0) -> Program:
        """Wait until it listens; returns itself."""
        until = time.monotonic() + timeout
        while time.monotonic() < until and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, self.port)):
                return self
            time.sleep(0.005)
        raise SystemExit(f"{self.name} does not listen: {self._process.args!r}")

    def feed(self, data: bytes) -> None:
        """Write to its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.write(data)
        self._process.stdin.flush()

    def cpu(self) -> float:
        """Seconds of CPU time that its threads have used."""
        total = 0
        for thread in Path(f"/proc/{self._process.pid}/task").iterdir():
            with contextlib.suppress(OSError):
                total += int((thread / "schedstat").read_text().split()[0])
        return total / 1e9

    def memory(self) -> int:
        """Bytes of memory that are its own."""
        for line in Path(f"/proc/{self._process.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
        return 0

    def stop(self) -> None:
        """End it."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        shutil.rmtree(self._home, ignore_errors=True)


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def chat(*more: str, history: bool = False, core: int | None = None) -> Program:
    """A node of ours, with no limit on a peer's rate and a directory of its own, and `more`."""
    port, options = free_port(), ["--peer-rate", "0", "--control", "off", "--log-level", "WARNING"]
    options += ["--max-handshakes", "20000", "--local-port", str(free_port())]
    options += ["--port", str(port), "--name", "bob", "--namespace", NAMESPACE, "--stay"]
    if not history:
        options += ["--history", "none"]
    return Program(OURS, [sys.executable, "-m", "p2pchat", *options, *more], port, core)


def plain(kind: str = "peer", core: int | None = None) -> Program:
    """What a first attempt with Twisted's LineReceiver and json looks like."""
    port = free_port()
    words = [sys.executable, "-m", "benchmarks.plain", kind, str(port)]
    return Program(PLAIN, words, port, core)


def bare_tls() -> Program:
    """What `ssl` itself needs for an encrypted link."""
    port = free_port()
    return Program("bare TLS", [sys.executable, "-m", "benchmarks.bare_tls", str(port)], port)


def redis() -> Program | None:
    """A Redis server without persistence, if one is installed."""
    path, port = shutil.which("redis-server"), free_port()
    if path is None:
        return None
    words = [path, "--port", str(port), "--bind", LOOPBACK, "--save", "", "--appendonly", "no"]
    return Program(REDIS, words, port)


@contextlib.contextmanager
def running(*programs: Program | None) -> Iterator[list[Program]]:
    """The programs that there are, ready; they end with the block."""
    present = [program for program in programs if program is not None]
    try:
        yield [program.ready() for program in present]
    finally:
        for program in present:
            program.stop()


# ---------------------------------------------------------------- lines of the protocol


def line(**fields: Any) -> bytes:
    """One line of JSON; `kind` is the type."""
    fields = {"type": fields.pop("kind"), **fields}
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def hello(peer_id: str) -> bytes:
    """The first line of a peer of our kind."""
    return line(kind="HELLO", peer_id=peer_id, version="1.0", features=[], ttl=1, agent="bench")


def message(payload: str, *, ack: bool, dst: str = f"bob@{NAMESPACE}") -> bytes:
    """A SEND with an id of its own."""
    return line(
        kind="SEND",
        msg_id=str(uuid.uuid4()),
        src=f"alice@{NAMESPACE}",
        dst=dst,
        payload=payload,
        require_ack=ack,
        ttl=1,
    )


def text(size: int) -> str:
    """About `size` bytes of UTF-8, some of them not ASCII, as in a conversation."""
    words = "Olá, tudo bem? "
    return (words * (size // len(words) + 1)).encode()[:size].decode(errors="ignore")


class Peer:
    """A connection that said HELLO and was answered; `socket` blocks."""

    def __init__(
        self, port: int, peer_id: str = f"alice@{NAMESPACE}", *, source: str = LOOPBACK
    ) -> None:
        self.socket = socket.create_connection((LOOPBACK, port), 60, (source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.begin()
        self.socket.sendall(self.seal(hello(peer_id)))
        self.read(1)

    def begin(self) -> None:
        """What comes before HELLO: nothing."""

    def seal(self, data: bytes) -> bytes:
        """What is to be sent for these lines: they themselves."""
        return data

    def open(self, data: bytes) -> bytes:
        """The lines in what was read: all of it."""
        return data

    def read(self, lines: int) -> bytes:
        """Read until so many lines have come; returns them."""
        data = b""
        while lines > data.count(b"\n"):
            chunk = self.socket.recv(262_144)
            if not chunk:
                raise SystemExit("the program closed the connection")
            data += self.open(chunk)
        return data


# ---------------------------------------------------------------- figures


def in_turn(
    programs: Sequence[Program], rounds: int, measure: Callable[[Program], float]
) -> Figures:
    """`measure` each program in each round; one more round before them warms up."""
    figures: Figures = {program.name: [] for program in programs}
    for number in range(rounds + 1):
        for program in programs:
            figure = measure(program)
            if number:
                figures[program.name].append(figure)
    return figures


class Report:
    """Collects rows, and prints each as it comes."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self._section = ""

    def add(self, section: str, what: str, unit: str, figures: Figures, at: int = 0) -> None:
        """One row: medians, and how ours compares with the others, round by round.

        `at` is what the row's cost is a function of, for the plot.
        """
        if section != self._section:
            self._section = section
            print(f"\n{section}")
        medians = {name: statistics.median(values) for name, values in figures.items() if values}
        ratios = {
            name: statistics.median(a / b for a, b in zip(figures[OURS], values, strict=True) if b)
            for name, values in figures.items()
            if name != OURS and any(values)
        }
        row = {"section": section, "what": what, "unit": unit, "at": at}
        self.rows.append({**row, "medians": medians, "ratios": ratios})
        cells = [f"{name} {_short(value)}" for name, value in medians.items()]
        cells += [f"{ratio:.2f}x {name}" for name, ratio in ratios.items()]
        print(f"  {f'{what}, {unit}':44} {' | '.join(cells)}", flush=True)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"

"""The full console as a program of a terminal: its start, and what it costs while nothing happens.

Each program has a pty of 80 x 24 and a folder that an earlier start has filled. The start ends when
a key is on the screen that was pressed as soon as the terminal had stopped to echo by itself.
Beside ours stand what it cannot do without, Twisted's reactor and prompt_toolkit, only imported,
and WeeChat where that is installed. "With a peer" is the same node, linked with another one.
Without a rendezvous elsewhere, a node has its machine's own, which is asked every three seconds.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.measuring import LOOPBACK, NAMESPACE, OURS, ROOT, Figures, Report, free_port

IMPORTS, WEECHAT, WITH_PEER = "imports alone", "WeeChat", "with a peer"
ELSEWHERE = "with a rendezvous elsewhere"
KEY = b"^"
"""It is on no first screen, and in no sequence that one of them writes."""
PATIENCE = 60.0
AGAIN = 0.2
"""Seconds after which a key that was lost is pressed again."""
_RENDEZVOUS = "from p2pchat.service.rendezvous_start import main; main()"
_IMPORTS = (
    "from twisted.internet import asyncioreactor as a; a.install();"
    " import twisted.internet.reactor, prompt_toolkit; print(end='{key}', flush=True); input()"
)


class Terminal:
    """A program on a pty of its own."""

    def __init__(self, words: list[str], folder: str) -> None:
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        names = ("HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR")
        environ = {**os.environ, **dict.fromkeys(names, folder)}
        environ |= {"TERM": "xterm-256color", "LANG": "C.UTF-8"}
        self.started = time.perf_counter()
        self._process = subprocess.Popen(
            words,
            cwd=ROOT,
            env=environ,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)

    def until_a_key(self, *, pressed: bool = True) -> tuple[float, float]:
        """Wait until the key is shown, after it was `pressed`; seconds, and seconds of CPU time."""
        shown, again = b"", 0.0
        while KEY not in shown:
            now = time.perf_counter()
            if now > self.started + PATIENCE:
                raise SystemExit(f"no key is shown: {self._process.args!r} wrote {shown!r}")
            echo = termios.tcgetattr(self._master)[3] & termios.ECHO
            if pressed and not echo and now > again:
                os.write(self._master, KEY)
                again = now + AGAIN
            if select.select([self._master], [], [], 0.001)[0]:
                shown += os.read(self._master, 65_536)
        return time.perf_counter() - self.started, self.cpu()

    def written(self, seconds: float) -> int:
        """Read for so long; returns how many bytes came."""
        count, until = 0, time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if select.select([self._master], [], [], left)[0]:
                count += len(os.read(self._master, 65_536))
        return count

    def type(self, keys: str) -> None:
        """Press these keys."""
        os.write(self._master, keys.encode())

    def cpu(self) -> float:
        """Seconds of CPU time that its threads have used."""
        return sum(int((each / "schedstat").read_text().split()[0]) for each in self._tasks()) / 1e9

    def wakes(self) -> int:
        """How often its threads have waited for something that came."""
        lines = [line for it in self._tasks() for line in (it / "status").read_text().splitlines()]
        return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary"))

    def memory(self) -> int:
        """Bytes that are its own, and its share of what it has together with others (PSS)."""
        lines = Path(f"/proc/{self._process.pid}/smaps_rollup").read_text().splitlines()
        return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))

    def close(self) -> None:
        """End it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._master)

    def _tasks(self) -> Iterator[Path]:
        return Path(f"/proc/{self._process.pid}/task").iterdir()


def run(report: Report, *, quick: bool) -> None:
    """All of it."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as folder:
        _measure_starts(report, Path(folder), 3 if quick else 9)
        _measure_idling(report, Path(folder), 1 if quick else 3, 5.0 if quick else 15.0)
        _measure_keys(report, Path(folder))


def _ours(name: str = "bob", *, port: int | None = None) -> list[str]:
    local = str(port or free_port())
    words = ["--name", name, "--namespace", NAMESPACE, "--port", "0", "--local-port", local]
    return [sys.executable, "-m", "p2pchat", *words]


def _programs() -> dict[str, Callable[[str], list[str]]]:
    code = _IMPORTS.format(key=KEY.decode())
    made: dict[str, Callable[[str], list[str]]] = {
        OURS: lambda _: _ours(),
        IMPORTS: lambda _: [sys.executable, "-c", code],
    }
    if shutil.which("weechat") is not None:
        made[WEECHAT] = lambda folder: ["weechat", "--dir", f"{folder}/weechat"]
    return made


@contextlib.contextmanager
def _on(words: list[str], folder: Path) -> Iterator[Terminal]:
    folder.mkdir(exist_ok=True)
    terminal = Terminal(words, str(folder))
    try:
        yield terminal
    finally:
        terminal.close()


def _measure_starts(report: Report, folder: Path, rounds: int) -> None:
    walls: Figures = {}
    cpus: Figures = {}
    memories: Figures = {}
    for number in range(rounds + 1):
        for name, words in _programs().items():
            home = folder / name
            with _on(words(str(home)), home) as terminal:
                wall, cpu = terminal.until_a_key(pressed=name != IMPORTS)
                terminal.written(1.0)
                if number:
                    walls.setdefault(name, []).append(wall * 1e3)
                    cpus.setdefault(name, []).append(cpu * 1e3)
                    memories.setdefault(name, []).append(terminal.memory() / 2**20)
    report.add("Light", "until a key is shown", "ms", walls)
    report.add("Light", "until a key is shown", "ms CPU", cpus)
    report.add("Light", "memory a second later", "MiB PSS", memories)


def _measure_idling(report: Report, folder: Path, rounds: int, seconds: float) -> None:
    """While nothing happens, each program by itself, and ours with a peer."""
    cpus: Figures = {}
    wakes: Figures = {}
    programs = _programs()
    del programs[IMPORTS]
    for _ in range(rounds):
        for name in (*programs, WITH_PEER, ELSEWHERE):
            words = programs.get(name, programs[OURS])
            port = free_port()
            home = folder / name
            with contextlib.ExitStack() as stack:
                mine = words(str(home)) if name == WEECHAT else _ours(port=port)
                if name == ELSEWHERE:
                    mine += ["--rendezvous", f"{LOOPBACK}:{port}"]
                    server = [sys.executable, "-c", _RENDEZVOUS, "--port", str(port)]
                    stack.enter_context(_on(server, folder / "rendezvous")).written(3.0)
                terminal = stack.enter_context(_on(mine, home))
                terminal.until_a_key()
                if name == WITH_PEER:
                    peer = stack.enter_context(_on(_ours("carol", port=port), folder / "carol"))
                    peer.until_a_key()
                terminal.written(8.0)
                cpu, count = terminal.cpu(), terminal.wakes()
                terminal.written(seconds)
                cpus.setdefault(name, []).append((terminal.cpu() - cpu) / seconds * 100)
                wakes.setdefault(name, []).append((terminal.wakes() - count) / seconds)
    report.add("Light", "while nothing happens", "% of a core", cpus)
    report.add("Light", "while nothing happens", "wakes a second", wakes)


def _measure_keys(report: Report, folder: Path) -> None:
    """Twenty keys, one after the other."""
    counts: Figures = {}
    programs = _programs()
    del programs[IMPORTS]
    for name, words in programs.items():
        with _on(words(str(folder / name)), folder / name) as terminal:
            terminal.until_a_key()
            terminal.written(2.0)
            count = 0
            for key in "twenty keys are what":
                terminal.type(key)
                count += terminal.written(0.2)
            counts[name] = [float(count)]
    report.add("Light", "20 keys", "bytes", counts)

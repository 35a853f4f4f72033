"""Real programs for end-to-end tests: started, read line by line, signalled, and always ended.

Nothing sleeps: a test waits for a line of a program's output, or for its end. Ports are chosen by
the kernel; a program that listens says so in its log.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import Factory, ProcessProtocol, Protocol
from twisted.trial.unittest import TestCase

from tests.support.control_sockets import short_folder

reactor: Any = _reactor
ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


class Program(ProcessProtocol):
    """A running program. `output` is all that it wrote, standard error included."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.output = ""
        self.status: int | None = None
        self.ended: Deferred[int] = Deferred()
        self._waiting: list[tuple[re.Pattern[str], Deferred[re.Match[str]]]] = []

    def outReceived(self, data: bytes) -> None:
        self.output += data.decode("utf-8", "replace")
        self._look()

    errReceived = outReceived

    def processEnded(self, reason: Any) -> None:
        value = reason.value
        self.status = value.exitCode if value.exitCode is not None else -value.signal
        self._look()
        for pattern, waiting in self._waiting:
            waiting.errback(AssertionError(f"{self.name} ended before {pattern}: {self.output}"))
        self._waiting.clear()
        assert self.status is not None
        self.ended.callback(self.status)

    def expect(self, pattern: str, seconds: float = 20) -> Deferred[re.Match[str]]:
        """Fires with the match once the output holds `pattern`."""
        waiting: Deferred[re.Match[str]] = Deferred()
        self._waiting.append((re.compile(pattern, re.M), waiting))
        self._look()
        waiting.addTimeout(seconds, reactor, lambda _, __: self._never(pattern))
        return waiting

    def _never(self, pattern: str) -> re.Match[str]:
        raise AssertionError(f"{self.name} never wrote {pattern!r}, but:\n{self.output}")

    def _look(self) -> None:
        for pair in [*self._waiting]:
            match = pair[0].search(self.output)
            if match:
                self._waiting.remove(pair)
                pair[1].callback(match)

    def say(self, line: str) -> None:
        """Write a line to its standard input."""
        assert self.transport is not None
        self.transport.write(line.encode() + b"\n")

    def end_input(self) -> None:
        """Close its standard input."""
        assert self.transport is not None
        self.transport.closeStdin()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.transport is not None
        self.transport.signalProcess(int(number))


class ProcessCase(TestCase):
    """A test that runs programs in a folder of its own, and leaves none of them behind."""

    timeout = 60

    def setUp(self) -> None:
        # Not below trial's own folder: the name of a socket has about a hundred bytes, and what a
        # person reads about a file has not much room either.
        self.folder = Path(short_folder(self))
        self.runtime = short_folder(self)

    def start(
        self,
        name: str,
        *command: str,
        stdin: bool = True,
        terminal: bool = False,
        environ: Mapping[str, str] | None = None,
        fds: Mapping[int, int] | None = None,
    ) -> Program:
        """Start a program; without `stdin` it has no input at all.

        `environ` is put into its environment, `fds` maps its descriptors to ours.
        """
        program = Program(name)
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "XDG_STATE_HOME": str(self.folder.resolve() / "state"),
            "XDG_DATA_HOME": str(self.folder.resolve() / "data"),
            "XDG_RUNTIME_DIR": self.runtime,
            **(environ or {}),
        }
        null = os.open(os.devnull, os.O_RDONLY)
        usual = {0: "w" if stdin else null, 1: "r", 2: "r"}
        try:
            reactor.spawnProcess(
                program,
                command[0],
                command,
                environment,
                str(self.folder.resolve()),
                usePTY=terminal,
                **({} if terminal else {"childFDs": {**usual, **(fds or {})}}),
            )
        finally:
            os.close(null)
        self.addCleanup(self._end, program)
        return program

    def chat(self, name: str, *options: str, **how: Any) -> Program:
        """Start a chat that logs to its output; `how` is as in `start`."""
        command = [sys.executable, "-m", "p2pchat", "--name", name, "--port", "0"]
        command += ["--log-file", "-", *options]
        return self.start(name, *command, **how)

    async def rendezvous(self, *options: str) -> tuple[Program, int]:
        """Start a rendezvous server; returns it and its port."""
        command = [sys.executable, "-m", "p2pchat.service.rendezvous", "--interface", "127.0.0.1"]
        program = self.start("rendezvous", *command, "--port", "0", *options, stdin=False)
        match = await program.expect(r"Rendezvous listens on \S+:(\d+)")
        return program, int(match[1])

    async def port_of(self, program: Program) -> int:
        """The port on which a chat listens."""
        return int((await program.expect(r"listens on port (\d+)"))[1])

    def _end(self, program: Program) -> Deferred[int] | None:
        if program.status is not None:
            return None
        with contextlib.suppress(ProcessExitedAlready):
            program.signal(signal.SIGKILL)
        return program.ended


class LineServer(Protocol):
    """Answers each line by what the factory's `answer` returns for it, and keeps the lines."""

    factory: Any

    def connectionMade(self) -> None:
        self._tail = b""

    def dataReceived(self, data: bytes) -> None:
        *lines, self._tail = (self._tail + data).split(b"\n")
        for line in lines:
            self.factory.line_came(self, line)


class ScriptedServer(Factory):
    """A server in the test's own process: `lines` are all that came, in order."""

    noisy = False
    protocol = LineServer

    def __init__(self, answer: Any) -> None:
        self._answer = answer
        self.lines: list[bytes] = []

    def line_came(self, connection: Protocol, line: bytes) -> None:
        self.lines.append(line)
        reply = self._answer(line)
        assert connection.transport is not None
        if reply:
            connection.transport.write(reply)

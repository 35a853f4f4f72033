"""The rendezvous server as a program: the service made from its options, and running it."""

from __future__ import annotations

import io
import os
import signal
import sqlite3
import sys
from pathlib import Path
from typing import Any
from unittest import mock

from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase

from p2pchat.logs.levels import get_level, set_level
from p2pchat.rendezvous.client import RendezvousClient
from p2pchat.rendezvous.server import RendezvousService
from p2pchat.service import rendezvous as tap
from p2pchat.service.rendezvous_options import RendezvousOptions

reactor: Any = global_reactor
ROOT = Path(__file__).parents[2]


class ServiceTests(TestCase):
    timeout = 20

    def options(self, *words: str) -> RendezvousOptions:
        options = RendezvousOptions()
        options.parseOptions(["--port", "0", "--interface", "127.0.0.1", *words])
        return options

    def client(self, service: Any) -> RendezvousClient:
        (server,) = [each for each in service if isinstance(each, RendezvousService)]
        return RendezvousClient(reactor, "127.0.0.1", server.port)

    async def test_a_restart_keeps_registrations(self) -> None:
        words = ("--database", self.mktemp(), "--max-registrations", "1")
        first = tap.makeService(self.options(*words))
        first.startService()
        await self.client(first).register("CIC", "alice", 4000, 60)
        await first.stopService()
        second = tap.makeService(self.options(*words))
        second.privilegedStartService()
        second.startService()
        self.addCleanup(second.stopService)
        (peer,) = await self.client(second).discover(None)
        self.assertEqual(peer.peer_id, "alice@CIC")

    async def test_a_taken_port(self) -> None:
        first = tap.makeService(self.options())
        first.startService()
        self.addCleanup(first.stopService)
        port = self.client(first).address.partition(":")[2]
        with (
            mock.patch.object(sys, "stderr", io.StringIO()) as stderr,
            self.assertRaises(SystemExit) as left,
        ):
            tap.makeService(self.options("--port", port))
        self.assertEqual(left.exception.code, 1)
        sentence = f"port: cannot listen on 127.0.0.1:{port}: Address already in use\n"
        self.assertEqual(stderr.getvalue(), sentence)

    async def test_a_database_of_another_program(self) -> None:
        path = self.mktemp()
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE precious (x)")
        connection.close()
        with (
            mock.patch.object(sys, "stderr", io.StringIO()) as stderr,
            self.assertRaises(SystemExit) as left,
        ):
            tap.makeService(self.options("--database", path))
        self.assertEqual(left.exception.code, 2)
        self.assertIn("another program", stderr.getvalue())


class Child(ProcessProtocol):
    """A server as a process of its own; `port` fires when it listens, `ended` with its status."""

    def __init__(self) -> None:
        self.log = b""
        self.port: Deferred[int] = Deferred()
        self.ended: Deferred[int] = Deferred()

    def errReceived(self, data: bytes) -> None:
        self.log += data
        told = self.log.partition(b"listens on 127.0.0.1:")[2]
        if b"\n" in told and not self.port.called:
            self.port.callback(int(told.split()[0]))

    def processEnded(self, reason: Failure) -> None:
        status: Any = reason.value
        if not self.port.called:
            self.port.errback(AssertionError(self.log))
        self.ended.callback(status.exitCode)


class ProcessTests(TestCase):
    timeout = 30

    def spawn(self, *words: str) -> Child:
        child = Child()
        code = "import sys; from p2pchat.service.rendezvous import main; sys.exit(main())"
        arguments = [sys.executable, "-c", code, "--port=0", "--interface=127.0.0.1", *words]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        process = reactor.spawnProcess(child, sys.executable, arguments, environment)

        def kill() -> Deferred[int] | None:
            if child.ended.called:
                return None
            process.signalProcess("KILL")
            return child.ended

        self.addCleanup(kill)
        child.process = process  # type: ignore[attr-defined]
        return child

    async def test_sigterm_and_sigint_leave_with_status_0(self) -> None:
        path = os.path.abspath(self.mktemp())
        for number in (signal.SIGTERM, signal.SIGINT):
            child = self.spawn("--database", path)
            client = RendezvousClient(reactor, "127.0.0.1", await child.port)
            await client.register("CIC", f"p{number}", 4000, 60)
            child.process.signalProcess(number)  # type: ignore[attr-defined]
            self.assertEqual(await child.ended, 0)
            self.assertNotIn(b"Traceback", child.log)
            self.assertIn(b"INFO    [Rendezvous] Rendezvous stopped: 1 requests", child.log)
        connection = sqlite3.connect(path)
        self.addCleanup(connection.close)
        self.assertEqual(connection.execute("SELECT count(*) FROM registration").fetchone(), (2,))

    async def test_the_log_in_a_file(self) -> None:
        path = os.path.abspath(self.mktemp())
        child = self.spawn("--log-file", path, "--port", "-1")
        self.assertEqual(await child.ended, 2)
        self.failureResultOf(child.port)
        self.assertIn(b"port: expected", child.log)


class MainTests(SynchronousTestCase):
    """What `main` does around the reactor."""

    def test_logs_to_a_file_and_runs_until_told_to_stop(self) -> None:
        options = ["--port=0", "--interface=127.0.0.1", "--log-file=x.log"]
        service = mock.Mock()
        with (
            mock.patch.object(tap, "start_logging") as start_logging,
            mock.patch.object(tap, "makeService", return_value=service),
            mock.patch.object(reactor, "run") as run,
            mock.patch.object(reactor, "addSystemEventTrigger") as add,
        ):
            self.assertEqual(tap.main(options), 0)
        self.assertEqual(start_logging.call_args.args[1], "x.log")
        service.startService.assert_called_once_with()
        add.assert_called_once_with("before", "shutdown", service.stopService)
        run.assert_called_once_with()

    def test_logs_to_standard_error(self) -> None:
        from twisted.logger import globalLogBeginner

        self.addCleanup(set_level, get_level())
        with (
            mock.patch.object(globalLogBeginner, "beginLoggingTo") as begin,
            mock.patch.object(sys, "stderr", io.StringIO()) as stderr,
        ):
            tap._log_to_stderr("WARNING")
            _, observer = begin.call_args.args[0]
            from twisted.logger import LogLevel

            for level, text in ((LogLevel.warn, "seen"), (LogLevel.info, "unseen")):
                event = {
                    "log_level": level,
                    "log_format": text,
                    "log_namespace": "Rendezvous",
                    "log_time": 0.0,
                }
                observer(event)
        self.assertEqual(stderr.getvalue().count("\n"), 1)
        self.assertIn("WARNING [Rendezvous] seen", stderr.getvalue())

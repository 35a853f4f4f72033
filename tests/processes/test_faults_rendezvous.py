"""The rendezvous under load and through disasters: SIGKILL, damage, slow clients."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import socket
import sqlite3
import sys
from pathlib import Path
from typing import Any

from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from tests.support.processes import BIN, ProcessCase, Program, reactor


def ask(at: int, /, **fields: Any) -> dict[str, Any]:
    """One request over a socket of its own; blocks."""
    with socket.create_connection(("127.0.0.1", at), timeout=20) as connection:
        connection.sendall(json.dumps(fields).encode() + b"\n")
        reply = b""
        while data := connection.recv(1 << 20):
            reply += data
    answer: dict[str, Any] = json.loads(reply)
    return answer


class ServerCase(ProcessCase):
    async def serve(self, *options: str) -> tuple[Program, int]:
        command = [sys.executable, "-m", "p2pchat.service.rendezvous", "--interface", "127.0.0.1"]
        program = self.start("rendezvous", *command, "--port", "0", *options, stdin=False)
        port = int((await program.expect(r"Rendezvous listens on \S+:(\d+)"))[1])
        return program, port

    def stored(self) -> set[str]:
        with sqlite3.connect(self.folder / "r.db") as database:
            self.assertEqual(database.execute("PRAGMA integrity_check").fetchone(), ("ok",))
            return {name for (name,) in database.execute("SELECT name FROM registration")}


class DisasterTests(ServerCase):
    async def test_kill_9_during_writes_loses_the_last_batch_at_most(self) -> None:
        known: set[str] = set()
        counter = itertools.count()
        for _ in range(3):
            server, port = await self.serve("--database", "r.db")
            taken = await server.expect(r"Took over (\d+) registrations")
            self.assertEqual(int(taken[1]), len(known))
            acknowledged: list[tuple[float, str]] = []

            def register(port: int = port, said: list[tuple[float, str]] = acknowledged) -> None:
                for number in counter:  # until its server is killed
                    name = f"name{number}"
                    reply = ask(port, type="REGISTER", namespace="n", name=name, port=4000)
                    assert reply["status"] == "OK"
                    said.append((reactor.seconds(), name))

            writing = deferToThread(register)
            writing.addErrback(lambda failure: failure.trap(OSError, ValueError))
            begun = reactor.seconds()
            # Long enough for several batches, and a moment that has nothing to do with them.
            while len(acknowledged) < 250 or reactor.seconds() < begun + 1.5:
                self.assertFalse(writing.called, "it ended by itself")
                await deferLater(reactor, 0.002)
            killed = reactor.seconds()
            server.signal(signal.SIGKILL)
            await server.ended
            await writing
            # A batch is written 0.2 s after its first change, and may take a moment on a busy disk.
            safe = {name for at, name in acknowledged if at < killed - 1.0}
            found = self.stored()
            self.assertEqual((known | safe) - found, set())
            known = found
            self.assertFalse([*self.folder.glob("*damaged*")])
        self.assertGreater(len(known), 0)

    async def test_a_damaged_database_is_set_aside(self) -> None:
        server, port = await self.serve("--database", "r.db")
        for number in range(50):
            await deferToThread(
                ask, port, type="REGISTER", namespace="n", name=f"n{number}", port=1
            )
        server.signal(signal.SIGTERM)
        self.assertEqual(await server.ended, 0)
        self.assertEqual(len(self.stored()), 50)
        path = self.folder / "r.db"
        whole = path.read_bytes()
        path.write_bytes(whole[:100] + b"rubbish!" * 500 + whole[4100:])
        server, port = await self.serve("--database", "r.db")
        await server.expect("ERROR .*r.db is damaged: it is now called .*r.db.damaged-")
        self.assertEqual(len([*self.folder.glob("r.db.damaged-*")]), 1)
        reply = await deferToThread(ask, port, type="REGISTER", namespace="n", name="again", port=1)
        self.assertEqual(reply["status"], "OK")
        server.signal(signal.SIGTERM)
        self.assertEqual(await server.ended, 0)
        self.assertEqual(self.stored(), {"again"})
        self.assertNotIn("Traceback", server.output)

    async def test_a_disk_that_is_full(self) -> None:
        """The database cannot grow: the rendezvous serves from memory, and says so once."""
        words = [sys.executable, "-m", "p2pchat.service.rendezvous", "--interface", "127.0.0.1"]
        command = ["/bin/sh", "-c", 'ulimit -f 48; exec "$0" "$@"', *words, "--port", "0"]
        server = self.start("rendezvous", *command, "--database", "r.db", stdin=False)
        port = int((await server.expect(r"Rendezvous listens on \S+:(\d+)"))[1])

        def register() -> None:
            for number in range(800):
                name = f"{number:064}"
                reply = ask(port, type="REGISTER", namespace=name, name=name, port=4000)
                assert reply["status"] == "OK"

        await deferToThread(register)
        await server.expect("ERROR .*The database .* cannot be used")
        reply = await deferToThread(ask, port, type="DISCOVER")
        self.assertEqual(len(reply["peers"]), 800)
        server.signal(signal.SIGTERM)
        self.assertEqual(await server.ended, 0)
        self.assertEqual(server.output.count("cannot be used"), 1)
        self.assertNotIn("Traceback", server.output)


class BanTests(ServerCase):
    """The file of bans, and SIGHUP."""

    def ban(self, *lines: str) -> None:
        (self.folder / "bans").write_text("\n".join(lines))

    def register(self, port: int, name: str) -> Any:
        return deferToThread(ask, port, type="REGISTER", namespace="n", name=name, port=4000)

    async def check(self, server: Program, port: int) -> None:
        """From `mallory` banned to `eve` banned, and then to a file that is wrong."""
        self.assertEqual((await self.register(port, "mallory"))["message"], "banned")
        for name in ("eve", "bob"):
            self.assertEqual((await self.register(port, name))["status"], "OK")
        self.ban("# who is banned now", "eve@*")
        server.signal(signal.SIGHUP)
        await server.expect(r"Read \S+/bans: 1 registrations ended")
        listing = await deferToThread(ask, port, type="DISCOVER")
        self.assertEqual([peer["name"] for peer in listing["peers"]], ["bob"])
        self.assertEqual((await self.register(port, "mallory"))["status"], "OK")
        self.ban("eve")
        server.signal(signal.SIGHUP)
        await server.expect("ERROR .*bans: line 1: expected .*: the bans stay as they were")
        self.assertEqual((await self.register(port, "eve"))["message"], "banned")
        server.signal(signal.SIGTERM)
        self.assertIn(await server.ended, (0, -signal.SIGTERM))  # twistd ends by the signal
        self.assertNotIn("Traceback", server.output)

    async def test_sighup_reads_the_file_again(self) -> None:
        self.ban("mallory@n")
        await self.check(*await self.serve("--ban-file", "bans"))

    async def test_under_twistd_as_well(self) -> None:
        self.ban("mallory@n")
        command = [str(BIN / "twistd"), "-n", "--pidfile=", "p2pchat-rendezvous", "--port", "0"]
        options = ["--interface", "127.0.0.1", "--ban-file", "bans"]
        server = self.start("twistd", *command, *options, stdin=False)
        port = int((await server.expect(r"Rendezvous listens on \S+:(\d+)"))[1])
        await self.check(server, port)

    async def test_a_daemon_that_was_started_at_a_terminal(self) -> None:
        """It has left the terminal, which is no window that was closed."""
        self.ban("mallory@n")
        files = ["--pidfile", "pid", "--logfile", "log"]
        options = ["--port", "0", "--interface", "127.0.0.1", "--ban-file", "bans"]
        command = [str(BIN / "twistd"), *files, "p2pchat-rendezvous", *options]
        starter = self.start("twistd", *command, terminal=True)
        self.assertEqual(await starter.ended, 0)
        await self.appears(self.folder / "log", "listens on")
        pid = int((self.folder / "pid").read_text())
        self.addCleanup(self.end, pid)
        for number in range(2):
            self.ban(f"eve{number}@n")
            os.kill(pid, signal.SIGHUP)
            await self.appears(self.folder / "log", "registrations ended", number + 2)
        os.kill(pid, signal.SIGTERM)
        await self.appears(self.folder / "log", "Rendezvous stopped")

    async def appears(self, path: Path, words: str, times: int = 1) -> None:
        for _ in range(200):
            if path.exists() and path.read_text().count(words) >= times:
                return
            await deferLater(reactor, 0.05, lambda: None)
        self.fail(f"{words!r} is not in {path}")

    def end(self, pid: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    async def test_a_hang_up_while_it_starts(self) -> None:
        code = (
            "import os, signal, sys; from p2pchat.service import rendezvous_start;"
            "sys.modules['p2pchat.service.rendezvous'] = module = type(sys)('rendezvous');"
            "module.main = lambda: os.kill(os.getpid(), signal.SIGHUP) or 7;"
            "import p2pchat.service; p2pchat.service.rendezvous = module;"
            "sys.exit(rendezvous_start.main())"
        )
        server = self.start("rendezvous", sys.executable, "-c", code, stdin=False)
        self.assertEqual(await server.ended, 7)

    async def test_the_bans_hold_for_what_the_database_brings(self) -> None:
        server, port = await self.serve("--database", "r.db")
        for name in ("mallory", "bob"):
            await self.register(port, name)
        server.signal(signal.SIGTERM)
        await server.ended
        self.ban("mallory@*")
        server, port = await self.serve("--database", "r.db", "--ban-file", "bans")
        await server.expect("Took over 1 registrations")
        listing = await deferToThread(ask, port, type="DISCOVER")
        self.assertEqual([peer["name"] for peer in listing["peers"]], ["bob"])

    async def test_a_banned_address_hears_nothing(self) -> None:
        self.ban("127.0.0.0/8")
        server, port = await self.serve("--ban-file", "bans")
        with self.assertRaises((OSError, ValueError)):
            await self.register(port, "bob")
        await server.expect("Banned: 127.0.0.1 is turned away")

    async def test_a_file_that_cannot_be_used_ends_the_start(self) -> None:
        self.ban("mallory")
        for name, words in (("bans", "bans: line 1: expected"), ("gone", "gone: cannot be read")):
            command = [sys.executable, "-m", "p2pchat.service.rendezvous", "--port", "0"]
            server = self.start("rendezvous", *command, "--ban-file", name, stdin=False)
            self.assertEqual(await server.ended, 2)
            self.assertRegex(server.output, f"^ban-file: .*{words}.*\n$")

    async def test_without_a_file_it_stays_and_its_log_is_reopened(self) -> None:
        server, port = await self.serve("--log-file", "-")
        server.signal(signal.SIGHUP)
        self.assertEqual((await self.register(port, "bob"))["status"], "OK")
        server.signal(signal.SIGTERM)
        self.assertEqual(await server.ended, 0)

    async def test_a_window_that_is_closed_ends_it(self) -> None:
        command = [sys.executable, "-m", "p2pchat.service.rendezvous", "--interface", "127.0.0.1"]
        server = self.start("rendezvous", *command, "--port", "0", terminal=True)
        await server.expect("Rendezvous listens on")
        server.signal(signal.SIGHUP)
        await deferLater(reactor, 0.2)
        self.assertIsNone(server.status)
        assert server.transport is not None
        server.transport.loseConnection()
        self.assertEqual(await server.ended, 0)


class SlowTests(ServerCase):
    async def test_slow_clients_keep_nobody_out(self) -> None:
        server, port = await self.serve("--max-connections", "100", "--idle-timeout", "30")
        slow = []
        for _ in range(400):
            one = socket.socket()
            one.setblocking(False)
            self.addCleanup(one.close)
            with contextlib.suppress(BlockingIOError):
                one.connect(("127.0.0.1", port))
            slow.append(one)
        await deferLater(reactor, 0.1)
        for one in slow:
            with contextlib.suppress(OSError):
                one.send(b'{"type":')
        started = reactor.seconds()
        reply = await deferToThread(ask, port, type="REGISTER", namespace="n", name="a", port=1)
        self.assertEqual(reply["status"], "OK")
        self.assertLess(reactor.seconds() - started, 15)
        assert server.transport is not None
        open_files = len(os.listdir(f"/proc/{server.transport.pid}/fd"))
        self.assertLess(open_files, 100 + 100 + 17 + 30)
        server.signal(signal.SIGTERM)
        self.assertEqual(await server.ended, 0)

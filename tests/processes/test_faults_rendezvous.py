"""The rendezvous under load and through disasters: many names, SIGKILL, damage, slow clients."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import socket
import sqlite3
import sys
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.rendezvous import requests
from p2pchat.rendezvous.answers import Answers
from p2pchat.rendezvous.registry import Registry
from tests.support.processes import ProcessCase, Program, reactor


def ask(at: int, /, **fields: Any) -> dict[str, Any]:
    """One request over a socket of its own; blocks."""
    with socket.create_connection(("127.0.0.1", at), timeout=20) as connection:
        connection.sendall(json.dumps(fields).encode() + b"\n")
        reply = b""
        while data := connection.recv(1 << 20):
            reply += data
    answer: dict[str, Any] = json.loads(reply)
    return answer


class TenThousandTests(SynchronousTestCase):
    """Ten thousand registrations of as many names, without a socket."""

    def setUp(self) -> None:
        self.now = 1000.0
        self.registry = Registry()
        self.answers = Answers(self.registry, lambda: self.now)

    def ask(self, ip: str, **fields: Any) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.answers.reply(json.dumps(fields).encode(), ip))
        return answer

    def test_all_are_listed_renewed_and_forgotten(self) -> None:
        for number in range(10_000):
            reply = self.ask(
                f"10.0.{number // 250}.{number % 250}",
                type="REGISTER",
                namespace=f"ns{number % 10}",
                name=f"name{number}",
                port=4000,
                ttl=60 if number % 2 else 7200,
            )
            self.assertEqual(reply["status"], "OK")
        self.assertEqual(len(self.registry), 10_000)
        self.assertEqual(len(self.ask("10.0.0.0", type="DISCOVER")["peers"]), 10_000)
        listed = self.ask("10.0.0.0", type="DISCOVER", namespace="ns3")["peers"]
        self.assertEqual({peer["namespace"] for peer in listed}, {"ns3"})
        self.now += 61
        self.assertEqual(len(self.ask("10.0.0.0", type="DISCOVER")["peers"]), 5_000)
        for number in range(0, 10_000, 2):
            self.ask(
                f"10.0.{number // 250}.{number % 250}",
                type="UNREGISTER",
                namespace=f"ns{number % 10}",
                name=f"name{number}",
            )
        self.assertEqual(len(self.registry), 0)
        # Nothing of them is left: no namespace, no address, and soon no entry of the expiry heap.
        self.assertEqual((self.registry._namespaces, self.registry._addresses), ({}, {}))
        self.now += 90_000
        self.registry.expire(self.now)
        self.assertEqual(self.registry._expiry, [])

    def test_one_that_renews_for_ever_grows_nothing(self) -> None:
        for _ in range(20_000):
            self.now += 0.1
            self.registry.register("10.0.0.1", "n", "a", 4000, 86_400, self.now)
        self.assertLess(len(self.registry._expiry), 2000)


ODD: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.text(max_size=70),
    st.sampled_from(
        ["", "4000", " 4_000 ", "x" * 64, "x" * 65, "\ud800", "\x00", 0, 65_535, 65_536]
    ),
    st.lists(st.none(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.none(), max_size=1),
)


class RequestTableTests(SynchronousTestCase):
    """Every field of every request of the protocol's table, with anything in it or nothing."""

    @given(
        kind=st.sampled_from(["REGISTER", "register", "DISCOVER", "UNREGISTER", " DISCOVER", "X"]),
        fields=st.fixed_dictionaries(
            {}, optional=dict.fromkeys(("namespace", "name", "port", "ttl"), ODD)
        ),
        known=st.booleans(),
    )
    def test_an_answer_in_one_line_and_the_registry_stays_whole(
        self, kind: str, fields: dict[str, Any], known: bool
    ) -> None:
        registry = Registry()
        answers = Answers(registry, lambda: 1000.0)
        if known:
            answers.reply(b'{"type":"REGISTER","namespace":"n","name":"a","port":1}', "10.0.0.1")
        line = json.dumps({"type": kind, **fields}).encode()
        reply = answers.reply(line, "10.0.0.1")
        self.assertEqual(reply.count(b"\n"), 1)
        self.assertIn(json.loads(reply)["status"], ("OK", "ERROR"))
        self.assertEqual(answers.failures, 0)
        for listed in registry:
            self.assertTrue(1 <= listed.port <= 65_535 and 1 <= listed.ttl <= 86_400)
            self.assertTrue(1 <= len(listed.name) <= 64 and 1 <= len(listed.namespace) <= 64)
        self.assertEqual(requests.parse(line), requests._parse_odd(line))


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

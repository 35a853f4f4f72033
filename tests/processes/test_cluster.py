"""Servers that share a registry, with real Redis, Sentinels and HAProxy, all of which die.

The files of `examples/cluster` are what is started, on other ports. Without the programs the tests
are skipped.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, ensureDeferred, gatherResults
from twisted.internet.endpoints import HostnameEndpoint, connectProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import SkipTest

from p2pchat.rendezvous.stores import redis
from p2pchat.rendezvous.stores.redis_address import redis_address
from tests.support.processes import ProcessCase, Program

reactor: Any = _reactor
CLUSTER = Path(__file__).parents[2] / "examples" / "cluster"


class _Ask(Protocol):
    """Says a line, collects the answer."""

    def __init__(self, request: bytes) -> None:
        self.request = request
        self.reply = b""
        self.done: Deferred[dict[str, Any]] = Deferred()

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(self.request)

    def dataReceived(self, data: bytes) -> None:
        self.reply += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.done.callback(json.loads(self.reply) if self.reply.endswith(b"\n") else {})


async def ask(at: int, kind: str, ip: str = "127.0.0.1", **fields: Any) -> dict[str, Any]:
    """The answer, empty when there was none; asked from this address of the loopback network."""
    line = json.dumps({"type": kind, **fields}).encode() + b"\n"
    place = HostnameEndpoint(reactor, b"127.0.0.1", at, bindAddress=(ip, 0), timeout=5)
    try:
        protocol = await connectProtocol(place, _Ask(line))
        answer: dict[str, Any] = await protocol.done.addTimeout(10, reactor)
    except Exception:
        return {}
    return answer


async def register(port: int, name: str, ip: str = "127.0.0.1") -> bool:
    answer = await ask(port, "REGISTER", ip, namespace="CIC", name=name, port=4000)
    return answer.get("status") == "OK"


async def names(port: int, ip: str = "127.0.0.1") -> set[str]:
    """Who is listed; a refused DISCOVER fails the test."""
    answer = await ask(port, "DISCOVER", ip, namespace="CIC")
    if answer.get("status") != "OK":
        raise AssertionError(answer)
    return {entry["name"] for entry in answer["peers"]}


async def until(true: Callable[[], Awaitable[bool]], what: str, seconds: float = 15) -> None:
    """Wait for it."""
    end = reactor.seconds() + seconds
    while not await true():
        if reactor.seconds() > end:
            raise AssertionError(f"it never came true: {what}")
        await deferLater(reactor, 0.05)


class ClusterCase(ProcessCase):
    """What both tests start."""

    def setUp(self) -> None:
        super().setUp()
        needed = ["redis-server", "redis-cli", *self.programs]
        missing = [program for program in needed if shutil.which(program) is None]
        if missing or not redis.has_redis():
            raise SkipTest(f"not installed: {', '.join(missing) or 'txredisapi and hiredis'}")

    programs: tuple[str, ...] = ()
    timeout = 150

    def free_ports(self, count: int) -> list[int]:
        """Ports that nobody has: these programs cannot be told to take one."""
        sockets = [socket.socket() for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        ports = [each.getsockname()[1] for each in sockets]
        for each in sockets:
            each.close()
        return ports

    async def redis(self, name: str, port: int, *options: str) -> Program:
        command = ["redis-server", str(CLUSTER / "redis-1.conf"), "--port", str(port)]
        command += ["--dir", str(self.folder), "--appendonly", "no", *options]
        program = self.start(name, *command, stdin=False)
        await program.expect("Ready to accept connections")
        return program

    async def tell(self, port: int, *words: str) -> str:
        """What redis-cli prints."""
        program = self.start("redis-cli", "redis-cli", "-p", str(port), *words, stdin=False)
        await program.ended
        return program.output

    async def servers(self, count: int, *options: str) -> list[tuple[Program, int]]:
        started = gatherResults(
            [ensureDeferred(self.rendezvous(*options)) for _ in range(count)], consumeErrors=True
        )
        servers = [*await started]
        for program, _ in servers:
            await program.expect("Took over", 60)
        return servers


class RedisTests(ClusterCase):
    """Two servers, and one Redis to which everything happens."""

    async def test_whatever_happens_to_redis(self) -> None:
        (port,) = self.free_ports(1)
        between = await self.redis("redis", port)
        (a, at_a), (_, at_b) = await self.servers(2, "--shared", f"redis://127.0.0.1:{port}")
        sure: set[str] = set()

        async def more(at: int, count: int, prefix: str) -> None:
            answered = {f"{prefix}{n}" for n in range(count) if await register(at, f"{prefix}{n}")}
            self.assertEqual(len(answered), count, "none is refused")
            self.assertEqual(answered - await names(at), set(), "and all are listed there")
            sure.update(answered)

        async def same() -> bool:
            return sure <= await names(at_a) and sure <= await names(at_b)

        await more(at_a, 5, "first")
        await until(same, "both list all")
        between.signal(signal.SIGSTOP)
        await more(at_a, 2, "stopped-a")
        await more(at_b, 2, "stopped-b")
        between.signal(signal.SIGCONT)
        await until(same, "it went on")
        await self.tell(port, "FLUSHALL")
        await more(at_b, 2, "flushed")

        async def whole() -> bool:
            return int(await self.tell(port, "HLEN", "p2pchat:all")) == len(sure)

        await until(whole, "the hash is whole again")
        await self.tell(port, "CONFIG", "SET", "maxmemory", "1mb")
        await more(at_a, 2, "full")
        await self.tell(port, "CONFIG", "SET", "maxmemory", "0")
        await until(same, "there is room again")
        between.signal(signal.SIGKILL)
        await between.ended
        await more(at_a, 2, "killed-a")
        await more(at_b, 2, "killed-b")
        await self.redis("another redis", port)
        await until(same, "it was started again, empty")
        await until(whole, "and holds all")
        # A server dies while it registers: whatever it answered is known.
        asked = [ensureDeferred(register(at_a, f"last{n}")) for n in range(40)]

        def kill(answer: bool) -> bool:
            a.signal(signal.SIGKILL)
            return answer

        asked[20].addCallback(kill)
        answers = await gatherResults(asked)
        sure |= {f"last{n}" for n, ok in enumerate(answers) if ok}

        async def b_knows() -> bool:
            return sure <= await names(at_b)

        await until(b_knows, "nothing is lost")
        self.assertGreater(len([ok for ok in answers if ok]), 10)

    async def test_what_is_asked_of_it(self) -> None:
        (port,) = self.free_ports(1)
        await self.redis("redis", port)
        connection = redis.connect(redis_address(f"redis://127.0.0.1:{port}/1"), reactor)
        self.addCleanup(connection.close)
        self.assertEqual(await connection.call("SET", "a", "ã"), b"OK")
        replies = await connection.together([("GET", "a"), ("INCR", "n")])
        self.assertEqual(replies, ["ã".encode(), 1])
        for commands, reason in (
            ([("INCR", "n"), ("NONE", "n")], "unknown command"),
            ([("INCR", "n"), ("INCR", "a")], "not an integer"),
        ):
            with self.assertRaisesRegex(Exception, reason):
                await connection.together(commands)
        self.assertEqual(await connection.call("GET", "n"), b"2", "all or none, but for a fault")
        self.patch(redis, "_LONGEST", 1000)
        await connection.call("SET", "long", "x" * 2000)
        with self.assertRaisesRegex(redis.TooLongError, "more than 1000 bytes"):
            await connection.call("GET", "long")
        self.assertEqual(await connection.call("GET", "n"), b"2", "on another connection")


class SentinelTests(ClusterCase):
    """The whole cluster, as its files say."""

    programs = ("redis-sentinel", "haproxy")

    async def test_a_master_and_a_server_die_under_load(self) -> None:
        ports = self.free_ports(9)
        numbers = ["6379", "6380", "26379", "26380", "26381", "8081", "8082", "8083", "8080"]
        with_ports = dict(zip(numbers, map(str, ports), strict=True))

        def put(name: str) -> Path:
            """A file of the example, with these ports."""
            text = (CLUSTER / name).read_text()
            text = re.sub(
                r"\b(" + "|".join(numbers) + r")\b", lambda it: with_ports[it[0]], text
            ).replace("down-after-milliseconds p2pchat 2000", "down-after-milliseconds p2pchat 500")
            path = self.folder / name
            path.write_text(text)
            return path

        redises = []
        for name in ("redis-1.conf", "redis-2.conf"):
            command = ["redis-server", str(put(name)), "--appendonly", "no"]
            redises.append(self.start(name, *command, "--dir", str(self.folder), stdin=False))
        for each in redises:
            await each.expect("Ready to accept connections")
        await redises[1].expect("sync: Finished with success")
        sentinels = []
        for port in ports[2:5]:
            own = put("sentinel.conf").rename(self.folder / f"sentinel-{port}.conf")
            command = ["redis-sentinel", str(own), "--port", str(port)]
            sentinels.append(self.start("sentinel", *command, stdin=False))
        configuration = put("rendezvous.json")
        servers = []
        for port in ports[5:8]:
            command = [sys.executable, "-m", "p2pchat.service.rendezvous"]
            command += ["--config", str(configuration), "--port", str(port)]
            servers.append(self.start(f"server {port}", *command, stdin=False))
        for sentinel in sentinels:
            await sentinel.expect(r"\+sentinel.*(\n.*)*\+sentinel")
        for server in servers:
            await server.expect("Took over", 60)
        self.start("haproxy", "haproxy", "-db", "-f", str(put("haproxy.cfg")), stdin=False)
        entrance = ports[8]
        addresses = [f"127.0.0.{n}" for n in range(2, 14)]

        async def served() -> bool:
            return await register(entrance, "first", addresses[0])

        await until(served, "HAProxy serves")
        reply = await ask(
            entrance, "REGISTER", addresses[1], namespace="CIC", name="seen", port=4000
        )
        self.assertEqual(reply["ip"], addresses[1], "the client's address, not the balancer's")
        sure = {"first", "seen"}

        async def some(prefix: str) -> None:
            """One of each address, and a DISCOVER, which meets the server that the address does."""
            for n, ip in enumerate(addresses):
                name = f"{prefix}{n}"
                if await register(entrance, name, ip):
                    sure.add(name)
                    # Straight after a server was killed, the balancer may still send us there.
                    listing = await ask(entrance, "DISCOVER", ip, namespace="CIC")
                    if listing:
                        self.assertEqual(listing.get("status"), "OK", listing)

        await some("well")
        redises[0].signal(signal.SIGKILL)
        await some("failing-over")
        # What one server alone knows dies with it: it must have told the new master.
        await servers[1].expect("can be used again", 60)
        await some("failed-over")
        servers[1].signal(signal.SIGKILL)
        await some("killed")
        self.assertGreater(len(sure), 2 + 3 * len(addresses))

        async def all_know() -> bool:
            for ip in addresses:
                listing = await ask(entrance, "DISCOVER", ip, namespace="CIC")
                if not listing or not sure <= {entry["name"] for entry in listing["peers"]}:
                    return False
            return True

        await until(all_know, "whichever server is met lists all", 25)

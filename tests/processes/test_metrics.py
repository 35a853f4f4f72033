"""`/metrics` and `/healthz`, asked over a real connection on loopback."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from types import SimpleNamespace
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SkipTest, TestCase

from p2pchat.mesh.link.ports import CannotStartError
from p2pchat.node.figures import statistics
from p2pchat.node.stats import FigureKind, Statistics
from p2pchat.testing.directory import Fault
from p2pchat.testing.nodes import FakeTown

try:
    from p2pchat.service.metrics import MOST, MetricsPort, MetricsService, ill
except ImportError as why:
    if why.name != "prometheus_client":
        raise
    missing = True
else:
    missing = False

reactor: Any = _reactor


class Asking(Protocol):
    """Asks and keeps the whole answer."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._data = b""
        self.answer: Deferred[bytes] = Deferred()

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(self._request)

    def dataReceived(self, data: bytes) -> None:
        self._data += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.answer.callback(self._data)


class MetricsTests(TestCase):
    timeout = 20

    def setUp(self) -> None:
        if missing:
            raise SkipTest("prometheus_client is not installed")
        self.town = FakeTown(4)
        self.addCleanup(self.town.close)
        self.node = self.town.node("alice@CIC")
        self.bob = self.town.node("bob@CIC")
        self.town.run_until_meshed()
        self.service = MetricsService(reactor, self.node, "127.0.0.1", 0)

    def start(self) -> None:
        self.service.startService()
        self.addCleanup(self.service.stopService)

    async def ask(self, request: bytes) -> tuple[int, str]:
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self.service.port)
        asking = Asking(request)
        await connectProtocol(endpoint, asking)
        head, _, body = (await asking.answer).partition(b"\r\n\r\n")
        return int(head.split()[1]), body.decode()

    async def get(self, path: str) -> tuple[int, str]:
        request = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        return await self.ask(request.encode())

    async def test_every_figure_is_there(self) -> None:
        self.start()
        status, text = await self.get("/metrics")
        self.assertEqual(status, 200)
        for section in statistics(self.node).sections:
            for figure_name, figure in section.figures.items():
                name = f"p2pchat_{section.name}_{figure_name}"
                if figure.kind is FigureKind.COUNTER:
                    self.assertRegex(text, rf"(?m)^{name}_total \S+$")
                elif figure.kind is not FigureKind.TEXT:
                    self.assertRegex(text, rf"(?m)^{name} \S+$")
        self.assertIn("\np2pchat_links_open 1.0\n", text)
        self.assertRegex(text, r'p2pchat_program_info\{peer_id="alice@CIC",version="[\w.]+"\} 1.0')
        self.assertIn("# HELP p2pchat_links_open links whose handshake is done", text)

    async def test_prometheus_finds_no_fault(self) -> None:
        """The rules of `promtool check metrics`, and promtool itself where there is one."""
        self.start()
        _, text = await self.get("/metrics")
        for line in text.splitlines():
            self.assertNotRegex(line, r"^# (HELP|TYPE) \S+ *$")
        kinds = dict(re.findall(r"(?m)^# TYPE (\S+) (\S+)$", text))
        helped = re.findall(r"(?m)^# HELP (\S+) ", text)
        self.assertEqual(sorted(helped), sorted(kinds), "each has both, once")
        for name, kind in kinds.items():
            self.assertEqual(name.endswith("_total"), kind == "counter", name)
            self.assertNotRegex(name, "_(s|ms|us|ns|sec|b|kb|mb|gb|min|h|d)(_|$)", name)
        samples = re.findall(r"(?m)^(\w+(?:\{[^}]*\})?) \S+$", text)
        self.assertEqual(len(samples), len(set(samples)))
        if shutil.which("promtool") is not None:
            checked: Any = subprocess.run(
                ["promtool", "check", "metrics"], input=text, capture_output=True, text=True
            )
            self.assertEqual((checked.returncode, checked.stderr), (0, ""))

    async def test_histograms(self) -> None:
        self.start()
        self.node.send("bob@CIC", "oi")
        self.node.ping_all()
        self.town.run(1)
        _, text = await self.get("/metrics")
        for name in ("ack", "round_trip"):
            count = re.search(rf"(?m)^p2pchat_{name}_seconds_count (\S+)$", text)
            assert count is not None
            self.assertEqual(float(count[1]), 1)
        await self.service.stopService()  # type: ignore[misc]
        self.node.ping_all()
        self.town.run(1)
        self.assertNotIn(self.service.times, self.node.observers._observers)
        self.assertIsNone(self.service.stopService())

    async def test_health(self) -> None:
        self.start()
        self.assertEqual(await self.get("/healthz"), (200, "ok\n"))
        grant, self.node.presence.grant = self.node.presence.grant, None
        self.assertEqual((await self.get("/healthz"))[0], 503)
        self.assertIn("not registered", ill(self.node))
        self.town.rendezvous.fault = Fault.DEAD
        self.node.presence.register_anew()
        self.town.run(1)
        status, text = await self.get("/healthz")
        self.assertEqual(status, 503)
        self.assertIn("no connection", text)
        self.node.presence.grant = grant
        self.node.running = 0
        self.assertIn("not running", ill(self.node))
        self.node.running = 1
        failing: Any = SimpleNamespace(failing=True, why="the disk is full")
        self.node.history = failing
        self.assertEqual(ill(self.node), "messages are not kept: the disk is full")
        self.node.history = None

    async def test_what_else_is_asked(self) -> None:
        self.start()
        self.assertEqual((await self.get("/"))[0], 404)
        self.assertEqual((await self.get("/metrics/x"))[0], 200)
        head = await self.ask(b"HEAD /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        self.assertEqual(head, (200, ""))
        for more in (b"Content-Length: 7\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"):
            endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self.service.port)
            asking = Asking(b"POST /metrics HTTP/1.1\r\nHost: x\r\n" + more)
            await connectProtocol(endpoint, asking)
            # It is cut off before any of the body came.
            self.assertNotIn(b"200 OK", await asking.answer)

    async def test_a_port_that_is_taken(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            service = MetricsService(reactor, self.node, "127.0.0.1", port)
            self.assertRaisesRegex(
                CannotStartError, "cannot serve metrics .*in use", service.listen
            )

    async def test_one_that_never_started(self) -> None:
        self.service.listen()
        self.service.listen()
        await self.service.stopService()  # type: ignore[misc]


class HostileTests(TestCase):
    """Clients that a monitoring system is not; no node is needed."""

    timeout = 20

    def setUp(self) -> None:
        if missing:
            raise SkipTest("prometheus_client is not installed")
        self.asked = 0
        self.service = MetricsPort(reactor, "127.0.0.1", 0, self.statistics, lambda: "", self.odd)
        self.service.startService()
        self.addCleanup(self.service.stopService)

    def statistics(self) -> Statistics:
        self.asked += 1
        return Statistics([])

    def odd(self) -> list[str]:
        return ["shared: stale\x1b[2J for 7 s"]

    async def connected(self, request: bytes) -> Asking:
        asking = Asking(request)
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self.service.port)
        await connectProtocol(endpoint, asking)
        return asking

    async def test_a_thousand_requests_in_one_packet_are_one(self) -> None:
        asking = await self.connected(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 1000)
        self.assertEqual((await asking.answer).count(b"HTTP/1.1 200"), 1)
        self.assertEqual(self.asked, 1)

    async def test_the_slowest_give_way(self) -> None:
        slow = [await self.connected(b"GET /healthz HTTP/1.1\r\n") for _ in range(MOST)]
        asking = await self.connected(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        head, _, body = (await asking.answer).partition(b"\r\n\r\n")
        self.assertIn(b" 200 ", head)
        self.assertEqual(body, b"ok\nshared: stale\\x1b[2J for 7 s\n")
        self.assertEqual(await slow[0].answer, b"")
        self.assertFalse(slow[1].answer.called)
        for each in slow[1:]:
            transport: Any = each.transport
            transport.loseConnection()
        await gatherResults([each.answer for each in slow[1:]])

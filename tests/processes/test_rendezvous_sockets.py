"""The rendezvous over real sockets: what the kernel does with half a close, and with a storm."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import ClientFactory, Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from p2pchat.rendezvous.connection_limit import begin_small_batches
from p2pchat.rendezvous.limits import Limits
from p2pchat.rendezvous.server import RendezvousService

reactor: Any = global_reactor
DISCOVER = b'{"type":"DISCOVER","namespace":"a"}\n'
REGISTER = b'{"type":"REGISTER","namespace":"CIC","name":"alice","port":4000}\n'


@implementer(IHalfCloseableProtocol)
class Asking(Protocol):
    """Sends what it is given, maybe closes its half, and collects until the server closes."""

    def __init__(self, data: bytes, half_close: bool) -> None:
        self.data = data
        self.half_close = half_close
        self.received: list[bytes] = []
        self.done: Deferred[bytes] = Deferred()

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.write(self.data)
        if self.half_close:
            transport.loseWriteConnection()

    def dataReceived(self, data: bytes) -> None:
        self.received.append(data)

    def readConnectionLost(self) -> None:
        transport: Any = self.transport
        transport.loseConnection()

    def writeConnectionLost(self) -> None:
        pass

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.done.callback(b"".join(self.received))


class Slow(Asking):
    """Reads what there is, and then nothing for so many seconds."""

    def __init__(self, data: bytes, pause: float) -> None:
        super().__init__(data, half_close=False)
        self.pause = pause
        self.again: Any = None

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        super().connectionMade()

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        transport: Any = self.transport
        transport.pauseProducing()
        self.again = reactor.callLater(self.pause, transport.resumeProducing)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.wait_no_more()
        super().connectionLost(reason)

    def wait_no_more(self) -> None:
        if self.again is not None and self.again.active():
            self.again.cancel()


def ask(port: int, data: bytes, half_close: bool = False) -> Deferred[bytes]:
    asking = Asking(data, half_close)
    connect(port, asking)
    return asking.done


def connect(port: int, asking: Asking) -> None:
    factory = ClientFactory()
    factory.noisy = False
    factory.buildProtocol = lambda _: asking  # type: ignore[method-assign,assignment]
    reactor.connectTCP("127.0.0.1", port, factory)


class SocketTests(TestCase):
    timeout = 20

    def serve(self, **settings: Any) -> RendezvousService:
        service = RendezvousService(0, "127.0.0.1", **settings)
        service.startService()
        self.addCleanup(service.stopService)
        self.assertNotEqual(service.port, 0)
        return service

    def filled(self, **settings: Any) -> RendezvousService:
        service = self.serve(**settings)
        now = service.factory.monotonic()
        for i in range(20_000):
            service.registry.register("127.0.0.1", "a", f"peer{i:050}", 4000, 7200, now)
        return service

    async def test_half_closed_without_a_newline(self) -> None:
        port = self.serve().port
        self.assertIn(b'"OK"', await ask(port, REGISTER[:-1], half_close=True))
        self.assertIn(b"Empty request line", await ask(port, b"", half_close=True))

    async def test_an_answer_is_not_lost_to_a_client_that_keeps_sending(self) -> None:
        port = self.serve().port
        self.assertIn(b'"OK"', await ask(port, REGISTER + b"x" * 3_000_000, half_close=True))
        self.assertIn(b"line_too_long", await ask(port, b"x" * 3_000_000, half_close=True))

    async def test_a_long_listing_arrives_whole(self) -> None:
        reply = await ask(self.filled().port, DISCOVER)
        self.assertGreater(len(reply), 1_500_000)
        self.assertEqual(len(json.loads(reply)["peers"]), 20_000)

    async def test_a_long_listing_for_who_has_closed_its_half_or_sent_more(self) -> None:
        service = self.filled()
        for line in (DISCOVER[:-1], DISCOVER, DISCOVER + b"x" * 100_000):
            reply = await ask(service.port, line, half_close=True)
            self.assertEqual(len(json.loads(reply)["peers"]), 20_000)

    async def test_who_reads_nothing_is_cut_off_and_who_reads_slowly_is_not(self) -> None:
        """Ten seconds of the server's clock pass in one."""
        service = self.filled(monotonic=lambda: 10 * time.monotonic())
        slow, silent = Slow(DISCOVER, 0.02), Slow(DISCOVER, 3600)
        for asking in (slow, silent):
            connect(service.port, asking)
        self.assertEqual(len(json.loads(await slow.done)["peers"]), 20_000)
        while service.factory.connections:
            await deferLater(reactor, 0.02)
        silent.pause = 0
        silent.wait_no_more()
        transport: Any = silent.transport
        transport.resumeProducing()
        self.assertLess(len(await silent.done), 1_500_000)

    async def test_a_storm_beyond_the_limit_loses_nobody(self) -> None:
        service = self.serve(limits=Limits(connections=5))
        lines = [REGISTER.replace(b"alice", b"p%d" % i) for i in range(300)]
        replies = await gatherResults([ask(service.port, line) for line in lines])
        self.assertEqual(len({*replies}), 1)
        self.assertEqual((len(service.registry), service.factory.connections.evicted), (300, 0))

    async def test_twisted_s_port_has_what_we_touch(self) -> None:
        port: Any = self.serve().factory.connections.port
        port.numberAccepts += 1000
        begin_small_batches(port)
        self.assertEqual(port.numberAccepts, 100)
        begin_small_batches(object())  # anything else is left alone

    async def test_a_taken_port_and_another_try(self) -> None:
        first = self.serve()
        second = RendezvousService(first.port, "127.0.0.1")
        with self.assertRaises(CannotListenError):
            second.listen()
        self.assertFalse(second.listening)
        port = first.port
        await first.stopService()
        second.listen()
        self.addCleanup(second.stopService)
        self.assertTrue(second.listening)
        self.assertIn(b'"OK"', await ask(port, REGISTER))

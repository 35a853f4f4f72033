"""The rendezvous as a service, over real loopback sockets and on a fake reactor."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import ClientFactory, Protocol, connectionDone
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface import implementer

from p2pchat.rendezvous.client import RendezvousClient
from p2pchat.rendezvous.connection import Limits
from p2pchat.rendezvous.connection_limit import begin_small_batches
from p2pchat.rendezvous.directory import NotRegistered
from p2pchat.rendezvous.server import RendezvousService

reactor: Any = global_reactor
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


def ask(port: int, data: bytes, half_close: bool = False) -> Deferred[bytes]:
    asking = Asking(data, half_close)
    factory = ClientFactory()
    factory.noisy = False
    factory.buildProtocol = lambda _: asking  # type: ignore[method-assign,assignment]
    reactor.connectTCP("127.0.0.1", port, factory)
    return asking.done


class SocketTests(TestCase):
    timeout = 20

    def serve(self, **settings: Any) -> RendezvousService:
        service = RendezvousService(0, "127.0.0.1", **settings)
        service.startService()
        self.addCleanup(service.stopService)
        self.assertNotEqual(service.port, 0)
        return service

    async def test_register_and_discover(self) -> None:
        port = self.serve().port
        reply = await ask(port, REGISTER)
        self.assertEqual(reply, b'{"status":"OK","ttl":7200,"ip":"127.0.0.1","port":4000}\n')
        listing = json.loads(await ask(port, b'{"type":"DISCOVER"}\r\n'))
        self.assertEqual(listing["peers"][0]["name"], "alice")

    async def test_half_closed_without_a_newline(self) -> None:
        port = self.serve().port
        self.assertIn(b'"OK"', await ask(port, REGISTER[:-1], half_close=True))
        self.assertIn(b"Empty request line", await ask(port, b"", half_close=True))

    async def test_an_answer_is_not_lost_to_a_client_that_keeps_sending(self) -> None:
        port = self.serve().port
        self.assertIn(b'"OK"', await ask(port, REGISTER + b"x" * 3_000_000, half_close=True))
        self.assertIn(b"line_too_long", await ask(port, b"x" * 3_000_000, half_close=True))

    async def test_a_long_listing_arrives_whole(self) -> None:
        service = self.serve()
        now = service.factory.monotonic()
        for i in range(20_000):
            service.registry.register("127.0.0.1", "a", f"peer{i}", 4000, 7200, now)
        reply = await ask(service.port, b'{"type":"DISCOVER","namespace":"a"}\n')
        self.assertGreater(len(reply), 1_500_000)
        self.assertEqual(len(json.loads(reply)["peers"]), 20_000)

    async def test_many_at_once(self) -> None:
        service = self.serve()
        lines = [REGISTER.replace(b"alice", b"p%d" % i) for i in range(200)]
        replies = await gatherResults([ask(service.port, line) for line in lines])
        self.assertEqual(len({*replies}), 1)
        self.assertEqual(len(service.registry), 200)
        self.assertEqual(service.factory.answers.given, 200)

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

    async def test_with_our_own_client(self) -> None:
        client = RendezvousClient(reactor, "127.0.0.1", self.serve().port)
        with self.assertRaises(NotRegistered):
            await client.discover(None)
        grant = await client.register("CIC", "olá", 4000, 60)
        self.assertEqual((grant.ttl, grant.ip), (60, "127.0.0.1"))
        (peer,) = await client.discover("CIC")
        self.assertEqual((peer.peer_id, peer.ip, peer.port), ("olá@CIC", "127.0.0.1", 4000))
        await client.unregister("CIC", "olá", 4000)
        with self.assertRaises(NotRegistered):
            await client.unregister("CIC", "olá", 4000)

    async def test_a_silent_client_is_told_and_stopping_cuts_off_the_rest(self) -> None:
        service = self.serve(limits=Limits(idle=0.05))
        self.assertIn(b"Timeout: no data received", await ask(service.port, b'{"ty'))
        patient = RendezvousService(0, "127.0.0.1")
        patient.startService()
        pending = ask(patient.port, b'{"ty')
        while not patient.factory.connections:
            tick: Deferred[None] = Deferred()
            reactor.callLater(0.01, tick.callback, None)
            await tick
        await patient.stopService()
        self.assertEqual(await pending, b"")

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

    async def test_started_again_it_remembers(self) -> None:
        service = self.serve()
        await ask(service.port, REGISTER)
        await service.stopService()
        await service.stopService()
        service.privilegedStartService()
        service.startService()
        self.assertIn(b"alice", await ask(service.port, b'{"type":"DISCOVER"}\n'))


class FakeReactorTests(SynchronousTestCase):
    def test_listens_once_with_a_long_queue(self) -> None:
        reactor = MemoryReactorClock()
        service = RendezvousService(8080, "::", reactor=reactor)
        service.privilegedStartService()
        service.startService()
        self.assertEqual(
            [(port, backlog, interface) for port, _, backlog, interface in reactor.tcpServers],
            [(8080, 4096, "::")],
        )
        self.successResultOf(service.stopService())
        self.assertEqual(service.port, 8080)
        self.assertEqual(reactor.getDelayedCalls(), [])

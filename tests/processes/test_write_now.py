"""`write_now`: everything arrives in order, whichever way it went; what it relies on is there."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.tcp import Client, Server
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from p2pchat.mesh.link.send_queue import write_now

reactor: Any = _reactor


class _Sink(Protocol):
    def __init__(self) -> None:
        self.received = bytearray()
        self.closed: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.closed.callback(None)


class WriteNow(TestCase):
    """Over a real connection, because it is its private parts that count."""

    timeout = 20

    async def _pair(self) -> tuple[_Sink, _Sink]:
        accepted: Deferred[_Sink] = Deferred()

        class Listening(Factory):
            noisy = False

            def buildProtocol(self, addr: Any) -> _Sink:
                sink = _Sink()
                sink.connectionMade = lambda: accepted.callback(sink)  # type: ignore[method-assign]
                return sink

        port = reactor.listenTCP(0, Listening(), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        dialed = _Sink()
        await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port), dialed)
        return dialed, await accepted

    async def test_what_it_relies_on_is_there(self) -> None:
        dialed, accepted = await self._pair()
        for end, kind in ((dialed, Client), (accepted, Server)):
            transport: Any = end.transport
            self.assertIs(type(transport), kind)
            self.assertEqual(transport.dataBuffer, b"")
            self.assertEqual(transport._tempDataLen, 0)
            self.assertFalse(transport.TLS or transport.disconnecting)
            self.assertFalse(transport._writeDisconnected)
            self.assertTrue(transport.connected)
            transport.write(b"queued")
            self.assertEqual(transport._tempDataLen, 6)
        dialed.transport.loseConnection()  # type: ignore[union-attr]
        await accepted.closed
        await dialed.closed

    async def test_order_is_kept_when_the_socket_takes_only_part(self) -> None:
        dialed, accepted = await self._pair()
        expected = bytearray()
        for n in range(400):
            block = b"%06d" % n * 2000
            expected += block
            write_now(dialed.transport, block)
        transport: Any = dialed.transport
        self.assertTrue(transport._tempDataLen, "the socket took all: make the blocks larger")
        transport.loseConnection()
        await accepted.closed
        await dialed.closed
        self.assertEqual(accepted.received, expected)

    async def test_a_small_write_leaves_at_once(self) -> None:
        dialed, accepted = await self._pair()
        transport: Any = dialed.transport
        write_now(transport, b"hi")
        self.assertEqual(transport._tempDataLen, 0)
        transport.loseConnection()
        await accepted.closed
        await dialed.closed
        self.assertEqual(accepted.received, b"hi")

    async def test_after_lose_connection_it_does_what_the_transport_does(self) -> None:
        dialed, accepted = await self._pair()
        transport: Any = dialed.transport
        transport.loseConnection()
        write_now(transport, b"late")
        self.assertEqual(transport._tempDataLen, 4)
        await accepted.closed
        await dialed.closed

    async def test_a_dead_socket_is_left_to_the_transport(self) -> None:
        dialed, accepted = await self._pair()
        accepted.transport.abortConnection()  # type: ignore[union-attr]
        for _ in range(50):
            write_now(dialed.transport, b"x" * 1000)
        await dialed.closed
        write_now(dialed.transport, b"gone")

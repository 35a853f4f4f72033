"""A TCP proxy of a test's own process that records all that it carries."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.protocol import ClientFactory, Protocol, ServerFactory, connectionDone
from twisted.python.failure import Failure

reactor: Any = _reactor


class RecordingProxy(ServerFactory):
    """Passes on to `port` of this machine; `recorded` is all of it, `first` what connections began
    with."""

    noisy = False

    def __init__(self, port: int) -> None:
        self.to = port
        self.recorded = b""
        self.sides: list[_Side] = []
        listening = reactor.listenTCP(0, self, interface="127.0.0.1")
        self.listening = listening
        self.port: int = listening.getHost().port

    def buildProtocol(self, _addr: object) -> _Side:
        near, far = _Side(self), _Side(self)
        near.other, far.other = far, near
        self.sides.append(near)
        reactor.connectTCP("127.0.0.1", self.to, _Onward(far))
        return near

    @property
    def first(self) -> list[bytes]:
        """The first byte of each connection, of who dialed."""
        return [side.began for side in self.sides if side.began]

    def cut(self) -> None:
        """Cut all connections."""
        for side in self.sides:
            if side.transport is not None:
                side.transport.abortConnection()

    def close(self) -> Any:
        """Stop."""
        self.cut()
        return self.listening.stopListening()


class _Side(Protocol):
    transport: Any = None
    other: _Side

    def __init__(self, proxy: RecordingProxy) -> None:
        self.proxy = proxy
        self.waiting = b""
        self.began = b""

    def connectionMade(self) -> None:
        if self.waiting:
            self.transport.write(self.waiting)

    def dataReceived(self, data: bytes) -> None:
        self.began = self.began or data[:1]
        self.proxy.recorded += data
        if self.other.transport is None:
            self.other.waiting += data
        else:
            self.other.transport.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.other.transport is not None:
            self.other.transport.loseConnection()


class _Onward(ClientFactory[Protocol]):
    noisy = False

    def __init__(self, side: _Side) -> None:
        self.side = side

    def buildProtocol(self, _addr: object) -> _Side:
        return self.side

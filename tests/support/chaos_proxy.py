"""A TCP proxy that does what bad networks do, in a seeded order.

    proxy = ChaosProxy(reactor, "127.0.0.1", port, seed=3)
    listening = reactor.listenTCP(0, proxy, interface="127.0.0.1")
    ...
    proxy.close()

It cuts connections, delays what it carries (up to 500 ms), splits and joins segments, and goes
silent: then it still takes everything and passes nothing on, in one direction or in both, as when a
machine is gone. Whatever it does, bytes of one direction stay in order.
"""

from __future__ import annotations

import random
from typing import Any

from twisted.internet.interfaces import IAddress, IConnector, IDelayedCall
from twisted.internet.protocol import ClientFactory, Protocol, ServerFactory, connectionDone
from twisted.python.failure import Failure


class ChaosProxy(ServerFactory):
    """Passes on to `host` and `port`, more or less.

    `delay` is the longest delay of a segment in seconds. `cut` and `silence` are the chances, for
    every segment, that its connection ends with it, or is silent from then on.
    """

    noisy = False

    def __init__(
        self,
        reactor: Any,
        host: str,
        port: int,
        *,
        seed: int,
        delay: float = 0.5,
        cut: float = 0.002,
        silence: float = 0.0005,
    ) -> None:
        self.reactor = reactor
        self.host, self.port = host, port
        self.random = random.Random(seed)
        self.delay, self.cut, self.silence = delay, cut, silence
        self.cuts = self.silences = self.segments = 0
        self.ends: dict[End, None] = {}

    def calm(self) -> None:
        """From now on pass everything on at once; what is silent is cut."""
        self.delay = self.cut = self.silence = 0.0
        for end in [*self.ends]:
            if end.silent:
                end.abort()

    def close(self) -> None:
        """Cut everything."""
        for end in [*self.ends]:
            end.abort()

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        """Somebody dialed the proxy: dial on."""
        near = End(self)
        far = End(self)
        near.other, far.other = far, near
        self.reactor.connectTCP(self.host, self.port, _Onward(far))
        return near


class _Onward(ClientFactory):
    noisy = False

    def __init__(self, end: End) -> None:
        self.end = end

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        return self.end

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        self.end.other.abort()


class End(Protocol):
    """One side of a connection through the proxy; what comes in leaves at the other one."""

    transport: Any
    other: End

    def __init__(self, proxy: ChaosProxy) -> None:
        self.proxy = proxy
        self.silent = False
        self.gone = False
        self._waiting: list[bytes] = []
        self._next: IDelayedCall | None = None
        self._ended = False

    def connectionMade(self) -> None:
        self.proxy.ends[self] = None
        if self.gone:
            self.abort()
        self.other._pass_on()

    def dataReceived(self, data: bytes) -> None:
        proxy = self.proxy
        while data:
            size = len(data) if proxy.random.random() < 0.5 else proxy.random.randint(1, len(data))
            self._waiting.append(data[:size])
            data = data[size:]
        self._schedule()

    def _schedule(self) -> None:
        if self._next is None and (self._waiting or self._ended):
            chance = self.proxy.random
            # Most are quick, some are very late; what is late makes the next ones late, too.
            late = chance.random() < 0.02
            delay = chance.uniform(0, self.proxy.delay if late else self.proxy.delay / 50)
            self._next = self.proxy.reactor.callLater(delay, self._due)

    def _due(self) -> None:
        self._next = None
        self._pass_on()

    def _pass_on(self) -> None:
        proxy, other = self.proxy, self.other
        if self._next is not None or not other.connected or other.gone or self.gone:
            return
        if self._waiting:
            count = 1 if proxy.random.random() < 0.6 else len(self._waiting)
            data = b"".join(self._waiting[:count])
            del self._waiting[:count]
            proxy.segments += 1
            if proxy.random.random() < proxy.cut:
                proxy.cuts += 1
                self.abort()
                return
            if proxy.random.random() < proxy.silence:
                proxy.silences += 1
                self.silent = True
                other.silent = other.silent or proxy.random.random() < 0.5
            if not self.silent:
                other.transport.write(data)
            self._schedule()
        elif self._ended and not self.silent:
            other.transport.loseConnection()

    def abort(self) -> None:
        """Cut the connection at both sides."""
        for end in (self, self.other):
            end.gone = True
            end._waiting.clear()
            if end._next is not None:
                end._next.cancel()
                end._next = None
            if end.transport is not None:
                end.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.proxy.ends.pop(self, None)
        self.gone = self._ended = True
        if self.silent:
            return
        if self.other.gone or not self.other.connected:
            self.abort()
        else:
            self.gone = False  # what it said before is still carried
            self._schedule()

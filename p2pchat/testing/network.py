"""A network in memory: hosts, listening ports and connections, on one fake clock.

    network = FakeNetwork(seed=7)
    here, there = network.host("10.0.0.1"), network.host("10.0.0.2")
    there.listenTCP(4000, factory)
    here.connectTCP("10.0.0.2", 4000, client_factory)
    network.run(1.0)                     # one second of fake time passes

Rules: nothing happens but in `run` and `run_until`; the same seed gives the same run. The order of
independent events, the delays, and where the bytes of a connection are cut and joined all come
from the seed.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any, Final

from twisted.internet import error
from twisted.internet.base import DelayedCall
from twisted.internet.interfaces import IReactorTCP, IReactorTime
from twisted.internet.protocol import ClientFactory, ServerFactory
from zope.interface import implementer

from p2pchat.testing.connector import FakeConnector, FakePort
from p2pchat.testing.events import Events, Machine
from p2pchat.testing.transport import FakeTransport

EPOCH: Final = 1_790_000_000.0
"""The wall clock of a host when its `seconds` are 0, unless it is wrong."""


class FakeNetwork(Events):
    """Hosts that can reach each other, and the clock that they share; for the rest see `Events`."""

    hosts: dict[str, FakeHost]  # type: ignore[assignment]

    def host(self, ip: str) -> FakeHost:
        """The host of this IPv4 address, made when it is asked for the first time."""
        if ip not in self.hosts:
            self.hosts[ip] = FakeHost(self, ip)
        return self.hosts[ip]

    def run(self, seconds: float) -> None:
        """Let this much time pass."""
        self.clock.run(seconds)

    def run_until(self, condition: Callable[[], bool], at_most: float = 60.0) -> float:
        """Let time pass until `condition()`; returns how much did.

        Raises AssertionError, with the seed, when it does not come true in `at_most` seconds.
        """
        start = self.clock.seconds()
        while not condition():
            if not self.clock.step(start + at_most):
                raise AssertionError(f"not within {at_most:g} s (seed {self.seed})")
        return self.clock.seconds() - start

    # ------------------------------------------------------------ what goes wrong

    def between(self, one: FakeHost, other: FakeHost) -> list[FakeTransport]:
        """The ends, at `one`, of its connections with `other`."""
        return [
            end
            for end in self.connections
            if end.host is one and end.other.host is other and not end.gone
        ]

    def break_links(self, one: FakeHost, other: FakeHost) -> int:
        """Reset all connections between two hosts; returns how many."""
        ends = self.between(one, other)
        for end in ends:
            end.reset()
        return len(ends)


@implementer(IReactorTCP, IReactorTime)
class FakeHost(Machine):
    """One machine of the network: a reactor for what runs there.

    `reachable` False makes it silently lose all that is sent to or from it; `takes_calls` False
    makes it refuse connections although it listens. `wrong_by`: the seconds by which its wall clock
    is ahead of the others, or behind them when they are negative.
    """

    def __init__(self, network: FakeNetwork, ip: str) -> None:
        super().__init__(network, ip)
        self.network = network
        self.wrong_by = 0.0
        self._calls: list[DelayedCall] = []
        self._many_calls = 200

    # ------------------------------------------------------------ what goes wrong

    def unplug(self) -> None:
        """Pull the cable: connections go silent at both ends, and stay so; nobody is told."""
        self.reachable = False
        for end in self.network.connections:
            if self in (end.host, end.other.host) and end.host is not end.other.host:
                end.severed = True

    def plug_in(self) -> None:
        """New connections work again."""
        self.reachable = True

    def kill(self) -> None:
        """End whatever runs here as `kill -9` does: no farewell, no more calls."""
        self.kills += 1
        for call in self.getDelayedCalls():
            call.cancel()
        for port in [*self.ports.values()]:
            port.close()
        for end in [*self.network.connections]:
            if end.host is self:
                end.vanish()

    def connections(self) -> list[FakeTransport]:
        """This host's ends of its connections, as far as its programs know of them."""
        return [end for end in self.network.connections if end.host is self and end.connected]

    # ------------------------------------------------------------ time

    def wall(self) -> float:
        """Its wall clock: seconds since the epoch."""
        return EPOCH + self.network.clock.seconds() + self.wrong_by

    def seconds(self) -> float:
        """See `IReactorTime`."""
        return self.network.clock.seconds()

    def callLater(
        self,
        delay: float,
        callable: Callable[..., Any],  # noqa: A002  (Twisted's name)
        *args: object,
        **kw: object,
    ) -> DelayedCall:
        """See `IReactorTime`."""
        call = self.network.clock.callLater(delay, callable, *args, **kw)
        self._calls.append(call)
        if len(self._calls) > self._many_calls:
            self._calls = self.getDelayedCalls()
            self._many_calls = max(200, 2 * len(self._calls))
        return call

    def getDelayedCalls(self) -> list[DelayedCall]:
        """The calls of this host's programs that have not happened yet."""
        return [call for call in self._calls if call.active()]

    # ------------------------------------------------------------ IReactorTCP

    def listenTCP(
        self,
        port: int,
        factory: ServerFactory,
        backlog: int = 50,  # noqa: ARG002
        interface: str = "",
    ) -> FakePort:
        """See `IReactorTCP`; raises CannotListenError when the port is taken."""
        if port in self.ports:
            taken = OSError(errno.EADDRINUSE, "Address already in use")
            raise error.CannotListenError(interface, port, taken)
        listening = FakePort(self, port or self.free_port(), factory, interface)
        self.ports[listening.number] = listening
        factory.doStart()
        return listening

    def connectTCP(
        self,
        host: str,
        port: int,
        factory: ClientFactory[Any],
        timeout: float | None = 30,
        bindAddress: tuple[str, int] | None = None,  # noqa: ARG002, N803
    ) -> FakeConnector:
        """See `IReactorTCP`. An address that is no host of the network answers nothing."""
        if not 0 < port < 65536:
            raise OverflowError("port must be 0-65535")
        connector = FakeConnector(self, host, port, factory, timeout)
        connector.connect()
        return connector

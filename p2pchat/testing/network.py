"""A network in memory: hosts, listening ports and connections, on one fake clock.

    network = FakeNetwork(seed=7)
    here, there = network.host("10.0.0.1"), network.host("10.0.0.2")
    there.listenTCP(4000, factory)
    here.connectTCP("10.0.0.2", 4000, client_factory)
    network.run(1.0)                     # one second of fake time passes

Rules: nothing happens but in `run` and `run_until`; the same seed gives the same run. The order of
independent events, the delays, and where the bytes of a connection are cut and joined all come
from the seed. What goes wrong is for who uses it to draw: `host.unplug()`, `host.kill()`,
`host.pause()` and `resume()`, `network.begin_loss(here, there)` and `end_loss`, and the three ways
in which the clocks of a host are wrong.
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

from p2pchat.testing.clock import Call, Rate
from p2pchat.testing.connector import FakeConnector, FakePort
from p2pchat.testing.events import Events, Machine
from p2pchat.testing.names import FakeResolver
from p2pchat.testing.transport import FakeTransport

EPOCH: Final = 1_790_000_000.0
"""The wall clock of a host when its `seconds` are 0, unless it is wrong."""


class FakeNetwork(Events):
    """Hosts that can reach each other, and the clock that they share; for the rest see `Events`."""

    hosts: dict[str, FakeHost]  # type: ignore[assignment]

    def host(self, ip: str) -> FakeHost:
        """The host of this IP address, made when it is asked for the first time."""
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

    def begin_loss(self, here: FakeHost, there: FakeHost) -> None:
        """Lose all that `here` sends to `there`, until `end_loss`; the other way stays as it is.

        Connections stay, too, and no end is told. What was sent waits, because TCP sends it again;
        a new connection hangs in either direction.
        """
        if here is not there:
            here.begin_loss(there)

    def end_loss(self, here: FakeHost, there: FakeHost) -> None:
        """Lose nothing more between the two: what waits arrives in its order.

        That takes up to as long as the loss has lasted, at most a minute: TCP's pauses grow.
        """
        here.end_loss(there)


@implementer(IReactorTCP, IReactorTime)
class FakeHost(Machine):
    """One machine of the network: a reactor for what runs there.

    `reachable` False makes it silently lose all that is sent to or from it; `takes_calls` False
    makes it refuse connections although it listens. `wrong_by`: the seconds by which its wall clock
    is ahead of the others, or behind them when they are negative; add to them, and it jumps.
    """

    def __init__(self, network: FakeNetwork, ip: str) -> None:
        super().__init__(network, ip)
        self.network = network
        self.wrong_by = 0.0
        self._wall_rate: Rate | None = None
        self._steady_rate: Rate | None = None
        self._held: list[tuple[float, Call]] = []
        self._calls: list[Call] = []
        self._many_calls = 200
        self.nameResolver = FakeResolver(self)
        """See `IReactorPluggableNameResolver`: it finds what is in `network.names`."""

    def also(self, ip: str) -> FakeHost:
        """Give it one more address, of IPv6 if it has one of IPv4; returns the host."""
        self.addresses.append(ip)
        self.network.hosts[ip] = self
        return self

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
        self.paused = False
        self._held.clear()
        self._postponed.clear()
        for call in self.getDelayedCalls():
            call.cancel()
        for port in [*self.ports.values()]:
            port.close()
        for end in [*self.network.connections]:
            if end.host is self:
                end.vanish()

    def pause(self) -> None:
        """Stop the programs here, as SIGSTOP does: none of their calls comes, nothing is read.

        The kernel goes on: it accepts connections up to the backlog and takes what arrives up to
        the window. Call nothing of what runs here before `resume`. Whatever else belongs to a
        program that stands still, a thread perhaps, has its events done by `do`.
        """
        if not self.paused:
            self.paused = True
            for call in self._calls:
                if call.active():
                    self._hold(call)

    def resume(self) -> None:
        """Go on, as after SIGCONT: all that is due happens at once.

        Timers in the order of their times, then what arrived, or the other way round: reactors do
        either.
        """
        if not self.paused:
            return
        self.paused = False
        held, self._held = sorted(self._held, key=lambda each: each[0]), []
        postponed, self._postponed = self._postponed, []
        timers_first = self.network.random.random() < 0.5
        if not timers_first:
            self._do_all(postponed)
        for at, call in held:
            self.network.clock.release(call, at)
        if timers_first:
            self._do_all(postponed)

    def _do_all(self, postponed: list[tuple[Callable[..., Any], tuple[object, ...]]]) -> None:
        for act, args in postponed:
            self.network.now(self.do, act, *args)

    def _hold(self, call: Call) -> None:
        self._held.append((self.network.clock.hold(call), call))

    def connections(self) -> list[FakeTransport]:
        """This host's ends of its connections, as far as its programs know of them."""
        return [end for end in self.network.connections if end.host is self and end.connected]

    # ------------------------------------------------------------ time

    def wall(self) -> float:
        """Its wall clock: seconds since the epoch."""
        clock = self._wall_rate
        counted = self.network.clock.seconds() if clock is None else clock.shown()
        return EPOCH + counted + self.wrong_by

    def seconds(self) -> float:
        """See `IReactorTime`."""
        if self._steady_rate is not None:
            return self._steady_rate.shown()
        return self.network.clock.seconds()

    @property
    def wall_rate(self) -> float:
        """The seconds that its wall clock counts in one second; 1 when it is right."""
        return 1.0 if self._wall_rate is None else self._wall_rate.rate

    @wall_rate.setter
    def wall_rate(self, rate: float) -> None:
        if self._wall_rate is None:
            self._wall_rate = Rate(self.network.clock.seconds)
        self._wall_rate.rate = rate

    @property
    def steady_rate(self) -> float:
        """The same for the clock that nobody can set; wrong by at most 1 %, or ValueError."""
        return 1.0 if self._steady_rate is None else self._steady_rate.rate

    @steady_rate.setter
    def steady_rate(self, rate: float) -> None:
        if not 0.99 <= rate <= 1.01:
            raise ValueError(f"a quartz is wrong by less than 1 %, not by a rate of {rate:g}")
        if self._steady_rate is None:
            self._steady_rate = Rate(self.network.clock.seconds)
        self._steady_rate.rate = rate

    def callLater(
        self,
        delay: float,
        callable: Callable[..., Any],  # noqa: A002  (Twisted's name)
        *args: object,
        **kw: object,
    ) -> DelayedCall:
        """See `IReactorTime`."""
        clock = self.network.clock
        if self._steady_rate is None:
            call = clock.callLater(delay, callable, *args, **kw)
        else:
            call = clock.call_later_at(self._steady_rate, delay, callable, args, kw)
        call.owner = self
        if self.paused:
            self._hold(call)
        self._calls.append(call)
        if len(self._calls) > self._many_calls:
            self._calls = [each for each in self._calls if each.active()]
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
        backlog: int = 50,
        interface: str = "",
    ) -> FakePort:
        """See `IReactorTCP`; raises CannotListenError when the port is taken."""
        if port in self.ports:
            taken = OSError(errno.EADDRINUSE, "Address already in use")
            raise error.CannotListenError(interface, port, taken)
        listening = FakePort(self, port or self.free_port(), factory, interface, backlog)
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

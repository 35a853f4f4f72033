"""The rendezvous as a service: a port that others register and find each other at."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, cast

from twisted.application.service import Service
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IListeningPort, IPushProducer, IReadDescriptor
from twisted.internet.protocol import ServerFactory

from p2pchat.dual_stack import BACKLOG, TwoPorts, listen_on_all
from p2pchat.logs.levels import Log
from p2pchat.rendezvous.connection import RendezvousFactory
from p2pchat.rendezvous.limits import Limits
from p2pchat.rendezvous.registry import Registry
from p2pchat.wire.address import host_and_port

_log = Log("Rendezvous")


class RendezvousService(Service):
    """A rendezvous on a port of its own; embeddable in any process that runs a reactor.

    `port` 0 takes a free one, `interface` "" is every address, of IPv6 and of IPv4. `reactor`
    provides IReactorTCP and IReactorTime and is the global one by default. `open_port` listens in
    another way, and raises what it likes. `in_front` makes what stands between the port and the
    factory. `drain`: seconds in which requests that are under way at the end are answered.
    """

    name: str | None = "rendezvous"

    def __init__(
        self,
        port: int = 8080,
        interface: str = "",
        *,
        registry: Registry | None = None,
        limits: Limits | None = None,
        reactor: Any = None,
        monotonic: Callable[[], float] = time.monotonic,
        open_port: Callable[[ServerFactory], IListeningPort] | None = None,
        in_front: Callable[[RendezvousFactory], ServerFactory] = lambda factory: factory,
        drain: float = 0.0,
    ) -> None:
        if reactor is None:
            from twisted.internet import reactor
        limits = Limits() if limits is None else limits
        if registry is None:
            registry = Registry(limits.registrations, limits.per_address)
        self.registry = registry
        self.factory = RendezvousFactory(self.registry, limits, reactor, monotonic)
        self._reactor = reactor
        self._port = port
        self._interface = interface
        self._listening: IListeningPort | None = None
        self._elsewhere = open_port is not None
        self._open_port = open_port or self._listen_on_tcp
        self.front = in_front(self.factory)
        """What the port hands its connections to."""
        self.drain = drain

    @property
    def port(self) -> int:
        """The port that it listens on; before `listen`, the one that was asked for."""
        if self._listening is None:
            return self._port
        return cast("IPv4Address", self._listening.getHost()).port

    @property
    def on_unix_socket(self) -> bool:
        """Whether it listens on a UNIX socket, where nobody has an address."""
        return self._listening is not None and isinstance(self._listening.getHost(), UNIXAddress)

    @property
    def where(self) -> str:
        """The address that it listens on, for people."""
        host = None if self._listening is None else self._listening.getHost()
        if isinstance(host, UNIXAddress):
            return os.fsdecode(host.name or b"a UNIX socket without a name")
        shown = self._interface or "*"
        if self._elsewhere and isinstance(host, (IPv4Address, IPv6Address)):
            shown = host.host
        return host_and_port(shown, self.port)

    @property
    def listening(self) -> bool:
        """Whether the port is open."""
        return self._listening is not None

    def listen(self) -> None:
        """Open the port, unless it is open: `startService` does it, too.

        Raises `twisted.internet.error.CannotListenError` when the port is taken or forbidden; try
        again whenever you like.
        """
        if self._listening is None:
            self.factory.resume()
            self._listening = self._open_port(self.front)
            if IPushProducer.providedBy(self._listening):
                self.factory.connections.port = self._listening
            _log.info("Rendezvous listens on {where}", where=self.where)

    def _listen_on_tcp(self, factory: ServerFactory) -> IListeningPort:
        if not self._interface:
            return listen_on_all(self._reactor, self._port, factory)
        port: IListeningPort = self._reactor.listenTCP(
            self._port, factory, backlog=BACKLOG, interface=self._interface
        )
        return port

    def privilegedStartService(self) -> None:
        """Open the port while the process may still open a low one."""
        self.listen()

    def startService(self) -> None:
        """Open the port; raises what `listen` raises."""
        self.listen()
        super().startService()

    def stopService(self) -> Deferred[None]:
        """Close the port and every connection; the registry keeps what it has.

        With a `drain`, what is under way is answered first; fires when that is over.
        """
        super().stopService()
        listening, self._listening = self._listening, None
        if listening is None:
            self.factory.stop()
            return succeed(None)
        if not self.drain:
            self._end()
            return cast("Deferred[None]", maybeDeferred(listening.stopListening))
        if isinstance(listening, TwoPorts) or IReadDescriptor.providedBy(listening):
            listening.doRead()  # those who wait in the kernel's queue would be cut off with it
        self.factory.connections.port = None
        closed = maybeDeferred(listening.stopListening)
        closed.addCallback(lambda _: self.factory.connections.drained(self.drain))
        return closed.addCallback(lambda _: self._end())

    def _end(self) -> None:
        factory = self.factory
        factory.stop()
        factory.connections.port = None
        _log.info(
            "Rendezvous stopped: {requests} requests, {registered} registered; turned away "
            "{turned_away}, banned {banned}, timed out {timed_out}, evicted {evicted}, cut off "
            "{cut_off}, refused {refused}, failed {failures}",
            requests=factory.answers.given,
            registered=len(self.registry),
            turned_away=factory.throttle.turned_away,
            banned=factory.banned,
            timed_out=factory.timed_out,
            evicted=factory.connections.evicted,
            cut_off=self.registry.long_replies.cut_off,
            refused=self.registry.refused,
            failures=factory.answers.failures,
        )

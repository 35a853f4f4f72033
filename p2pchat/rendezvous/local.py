"""The rendezvous that the nodes of one machine share when none is configured.

The first node serves it on a loopback port; the others are its clients, and each tries to bind
the port again and again. When the host leaves or dies, the kernel gives the port to the next one
that asks: somebody takes over within seconds, the others register with it at their next discovery,
and no link notices.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IDelayedCall

from p2pchat.logs.levels import Log
from p2pchat.rendezvous.server import RendezvousService
from p2pchat.wire.address import LOOPBACK

_log: Final = Log("LocalRendezvous")
_TRY_EVERY: Final = 1.5


class LocalRendezvous(Service):
    """Serves the machine's rendezvous on `port` as soon as nobody else does.

    `on_taken_over` is called each time this node becomes the host.
    """

    name: str | None = "local-rendezvous"

    def __init__(
        self,
        reactor: Any,
        port: int,
        on_taken_over: Callable[[], None],
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._reactor = reactor
        self._port = port
        self._on_taken_over = on_taken_over
        self._jitter = jitter
        self._next_try: IDelayedCall | None = None
        self._server: RendezvousService | None = None

    @property
    def hosting(self) -> bool:
        """Whether it is this node that serves the rendezvous."""
        return self._server is not None

    def startService(self) -> None:
        """Try to become the host, now and until it works."""
        super().startService()
        self._try()

    def stopService(self) -> Deferred[None]:
        """Stop serving or trying; call it after the node has unregistered."""
        super().stopService()
        if self._next_try is not None:
            self._next_try.cancel()
            self._next_try = None
        server, self._server = self._server, None
        return succeed(None) if server is None else server.stopService()

    def _try(self) -> None:
        self._next_try = None
        reactor = self._reactor
        server = RendezvousService(self._port, LOOPBACK, reactor=reactor, monotonic=reactor.seconds)
        try:
            server.startService()
        except CannotListenError:
            # With jitter, or all of them would ask in step.
            delay = _TRY_EVERY * self._jitter(0.7, 1.3)
            self._next_try = self._reactor.callLater(delay, self._try)
            return
        self._server = server
        _log.info("This node serves the machine's rendezvous on port {port}", port=self._port)
        self._on_taken_over()

"""The listening side: inbound connections, as long as there is a place for them.

Rules: few are accepted at once, and what they then say comes with the next few, so whatever the
number of those who come and go, a friend's line waits for a handful of them. To be refused costs
less than to be let in, and beyond some a second no word is said.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IAddress, IReactorTime, ITCPTransport
from twisted.internet.protocol import Protocol, ServerFactory

from p2pchat.logs.levels import Log
from p2pchat.logs.limits import RateLimited
from p2pchat.mesh.link.admission import Admission
from p2pchat.mesh.link.bucket import TokenBucket
from p2pchat.mesh.link.context import LinkContext
from p2pchat.mesh.link.protocol import PeerProtocol
from p2pchat.wire.codec import encode
from p2pchat.wire.messages import Bye

_log: Final = Log("PeerServer")
ACCEPTS: Final = 4
"""Connections that are accepted before others have their turn."""
REFUSALS: Final = 50
"""Refusals a second that say why; the others just close."""
BLOCKED: Final = "blocked"
"""The reason of a BYE to somebody who is blocked."""


class PeerServerFactory(ServerFactory):
    """Makes a `PeerProtocol` for whoever is admitted; the node sets `context` and `admission`."""

    noisy = False
    context: LinkContext
    admission: Admission

    def __init__(self) -> None:
        self._limited = RateLimited(_log, limit=1)
        self.refuses: Callable[[str], bool] = lambda _ip: False
        """Says of an address whether nothing is wanted from it."""
        self._told = TokenBucket(REFUSALS, 0.0)
        self._few: AcceptsFew | None = None

    def take_turns(self, port: Any) -> None:
        """Have Twisted's `port` accept few connections at once, before others have their turn."""
        self._few = AcceptsFew(port, self.context.clock)

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        """A connection came."""
        if self._few is not None:
            self._few.one_came()
        ip = getattr(addr, "host", "")
        now = self.context.clock.seconds()
        if self.refuses(ip):
            return self._refusal(BLOCKED, now)
        reason = self.admission.admit(ip, now)
        if reason is None:
            return PeerProtocol(self.context)
        self._limited.warn(now, reason, "Refused {ip}: {reason}", ip=ip, reason=reason)
        return self._refusal("busy", now)

    def _refusal(self, reason: str, now: float) -> Protocol | None:
        """What is said to whoever is not let in; None to have the connection closed at once."""
        return Refusal(self.context, reason) if self._told.take_some(1, now) else None


class Refusal(Protocol):
    """Tells whoever is not let in the `reason`, and closes."""

    transport: ITCPTransport

    def __init__(self, context: LinkContext, reason: str) -> None:
        self._context = context
        self._reason = reason

    def connectionMade(self) -> None:
        """Say BYE at once."""
        me = self._context.me.peer_id
        self.transport.write(encode(Bye(self._context.new_id(), me, "", self._reason)))
        self.transport.loseConnection()


class AcceptsFew:
    """Has Twisted's `port` accept few connections at once, as long as it is told of each."""

    def __init__(self, port: Any, clock: IReactorTime) -> None:
        self._port = port
        self._clock = clock
        self._told = False
        accept_few(port)

    def one_came(self) -> None:
        """A connection was accepted."""
        if not self._told:
            self._told = True
            self._clock.callLater(0, self._turn_over)

    def _turn_over(self) -> None:
        self._told = False
        accept_few(self._port)


def accept_few(port: Any) -> None:
    """Let Twisted's `port` accept few connections at once.

    This looks at a private part of Twisted's ports, which accept twenty more each time that there
    were as many as they accept. A storm of connections has them accept hundreds.
    """
    if hasattr(port, "numberAccepts"):
        port.numberAccepts = ACCEPTS

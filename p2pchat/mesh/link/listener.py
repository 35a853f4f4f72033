"""The listening side: inbound connections, as long as there is a place for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IAddress, ITCPTransport
from twisted.internet.protocol import Protocol, ServerFactory

from p2pchat.logs.levels import Log
from p2pchat.logs.limits import RateLimited
from p2pchat.mesh.link.admission import Admission
from p2pchat.mesh.link.context import LinkContext
from p2pchat.mesh.link.protocol import PeerProtocol
from p2pchat.wire.codec import encode
from p2pchat.wire.messages import Bye

_log: Final = Log("PeerServer")
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

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        """A connection came."""
        ip = getattr(addr, "host", "")
        if self.refuses(ip):
            return Refusal(self.context, BLOCKED)
        now = self.context.clock.seconds()
        reason = self.admission.admit(ip, now)
        if reason is None:
            return PeerProtocol(self.context)
        self._limited.warn(now, reason, "Refused {ip}: {reason}", ip=ip, reason=reason)
        return Refusal(self.context, "busy")


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

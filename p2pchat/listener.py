"""The listening side: inbound connections, as long as there is a place for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.internet.protocol import Protocol, ServerFactory

from p2pchat.logs import Log, RateLimited
from p2pchat.messages import Bye
from p2pchat.protocol import PeerProtocol
from p2pchat.wire import encode

_log: Final = Log("PeerServer")

if TYPE_CHECKING:
    from twisted.internet.interfaces import IAddress, ITCPTransport

    from p2pchat.admission import Admission
    from p2pchat.link_context import LinkContext


class PeerServerFactory(ServerFactory):
    """Makes a `PeerProtocol` for whoever is admitted; the node sets `context` and `admission`."""

    noisy = False
    context: LinkContext
    admission: Admission

    def __init__(self) -> None:
        self._limited = RateLimited(_log, limit=1)

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        """A connection came."""
        ip = getattr(addr, "host", "")
        reason = self.admission.admit(ip)
        if reason is None:
            return PeerProtocol(self.context)
        now = self.context.clock.seconds()
        self._limited.warn(now, reason, "Refused {ip}: {reason}", ip=ip, reason=reason)
        return Refusal(self.context)


class Refusal(Protocol):
    """Tells whoever found no place so, and closes."""

    transport: ITCPTransport

    def __init__(self, context: LinkContext) -> None:
        self._context = context

    def connectionMade(self) -> None:
        """Say BYE at once."""
        me = self._context.me.peer_id
        self.transport.write(encode(Bye(self._context.new_id(), me, "", "busy")))
        self.transport.loseConnection()

"""The listening side: inbound connections, as long as there is a place for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.protocol import Protocol, ServerFactory

from p2pchat.messages import Bye
from p2pchat.protocol import PeerProtocol
from p2pchat.wire import encode

if TYPE_CHECKING:
    from twisted.internet.interfaces import IAddress, ITCPTransport

    from p2pchat.admission import Admission
    from p2pchat.protocol import LinkContext


class PeerServerFactory(ServerFactory):
    """Makes a `PeerProtocol` for whoever is admitted; the node sets `context` and `admission`."""

    noisy = False
    context: LinkContext
    admission: Admission

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        """A connection came."""
        if self.admission.admit(getattr(addr, "host", "")) is None:
            return PeerProtocol(self.context)
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

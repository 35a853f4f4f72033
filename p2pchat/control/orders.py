"""What programs order about links: to dial whoever is away, and with whom to have none.

    Request(do="reconnect")                    ->  {"dialing":3}
    Request(do="block", entry="*@SPAM")        ->  {"entry":"*@SPAM","configured":[],"added":[…]}

Rules: what is blocked so lasts until the program ends, as with `/block`.
"""

from __future__ import annotations

from p2pchat.control.requests import Fields, Request, RequestError
from p2pchat.node.node import ChatNode
from p2pchat.speech import sentence_of


class LinkOrders:
    """Answers them for one node."""

    def __init__(self, node: ChatNode) -> None:
        self._node = node

    def reconnect(self) -> Fields:
        """Dial every peer that is not connected."""
        return {"dialing": self._node.mesh.reconnect()}

    def block(self, request: Request) -> Fields:
        """Have no link with these; without an entry only the list is answered."""
        entry = ""
        if request.entry.strip():
            try:
                entry = self._node.mesh.blocking.block(self._node.peers.called(request.entry))
            except ValueError as why:
                raise RequestError("bad_request", sentence_of(why)) from None
        return self._listed(entry)

    def unblock(self, request: Request) -> Fields:
        """Take back what `block` added."""
        try:
            entry = self._node.mesh.blocking.unblock(request.entry)
        except ValueError as why:
            raise RequestError("bad_request", sentence_of(why)) from None
        return self._listed(entry)

    def _listed(self, entry: str) -> Fields:
        blocking = self._node.mesh.blocking
        return {"entry": entry, "configured": blocking.configured, "added": blocking.added}

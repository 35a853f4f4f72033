"""A program of another make in the fake network: it does what the protocol's table says, no more.

    bob = town.plain("bob@CIC")               # or PlainPeer(host, "bob@CIC"), and listen()
    town.run(5)
    bob.send("alice@CIC", "oi")
    town.run(1)
    assert bob.acked == bob.said and not bob.faults

Rules: it writes JSON by hand, so that nothing of p2pchat's own reading and writing is trusted. It
keeps an account of all that it said and heard, and of what the other end did against the protocol.
Its connections are a `PlainLink` each: subclass that for a habit, and give it as `kind`.
"""

from __future__ import annotations

from typing import Any, Final

from twisted.internet.interfaces import IAddress, IConnector, IDelayedCall
from twisted.internet.protocol import ClientFactory, ServerFactory
from twisted.python.failure import Failure

from p2pchat.rendezvous.directory import IDirectory, Listings
from p2pchat.testing.account import Account
from p2pchat.testing.network import FakeHost
from p2pchat.testing.plain_link import PlainLink

_RENEWAL: Final = 60.0
"""Seconds between two registrations."""
_LEASE: Final = 7200


class PlainPeer(Account):
    """Such a program: it listens, dials and registers, and remembers its connections.

    `kind` is what each of its connections is.
    """

    def __init__(self, host: FakeHost, peer_id: str, kind: type[PlainLink] = PlainLink) -> None:
        super().__init__(host, peer_id)
        self.kind = kind
        self.links: list[Any] = []
        """All connections so far."""
        self._renewing: IDelayedCall | None = None

    @property
    def link(self) -> Any:
        """The latest connection."""
        return self.links[-1]

    @property
    def live(self) -> list[Any]:
        """The connections that are not closed."""
        return [link for link in self.links if not link.closed]

    def link_to(self, peer_id: str) -> Any:
        """The latest open connection with this node, or None."""
        for link in reversed(self.links):
            if link.open and not link.closed and link.us == peer_id:
                return link
        return None

    def send(self, peer_id: str, text: str) -> str:
        """Send to a node; returns the msg_id, empty when there is no connection."""
        link = self.link_to(peer_id)
        return "" if link is None else str(link.send(text))

    def publish(self, scope: str, text: str) -> str:
        """Publish to `*` or `#namespace`, to all that it is connected with; returns the msg_id."""
        msg_id = self.new_id()
        for us in {link.us: None for link in self.live if link.open}:
            fields = {"src": self.peer_id, "dst": scope, "payload": text, "require_ack": False}
            self.link_to(us).say("PUB", msg_id=msg_id, **fields)
        return msg_id

    # ------------------------------------------------------------ its life

    def listen(self, port: int = 4000, interface: str = "") -> None:
        """Take connections at this port."""
        self.host.listenTCP(port, _Listening(self), interface=interface)

    def dial(self, ip: str, port: int = 4000) -> None:
        """Connect, and begin with HELLO."""
        self.host.connectTCP(ip, port, _Dialing(self))

    def register(self, directory: IDirectory, port: int = 4000) -> None:
        """Register and look for others to dial, now and each minute, whatever comes of it."""
        name, namespace = self.peer_id.rsplit("@", 1)
        directory.register(namespace, name, port, _LEASE).addErrback(lambda _: None)
        found = directory.discover(namespace)
        found.addCallback(self.found).addErrback(lambda _: None)
        self._renewing = self.host.callLater(_RENEWAL, self.register, directory, port)

    def found(self, listings: Listings) -> None:
        """Dial whom it has no connection with."""
        for each in listings:
            ours = each.peer_id == self.peer_id or each.ip == self.host.ip
            if not ours and self.link_to(each.peer_id) is None:
                self.dial(each.ip, each.port)

    def leave(self) -> None:
        """Say BYE on all connections, take no new ones, and register no more."""
        self._withdraw()
        for link in self.live:
            if link.open:
                link.say("BYE", src=self.peer_id, dst=link.us, reason="leaving")

    def close(self) -> None:
        """End at once, without a farewell; what is left is gone a turn later."""
        self._withdraw()
        for link in self.live:
            link.transport.abortConnection()

    def _withdraw(self) -> None:
        renewing, self._renewing = self._renewing, None
        if renewing is not None and renewing.active():
            renewing.cancel()
        for port in [*self.host.ports.values()]:
            if isinstance(port.factory, _Listening) and port.factory.peer is self:
                port.close()

    def make(self, *, dials: bool) -> PlainLink:
        """A connection was made: the protocol for it."""
        link = self.kind(self, dials=dials)
        self.links.append(link)
        return link


class _Listening(ServerFactory):
    noisy = False

    def __init__(self, peer: PlainPeer) -> None:
        self.peer = peer

    def buildProtocol(self, addr: IAddress | None) -> PlainLink:  # noqa: ARG002
        return self.peer.make(dials=False)


class _Dialing(ClientFactory):
    noisy = False

    def __init__(self, peer: PlainPeer) -> None:
        self.peer = peer

    def buildProtocol(self, addr: IAddress | None) -> PlainLink:  # noqa: ARG002
        return self.peer.make(dials=True)

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        """Nobody is there."""

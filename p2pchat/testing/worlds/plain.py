"""A client that speaks the base protocol and no more, written without anything of p2pchat's own.

    zoe = PlainPeer(host, "zoe@CIC", account, tell)
    zoe.listen()
    zoe.dial("10.0.0.1"); zoe.send("alice@CIC", text)

Rules: it answers what the protocol says must be answered, once, and never sends anything again.
What it reads it shows at once, a repetition too.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IAddress, IConnector
from twisted.internet.protocol import ClientFactory, Protocol, ServerFactory, connectionDone
from twisted.python.failure import Failure

from p2pchat.testing.network import FakeHost
from p2pchat.testing.worlds.account import DELIVERED, Account

_TIME: Final = "2024-05-06T07:08:09Z"


class PlainPeer:
    """One plain peer, its connections, and what it says."""

    def __init__(
        self, host: FakeHost, peer_id: str, account: Account, tell: Callable[[str], None]
    ) -> None:
        self.host = host
        self.peer_id = peer_id
        self.account = account
        self.tell = tell
        self.open: dict[str, PlainLink] = {}
        """Peer -> the newest connection with it that is open."""
        self._sent = 0

    def listen(self, port: int = 4000) -> None:
        """Take connections."""
        self.host.listenTCP(port, _Listening(self))

    def dial(self, ip: str, port: int = 4000) -> None:
        """Open a connection."""
        self.host.connectTCP(ip, port, _Dialing(self))

    def send(self, to: str) -> None:
        """Say something to a peer with whom there is a connection."""
        link = self.open.get(to)
        if link is None:
            return
        self._sent += 1
        msg_id = f"plain-{self._sent}"
        text = self.account.say(self.peer_id, to, "plain")
        self.account.accepted(text, msg_id)
        self.account.by_id[msg_id].perhaps_lost = True  # it never sends anything again
        self.tell(f"{self.peer_id}: sends {text!r} to {to}")
        fields = {"src": self.peer_id, "dst": to, "payload": text, "require_ack": True}
        link.say("SEND", msg_id=msg_id, ttl=1, **fields)

    def close(self, to: str) -> None:
        """Say BYE, if there is a connection."""
        link = self.open.get(to)
        if link is not None:
            link.say("BYE", msg_id="bye", src=self.peer_id, dst=to, ttl=1)


class PlainLink(Protocol):
    """One connection of it."""

    transport: Any

    def __init__(self, peer: PlainPeer, *, dials: bool) -> None:
        self._peer = peer
        self._dials = dials
        self._tail = b""
        self._us = ""

    def say(self, kind: str, **fields: Any) -> None:
        """Write one message."""
        self.transport.write(json.dumps({"type": kind, **fields}).encode() + b"\n")

    def connectionMade(self) -> None:
        """Say HELLO, if this connection is of our making."""
        if self._dials:
            self._greet("HELLO")

    def _greet(self, kind: str) -> None:
        me = self._peer.peer_id
        self.say(kind, peer_id=me, version="1.0", features=["ack"], ttl=1)

    def dataReceived(self, data: bytes) -> None:
        """Answer what must be answered."""
        *lines, self._tail = (self._tail + data).split(b"\n")
        for line in lines:
            self._read(json.loads(line))

    def _read(self, message: dict[str, Any]) -> None:
        peer, msg_id = self._peer, message.get("msg_id")
        match message["type"]:
            case "HELLO":
                self._greet("HELLO_OK")
                self._opened(message["peer_id"])
            case "HELLO_OK":
                self._opened(message["peer_id"])
            case "PING":
                self.say("PONG", msg_id=msg_id, timestamp=message["timestamp"], ttl=1)
            case "SEND":
                peer.tell(f"{peer.peer_id}: is shown {message['payload'][:80]!r}")
                peer.account.shown(peer.peer_id, message["payload"])
                self.say("ACK", msg_id=msg_id, timestamp=_TIME, ttl=1)
            case "PUB":
                peer.account.shown(peer.peer_id, message["payload"])
            case "ACK":
                if msg_id in peer.account.by_id:
                    peer.account.told(msg_id, DELIVERED)
            case "BYE":
                self.say("BYE_OK", msg_id=msg_id, src=peer.peer_id, dst=message["src"], ttl=1)
                self.transport.loseConnection()
            case "BYE_OK":
                self.transport.loseConnection()

    def _opened(self, us: str) -> None:
        self._us = us
        self._peer.open[us] = self

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002
        """It is over."""
        if self._peer.open.get(self._us) is self:
            del self._peer.open[self._us]


class _Listening(ServerFactory):
    noisy = False

    def __init__(self, peer: PlainPeer) -> None:
        self._peer = peer

    def buildProtocol(self, addr: IAddress | None) -> PlainLink:  # noqa: ARG002
        return PlainLink(self._peer, dials=False)


class _Dialing(ClientFactory[PlainLink]):
    noisy = False

    def __init__(self, peer: PlainPeer) -> None:
        self._peer = peer

    def buildProtocol(self, addr: IAddress | None) -> PlainLink:  # noqa: ARG002
        return PlainLink(self._peer, dials=True)

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        """Nobody is there."""

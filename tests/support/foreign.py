"""A client that is not ours, over a real socket: the fewest lines that the protocol takes."""

from __future__ import annotations

import json

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure


class ForeignPeer(Protocol):
    """Says HELLO, answers BYE, and keeps what came in `received`."""

    def __init__(self, peer_id: str) -> None:
        self.peer_id = peer_id
        self.received = b""
        self.greeted: Deferred[None] = Deferred()
        self.closed: Deferred[None] = Deferred()

    def say(self, **message: object) -> None:
        assert self.transport is not None
        self.transport.write(json.dumps(message).encode() + b"\n")

    def connectionMade(self) -> None:
        self.say(type="HELLO", peer_id=self.peer_id, version="1.0", features=["ack"], ttl=1)

    def dataReceived(self, data: bytes) -> None:
        before, self.received = self.received, self.received + data
        if b"HELLO_OK" in self.received and b"HELLO_OK" not in before:
            self.greeted.callback(None)
        if b'"BYE"' in data:
            bye = json.loads(self.received.splitlines()[-1])
            self.say(type="BYE_OK", msg_id=bye["msg_id"], src=self.peer_id, dst=bye["src"], ttl=1)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.closed.callback(None)

"""The yardsticks: what a first attempt with Twisted's LineReceiver and json looks like.

    python -m benchmarks.plain peer PORT          a peer; `/pub SCOPE TEXT` on its input publishes
    python -m benchmarks.plain rendezvous PORT    a rendezvous

They answer correct lines of our own kind, and do nothing else: no check, no repetition taken out,
no limit, no log.
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.stdio import StandardIO
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure

reactor: Any = _reactor
ME = "bob@bench"
peers: dict[PlainPeer, None] = {}
registrations: dict[tuple[str, str, str], tuple[int, float]] = {}


def now() -> str:
    """The time as the protocol writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


class PlainPeer(LineReceiver):
    """Answers HELLO, SEND, PING and BYE."""

    delimiter = b"\n"
    MAX_LENGTH = 32_768

    def connectionMade(self) -> None:
        """A peer is there."""
        peers[self] = None

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002
        """A peer has gone."""
        peers.pop(self, None)

    def lineReceived(self, line: bytes) -> None:
        """Decode, and answer at once."""
        message = json.loads(line)
        kind, answer = message["type"], None
        if kind == "HELLO":
            answer = {"type": "HELLO_OK", "peer_id": ME, "version": "1.0", "features": [], "ttl": 1}
        elif kind == "SEND" and message["require_ack"]:
            answer = {"type": "ACK", "msg_id": message["msg_id"], "timestamp": now(), "ttl": 1}
        elif kind == "PING":
            answer = {**message, "type": "PONG"}
        elif kind == "BYE":
            answer = {"type": "BYE_OK", "msg_id": message["msg_id"], "ttl": 1}
        if answer is not None:
            self.sendLine(json.dumps(answer).encode())


class Input(LineReceiver):
    """Publishes what is typed, to each peer by itself."""

    delimiter = b"\n"

    def lineReceived(self, line: bytes) -> None:
        """`/pub SCOPE TEXT`."""
        _, scope, text = line.decode().split(" ", 2)
        for peer in peers:
            message: dict[str, Any] = {
                "type": "PUB",
                "msg_id": str(uuid.uuid4()),
                "src": ME,
                "dst": scope,
            }
            message |= {"payload": text, "require_ack": False, "ttl": 1}
            peer.sendLine(json.dumps(message).encode())


class PlainRendezvous(LineReceiver):
    """One request, one reply."""

    delimiter = b"\n"

    def lineReceived(self, line: bytes) -> None:
        """Decode, do, answer, close."""
        request = json.loads(line)
        host, at = self.transport.getPeer().host, time.monotonic()  # type: ignore[union-attr]
        reply: dict[str, Any] = {"status": "OK"}
        if request["type"] == "REGISTER":
            key = (request["namespace"], request["name"], host)
            registrations[key] = request["port"], at + request["ttl"]
            reply |= {"ttl": request["ttl"], "ip": host, "port": request["port"]}
        else:
            reply["peers"] = [
                {"ip": ip, "port": port, "name": name, "namespace": namespace}
                | {"ttl": 7200, "expires_in": int(until - at)}
                for (namespace, name, ip), (port, until) in registrations.items()
                if namespace == request.get("namespace", namespace)
            ]
        self.sendLine(json.dumps(reply).encode())
        self.transport.loseConnection()  # type: ignore[union-attr]


def main() -> None:
    """Serve until the end."""
    protocols: dict[str, type[Protocol]] = {"peer": PlainPeer, "rendezvous": PlainRendezvous}
    factory = Factory.forProtocol(protocols[sys.argv[1]])
    factory.noisy = False
    reactor.listenTCP(int(sys.argv[2]), factory, backlog=4096, interface="127.0.0.1")
    StandardIO(Input())
    reactor.run()


if __name__ == "__main__":
    main()

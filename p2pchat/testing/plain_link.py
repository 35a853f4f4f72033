"""One connection of a program of another make; see `p2pchat.testing.plain`."""

from __future__ import annotations

import json
from typing import Any, Final

from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from p2pchat.testing.account import Account, Fault, plain

TIME: Final = "2024-05-06T07:08:09Z"
LONGEST_LINE: Final = 32_768
_NEEDED: Final = {
    "HELLO": ("peer_id",),
    "HELLO_OK": ("peer_id",),
    "PING": ("msg_id", "timestamp"),
    "SEND": ("msg_id",),
    "BYE": ("msg_id", "src"),
}
"""Type -> the fields without which there is nothing to answer."""


class PlainLink(Protocol):
    """One connection of a `PlainPeer`, with the node `us` at the other end.

    Each `on_...` is what it does about one type of message.
    """

    transport: Any

    def __init__(self, peer: Account, *, dials: bool) -> None:
        self.peer = peer
        self.host = peer.host
        self.peer_id = peer.peer_id
        self.dials = dials
        self.us = ""
        """The node's name, once it said it."""
        self.messages: list[tuple[float, dict[str, Any]]] = []
        """Every message that this client noticed, and when."""
        self.open = False
        """Whether there was a handshake."""
        self.closed = False
        self._asked: set[str] = set()
        self._tail = b""

    # ------------------------------------------------------------ for tests

    def got(self, kind: str) -> list[dict[str, Any]]:
        """The messages of one type."""
        return [message for _, message in self.messages if message.get("type") == kind]

    def times(self, kind: str) -> list[float]:
        """When the messages of one type came."""
        return [at for at, message in self.messages if message.get("type") == kind]

    @property
    def texts(self) -> list[str]:
        """The payloads of SEND and PUB, in their order."""
        return [
            message["payload"]
            for _, message in self.messages
            if message.get("type") in ("SEND", "PUB")
        ]

    def raw(self, data: bytes) -> None:
        """Write bytes as they are."""
        self.transport.write(data)

    def say(self, kind: str, **fields: Any) -> str:
        """Write one message; returns its msg_id. A field that is `...` is left out."""
        fields = {"type": kind, **fields}
        if kind not in ("HELLO", "HELLO_OK"):
            fields = {"msg_id": self.peer.new_id(), "ttl": 1, **fields}
        kept = {name: value for name, value in fields.items() if value is not ...}
        if kind in ("PING", "BYE"):
            self._asked.add(plain(kept.get("msg_id")))
        self.raw(json.dumps(kept).encode() + b"\n")
        return str(fields.get("msg_id"))

    def send(self, payload: Any, **fields: Any) -> str:
        """Write a SEND to the node; returns its msg_id."""
        base = {"src": self.peer_id, "dst": self.us, "payload": payload, "require_ack": True}
        said = {"msg_id": self.peer.new_id(), **base, **fields}
        self.peer.tell(self.us, said["msg_id"], payload)
        return self.say("SEND", **said)

    # ------------------------------------------------------------ the conversation

    def connectionMade(self) -> None:
        """See `IProtocol`."""
        if self.dials:
            self.say_hello()

    def say_hello(self) -> None:
        """Begin: only who dials does."""
        self.say("HELLO", **self.greeting())

    def greeting(self) -> dict[str, Any]:
        """The fields of its HELLO and HELLO_OK."""
        return {"peer_id": self.peer_id, "version": "1.0", "features": ["ack"], "ttl": 1}

    def dataReceived(self, data: bytes) -> None:
        """See `IProtocol`."""
        for line in self.lines(data):
            try:
                message = json.loads(line)
                kind = str(message["type"])
            except (ValueError, TypeError, KeyError, RecursionError):
                self.fault(f"no message: {line[:80]!r}")
                continue
            if len(line) >= LONGEST_LINE:
                self.fault(f"a line of {len(line)} bytes")
            self.messages.append((self.host.seconds(), message))
            if not isinstance(message.get("peer_id", ""), str) or any(
                name not in message for name in _NEEDED.get(kind, ())
            ):
                self.fault(f"{kind} without a field that it must have")
                continue
            self.check(kind, message)
            self.notice(message)

    def lines(self, data: bytes) -> list[bytes]:
        """The whole lines of what came, and of what was left of the last read."""
        *lines, self._tail = (self._tail + data).split(b"\n")
        return lines

    def notice(self, message: dict[str, Any]) -> None:
        """React to a message."""
        reaction = getattr(self, "on_" + str(message["type"]).lower(), None)
        if reaction is not None:
            reaction(message)

    def on_hello(self, message: dict[str, Any]) -> None:
        """Answer it."""
        self.us = message["peer_id"]
        self.say("HELLO_OK", **self.greeting())
        self.opened()

    def on_hello_ok(self, message: dict[str, Any]) -> None:
        """It is open."""
        self.us = message["peer_id"]
        self.opened()

    def opened(self) -> None:
        """The handshake is done."""
        self.open = True

    def on_ping(self, message: dict[str, Any]) -> None:
        """Answer it."""
        self.say("PONG", msg_id=message["msg_id"], timestamp=message["timestamp"])

    def on_send(self, message: dict[str, Any]) -> None:
        """Acknowledge it."""
        self.say("ACK", msg_id=message["msg_id"], timestamp=TIME)

    def on_bye(self, message: dict[str, Any]) -> None:
        """Answer it, and close."""
        self.say("BYE_OK", msg_id=message["msg_id"], src=self.peer_id, dst=message["src"])
        self.transport.loseConnection()

    def on_bye_ok(self, message: dict[str, Any]) -> None:  # noqa: ARG002
        """Close."""
        self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002
        """See `IProtocol`."""
        self.closed = True

    # ------------------------------------------------------------ the account

    def fault(self, what: str) -> None:
        """Note what the node did against the protocol."""
        self.peer.faults.append(Fault(self.transport.getPeer().host, self.us, what))

    def check(self, kind: str, message: dict[str, Any]) -> None:
        """Put a message down to the account, and see whether the node may say it here and now."""
        msg_id = message.get("msg_id")
        if kind not in ("HELLO", "HELLO_OK", "BYE") and not self.open:
            self.fault(f"{kind} before the handshake")
        if kind in ("HELLO", "HELLO_OK"):
            if self.open or self.dials is (kind == "HELLO"):
                self.fault(f"an unexpected {kind}")
        elif kind in ("SEND", "PUB"):
            wrong = self.peer.hear(self.us, message)
            if wrong:
                self.fault(wrong)
        elif kind == "ACK":
            wrong = self.peer.acknowledge(self.us, msg_id)
            if wrong:
                self.fault(wrong)
        elif kind in ("PONG", "BYE_OK"):
            if plain(msg_id) not in self._asked:
                self.fault(f"{kind} with the id {msg_id!r}, which was not asked")
            self._asked.discard(plain(msg_id))
        elif kind in ("SAID", "CATCH_UP"):
            self.fault(f"{kind}, which is for p2pchats that keep messages")

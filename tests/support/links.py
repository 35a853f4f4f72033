"""One `PeerProtocol` over a recording transport, with a recording owner."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from p2pchat.mesh.link.context import LinkContext
from p2pchat.mesh.link.protocol import PeerProtocol
from p2pchat.mesh.link.seams import ILinkOwner, IPeerLink
from p2pchat.settings.values import Settings
from p2pchat.testing.clock import FakeClock
from p2pchat.wire.identity import Identity
from p2pchat.wire.messages import ByeOk, Extension, Pong, Pub, Send
from p2pchat.wire.outputs import Finish, Remark

TIME = "2024-05-06T07:08:09Z"


@implementer(ILinkOwner)
class RecordingOwner:
    """Remembers what a link reports, in order; acknowledges what asks for it."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Any]] = []

    def of(self, kind: str) -> list[Any]:
        return [value for name, value in self.events if name == kind]

    @property
    def texts(self) -> list[str]:
        return [message.payload for messages in self.of("chat") for message in messages]

    def link_made(self, link: IPeerLink) -> None:
        self.events.append(("made", link))

    def link_opened(self, link: IPeerLink) -> None:
        self.events.append(("opened", link.peer_id))
        link.deliver = self.chat_received

    def link_closed(self, link: IPeerLink, finish: Finish) -> None:
        self.events.append(("closed", finish))

    def chat_received(self, link: IPeerLink, messages: list[Send | Pub]) -> None:
        self.events.append(("chat", messages))
        accepted = [message.msg_id for message in messages if message.require_ack]
        if accepted:
            link.acknowledge(accepted)

    def extended(self, link: IPeerLink, message: Extension) -> None:
        self.events.append(("extended", message))

    def acknowledged(self, link: IPeerLink, msg_id: object) -> None:
        self.events.append(("ack", msg_id))

    def answered_elsewhere(self, link: IPeerLink, answer: Pong | ByeOk) -> None:
        self.events.append(("elsewhere", answer))

    def round_trip(self, link: IPeerLink, seconds: float) -> None:
        self.events.append(("rtt", seconds))

    def remarked(self, link: IPeerLink, remark: Remark) -> None:
        self.events.append(("remark", remark.text))


class RecordingTransport(StringTransport):
    """Keeps every write apart, and pauses and resumes its producer when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.half_closed = False
        self.no_delay = False

    def setTcpNoDelay(self, enabled: bool) -> None:
        self.no_delay = enabled

    def write(self, data: bytes) -> None:
        self.writes.append(data)
        super().write(data)

    def loseWriteConnection(self) -> None:
        self.half_closed = True

    @property
    def reading(self) -> bool:
        return self.producerState == "producing"

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.value().splitlines()]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["type"] == kind]


class TestedLink:
    """An inbound or outbound link of `me@CIC`, on a clock of its own."""

    def __init__(self, settings: Settings | None = None, dialed: str | None = None) -> None:
        self.clock = FakeClock()
        self.owner = RecordingOwner()
        ids = iter(range(10**9))
        me = Identity.of("me@CIC", "p2pchat/1", "our-instance")
        self.context = LinkContext(
            me,
            settings or Settings(),
            self.owner,
            self.clock,
            new_id=lambda: f"id-{next(ids)}",
            timestamp=lambda: TIME,
        )
        self.link = PeerProtocol(self.context, dialed)
        self.transport = RecordingTransport()
        self.link.makeConnection(self.transport)

    def run(self, seconds: float = 0.0) -> None:
        """Let time pass, with a tick at its end as the node's sweep would."""
        self.clock.run(seconds)
        for link in [*self.context.unsettled]:
            link.tick(self.clock.seconds())

    def hear(self, *messages: dict[str, Any] | bytes) -> None:
        """Have these lines arrive in one chunk; bytes are taken as they are."""
        self.link.dataReceived(
            b"".join(
                message if isinstance(message, bytes) else json.dumps(message).encode() + b"\n"
                for message in messages
            )
        )

    def open(self, *, is_p2pchat: bool = True, name: str = "bob@CIC") -> None:
        """Go through the handshake; forgets what was written in it."""
        kind = "HELLO" if self.link.dialed is None else "HELLO_OK"
        self.hear(hello(name, is_p2pchat=is_p2pchat, kind=kind))
        self.clock.run(0)
        self.transport.clear()
        self.transport.writes.clear()

    def lose(self) -> None:
        """The connection is gone."""
        self.link.connectionLost(Failure(ConnectionDone()))


def hello(name: str = "bob@CIC", *, is_p2pchat: bool = True, kind: str = "HELLO") -> dict[str, Any]:
    agent = {"agent": "p2pchat/1", "instance": "their-instance"} if is_p2pchat else {}
    return {"type": kind, "peer_id": name, **agent}


def send(number: object = 1, **fields: Any) -> dict[str, Any]:
    base = {"type": "SEND", "msg_id": f"m{number}", "payload": f"{number}", "require_ack": True}
    return base | fields


def ping(msg_id: object = "p") -> dict[str, Any]:
    return {"type": "PING", "msg_id": msg_id, "timestamp": None}

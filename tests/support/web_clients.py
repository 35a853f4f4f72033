"""Clients of a node's page for tests: HTTP as bytes, without a socket."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from p2pchat.web.server import PageChannel, PageFactory
from p2pchat.web.service import WebService
from tests.support.control_sockets import ControlledCase, ControlledTown, Wire

HOST = "127.0.0.1:27880"


class Answer(NamedTuple):
    """One HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def fields(self) -> dict[str, Any]:
        """Its JSON."""
        found: dict[str, Any] = json.loads(self.body)
        return found


class Connection:
    """One connection with the page's port."""

    def __init__(self, factory: PageFactory) -> None:
        self.channel: PageChannel = factory.buildProtocol(None)
        self.wire = Wire()
        self._lost = False
        self.channel.makeConnection(self.wire)

    def say(self, data: bytes) -> None:
        self.channel.dataReceived(data)

    @property
    def answer(self) -> Answer:
        """What came, the last of it included."""
        head, _, body = self.wire.value().partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        return Answer(int(first.split()[1]), headers, body)

    @property
    def frames(self) -> list[list[dict[str, Any]]]:
        """The frames of a stream so far: the events of each."""
        _, _, body = self.wire.value().partition(b"\r\n\r\n")
        data = b""
        while body:
            size, _, rest = body.partition(b"\r\n")
            data += rest[: int(size, 16)]
            body = rest[int(size, 16) + 2 :]
        lines = data.split(b"\n")
        return [json.loads(line[6:]) for line in lines if line.startswith(b"data: ")]

    @property
    def events(self) -> list[dict[str, Any]]:
        """All events of a stream so far."""
        return [event for frame in self.frames for event in frame]

    @property
    def kinds(self) -> list[str]:
        return [event["event"] for event in self.events]

    @property
    def is_over(self) -> bool:
        return self.wire.disconnecting or self.wire.aborted

    def lose(self) -> None:
        """It is gone; safe to call again."""
        if not self._lost:
            self._lost = True
            self.channel.connectionLost(Failure(ConnectionDone()))


def request(
    method: str,
    target: str,
    body: bytes | None = None,
    *,
    key: str = "",
    host: str = HOST,
    **headers: str,
) -> bytes:
    """A request as a browser writes it."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}"]
    if key:
        lines.append(f"Authorization: Bearer {key}")
    if body is not None:
        headers = {"Content_Type": "application/json", "Content_Length": str(len(body)), **headers}
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


class PageTown(ControlledTown):
    """A controlled town whose `alice@CIC` has a page."""

    web: WebService
    key = ""

    def hang_up(self) -> None:
        """Lose all connections."""
        for connection in self.connections:
            connection.lose()

    def begin_page(self) -> None:
        self.connections: list[Connection] = []
        self.web = WebService(
            self.reactor, self.alice, self.service.requests, random_bytes=_counting()
        )
        self.alice.page = self.web

    def connect(self, data: bytes = b"") -> Connection:
        connection = Connection(self.web.factory)
        self.connections.append(connection)
        connection.say(data)
        return connection

    def ask(self, method: str, name: str, **fields: Any) -> Connection:
        """Ask with the key; the fields go into the body of a POST."""
        body = json.dumps(fields).encode() if method == "POST" else None
        return self.connect(request(method, f"/api/v1/{name}", body, key=self.key))

    def enter(self) -> None:
        """Exchange a token for the key."""
        token = self.web.open().url.rpartition("=")[2]
        answer = self.ask("POST", "session", token=token).answer
        self.key = answer.fields["key"]


class PageCase(ControlledCase):
    """A test of the page of `alice@CIC`, with the key."""

    place: PageTown

    def setUp(self) -> None:
        self.open_page(PageTown())

    def keep(self) -> Any:
        """Go on with a node that has a history."""
        self.open_page(PageTown(keeps=self))
        return self.place.alice

    def open_page(self, place: PageTown) -> None:
        self.begin(place, 1.0)
        self.alice, self.bob = place.alice, place.bob
        place.begin_page()
        self.web = place.web
        self.addCleanup(self.web.stopService)
        self.addCleanup(place.hang_up)
        place.enter()

    def get(self, name: str) -> Answer:
        """What is answered within half a second."""
        return self.answered(self.place.ask("GET", name))

    def post(self, name: str, **fields: Any) -> Answer:
        return self.answered(self.place.ask("POST", name, **fields))

    def answered(self, connection: Connection) -> Answer:
        if not connection.wire.value():
            self.town.run(0.5)
        answer = connection.answer
        self.assertTrue(connection.is_over)
        connection.lose()
        return answer

    def stream(self, page: str = "page", **query: object) -> Connection:
        asked = "".join(f"&{name}={value}" for name, value in query.items())
        return self.place.ask("GET", f"events?page={page}{asked}")


def _counting() -> Any:
    numbers = iter(range(1, 1_000_000))
    return lambda size: next(numbers).to_bytes(size, "big")

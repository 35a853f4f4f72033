"""The longest turn that anybody at the page's port can cause, of a node that knows many peers."""

from __future__ import annotations

import json
from collections.abc import Iterator

from p2pchat.turns import Turns
from p2pchat.web.gate import MOST_BODY
from tests.support.web_clients import PageTown, request
from tests.together.test_longest_turn import TurnTestCase
from tests.together.test_longest_turn_of_consoles import MeasuringClock, fill

ROOM = MOST_BODY - 100


def _filled(before: str, piece: str, after: str) -> bytes:
    """A body as long as one may be, full of this."""
    count = (ROOM - len(before + after)) // len(piece.encode())
    return f"{before}{piece * count}{after}".encode()


ASKED = (
    *("/", "/api/v1/state", "/api/v1/graph", "/api/v1/peers", "/api/v1/stats", "/api/v1/keys"),
    "/api/v1/conversations",
    "/api/v1/history?" + "a=%41&" * 2000,
    "/api/v1/history?conversation=" + "%CC%81" * 2500,
    "/api/v1/search?q=" + "%ff" * 5000,
    "/api/v1/events?page=p&watching=" + "%CC%81" * 2500,
    "/static/" + "../" * 5000,
)
SAID = (
    ("send", _filled("", "[", "")),
    ("send", _filled("", '{"a":', "")),
    ("send", _filled('{"to":"bob","text":"', "\\u0301", '"}')),
    ("send", _filled('{"to":"bob","text":"', "\u0301", '"}')),
    ("send", _filled('{"text":"x","to":"', "a@", '"}')),
    ("send", _filled('{"text":"x","to":"#', "\u0301", '"}')),
    ("send", _filled('{"count":', "9", "}")),
    ("send", _filled('{"a":[', '"",', '""]}')),
    ("command", _filled('{"line":"/', "\u0301", '"}')),
    ("command", _filled('{"line":"/help ', "a", '"}')),
    ("command", _filled('{"line":"/block ', "1.", '"}')),
    ("command", b'{"line":"/peers"}'),
    ("read", _filled('{"conversation":"#', "a", '"}')),
    ("cancel", json.dumps({"msg_ids": ["x" * 250] * 500}).encode()),
    ("block", _filled('{"entry":"', "*@", '"}')),
    ("watch", _filled('{"page":"p","watching":"', "\u202e", '"}')),
    ("session", _filled('{"token":"', "a", '"}')),
)
HEADS = (
    b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 2700 + b"\r\n",
    b"GET / HTTP/1.1\r\nA: b\r\n" + b" \r\n" * 16_000,
    b"\r\n" * 30_000,
    b"\n" * 60_000,
    request("GET", "/", Cookie=";" * 16_000),
    request("GET", "/", Authorization="Bearer " + "x" * 16_000),
    request("GET", "/", If_None_Match='"",' * 5_000),
    request("GET", "/", Origin="http://" + "a" * 16_000),
    request("GET", "/", host="127." * 4_000),
    request("GET", "/") * 1000,
)


class TurnTests(TurnTestCase):
    def setUp(self) -> None:
        self.place = PageTown()
        self.addCleanup(self.place.close)
        self.place.begin_page()
        self.addCleanup(self.place.web.stopService)
        self.addCleanup(self.place.hang_up)
        self.place.enter()

    def said(self, data: bytes) -> Iterator[object]:
        self.place.alice.mesh.turns = Turns(clock := MeasuringClock())
        connection = self.place.connect(data)
        yield None
        yield from clock.turns()
        connection.lose()

    def test_what_is_asked(self) -> None:
        fill(self.place.alice)
        for target in ASKED:
            with self.subTest(target=target[:40]):
                self.assertShort(self.said, request("GET", target, key=self.place.key))

    def test_what_is_said(self) -> None:
        for name, body in SAID:
            with self.subTest(name=name, body=body[:30]):
                data = request("POST", f"/api/v1/{name}", body, key=self.place.key)
                self.assertShort(self.said, data)

    def test_who_has_no_key(self) -> None:
        for data in HEADS:
            with self.subTest(data=data[:40]):
                self.assertShort(self.said, data)

"""The longest turn for what a console, a pipe and the control socket make of what came."""

from __future__ import annotations

import time
from collections.abc import Iterator

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from p2pchat.console.commands.table import Commands
from p2pchat.console.plain.screen import Digest, Screen, Transcript
from p2pchat.console.reports import peer_rows
from p2pchat.node.node import ChatNode
from p2pchat.rendezvous.directory import Listing
from p2pchat.turns import Turns
from p2pchat.wire.messages import Pub, Send
from tests.support.control_sockets import ControlledTown
from tests.support.towns import MeshTestCase
from tests.together.test_longest_turn import CHUNK, TurnTestCase

SIZE = 32_000
"""Bytes of a line, in which a control character takes six."""
TEXTS = (
    "x" * SIZE,
    "\t" * (SIZE // 2),
    "\x1b a" * (SIZE // 8),
    "\x1b\u0301" * (SIZE // 8),
    "a" + "\u0301" * (SIZE // 2),
    ("a" + "\u0301" * 8) * (SIZE // 17),
    "\u202e" * (SIZE // 3),
    "\ud800 " * (SIZE // 7),
)
BATCHES = 64
"""Chunks of peers that one batch of the history brings: 4 MiB."""


class MeasuringClock(Clock):
    """A clock that runs by itself, and calls only when it is told that a turn is over."""

    def seconds(self) -> float:
        return time.perf_counter()

    def turns(self) -> Iterator[object]:
        while self.calls:
            due = [call for call in self.calls if call.getTime() <= self.seconds()]
            self.calls = [call for call in self.calls if call not in due]
            for call in due:
                call.called = 1
                call.func(*call.args, **call.kw)
            yield None


class ArrivalTests(TurnTestCase):
    """What a batch of the history has brought, shown on a pipe and on a terminal."""

    def setUp(self) -> None:
        self.clock = MeasuringClock()
        self.screen = Screen(self.clock)
        self.screen.connect(StringTransport())

    def arrivals(self, text: str) -> Iterator[list[Send | Pub]]:
        for _ in range(BATCHES):
            yield [
                Pub("1", "eve@CIC", "#CIC", text) for _ in range(CHUNK // min(SIZE, 6 * len(text)))
            ]

    def transcript(self, text: str) -> Iterator[object]:
        transcript = Transcript(Turns(self.clock), self.screen)
        for messages in self.arrivals(text):
            transcript.received("bob@CIC", messages)
        yield None
        yield from self.clock.turns()

    def late_transcript(self, text: str) -> Iterator[object]:
        transcript = Transcript(Turns(self.clock), self.screen)
        for messages in self.arrivals(text):
            transcript.received("bob@CIC", messages, [", said 12:00"] * len(messages))
        yield None
        yield from self.clock.turns()

    def digest(self, text: str) -> Iterator[object]:
        digest = Digest(self.clock, self.screen)
        for messages in self.arrivals(text):
            digest.received("bob@CIC", messages, [", said 12:00"] * len(messages))
        yield None
        yield from self.clock.turns()

    def test_on_a_pipe(self) -> None:
        for text in (*TEXTS, "\x1b" * 100):
            with self.subTest(text=text[:5]):
                self.assertShort(self.transcript, text)

    def test_late_on_a_pipe(self) -> None:
        for text in (*TEXTS, "\x1b" * 100):
            with self.subTest(text=text[:5]):
                self.assertShort(self.late_transcript, text)

    def test_late_on_a_terminal(self) -> None:
        for text in TEXTS:
            with self.subTest(text=text[:5]):
                self.assertShort(self.digest, text)


def fill(node: ChatNode) -> list[Listing]:
    """Have a node know as many peers as it may; returns the listing."""
    many = node.peers.max_known
    listings = [
        Listing(f"pé{n}", "CIC", f"10.9.{n // 250}.{n % 250}", 4000, 60, 60 - n / many)
        for n in range(many)
    ]
    for _ in node.mesh._listings.take_in(listings, "10.255.255.254", True, None):
        pass
    return listings


COMMANDS = (
    "/peers",
    "/stats",
    "/stats json",
    "/rtt",
    "/conn",
    "/help",
    "/msg nobody oi",
    "/msg " + "\u0301" * 30_000 + " oi",
    "/msg pé1 " + "\u0301" * 30_000,
    "/block " + "x" * 60_000,
    "/block " + "1." * 30_000,
    "/pub #" + "\u0301" * 30_000,
    "/log " + "\x1b" * 60_000,
    "/" + "x" * 60_000,
)


class CommandTests(MeshTestCase, TurnTestCase):
    """What a person asks a node that knows as many peers as it may."""

    def test_commands(self) -> None:
        alice = self.town.node("alice@CIC")
        self.town.run(1)
        fill(alice)
        commands = Commands(alice, self.town.host_of(alice))

        def run(line: str) -> Iterator[object]:
            alice.mesh.turns = Turns(clock := MeasuringClock())
            commands.run(line)
            yield None
            yield from clock.turns()

        for line in COMMANDS:
            with self.subTest(line=line[:20]):
                self.assertShort(run, line)

    def test_rows_of_peers(self) -> None:
        alice = self.town.node("alice@CIC")
        self.town.run(1)
        listings = fill(alice)
        self.assertShort(lambda listed: peer_rows(alice.peers, None, listed), listings)
        self.assertShort(lambda listed: peer_rows(alice.peers, None, listed), None)


REQUESTS = (
    b"",
    b"{}",
    b'{"do":"status"}',
    b'{"do":"stats"}',
    b'{"do":"stats","format":"text"}',
    b'{"do":"rtt"}',
    b'{"do":"conn","format":"text"}',
    b'{"do":"peers","ask":false}' + b" " * 5000,
    b'{"do":"send","to":"nobody","text":"oi"}',
    b'{"do":"run","line":"/help"}',
    b'{"do":"run","line":"/stats"}',
    b'{"do":"run","line":"/msg nobody oi"}',
    b'{"do":"outbox","count":200}',
    b'{"do":"cancel","msg_ids":[' + b'"",' * 499 + b'"x"]}',
    b'{"do":"subscribe","since":0}',
    b'{"do":"block"}',
    b'{"do":"x","events":[' + b'"",' * 20_000 + b'""]}',
    b'{"do":5,' + b'"a":[],' * 9000 + b'"b":1}',
)


class RequestTests(TurnTestCase):
    """What a program asks on the control socket, as much as one chunk of it holds."""

    def setUp(self) -> None:
        self.place = ControlledTown()
        self.addCleanup(self.place.close)
        fill(self.place.alice)

    def chunk(self, line: bytes) -> Iterator[object]:
        clock = MeasuringClock()
        self.place.alice.mesh.turns = self.place.service.factory.turns = Turns(clock)
        client = self.place.client()
        many = max(1, min(40, CHUNK // (len(line) + 1)))
        client.connection.dataReceived((line + b"\n") * many)
        yield None
        yield from clock.turns()
        client.hang_up()

    def test_chunks(self) -> None:
        for line in REQUESTS:
            with self.subTest(line=line[:40]):
                self.assertShort(self.chunk, line)

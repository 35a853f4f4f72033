"""Connections with browsers, and with whatever else finds the port: HTTP/1.1, one request each.

    factory = PageFactory(clock, pages)
    reactor.listenTCP(27880, factory, interface="127.0.0.1")

Rules: `p2pchat.web.gate` decides before a body is read, and nothing of a body reaches the disk. The
number of connections is bounded: when all places are taken, the oldest that is no stream gives way.
A request has a time in which to come, and its answer one in which to be read. What is asked is
written to no log.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any, Final
from typing import Protocol as Interface

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, IDelayedCall, IReactorTime
from twisted.internet.protocol import ServerFactory, connectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel, Request

from p2pchat.control.events import encode_json
from p2pchat.logs.levels import Log
from p2pchat.speech import Sentence, spoken
from p2pchat.web.gate import Asked, Refusal, body_refused, refused

_log: Final = Log("Web")
MOST: Final = 32
"""Connections at a time."""
_READ: Final = 8_192
"""Bytes that are read of a connection at once: all may have something in the same turn."""
TO_ASK: Final = 15.0
"""Seconds in which a request must have come."""
TO_READ: Final = 60.0
"""Seconds in which its answer must have been read."""
LAST_WRITE: Final = 1.0
"""Seconds that all may take to read what they are told in the end."""

FAULT: Final = Refusal(500, "failed", Sentence("that did not work, through a fault of ours"))

SAFE: Final = {
    b"Content-Security-Policy": (
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
        b"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        b"require-trusted-types-for 'script'"
    ),
    b"X-Content-Type-Options": b"nosniff",
    b"Referrer-Policy": b"no-referrer",
    b"Cross-Origin-Opener-Policy": b"same-origin",
    b"Cross-Origin-Resource-Policy": b"same-origin",
    b"Cache-Control": b"no-store",
    b"Server": b"p2pchat",
}
"""The headers of every answer."""


class Answering(Interface):
    """What answers the requests that may pass."""

    def has_key(self, given: str) -> bool:
        """Whether this is the key of the pages."""

    def hosts(self) -> tuple[str, ...]:
        """Names for this machine beside those of loopback."""

    def answer(self, request: BrowserRequest) -> None:
        """Answer, now or later, by `say` or `refuse`."""


class BrowserRequest(Request):
    """One request. Its gate is behind it when `pages` is asked to answer."""

    channel: PageChannel
    asked: Asked
    """What counts of it."""
    body: BytesIO
    """What it brings."""
    _is_refused = False

    @property
    def pages(self) -> Answering:
        """What answers."""
        pages: Answering = self.channel.factory.pages
        return pages

    def gotLength(self, length: int | None) -> None:
        """The headers are read; None is a body of unknown length. Refuse it now, or take it."""
        self.content = self.body = BytesIO()
        method = "GET" if length == 0 else "POST"
        refusal = body_refused(self._about(method, "/", length))
        if refusal is not None:
            self._is_refused = True
            self.clientproto = b"HTTP/1.1"
            self._write(refusal.status, _body(refusal))
            self.channel.loseConnection()

    def parseCookies(self) -> None:
        """There are none, and thousands of them would be work."""

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """All of it has come. What it asks is read behind the gate, and forms are not."""
        if not self._is_refused:
            self.method, self.uri, self.clientproto = command, path, version
            self.process()

    def process(self) -> None:
        """Let it pass, or refuse it."""
        self.channel.has_asked()
        method, target = (each.decode("latin-1") for each in (self.method, self.uri))
        self.asked = self._about(method, target, len(self.body.getvalue()))
        refusal = refused(self.asked, self.pages.hosts())
        if refusal is not None:
            self.refuse(refusal)
            return
        try:
            self.pages.answer(self)
        except Exception:
            self.fail(Failure())

    def fail(self, failure: Failure) -> None:
        """A fault of ours, whose place the log tells."""
        _log.failure("A request of a page failed", failure)
        if not self.startedWriting:
            self.refuse(FAULT)

    def refuse(self, refusal: Refusal, **more: object) -> None:
        """Answer that it is not answered."""
        self.say(refusal.status, _body(refusal, **more))

    def say(self, status: int, data: bytes, headers: dict[bytes, bytes] | None = None) -> None:
        """Answer with this, if there is still somebody who listens."""
        if self.channel is not None and not self.finished:
            self._write(status, data, headers)
            self.finish()

    def stays(self, headers: dict[bytes, bytes]) -> None:
        """Begin an answer that does not end."""
        self.channel.stays()
        self._head(200, headers)
        self.write(b": \n\n")

    def _write(self, status: int, data: bytes, headers: dict[bytes, bytes] | None = None) -> None:
        usual = {b"Content-Type": b"application/json", b"Content-Length": b"%d" % len(data)}
        self._head(status, {**usual, **(headers or {})})
        self.write(data)

    def _head(self, status: int, headers: dict[bytes, bytes]) -> None:
        self.setResponseCode(status)
        for name, value in {**SAFE, **headers, b"Connection": b"close"}.items():
            self.responseHeaders.setRawHeaders(name, [value])

    def _about(self, method: str, target: str, length: int | None) -> Asked:
        keys = self._all(b"authorization")
        scheme, _, key = keys[0].partition(" ") if len(keys) == 1 else ("", "", "")
        sites = self._all(b"sec-fetch-site")
        return Asked(
            method,
            target,
            self._all(b"host"),
            self._all(b"origin"),
            sites[0] if sites else "",
            self._all(b"content-type"),
            scheme.lower() == "bearer" and self.pages.has_key(key.strip()),
            length,
        )

    def _all(self, name: bytes) -> list[str]:
        return [each.decode("latin-1") for each in self.requestHeaders.getRawHeaders(name) or []]


def _body(refusal: Refusal, **more: object) -> bytes:
    return encode_json({"code": refusal.code, "error": spoken(refusal.sentence), **more})


class PageChannel(HTTPChannel):
    """One connection."""

    requestFactory = BrowserRequest  # noqa: N815
    factory: Any
    transport: Any
    is_stream = False
    """Whether its answer does not end."""
    _deadline: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """Somebody connects."""
        self.transport.bufferSize = _READ
        super().connectionMade()
        self._wait(TO_ASK)
        self.factory.came(self)

    def has_asked(self) -> None:
        """The request has come."""
        self._wait(TO_READ)

    def stays(self) -> None:
        """The answer does not end: from now on who reads it is somebody else's business."""
        self.is_stream = True
        self._stop_waiting()

    def lineReceived(self, line: bytes) -> None:
        """A line of the head. One that goes on in the next is refused (RFC 9112, section 5.2).

        Thousands of these would be joined again and again.
        """
        if line[:1] in (b" ", b"\t"):
            self.transport.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            self.transport.loseConnection()
        else:
            super().lineReceived(line)

    def checkPersistence(self, request: Request, version: bytes) -> bool:  # noqa: ARG002
        """The connection ends with its answer: a thousand requests at once would be one turn."""
        return False

    def requestDone(self, request: Request) -> None:
        """All is said."""
        self._wait(TO_READ)
        super().requestDone(request)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """It is gone."""
        self._stop_waiting()
        self.factory.went(self)
        super().connectionLost(reason)

    def abort(self) -> None:
        """Close at once."""
        self._stop_waiting()
        self.transport.abortConnection()

    def _wait(self, seconds: float) -> None:
        self._stop_waiting()
        self._deadline = self.factory.clock.callLater(seconds, self._too_late)

    def _stop_waiting(self) -> None:
        deadline, self._deadline = self._deadline, None
        if deadline is not None:
            deadline.cancel()

    def _too_late(self) -> None:
        self._deadline = None
        self.abort()


class PageFactory(ServerFactory):
    """Makes the connections, and knows them; `on_request` hears of each request."""

    noisy = False

    def __init__(self, clock: IReactorTime, pages: Answering) -> None:
        self.clock = clock
        self.pages = pages
        self.connections: dict[PageChannel, None] = {}
        self.requests = self.given_way = 0
        self._all_gone: Deferred[None] | None = None

    def buildProtocol(self, addr: IAddress | None) -> Any:  # noqa: ARG002
        """Somebody connects."""
        channel = PageChannel()
        channel.factory = self
        return channel

    def came(self, channel: PageChannel) -> None:
        """It has connected: make room for it."""
        if len(self.connections) >= MOST:
            oldest = next((each for each in self.connections if not each.is_stream), None)
            if oldest is not None:
                self.given_way += 1
                del self.connections[oldest]
                oldest.abort()
        self.connections[channel] = None

    def went(self, channel: PageChannel) -> None:
        """It is gone."""
        self.connections.pop(channel, None)
        if not self.connections and self._all_gone is not None:
            gone, self._all_gone = self._all_gone, None
            gone.callback(None)

    def log(self, request: Request) -> None:  # noqa: ARG002
        """What pages ask is nobody's business."""
        self.requests += 1

    def close(self) -> Deferred[None]:
        """End all connections; fires when they are gone, within a second."""
        if not self.connections:
            return succeed(None)
        gone = self._all_gone = Deferred()
        for channel in [*self.connections]:
            channel.transport.loseConnection()
        deadline = self.clock.callLater(LAST_WRITE, self._abort)
        return gone.addCallback(lambda _: deadline.cancel() if deadline.active() else None)

    def _abort(self) -> None:
        for channel in [*self.connections]:
            channel.abort()

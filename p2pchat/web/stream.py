"""The events that one open page gets, as a stream that does not end: `text/event-stream`.

    stream = Stream(request, clock, on_gone)
    feed.subscribe(stream.out)       what happens in the node goes to `stream.out`
    stream.out.tell({"event": "stopping"})
    stream.end()

What leaves, each frame ended by an empty line, and `: ` now and then:

    id: 1234
    data: [{"event":"message",…,"n":1233},{"event":"delivered",…,"n":1234}]

Rules: what comes within `BATCH` seconds leaves in one frame. What waits for a page that does not
read is bounded, and what is left out is counted and told (`p2pchat.control.outgoing`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from p2pchat.control.events import encode_json
from p2pchat.control.outgoing import Outgoing
from p2pchat.control.requests import Fields
from p2pchat.web.server import LAST_WRITE

BATCH: Final = 0.05
"""Seconds whose events make one frame: a page draws no sooner."""
LARGEST: Final = 65_536
"""Bytes after which a frame leaves at once: else the transport could not tell that it is full."""
MOST_WAITING: Final = 262_144
"""Bytes that wait for a page that does not read, before events are left out."""
ALIVE: Final = 20.0
"""Seconds between two signs of life: a page knows by them that nothing happens."""


class Stream:
    """What goes to one page. `request` takes `write`, `registerProducer` and `finish`."""

    def __init__(self, request: Any, clock: IReactorTime, on_gone: Callable[[], None]) -> None:
        self._request = request
        self._clock = clock
        self._on_gone = on_gone
        self._lines: list[bytes] = []
        self._size = 0
        self._next: IDelayedCall | None = None
        self._sent_at = clock.seconds() - BATCH
        self._over = self._held = False
        self.out = Outgoing(lambda: None, room=MOST_WAITING)
        """What the node tells this page."""
        self.out.leave_out = True
        self._sign: IDelayedCall = clock.callLater(ALIVE, self._live)
        self.out.connect(self)

    def begin(self, catch_up: Callable[[], Fields]) -> None:
        """Say where it is, which `catch_up` answers, before what `catch_up` tells."""
        self._held = True
        place = catch_up()
        self._held = False
        self._lines.insert(0, encode_json({"event": "hello", **place}))
        self._flush()

    def end(self) -> None:
        """Send what is to be sent, and close."""
        if not self._over:
            self.out.end()
        if not self._over:  # it does not read
            self._sign.cancel()
            self._sign = self._clock.callLater(LAST_WRITE, self.abortConnection)

    def lost(self) -> None:
        """The page is gone."""
        self._gone()

    # ------------------------------------------------------------ what `out` asks of a transport

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """`producer` is told when the page does not read, and when it does again."""
        self._request.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """It has nothing more."""
        if not self._over:
            self._request.unregisterProducer()

    def write(self, lines: bytes) -> None:
        """Send these events, a line each, soon."""
        self._lines.append(lines)
        self._size += len(lines)
        if self._held:
            return
        if self._size >= LARGEST:
            self._flush()
        elif self._next is None:
            since = self._clock.seconds() - self._sent_at
            self._next = self._clock.callLater(max(0.0, BATCH - since), self._flush)

    def loseConnection(self) -> None:
        """All has been said."""
        self._flush()
        self._finish()

    def abortConnection(self) -> None:
        """It is over, whatever has not been read."""
        if not self._over:
            self._gone()
            self._request.channel.abort()

    # ------------------------------------------------------------ pieces

    def _flush(self) -> None:
        later, self._next = self._next, None
        if later is not None and later.active():
            later.cancel()
        if self._lines and not self._over:
            lines, self._lines, self._size = self._lines, [], 0
            self._sent_at = self._clock.seconds()
            self._request.write(frame(b"".join(lines)))

    def _live(self) -> None:
        self._sign = self._clock.callLater(ALIVE, self._live)
        if not self.out.blocked:
            self._request.write(b": \n\n")

    def _finish(self) -> None:
        if not self._over:
            self._gone()
            self._request.finish()

    def _gone(self) -> None:
        if self._over:
            return
        self._over = True
        for later in (self._sign, self._next):
            if later is not None and later.active():
                later.cancel()
        self._lines.clear()
        if not self.out.ended:
            self.out.lost()
        self._on_gone()


def frame(lines: bytes) -> bytes:
    """One frame of these events, a line of JSON each."""
    events = lines[:-1].replace(b"\n", b",")
    # A text cannot hold this: the quotes in it are escaped.
    place = events.rfind(b',"n":')
    if place < 0:
        return b"data: [" + events + b"]\n\n"
    number = events[place + 5 :].partition(b"}")[0]
    return b"id: " + number + b"\ndata: [" + events + b"]\n\n"

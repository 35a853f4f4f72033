"""What goes to one client of the control socket, and what becomes of it while nobody reads.

    out = Outgoing(on_overflow)
    out.connect(transport)
    out.tell({"id": 1, "ok": True})      # an answer, or an event for this client alone
    out.events(data, 3)                  # three events that all subscribers get
    out.end()

Rules: what waits is bounded by `MAX_QUEUE`. A client for which more waits is cut off. If it asked
for that, events are left out instead, and it is told how many as soon as it reads again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from p2pchat.control.events import encode_json
from p2pchat.control.requests import Fields

MAX_QUEUE: Final = 1_048_576
"""Bytes that may wait for a client that does not read."""
_EVENT_ROOM: Final = MAX_QUEUE // 2
"""Of those, bytes that may wait before events are left out: the rest is for answers."""


@implementer(IPushProducer)
class Outgoing:
    """Lines on their way to one client; `on_overflow` is called before it is cut off."""

    def __init__(self, on_overflow: Callable[[], None]) -> None:
        self._on_overflow = on_overflow
        self._transport: Any = None
        self._blocked = False
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._left_out = 0
        self.leave_out = False
        """Whether events are left out while too much waits."""
        self.ended = False
        """Whether nothing more goes out."""

    def connect(self, transport: Any) -> None:
        """Write to this transport from now on."""
        self._transport = transport
        transport.registerProducer(self, True)

    def tell(self, fields: Fields) -> None:
        """Send an object."""
        if not self.ended:
            self._write(encode_json(fields))

    def missed(self, count: int) -> bool:
        """Whether so many events are left out, unseen, because others were already."""
        if self._left_out:
            self._left_out += count
        return bool(self._left_out)

    def events(self, data: bytes, count: int) -> None:
        """Send so many events, already encoded."""
        too_many = self._blocked and self._waiting_bytes + len(data) > _EVENT_ROOM
        if too_many and self.leave_out:
            self._left_out += count
        else:
            self._write(data)

    def end(self) -> None:
        """Close when all is written; what the client does not read is not waited for."""
        self.ended = True
        if self._blocked:
            self.abort()
        else:
            self._transport.unregisterProducer()
            self._transport.loseConnection()

    def lost(self) -> None:
        """The connection is gone."""
        self.ended = True
        self._forget()

    def abort(self) -> None:
        """Close at once."""
        self.lost()
        self._transport.abortConnection()

    def _write(self, data: bytes) -> None:
        if self.ended:
            return
        if not self._blocked:
            self._transport.write(data)
            return
        self._waiting.append(data)
        self._waiting_bytes += len(data)
        if self._waiting_bytes > MAX_QUEUE:
            self.ended = True
            self._on_overflow()
            self.abort()

    def _forget(self) -> None:
        self._waiting.clear()
        self._waiting_bytes = self._left_out = 0

    # ------------------------------------------------------------ IPushProducer, for the transport

    def pauseProducing(self) -> None:
        """The client does not read."""
        self._blocked = True

    def resumeProducing(self) -> None:
        """The client reads again."""
        self._blocked = False
        waiting, left_out = b"".join(self._waiting), self._left_out
        self._forget()
        if left_out:
            waiting += encode_json({"event": "left_out", "count": left_out})
        if waiting:
            self._transport.write(waiting)

    def stopProducing(self) -> None:
        """The connection is gone; `connectionLost` follows."""

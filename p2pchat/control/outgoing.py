"""What goes to one client of the control socket, and what becomes of it while nobody reads.

    out = Outgoing(on_overflow, on_room)
    out.connect(transport)
    out.tell({"id": 1, "ok": True})      # an answer, which is never left out
    out.news({"event": "outcome"})       # an event for this client alone
    out.events(data, 3)                  # three events that all subscribers get
    out.end()

Rules: answers have no limit of their own, so ask `has_room` before work is begun whose answer may
be long. Events that nobody reads are bounded by `MAX_QUEUE`: a client for which more waits is cut
off. If it asked for that, events are left out instead, and it is told how many as soon as it reads
again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from p2pchat.control.events import encode_json
from p2pchat.control.long_answers import LongAnswers
from p2pchat.control.requests import Fields

MAX_QUEUE: Final = 1_048_576
"""Bytes that may wait for a client that does not read."""
_ROOM: Final = MAX_QUEUE // 2
"""Bytes that may wait before events are left out and no long answer is begun."""


@implementer(IPushProducer)
class Outgoing:
    """Lines on their way to one client.

    `on_overflow` is called before it is cut off, `on_room` when it has read what waited. `room`:
    bytes that may wait before events are left out.
    """

    def __init__(
        self,
        on_overflow: Callable[[], None],
        on_room: Callable[[], None] = lambda: None,
        room: int = _ROOM,
    ) -> None:
        self._on_overflow = on_overflow
        self._on_room = on_room
        self._room = room
        self._transport: Any = None
        self._blocked = False
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._left_out = 0
        self.long_answers = LongAnswers(lambda: self.has_room)
        """Whatever has an answer that may be long is begun here."""
        self.times_read = 0
        """How often the client has read all that was on its way."""
        self.leave_out = False
        """Whether events are left out while too much waits."""
        self.ended = False
        """Whether nothing more is said; what was said may still be on its way."""

    def connect(self, transport: Any) -> None:
        """Write to this transport from now on."""
        self._transport = transport
        transport.registerProducer(self, True)

    @property
    def has_room(self) -> bool:
        """Whether so little waits that more may be asked for."""
        return self._waiting_bytes <= self._room

    @property
    def blocked(self) -> bool:
        """Whether something waits because the client has not read what came before."""
        return self._blocked

    def tell(self, fields: Fields) -> None:
        """Send an object that was asked for."""
        if not self.ended:
            self._write(encode_json(fields))

    def news(self, fields: Fields) -> None:
        """Send an object that was not asked for; it counts to what nobody reads."""
        if not self.ended:
            self._bounded(encode_json(fields))

    def missed(self, count: int) -> bool:
        """Whether so many events are left out, unseen, because others were already."""
        if self._left_out:
            self._left_out += count
        return bool(self._left_out)

    def events(self, data: bytes, count: int) -> None:
        """Send so many events, already encoded."""
        if self.ended:
            return
        too_many = self._blocked and self._waiting_bytes + len(data) > self._room
        if too_many and self.leave_out:
            self._left_out += count
        else:
            self._bounded(data)

    def end(self) -> None:
        """Say nothing more, and close when all is written."""
        self.ended = True
        self.long_answers.clear()
        if not self._blocked:
            self._transport.unregisterProducer()
            self._transport.loseConnection()

    def lost(self) -> None:
        """The connection is gone."""
        self.ended = True
        self.long_answers.clear()
        self._forget()

    def abort(self) -> None:
        """Close at once."""
        self.lost()
        self._transport.abortConnection()

    def _bounded(self, data: bytes) -> None:
        if self._blocked and self._waiting_bytes + len(data) > MAX_QUEUE:
            self._on_overflow()
            self.abort()
        else:
            self._write(data)

    def _write(self, data: bytes) -> None:
        if self._blocked:
            self._waiting.append(data)
            self._waiting_bytes += len(data)
        else:
            self._transport.write(data)

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
        self.times_read += 1
        waiting, left_out = b"".join(self._waiting), self._left_out
        self._forget()
        if left_out:
            waiting += encode_json({"event": "left_out", "count": left_out})
        if waiting:
            self._transport.write(waiting)
        if self.ended:
            self.end()
            return
        self.long_answers.go_on()
        self._on_room()

    def stopProducing(self) -> None:
        """The connection is gone; `connectionLost` follows."""

"""What leaves on one link, when, and how much of it may wait.

To our own kind, the lines of a reactor turn leave as one write. To any other client, lines leave
one at a time with a pause between them: several real clients keep only the first line of what
they read at once, and lose what follows HELLO_OK in one segment (protocol, section 1: "a plain
link").

Rules: a line is either taken whole or refused; the order of lines never changes. What waits is
bounded: chat lines are refused beyond `limit` bytes. The answers that a session itself sends are
always taken, but a peer that leaves many of them unread is no longer read itself. Whatever is full
and does not move gets a date, so that its link can be ended. The bytes that outlive a turn are
counted over all links of a node, because many short queues are as large as one long one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.internet.tcp import Client, Server
from zope.interface import implementer

FIRST_PAUSE: Final = 0.1
"""Seconds between the handshake and the first line on a plain link."""
PAUSE: Final = 0.05
"""Seconds between two lines on a plain link."""
MAX_ANSWERS: Final = 65_536
"""Bytes of answers that may wait for one peer, unless more of our own messages wait there, too."""
UNPACED: Final = 32
"""More waiting lines than this on a plain link, or half of what may wait, leave without pauses."""


def _ignore() -> None:
    """Nobody watches over all queues."""


class WriteBatch:
    """Flushes, once at the end of the reactor's turn, every queue that got a line in it."""

    def __init__(self, clock: IReactorTime) -> None:
        self.clock = clock
        self._dirty: list[SendQueue] = []
        self._first: list[Callable[[], None]] = []
        self._scheduled = False
        self.max_waiting = math.inf
        """Bytes that may outlive a turn, in all queues together; may be changed at any time."""
        self.on_too_much: Callable[[], None] = _ignore
        """Is called when more do; it is to end links until `waiting` is less."""
        self.waiting = 0
        """Bytes that have outlived a turn, in all queues together."""
        self.crowded: set[SendQueue] = set()
        """The queues in which more waits than half of what may, or that refused a line."""

    def add(self, queue: SendQueue) -> None:
        """Flush this queue when the current turn ends."""
        self._schedule()
        self._dirty.append(queue)

    def before_flush(self, call: Callable[[], None]) -> None:
        """Call this when the current turn ends, before anything is flushed."""
        self._schedule()
        self._first.append(call)

    def outlive(self, more: int) -> None:
        """So many more bytes wait than at the end of an earlier turn, or fewer."""
        self.waiting += more
        if more > 0 and self.waiting > self.max_waiting:
            self.on_too_much()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self.clock.callLater(0, self._flush)

    def _flush(self) -> None:
        first, self._first = self._first, []
        try:
            for call in first:
                call()
        finally:
            # Whatever fails costs its own turn: what waits leaves with the next one at the latest.
            self._scheduled = False
            dirty, self._dirty = self._dirty, []
            for queue in dirty:
                queue.flush()


@implementer(IPushProducer)
class SendQueue:
    """The lines waiting for one transport.

    `write` puts bytes on the transport; `on_drained` is called when lines have left and no more
    waits than may.
    """

    __slots__ = (
        "_answers",
        "_batch",
        "_blocked",
        "_counted",
        "_deliver",
        "_due",
        "_first_at",
        "_half",
        "_pacing",
        "_resume_at",
        "_waiting",
        "bytes_waiting",
        "full_since",
        "limit",
        "on_drained",
        "refused",
        "written",
    )

    def __init__(self, batch: WriteBatch, write: Callable[[bytes], Any], limit: int) -> None:
        self._batch = batch
        self._deliver = write
        self.limit = limit
        self._half = limit // 2
        self._waiting: list[bytes] = []
        self.bytes_waiting = 0
        self._answers = self._counted = 0
        self.refused = 0
        """Lines that were refused because too much waited."""
        self.written = 0
        """Lines that have left a plain link in their time: at its end, they may not be read."""
        self.full_since: float | None = None
        """Since when the queue has been full and nothing left it, None while it is not."""
        self.on_drained: Callable[[], None] | None = None
        self._blocked = False
        self._due = False
        self._pacing: IDelayedCall | None = None
        self._first_at = 0.0
        self._resume_at: float | None = None

    def offer(self, line: bytes) -> bool:
        """Queue a line if there is room for it; False, and counted, if not."""
        if self.bytes_waiting + len(line) > self.limit:
            self._refuse()
            return False
        self.put(line)
        return True

    def has_room(self, size: int) -> bool:
        """Whether `size` more bytes may wait."""
        return self.bytes_waiting + size <= self.limit

    def put(self, line: bytes) -> None:
        """Queue a line in any case."""
        self._waiting.append(line)
        self.bytes_waiting = size = self.bytes_waiting + len(line)
        if size > self._half:
            self._crowded()
        if not self._due:
            self._due = True
            self._batch.add(self)

    def answer(self, line: bytes) -> None:
        """Queue what the session itself says, in any case."""
        self._answers += len(line)
        self.put(line)

    @property
    def place(self) -> int:
        """What `written` is when the last line that was taken has left, on a plain link."""
        return self.written + len(self._waiting)

    def offer_all(self, lines: list[bytes], block: bytes) -> bool:
        """Queue several lines if there is room for all; `block` is the lines joined."""
        if self._resume_at is None:
            return self.offer(block)
        if self.bytes_waiting + len(block) > self.limit:
            self._refuse()
            return False
        for line in lines:
            self.put(line)
        return True

    def hold(self) -> None:
        """The caller will call `flush` itself before the reactor's turn ends."""
        self._due = True

    @property
    def overfull(self) -> bool:
        """Whether more waits than may: the other end asks, and does not read our answers.

        Two ends that both send much have their own messages before the answers. They must not
        both stop reading for those.
        """
        answers = self._answers
        if answers <= MAX_ANSWERS:
            return self.bytes_waiting > self.limit
        return self.bytes_waiting > self.limit or 2 * answers > self.bytes_waiting

    @property
    def burden(self) -> tuple[bool, int]:
        """How early this queue gives way: answers before our messages, many bytes before few."""
        return 2 * self._answers > self.bytes_waiting, self.bytes_waiting

    @property
    def bytes_lasting(self) -> int:
        """The bytes that wait for longer than their turn: those that all queues together count."""
        return self._counted

    @property
    def blocked(self) -> bool:
        """Whether the other end does not read what we send."""
        return self._blocked

    def through(self, write: Callable[[bytes], Any]) -> None:
        """From now on, have `write` put on the transport what leaves: nothing has left yet."""
        self._deliver = write

    def pace(self) -> None:
        """From now on, the moment of the handshake, leave pauses between lines (a plain link)."""
        self.flush()
        self._resume_at = self._first_at = self._batch.clock.seconds() + FIRST_PAUSE

    def flush(self) -> None:
        """Write what waits, unless the other end does not read or a pause is due."""
        self._due = False
        waiting = self._waiting
        if not waiting:
            return
        if self._blocked:
            self._count()
            return
        if self._resume_at is not None:
            self._write_paced()
            self._count()
            return
        block = b"".join(waiting)
        waiting.clear()
        if self._batch.crowded:
            self._batch.crowded.discard(self)
            self.full_since = None
        self.bytes_waiting = self._answers = 0
        if self._counted:
            self._count()
        self._deliver(block)

    def close(self) -> None:
        """The link ends: write what waits without pauses, and take no more part in anything."""
        self._resume_at = None
        self.flush()
        self.drop()

    def drop(self) -> None:
        """Forget what waits; safe to call at any time."""
        self._waiting.clear()
        self.bytes_waiting = self._answers = 0
        self._count()
        self._batch.crowded.discard(self)
        self._blocked = True
        if self._pacing is not None:
            self._pacing.cancel()
            self._pacing = None

    def _write_paced(self) -> None:
        now = self._batch.clock.seconds()
        resume_at = self._resume_at or now
        waiting = self._waiting
        # Large lines must not fill the queue, and be refused, while we ourselves hold them back.
        many = len(waiting) > UNPACED or self.bytes_waiting > self._half
        count = len(waiting) if many and now >= self._first_at else int(now >= resume_at)
        written = 0
        while written < count and not self._blocked:
            line = waiting[written]
            written += 1
            self.bytes_waiting -= len(line)
            self._deliver(line)
        del waiting[:written]
        self.written += written
        if written:
            self._answers = min(self._answers, self.bytes_waiting)
            self.full_since = None
            if self.bytes_waiting <= self._half:
                self._batch.crowded.discard(self)
            resume_at = self._resume_at = now + PAUSE
        if waiting and self._pacing is None:
            delay = max(resume_at - now, 0.001)
            self._pacing = self._batch.clock.callLater(delay, self._pause_over)

    def _pause_over(self) -> None:
        self._pacing = None
        self.flush()
        self._relieved()

    def _count(self) -> None:
        """Have the bytes that outlive this turn counted."""
        more = self.bytes_waiting - self._counted
        if more:
            self._counted = self.bytes_waiting
            if self.overfull:
                self._full()
            self._batch.outlive(more)

    def _crowded(self) -> None:
        self._batch.crowded.add(self)
        if self.bytes_waiting > self.limit:
            self._full()

    def _refuse(self) -> None:
        self.refused += 1
        self._full()

    def _full(self) -> None:
        if self.full_since is None:
            self._batch.crowded.add(self)
            self.full_since = self._batch.clock.seconds()

    def _relieved(self) -> None:
        if not self._blocked and not self.overfull and self.on_drained is not None:
            self.on_drained()

    # ------------------------------------------------------------ IPushProducer, for the transport

    def pauseProducing(self) -> None:
        """The transport holds as much as it wants: wait."""
        self._blocked = True

    def resumeProducing(self) -> None:
        """The transport has sent what it held: go on."""
        self._blocked = False
        self.flush()
        self._relieved()

    def stopProducing(self) -> None:
        """The connection is gone."""
        self.drop()


def write_now(transport: Any, data: bytes) -> None:
    """Send `data` as `transport.write` does, but at once if nothing is queued before it.

    `transport.write` only queues: the reactor is told to watch the socket, polls, sends, and is
    told to stop watching, which costs twice what the sending does. This looks at private parts of
    Twisted's transports. It does so for plain TCP connections of a kind that it knows, and calls
    `transport.write` for everything else; `tests/processes/test_write_now.py` fails when Twisted
    changes what is relied on.

    An error of the socket is left to the transport, which will meet it, too, and end the
    connection.
    """
    # Not isinstance: a subclass, or a wrapper that passes attributes on, may have encryption.
    kind = type(transport)
    if (
        (kind is Server or kind is Client)
        and not transport.TLS
        and not transport.dataBuffer
        and not transport._tempDataLen
        and transport.connected
        and not transport.disconnecting
        and not transport._writeDisconnected
    ):
        try:
            sent = transport.socket.send(data)
        except OSError:
            sent = 0
        if sent == len(data):
            return
        data = data[sent:]
    transport.write(data)

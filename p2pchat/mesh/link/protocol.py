"""How a connection to a peer is read: bytes -> lines -> the session.

Rules: a chunk of bytes is split once, and so many of its lines are taken in at most before others
have their turn. What the lines lead to is performed in their order; everything that is to be sent
leaves with one write at the end. Nothing that the other end sends raises, and what it can make us
keep is bounded: the tail of a line, and what was put off of a chunk. `peer_link` has the rest.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import MethodType
from typing import Any, Final

from p2pchat.mesh.link.peer_link import PeerLink
from p2pchat.mesh.link.read_limit import ReadLimit
from p2pchat.mesh.link.sealed_link import begin
from p2pchat.mesh.link.send_queue import SendQueue, write_now
from p2pchat.wire.address import host_and_port
from p2pchat.wire.codec import MAX_LINE, LineTooLongError, decode_block, decode_each
from p2pchat.wire.liberal import WireError
from p2pchat.wire.messages import Pub, Send

LINES_A_TURN: Final = 512
"""Lines that are taken in at once: more than a chunk has of those that a conversation brings."""
_CHAT: Final = frozenset((Send, Pub))


class PeerProtocol(PeerLink):
    """A link: framing and writing for one `Session`; see `PeerLink` for its arguments.

    The maker connects it to a transport; after that it lives by itself and tells `context.owner`.
    """

    def connectionMade(self) -> None:
        """The transport is there: the dialer says HELLO."""
        context = self._context
        remote = self.transport.getPeer()
        # Of who came, the listener has set it: on `::`, IPv4 comes in another form.
        self.ip = self.ip or getattr(remote, "host", "")
        self.address = host_and_port(self.ip, getattr(remote, "port", 0))
        set_no_delay = getattr(self.transport, "setTcpNoDelay", None)
        if set_no_delay is not None:
            set_no_delay(True)
        now = self.heard_at = self._clock.seconds()
        limits = context.settings.limits
        # A method of the transport, as it were: a third of a partial's memory.
        write = MethodType(write_now, self.transport)
        self._send_queue = SendQueue(context.batch, write, limits.max_queue_bytes)
        self._read_limit = ReadLimit(
            self._clock, self.transport, limits.peer_rate, limits.peer_bytes, self._read_again
        )
        self._send_queue.on_drained = self._read_limit.answers_taken
        self.transport.registerProducer(self._send_queue, True)
        self.session = context.new_session(self.dialed, now)
        context.unsettled[self] = None
        context.owner.link_made(self)
        if begin(self, context):
            self.perform(self.session.start())

    def dataReceived(self, data: bytes) -> None:
        """Bytes came: one split, then every line that is complete."""
        if self._deaf:
            return
        self._bytes_read += len(data)
        if self.inlet is not None:
            data = self.inlet(data)
            if not data:
                return
        count = 1
        if self._tail or self._put_off or data.find(b"\n") != len(data) - 1:
            # More or less than the one whole line that a conversation brings.
            data = self._whole_lines(data)
            if not data:
                return
            if self._put_off:
                self._put_off += data
                return
            count = data.count(b"\n")
        self._take_in(data, count)

    def _take_in(self, data: bytes, count: int) -> None:
        """Have so many whole lines performed; as many as are too many, in a later turn."""
        if count > LINES_A_TURN:
            lines = data.split(b"\n", LINES_A_TURN)
            self._put_off = lines.pop()
            data, count = data[: -len(self._put_off)], LINES_A_TURN
        self.heard_at = now = self._clock.seconds()
        limit = self._read_limit
        messages: list[Any] | None = decode_block(data, count)
        if messages is None:
            wait = self._context.odd_wait(self.peer_id, data, now)
            if wait:
                self._put_off = data + self._put_off
                limit.took(0, 0, now, overfull=False, more=True, wait=wait)
                return
        queue = self._send_queue
        queue.hold()
        if messages is not None and self.session.welcomes(messages):
            self.received += count
            self.deliver(self, messages)
        else:
            self._receive(self._read_each(data) if messages is None else messages, now)
        more = bool(self._put_off)
        if self._tail and len(self._tail) >= MAX_LINE and not self._deaf and not more:
            self._overlong()
        queue.flush()
        overfull = queue.bytes_waiting > 0 and queue.overfull
        self._lines_read += count
        if (
            overfull
            or more
            or self._lines_read > limit.unasked
            or self._bytes_read > limit.unasked_bytes
        ) and not self._deaf:
            limit.took(self._lines_read, self._bytes_read, now, overfull=overfull, more=more)
            self._lines_read = self._bytes_read = 0

    def _read_again(self) -> None:
        self.heard_at = self._clock.seconds()
        data, self._put_off = self._put_off, b""
        if data and not self._deaf:
            self._take_in(data, data.count(b"\n"))
            self._end_of_text()

    def _whole_lines(self, data: bytes) -> bytes:
        """What is complete now, with what came before; the rest waits for more."""
        tail = self._tail
        end = data.rfind(b"\n") + 1
        if not end:
            if not tail:
                tail = self._tail = bytearray()
            tail += data
            if len(tail) >= MAX_LINE:
                self._overlong()
            return b""
        if tail:
            data = bytes(tail) + data
            end += len(tail)
        self._tail = bytearray(data[end:]) if end < len(data) else b""
        return data[:end]

    def _receive(self, messages: Iterable[Any], now: float) -> None:
        """Have these, or what is wrong with them, performed in their order; chat in runs."""
        session = self.session
        chat: list[Any] = []
        for message in messages:
            if type(message) in _CHAT and session.takes_chat:
                chat.append(message)
                continue
            if chat:
                self._chat(chat)
            if isinstance(message, LineTooLongError):
                self._overlong()
            elif isinstance(message, WireError):
                self.perform(session.bad_line(str(message)))
            else:
                self.perform(session.receive(message, now))
            if self._deaf:
                return
        if chat:
            self._chat(chat)

    def _read_each(self, lines: bytes) -> Iterable[Any]:
        """What each line says, of which one is odd. A key goes to a name that is in its place."""
        return decode_each(lines, strict=self.sealed is not None and not self.peer_id)

    def _chat(self, messages: list[Any]) -> None:
        """Have a run of chat messages performed, and begin the next."""
        run = messages.copy()
        messages.clear()
        self.perform(self.session.chat(run))

    def _overlong(self) -> None:
        self.perform(self.session.line_too_long())

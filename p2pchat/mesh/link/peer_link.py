"""One connection to a peer, but for its reading: what the session wants, what the node wants.

Rules: the session decides, this module performs, in the order of the outputs. Nothing that the
other end sends raises, and what it can make us keep is bounded: the queue of answers, and the time
that a closing connection may linger. `protocol` reads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import connectionDone
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure
from zope.interface import implementer

from p2pchat.mesh.link.context import LinkContext
from p2pchat.mesh.link.read_limit import ReadLimit
from p2pchat.mesh.link.sealed_link import ISealable, SealedLink
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.mesh.link.send_queue import SendQueue
from p2pchat.wire.codec import MAX_LINE, MessageTooLongError, encode, encode_all
from p2pchat.wire.messages import Ack, ByeOk, Message, Pong, Pub, Send
from p2pchat.wire.names import bracketed
from p2pchat.wire.outputs import (
    Acknowledged,
    Deliver,
    Elsewhere,
    Ending,
    Extended,
    Finish,
    Measured,
    Opened,
    Output,
    Probed,
    Remark,
    Transmit,
)
from p2pchat.wire.session import Session
from p2pchat.wire.states import State

LINGER: Final = 2.0
"""Seconds that a connection may take to close after its session ended."""
_OPEN: Final = State.OPEN


@implementer(ISealable, IHalfCloseableProtocol)
class PeerLink(LineReceiver):
    """A link of one `Session`, which another class reads: see `PeerProtocol`.

    `dialed` is the peer_id that we meant to reach, None for an inbound connection. `sealed` says
    to dial in TLS; who dials us decides that. Who reads sets `session`, `_send_queue` and
    `_read_limit` when the transport is there.
    """

    # An instance with more than 30 attributes of its own costs more, in time and in memory.
    transport: Any
    session: Session
    _send_queue: SendQueue
    _read_limit: ReadLimit
    sealed: SealedLink | None = None
    """The encryption, None in the clear."""
    delimiter = b"\n"
    MAX_LENGTH = MAX_LINE - 1

    def __init__(
        self, context: LinkContext, dialed: str | None = None, *, sealed: bool = False
    ) -> None:
        self._context = context
        self._clock = context.clock
        self.dialed = dialed
        if sealed and context.security is not None:
            self.sealed = SealedLink(self, context.security)
        self.inlet: Callable[[bytes], bytes] | None = None
        """What bytes go through before they are lines; None where they are lines already."""
        self._tail: bytes | bytearray = b""
        self._put_off = b""
        self._deaf = False
        self._finish: Finish | None = None
        self._gone = False
        self._close_by = 0.0
        self._lines_read = 0
        self._bytes_read = 0
        self.deliver: Callable[[IPeerLink, list[Send | Pub]], None]
        self.peer_id = ""
        self.is_p2pchat = False
        self.keeps = False
        self.opened_at = 0.0
        self.heard_at = 0.0
        self.sent = 0
        self.received = 0
        self.ip = ""
        self.address = ""

    # ------------------------------------------------------------ outputs of the session

    def perform(self, outputs: list[Output]) -> None:
        """Do what the session wants, in its order."""
        owner = self._context.owner
        for output in outputs:
            match output:
                case Deliver():
                    self.received += len(output.messages)
                    self.deliver(self, output.messages)
                case Transmit():
                    self._transmit(output.message)
                case Extended():
                    owner.extended(self, output.message)
                case Acknowledged():
                    owner.acknowledged(self, output.msg_id)
                case Measured():
                    owner.round_trip(self, output.seconds)
                case Elsewhere():
                    owner.answered_elsewhere(self, output.answer)
                case Remark():
                    owner.remarked(self, output)
                case Opened():
                    self._opened()
                case Probed():
                    self._probed()
                case Finish():
                    self._end(output)

    def _transmit(self, message: Message) -> None:
        try:
            self._send_queue.answer(encode(message))
        except MessageTooLongError:
            # Only an echo of an enormous id can be too long; its sender gets no answer.
            self._context.owner.remarked(
                self,
                Remark(
                    "info", "long answer", f"an answer to {bracketed(self.peer_id)} was too long"
                ),
            )

    def _probed(self) -> None:
        """Not a byte more may come: who can encrypt comes back in TLS."""
        if self._tail or self._put_off:
            self.perform(self.session.spoke_after_probe())
        self.inlet = self._after_probe

    def _after_probe(self, _data: bytes) -> bytes:
        self.perform(self.session.spoke_after_probe())
        return b""

    def _opened(self) -> None:
        session = self.session
        self.peer_id, self.is_p2pchat = session.peer_id, session.is_p2pchat
        self.keeps = session.keeps
        self.opened_at = self._clock.seconds()
        if not self.is_p2pchat:
            self._send_queue.pace()
        self._context.unsettled.pop(self, None)
        self._context.owner.link_opened(self)

    # ------------------------------------------------------------ what the node wants (IPeerLink)

    def send(self, line: bytes) -> bool:
        """Queue one encoded SEND or PUB; False when the queue is full or the link is ending."""
        if self.session.state is not State.OPEN or not self._send_queue.offer(line):
            return False
        self.sent += 1
        return True

    def hold(self) -> None:
        """Read no further, until `read_on` is called."""
        if not self._deaf:
            self._read_limit.hold()

    def read_on(self) -> None:
        """Read again what was held."""
        if not self._deaf:
            self._read_limit.go_on()

    def has_room(self, size: int) -> bool:
        """Whether `size` more bytes would be taken now."""
        return self.session.state is State.OPEN and self._send_queue.has_room(size)

    def send_all(self, lines: list[bytes], block: bytes) -> bool:
        """Queue several encoded PUBs, all or none; `block` is the lines joined."""
        if self.session.state is not State.OPEN or not self._send_queue.offer_all(lines, block):
            return False
        self.sent += len(lines)
        return True

    def acknowledge(self, msg_ids: list[object]) -> None:
        """Answer SENDs that were accepted."""
        if self._deaf:
            return
        timestamp = self._context.timestamp()
        if len(msg_ids) == 1:
            self._transmit(Ack(msg_ids[0], timestamp))
            return
        acks: list[Message] = [Ack(msg_id, timestamp) for msg_id in msg_ids]
        block = encode_all(acks) if self.is_p2pchat else None
        if block is not None:
            self._send_queue.answer(block)
        else:
            for ack in acks:
                self._transmit(ack)

    def ping(self) -> None:
        """Ask for a sign of life."""
        if not self._send_queue.blocked:
            context = self._context
            msg_id, line = context.ping() if self.is_p2pchat else context.ping_apart()
            if self.session.ping(self._clock.seconds(), msg_id):
                self._send_queue.put(line)

    def answered(self, answer: Pong | ByeOk) -> bool:
        """Take an answer that came on another link of the peer; whether it was for this one."""
        outputs = self.session.answered(answer, self._clock.seconds())
        if outputs:
            self.heard_at = self._clock.seconds()
            self.perform(outputs)
        return bool(outputs)

    def look(self) -> None:
        """Read what has come already, before the reactor's turn for it."""
        read = getattr(self.transport, "doRead", None)
        if self.sealed is not None and self.sealed.waits:
            return
        if read is not None and not self._deaf and read() is not None:
            self.give_up("the other end is gone")

    @property
    def key(self) -> bytes | None:
        """The key of the other end, 32 bytes; None in the clear."""
        return None if self.sealed is None else self.sealed.key or None

    @property
    def own_key(self) -> bytes | None:
        """Our key, as the other end sees it here, 32 bytes; None in the clear."""
        return None if self.sealed is None else self.sealed.own_key

    @property
    def security(self) -> str:
        """How safe what is said here is: `plain`, `encrypted` or `verified`."""
        return "plain" if self.sealed is None else self.sealed.security

    @property
    def shared(self) -> frozenset[str]:
        """The features of our own kind that both ends list."""
        return self.session.shared

    @property
    def instance(self) -> str:
        """The random name of the peer's process; empty for other programs."""
        return self.session.instance

    @property
    def listens_on(self) -> int:
        """The port on which the other end listens, as it says; 0 if it does not say."""
        return self.session.port

    @property
    def outbound(self) -> bool:
        """Whether we dialed."""
        return self.dialed is not None

    @property
    def queue(self) -> SendQueue:
        """What waits to be sent."""
        return self._send_queue

    @property
    def leaving(self) -> bool:
        """Whether a farewell is under way, so that an answer might not be read any more."""
        return self.session.state is not _OPEN

    @property
    def waits_for_us(self) -> bool:
        """Whether it is us who do not read, so that silence proves nothing."""
        return self._read_limit.paused

    @property
    def rate_pauses(self) -> int:
        """How often we stopped reading because the peer sent too fast."""
        return self._read_limit.pauses

    # ------------------------------------------------------------ the end

    def leave(self, reason: str) -> None:
        """Say BYE and close when it is answered, or after two seconds."""
        if self._finish is None:
            self._context.unsettled[self] = None
            self.perform(self.session.leave(reason, self._clock.seconds()))

    def _end(self, finish: Finish) -> None:
        """The session is over: what waits leaves, and the connection closes, within LINGER."""
        if self._finish is not None:
            return
        self._finish = finish
        self._deaf = True
        self.session.state = State.CLOSED
        self._tail = self._put_off = b""
        self._context.unsettled[self] = None
        self._close_by = self._clock.seconds() + LINGER
        self._send_queue.close()
        if self.sealed is not None:
            self.sealed.farewell()
        self._read_limit.stop()
        self.transport.unregisterProducer()
        if finish.ending is Ending.VIOLATION:
            # Closing with unread bytes resets the connection, and the reason would not arrive.
            self.transport.resumeProducing()
            self.transport.loseWriteConnection()
        else:
            self.transport.loseConnection()

    def give_up(self, reason: str) -> None:
        """End a link that no longer works, without a word that nobody would read."""
        if self._finish is None:
            self._finish = Finish(Ending.LOST, reason)
        self._deaf = True
        self._read_limit.stop()
        self.session.state = State.CLOSED
        self.transport.abortConnection()

    def tick(self, now: float) -> None:
        """Look at the deadlines of the handshake and of the closing; about once a second."""
        if self._finish is None:
            self.perform(self.session.tick(now))
        elif now >= self._close_by:
            self.transport.abortConnection()

    def take_text(self, text: bytes) -> None:
        """Take in lines that came sealed, beside what is being read."""
        inlet, self.inlet = self.inlet, None
        self.dataReceived(text)
        self.inlet = inlet

    def nothing_more(self, text: bytes) -> None:
        """Take in the last text: the other end has said, sealed, that nothing more comes."""
        if text:
            self.take_text(text)
        self.inlet = _nothing
        self._end_of_text()

    def _end_of_text(self) -> None:
        if self.inlet is _nothing and not self._put_off and not self._deaf:
            self.readConnectionLost()

    def readConnectionLost(self) -> None:
        """The other end will send no more; what we still owe it may leave, then we close."""
        if self._finish is None:
            self.perform([Finish(Ending.LOST, "the other end closed its side")])
        else:
            self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """Our own half-close went through."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The transport is gone."""
        if self._gone:
            return
        self._gone = self._deaf = True
        self.session.state = State.CLOSED
        self._send_queue.drop()
        self._tail = self._put_off = b""
        self._read_limit.gone()
        if self.sealed is not None:
            self.sealed.lost()
        self.inlet = self.session.guard = None
        self._context.unsettled.pop(self, None)
        finish = self._finish or Finish(Ending.LOST, reason.getErrorMessage())
        self._context.owner.link_closed(self, finish)


def _nothing(_data: bytes) -> bytes:
    return b""

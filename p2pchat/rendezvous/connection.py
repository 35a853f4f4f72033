"""The connections of a rendezvous: one request line, one reply line, close (protocol, section 2).

Rules: every connection ends, whatever the other side does: by its answer, by its deadline, or
because a newer connection needs its place. A long reply is sent piece by piece, as fast as it is
read. A client that sent more than its request gets the answer nevertheless: what it sends is read
and thrown away until it closes, because closing over unread data would make the kernel drop the
answer.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IHalfCloseableProtocol,
    IPullProducer,
)
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from p2pchat.logs.levels import Log
from p2pchat.logs.limits import RateLimited
from p2pchat.rendezvous import requests
from p2pchat.rendezvous.answers import Answers
from p2pchat.rendezvous.connection_limit import ConnectionLimit
from p2pchat.rendezvous.limits import Limits
from p2pchat.rendezvous.long_replies import PIECE, LongReply
from p2pchat.rendezvous.registry import Registry
from p2pchat.rendezvous.requests import MAX_REQUEST
from p2pchat.rendezvous.sharing import Reply, SharedBooks, shared_reply
from p2pchat.rendezvous.throttle import PASS, SILENT, Throttle
from p2pchat.turns import Turns
from p2pchat.wire.address import plain_ip

_log = Log("Rendezvous")

_LINGER = 2.0
"""Seconds for a client that is still sending to read its answer and close."""
_SLOWEST_READER = 32_768
"""Bytes a second that a client must take of the end of a reply."""
_NO_PROGRESS = 10.0
"""Seconds for a client to take a piece of a long reply."""
_LONGEST_WAIT = 10.0
"""Seconds that an answer may wait for other servers; all waits end sooner."""
_LONGEST_READING = 60.0
"""Seconds for a client to take a whole long reply: our own clients wait no longer."""


@implementer(IHalfCloseableProtocol, IPullProducer)
class RequestProtocol(Protocol):
    """One connection: collects a line, sends the answer, ends."""

    transport: Any

    def __init__(self, factory: RendezvousFactory, ip: str, greeting: bytes | None = None) -> None:
        self._factory = factory
        self.opened_at = 0.0
        self.deadline = 0.0
        """When the sweep calls `expire`."""
        self._ip = ip
        self._greeting = greeting
        self._received: bytes | bytearray = b""
        self._latest = 0.0
        self._answered = False
        self._linger = False
        self._waits = False
        self._reading: LongReply | None = None
        self._next_piece = 0

    @property
    def silent(self) -> bool:
        """Whether no byte of a request came, and nothing was answered."""
        return not self._answered and not self._received

    def connectionMade(self) -> None:
        """Start the clocks; send a blocked address away at once."""
        factory = self._factory
        now = factory.monotonic()
        self.opened_at = now
        self._latest = now + factory.limits.total
        self.deadline = now + factory.limits.idle
        factory.connections.add(self)
        if self._greeting is not None:
            self._answer(self._greeting, linger=True)

    def dataReceived(self, data: bytes) -> None:
        """Answer when the line is whole or too long; what follows it does not count."""
        if self._answered:
            return
        searched = len(self._received)
        if searched:
            self._received += data
        else:
            self._received = data
        received = self._received
        end = received.find(b"\n", searched)
        if 0 <= end < MAX_REQUEST:
            reply = self._factory.answer(bytes(received[:end]), self._ip)
            self._answer(reply, linger=end + 1 < len(received))
        elif len(received) > MAX_REQUEST:
            self._answer(requests.TOO_LONG, linger=True)
        else:
            if not searched:
                self._received = bytearray(received)
            self.deadline = min(self._factory.monotonic() + self._factory.limits.idle, self._latest)

    def readConnectionLost(self) -> None:
        """The client closed its side: what came is the request."""
        if self._reading is not None or self._waits:
            self._linger = False
        elif self._answered:
            self.transport.loseConnection()
        else:
            self._answer(self._factory.answer(bytes(self._received), self._ip), linger=False)

    def writeConnectionLost(self) -> None:
        """Our own half is closed, as `_answer` asked for; wait for the client's."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002
        """Leave the books."""
        self._answered = True
        self._waits = False
        self._received = b""
        self._read_no_more()
        self._factory.connections.remove(self)

    def expire(self) -> None:
        """The deadline has passed: say so to a client that owes us a request, cut off any other."""
        if self._answered:
            self.abandon()
        else:
            self._factory.timed_out += 1
            self._answer(requests.TIMED_OUT, linger=True)

    def abandon(self) -> None:
        """End at once, without an answer or in the middle of it."""
        self._answered = True
        self._read_no_more()
        self.transport.abortConnection()

    def _answer(self, reply: Reply | Deferred[Reply], *, linger: bool) -> None:
        self._answered = True
        self._received = b""
        self._linger = linger
        if isinstance(reply, Deferred):
            self._waits = True
            self.deadline = self._factory.monotonic() + _LONGEST_WAIT
            reply.addCallback(self._answer_late)
            return
        if isinstance(reply, LongReply) and reply.size <= PIECE:
            reply = reply.piece(0) or b""
        if isinstance(reply, LongReply):
            reply.readers[self] = None
            self._reading = reply
            self._latest = self._factory.monotonic() + _LONGEST_READING
            notice_progress(self.transport)
            # Asks for a piece now, and for another one whenever the last one has left.
            self.transport.registerProducer(self, False)
        else:
            self.transport.write(reply)
            self._answered_whole(len(reply))

    def _answer_late(self, reply: Reply) -> None:
        """The answer waited for other servers; nobody may be left to hear it."""
        if self._waits:
            self._waits = False
            self._answer(reply, linger=self._linger)

    def _answered_whole(self, size: int) -> None:
        if self._linger:
            self.transport.loseWriteConnection()
        else:
            self.transport.loseConnection()
        self.deadline = self._factory.monotonic() + _LINGER + size / _SLOWEST_READER

    def _read_no_more(self) -> None:
        reply, self._reading = self._reading, None
        if reply is not None:
            self._factory.answers.registry.long_replies.end(reply, self)

    def resumeProducing(self) -> None:
        """The last piece of a long reply has left: send the next one."""
        reply = self._reading
        if reply is None:
            return  # it was cut off
        piece = reply.piece(self._next_piece) or b""
        self._next_piece += 1
        self.transport.write(piece)
        if reply.piece(self._next_piece) is None:
            self._read_no_more()
            self.transport.unregisterProducer()
            self._answered_whole(len(piece))
        else:
            self.deadline = min(self._factory.monotonic() + _NO_PROGRESS, self._latest)

    def stopProducing(self) -> None:
        """The connection is gone; `connectionLost` follows."""


class RendezvousFactory(ServerFactory):
    """All connections of one rendezvous, and what they ask of the registry.

    `reactor` provides IReactorTime; `monotonic` gives the seconds of a clock that never jumps.
    """

    noisy = False

    def __init__(
        self,
        registry: Registry,
        limits: Limits,
        reactor: Any,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.answers = Answers(registry, monotonic)
        self.shared: SharedBooks | None = None
        """The registry as other servers know it, if there are any."""
        self.limits = limits
        self.monotonic = monotonic
        self.throttle = Throttle(limits.per_minute)
        self.connections = ConnectionLimit(limits.connections, reactor, monotonic)
        self.timed_out = 0
        """Connections that never finished a request."""
        self.banned = 0
        """Connections of banned addresses."""
        self._stopping = False
        self._turns = Turns(reactor)
        self._tidying: Deferred[None] | None = None
        self._limited = RateLimited(_log, limit=1)

    def buildProtocol(self, addr: IAddress | None) -> RequestProtocol | None:
        """A protocol for the connection, None to drop it."""
        if self._stopping:
            return None
        address = cast("IPv4Address | IPv6Address", addr)
        ip = plain_ip(address.host)
        now = self.monotonic()
        if self.answers.registry.bans.address(ip):
            self.banned += 1
            self._limited.info(now, "banned address", "Banned: {ip} is turned away", ip=ip)
            return None
        verdict = self.throttle.admit(ip, now)
        if verdict == PASS:
            self.connections.make_room(now)
            return RequestProtocol(self, ip)
        self._limited.info(now, "blocked address", "Blocked: {ip} connects too often", ip=ip)
        if len(self.connections) >= self.connections.limit // 2:
            return None  # the other half of the places is for those who behave
        if verdict == SILENT:
            return RequestProtocol(self, ip, greeting=b"")
        sentence = requests.blocked(ip, address.port, self.throttle.limit, verdict)
        return RequestProtocol(self, ip, greeting=sentence)

    def uncounted(self, ip: str) -> RequestProtocol:
        """A protocol for a connection that is nobody's: no limit of an address counts it."""
        self.connections.make_room(self.monotonic())
        return RequestProtocol(self, ip)

    def answer(self, line: bytes, ip: str) -> Reply | Deferred[Reply]:
        """The reply to a request line, at once but where other servers are waited for."""
        if self.shared is None:
            return self.reply(line, ip)
        return shared_reply(self.shared, lambda: self.reply(line, ip))

    def reply(self, line: bytes, ip: str) -> bytes | LongReply:
        """The reply to a request line; what has ended is taken out in the turns that follow."""
        reply = self.answers.reply(line, ip)
        registry = self.answers.registry
        if registry.behind and self._tidying is None:
            self._tidying = self._turns.do(registry.tidying(self.monotonic()))
            self._tidying.addBoth(self._tidied)
        return reply

    def _tidied(self, _: object) -> None:
        self._tidying = None

    @property
    def stopping(self) -> bool:
        """Whether no connection is taken any more."""
        return self._stopping

    def configure(self, limits: Limits) -> None:
        """Go by these limits from now on; what is open already keeps the deadlines that it has."""
        self.limits = limits
        self.throttle.limit = limits.per_minute
        self.connections.allow(limits.connections)
        registry = self.answers.registry
        registry.limit, registry.per_address = limits.registrations, limits.per_address

    def resume(self) -> None:
        """Take connections, again after `stop`."""
        self._stopping = False

    def stop(self) -> None:
        """Cut off every connection, take no new ones, leave nothing for the reactor to do."""
        self._stopping = True
        if self._tidying is not None:
            self._tidying.cancel()
        self.connections.stop()


def notice_progress(transport: Any) -> None:
    """Have the kernel hold little of what the other end of this TCP transport has not taken.

    Or it would hold megabytes, nobody could tell a slow reader from one that reads nothing, and
    each of them would cost that much of the kernel's memory.
    """
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if option is not None and hasattr(transport, "getHandle"):
        with suppress(OSError):  # a kernel that does not know it
            transport.getHandle().setsockopt(socket.IPPROTO_TCP, option, 2 * PIECE)

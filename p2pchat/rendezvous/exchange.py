"""One request to a rendezvous and its reply: a connection of its own.

Rules: over within a bounded time, connecting included. The result comes once the connection is
gone, so that nothing is left when a Deferred has fired.
"""

from __future__ import annotations

from typing import Any, Final

from twisted.internet import error
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import (
    IAddress,
    IConnector,
    IDelayedCall,
    ITCPTransport,
)
from twisted.internet.protocol import ClientFactory, Protocol, connectionDone
from twisted.python.failure import Failure

from p2pchat.rendezvous.directory import DirectoryError, Listings, ListingTooLong, Unreachable
from p2pchat.rendezvous.reply_reader import ReplyReader
from p2pchat.speech import Sentence, plain
from p2pchat.wire.address import LOOPBACK
from p2pchat.wire.text import shortened

MAX_REPLY: Final = 64 * 1024 * 1024
"""Bytes of the longest reply, blanks and whatever else included."""
_LONG_REPLY: Final = 1024 * 1024
"""Bytes after which a reply that breaks off counts as too long for the time that there was."""


class Exchange(ClientFactory):
    """One request and its reply, from the connection attempt until the connection is gone.

    `address` is what to call the rendezvous, `timeout` and `longest` are seconds: without a word
    from it, and in all while data keeps coming.
    """

    noisy = False

    def __init__(
        self,
        reactor: Any,
        request: bytes,
        address: str,
        timeout: float,
        longest: float,
        reader: ReplyReader,
    ) -> None:
        self.reply: Deferred[bytes | Listings] = Deferred(self._cancelled)
        """Fires with what the reader made of the reply, or fails with a `DirectoryError`."""
        self.request = request
        self.source = ""
        """The IP address at the other end of the connection; loopback if it is ours, too."""
        self.here = ""
        """The one at our end; empty before there is a connection."""
        self._reactor = reactor
        self._address = address
        self._timeout = timeout
        self._ends = reactor.seconds() + longest
        self._timer: IDelayedCall | None = None
        self._heard = reactor.seconds()
        self._connector: IConnector | None = None
        self._conversation: _Conversation | None = None
        self._reader = reader
        self._size = 0
        self._outcome: bytes | Listings | DirectoryError | None = None

    def start(self, host: str, port: int) -> None:
        """Connect and start the clock."""
        self._timer = self._reactor.callLater(self._timeout, self._time_is_up)
        try:
            if not (isIPAddress(host) or isIPv6Address(host)):
                host.encode("idna")  # the resolver would fail on it where nobody can catch it
            self._connector = self._reactor.connectTCP(host, port, self, timeout=None)
        except UnicodeError:
            self._finish(self._unreachable(Sentence("that is no name of a machine")))
        except Exception as reason:  # a port that cannot be one
            self._finish(self._unreachable(plain(shortened(str(reason)))))

    def buildProtocol(self, addr: IAddress | None) -> _Conversation:  # noqa: ARG002
        """The connection is made."""
        self._conversation = _Conversation(self)
        return self._conversation

    def received(self, data: bytes) -> bool:
        """Take in a piece of the reply; whether there is nothing more to wait for."""
        if self._outcome is not None:
            return True
        self._heard = self._reactor.seconds()
        self._size += len(data)
        try:
            if self._size > MAX_REPLY:
                self._outcome = _too_long(
                    Sentence(
                        "the answer of the rendezvous at {address} is longer than {size} MiB: ask "
                        "for one namespace only",
                        address=self._address,
                        size=MAX_REPLY // 1024**2,
                    )
                )
            elif self._reader.feed(data):
                self._outcome = self._reader.result
        except DirectoryError as refused:
            self._outcome = refused
        return self._outcome is not None

    def lost(self) -> None:
        """The connection is gone, whoever closed it."""
        if self._outcome is None:
            if not self._reader.started:
                self._outcome = self._unreachable(
                    Sentence("it closed the connection without an answer")
                )
            elif self._reader.ended():  # some end the reply by closing
                self._outcome = self._reader.result
            else:
                self._outcome = self._broken_off(
                    Sentence("the connection broke in the middle of an answer")
                )
        assert self._outcome is not None
        self._finish(self._outcome)

    def clientConnectionFailed(
        self,
        connector: IConnector,  # noqa: ARG002
        reason: Failure,
    ) -> None:
        """There is no connection, or it took too long."""
        if self._outcome is None:
            self._outcome = self._unreachable(_why(reason))
        self._finish(self._outcome)

    def _time_is_up(self) -> None:
        """Give up, unless data came since the timer was set and the end is not reached."""
        self._timer = None
        now = self._reactor.seconds()
        until = min(self._heard + self._timeout, self._ends)
        if self._reader.started and until > now and self._outcome is None:
            self._timer = self._reactor.callLater(until - now, self._time_is_up)
            return
        if self._outcome is None:
            self._outcome = self._broken_off(Sentence("no answer came in time"))
        self._disconnect()

    def _cancelled(self, reply: Deferred[bytes | Listings]) -> None:
        self._stop_timer()
        self._outcome = self._unreachable(plain("cancelled"))
        # First, or what was broken off would be told as a failure of the rendezvous.
        reply.errback(CancelledError())
        self._disconnect()

    def _disconnect(self) -> None:
        if self._conversation is not None:
            self._conversation.transport.abortConnection()
        elif self._connector is not None:
            self._connector.stopConnecting()

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _finish(self, outcome: bytes | Listings | DirectoryError) -> None:
        self._stop_timer()
        if self.reply.called:
            return
        if isinstance(outcome, DirectoryError):
            self.reply.errback(outcome)
        else:
            self.reply.callback(outcome)

    def _broken_off(self, why: Sentence) -> DirectoryError:
        if self._size > _LONG_REPLY:
            return _too_long(
                Sentence(
                    "the answer of the rendezvous at {address} broke off after {size} MiB: ask for "
                    "one namespace only",
                    address=self._address,
                    size=self._size // 1024**2,
                )
            )
        return self._unreachable(why)

    def _unreachable(self, why: Sentence) -> Unreachable:
        return Unreachable(
            Sentence(
                "the rendezvous at {address} cannot be used: {why}", address=self._address, why=why
            )
        )


class _Conversation(Protocol):
    """The connection of one exchange."""

    transport: ITCPTransport

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def connectionMade(self) -> None:
        """Ask."""
        here, there = self.transport.getHost().host, self.transport.getPeer().host
        self._exchange.here = here
        self._exchange.source = LOOPBACK if here == there else there
        self.transport.write(self._exchange.request)

    def dataReceived(self, data: bytes) -> None:
        """Listen; the server should close after its reply, but not all do."""
        if self._exchange.received(data):
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002
        """Over."""
        self._exchange.lost()


def _too_long(sentence: Sentence) -> ListingTooLong:
    return ListingTooLong(sentence, "reply_too_long")


def _why(reason: Failure) -> Sentence:
    """The reason of a failed connection, in words for a person."""
    if reason.check(error.ConnectionRefusedError):
        return Sentence("nothing listens there (connection refused)")
    if reason.check(error.TimeoutError, error.TCPTimedOutError):
        return Sentence("no answer came in time")
    if reason.check(error.DNSLookupError, error.UnknownHostError):
        return Sentence("its name could not be looked up")
    return plain(shortened(str(reason.value) or type(reason.value).__name__))

"""One port number over IPv6 and IPv4, whatever the machine has of the two.

    listen_on_all(reactor, 4000, factory)        ::, which takes IPv4 as well
    listen_on_loopback(reactor, 4000, factory)   127.0.0.1 and ::1

Rules: without IPv6, IPv4 alone is no failure. Where a socket on `::` takes no IPv4 (V6ONLY, the
default of some systems), there is a second one beside it. A number of IPv4 that is taken is taken,
whoever has it over IPv6. An IPv4 client on `::` has the address `::ffff:a.b.c.d`; see `plain_ip`.
"""

from __future__ import annotations

import errno
import socket
from contextlib import suppress
from typing import Any, Final

from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress, IListeningPort, IPushProducer
from twisted.internet.protocol import ServerFactory
from zope.interface import implementer

from p2pchat.wire.address import LOOPBACK

BACKLOG: Final = 4096
"""Connections the kernel holds for us: a short queue makes a storm of them many times slower."""
_ALL: Final = "::"
_NO_SUCH_FAMILY: Final = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT)


def listen_on_all(
    reactor: Any, number: int, factory: ServerFactory, backlog: int = BACKLOG
) -> IListeningPort:
    """Listen on every address of this machine; raises `CannotListenError` when it cannot."""
    try:
        six: IListeningPort = reactor.listenTCP(number, factory, backlog=backlog, interface=_ALL)
    except CannotListenError as why:
        if getattr(why.socketError, "errno", None) not in _NO_SUCH_FAMILY:
            raise
        four: IListeningPort = reactor.listenTCP(number, factory, backlog=backlog, interface="")
        return four
    if not _takes_ipv6_only(six):
        return six
    return _with(reactor, six, "", factory, backlog)


def listen_on_loopback(
    reactor: Any, number: int, factory: ServerFactory, backlog: int = BACKLOG
) -> IListeningPort:
    """Listen where only this machine can connect; raises `CannotListenError`.

    Where `::1` cannot be had with this number, there is only 127.0.0.1.
    """
    four: IListeningPort = reactor.listenTCP(number, factory, backlog=backlog, interface=LOOPBACK)
    try:
        return _with(reactor, four, "::1", factory, backlog, keep=True)
    except CannotListenError:
        return four


def _with(
    reactor: Any,
    first: Any,
    interface: str,
    factory: ServerFactory,
    backlog: int,
    *,
    keep: bool = False,
) -> IListeningPort:
    """This port, and one of its number on another address; unless `keep`, both or none."""
    try:
        second: IListeningPort = reactor.listenTCP(
            first.getHost().port, factory, backlog=backlog, interface=interface
        )
    except CannotListenError:
        if not keep:
            first.stopListening()
        raise
    return TwoPorts(first, second)


def _takes_ipv6_only(port: Any) -> bool:
    with suppress(OSError, AttributeError):  # without a socket of the system
        return bool(port.socket.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY))
    return False


@implementer(IListeningPort, IPushProducer)
class TwoPorts:
    """Two listening ports that are used as one; its address is that of the first.

    `numberAccepts`, how many connections each accepts at once, is a private part of Twisted's
    ports.
    """

    def __init__(self, first: Any, second: Any) -> None:
        self._first = first
        self._second = second

    def startListening(self) -> None:
        """Both listen from the beginning."""

    def stopListening(self) -> Deferred[Any]:
        """Close both; fires when they are closed."""
        both = [maybeDeferred(each.stopListening) for each in (self._first, self._second)]
        return DeferredList(both, fireOnOneErrback=True, consumeErrors=True)

    def getHost(self) -> IAddress:
        """The address of the first."""
        address: IAddress = self._first.getHost()
        return address

    @property
    def socket(self) -> Any:
        """That of the first, to look at its queue."""
        return self._first.socket

    @property
    def numberAccepts(self) -> int:
        """See above."""
        return int(self._first.numberAccepts)

    @numberAccepts.setter
    def numberAccepts(self, few: int) -> None:
        self._first.numberAccepts = self._second.numberAccepts = few

    def pauseProducing(self) -> None:
        """Accept nothing for a while."""
        self._first.pauseProducing()
        self._second.pauseProducing()

    def resumeProducing(self) -> None:
        """Accept connections again."""
        self._first.resumeProducing()
        self._second.resumeProducing()

    def stopProducing(self) -> None:
        """Close both."""
        self.stopListening()

    def doRead(self) -> None:
        """Accept now who waits."""
        self._first.doRead()
        self._second.doRead()

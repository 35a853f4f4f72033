"""The listening side: inbound connections, as long as there is a place for them.

Rules: few are accepted at once, and what they then say comes with the next few, so whatever the
number of those who come and go, a friend's line waits for a handful of them. To be refused costs
less than to be let in, and beyond some a second no word is said. When more come than that for a
while, `AcceptsFew` closes those at once that one address group sends beyond its share, so that the
others do not wait behind them.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IAddress, IReactorTime, ITCPTransport
from twisted.internet.protocol import Protocol, ServerFactory

from p2pchat.logs.levels import Log
from p2pchat.logs.limits import RateLimited
from p2pchat.mesh.link.admission import Admission
from p2pchat.mesh.link.bucket import TokenBucket
from p2pchat.mesh.link.context import LinkContext
from p2pchat.mesh.link.protocol import PeerProtocol
from p2pchat.wire.address import group_of, plain_ip
from p2pchat.wire.codec import encode
from p2pchat.wire.messages import Bye

_log: Final = Log("PeerServer")
ACCEPTS: Final = 4
"""Connections that are accepted before others have their turn."""
MOST_ACCEPTS: Final = 32
"""The same while most of them are closed at once."""
PATIENCE: Final = 0.25
"""Seconds in which the kernel's queue may not become empty, before shares are looked at."""
LONG: Final = 200
"""Connections in it from which it is long: a tenth of a second, or two."""
CROWDED: Final = 2.0
"""Seconds for which they are looked at, from the last moment at which it was so."""
SHARE: Final = (100.0, 25.0)
"""Connections a second, and at once, that one address group may have then."""
_GROUPS: Final = 4096
_UNACKED: Final = 24
"""Where Linux's `tcp_info` has the length of a listener's queue."""
CROWD: Final = "too many connections from one address while others wait"
REFUSALS: Final = 50
"""Refusals a second that say why; the others just close."""
BLOCKED: Final = "blocked"
"""The reason of a BYE to somebody who is blocked."""


class PeerServerFactory(ServerFactory):
    """Makes a `PeerProtocol` for whoever is admitted; the node sets `context` and `admission`."""

    noisy = False
    context: LinkContext
    admission: Admission

    def __init__(self) -> None:
        self._limited = RateLimited(_log, limit=1)
        self.refuses: Callable[[str], bool] = lambda _ip: False
        """Says of an address whether nothing is wanted from it."""
        self._told = TokenBucket(REFUSALS, 0.0)
        self._few: AcceptsFew | None = None

    def take_turns(self, port: Any) -> None:
        """Have Twisted's `port` accept few connections at once, before others have their turn."""
        self._few = AcceptsFew(port, self.context.clock)

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        """A connection came."""
        ip = plain_ip(getattr(addr, "host", ""))
        now = self.context.clock.seconds()
        if self._few is not None and not self._few.one_came(ip, now):
            self.admission.refused += 1
            self._limited.warn(now, CROWD, "Refused {ip}: {reason}", ip=ip, reason=CROWD)
            return None
        if self.refuses(ip):
            return self._refusal(BLOCKED, now)
        reason = self.admission.admit(ip, now)
        if reason is None:
            link = PeerProtocol(self.context)
            link.ip = ip
            return link
        self._limited.warn(now, reason, "Refused {ip}: {reason}", ip=ip, reason=reason)
        return self._refusal("busy", now)

    def _refusal(self, reason: str, now: float) -> Protocol | None:
        """What is said to whoever is not let in; None to have the connection closed at once."""
        return Refusal(self.context, reason) if self._told.take_some(1, now) else None


class Refusal(Protocol):
    """Tells whoever is not let in the `reason`, and closes."""

    transport: ITCPTransport

    def __init__(self, context: LinkContext, reason: str) -> None:
        self._context = context
        self._reason = reason

    def connectionMade(self) -> None:
        """Say BYE at once."""
        me = self._context.me.peer_id
        self.transport.write(encode(Bye(self._context.new_id(), me, "", self._reason)))
        self.transport.loseConnection()


class AcceptsFew:
    """Has Twisted's `port` accept few connections at once, as long as it is told of each.

    It says of each whether it may stay. All may while the queue of the kernel is short, or becomes
    empty now and then. When it did not for `PATIENCE` seconds, and is `LONG`, each address group
    has its `SHARE` for `CROWDED` seconds. What comes beyond costs next to nothing, and so more are
    accepted at once.
    """

    def __init__(self, port: Any, clock: IReactorTime) -> None:
        self._port = port
        self._clock = clock
        self._asked = ACCEPTS
        self._came = self._closed = 0
        self._queue_since: float | None = None
        self._crowded_until = 0.0
        self._shares: dict[str, TokenBucket] = {}
        accept_few(port, ACCEPTS)

    def one_came(self, ip: str, now: float) -> bool:
        """A connection was accepted; whether it may stay."""
        if not self._came:
            self._clock.callLater(0, self._turn_over)
        self._came += 1
        if now >= self._crowded_until or self._has_share(ip, now):
            return True
        self._closed += 1
        return False

    def _has_share(self, ip: str, now: float) -> bool:
        group = group_of(ip)
        share = self._shares.get(group)
        if share is None:
            if len(self._shares) >= _GROUPS:
                self._shares.clear()
            share = self._shares[group] = TokenBucket(SHARE[0], now, SHARE[1])
        return bool(share.take_some(1, now))

    def _turn_over(self) -> None:
        now = self._clock.seconds()
        if self._came < self._asked:
            self._queue_since = None
        elif self._queue_since is None:
            self._queue_since = now
        elif now - self._queue_since >= PATIENCE and queue_of(self._port) >= LONG:
            if now >= self._crowded_until:
                self._shares.clear()
            self._crowded_until = now + CROWDED
        # Those who may stay cost more: they remain few.
        self._asked = min(ACCEPTS + 2 * self._closed, MOST_ACCEPTS)
        self._came = self._closed = 0
        accept_few(self._port, self._asked)


def queue_of(port: Any) -> int:
    """How many connections the kernel holds for Twisted's `port`; 0 where it does not tell."""
    if sys.platform != "linux":
        return 0
    try:
        info = port.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _UNACKED + 4)
    except (OSError, AttributeError):  # not of TCP, or without a socket of the system
        return 0
    return int.from_bytes(info[_UNACKED:], sys.byteorder)


def accept_few(port: Any, few: int) -> None:
    """Let Twisted's `port` accept so many connections at once.

    This looks at a private part of Twisted's ports, which accept twenty more each time that there
    were as many as they accept. A storm of connections has them accept hundreds.
    """
    if hasattr(port, "numberAccepts"):
        port.numberAccepts = few

"""What all connections of a node share: who we are, the settings, the owner, the clock, the batch.

Rules: a node has thousands of connections, so what is the same for all of them is kept, and made,
once. `settings` may change while the node runs: it holds for what begins after that.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Final

from msgspec import Raw
from twisted.internet.interfaces import IReactorTime

from p2pchat.mesh.link.bucket import TokenBucket
from p2pchat.mesh.link.seams import ILinkOwner, IPeerLink
from p2pchat.mesh.link.security import LinkSecurity
from p2pchat.mesh.link.send_queue import WriteBatch
from p2pchat.settings.values import Settings
from p2pchat.wire.codec import encode, raw_json
from p2pchat.wire.identity import Identity
from p2pchat.wire.messages import Ping
from p2pchat.wire.session import Session

ODD_RATE: Final = 400_000
ODD_BURST: Final = 60_000
"""Commas a second, and at once, in what is read line by line, of all strangers together: a line
which the usual call refuses costs by its values, and 10,000 of them have room in one: 5 ms."""


class LinkContext:
    """Made once for a node, and given to each of its connections.

    `new_id` and `timestamp` give what goes into messages.
    """

    def __init__(
        self,
        me: Identity,
        settings: Settings,
        owner: ILinkOwner,
        clock: IReactorTime,
        new_id: Callable[[], str],
        timestamp: Callable[[], str],
    ) -> None:
        self.me = me
        self.settings = settings
        self.owner = owner
        self.clock = clock
        self.batch = WriteBatch(clock)
        self.new_id = new_id
        self.timestamp = timestamp
        self.friends: Container[str] = ()
        """Peers who never wait for what strangers send."""
        self.security: LinkSecurity | None = None
        """What links need that are encrypted; None while none are made."""
        self._odd = TokenBucket(ODD_RATE, clock.seconds(), ODD_BURST)
        self._ping = (Raw(), b"")
        self._ping_time = ""
        self.unsettled: dict[IPeerLink, None] = {}
        """Connections whose handshake or closing is under way: those that `tick` is for."""

    def new_session(self, dialed: str | None, now: float) -> Session:
        """For a connection that begins now; `dialed` is whom we meant to reach, None if inbound."""
        return Session(
            self.me,
            now,
            self.new_id,
            dialed=dialed,
            handshake_timeout=self.settings.connection.handshake_timeout,
            max_bad_lines=self.settings.limits.max_bad_lines,
        )

    @property
    def refuses_tls(self) -> bool:
        """Whether TLS is answered by an alert, and not read as lines: it is switched off."""
        return self.settings.security.policy == "off"

    def odd_wait(self, peer_id: str, lines: bytes, now: float) -> float:
        """Seconds that lines must wait which are to be read one by one; 0: read them now."""
        if peer_id in self.friends:
            return 0.0
        wait = self._odd.take(0, now)
        if wait:
            return wait + 0.001  # against rounding, which would have the rest wait for ever
        self._odd.take(lines.count(b","), now)
        return 0.0

    def ping(self) -> tuple[Raw, bytes]:
        """The id and the line of a PING, the same for all that are sent within a second."""
        timestamp = self.timestamp()
        if timestamp != self._ping_time:
            self._ping_time = timestamp
            self._ping = self._new_ping(timestamp)
        return self._ping

    def ping_apart(self) -> tuple[Raw, bytes]:
        """The same for one link alone, whose PONG may come on another: the id is told to no other.

        Else whoever says the peer's name on a link of its own could answer for a dead one.
        """
        return self._new_ping(self.timestamp())

    def _new_ping(self, timestamp: str) -> tuple[Raw, bytes]:
        ping = Ping(raw_json(self.new_id()), raw_json(timestamp))
        return ping.msg_id, encode(ping)

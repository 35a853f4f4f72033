"""What all connections of a node share: who we are, the settings, the owner, the clock, the batch.

Rules: a node has thousands of connections, so what is the same for all of them is kept, and made,
once. `settings` may change while the node runs: it holds for what begins after that.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Raw
from twisted.internet.interfaces import IReactorTime

from p2pchat.mesh.link.seams import ILinkOwner, IPeerLink
from p2pchat.mesh.link.send_queue import WriteBatch
from p2pchat.settings.values import Settings
from p2pchat.wire.codec import encode, raw_json
from p2pchat.wire.identity import Identity
from p2pchat.wire.messages import Ping
from p2pchat.wire.session import Session
from p2pchat.wire.stamps import MessageIds, Timestamps


class LinkContext:
    """Made once for a node, and given to each of its connections.

    `new_id` and `timestamp` give what goes into messages; tests bring their own.
    """

    def __init__(
        self,
        me: Identity,
        settings: Settings,
        owner: ILinkOwner,
        clock: IReactorTime,
        new_id: Callable[[], str] | None = None,
        timestamp: Callable[[], str] | None = None,
    ) -> None:
        self.me = me
        self.settings = settings
        self.owner = owner
        self.clock = clock
        self.batch = WriteBatch(clock)
        self.new_id = new_id or MessageIds()
        self.timestamp = timestamp or Timestamps()
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

    def ping(self) -> tuple[Raw, bytes]:
        """The id and the line of a PING, the same for all that are sent within a second."""
        timestamp = self.timestamp()
        if timestamp != self._ping_time:
            self._ping_time = timestamp
            ping = Ping(raw_json(self.new_id()), raw_json(timestamp))
            self._ping = (ping.msg_id, encode(ping))
        return self._ping

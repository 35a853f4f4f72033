"""What is told and counted of a node's links: how they began and ended, and what was odd.

Rules: what strangers can cause is told at a limited rate; what is counted is counted from the
start of the node, and of single links only when they are gone.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from p2pchat.logs.levels import Log
from p2pchat.logs.limits import RateLimited
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.wire.outputs import Ending, Finish

_server_log: Final = Log("PeerServer")
_client_log: Final = Log("PeerClient")
_EXPECTED: Final = frozenset((Ending.SELF, Ending.LOST, Ending.LEFT))
"""How handshakes fail every day."""


class LinkLog:
    """The log lines and the counters of all links of one node; `now` is the node's clock."""

    def __init__(self) -> None:
        self.rate_pauses = self.refused_lines = 0
        """Of closed links: how often they were read more slowly, lines refused for them."""
        self.remarks: Counter[str] = Counter()
        """What links had to remark since the start, by kind: bad lines, messages not for us."""
        self.endings: Counter[Ending] = Counter()
        """How connections ended since the start."""
        self.stalled = 0
        """Links that were ended because they took nothing of a full queue."""
        self.for_room = 0
        """Links that were ended because all queues together held too much."""
        self._limited = RateLimited(Log("Protocol"))

    def opened(self, link: IPeerLink) -> None:
        """A handshake is done."""
        if link.outbound:
            _client_log.info("Outbound connected: {peer}", peer=link.peer_id)
        else:
            _server_log.info("Inbound connected: {peer}", peer=link.peer_id)

    def ended(self, link: IPeerLink, finish: Finish) -> None:
        """A connection is gone, whether or not its handshake was done; count it."""
        self.rate_pauses += link.rate_pauses
        self.refused_lines += link.queue.refused
        self.endings[finish.ending] += 1

    def closed(self, link: IPeerLink, finish: Finish) -> None:
        """A link whose handshake was done is gone; tell it."""
        log = _client_log if link.outbound else _server_log
        log.info(
            "Closed: {peer} ({ending}{reason})",
            peer=link.peer_id,
            ending=finish.ending.value,
            reason=f": {finish.reason}" if finish.reason else "",
        )

    def handshake_failed(
        self, link: IPeerLink, finish: Finish, now: float, *, friend: bool
    ) -> None:
        """A connection is gone before its handshake was done; tell it.

        `friend`: we dialed a friend, whose lines are told however many of strangers there are.
        """
        level = "debug" if finish.ending in _EXPECTED else "info"
        way = f"to {link.dialed}" if link.dialed else "from"
        kind = "handshake with friends" if friend else "handshake"
        self.tell(level, kind, f"No session {way} {link.address}: {finish.reason}", now)

    def tell(self, level: str, kind: str, text: str, now: float) -> None:
        """Log a line that strangers can cause, unless its kind had its lines for this minute."""
        write = getattr(self._limited, level)
        write(now, kind, "{text}", text=text)

    def flush(self, now: float) -> None:
        """Tell how many lines were left out; call it about once a second."""
        self._limited.flush(now)

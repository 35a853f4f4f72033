"""What is told and counted of a node's links: how they began and ended, and what was odd.

Rules: what strangers can cause is told at a limited rate; what is counted is counted from the
start of the node, and of single links only when they are gone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from typing import Final

from p2pchat.logs.levels import Log
from p2pchat.logs.limits import RateLimited
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.wire.names import bracketed
from p2pchat.wire.outputs import Ending, Finish

_server_log: Final = Log("PeerServer")
_client_log: Final = Log("PeerClient")
_EXPECTED: Final = frozenset((Ending.SELF, Ending.LOST, Ending.LEFT, Ending.UPGRADE))
"""How handshakes fail every day."""
_LINKS_A_MINUTE: Final = 60
"""Links of strangers that are told as they begin, and as many as they end."""


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
        self.friends: Container[str] = ()
        """Peers whose links are told, however many they are."""
        self._limited = RateLimited(Log("Protocol"))
        self._peers = RateLimited(_client_log, limit=_LINKS_A_MINUTE)
        self._out = RateLimited(_client_log, limit=_LINKS_A_MINUTE)
        self._in = RateLimited(_server_log, limit=_LINKS_A_MINUTE)

    def opened(self, link: IPeerLink, now: float) -> None:
        """A handshake is done."""
        way = "Outbound" if link.outbound else "Inbound"
        self._tell_link(link, now, "links", "{way} connected: {peer}", way=way)

    def ended(self, link: IPeerLink, finish: Finish) -> None:
        """A connection is gone, whether or not its handshake was done; count it."""
        self.rate_pauses += link.rate_pauses
        self.refused_lines += link.queue.refused
        self.endings[finish.ending] += 1

    def closed(self, link: IPeerLink, finish: Finish, now: float) -> None:
        """A link whose handshake was done is gone; tell it."""
        reason = f": {finish.reason}" if finish.reason else ""
        text = "Closed: {peer} ({ending}{reason})"
        self._tell_link(
            link, now, "links that ended", text, ending=finish.ending.value, reason=reason
        )

    def handshake_failed(
        self, link: IPeerLink, finish: Finish, now: float, *, friend: bool
    ) -> None:
        """A connection is gone before its handshake was done; tell it.

        `friend`: we dialed a friend, whose lines are told however many of strangers there are.
        """
        level = "debug" if finish.ending in _EXPECTED else "info"
        way = f"to {bracketed(link.dialed)}" if link.dialed else "from"
        kind = "handshake with friends" if friend else "handshake"
        self.tell(level, kind, f"No session {way} {link.address}: {finish.reason}", now)

    def became(self, peer_id: str, status: str, now: float) -> None:
        """A peer's status has a new value, of which nobody needs to know."""
        if _client_log.debugging:
            text = "{peer} is {status}"
            if peer_id in self.friends:
                _client_log.debug(text, peer=peer_id, status=status)
            else:
                self._peers.debug(now, "statuses", text, peer=peer_id, status=status)

    def tell(self, level: str, kind: str, text: str, now: float) -> None:
        """Log a line that strangers can cause, unless its kind had its lines for this minute."""
        write = getattr(self._limited, level)
        write(now, kind, "{text}", text=text)

    def flush(self, now: float) -> None:
        """Tell how many lines were left out; call it about once a second."""
        for limited in (self._limited, self._peers, self._out, self._in):
            limited.flush(now)

    def _tell_link(
        self, link: IPeerLink, now: float, kind: str, text: str, **fields: object
    ) -> None:
        if link.peer_id in self.friends:
            log = _client_log if link.outbound else _server_log
            log.info(text, peer=link.peer_id, **fields)
        else:
            limited = self._out if link.outbound else self._in
            limited.info(now, kind, text, peer=link.peer_id, **fields)

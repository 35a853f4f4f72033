"""Keeping an outbound link to one peer: dials, backoff, the attempt limit, STALE.

    dial() -> address after address -> handshake -> opened
       ^                   |                          |
       +---- backoff <-----+ no answer                |
       |                   | `max_reconnect_attempts` in a row
       |                   +-> STALE, until dial() is called again
       +---- backoff <------ the link is lost <-------+

Rules: the wait before the next dial is base**n seconds for the n-th failure in a row, capped, with
jitter, so that peers that lost each other do not dial in step. A session that ends soon after it
opened, whoever dialed, lets n grow, too, so that an end that accepts and drops is backed off from;
but it answers, and does not become STALE. Only a session that lasted resets n.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from twisted.internet.abstract import isIPAddress
from twisted.internet.interfaces import (
    IAddress,
    IConnector,
    IDelayedCall,
    IReactorTCP,
)
from twisted.internet.protocol import ClientFactory
from twisted.python.failure import Failure

from p2pchat.logs.levels import Log
from p2pchat.mesh.link.admission import Admission
from p2pchat.mesh.link.context import LinkContext
from p2pchat.mesh.link.protocol import PeerProtocol
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.mesh.peers import Peer, Status
from p2pchat.wire.names import bracketed
from p2pchat.wire.outputs import Finish

_log: Final = Log("PeerClient")
LASTING: Final = 5.0
"""Seconds that a session must have been open to count as a success."""
_CONNECT_TIMEOUT: Final = 10.0
_MAX_DIALS: Final = 128


class DialSlots:
    """Bounds the dials under way at once: a listing may name ten thousand peers."""

    def __init__(self, admission: Admission, limit: int = _MAX_DIALS) -> None:
        self.admission = admission
        self._free = limit
        self._waiting: deque[Dialer] = deque()

    def acquire(self, dialer: Dialer) -> None:
        """Call `dialer.connect` now, or when another dial has ended."""
        if self._free > 0:
            self._take()
            dialer.connect()
        else:
            self._waiting.append(dialer)

    def close(self) -> None:
        """Let nobody who waits dial any more: the node is leaving."""
        self._waiting.clear()

    def release(self) -> None:
        """A dial that was given a slot has ended."""
        self._free += 1
        self.admission.dials -= 1
        while self._waiting and self._free > 0:
            dialer = self._waiting.popleft()
            if dialer.still_wants_slot():
                self._take()
                dialer.connect()

    def _take(self) -> None:
        self._free -= 1
        self.admission.dials += 1


class Dialer(ClientFactory):
    """Dials one peer, again and again within its limits.

    `on_status` is called with the peer's new status. The node calls `dial` to begin, `opened` and
    `handshake_failed` for the connections that were dialed here, `connected` and `link_lost` for
    the peer's links, and `stop` in the end.
    """

    noisy = False

    def __init__(
        self,
        context: LinkContext,
        reactor: IReactorTCP,
        peer: Peer,
        slots: DialSlots,
        on_status: Callable[[Peer, Status], None],
        jitter: Callable[[float, float], float],
    ) -> None:
        self._context = context
        self._reactor = reactor
        self._peer = peer
        self._slots = slots
        self._on_status = on_status
        self._jitter = jitter
        self._wait: IDelayedCall | None = None
        self._connector: IConnector | None = None
        self._link: PeerProtocol | None = None
        self._untried: list[tuple[str, int]] = []
        self._has_slot = False
        self.waits_for_slot = False
        self._short_sessions = 0
        self.failures = 0
        """Attempts in a row that were not answered."""

    @property
    def busy(self) -> bool:
        """Whether an attempt is under way or waits for its time."""
        return self._wait is not None or self._has_slot or self.waits_for_slot

    def dial(self) -> None:
        """Start over, now: forget earlier failures. Nothing if an attempt is under way."""
        self.failures = self._short_sessions = 0
        self._cancel_wait()
        if not self.busy:
            self._attempt()

    def stop(self) -> None:
        """Dial no more, and drop an attempt that is under way."""
        self._cancel_wait()
        self.waits_for_slot = False
        self._untried.clear()
        connector, self._connector = self._connector, None
        self._link = None
        self._give_slot_back()
        if connector is not None:
            connector.disconnect()

    # ------------------------------------------------------------ what happens to an attempt

    def _attempt(self) -> None:
        self._untried = [address for address in self._peer.addresses if _possible(*address)]
        if self._peer.links or not self._untried:
            return
        if not self._slots.admission.has_room:
            self._postpone()
            return
        self._on_status(self._peer, Status.CONNECTING)
        self.waits_for_slot = True
        self._slots.acquire(self)

    def still_wants_slot(self) -> bool:
        """Whether to dial, now that it could be done; the peer may have reached us meanwhile."""
        if self._peer.links:
            self.waits_for_slot = False
        elif self.waits_for_slot and not self._slots.admission.has_room:
            self.waits_for_slot = False
            self._postpone()
        return self.waits_for_slot

    def connect(self) -> None:
        """A slot is ours: dial the next address. Called by `DialSlots` only."""
        self.waits_for_slot = False
        self._has_slot = True
        host, port = self._untried.pop(0)
        _log.debug("Dialing {peer} at {host}:{port}", peer=self._peer.peer_id, host=host, port=port)
        self._connector = self._reactor.connectTCP(host, port, self, timeout=_CONNECT_TIMEOUT)

    def buildProtocol(self, _addr: IAddress | None) -> PeerProtocol:
        """The connection is there; the handshake follows."""
        self._link = link = PeerProtocol(self._context, self._peer.peer_id)
        link.factory = self
        return link

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        """Nobody answered at this address."""
        if connector is self._connector:
            self._not_here(reason.getErrorMessage())

    def handshake_failed(self, link: IPeerLink, finish: Finish) -> None:
        """A connection that was dialed here ended before its session opened."""
        if link is self._link:
            self._not_here(finish.reason)

    def opened(self, link: IPeerLink) -> None:
        """A session opened on a connection that was dialed here; perhaps to somebody else."""
        if link is self._link:
            self._not_here(f"{bracketed(link.peer_id)} answered instead")

    def connected(self) -> None:
        """The peer has a link, whoever dialed it: the next attempt need not be made."""
        self.failures = 0
        self._cancel_wait()

    def link_lost(self, lasted: float) -> None:
        """The peer's last link ended after `lasted` seconds; the node wants it back."""
        self._short_sessions = 0 if lasted >= LASTING else self._short_sessions + 1
        if self._has_slot or self.waits_for_slot:
            self._on_status(self._peer, Status.CONNECTING)
        else:
            self._on_status(self._peer, Status.DISCONNECTED)
            self._again()

    def _not_here(self, why: str) -> None:
        self._connector = self._link = None
        if self._peer.links:
            # We have reached it, or it has reached us.
            self._untried.clear()
            self._give_slot_back()
        elif self._untried:
            self.connect()
        else:
            self._give_slot_back()
            self._failed(why)

    def _postpone(self) -> None:
        """There are as many links as may be: this is no failure of the peer's; look again later."""
        self._slots.admission.postponed += 1
        self._on_status(self._peer, Status.DISCONNECTED)
        longest = self._context.settings.connection.reconnect_backoff_max
        self._cancel_wait()
        delay = longest * self._jitter(0.8, 1.2)
        self._wait = self._context.clock.callLater(delay, self._time_to_dial)

    def _failed(self, why: str) -> None:
        self.failures += 1
        limit = self._context.settings.connection.max_reconnect_attempts
        _log.debug(
            "Attempt {n} of {limit} to reach {peer} failed: {why}",
            n=self.failures,
            limit=limit,
            peer=self._peer.peer_id,
            why=why,
        )
        if self.failures >= limit:
            self._on_status(self._peer, Status.STALE)
        else:
            self._on_status(self._peer, Status.DISCONNECTED)
            self._again()

    def _again(self) -> None:
        connection = self._context.settings.connection
        longest = connection.reconnect_backoff_max
        n = self.failures + self._short_sessions
        try:
            delay = connection.reconnect_backoff_base**n * self._jitter(0.8, 1.2)
        except OverflowError:
            delay = longest
        self._cancel_wait()
        delay = min(delay, longest)
        self._wait = self._context.clock.callLater(delay, self._time_to_dial)

    def _time_to_dial(self) -> None:
        self._wait = None
        self._attempt()

    def _cancel_wait(self) -> None:
        if self._wait is not None:
            self._wait.cancel()
            self._wait = None

    def _give_slot_back(self) -> None:
        if self._has_slot:
            self._has_slot = False
            self._slots.release()


def _possible(host: str, port: int) -> bool:
    """Whether this can be dialed at all: what a directory lists need not be an address."""
    if not isIPAddress(host):
        try:
            host.encode("idna")  # the resolver would raise where nobody catches it
        except UnicodeError:
            return False
    return bool(host) and 0 < port < 65_536

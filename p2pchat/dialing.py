"""Who is dialed, and what becomes of a peer's status.

Rules: this is the only place that decides whether a peer is dialed. A peer that said BYE is not
dialed until it registers again; one that was lost is dialed with backoff; one that is STALE waits
for a renewed registration, an inbound connection or the person's /reconnect. How a peer is dialed
is its `Dialer`'s affair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from p2pchat.dialer import Dialer, DialSlots
from p2pchat.duplicate_links import DUPLICATE
from p2pchat.logs import Log
from p2pchat.outputs import Ending
from p2pchat.peers import Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from p2pchat.admission import Admission
    from p2pchat.link_context import LinkContext
    from p2pchat.outputs import Finish
    from p2pchat.peers import Peer, PeerTable
    from p2pchat.protocol import PeerProtocol

_log: Final = Log("PeerClient")


class Dialing:
    """Dials the peers of one node, and tells `on_status` of each new status, until `stop`.

    `reactor` provides IReactorTCP and IReactorTime. `jitter` gives a number between two others.
    """

    def __init__(
        self,
        reactor: Any,
        context: LinkContext,
        peers: PeerTable,
        admission: Admission,
        on_status: Callable[[Peer], None],
        jitter: Callable[[float, float], float],
    ) -> None:
        self._reactor = reactor
        self._context = context
        self._peers = peers
        self._on_status = on_status
        self._slots = DialSlots(admission)
        self._jitter = jitter
        self._stopped = False

    def dial(self, peer: Peer) -> None:
        """Dial this peer now, with all its attempts before it."""
        if not self._stopped:
            self._dialer_of(peer).dial()

    def registered_anew(self, peer: Peer) -> None:
        """A peer without a link registered since we last looked: it is there, whatever was."""
        peer.left = False
        self.dial(peer)

    def under_way(self) -> bool:
        """Whether a first attempt to reach some listed peer has not ended yet."""
        return any(
            peer.dialer is not None and peer.dialer.busy and not peer.dialer.failures
            for peer in self._peers
        )

    def stop(self) -> None:
        """Dial no more, drop the attempts that are under way, and leave the statuses alone."""
        self._stopped = True
        self._slots.close()
        for peer in self._peers:
            if peer.dialer is not None:
                peer.dialer.stop()

    # ------------------------------------------------------------ what becomes of connections

    def opened(self, peer: Peer, link: PeerProtocol) -> None:
        """A link with `peer` opened, which need not be the peer that was dialed."""
        if peer.dialer is not None:
            peer.dialer.connected()
        dialer = self._dialer_behind(link)
        if dialer is not None:
            dialer.opened(link)
        self._status(peer, Status.CONNECTED)

    def handshake_failed(self, link: PeerProtocol, finish: Finish) -> None:
        """A connection ended before its handshake was done."""
        dialer = self._dialer_behind(link)
        if dialer is not None:
            dialer.handshake_failed(link, finish)

    def last_link_closed(self, peer: Peer, link: PeerProtocol, finish: Finish) -> None:
        """The last link of `peer` is gone: it has left, or is to be dialed again."""
        if finish.ending is Ending.SAID_BYE and finish.reason != DUPLICATE:
            peer.left = True
            if peer.dialer is not None:
                peer.dialer.stop()
            self._status(peer, Status.DISCONNECTED)
        elif not self._stopped:
            self._dialer_of(peer).link_lost(self._reactor.seconds() - link.opened_at)

    # ------------------------------------------------------------ dialers and statuses

    def _dialer_of(self, peer: Peer) -> Dialer:
        if peer.dialer is None:
            peer.dialer = Dialer(
                self._context, self._reactor, peer, self._slots, self._status, self._jitter
            )
        return peer.dialer

    def _dialer_behind(self, link: PeerProtocol) -> Dialer | None:
        """The dialer of the peer that an outbound connection was meant to reach."""
        dialed = self._peers.get(link.dialed or "")
        return None if dialed is None else dialed.dialer

    def _status(self, peer: Peer, status: Status) -> None:
        if peer.links:
            status = Status.CONNECTED
        if status is peer.status or self._stopped:
            return
        before, peer.status = peer.status, status
        if status is Status.STALE:
            _log.warn("{peer} does not answer: STALE", peer=peer.peer_id)
        elif status is Status.DISCONNECTED and before is Status.CONNECTED:
            _log.info("{peer} is DISCONNECTED", peer=peer.peer_id)
        else:
            _log.debug("{peer} is {status}", peer=peer.peer_id, status=status.value)
        self._on_status(peer)

"""Who is dialed, and what becomes of a peer's status.

Rules: this is the only place that decides whether a peer is dialed. A peer that said BYE is not
dialed until it registers again; one that was lost is dialed with backoff; one that is STALE waits
for a renewed registration, an inbound connection, the person's /reconnect or a message for it. How
a peer is dialed is its `Dialer`'s affair. When it is dialed is said by the `DialQueue`, whoever
wants it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from math import inf
from typing import Any, Final

from p2pchat.logs.levels import Log
from p2pchat.mesh.addresses import Place
from p2pchat.mesh.dial_budget import DialBudget
from p2pchat.mesh.dial_pauses import DialPauses
from p2pchat.mesh.dial_queue import DialQueue
from p2pchat.mesh.dialer import Dialer
from p2pchat.mesh.direct_dial import DirectDials
from p2pchat.mesh.duplicates import DUPLICATE
from p2pchat.mesh.link.admission import Admission
from p2pchat.mesh.link.context import LinkContext
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.mesh.peers import Peer, PeerTable, Status
from p2pchat.settings.values import LimitSettings
from p2pchat.wire.address import host_and_port
from p2pchat.wire.names import bracketed
from p2pchat.wire.outputs import Ending, Finish

_log: Final = Log("PeerClient")
_FAREWELL: Final = 2.0
"""Seconds between the ends of a leaving peer's links."""


class Dialing:
    """Dials the peers of one node, and tells `on_status` of each new status, until `stop`.

    `reactor` provides IReactorTCP and IReactorTime. `jitter` gives a number between two others.
    `tell` and `became` log what strangers can cause; see `LinkLog`.
    """

    def __init__(
        self,
        reactor: Any,
        context: LinkContext,
        peers: PeerTable,
        admission: Admission,
        on_status: Callable[[Peer], None],
        jitter: Callable[[float, float], float],
        tell: Callable[[str, str, str, float], None],
        became: Callable[[str, str, float], None],
    ) -> None:
        self._reactor = reactor
        self._context = context
        self._peers = peers
        self._on_status = on_status
        self._budget = DialBudget(context.settings.limits)
        pauses = DialPauses(jitter)
        self._queue = DialQueue(reactor, admission, self._budget, pauses, peers.friends)
        self._jitter = jitter
        self._tell = tell
        self._became = became
        self._stopped = False
        self.direct = DirectDials(reactor, context)
        """The dials to addresses that a person named."""
        self._dialers: dict[Peer, Dialer] = {}
        self._farewells: dict[Peer, float] = {}
        """Who said BYE on a link, and when."""
        peers.on_forgotten = self._forgotten

    def configure(self, limits: LimitSettings) -> None:
        """Go by these limits from now on."""
        self._budget.configure(limits)

    def dial(self, peer: Peer) -> None:
        """Dial this peer now, with all its attempts before it."""
        if not self._stopped:
            self._dialer_of(peer).dial()

    def registered_anew(self, peer: Peer, before: Collection[Place]) -> None:
        """A peer registered since we last looked, when it had the addresses `before`.

        One without a link is there, whatever was. If another program that is connected is
        elsewhere, it has probably been started again, and its links here are dead or soon will be.
        Our own kind dials us itself.
        """
        if not peer.links:
            peer.left = False
            self.dial(peer)
        elif before and not self._stopped and not peer.link_in_use.is_p2pchat:
            led_to = {link.address for link in peer.links if link.outbound}
            found = (it for it in peer.addresses if it not in before)
            new = [place for place in found if host_and_port(*place) not in led_to]
            if new:
                self._dialer_of(peer).dial_also(new)

    def wanted(self, peer: Peer) -> None:
        """Somebody writes to a peer without a link: dial it before its time, unless it has left."""
        if not self._stopped and not peer.left:
            self._dialer_of(peer).hurry()

    def not_wanted(self, peer: Peer) -> None:
        """Dial this peer no more, until `dial` is called again."""
        if peer in self._dialers:
            self._dialers[peer].stop()
        self._status(peer, Status.DISCONNECTED)

    def under_way(self) -> bool:
        """Whether a first attempt to reach some listed peer has not ended yet."""
        return any(dialer.busy and not dialer.failures for dialer in self._dialers.values())

    def stop(self) -> None:
        """Dial no more, drop the attempts that are under way, and leave the statuses alone."""
        self._stopped = True
        for dialer in self._dialers.values():
            dialer.stop()
        self.direct.stop()

    # ------------------------------------------------------------ what becomes of connections

    def opened(self, peer: Peer, link: IPeerLink) -> None:
        """A link with `peer` opened, which need not be the peer that was dialed."""
        if peer in self._dialers:
            self._dialers[peer].connected()
        dialer = self._dialer_behind(link)
        if dialer is not None:
            dialer.opened(link)
        elif link.dialed == "":
            self.direct.opened(link)
        self._status(peer, Status.CONNECTED)

    def handshake_failed(self, link: IPeerLink, finish: Finish) -> None:
        """A connection ended before its handshake was done."""
        dialer = self._dialer_behind(link)
        if dialer is not None:
            dialer.handshake_failed(link, finish)
        elif link.dialed == "":
            self.direct.handshake_failed(link, finish)

    def link_closed(self, peer: Peer, link: IPeerLink, finish: Finish) -> None:
        """A link of `peer` is gone. If it was the last one, it has left, or is dialed again."""
        now = self._reactor.seconds()
        if finish.ending is Ending.SAID_BYE and finish.reason != DUPLICATE:
            self._farewells[peer] = now
        if peer.links:
            return
        # One that leaves says BYE on all its links at once, and may close some before we read it.
        if now - self._farewells.pop(peer, -inf) <= _FAREWELL:
            peer.left = True
            if peer in self._dialers:
                self._dialers[peer].stop()
            self._status(peer, Status.DISCONNECTED)
        elif not self._stopped:
            self._dialer_of(peer).link_lost(now - link.opened_at)

    # ------------------------------------------------------------ dialers and statuses

    def _dialer_of(self, peer: Peer) -> Dialer:
        dialer = self._dialers.get(peer)
        if dialer is None:
            dialer = self._dialers[peer] = Dialer(
                self._context, self._reactor, peer, self._queue, self._status, self._jitter
            )
        return dialer

    def _forgotten(self, peer: Peer) -> None:
        self._farewells.pop(peer, None)
        dialer = self._dialers.pop(peer, None)
        if dialer is not None:
            dialer.stop()

    def _dialer_behind(self, link: IPeerLink) -> Dialer | None:
        """The dialer of the peer that an outbound connection was meant to reach."""
        dialed = self._peers.get(link.dialed or "")
        return None if dialed is None else self._dialers.get(dialed)

    def _status(self, peer: Peer, status: Status) -> None:
        if peer.links:
            status = Status.CONNECTED
        if status is peer.status or self._stopped:
            return
        peer.status = status
        friend = peer.peer_id in self._peers.friends
        if status is Status.STALE and not friend and not self._dialer_of(peer).met:
            # A listing can name thousands who are not there.
            text = f"{bracketed(peer.peer_id)} does not answer: STALE"
            self._tell("warn", "stale", text, self._reactor.seconds())
        elif status is Status.STALE:
            _log.warn("{peer} does not answer: STALE", peer=peer.peer_id)
        else:
            self._became(peer.peer_id, status.value, self._reactor.seconds())
        self._on_status(peer)

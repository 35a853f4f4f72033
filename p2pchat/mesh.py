"""The links of a node and the peers behind them: who is dialed, who is connected, who has left.

Rules: this is where connections report (`ILinkOwner`), in the order in which things happen, and
the only place that decides whether a peer is dialed. A peer that said BYE is not dialed until it
registers again; one that was lost is dialed with backoff; one that is STALE waits for a renewed
registration, an inbound connection or the person's /reconnect.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from p2pchat.address import split_peer_id
from p2pchat.admission import Admission
from p2pchat.dialer import Dialer, DialSlots
from p2pchat.interfaces import ILinkOwner
from p2pchat.keepalive import KeepAlive
from p2pchat.link_context import LinkContext
from p2pchat.logs import Log, RateLimited
from p2pchat.outputs import Ending, Finish, Remark
from p2pchat.own_name import OwnName
from p2pchat.peers import Peer, PeerTable, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from p2pchat.interfaces import INodeObserver, IPeerLink
    from p2pchat.messages import CatchUp, Pub, Said, Send
    from p2pchat.protocol import PeerProtocol
    from p2pchat.rendezvous.listing import Listing
    from p2pchat.session import Identity
    from p2pchat.settings import Settings

_server_log: Final = Log("PeerServer")
_client_log: Final = Log("PeerClient")
_LEAVE_TIMEOUT: Final = 2.0
DUPLICATE: Final = "duplicate link"
"""The reason of a BYE that ends one of two links and is no farewell."""


def _ignore(*_: object) -> None:
    """Whoever makes a mesh need not care for everything."""


@implementer(ILinkOwner)
class Mesh:
    """All links of one node. `reactor` provides IReactorTCP and IReactorTime.

    `on_chat(peer, link, messages)`, `on_ack(msg_id)` and `on_extended(peer, link, message)` get
    what the links bring; `on_chat` may be set later. `on_open(peer, link)` hears of each link that
    is new, and `on_closed(peer, link)` of each that is gone.
    """

    def __init__(
        self,
        reactor: Any,
        me: Identity,
        settings: Settings,
        observers: INodeObserver,
        *,
        on_chat: Callable[[Peer, PeerProtocol, list[Send | Pub]], None] = _ignore,
        on_ack: Callable[[object], None],
        on_open: Callable[[Peer, PeerProtocol], None] = _ignore,
        on_closed: Callable[[Peer, PeerProtocol], None] = _ignore,
        on_extended: Callable[[Peer, PeerProtocol, Said | CatchUp], None] = _ignore,
        max_descriptors: int | None = None,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._reactor = reactor
        self._me = me
        self._observers = observers
        self.on_chat = on_chat
        self._on_ack = on_ack
        self._on_open = on_open
        self._on_closed = on_closed
        self._on_extended = on_extended
        self.context = LinkContext(me, settings, self, reactor)
        self.admission = Admission(settings.limits, max_descriptors)
        self.peers = PeerTable(me.peer_id, settings.limits.max_known_peers)
        self.keepalive = KeepAlive(settings.connection.ping_interval, reactor.seconds())
        self.name = OwnName(me.peer_id, observers.notice)
        self.on_round_trip: Callable[[float], None] | None = None
        """Is told every round-trip time in seconds, for whoever keeps statistics."""
        self.rate_pauses = self.refused_lines = 0
        """Of closed links: how often they were read more slowly, lines refused for them."""
        self.remarks: Counter[str] = Counter()
        """What links had to remark since the start, by kind: bad lines, messages not for us."""
        self.endings: Counter[Ending] = Counter()
        """How connections ended since the start."""
        self.stalled = 0
        """Links that were ended because they took nothing of a full queue."""
        self._links: dict[PeerProtocol, None] = {}
        self._slots = DialSlots(self.admission)
        self._jitter = jitter
        self._remarks = RateLimited(Log("Protocol"))
        self._leaving = False
        self._all_gone: Deferred[None] | None = None

    # ------------------------------------------------------------ what the node wants

    def configure(self, settings: Settings) -> None:
        """Go by these settings from now on; what concerns one link, for those that are new."""
        self.context.settings = settings
        self.admission.configure(settings.limits)
        self.peers.max_known = settings.limits.max_known_peers
        self.keepalive.interval = settings.connection.ping_interval

    @property
    def links(self) -> list[PeerProtocol]:
        """The links whose handshake is done."""
        return [link for link in self._links if link.peer_id]

    @property
    def crowded(self) -> bool:
        """Whether more waits on some link than half of what may."""
        return bool(self.context.turn.crowded)

    def reconnect(self) -> int:
        """Dial every known peer that is not connected, now; returns how many."""
        absent = [peer for peer in self.peers if not peer.links and peer.addresses]
        for peer in absent:
            self._dial(peer)
        return len(absent)

    def dials_under_way(self) -> bool:
        """Whether a first attempt to reach some listed peer has not ended yet."""
        return any(
            peer.dialer is not None and peer.dialer.busy and not peer.dialer.failures
            for peer in self.peers
        )

    def sweep(self, now: float) -> None:
        """Send the PINGs that are due; call it several times a second."""
        self.keepalive.tick(now)

    def look_at_deadlines(self, now: float) -> None:
        """End the handshakes and the closings whose time is over."""
        for link in [*self.context.unsettled]:
            link.tick(now)

    def slow_sweep(self, now: float) -> None:
        """Once a second: end the links that are silent, or do not take what waits for them."""
        self.keepalive.end_silent(now)
        self._remarks.flush(now)
        longest = self.context.settings.limits.stall_timeout
        for link in [*self._links] if self.crowded else ():
            since = link.queue.full_since
            if since is not None and now - since > longest:
                self.stalled += 1
                link.give_up(f"took nothing of a full queue for {longest:g} s")

    def leave(self) -> Deferred[None]:
        """Dial no more and say BYE to all; fires when they are gone, after 2 s at the latest.

        Only once: a node that has left does not come back.
        """
        if self._leaving:
            return succeed(None)
        self._leaving = True
        self._slots.close()
        for peer in self.peers:
            if peer.dialer is not None:
                peer.dialer.stop()
        for link in [*self._links]:
            link.leave("leaving")
        if not self._links:
            return succeed(None)
        self._all_gone = Deferred()
        deadline = self._reactor.callLater(_LEAVE_TIMEOUT, self._abandon_links)

        def over(_: None) -> None:
            if deadline.active():
                deadline.cancel()

        return self._all_gone.addCallback(over)

    def _abandon_links(self) -> None:
        for link in [*self._links]:
            link.give_up("no answer to our BYE")

    # ------------------------------------------------------------ what the rendezvous says

    def discovered(self, listings: Iterable[Listing]) -> None:
        """Take in a DISCOVER reply: who is new, or registered anew, is dialed."""
        by_id: dict[str, list[Listing]] = {}
        for entry in listings:
            by_id.setdefault(entry.peer_id, []).append(entry)
        self.name.listed(by_id.pop(self._me.peer_id, []))
        now = self._reactor.seconds()
        for peer_id, entries in by_id.items():
            peer = self._listed(peer_id)
            if peer is not None and peer.heard_of(entries, self.name.ip, now) and not peer.links:
                peer.left = False
                self._dial(peer)
        self.peers.not_listed(by_id.keys())

    def _listed(self, peer_id: str) -> Peer | None:
        if self.peers.get(peer_id) is None:
            try:
                split_peer_id(peer_id)
            except ValueError as why:
                self._remarked("debug", "odd listing", f"the rendezvous lists an odd name: {why}")
                return None
        return self.peers.listed(peer_id)

    def _dial(self, peer: Peer) -> None:
        if not self._leaving:
            self._dialer_of(peer).dial()

    def _dialer_of(self, peer: Peer) -> Dialer:
        if peer.dialer is None:
            peer.dialer = Dialer(
                self.context, self._reactor, peer, self._slots, self._status, self._jitter
            )
        return peer.dialer

    def _status(self, peer: Peer, status: Status) -> None:
        if peer.links:
            status = Status.CONNECTED
        if status is peer.status or self._leaving:
            return
        before, peer.status = peer.status, status
        if status is Status.STALE:
            _client_log.warn("{peer} does not answer: STALE", peer=peer.peer_id)
        elif status is Status.DISCONNECTED and before is Status.CONNECTED:
            _client_log.info("{peer} is DISCONNECTED", peer=peer.peer_id)
        else:
            _client_log.debug("{peer} is {status}", peer=peer.peer_id, status=status.value)
        self._observers.status_changed(peer)

    # ------------------------------------------------------------ ILinkOwner

    def link_made(self, link: PeerProtocol) -> None:
        """A connection exists; its handshake begins."""
        self._links[link] = None
        if link.outbound:
            self.admission.dialed()
        if self._leaving:
            link.give_up("leaving")

    def link_opened(self, link: PeerProtocol) -> None:
        """The handshake is done."""
        if link.outbound:
            _client_log.info("Outbound connected: {peer}", peer=link.peer_id)
        else:
            self.admission.settled()
            _server_log.info("Inbound connected: {peer}", peer=link.peer_id)
        peer, surplus = self.peers.link_opened(link)
        self.keepalive.add(link)
        if peer.dialer is not None:
            peer.dialer.connected()
        dialer = self._dialer_behind(link)
        if dialer is not None:
            dialer.opened(link)
        self._status(peer, Status.CONNECTED)
        surplus = surplus or self._superseded(peer, link)
        if surplus is not None:
            surplus.leave(DUPLICATE)
        self._on_open(peer, link)

    def _superseded(self, peer: Peer, new: PeerProtocol) -> IPeerLink | None:
        """The link that a new one in the same direction makes useless, if there is one.

        Whoever dials our own kind has lost the link before, or meant somebody else: both ends keep
        the new one. One that is of another process, an earlier one or a stranger's, stays until it
        is silent, but the new one is used.
        """
        if new.kin:
            for old in [*peer.links]:
                same = old.instance == new.instance
                if old is not new and old.kin and (not same or old.outbound == new.outbound):
                    peer.links.remove(new)
                    peer.links.insert(0, new)
                    if same:
                        return old
        elif len(peer.links) > 1 and new.dialed not in (None, peer.peer_id):
            return new
        return None

    def _dialer_behind(self, link: PeerProtocol) -> Dialer | None:
        """The dialer of the peer that an outbound connection was meant to reach."""
        dialed = self.peers.get(link.dialed or "")
        return None if dialed is None else dialed.dialer

    def link_closed(self, link: PeerProtocol, finish: Finish) -> None:
        """The connection is gone."""
        self._links.pop(link, None)
        self.rate_pauses += link.rate_pauses
        self.refused_lines += link.queue.refused
        self.endings[finish.ending] += 1
        self.admission.release(link.ip, inbound=not link.outbound)
        if link.peer_id:
            self._open_link_closed(link, finish)
        else:
            self._handshake_failed(link, finish)
        if not self._links and self._all_gone is not None:
            gone, self._all_gone = self._all_gone, None
            gone.callback(None)

    def _open_link_closed(self, link: PeerProtocol, finish: Finish) -> None:
        self.keepalive.remove(link)
        peer = self.peers.link_closed(link)
        log = _client_log if link.outbound else _server_log
        log.info(
            "Closed: {peer} ({ending}{reason})",
            peer=link.peer_id,
            ending=finish.ending.value,
            reason=f": {finish.reason}" if finish.reason else "",
        )
        if peer is None:
            return
        self._on_closed(peer, link)
        if peer.links:
            return
        if finish.ending is Ending.SAID_BYE and finish.reason != DUPLICATE:
            peer.left = True
            if peer.dialer is not None:
                peer.dialer.stop()
            self._status(peer, Status.DISCONNECTED)
        elif not self._leaving:
            self._dialer_of(peer).link_lost(self._reactor.seconds() - link.opened_at)

    def _handshake_failed(self, link: PeerProtocol, finish: Finish) -> None:
        if not link.outbound:
            self.admission.settled()
        if finish.ending is Ending.NAME_IN_USE:
            self.name.in_use(f"at {link.ip}")
        level = "debug" if finish.ending in (Ending.SELF, Ending.LOST, Ending.LEFT) else "info"
        way = f"to {link.dialed}" if link.dialed else "from"
        text = f"No session {way} {link.address}: {finish.reason}"
        self._remarked(level, "handshake", text)
        dialer = self._dialer_behind(link)
        if dialer is not None:
            dialer.handshake_failed(link, finish)

    def chat_received(self, link: PeerProtocol, messages: list[Send | Pub]) -> None:
        """Messages for us came."""
        peer = self.peers.get(link.peer_id)
        if peer is not None:
            self.on_chat(peer, self._to_answer_on(link) if link.leaving else link, messages)

    def _to_answer_on(self, link: PeerProtocol) -> PeerProtocol:
        """The link itself; or, if its other end may have closed it already, another one."""
        if link.leaving:
            for other in self._links:
                if other.peer_id == link.peer_id and other.kin and not other.leaving:
                    return other
        return link

    def extended(self, link: PeerProtocol, message: Said | CatchUp) -> None:
        """A message of our own kind's extensions came."""
        peer = self.peers.get(link.peer_id)
        if peer is not None:
            self._on_extended(peer, self._to_answer_on(link), message)

    def acknowledged(self, _link: PeerProtocol, msg_id: object) -> None:
        """An ACK came."""
        self._on_ack(msg_id)

    def round_trip(self, link: PeerProtocol, seconds: float) -> None:
        """A PING was answered."""
        peer = self.peers.get(link.peer_id)
        if peer is not None:
            peer.add_round_trip(seconds)
        self.keepalive.measured(seconds)
        if self.on_round_trip is not None:
            self.on_round_trip(seconds)

    def remarked(self, _link: PeerProtocol, remark: Remark) -> None:
        """Something worth a line in the log."""
        self.remarks[remark.kind] += 1
        self._remarked(remark.level, remark.kind, remark.text)

    def _remarked(self, level: str, kind: str, text: str) -> None:
        write = getattr(self._remarks, level)
        write(self._reactor.seconds(), kind, "{text}", text=text)

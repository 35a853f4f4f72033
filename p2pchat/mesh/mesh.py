"""The links of a node and the peers behind them: who is known, who is connected, who has left.

Rules: this is where connections report (`ILinkOwner`), in the order in which things happen, and
from where the parts that care are told: the peer table, the keepalive, the dialing, the log of
links. What comes with every message takes the shortest way.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from types import MethodType
from typing import Any, Final

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from p2pchat.mesh.addresses import AddressRules
from p2pchat.mesh.blocking import Blocking
from p2pchat.mesh.claims import Claims, OwnKeys
from p2pchat.mesh.dialing import Dialing
from p2pchat.mesh.duplicates import DUPLICATE, SecondLinks
from p2pchat.mesh.identity.trust import Policy
from p2pchat.mesh.identity.vouching import Alert
from p2pchat.mesh.keepalive import KeepAlive
from p2pchat.mesh.link.admission import Admission
from p2pchat.mesh.link.context import LinkContext
from p2pchat.mesh.link.listener import BLOCKED
from p2pchat.mesh.link.seams import ILinkOwner, IPeerLink
from p2pchat.mesh.link.security import LinkSecurity
from p2pchat.mesh.link_log import LinkLog
from p2pchat.mesh.look_alikes import LookAlikes
from p2pchat.mesh.own_name import OwnName
from p2pchat.mesh.peers import Peer, PeerTable, Status
from p2pchat.rendezvous.directory import Listing
from p2pchat.settings.values import Settings
from p2pchat.turns import Turns
from p2pchat.wire.address import split_peer_id
from p2pchat.wire.friends import Friends
from p2pchat.wire.identity import Identity
from p2pchat.wire.messages import ByeOk, CatchUp, Pong, Pub, Said, Send
from p2pchat.wire.outputs import Ending, Finish, Remark

_LEAVE_TIMEOUT: Final = 2.0
_NO_KEYS: Final = "nothing is encrypted until this program is started again: it has no key yet"
_PEERS_A_TURN: Final = 100
_ENTRIES_A_TURN: Final = 1000
"""Peers of a listing, and entries of it, that are taken in without a look at anything else."""


_TICKS: Final = 8
"""Links that are looked at in one piece: to end one takes a quarter of a millisecond."""


def _ignore(*_: object) -> None:
    """Who makes a mesh need not care for everything."""


@implementer(ILinkOwner)
class Mesh:
    """All links of one node. `reactor` provides IReactorTCP and IReactorTime.

    `new_id` and `timestamp` give what goes into messages, `jitter` a number between two others.
    `friends` are those who never pay for strangers. With `own_keys` links are encrypted, as far as
    the policy says. Set those of the `on_...` that you care for before
    the first connection is made.
    """

    def __init__(
        self,
        reactor: Any,
        me: Identity,
        settings: Settings,
        *,
        new_id: Callable[[], str],
        timestamp: Callable[[], str],
        jitter: Callable[[float, float], float],
        max_descriptors: int | None = None,
        friends: Friends | None = None,
        own_keys: OwnKeys | None = None,
    ) -> None:
        self._reactor = reactor
        self._friends = Friends() if friends is None else friends
        self.turns = Turns(reactor)
        """Where all of the node's work that takes long is done."""
        self.on_chat: Callable[[Peer, IPeerLink, list[Send | Pub]], None] = _ignore
        """Gets the messages that come, without a method of ours in between."""
        self.on_extended: Callable[[Peer, IPeerLink, Said | CatchUp], None] = _ignore
        """Gets what only two nodes that keep messages say to each other."""
        self.on_ack: Callable[[str, object], None] = _ignore
        """Gets the peer_id and the msg_id of each ACK, of whatever type the latter is."""
        self.on_open: Callable[[Peer, IPeerLink], None] = _ignore
        """Is told of each link that is new."""
        self.on_moved: Callable[[Peer], None] = _ignore
        """Is told of each peer that is written to on another link from now on."""
        self.on_closed: Callable[[Peer, IPeerLink], None] = _ignore
        """Is told of each link that is gone."""
        self.on_status: Callable[[Peer], None] = _ignore
        """Is told of each new status."""
        self.on_notice: Callable[[str], None] = _ignore
        """Is told what the person should know, in a sentence."""
        self.on_key_alert: Callable[[Alert], None] = _ignore
        """Is told what a person may have to know about a key; strangers can cause it."""
        self.on_round_trip: Callable[[float], None] | None = None
        """Is told every round-trip time in seconds, for who keeps statistics."""
        self.context = LinkContext(me, settings, self, reactor, new_id, timestamp)
        self.context.batch.max_waiting = settings.limits.max_queues_bytes
        self.context.batch.on_too_much = self._end_longest
        self.admission = Admission(settings.limits, max_descriptors)
        self.peers = PeerTable(settings.limits.max_known_peers, self._friends)
        self.keepalive = KeepAlive(settings.connection.ping_interval, reactor.seconds())
        self.name = OwnName(me.peer_id, lambda sentence: self.on_notice(sentence))
        self.link_log = LinkLog()
        self.blocking = Blocking(settings.limits.blocked, self._blocking_changed)
        self.second_links = SecondLinks(
            me.peer_id,
            reactor.seconds(),
            lambda sentence: self.on_notice(sentence),
            lambda peer: self.on_moved(peer),
            self._friends,
        )
        self.look_alikes = LookAlikes(self._friends, lambda sentence: self.on_notice(sentence))
        self._links: dict[IPeerLink, None] = {}
        self._dialing = Dialing(
            reactor,
            self.context,
            self.peers,
            self.admission,
            lambda peer: self.on_status(peer),
            jitter,
            self.link_log.tell,
        )
        self.claims: Claims | None = None
        """Who may have which name; None while nothing can be encrypted."""
        self._security: LinkSecurity | None = None
        if own_keys is not None:
            self._encrypt_with(own_keys)
        self._leaving = False
        self._all_gone: Deferred[None] | None = None

    def _encrypt_with(self, own: OwnKeys) -> None:
        self.claims = Claims(
            self.context.me.peer_id,
            own,
            Policy(self.context.settings.security.policy),
            self.peers,
            self._reactor.seconds,
            lambda alert: self.on_key_alert(alert),
            lambda sentence: self.on_notice(sentence),
        )
        self._security = LinkSecurity(own.keys, self.claims, self._reactor, fleeting=own.fleeting)
        self._take_policy()

    def _take_policy(self) -> None:
        """Have links that are new encrypted, or not; end those that may not stay as they are."""
        claims, policy = self.claims, Policy(self.context.settings.security.policy)
        if claims is None:
            if policy is not Policy.OFF:
                self.on_notice(_NO_KEYS)
            return
        claims.vouching.policy = policy
        self.context.security = None if policy is Policy.OFF else self._security
        self.turns.do(_look_at_all(claims, self.peers.connected()))

    # ------------------------------------------------------------ what the node wants

    def configure(self, settings: Settings) -> None:
        """Go by these settings from now on; what concerns one link, for those that are new."""
        before, self.context.settings = self.context.settings, settings
        if before.security.policy != settings.security.policy:
            self._take_policy()
        self.context.batch.max_waiting = settings.limits.max_queues_bytes
        self.admission.configure(settings.limits)
        self._dialing.configure(settings.limits)
        if settings.limits.blocked != tuple(self.blocking.configured):
            self.blocking.configure(settings.limits.blocked)
            self._blocking_changed()
        self.peers.max_known = settings.limits.max_known_peers
        self.keepalive.interval = settings.connection.ping_interval

    @property
    def links(self) -> list[IPeerLink]:
        """The links whose handshake is done."""
        return [link for link in self._links if link.peer_id]

    @property
    def crowded(self) -> bool:
        """Whether more waits on some link than half of what may."""
        return bool(self.context.batch.crowded)

    def reconnect(self) -> int:
        """Dial every known peer that is not connected, now; returns how many."""
        absent = [
            peer
            for peer in self.peers
            if not peer.links and peer.addresses and not self.blocking.has_peer(peer.peer_id)
        ]
        for peer in absent:
            self._dialing.dial(peer)
        return len(absent)

    @property
    def security(self) -> LinkSecurity | None:
        """What links are encrypted with, None where there is no key; also while they are not."""
        return self._security

    def key_decided(self, peer_id: str, *, forgotten: bool = False) -> None:
        """The person has taken another key for a name, or forgotten it: links that may not stay
        end, and the peer is dialed."""
        peer = self.peers.get(peer_id)
        if peer is None or self.claims is None:
            return
        self.claims.look_at_links(peer, forgotten=forgotten)
        if not self.blocking.has_peer(peer_id) and all(link.leaving for link in peer.links):
            peer.left = False
            self._dialing.dial(peer)

    def _dial_free(self, names: list[str]) -> Generator[None, None, None]:
        """A key is forgotten: whoever had given up its name, or was refused it, is dialed."""
        for number, peer_id in enumerate(names, 1):
            if number % _PEERS_A_TURN == 0:
                yield
            peer = self.peers.get(peer_id)
            if peer is not None and peer.listed and not peer.links and not peer.left:
                self.wanted(peer)

    def wanted(self, peer: Peer) -> None:
        """Somebody writes to this peer, which has no link: dial it now, if it may be dialed."""
        if not self.blocking.has_peer(peer.peer_id):
            self._dialing.wanted(peer)

    def dials_under_way(self) -> bool:
        """Whether a first attempt to reach some listed peer has not ended yet."""
        return self._dialing.under_way()

    def sweep(self, now: float) -> None:
        """Send the PINGs that are due; call it several times a second."""
        self.keepalive.tick(now)

    def look_at_deadlines(self, now: float) -> None:
        """End the handshakes and the closings whose time is over, and judge links in doubt."""
        self.second_links.look(now)
        if self.claims is not None:
            free = self.claims.vouching.sweep(now)
            if free:
                self.turns.do(self._dial_free(free))
        self.turns.do(_tick_all([*self.context.unsettled], now))

    def slow_sweep(self, now: float) -> None:
        """Once a second: end the links that are silent, or do not take what waits for them."""
        self.keepalive.end_silent(now)
        self.link_log.flush(now)
        longest = self.context.settings.limits.stall_timeout
        for link in [*self._links] if self.crowded else ():
            since = link.queue.full_since
            if since is not None and now - since > longest:
                self.link_log.stalled += 1
                link.give_up(f"took nothing of a full queue for {longest:g} s")

    def _end_longest(self) -> None:
        """All queues together hold too much: end the links with the longest.

        First come the links of strangers, and of those the ones in which answers wait that nobody
        reads, then the ones with messages of ours. A quarter becomes free, so that this is not
        asked for again with every line.
        """
        batch, limit = self.context.batch, self.context.settings.limits.max_queues_bytes
        friends, full = self._friends, [link for link in self._links if link.queue.bytes_lasting]
        full.sort(key=lambda it: (it.peer_id not in friends, it.queue.burden), reverse=True)
        for link in full:
            if batch.waiting <= limit * 3 // 4:
                break
            self.link_log.for_room += 1
            link.queue.drop()
            link.give_up("did not read, while all queues together held too much")

    def leave(self) -> Deferred[None]:
        """Dial no more and say BYE to all; fires when they are gone, after 2 s at the latest.

        Only once: a node that has left does not come back.
        """
        if self._leaving:
            return succeed(None)
        self._leaving = True
        self._dialing.stop()
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

    def discovered(
        self,
        listings: Iterable[Listing],
        source: str,
        *,
        whole: bool = True,
        namespace: str | None = None,
    ) -> Deferred[None]:
        """Take in a DISCOVER reply: who is new, or registered anew, is dialed.

        `source` is the IP address that the reply came from; see `AddressRules`. `whole` says that
        whoever of `namespace`, or of all for None, is not among these has no registration. The
        result fires when all is done, which takes several turns of the reactor for many peers.
        """
        return self.turns.do(self._take_in(listings, source, whole, namespace))

    def _take_in(
        self, listings: Iterable[Listing], source: str, whole: bool, namespace: str | None
    ) -> Generator[None, None, None]:
        by_id: dict[str, list[Listing]] = {}
        for number, entry in enumerate(listings, 1):
            if number % _ENTRIES_A_TURN == 0:
                yield
            if not self.blocking.has(entry.peer_id, entry.ip):
                by_id.setdefault(entry.peer_id, []).append(entry)
        self.name.listed(by_id.pop(self.context.me.peer_id, []))
        now = self._reactor.seconds()
        rules = AddressRules(source, self.name.ip)
        for number, (peer_id, entries) in enumerate(by_id.items(), 1):
            if number % _PEERS_A_TURN == 0:
                yield
            peer = self._listed(peer_id)
            before = () if peer is None else peer.addresses
            if peer is not None and peer.heard_of(entries, rules, now):
                self._dialing.registered_anew(peer, before)
        if whole:
            yield from self.peers.not_listed(by_id.keys(), namespace)
        if rules.refused:
            self.peers.addresses_refused += rules.refused
            text = f"{rules.refused} listed addresses are not dialed, the first: {rules.example}"
            self.link_log.tell("debug", "refused address", text, now)

    def _listed(self, peer_id: str) -> Peer | None:
        if self.peers.get(peer_id) is None:
            try:
                split_peer_id(peer_id)
            except ValueError as why:
                text = f"the rendezvous lists an odd name: {why}"
                self.link_log.tell("debug", "odd listing", text, self._reactor.seconds())
                return None
        return self.peers.listed(peer_id)

    # ------------------------------------------------------------ who is not wanted

    def refuses(self, ip: str) -> bool:
        """Whether a connection from this address is not wanted; counted if so."""
        refused = self.blocking.has_address(ip)
        self.blocking.refused += refused
        return refused

    def _blocking_changed(self) -> None:
        """End what is not wanted any more, and dial whom is wanted again."""
        blocking = self.blocking
        for link in [*self._links]:
            if blocking.has(link.peer_id, link.ip) and not link.leaving:
                self._not_wanted(link)
        for peer in self.peers:
            if peer.links:
                continue
            if blocking.has_peer(peer.peer_id):
                self._dialing.not_wanted(peer)
            elif peer.listed and peer.status is Status.DISCONNECTED and not peer.left:
                self._dialing.dial(peer)

    def _not_wanted(self, link: IPeerLink) -> None:
        self.blocking.refused += 1
        link.deliver = _ignore
        link.leave(BLOCKED)

    # ------------------------------------------------------------ ILinkOwner

    def link_made(self, link: IPeerLink) -> None:
        """A connection exists; its handshake begins."""
        self._links[link] = None
        if link.outbound:
            self.admission.dialed(link.ip)
        else:
            self.admission.arrived(link, self._reactor.seconds())
        if self._leaving:
            link.give_up("leaving")
        elif link.outbound and self.blocking.has_address(link.ip):
            link.give_up(BLOCKED)

    def link_opened(self, link: IPeerLink) -> None:
        """The handshake is done."""
        if not link.outbound:
            self.admission.opened(link, self._reactor.seconds())
        if self.blocking.has(link.peer_id, link.ip):
            self._not_wanted(link)
            self._dialing.handshake_failed(link, Finish(Ending.REFUSED, BLOCKED))
            return
        self.link_log.opened(link, self._reactor.seconds())
        self.look_alikes.opened(link.peer_id, self._reactor.seconds())
        peer = self.peers.link_opened(link)
        # A method of the peer, as it were. No peer that has a link is ever forgotten.
        link.deliver = MethodType(self.on_chat, peer)
        self.keepalive.add(link)
        self._dialing.opened(peer, link)
        surplus = self.second_links.opened(peer, link, self._reactor.seconds())
        if surplus is not None:
            surplus.leave(DUPLICATE)
        self.on_open(peer, link)

    def link_closed(self, link: IPeerLink, finish: Finish) -> None:
        """The connection is gone."""
        self._links.pop(link, None)
        self.link_log.ended(link, finish)
        if self.claims is not None:
            self.claims.closed(link)
        self.admission.release(link.ip, inbound=not link.outbound)
        if link.peer_id:
            self._open_link_closed(link, finish)
        else:
            self._handshake_failed(link, finish)
        if not self._links and self._all_gone is not None:
            gone, self._all_gone = self._all_gone, None
            gone.callback(None)

    def _open_link_closed(self, link: IPeerLink, finish: Finish) -> None:
        self.keepalive.remove(link)
        peer = self.peers.link_closed(link)
        self.link_log.closed(link, finish, self._reactor.seconds())
        if peer is not None:
            self.on_closed(peer, link)
            if not self.blocking.has_peer(peer.peer_id):
                self._dialing.link_closed(peer, link, finish)
            elif not peer.links:
                self._dialing.not_wanted(peer)

    def _handshake_failed(self, link: IPeerLink, finish: Finish) -> None:
        self.admission.settled(link)
        if finish.ending is Ending.NAME_IN_USE and not (
            self.claims is not None and self.claims.has_our_key(link)
        ):
            self.name.in_use(f"at {link.ip}")
        if self.claims is not None and finish.ending is Ending.KEY_REFUSED:
            self.claims.refused_us(link)
        friend = link.dialed in self._friends
        self.link_log.handshake_failed(link, finish, self._reactor.seconds(), friend=friend)
        self._dialing.handshake_failed(link, finish)

    def extended(self, link: IPeerLink, message: Said | CatchUp) -> None:
        """A message of our own kind's extensions came."""
        peer = self.peers.get(link.peer_id)
        if peer is not None and not self.blocking.has(link.peer_id, link.ip):
            self.on_extended(peer, link, message)

    def acknowledged(self, link: IPeerLink, msg_id: object) -> None:
        """An ACK came."""
        self.on_ack(link.peer_id, msg_id)

    def ack_overdue(self, peer: Peer, link: IPeerLink) -> None:
        """An ACK did not come in time for what was sent to `peer` on `link`: use another one."""
        self.second_links.ack_overdue(peer, link, self._reactor.seconds())

    def answered_elsewhere(self, link: IPeerLink, answer: Pong | ByeOk) -> None:
        """An answer came that belongs to another link of the same peer, if to any."""
        peer = self.peers.get(link.peer_id)
        if peer is not None:
            self.second_links.answered(peer, link, answer)

    def round_trip(self, link: IPeerLink, seconds: float) -> None:
        """A PING was answered."""
        peer = self.peers.get(link.peer_id)
        if peer is not None:
            peer.add_round_trip(seconds)
        self.keepalive.measured(seconds)
        if self.on_round_trip is not None:
            self.on_round_trip(seconds)

    def remarked(self, _link: IPeerLink, remark: Remark) -> None:
        """Something worth a line in the log."""
        self.link_log.remarks[remark.kind] += 1
        self.link_log.tell(remark.level, remark.kind, remark.text, self._reactor.seconds())


def _look_at_all(claims: Claims, peers: list[Peer]) -> Generator[None, None, None]:
    for number, peer in enumerate(peers, 1):
        if number % _PEERS_A_TURN == 0:
            yield
        claims.look_at_links(peer)


def _tick_all(links: list[IPeerLink], now: float) -> Generator[None, None, None]:
    """Hundreds that strangers left half-open may be over at once."""
    for number, link in enumerate(links, 1):
        link.tick(now)
        if not number % _TICKS:
            yield

"""The links of a node and the peers behind them: who is known, who is connected, who has left.

Rules: this is where connections report (`ILinkOwner`), in the order in which things happen, and
from where the parts that care are told: the peer table, the keepalive, the dialing, the log of
links. What comes with every message takes the shortest way.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from types import MethodType
from typing import Any, Final

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from p2pchat.mesh.addresses import Place, read_address
from p2pchat.mesh.blocking import Blocking
from p2pchat.mesh.book import Book
from p2pchat.mesh.candidates import Candidates
from p2pchat.mesh.claims import Claims, OwnKeys
from p2pchat.mesh.dialing import Dialing
from p2pchat.mesh.duplicates import DUPLICATE, SecondLinks
from p2pchat.mesh.encryption import Encryption
from p2pchat.mesh.full_queues import end_longest, end_stalled
from p2pchat.mesh.identity.keys import Keys
from p2pchat.mesh.identity.trust import BUSY, Policy
from p2pchat.mesh.identity.vouching import Alert
from p2pchat.mesh.keepalive import KeepAlive
from p2pchat.mesh.leaving import Leaving
from p2pchat.mesh.link.admission import Admission
from p2pchat.mesh.link.context import LinkContext
from p2pchat.mesh.link.listener import BLOCKED
from p2pchat.mesh.link.seams import ILinkOwner, IPeerLink
from p2pchat.mesh.link.security import LinkSecurity
from p2pchat.mesh.link_log import LinkLog
from p2pchat.mesh.listings import Listings
from p2pchat.mesh.look_alikes import LookAlikes
from p2pchat.mesh.own_name import OwnName
from p2pchat.mesh.peers import Peer, PeerTable, Status
from p2pchat.rendezvous.directory import Listing
from p2pchat.settings.values import Settings
from p2pchat.speech import Sentence
from p2pchat.turns import Turns
from p2pchat.wire.friends import Friends
from p2pchat.wire.identity import Identity
from p2pchat.wire.messages import ByeOk, Extension, Pong, Pub, Send
from p2pchat.wire.outputs import Ending, Finish, Remark

_NO_KEYS: Final = Sentence(
    "nothing is encrypted until this program is started again: it has no key yet"
)


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
        self.on_extended: Callable[[Peer, IPeerLink, Extension], None] = _ignore
        """Gets what only two nodes that keep messages say to each other."""
        self.on_ack: Callable[[str, object], None] = _ignore
        """Gets the peer_id and the msg_id of each ACK, of whatever type the latter is."""
        self.on_open: Callable[[Peer, IPeerLink], None] = _ignore
        """Is told of each link that is new."""
        self.on_moved: Callable[[Peer], None] = _ignore
        """Is told of each peer that is written to on another link from now on."""
        self.on_closed: Callable[[Peer, IPeerLink], None] = _ignore
        """Is told of each link that is gone."""
        self.on_links: Callable[[Peer], None] = _ignore
        """Is told of each peer that has another link, or one less."""
        self.on_status: Callable[[Peer], None] = _ignore
        """Is told of each new status."""
        self.on_notice: Callable[[str | Sentence], None] = _ignore
        """Is told what the person should know, in a sentence."""
        self.on_key_alert: Callable[[Alert], None] = _ignore
        """Is told what a person may have to know about a key; strangers can cause it."""
        self.on_round_trip: Callable[[Peer, float], None] = _ignore
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
        self.book = Book(Candidates(self._friends, jitter), reactor.seconds)
        """Where peers may be found when nobody says where they are."""
        self._dialing = Dialing(
            reactor,
            self.context,
            self.peers,
            self.admission,
            self._status_changed,
            jitter,
            self.link_log.tell,
            self.link_log.became,
        )
        self._listings = Listings(
            self.name,
            me.peer_id,
            self.peers,
            self.blocking,
            self._dialing,
            self.link_log,
            reactor.seconds,
        )
        self._encryption: Encryption | None = None
        self.claims: Claims | None = None
        """Who may have which name; None while nothing can be encrypted."""
        if own_keys is not None:
            self._encryption = Encryption(
                own_keys,
                reactor,
                self.context,
                self.peers,
                self._dialing,
                self.blocking,
                self.turns,
                lambda alert: self.on_key_alert(alert),
                lambda sentence: self.on_notice(sentence),
            )
            self.claims = self._encryption.claims
        self._leaving = Leaving(reactor, self._links)

    # ------------------------------------------------------------ what the node wants

    def configure(self, settings: Settings) -> None:
        """Go by these settings from now on; what concerns one link, for those that are new."""
        before, self.context.settings = self.context.settings, settings
        if before.security.policy != settings.security.policy:
            if self._encryption is not None:
                self._encryption.take_policy()
            elif settings.security.policy != Policy.OFF.value:
                self.on_notice(_NO_KEYS)
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
        return None if self._encryption is None else self._encryption.security

    def take_key(self, keys: Keys) -> None:
        """Our key is another one from now on."""
        if self._encryption is not None:
            self._encryption.take_key(keys)

    def key_decided(self, peer_id: str, *, forgotten: bool = False) -> None:
        """The person has taken another key for a name, or forgotten it: links that may not stay
        end, and the peer is dialed."""
        if self._encryption is not None:
            self._encryption.key_decided(peer_id, forgotten=forgotten)

    def dial(self, host: str, port: int) -> Deferred[str]:
        """Dial an address that a person names, once; fires with the peer_id of who answered.

        Fails with a `DialError`. Who answered is dialed there again when its link is lost.
        """

        def met(peer_id: str) -> str:
            peer = self.peers.get(peer_id)
            if peer is not None and peer.links and not peer.addresses:
                # Who dialed us from a link-local address has no scope; the person says it.
                peer.was_at([(host if read_address(host) else peer.link_in_use.ip, port)])
            return peer_id

        return self._dialing.direct.dial(host, port).addCallback(met)

    def wanted(self, peer: Peer) -> None:
        """Somebody writes to this peer, which has no link: dial it now, if it may be dialed."""
        if not self.blocking.has_peer(peer.peer_id):
            self._dialing.wanted(peer)

    def dials_under_way(self) -> bool:
        """Whether a first attempt to reach some listed peer has not ended yet."""
        return self._dialing.under_way()

    @property
    def at_rest(self) -> bool:
        """Whether no handshake, closing or doubt is under way, and PINGs are rare."""
        if self.context.unsettled or self.crowded or not self.keepalive.at_rest:
            return False
        encryption = self._encryption
        return self.second_links.at_rest and (encryption is None or encryption.at_rest)

    def sweep(self, now: float) -> None:
        """Send the PINGs that are due; call it several times a second."""
        self.keepalive.tick(now)

    def look_at_deadlines(self, now: float) -> None:
        """End the handshakes and the closings whose time is over, and judge links in doubt."""
        self.second_links.look(now)
        if self._encryption is not None:
            self._encryption.sweep(now)
        self.turns.do(_tick_all([*self.context.unsettled], now))

    def slow_sweep(self, now: float) -> None:
        """Once a second: end the links that are silent, or do not take what waits for them."""
        self.keepalive.end_silent(now)
        self.link_log.flush(now)
        if self.crowded:
            longest = self.context.settings.limits.stall_timeout
            end_stalled(self._links, longest, now, self.link_log)

    def _end_longest(self) -> None:
        limit = self.context.settings.limits.max_queues_bytes
        end_longest(self._links, self.context.batch, limit, self._friends, self.link_log)

    def leave(self) -> Deferred[None]:
        """Dial no more and say BYE to all; fires when they are gone, after 2 s at the latest.

        Only once: a node that has left does not come back.
        """
        if self._leaving.begun:
            return succeed(None)
        self._dialing.stop()
        return self._leaving.leave()

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
        return self.turns.do(self._listings.take_in(listings, source, whole, namespace))

    def sighted(self, peer_id: str, places: Sequence[Place], *, begins: bool) -> None:
        """A peer is seen at these addresses and ports on our own network, the best first, or
        nowhere any more for none: dial it if one of them is new, or if it `begins`, just now."""
        places = self._wanted_at(peer_id, places)
        known = self.peers.get(peer_id)
        before = () if known is None else known.addresses
        peer = self.peers.sighted(peer_id, places)
        if peer is not None and places and (begins or not set(places) <= set(before)):
            self._dialing.registered_anew(peer, before)

    def try_at(self, peer_id: str, places: Sequence[Place]) -> None:
        """Dial a peer, if it has no link, where it once was."""
        places = self._wanted_at(peer_id, places)
        peer = self.peers.remembered(peer_id) if places else None
        if peer is not None and not peer.links:
            peer.was_at(places)
            self._dialing.dial(peer)

    def _wanted_at(self, peer_id: str, places: Sequence[Place]) -> list[Place]:
        """Those of these places at which a peer is not blocked; none for who says to be us."""
        if peer_id == self.context.me.peer_id:
            return []
        return [place for place in places if not self.blocking.has(peer_id, place[0])]

    def _status_changed(self, peer: Peer) -> None:
        if peer.status is Status.STALE:
            self.book.candidates.failed(peer.peer_id)
        self.on_status(peer)

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
        _send_away(link, BLOCKED)

    # ------------------------------------------------------------ ILinkOwner

    def link_made(self, link: IPeerLink) -> None:
        """A connection exists; its handshake begins."""
        self._links[link] = None
        if link.outbound:
            self.admission.dialed(link.ip)
        else:
            self.admission.arrived(link, self._reactor.seconds())
        if self._leaving.begun:
            link.give_up("leaving")
        elif link.outbound and self.blocking.has_address(link.ip):
            link.give_up(BLOCKED)

    def link_opened(self, link: IPeerLink) -> None:
        """The handshake is done."""
        friend, now = link.peer_id in self._friends, self._reactor.seconds()
        has_place = link.outbound or self.admission.opened(link, now, friend=friend)
        if self.blocking.has(link.peer_id, link.ip):
            known = self.peers.get(link.peer_id)
            if known is not None:
                # It takes our BYE for a farewell: when it is not blocked any more, we dial it.
                known.left = False
            self._not_wanted(link)
            self._dialing.handshake_failed(link, Finish(Ending.REFUSED, BLOCKED))
            return
        if not has_place:
            _send_away(link, BUSY)
            return
        self.link_log.opened(link, now)
        self.look_alikes.opened(link.peer_id, now)
        peer = self.peers.link_opened(link)
        # A method of the peer, as it were. No peer that has a link is ever forgotten.
        link.deliver = MethodType(self.on_chat, peer)
        self.keepalive.add(link)
        self._dialing.opened(peer, link)
        surplus = self.second_links.opened(peer, link, now)
        if surplus is not None:
            surplus.leave(DUPLICATE)
        self.on_open(peer, link)
        self.on_links(peer)

    def link_closed(self, link: IPeerLink, finish: Finish) -> None:
        """The connection is gone."""
        self._links.pop(link, None)
        self.link_log.ended(link, finish)
        if self.claims is not None:
            self.claims.closed(link)
        self.admission.release(link, inbound=not link.outbound)
        if link.peer_id:
            self._open_link_closed(link, finish)
        else:
            self._handshake_failed(link, finish)
        self._leaving.link_closed()

    def _open_link_closed(self, link: IPeerLink, finish: Finish) -> None:
        self.keepalive.remove(link)
        peer = self.peers.link_closed(link)
        if peer is not None:
            self.book.link_closed(peer, link)
        self.link_log.closed(link, finish, self._reactor.seconds())
        if peer is not None:
            self.on_closed(peer, link)
            self.on_links(peer)
            blocked = self.blocking.has_peer(peer.peer_id)
            if not blocked and link.deliver is not _ignore:
                self._dialing.link_closed(peer, link, finish)
            elif not peer.links:
                self._dialing.not_wanted(peer)
                if not blocked:  # we ended it, and would not any more: their BYE is no farewell
                    self._dialing.dial(peer)

    def _handshake_failed(self, link: IPeerLink, finish: Finish) -> None:
        self.admission.settled(link)
        if finish.ending is Ending.NAME_IN_USE and not (
            self.claims is not None and self.claims.has_our_key(link)
        ):
            self.name.in_use(Sentence("at {ip}", ip=link.ip))
        if self.claims is not None and finish.ending is Ending.KEY_REFUSED:
            self.claims.refused_us(link)
        friend = link.dialed in self._friends
        self.link_log.handshake_failed(link, finish, self._reactor.seconds(), friend=friend)
        self._dialing.handshake_failed(link, finish)

    def extended(self, link: IPeerLink, message: Extension) -> None:
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
            self.on_round_trip(peer, seconds)
        self.keepalive.measured(seconds)

    def remarked(self, _link: IPeerLink, remark: Remark) -> None:
        """Something worth a line in the log."""
        self.link_log.remarks[remark.kind] += 1
        self.link_log.tell(remark.level, remark.kind, remark.text, self._reactor.seconds())


def _send_away(link: IPeerLink, reason: str) -> None:
    """End a link; nothing of what still comes on it is taken in."""
    link.deliver = _ignore
    link.leave(reason)


def _tick_all(links: list[IPeerLink], now: float) -> Generator[None, None, None]:
    """Hundreds that strangers left half-open may be over at once."""
    for number, link in enumerate(links, 1):
        link.tick(now)
        if not number % _TICKS:
            yield

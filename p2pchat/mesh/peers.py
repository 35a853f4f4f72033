"""Who is known and who is connected: the peer table.

Rules: pure bookkeeping, no I/O and no clock. A peer is CONNECTED exactly while it has a link;
every other status is set by whoever dials. The table is bounded. A peer that is new takes the
place of one without a link, the one without for longest of the first group that has any:

    new               takes the place of
    a stranger        strangers that no listing names; if it has connected, listed strangers
    a friend          strangers that no listing names, listed strangers, friends that no listing
                      names; if it has connected, listed friends

Otherwise an entry of a listing finds no place. A peer with a link keeps its own and takes none from
a listed friend: links are limited elsewhere.
"""

from __future__ import annotations

import enum
from collections import Counter, OrderedDict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from sys import intern
from typing import Final

from p2pchat.mesh.addresses import AddressRules, Place
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.rendezvous.directory import Listing
from p2pchat.rendezvous.hint import hint_in
from p2pchat.wire.address import is_plain, machine_of, namespace_of, the_one_called
from p2pchat.wire.friends import Friends
from p2pchat.wire.names import is_escaped

PEERS_A_TURN: Final = 1000
"""Peers that are looked at without a look at anything else."""
_SAMPLES: Final = 10
_MAX_ADDRESSES: Final = 8
"""Addresses that are kept of one peer, the latest registered; each may cost a dial's time-out."""
_RENEWAL: Final = 2.0
"""Seconds by which a lease must end later than we knew to count as renewed; less is rounding."""


class Status(enum.Enum):
    """What a person sees of a peer's state."""

    UNKNOWN = "UNKNOWN"
    CONNECTING = "CONNECTING"
    CONNECTED = "CONNECTED"
    DISCONNECTED = "DISCONNECTED"
    STALE = "STALE"


class Peer:
    """What is known of one peer."""

    __slots__ = (
        "able",
        "addresses",
        "expires_at",
        "heard_id",
        "heard_on",
        "hinted",
        "known_at",
        "left",
        "links",
        "misled",
        "namespace",
        "peer_id",
        "registered",
        "registered_at",
        "round_trips",
        "seen_at",
        "status",
    )

    def __init__(self, peer_id: str) -> None:
        self.peer_id = peer_id
        # One string for all of a namespace, however many they are.
        self.namespace = intern(namespace_of(peer_id))
        self.status = Status.UNKNOWN
        self.addresses: tuple[Place, ...] = ()
        """Where to dial, best first; empty for a peer that only ever dialed us. It is `seen_at`,
        `registered_at` and then `known_at`."""
        self.registered_at: tuple[Place, ...] = ()
        """Where the latest listing that named it said that it is."""
        self.known_at: tuple[Place, ...] = ()
        """Where it once was, when nobody says where it is."""
        self.seen_at: tuple[Place, ...] = ()
        """Where its beacons come from now; anybody can send one."""
        self.able: tuple[Place, ...] = ()
        """Where somebody said that it takes TLS. It is a property of the place: anybody can say so
        of a name, and must not have the other places of the peer asked for what they cannot do."""
        self.hinted: tuple[Place, ...] = ()
        """Where a rendezvous says that it takes TLS, now; anybody may have said so to it."""
        self.misled: tuple[Place, ...] = ()
        """Where that was not so."""
        self.registered = False
        """Whether the latest DISCOVER reply named it."""
        self.expires_at = 0.0
        """When its registration ends, seconds of the node's clock."""
        self.left = False
        """Whether it said BYE and has not registered again since."""
        self.heard_on: IPeerLink | None = None
        """The link of the messages that observers are being told of; None at other times."""
        self.heard_id = 0
        """The id in the history of the first of these messages, and the others follow; 0 when they
        have none."""
        self.links: list[IPeerLink] = []
        """Live links; `link_in_use` is the one to write to."""
        self.round_trips: tuple[float, ...] = ()
        """The last ten round-trip times in seconds, oldest first."""

    def security_of(self, src: str = "") -> str:
        """How a message came that observers are being told of: `plain`, `encrypted`, `verified`.

        `src` is whom it says it is from. What is from somebody else was only carried here, and
        nobody knows how it came to who carried it: that is `plain`.
        """
        if self.heard_on is None or (src and src != self.peer_id):
            return "plain"
        return self.heard_on.security

    @property
    def listed(self) -> bool:
        """Whether anything says now that it is there: a listing, or its beacons."""
        return self.registered or bool(self.seen_at)

    @property
    def in_the_clear(self) -> bool:
        """Whether it has a link that is not encrypted."""
        return any(link.key is None for link in self.links)

    def encrypts_at(self, place: Place) -> None:
        """Whoever was dialed there said that it takes TLS."""
        if place not in self.able:
            self.able = (*self.able[1 - _MAX_ADDRESSES :], place)

    def seems_able(self, place: Place) -> bool:
        """Whether it is said that TLS is taken there, and was not found to be wrong."""
        return place in self.able or (place in self.hinted and place not in self.misled)

    def was_misled(self, place: Place) -> bool:
        """TLS was not taken there: whether only the hint of a rendezvous had said so, till now."""
        if place in self.able or place in self.misled or place not in self.hinted:
            return False
        self.misled = (*self.misled[1 - _MAX_ADDRESSES :], place)
        return True

    def add_round_trip(self, seconds: float) -> None:
        """Note one more sample."""
        self.round_trips = (*self.round_trips[1 - _SAMPLES :], seconds)

    @property
    def link_in_use(self) -> IPeerLink:
        """The link to write to; only for a peer that has a link."""
        for link in self.links:
            if not link.leaving:
                return link
        return self.links[0]

    @property
    def links_in_use(self) -> list[IPeerLink]:
        """The link to write to, and those that take what it has no room for.

        Another link may be somebody else's, who says the peer's name. So only other programs get
        messages on a second one, and only at the address of the first.
        """
        links = self.links
        if len(links) < 2:
            return links
        first = self.link_in_use
        if first.is_p2pchat:
            return [first]
        here = machine_of(first.ip)
        same = (it for it in links if it is not first and not it.is_p2pchat)
        return [first, *(it for it in same if machine_of(it.ip) == here)]

    @property
    def average_round_trip(self) -> float | None:
        """The mean of the samples in seconds, None without any."""
        return sum(self.round_trips) / len(self.round_trips) if self.round_trips else None

    def heard_of(self, listings: Iterable[Listing], rules: AddressRules, now: float) -> bool:
        """Take in what a DISCOVER reply says of this peer; `listings` are its entries.

        Returns whether it registered anew since we last looked: its lease ends later, or its
        address changed. `rules` say which addresses are kept, to be dialed.
        """
        latest = sorted(listings, key=lambda entry: entry.expires_in - entry.ttl, reverse=True)
        expires_at = now + max(entry.expires_in for entry in latest)
        addresses: dict[Place, None] = {}
        hinted: list[Place] = []
        for entry in latest:
            places = rules.dialable(entry.ip, entry.port)
            if hint_in(entry.key):
                hinted += places
            addresses.update(dict.fromkeys(places))
            if len(addresses) >= _MAX_ADDRESSES:
                break
        found = rules.in_order(tuple(addresses)[:_MAX_ADDRESSES])
        # Another order, or one address less, is rounding or an old lease that ended.
        renewed = (
            not self.registered
            or not set(found).issubset(self.addresses)
            or expires_at > self.expires_at + _RENEWAL
        )
        self.registered = True
        self.registered_at = found
        self.hinted = tuple(place for place in found if place in hinted)
        self.expires_at = expires_at
        self._unite()
        return renewed

    def sighted(self, places: Iterable[Place]) -> None:
        """Take in where it is seen now, the best first, nowhere for none."""
        self.seen_at = tuple(places)[:_MAX_ADDRESSES]
        self._unite()

    def was_at(self, places: Iterable[Place]) -> None:
        """Take in where it once was, the latest first."""
        self.known_at = tuple(places)[:_MAX_ADDRESSES]
        self._unite()

    def _unite(self) -> None:
        # What is near comes first.
        all_of_them = dict.fromkeys((*self.seen_at, *self.registered_at, *self.known_at))
        self.addresses = tuple(all_of_them)[:_MAX_ADDRESSES]


def _nobody_cares(_peer: Peer) -> None:
    """Nothing is kept of a peer elsewhere."""


class _WithoutLink:
    """Peers without a link, the one without for longest first, friends apart from strangers."""

    def __init__(self, friends: Friends) -> None:
        self._known_friends = friends.known
        # Not dicts, which look for their first entry behind all that were taken out before it.
        self._strangers: OrderedDict[str, Peer] = OrderedDict()
        self._friends: OrderedDict[str, Peer] = OrderedDict()

    def __len__(self) -> int:
        return len(self._strangers) + len(self._friends)

    def __iter__(self) -> Iterator[Peer]:
        yield from self._strangers.values()
        yield from self._friends.values()

    def add(self, peer: Peer) -> None:
        friend = peer.peer_id in self._known_friends
        (self._friends if friend else self._strangers)[peer.peer_id] = peer

    def discard(self, peer_id: str) -> bool:
        """Take one out; whether it was there."""
        peer = self._strangers.pop(peer_id, None) or self._friends.pop(peer_id, None)
        return peer is not None

    def stranger(self) -> Peer | None:
        """The first stranger."""
        strangers = self._strangers
        while strangers:
            peer = next(iter(strangers.values()))
            if peer.peer_id not in self._known_friends:
                return peer
            # We have written to it since: that happens once to each.
            self._friends[peer.peer_id] = strangers.pop(peer.peer_id)
        return None

    def friend(self) -> Peer | None:
        """The first friend; ask for a stranger before."""
        return next(iter(self._friends.values()), None)


class PeerTable:
    """All peers of one node, by peer_id. `friends`: who is one may change at any time."""

    def __init__(self, max_known: int, friends: Friends | None = None) -> None:
        self.max_known = max_known
        """How many peers have a place; may be changed at any time."""
        self.friends = Friends() if friends is None else friends
        """Those who keep their places before others."""
        self._peers: dict[str, Peer] = {}
        self._idle = _WithoutLink(self.friends)
        self._gone = _WithoutLink(self.friends)
        self._connected: dict[str, dict[str, Peer]] = {}
        self._in_the_clear: Counter[str] = Counter()
        self.refused = 0
        """Listed peers that found no place in the table."""
        self.addresses_refused = 0
        """Addresses of listings that are not dialed, counted each time that they are listed."""
        self.forgotten = 0
        """Peers without a link whose place another one took."""
        self.aliases: Mapping[str, str] = {}
        """What the person calls some of them -> their peer_ids; whoever has these sets it."""
        self.on_forgotten: Callable[[Peer], None] = _nobody_cares
        """Is told of each of them, for who keeps something of a peer elsewhere."""

    def __len__(self) -> int:
        return len(self._peers)

    def __iter__(self) -> Iterator[Peer]:
        return iter([*self._peers.values()])

    def count_present(self) -> int:
        """How many peers have a link or a lease: all but those that are gone."""
        return len(self._peers) - len(self._gone)

    def get(self, peer_id: str) -> Peer | None:
        """The peer of this id, if it is known."""
        return self._peers.get(peer_id)

    def called(self, name: str) -> str:
        """The peer_id that a person means by a name: bare, whole, or as it is shown.

        A bare name means one who is known here; a whole one in another form of Unicode, a friend,
        too. One that means nobody is returned as it is. Raises `AmbiguousNameError` when it may
        mean several.
        """
        if name in self.aliases:
            return self.aliases[name]
        if is_plain(name) or (name in self._peers and not is_escaped(name)):
            return name
        known: Iterable[str] = self._peers
        if "@" in name:
            known = chain(known, self.friends.known)
        return the_one_called(name, known)

    def is_linked(self, peer_id: str) -> bool:
        """Whether there is a link to this peer."""
        peer = self._peers.get(peer_id)
        return peer is not None and bool(peer.links)

    def connected(self, namespace: str | None = None) -> list[Peer]:
        """The peers that have a link: those of one namespace, or all for None."""
        if namespace is not None:
            return [*self._connected.get(namespace, {}).values()]
        return [peer for peers in self._connected.values() for peer in peers.values()]

    def count_connected(self, namespace: str | None = None) -> int:
        """How many peers have a link: those of one namespace, or all for None."""
        if namespace is not None:
            return len(self._connected.get(namespace, ()))
        return sum(map(len, self._connected.values()))

    def count_in_the_clear(self, namespace: str | None = None) -> int:
        """How many of these peers have a link that is not encrypted."""
        if namespace is not None:
            return self._in_the_clear[namespace]
        return self._in_the_clear.total()

    def listed(self, peer_id: str) -> Peer | None:
        """The peer that a listing names, made if it is new; None when there is no place for it."""
        peer = self._peers.get(peer_id)
        if peer is None:
            if not self._has_place(peer_id, linked=False):
                self.refused += 1
                return None
            peer = self._peers[peer_id] = Peer(peer_id)
            self._idle.add(peer)
        elif self._gone.discard(peer_id):
            self._idle.add(peer)
        return peer

    def link_opened(self, link: IPeerLink) -> Peer:
        """Note a new link, as the last of its peer's; returns the peer."""
        peer = self._peers.get(link.peer_id)
        if peer is None:
            # Without a place the table grows: links are limited elsewhere.
            self._has_place(link.peer_id, linked=True)
            peer = self._peers[link.peer_id] = Peer(link.peer_id)
        self._idle.discard(peer.peer_id)
        self._gone.discard(peer.peer_id)
        self._connected.setdefault(peer.namespace, {})[peer.peer_id] = peer
        peer.left = False
        if link.key is None and not peer.in_the_clear:
            self._in_the_clear[peer.namespace] += 1
        peer.links.append(link)
        return peer

    def link_closed(self, link: IPeerLink) -> Peer | None:
        """Take a link out; returns its peer, or None when the link was not in the table."""
        peer = self._peers.get(link.peer_id)
        if peer is None or link not in peer.links:
            return None
        peer.links.remove(link)
        if link.key is None and not peer.in_the_clear:
            self._in_the_clear[peer.namespace] -= 1
            if not self._in_the_clear[peer.namespace]:
                del self._in_the_clear[peer.namespace]
        if not peer.links:
            (self._idle if peer.listed else self._gone).add(peer)
            of_namespace = self._connected[peer.namespace]
            del of_namespace[peer.peer_id]
            if not of_namespace:
                del self._connected[peer.namespace]
        return peer

    def not_listed(self, named: Container[str], namespace: str | None = None) -> Iterator[None]:
        """A DISCOVER reply named only these: whoever is not among them has no lease any more.

        `namespace` is what was asked for: nothing was said of the others. None is all of them. Go
        through all of it; it yields after each `PEERS_A_TURN`, when others may have their turn.
        """
        for number, peer in enumerate(self, 1):
            here = peer.registered and namespace in (None, peer.namespace)
            if here and peer.peer_id not in named:
                self._not_registered(peer)
            if number % PEERS_A_TURN == 0:
                yield

    def lapsed(self, now: float) -> Iterator[None]:
        """A DISCOVER reply named only some: whose lease has ended, for all we know, has none.

        Who has a link may well have renewed it. Go through all of it, as of `not_listed`.
        """
        for number, peer in enumerate(self, 1):
            if peer.registered and not peer.links and peer.expires_at < now:
                self._not_registered(peer)
            if number % PEERS_A_TURN == 0:
                yield

    def remembered(self, peer_id: str) -> Peer | None:
        """The peer of this id, made if it is new, though nothing says that it is there.

        None when there is no place for it.
        """
        peer = self._peers.get(peer_id)
        if peer is None:
            if not self._has_place(peer_id, linked=False):
                return None
            peer = self._peers[peer_id] = Peer(peer_id)
            self._gone.add(peer)
        return peer

    def sighted(self, peer_id: str, places: Sequence[Place]) -> Peer | None:
        """A peer is seen at these places now, or nowhere any more for none.

        Returns it; None if it is not known, or found no place in the table.
        """
        peer = self.listed(peer_id) if places else self._peers.get(peer_id)
        if peer is not None and peer.seen_at != tuple(places):
            peer.sighted(places)
            self._look_whether_gone(peer)
        return peer

    def _not_registered(self, peer: Peer) -> None:
        peer.registered = False
        self._look_whether_gone(peer)

    def _look_whether_gone(self, peer: Peer) -> None:
        if not peer.listed and self._idle.discard(peer.peer_id):
            self._gone.add(peer)

    def _has_place(self, peer_id: str, *, linked: bool) -> bool:
        """Whether this peer, which is new, fits; if need be, another one is forgotten for it."""
        idle, gone = self._idle, self._gone
        if len(self._peers) < self.max_known:
            return True
        friend = peer_id in self.friends
        peer = gone.stranger()
        if peer is None and (linked or friend):
            peer = idle.stranger()
        if peer is None and friend:
            if not linked and len(idle) + len(gone) < self.max_known:
                return True
            peer = gone.friend() or (idle.friend() if linked else None)
        if peer is None:
            return False
        del self._peers[peer.peer_id]
        idle.discard(peer.peer_id)
        gone.discard(peer.peer_id)
        self.forgotten += 1
        self.on_forgotten(peer)
        return True

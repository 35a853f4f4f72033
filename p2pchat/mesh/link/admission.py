"""Who may still connect: links in all, links with one address, connections without HELLO.

Rules: pure counting; `now` is the node's clock. Whoever is admitted must be `arrived` at once, then
`opened` or `settled`, and `released`, by the same link. An IPv6 /64 is one address. Loopback has no
limit of links, nor of those that are new: everybody on this machine shares it. A dial under way has
a descriptor, too, and so it takes a place. The links that we dialed count apart from those that
came: neither keeps the other out.

Who says nothing keeps nobody out. When the places without HELLO are taken, the connection that has
been silent for longest gives way to a newcomer:

- after a second, because a HELLO comes with the connection on any network that works;
- after a tenth of it to a newcomer from the same address, or from one that has no place yet. So one
  address, however fast it dials, does not keep its own neighbours out, nor anybody else.

Strangers who do say HELLO, under however many names and from however many addresses, leave an
eighth of all places to friends and to our own dials. All link-local addresses of IPv6 count as one,
which one machine can fill: there strangers have the share of an address, and friends as much again.
"""

from __future__ import annotations

from collections import Counter
from typing import Final, Protocol

from p2pchat.settings.values import LimitSettings
from p2pchat.wire.address import LINK, THIS_MACHINE, network_of

_RESERVE: Final = 128
"""Descriptors that are not for links; a quarter of them, but at least 32, where they are few."""
GRACE: Final = 1.0
"""Seconds in which nobody has to give way to somebody from another address with places."""
SHORT_GRACE: Final = 0.1
"""Seconds in which nobody has to give way at all."""
WINDOW: Final = 10
"""Seconds in which an address may have as many new links as its rate allows, all at once, too."""
_TRIES: Final = 8
"""Connections at most that are heard for one newcomer."""
_KEPT: Final = 8
"""One place of so many is for no stranger's open link."""


class Silent(Protocol):
    """A connection without HELLO."""

    ip: str

    def look(self) -> None:
        """Read what has come already."""

    def give_up(self, reason: str) -> None:
        """End at once."""


class Admission:
    """Counts connections against the limits."""

    def __init__(self, limits: LimitSettings, max_descriptors: int | None = None) -> None:
        self._max_descriptors = max_descriptors
        self.configure(limits)
        self._per_address: Counter[str] = Counter()
        self._dialed: Counter[str] = Counter()
        self._opened: Counter[str] = Counter()
        self._opened_until = 0.0
        # Oldest first: the places without HELLO, in all and by address, and since when.
        self._silent: dict[Silent, float] = {}
        self._silent_at: dict[str, dict[Silent, float]] = {}
        self._spoke = False
        self._strangers: set[Silent] = set()
        self.links = 0
        """Connections at present, in both directions."""
        self.dials = 0
        """Dials under way; one whose connection is there counts among the links, too."""
        self.refused = 0
        """Inbound connections that found no place since the start."""
        self.gave_way = 0
        """Connections without HELLO that a newcomer took the place of."""
        self.postponed = 0
        """Dials that found no place since the start, and wait."""

    def configure(self, limits: LimitSettings) -> None:
        """Go by these limits from now on; who is admitted already stays."""
        self.max_links = limits.max_links
        if self._max_descriptors is not None:
            # Logs, the rendezvous and the console need some, and a batch of connections has been
            # accepted before the first of them is refused.
            reserve = min(_RESERVE, max(32, self._max_descriptors // 4))
            self.max_links = min(self.max_links, max(1, self._max_descriptors - reserve))
        self._max_strangers = self.max_links - self.max_links // _KEPT
        self._max_per_address = limits.max_links_per_ip
        self._most_to_open = limits.link_rate_per_ip * WINDOW
        # Half of the places are for links, and for our own dials, whoever says nothing.
        self._max_silent = min(limits.max_handshakes, max(1, self.max_links // 2))
        self._max_silent_per_address = limits.max_handshakes_per_ip

    @property
    def handshakes(self) -> int:
        """Inbound connections that have not opened yet."""
        return len(self._silent)

    def admit(self, ip: str, now: float) -> str | None:
        """Whether an inbound connection may come; the reason when there is no place.

        One that may come is to be told to `arrived`.
        """
        address = network_of(ip)
        if self._opened[address] >= self._most_to_open and now < self._opened_until:
            self.refused += 1
            return "too many new links from one address"
        for _ in range(_TRIES):
            reason = self._obstacle(address)
            if reason is None or self._one_gives_way(address, now):
                return None
            if not self._spoke:
                break
        self.refused += 1
        return reason

    def _obstacle(self, address: str) -> str | None:
        """Why nobody can come from this address at the moment, None if somebody can."""
        if not self.has_room:
            return "too many links"
        if len(self._silent) >= self._max_silent:
            return "too many handshakes in progress"
        if len(self._silent_at.get(address, ())) >= self._share_of(address):
            return "too many handshakes from one address"
        if self._is_crowded(address):
            return "too many links from one address"
        return None

    def arrived(self, link: Silent, now: float) -> None:
        """An inbound connection that was admitted is there."""
        address = network_of(link.ip)
        self.links += 1
        self._per_address[address] += 1
        self._silent[link] = now
        self._silent_at.setdefault(address, {})[link] = now

    def dialed(self, ip: str) -> None:
        """Count an outbound connection; whoever dials asks `has_room` and `may_dial` before."""
        self.links += 1
        self._dialed[network_of(ip)] += 1

    def may_dial(self, address: str, under_way: int, *, friend: bool) -> bool:
        """Whether one more link of ours may lead to this address, with so many dials under way.

        A friend has a place beyond those that strangers can take.
        """
        share = self._max_per_address * (2 if friend else 1)
        return address == THIS_MACHINE or self._dialed[address] + under_way < share

    @property
    def has_room(self) -> bool:
        """Whether one more link may be made, in either direction."""
        return self.links + self.dials < self.max_links

    def opened(self, link: Silent, now: float, *, friend: bool) -> bool:
        """An admitted connection has said HELLO; returns whether there is a place for it.

        Where there is none, the caller ends the link. Who says nothing uses up no rate of
        neighbours.
        """
        self.settled(link)
        if now >= self._opened_until:
            self._opened.clear()
            self._opened_until = now + WINDOW
        address = network_of(link.ip)
        if address != THIS_MACHINE:
            self._opened[address] += 1
        if friend:
            return True
        of_link = self._per_address[LINK] - len(self._silent_at.get(LINK, ()))
        no_share = address == LINK and of_link > self._max_per_address
        if no_share or len(self._strangers) >= self._max_strangers:
            self.refused += 1
            return False
        self._strangers.add(link)
        return True

    def settled(self, link: Silent) -> None:
        """An admitted connection is silent no more, or has ended; may be called again."""
        if self._silent.pop(link, None) is not None:
            address = network_of(link.ip)
            beside = self._silent_at[address]
            del beside[link]
            if not beside:
                del self._silent_at[address]

    def release(self, link: Silent, *, inbound: bool) -> None:
        """Give the place of a link back."""
        self.links -= 1
        self._strangers.discard(link)
        counts, address = self._per_address if inbound else self._dialed, network_of(link.ip)
        counts[address] -= 1
        if counts[address] <= 0:
            del counts[address]

    def _share_of(self, address: str) -> int:
        """How many places without HELLO one address may have: a half for all of this machine."""
        if address == THIS_MACHINE:
            return max(self._max_silent_per_address, self._max_silent // 2)
        return self._max_silent_per_address

    def _is_crowded(self, address: str) -> bool:
        """Whether an address has all the links that it may have; those of a link, friends' too."""
        most = self._max_per_address * (2 if address == LINK else 1)
        return address != THIS_MACHINE and self._per_address[address] >= most

    def _one_gives_way(self, address: str, now: float) -> bool:
        """Have the oldest without HELLO end, if it had its time; whether it did.

        Many connections come in one turn of the reactor, before anything of theirs was read. So
        the oldest is heard first; `_spoke` says that it had sent its HELLO.
        """
        beside = self._silent_at.get(address, {})
        full = len(beside) >= self._share_of(address) or self._is_crowded(address)
        candidates = beside if full else self._silent
        self._spoke = False
        if not candidates:
            return False
        link, since = next(iter(candidates.items()))
        link.look()
        if link not in self._silent:
            self._spoke = True
            return False
        same = network_of(link.ip) == address
        if now - since < (GRACE if beside and not same else SHORT_GRACE):
            return False
        self.gave_way += 1
        self.settled(link)
        link.give_up("said nothing, and gave way to a newcomer")
        return True

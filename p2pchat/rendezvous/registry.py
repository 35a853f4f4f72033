"""Who is registered until when, in memory.

Rules: a registration is one (ip, namespace, name); registering it again replaces it. Time comes in
as `now`, seconds of a clock that never jumps. What has expired counts for no answer, and is taken
out of the books a few at each question. When many leases end together, `behind` says that there are
more, and somebody is to do `tidying` in several turns. Every question costs the same with ten
registrations as with a hundred thousand, except a DISCOVER. A short reply to one is kept until
something changes or the next second, a long one for a second whatever changes. One address, or one
IPv6 network of 64 bits, has a share of the places, so that nobody can take them all. Who is banned
has none.
"""

from __future__ import annotations

import enum
import heapq
import math
from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterable
from itertools import chain, islice
from typing import Final

from p2pchat.rendezvous.bans import Bans
from p2pchat.rendezvous.long_replies import (
    AT_ONCE,
    FRAME,
    SHORT,
    LongReplies,
    LongReply,
    entries,
    pieces,
    size_of,
)
from p2pchat.rendezvous.registration import ENDED, Key, Registration
from p2pchat.rendezvous.requests import LISTING_TOO_LONG
from p2pchat.rendezvous.roster import Place, Rosters, drawn
from p2pchat.rendezvous.selection import Selection
from p2pchat.rendezvous.views import ipv4_view
from p2pchat.wire.address import is_link_local, is_loopback, network_of

MAX_REGISTRATIONS: Final = 100_000
"""When all are taken: 100 MB of memory and a listing of 10 MB with usual names; 320 MB with the
longest names, and a listing that is too long beyond 40,000 of them."""
PER_ADDRESS: Final = 256
"""Registrations of one address: enough for a classroom behind one router, and for no flood."""

_FEW: Final = 32
"""Registrations that one question takes out: many questions may come in one turn."""
_LOOKS: Final = 1_000
"""Registrations that are looked at, of two kinds, before a new one is refused."""
_PIECE: Final = 10
"""Registrations between two times that others may have a turn."""


class Verdict(enum.Enum):
    """What becomes of a REGISTER."""

    GRANTED = enum.auto()
    FULL = enum.auto()
    """There is no place for anybody new."""
    TOO_MANY = enum.auto()
    """This address has its share already."""
    BANNED = enum.auto()
    """This name may not be registered."""
    LINK_LOCAL = enum.auto()
    """Nobody elsewhere could use this address."""


View = str | None | tuple[str | None]
"""What a reply lists: a namespace, all of them for None; in a tuple, for who may know no IPv6."""


class Registry:
    """The registrations of one rendezvous; at most `limit`, and `per_address` of one address.

    Beyond these a new registration is refused (and counted in `refused`), a renewal is not. A
    `per_address` of 0 is any number. Loopback has any number, too: those are our own programs.
    `draw(range, n)` draws n different numbers.
    """

    def __init__(
        self,
        limit: int = MAX_REGISTRATIONS,
        per_address: int = PER_ADDRESS,
        draw: Callable[[range, int], list[int]] = drawn,
    ) -> None:
        self.limit = limit
        self.per_address = per_address
        self.refused = 0
        """How many registrations were refused, those of banned names included."""
        self.bans = Bans()
        """Who is banned; `ban` changes it."""
        self.long_replies = LongReplies()
        self.behind = False
        """Whether there is something for `tidying` to do."""
        self.journal: Callable[[Registration], None] | None = None
        """Called with every registration that is new or renewed (it is `live`) or gone (it is not),
        except what `restore` brings."""
        self._namespaces: dict[str, dict[Place, Registration]] = {}
        self._rosters: Rosters[Registration] = Rosters(draw)
        self._selections = 0
        # Most addresses have one: a dictionary for each would be most work of a collection.
        self._addresses: dict[str, Registration | dict[tuple[str, str], Registration]] = {}
        self._networks: Counter[str] = Counter()
        self._sizes: Counter[str | None] = Counter()  # of replies: by namespace, None for all
        self._six: Counter[str | None] = Counter()  # registrations at IPv6 addresses, the same way
        self._count = 0
        # What ends within one second, by the whole second behind it, and a heap of these.
        self._ends: dict[int, dict[Registration, None]] = {}
        self._seconds: list[int] = []
        self._replies: dict[View, bytes] = {}
        self._replies_of = 0  # the second that they were made in

    def __len__(self) -> int:
        """How many registrations there are, those included that ended and are not taken out yet."""
        return self._count

    def all(self) -> list[Registration]:
        """All registrations, the oldest or longest not renewed first within each namespace."""
        return [*chain.from_iterable(peers.values() for peers in self._namespaces.values())]

    def knows(self, ip: str, now: float) -> bool:
        """Whether `ip` has a live registration."""
        self.expire(now)
        own = self._addresses.get(ip)
        if isinstance(own, Registration):
            return own.until > now
        return own is not None and any(peer.until > now for peer in own.values())

    def _own(self, ip: str) -> Collection[Registration]:
        own = self._addresses.get(ip)
        if own is None:
            return ()
        return own.values() if isinstance(own, dict) else (own,)

    def register(
        self,
        ip: str,
        namespace: str,
        name: str,
        port: int,
        ttl: int,
        now: float,
        hint: str = "",
    ) -> Verdict:
        """Add or replace a registration for `ttl` seconds, if there is a place for it."""
        self.expire(now)
        if self.bans.name(namespace, name):
            self.refused += 1
            return Verdict.BANNED
        old = self.get((ip, namespace, name))
        if old is None:
            refusal = self._refusal(ip)
            if refusal is not None and self._make_room(ip, now):
                refusal = self._refusal(ip)
            if refusal is not None:
                self.refused += 1
                return refusal
            registration = Registration(ip, namespace, name, port, ttl, now + ttl, hint=hint)
            self._file(registration)
        else:
            registration = old.renewed(port, ttl, now + ttl, hint)
            self._replace(old, registration)
        self._changed(registration)
        return Verdict.GRANTED

    def _has_its_share(self, ip: str) -> bool:
        share = self.per_address
        return share > 0 and self._networks[network_of(ip)] >= share and not is_loopback(ip)

    def _refusal(self, ip: str) -> Verdict | None:
        if is_link_local(ip):
            return Verdict.LINK_LOCAL
        if self._count >= self.limit:
            return Verdict.FULL
        return Verdict.TOO_MANY if self._has_its_share(ip) else None

    def _make_room(self, ip: str, now: float) -> bool:
        """Take out what has ended of this address, or within this second; whether there was any."""
        ending = self._ends.get(_second(now), {})
        likely = chain(islice(self._own(ip), _LOOKS), islice(ending, _LOOKS))
        ended = [peer for peer in likely if peer.until <= now][:_FEW]
        for peer in ended:
            if peer.live:
                self._drop(peer)
        return bool(ended)

    def restoring(self, registrations: Iterable[Registration]) -> Generator[None, None, int]:
        """Take over registrations from a store, piece by piece; how many that were.

        What is registered already stays as it is. What there is no place for is left out, and so is
        what is banned.
        """
        restored = 0
        for number, registration in enumerate(registrations):
            if not number % _PIECE:
                yield
            restored += registration.key not in self and self._enter(registration)
        self._replies.clear()
        return restored

    def __contains__(self, key: Key) -> bool:
        """Whether there is a registration of this key, which may have ended."""
        return self.get(key) is not None

    def get(self, key: Key) -> Registration | None:
        """The registration of this key, which may have ended."""
        ip, namespace, name = key
        peers = self._namespaces.get(namespace)
        return None if peers is None else peers.get((name, ip))

    def adopt(self, new: Registration, old: Registration | None, now: float, latest: bool) -> bool:
        """Take over what another server of this registry granted; whether it is in the books.

        It replaces `old`, which has its key here, if it is the `latest` word on it, or if it ends
        later. What there is no place for is left out, and so is what has ended or is banned.
        """
        if new.until <= now:
            return False
        if old is not None:
            if not latest and new.until <= old.until:
                return False
            self._replace(old, new)
        elif not self._enter(new):
            return False
        self._forget_replies(new.namespace)
        return True

    def dismiss(self, key: Key) -> bool:
        """Take out what was withdrawn at another server; whether it was there."""
        registration = self.get(key)
        if registration is None:
            return False
        self._drop(registration, told=False)
        return True

    def _enter(self, registration: Registration) -> bool:
        """Put one into the books whose key is new to them, if there is a place for it."""
        ip, namespace, name = registration.key
        if self._refusal(ip) is not None or self.bans.registration(ip, namespace, name):
            return False
        self._file(registration)
        return True

    def _replace(self, old: Registration, new: Registration) -> None:
        """Another registration takes the place of this one: the last in its namespace."""
        old.live = False
        self._ends[_second(old.until)].pop(old, None)
        self._end_at(_second(new.until))[new] = None
        place = new.place = old.place
        namespace = new.namespace
        peers = self._namespaces[namespace]
        del peers[place]
        peers[place] = new
        own = self._addresses[new.ip]
        if isinstance(own, dict):
            own[namespace, new.name] = new
        else:
            self._addresses[new.ip] = new
        if new.encoded is not old.encoded:
            self._resize(old, -1)
            self._resize(new, 1)
        self._rosters.replaced(namespace, old, new)

    def ban(self, bans: Bans, new: Bans | None = None) -> Generator[None, None, int]:
        """Have these bans hold from now on; how many registrations they have ended.

        Whoever is banned is refused at once. What they have registered is taken out piece by piece.
        `new`: those of them that did not hold before, None when nobody knows.
        """
        self.bans = bans
        new = bans if new is None else new
        ended = 0
        looked_at = self.all()
        looked_at.reverse()
        while looked_at:
            if not len(looked_at) % _PIECE:
                yield
            registration = looked_at.pop()  # or the last of those that end would go all at once
            if registration.live and new.registration(*registration.key):
                self._drop(registration)
                ended += 1
        return ended

    def discover(
        self, namespace: str | None, now: float, *, ipv4_only: bool = False
    ) -> bytes | LongReply:
        """The reply that lists `namespace`, or everybody for None; a line, or a long one.

        With `ipv4_only`, whoever asks may know no IPv6; see `views`.
        """
        self.expire(now)
        view: View = namespace
        if ipv4_only and self._six.get(namespace):
            view = (namespace,)
        long = self.long_replies.recent(view, now)
        if long is not None:
            return long
        if self._replies_of != int(now) or self.behind or self._ends.get(_second(now)):
            self._replies_of = int(now)
            self._replies.clear()
        reply = self._replies.get(view)
        if reply is not None:
            return reply
        size = FRAME + self._sizes[namespace]
        if size > self.long_replies.most:
            return LISTING_TOO_LONG
        # A copy: a long one is read while registrations come and go.
        peers: Iterable[Registration]
        peers = self.all() if namespace is None else [*self._namespaces.get(namespace, {}).values()]
        if view is not namespace:
            peers = ipv4_view(peers, now)
        if size > SHORT:
            made = LongReply(pieces(peers, now), size, now)
            return self.long_replies.add(view, made)
        reply = b"".join(pieces(peers, now))
        if self._sizes[namespace]:
            self._replies[view] = reply
        return reply

    def discover_some(
        self, namespace: str | None, selection: Selection, now: float, ip: str = ""
    ) -> bytes | LongReply:
        """The reply to `ip` that lists some of `namespace`, and says how many there are in all."""
        self.expire(now)
        if namespace is None:
            total, most = self._count, selection.limit
            spaces = self._namespaces.values()
            chosen = [*islice(chain.from_iterable(peers.values() for peers in spaces), most)]
        else:
            peers = self._namespaces.get(namespace, {})
            total = len(peers)
            chosen = self._rosters.select(namespace, selection, peers)
        head = b'{"status":"OK","total":%d,"peers":[' % total
        if len(chosen) <= AT_ONCE:
            # Without a look at each entry's size before: most of the time is for their memory.
            few = b"%b%b]}\n" % (head, entries(chosen, now))
            if len(few) <= SHORT:
                return few
        size = len(head) + FRAME + sum(map(size_of, chosen))
        if size <= SHORT:
            return b"".join(pieces(chosen, now, head))
        # Each is given once: they are many only together, and bounded like other long ones.
        self._selections += 1
        network = "" if is_loopback(ip) else network_of(ip)
        made = LongReply(pieces(chosen, now, head), size, now, network)
        return self.long_replies.add(self._selections, made)

    def unregister(
        self, ip: str, namespace: str, name: str | None, port: int | None, now: float
    ) -> int:
        """Remove what `ip` has in `namespace` (of that name, on that port); how many that were."""
        self.expire(now)
        if name is not None:
            one = self._namespaces.get(namespace, {}).get((name, ip))
            candidates: Collection[Registration] = [one] if one is not None else []
        else:
            candidates = self._own(ip)
        ends, withdrawn = self._ends, []
        for peer in candidates:
            if peer.namespace == namespace and peer.until > now and port in (None, peer.port):
                del ends[_second(peer.until)][peer]
                peer.until = ENDED
                withdrawn.append(peer)
        if withdrawn:
            self._end_at(_second(ENDED)).update(dict.fromkeys(withdrawn))
            self.expire(now)
        return len(withdrawn)

    def expire(self, now: float, most: int = _FEW) -> None:
        """Take out what has ended by `now`, up to `most`; `behind` says whether there is more."""
        seconds, ends = self._seconds, self._ends
        while seconds and seconds[0] <= now and most > 0:
            most -= 1
            ending = ends[seconds[0]]
            if ending:
                self._drop(ending.popitem()[0])  # the last: the first is not found at once
            else:
                del ends[heapq.heappop(seconds)]
        self.behind = bool(seconds) and seconds[0] <= now

    def tidying(self, now: float) -> Generator[None, None, None]:
        """Take out all that has ended by `now`, piece by piece."""
        while self.behind:
            yield
            self.expire(now, _PIECE)

    def _file(self, registration: Registration) -> None:
        """Put one into the books whose key is new to them."""
        ip, namespace, name = registration.key
        self._count += 1
        self._networks[network_of(ip)] += 1
        # Last in its namespace: clients that keep the last of several addresses get the newest.
        peers = self._namespaces.setdefault(namespace, {})
        peers[registration.place] = registration
        own = self._addresses.get(ip)
        if own is None:
            self._addresses[ip] = registration
        elif isinstance(own, dict):
            own[namespace, name] = registration
        else:
            both = {(each.namespace, each.name): each for each in (own, registration)}
            self._addresses[ip] = both
        self._resize(registration, 1)
        self._end_at(_second(registration.until))[registration] = None
        self._rosters.added(namespace, registration, peers)

    def _end_at(self, second: int) -> dict[Registration, None]:
        """Those that end by this second, to put more in."""
        ending = self._ends.get(second)
        if ending is None:
            ending = self._ends[second] = {}
            heapq.heappush(self._seconds, second)
        return ending

    def _drop(self, registration: Registration, *, told: bool = True) -> None:
        ip, namespace, name = registration.key
        registration.live = False
        self._ends[_second(registration.until)].pop(registration, None)
        peers = self._namespaces[namespace]
        del peers[name, ip]
        self._rosters.removed(namespace, registration)
        if not peers:
            del self._namespaces[namespace]
        own = self._addresses[ip]
        if isinstance(own, dict):
            del own[namespace, name]
        if own is registration or not own:
            del self._addresses[ip]
        self._count -= 1
        self._resize(registration, -1)
        network = network_of(ip)
        self._networks[network] -= 1
        if not self._networks[network]:
            del self._networks[network]
        if told:
            self._changed(registration)
        else:
            self._forget_replies(namespace)

    def _resize(self, changed: Registration, one: int) -> None:
        """Listings have one more entry, this one, or one less."""
        namespace, size = changed.namespace, one * size_of(changed)
        sizes, six = self._sizes, self._six
        sizes[None] += size
        sizes[namespace] += size
        if not sizes[namespace]:
            del sizes[namespace]
        if ":" in changed.ip:
            six[None] += one
            six[namespace] += one
            if not six[namespace]:
                del six[namespace]

    def _forget_replies(self, namespace: str) -> None:
        if self._replies:
            self._replies.pop(namespace, None)
            for view in (None, (namespace,), (None,)):
                self._replies.pop(view, None)

    def _changed(self, registration: Registration) -> None:
        self._forget_replies(registration.namespace)
        if self.journal is not None:
            self.journal(registration)


def _second(until: float) -> int:
    """The first whole second by which a lease has ended."""
    return math.ceil(until)

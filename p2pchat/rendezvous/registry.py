"""Who is registered until when, in memory.

Rules: a registration is one (ip, namespace, name); registering it again replaces it. Time comes in
as `now`, seconds of a clock that never jumps. What has expired is gone before any question is
answered. Every question costs the same with ten registrations as with a hundred thousand, except a
DISCOVER. A short reply to one is kept until something changes or the next second, a long one for a
second whatever changes. One address, or one IPv6 network of 64 bits, has a share of the places, so
that nobody can take them all. Who is banned has none.
"""

from __future__ import annotations

import enum
import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from json.encoder import encode_basestring_ascii as quoted
from typing import Final

from p2pchat.rendezvous.bans import Bans
from p2pchat.rendezvous.long_replies import (
    FRAME,
    SHORT,
    LongReplies,
    LongReply,
    pieces,
    size_of,
)
from p2pchat.rendezvous.requests import LISTING_TOO_LONG
from p2pchat.wire.address import is_loopback, network_of

MAX_REGISTRATIONS: Final = 100_000
"""When all are taken: 140 MB of memory and a listing of 10 MB with usual names; 380 MB with the
longest names, and a listing that is too long beyond 40,000 of them."""
PER_ADDRESS: Final = 256
"""Registrations of one address: enough for a classroom behind one router, and for no flood."""

_COMPACT_ABOVE: Final = 1_000
"""Dead entries in the expiry heap that are never worth a compaction."""

Key = tuple[str, str, str]
"""(ip, namespace, name)."""


class Verdict(enum.Enum):
    """What becomes of a REGISTER."""

    GRANTED = enum.auto()
    FULL = enum.auto()
    """There is no place for anybody new."""
    TOO_MANY = enum.auto()
    """This address has its share already."""
    BANNED = enum.auto()
    """This name may not be registered."""


class Registration:
    """One lease: `name@namespace` at `ip`:`port`, granted for `ttl` seconds, ending at `until`."""

    __slots__ = ("encoded", "ip", "live", "name", "namespace", "port", "ttl", "until")

    def __init__(
        self, ip: str, namespace: str, name: str, port: int, ttl: int, until: float
    ) -> None:
        self.ip = ip
        self.namespace = namespace
        self.name = name
        self.port = port
        self.ttl = ttl
        self.until = until
        self.live = True
        # ASCII: some clients decode a reply piece by piece, which would split longer characters.
        self.encoded = (
            f'{{"ip":{quoted(ip)},"port":{port},"name":{quoted(name)},'
            f'"namespace":{quoted(namespace)},"ttl":{ttl},"expires_in":'
        ).encode("ascii")

    @property
    def key(self) -> Key:
        """What makes it one registration and not another."""
        return self.ip, self.namespace, self.name


class Registry:
    """The registrations of one rendezvous; at most `limit`, and `per_address` of one address.

    Beyond these a new registration is refused (and counted in `refused`), a renewal is not. A
    `per_address` of 0 is any number. Loopback has any number, too: those are our own programs.
    """

    def __init__(self, limit: int = MAX_REGISTRATIONS, per_address: int = PER_ADDRESS) -> None:
        self.limit = limit
        self.per_address = per_address
        self.refused = 0
        """How many registrations were refused, those of banned names included."""
        self.bans = Bans()
        """Who is banned; `ban` changes it."""
        self.long_replies = LongReplies()
        self.journal: Callable[[Registration], None] | None = None
        """Called with every registration that is new or renewed (it is `live`) or gone (it is not),
        except what `restore` brings."""
        self._namespaces: dict[str, dict[tuple[str, str], Registration]] = {}
        self._addresses: dict[str, dict[tuple[str, str], Registration]] = {}
        self._networks: Counter[str] = Counter()
        self._sizes: Counter[str | None] = Counter()  # of replies: by namespace, None for all
        self._count = 0
        self._expiry: list[tuple[float, int, Registration]] = []
        self._serial = 0
        self._replies: dict[str | None, bytes] = {}
        self._replies_of = 0  # the second that they were made in

    def __len__(self) -> int:
        """How many registrations there are, those that expire at the next question included."""
        return self._count

    def __iter__(self) -> Iterator[Registration]:
        """All registrations, the oldest or longest not renewed first within each namespace."""
        for peers in self._namespaces.values():
            yield from peers.values()

    def knows(self, ip: str, now: float) -> bool:
        """Whether `ip` has a live registration."""
        self.expire(now)
        return ip in self._addresses

    def register(
        self, ip: str, namespace: str, name: str, port: int, ttl: int, now: float
    ) -> Verdict:
        """Add or replace a registration for `ttl` seconds, if there is a place for it."""
        self.expire(now)
        if self.bans.name(namespace, name):
            self.refused += 1
            return Verdict.BANNED
        peers = self._namespaces.get(namespace)
        old = peers.pop((ip, name), None) if peers is not None else None
        if old is not None:
            old.live = False
            self._resize(namespace, -size_of(old))
        elif self._count >= self.limit:
            self.refused += 1
            return Verdict.FULL
        elif self._has_its_share(ip):
            self.refused += 1
            return Verdict.TOO_MANY
        else:
            self._count += 1
            self._networks[network_of(ip)] += 1
        registration = Registration(ip, namespace, name, port, ttl, now + ttl)
        self._file(registration)
        self._changed(registration)
        return Verdict.GRANTED

    def _has_its_share(self, ip: str) -> bool:
        share = self.per_address
        return share > 0 and self._networks[network_of(ip)] >= share and not is_loopback(ip)

    def restore(self, registrations: Iterable[Registration]) -> int:
        """Take over registrations from a store; how many that were.

        What is registered already stays as it is. What there is no place for is left out, and so is
        what is banned.
        """
        before = self._count
        for registration in registrations:
            ip, namespace, name = registration.key
            known = (ip, name) in self._namespaces.get(namespace, {})
            full = self._count >= self.limit or self._has_its_share(ip)
            if not known and not full and not self.bans.registration(ip, namespace, name):
                self._count += 1
                self._networks[network_of(ip)] += 1
                self._file(registration)
        self._replies.clear()
        return self._count - before

    def ban(self, bans: Bans) -> int:
        """Have these bans hold from now on; how many registrations they have ended."""
        self.bans = bans
        banned = [each for each in self if bans.registration(*each.key)]
        for registration in banned:
            self._drop(registration)
        return len(banned)

    def discover(self, namespace: str | None, now: float) -> bytes | LongReply:
        """The reply that lists `namespace`, or everybody for None; a line, or a long one."""
        self.expire(now)
        long = self.long_replies.recent(namespace, now)
        if long is not None:
            return long
        if self._replies_of != int(now):
            self._replies_of = int(now)
            self._replies.clear()
        reply = self._replies.get(namespace)
        if reply is not None:
            return reply
        size = FRAME + self._sizes[namespace]
        if size > self.long_replies.most:
            return LISTING_TOO_LONG
        peers = self if namespace is None else self._namespaces.get(namespace, {}).values()
        if size > SHORT:
            # A copy: it is read while registrations come and go.
            made = LongReply(pieces([*peers], now), size, now)
            return self.long_replies.add(namespace, made)
        reply = b"".join(pieces(peers, now))
        if self._sizes[namespace]:
            self._replies[namespace] = reply
        return reply

    def unregister(
        self, ip: str, namespace: str, name: str | None, port: int | None, now: float
    ) -> int:
        """Remove what `ip` has in `namespace` (of that name, on that port); how many that were."""
        self.expire(now)
        own = self._addresses.get(ip, {})
        if name is not None:
            one = own.get((namespace, name))
            candidates = [one] if one is not None else []
        else:
            candidates = [peer for peer in own.values() if peer.namespace == namespace]
        leaving = [peer for peer in candidates if port is None or peer.port == port]
        for peer in leaving:
            self._drop(peer)
        return len(leaving)

    def expire(self, now: float) -> None:
        """Forget what has ended by `now`."""
        expiry = self._expiry
        while expiry and expiry[0][0] <= now:
            registration = heapq.heappop(expiry)[2]
            if registration.live:
                self._drop(registration)

    def _file(self, registration: Registration) -> None:
        ip, namespace, name = registration.key
        # Last in its namespace: clients that keep the last of several addresses get the newest.
        self._namespaces.setdefault(namespace, {})[ip, name] = registration
        self._addresses.setdefault(ip, {})[namespace, name] = registration
        self._resize(namespace, size_of(registration))
        self._serial += 1
        heapq.heappush(self._expiry, (registration.until, self._serial, registration))
        if len(self._expiry) > 2 * self._count + _COMPACT_ABOVE:
            self._expiry = [entry for entry in self._expiry if entry[2].live]
            heapq.heapify(self._expiry)

    def _drop(self, registration: Registration) -> None:
        ip, namespace, name = registration.key
        registration.live = False
        peers = self._namespaces[namespace]
        del peers[ip, name]
        if not peers:
            del self._namespaces[namespace]
        own = self._addresses[ip]
        del own[namespace, name]
        if not own:
            del self._addresses[ip]
        self._count -= 1
        self._resize(namespace, -size_of(registration))
        network = network_of(ip)
        self._networks[network] -= 1
        if not self._networks[network]:
            del self._networks[network]
        self._changed(registration)

    def _resize(self, namespace: str, size: int) -> None:
        sizes = self._sizes
        sizes[None] += size
        sizes[namespace] += size
        if not sizes[namespace]:
            del sizes[namespace]

    def _changed(self, registration: Registration) -> None:
        if self._replies:
            self._replies.pop(registration.namespace, None)
            self._replies.pop(None, None)
        if self.journal is not None:
            self.journal(registration)

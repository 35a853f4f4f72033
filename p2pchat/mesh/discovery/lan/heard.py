"""Who was heard on the network, where, and until when: pure bookkeeping.

Rules: a beacon is anybody's word. It can make us dial where it came from, and nothing else. What is
kept is bounded, in all and for each address; so is what is read. A part of both is for the machines
of friends, and nobody who is known loses its place to who is new. A machine has as many link-local
addresses of IPv6 as it wants: all of IPv6 has a half at most. No clock: `now` is seconds of a
steady one, passed in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from typing import Final, NamedTuple

from p2pchat.mesh.discovery.lan.beacon import MAX_BYTES, Beacon, decode

LASTS: Final = 100.0
"""Seconds for which a beacon counts: three of them may be lost."""
MOST: Final = 1000
"""Nodes that are remembered; each is an instance at an address."""
MOST_AT_ONE: Final = 32
"""Of one address."""
MOST_OF_ONE: Final = 8
"""Of one name: an address or two of it, and of the run before."""
RATE: Final = 100
"""Datagrams a second that are read."""
RATE_OF_ONE: Final = 10
"""Of one address."""
_FOR_FRIENDS: Final = 8
"""An eighth of all places, and of all that is read, is for addresses at which a friend was."""
_OF_IPV6: Final = 2
"""A half of all places, and of all that is read, may be of IPv6."""


class Sighting(NamedTuple):
    """A node that was heard."""

    peer_id: str
    ip: str
    """Where its beacon came from; an IPv6 address has its scope."""
    port: int
    until: float


class News(NamedTuple):
    """Who was heard."""

    peer_id: str
    is_new: bool
    """Whether it was not heard at this place before, and has perhaps not heard of us."""
    asks: bool = False
    """Whether it only wants to hear of us."""


class Heard:
    """All that is known of one node's neighbours.

    `own_instance` is what is in our own beacons, which we hear, too. `friends` come first.
    """

    def __init__(self, own_instance: str, friends: Container[str], now: float) -> None:
        self._own = own_instance
        self._friends = friends
        self._known: dict[tuple[str, str], Sighting] = {}
        self._of_peer: dict[str, dict[tuple[str, str], None]] = {}
        self._at: Counter[str] = Counter()
        self._over_ipv6 = 0
        self._friendly: set[str] = set()
        """Addresses at which somebody has a friend's name."""
        self._second = now
        self._read: Counter[str] = Counter()
        self._read_in_all = self._read_over_ipv6 = 0
        self.taken = 0
        """Beacons of others that were read."""
        self.odd = 0
        """Datagrams that were no beacons."""
        self.dropped = 0
        """Datagrams that were not read, because too many came, and nodes that found no place."""

    def __len__(self) -> int:
        return len(self._known)

    def take(self, datagram: bytes, ip: str, now: float) -> News | None:
        """A datagram came from this address; returns who was heard, if anybody was."""
        if len(datagram) > MAX_BYTES or not self._may_read(ip, now):
            self.dropped += 1
            return None
        beacon = decode(datagram)
        if beacon is None:
            self.odd += 1
            return None
        if beacon.instance == self._own:
            return None
        self.taken += 1
        if beacon.ask:
            return News(beacon.id, is_new=False, asks=True)
        return self._left(beacon, ip) if beacon.bye else self._there(beacon, ip, now)

    def of(self, peer_id: str) -> list[Sighting]:
        """Where this peer was heard: IPv4 before IPv6, then the latest first.

        All link-local addresses count as one wherever an address has a share, so IPv4 is dialed
        first.
        """
        found = [self._known[key] for key in self._of_peer.get(peer_id, ())]
        return sorted(found, key=lambda each: (":" in each.ip, -each.until))

    def lapse(self, now: float) -> set[str]:
        """Forget who was not heard for long; returns whom that concerns."""
        over = [key for key, each in self._known.items() if each.until <= now]
        return {self._forget(key) for key in over}

    # ------------------------------------------------------------ pieces

    def _there(self, beacon: Beacon, ip: str, now: float) -> News | None:
        key = (beacon.instance, ip)
        before = self._known.get(key)
        if before is None:
            if not self._has_place(beacon.id, ip):
                self.dropped += 1
                return None
            self._at[ip] += 1
            self._over_ipv6 += ":" in ip
            if beacon.id in self._friends:
                self._friendly.add(ip)
            self._of_peer.setdefault(beacon.id, {})[key] = None
        elif before.peer_id != beacon.id:
            return None  # a run of a node has one name
        self._known[key] = Sighting(beacon.id, ip, beacon.port, now + LASTS)
        return News(beacon.id, is_new=before is None or before.port != beacon.port)

    def _left(self, beacon: Beacon, ip: str) -> News | None:
        key = (beacon.instance, ip)
        before = self._known.get(key)
        if before is None or before.peer_id != beacon.id:
            return None
        return News(self._forget(key), is_new=False)

    def _forget(self, key: tuple[str, str]) -> str:
        sighting = self._known.pop(key)
        peer_id, ip = sighting.peer_id, sighting.ip
        self._at[ip] -= 1
        self._over_ipv6 -= ":" in ip
        if not self._at[ip]:
            del self._at[ip]
            self._friendly.discard(ip)
        of_peer = self._of_peer[peer_id]
        del of_peer[key]
        if not of_peer:
            del self._of_peer[peer_id]
        return peer_id

    def _has_place(self, peer_id: str, ip: str) -> bool:
        if self._at[ip] >= MOST_AT_ONE or len(self._of_peer.get(peer_id, ())) >= MOST_OF_ONE:
            return False
        most = MOST if peer_id in self._friends else MOST - MOST // _FOR_FRIENDS
        if ":" in ip and self._over_ipv6 >= most // _OF_IPV6:
            return False
        return len(self._known) < most

    def _may_read(self, ip: str, now: float) -> bool:
        """Whether one more is read in this second; what is not, is not looked at either."""
        if now - self._second >= 1:
            self._second, self._read_in_all, self._read_over_ipv6 = now, 0, 0
            self._read.clear()
        most = RATE if ip in self._friendly else RATE - RATE // _FOR_FRIENDS
        if self._read_in_all >= most or self._read[ip] >= RATE_OF_ONE:
            return False
        if ":" in ip and self._read_over_ipv6 >= most // _OF_IPV6:
            return False
        self._read[ip] += 1
        self._read_in_all += 1
        self._read_over_ipv6 += ":" in ip
        return True

"""The candidate book: where peers may be found when no rendezvous says it. Pure bookkeeping.

    heard   300   another p2pchat told us of them, at first hand; nobody of us was there yet
      |  a session of 5 s
    tried   200   a session was open for 5 s; these are kept over a restart, and told to others

Rules: whatever fills the book from outside is bounded for each giver. In `heard` that is who told
it, the range of the address and the address itself; in `tried`, where somebody really listens,
strangers give way first, those of the most crowded address before others. Choices are random within
a shelf, never the newest, or who talks most would be all that we know. Times are seconds since the
epoch, because the book outlives the process; they are passed in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Final

from msgspec import Struct

from p2pchat.mesh.addresses import Place
from p2pchat.wire.address import namespace_of, network_of

MOST_TRIED: Final = 200
MOST_HEARD: Final = 300
MOST_PLACES: Final = 4
"""Addresses and ports of one peer, the latest first."""
MOST_OF_A_RANGE: Final = 8
"""Entries of `heard` in one network of 16 bits, of 32 for IPv6: who has one can make up many."""
MOST_OF_A_TELLER: Final = 10
MOST_AT_A_PLACE: Final = 3
"""Names of `heard` that are said to be at one address and port."""
_FAILURES: Final = 10
"""Failures in a row after which a stranger's place is given up."""


class Candidate(Struct):
    """A peer that may be found somewhere."""

    peer_id: str
    places: list[Place]
    """Where, the latest first."""
    seen_at: float = 0.0
    """When we had a session last, or when we were told of it."""
    failures: int = 0
    """Attempts in vain since then."""
    teller: str = ""
    """Who told us; empty if we know it ourselves."""


class Candidates:
    """The book of one node. `friends` keep their places; `chance` gives a number between two."""

    def __init__(self, friends: Container[str], chance: Callable[[float, float], float]) -> None:
        self._friends = friends
        self._chance = chance
        self.tried: dict[str, Candidate] = {}
        self._heard: dict[str, Candidate] = {}
        self.refused = 0
        """Entries that were told and found no place."""

    def __len__(self) -> int:
        return len(self.tried) + len(self._heard)

    def __iter__(self) -> Iterator[Candidate]:
        yield from self.tried.values()
        yield from self._heard.values()

    # ------------------------------------------------------------ what is known

    def met(self, peer_id: str, place: Place, now: float) -> None:
        """A session with this peer, who listens at `place`, was open for long enough."""
        self._heard.pop(peer_id, None)
        known = self.tried.get(peer_id)
        if known is None:
            if len(self.tried) >= MOST_TRIED and not self._make_room(peer_id, place):
                return
            known = self.tried[peer_id] = Candidate(peer_id, [])
        known.places = [place, *(it for it in known.places if it != place)][:MOST_PLACES]
        known.seen_at, known.failures = now, 0

    def failed(self, peer_id: str) -> None:
        """Nobody of this name was found at any of its places."""
        known = self.tried.get(peer_id) or self._heard.get(peer_id)
        if known is None:
            return
        known.failures += 1
        if peer_id in self._heard:
            del self._heard[peer_id]
        elif known.failures >= _FAILURES and peer_id not in self._friends:
            del self.tried[peer_id]

    def told(self, peer_id: str, place: Place, teller: str, now: float) -> bool:
        """Another peer says that it had a session with this one; whether that is taken in."""
        if peer_id in self.tried or peer_id in self._heard:
            return False
        if not self._may_be_heard(place, teller):
            self.refused += 1
            return False
        self._heard[peer_id] = Candidate(peer_id, [place], now, teller=teller)
        return True

    def restore(self, known: Iterable[Candidate]) -> None:
        """What an earlier run of ours had tried."""
        for each in known:
            if len(self.tried) < MOST_TRIED and each.places:
                each.places = each.places[:MOST_PLACES]
                self.tried[each.peer_id] = each

    # ------------------------------------------------------------ what is wanted

    def some(self, count: int, without: Container[str]) -> list[Candidate]:
        """So many at random to be dialed, none of `without`: tried ones first."""
        found: list[Candidate] = []
        for shelf in (self.tried, self._heard):
            left = [each for each in shelf.values() if each.peer_id not in without]
            found += self._drawn(left, count - len(found))
        return found

    def to_tell(self, namespace: str, count: int, without: Container[str]) -> list[Candidate]:
        """So many of a namespace for another peer, which are all known at first hand."""
        fit = [
            each
            for each in self.tried.values()
            if not each.failures
            and namespace_of(each.peer_id) == namespace
            and each.peer_id not in without
        ]
        return self._drawn(fit, count)

    # ------------------------------------------------------------ pieces

    def _drawn(self, left: list[Candidate], count: int) -> list[Candidate]:
        drawn: list[Candidate] = []
        while left and len(drawn) < count:
            number = number_below(len(left), self._chance)
            left[number], left[-1] = left[-1], left[number]
            drawn.append(left.pop())
        return drawn

    def _may_be_heard(self, place: Place, teller: str) -> bool:
        if len(self._heard) >= MOST_HEARD:
            return False
        of_teller = of_range = at_place = 0
        address_range = _range_of(place[0])
        for each in self._heard.values():
            of_teller += each.teller == teller
            of_range += _range_of(each.places[0][0]) == address_range
            at_place += each.places[0] == place
        return (
            of_teller < MOST_OF_A_TELLER
            and of_range < MOST_OF_A_RANGE
            and at_place < MOST_AT_A_PLACE
        )

    def _make_room(self, peer_id: str, place: Place) -> bool:
        """Have one forgotten for a new one; no friend gives way to a stranger."""
        strangers = [each for each in self.tried.values() if each.peer_id not in self._friends]
        if not strangers:
            if peer_id not in self._friends:
                return False
            strangers = [*self.tried.values()]
        crowd = Counter(network_of(each.places[0][0]) for each in strangers)
        crowd[network_of(place[0])] += 1
        worst = max(
            strangers,
            key=lambda it: (crowd[network_of(it.places[0][0])], it.failures, -it.seen_at),
        )
        del self.tried[worst.peer_id]
        return True


def number_below(count: int, chance: Callable[[float, float], float]) -> int:
    """A whole number from 0 on, below `count`, by a `chance` that gives one between two others."""
    return min(int(chance(0, count)), count - 1)


@lru_cache(maxsize=1024)
def _range_of(ip: str) -> str:
    """The range of addresses that one owner may have: 16 bits of them, or 32 of IPv6."""
    network = network_of(ip)
    if ":" not in network:
        return network.rpartition(".")[0].rpartition(".")[0] or network
    return IPv6Address(network.partition("/")[0].partition("%")[0]).packed[:4].hex()

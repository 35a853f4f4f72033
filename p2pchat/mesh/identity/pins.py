"""The pins in memory: by name, by key, and in the order in which they go.

    add (light)  ->  settle BY_TIME  ->  settle BY_PERSON
         |  ended_before     |  one_too_many
         v                   v
      take_out            take_out

Rules: pure bookkeeping of what `KnownKeys` decides. Light pins are for strangers to make, so they
are counted for each key, for each address group, and in all. `now` is the node's clock.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple, TypeVar

from p2pchat.mesh.identity.pin import Hold, Pin
from p2pchat.wire.address import THIS_MACHINE, group_of, network_of

MOST_OF_A_KEY: Final = 8
"""Names that one key may have lightly."""
MOST_OF_A_GROUP: Final = 64
"""Light names of an address group, a /24 or a /64. Beyond it each IPv4 address may have one name,
since a room full of people is one /24. This machine has no such limit: everybody shares it."""
MOST_LIGHT: Final = 10_000
MOST_BY_TIME: Final = 50_000
AT_ONCE: Final = 200
"""Pins that are settled by time in one turn."""
_TRIES: Final = 10
"""Pins that are looked at to find one without a link."""
_T = TypeVar("_T")


class _Origin(NamedTuple):
    """Whose light pin it is."""

    key: bytes
    places: tuple[str, ...]


class Pins:
    """All pins of a node, by name. A pin's `hold` and `key` are changed only here."""

    def __init__(self) -> None:
        self._pins: dict[str, Pin] = {}
        self._names: dict[bytes, set[str]] = {}
        self._light: dict[str, _Origin] = {}
        self._of_key: Counter[bytes] = Counter()
        self._of_place: Counter[str] = Counter()
        # Light pins without a link, the oldest end first.
        self._ended: dict[str, None] = {}
        # Settled by time, the longest unseen first. (The first one of a dict is found behind the
        # places of all that were taken out.)
        self._by_time: OrderedDict[str, None] = OrderedDict()

    def __iter__(self) -> Iterator[Pin]:
        """The pins of this moment: they may change meanwhile."""
        return iter([*self._pins.values()])

    def __len__(self) -> int:
        return len(self._pins)

    def get(self, peer_id: str) -> Pin | None:
        """The pin of a name."""
        return self._pins.get(peer_id)

    def names_of(self, key: bytes) -> list[str]:
        """The names that this key is pinned for."""
        return sorted(self._names.get(key, ()))

    @property
    def light(self) -> int:
        """How many are light."""
        return len(self._light)

    @property
    def by_time(self) -> list[str]:
        """The names that time alone has settled, the longest unseen first."""
        return [*self._by_time]

    def has_room(self, peer_id: str, key: bytes, ip: str) -> bool:
        """Whether this key may have this name: it is pinned, or one more light pin is allowed."""
        if peer_id in self._pins:
            return True
        if len(self._light) >= MOST_LIGHT or self._of_key[key] >= MOST_OF_A_KEY:
            return False
        places = _places_of(ip)
        if not places or self._of_place[places[0]] < MOST_OF_A_GROUP:
            return True
        return len(places) > 1 and not self._of_place[places[1]]

    def add(self, pin: Pin, ip: str | None = None) -> None:
        """Add the pin of a name that has none; `ip`: it is light, and was seen there."""
        self._pins[pin.peer_id] = pin
        if pin.key is not None:
            self._names.setdefault(pin.key, set()).add(pin.peer_id)
            if ip is not None:
                origin = _Origin(pin.key, _places_of(ip))
                self._light[pin.peer_id] = origin
                self._of_key[origin.key] += 1
                self._of_place.update(origin.places)

    def know_key(self, pin: Pin, key: bytes) -> None:
        """The key of a pin that was only a fingerprint has come."""
        pin.key = key
        self._names.setdefault(key, set()).add(pin.peer_id)

    def move(self, pin: Pin, key: bytes) -> None:
        """Another key is that of a pin: links with the one before are its own no more."""
        if pin.key is not None:
            self._forget_name(pin.key, pin.peer_id)
        pin.chosen = ""
        self.know_key(pin, key)

    def settle(self, pin: Pin, hold: Hold) -> None:
        """Have a pin hold this firmly, or as firmly as it does already."""
        pin.hold = max(pin.hold, hold)
        self._no_longer_light(pin.peer_id)
        self._by_time.pop(pin.peer_id, None)
        if pin.hold is Hold.BY_TIME:
            self._by_time[pin.peer_id] = None

    def take_out(self, peer_id: str) -> Pin | None:
        """Have a name without a pin; returns the one that it had."""
        pin = self._pins.pop(peer_id, None)
        if pin is not None:
            self._no_longer_light(peer_id)
            self._by_time.pop(peer_id, None)
            if pin.key is not None:
                self._forget_name(pin.key, peer_id)
        return pin

    # ------------------------------------------------------------ links

    def opened(self, pin: Pin, now: float) -> None:
        """A link with the key of this pin opens."""
        if not pin.links:
            pin.open_since = now
            self._ended.pop(pin.peer_id, None)
        pin.links += 1

    def closed(self, pin: Pin, now: float) -> None:
        """A link that `opened` has ended, which the pin may have outlived, or not."""
        pin.links -= 1
        if pin.links:
            return
        pin.open_before += max(0.0, now - pin.open_since)
        pin.open_since = now
        peer_id = pin.peer_id
        if self._pins.get(peer_id) is not pin:
            return
        if peer_id in self._light:
            self._ended[peer_id] = None
        elif peer_id in self._by_time:
            self._by_time.move_to_end(peer_id)

    def ended_before(self, then: float) -> list[str]:
        """The names of light pins whose last link ended at `then` or earlier."""
        found: list[str] = []
        for peer_id in self._ended:
            if self._pins[peer_id].open_since > then:
                break
            found.append(peer_id)
        return found

    def open_for(self, seconds: float, now: float) -> list[Pin]:
        """Light pins that have a link, and had links for as long, and were not contested.

        `AT_ONCE` of them at most.
        """
        due = (
            pin
            for pin in map(self._pins.__getitem__, self._light)
            if pin.links
            and not pin.contested
            and not pin.fleeting
            and pin.open_before + now - pin.open_since >= seconds
        )
        return [*islice(due, AT_ONCE)]

    def one_too_many(self) -> str | None:
        """The name to go when time has settled too many: the longest unseen, without a link."""
        if len(self._by_time) <= MOST_BY_TIME:
            return None
        for _ in range(_TRIES):
            name = next(iter(self._by_time))
            if not self._pins[name].links:
                break
            # It is seen at this moment.
            self._by_time.move_to_end(name)
        return next(iter(self._by_time))

    def _forget_name(self, key: bytes, peer_id: str) -> None:
        names = self._names[key]
        names.discard(peer_id)
        if not names:
            del self._names[key]

    def _no_longer_light(self, peer_id: str) -> None:
        self._ended.pop(peer_id, None)
        origin = self._light.pop(peer_id, None)
        if origin is not None:
            _count_down(self._of_key, origin.key)
            for place in origin.places:
                _count_down(self._of_place, place)


def _places_of(ip: str) -> tuple[str, ...]:
    """Who has made a pin from this address, the group first, each once; nobody on this machine."""
    group, address = group_of(ip), network_of(ip)
    if address == THIS_MACHINE:
        return ()
    return (group,) if group == address else (group, address)


def _count_down(counts: Counter[_T], of: _T) -> None:
    counts[of] -= 1
    if not counts[of]:
        del counts[of]

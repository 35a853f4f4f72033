"""Known keys: which key each name has, how firmly, and which keys were refused under it.

    opened, closed   a sealed link of a name: the first one pins, lightly
    wrote_to         the person sends it a direct message: the pin is settled, and on its way to
                     the disk before the message is handed to the link
    verify, trust, forget    what the person decides: on the disk before the answer
    sweep            light pins go, others are settled by time, the disk gets what it is owed

Rules: a settled pin is never replaced without the person, and what the person settled never goes by
itself. A light pin is strangers' to make, so it is bounded for each of them and in all, and goes 10
minutes after the last link with its key. `now` is the node's clock, `wall` the one on the wall.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import Final, NamedTuple, TypeVar

from p2pchat.mesh.identity.key_text import fingerprint, key_text, read_fingerprint, read_key
from p2pchat.mesh.identity.pin import Hold, Pin
from p2pchat.mesh.identity.pin_file import PinFile
from p2pchat.mesh.identity.pin_lines import (
    BY_TIME,
    COMPARED,
    WRITTEN,
    Event,
    Line,
    fingerprint_of,
    seconds,
    stamp,
    whole_line,
)
from p2pchat.mesh.identity.refused_keys import COMPLETED_FOR, RefusedKey, RefusedKeys
from p2pchat.wire.address import THIS_MACHINE, network_of, split_peer_id

LIGHT_FOR: Final = 600.0
"""Seconds for which a light pin holds after the end of the last link with its key."""
SETTLES_AFTER: Final = 3600.0
"""Seconds of open links after which an uncontested pin is settled by time."""
MOST_OF_A_KEY: Final = 8
"""Names that one key may have lightly."""
MOST_OF_A_GROUP: Final = 64
"""Light names of an address group, a /24 or a /64. Beyond it each IPv4 address may have one name,
since a room full of people is one /24. This machine has no such limit: everybody shares it."""
MOST_LIGHT: Final = 10_000
MOST_BY_TIME: Final = 50_000
_MOST_BYTES: Final = 7_000_000
"""Bytes of the file, written anew, beyond which only what the person settled is in it."""
_LOOK_EVERY: Final = 5.0
_T = TypeVar("_T")


class Compared(Enum):
    """The answer to `verify`."""

    EQUAL = "equal"
    DIFFERENT = "different"
    UNKNOWN = "unknown"
    """No key is known under this name."""


class Decision(NamedTuple):
    """What the person decided, and whether it is on the disk."""

    compared: Compared
    stored: bool


class KnownKeys:
    """The pins of one node. `file`: None keeps them in memory alone, as with a key of one process.

    Call `sweep` several times a second, and `close` at the end.
    """

    def __init__(
        self,
        wall: Callable[[], float],
        file: PinFile | None = None,
        lines: Sequence[Line] = (),
    ) -> None:
        self._wall = wall
        self._file = file
        self._pins: dict[str, Pin] = {}
        self._names: dict[bytes, set[str]] = {}
        self._refused = RefusedKeys()
        # Light pins with where they were first seen; those without a link, the oldest end first.
        self._light: dict[str, tuple[bytes, str, str]] = {}
        self._of_key: Counter[bytes] = Counter()
        self._of_place: Counter[str] = Counter()
        self._ended: dict[str, None] = {}
        # Settled by time, the longest unseen first.
        self._by_time: dict[str, None] = {}
        self._looked_at: float | None = None
        self.dropped = 0
        """Pins that only time had settled, and that gave way to newer ones."""
        for line in lines:
            self._replay(line)
        if file is not None:
            file.everything = self._everything
            if file.needs_writing or len(lines) > 2 * self._fewest_lines():
                file.write_anew(0.0)

    # ------------------------------------------------------------ questions

    def pin_of(self, peer_id: str) -> Pin | None:
        """The pin of a name, light or settled; not to be changed."""
        return self._pins.get(peer_id)

    def pins(self) -> list[Pin]:
        """All of them."""
        return [*self._pins.values()]

    def names_of(self, key: bytes) -> list[str]:
        """The names that this key is pinned for."""
        return sorted(self._names.get(key, ()))

    def refused_under(self, peer_id: str) -> list[RefusedKey]:
        """The keys that were refused under a name, the newest first, four at most."""
        return self._refused.of(peer_id)

    def completions(self, peer_id: str) -> list[str]:
        """The fingerprints that Tab offers after `/trust NAME`: what was refused in the last hour.

        Nothing under a name that is verified: there the new key is to be read out, not completed.
        """
        pin = self._pins.get(peer_id)
        if pin is not None and pin.verified is not None:
            return []
        now = self._wall()
        return [
            old.fingerprint
            for old in self._refused.of(peer_id)
            if abs(now - old.at) <= COMPLETED_FOR
        ]

    def has_room(self, peer_id: str, key: bytes, ip: str) -> bool:
        """Whether this key may have this name: it is pinned, or one more light pin is allowed."""
        if peer_id in self._pins:
            return True
        group, address = _places(ip)
        return (
            len(self._light) < MOST_LIGHT
            and self._of_key[key] < MOST_OF_A_KEY
            and (
                not group
                or self._of_place[group] < MOST_OF_A_GROUP
                or (group != address and not self._of_place[address])
            )
        )

    @property
    def light(self) -> int:
        """How many pins are light."""
        return len(self._light)

    # ------------------------------------------------------------ what happens on links

    def opened(
        self, peer_id: str, key: bytes, ip: str, now: float, *, fleeting: bool = False
    ) -> Pin:
        """A sealed link opens that was vouched for: pin its key if the name has none.

        Call it before HELLO_OK is sent, and `closed` when the link has ended. `fleeting`: its HELLO
        or HELLO_OK says so. Returns the pin.
        """
        wall = self._wall()
        pin = self._pins.get(peer_id)
        if pin is None:
            pin = Pin(peer_id, fingerprint(key), key, since=wall, seen=wall)
            self._pins[peer_id] = pin
            self._names.setdefault(key, set()).add(peer_id)
            self._hold_lightly(peer_id, key, ip)
        elif not pin.has(key):
            raise ValueError(f"{peer_id} is pinned with another key")
        elif pin.key is None:
            pin.key, pin.since = key, wall
            self._names.setdefault(key, set()).add(peer_id)
            self._write(pin, "trusted", now)
        pin.seen, pin.ip = wall, ip
        pin.fleeting = pin.fleeting or (fleeting and not pin.settled)
        if not pin.links:
            pin.open_since = now
            self._ended.pop(peer_id, None)
        pin.links += 1
        return pin

    def closed(self, pin: Pin, now: float) -> None:
        """A link has ended; `pin` is what `opened` returned for it."""
        pin.links -= 1
        peer_id = pin.peer_id
        if self._pins.get(peer_id) is not pin:
            return  # the person has decided otherwise meanwhile
        pin.seen = self._wall()
        if not pin.links:
            pin.open_before += max(0.0, now - pin.open_since)
            pin.open_since = now
            if peer_id in self._light:
                self._ended[peer_id] = None
            elif peer_id in self._by_time:
                del self._by_time[peer_id]
                self._by_time[peer_id] = None

    def refused(self, peer_id: str, key: bytes, ip: str) -> None:
        """A key was refused under this name."""
        self._refused.add(peer_id, key, ip, self._wall())

    def was_not_refused(self, peer_id: str, key: bytes) -> None:
        """The reason for which a key was refused has turned out to be none."""
        self._refused.forget(peer_id, key)

    def contested(self, peer_id: str) -> None:
        """Somebody with another key, or with none, has claimed this name."""
        pin = self._pins.get(peer_id)
        if pin is not None and not pin.settled:
            pin.contested = True

    def refusal_told(self, peer_id: str, now: float) -> None:
        """The person was told of the keys that were refused under a name: write them down."""
        for old in reversed(self._refused.of(peer_id)):
            self._append(Line(stamp(old.at), peer_id, "refused", key_text(old.key)), now)

    # ------------------------------------------------------------ what the person does

    def wrote_to(self, peer_id: str, now: float) -> bool:
        """The person sends a direct message that is about to be handed to a sealed link.

        Settles the pin, and writes it first. Returns whether this is the first one ever.
        """
        pin = self._pins.get(peer_id)
        if pin is None or pin.hold is Hold.BY_PERSON or pin.fleeting:
            return False
        self._settle(pin, Hold.BY_PERSON)
        self._write(pin, "seen", now)
        return True

    def verify(self, peer_id: str, text: str, now: float) -> Decision:
        """Compare a fingerprint that the person has typed; equal: the pin is verified, and settled.

        Raises `ValueError`, with a sentence, for what is no fingerprint.
        """
        wanted = read_fingerprint(text)
        pin = self._pins.get(peer_id)
        if pin is None:
            return Decision(Compared.UNKNOWN, True)
        if pin.fingerprint != wanted:
            return Decision(Compared.DIFFERENT, True)
        pin.verified = self._wall()
        if pin.fleeting:
            return Decision(Compared.EQUAL, True)
        self._settle(pin, Hold.BY_PERSON)
        return Decision(Compared.EQUAL, self._write(pin, "verified", now, sync=True))

    def trust(self, peer_id: str, text: str, now: float, *, typed: bool) -> Decision:
        """Have the key with this fingerprint, and only that, be the one of this name.

        `typed`: the person has typed or pasted all of it, which verifies it; by Tab it does not.
        Without any contact before, the fingerprint is pinned, and the first key that has it is the
        one. Then: end the links of this name that `trust.may_stay` does not let stay, and dial.

        Raises `ValueError`, with a sentence, for what is no fingerprint, or no peer_id.
        """
        wanted = read_fingerprint(text)
        split_peer_id(peer_id)
        wall = self._wall()
        old = self._pins.get(peer_id)
        if old is not None and old.fingerprint == wanted:
            pin, was = old, None
        else:
            key = self._refused.with_fingerprint(peer_id, wanted)
            was = None if old is None else old.key
            self._take_out(peer_id)
            pin = Pin(peer_id, wanted, key, since=wall, seen=wall)
            self._pins[peer_id] = pin
            if key is not None:
                self._names.setdefault(key, set()).add(peer_id)
        if pin.key is not None:
            self._refused.forget(peer_id, pin.key)
        pin.trusted = True
        if typed:
            pin.verified = wall
        if pin.fleeting:
            return Decision(Compared.EQUAL, True)
        self._settle(pin, Hold.BY_PERSON)
        stored = self._write(pin, "trusted", now, was=was, typed=typed, sync=True)
        return Decision(Compared.EQUAL, stored)

    def forget(self, peer_id: str, now: float) -> Decision:
        """Forget the key of a name, and what was refused under it. Then: end the name's links."""
        self._refused.forget(peer_id)
        pin = self._take_out(peer_id)
        if pin is None:
            return Decision(Compared.UNKNOWN, True)
        if not pin.settled:
            return Decision(Compared.EQUAL, True)
        line = Line(stamp(self._wall()), peer_id, "forgotten")
        return Decision(Compared.EQUAL, self._append(line, now, sync=True))

    # ------------------------------------------------------------ time

    def sweep(self, now: float) -> None:
        """Let light pins go, settle others by time, and have the disk hold what it is owed."""
        if self._looked_at is None or not 0 <= now - self._looked_at < _LOOK_EVERY:
            self._looked_at = now
            self._let_go(now)
            self._settle_by_time(now)
        if self._file is not None:
            self._file.sweep(now)

    def close(self, now: float) -> None:
        """Have everything on the disk, as far as it goes."""
        if self._file is not None:
            self._file.close(now)

    def _let_go(self, now: float) -> None:
        for peer_id in [*self._ended]:
            if now - self._pins[peer_id].open_since < LIGHT_FOR:
                break
            self._take_out(peer_id)

    def _settle_by_time(self, now: float) -> None:
        for peer_id in [*self._light]:
            pin = self._pins[peer_id]
            if pin.contested or pin.fleeting or not pin.links:
                continue
            if pin.open_before + now - pin.open_since >= SETTLES_AFTER:
                self._settle(pin, Hold.BY_TIME)
                self._write(pin, "seen", now)
        while len(self._by_time) > MOST_BY_TIME:
            # Of those without a link, if there are any.
            oldest = next(
                (name for name in self._by_time if not self._pins[name].links),
                next(iter(self._by_time)),
            )
            self._take_out(oldest)
            self.dropped += 1
            self._append(Line(stamp(self._wall()), oldest, "forgotten", how="room"), now)

    # ------------------------------------------------------------ in memory

    def _hold_lightly(self, peer_id: str, key: bytes, ip: str) -> None:
        group, address = _places(ip)
        self._light[peer_id] = (key, group, address)
        self._of_key[key] += 1
        for place in {group, address}:
            self._of_place[place] += 1

    def _settle(self, pin: Pin, hold: Hold) -> None:
        if hold > pin.hold:
            pin.hold = hold
        self._no_longer_light(pin.peer_id)
        self._by_time.pop(pin.peer_id, None)
        if pin.hold is Hold.BY_TIME:
            self._by_time[pin.peer_id] = None

    def _no_longer_light(self, peer_id: str) -> None:
        self._ended.pop(peer_id, None)
        light = self._light.pop(peer_id, None)
        if light is None:
            return
        key, group, address = light
        _count_down(self._of_key, key)
        for place in {group, address}:
            _count_down(self._of_place, place)

    def _take_out(self, peer_id: str) -> Pin | None:
        pin = self._pins.pop(peer_id, None)
        if pin is not None:
            self._no_longer_light(peer_id)
            self._by_time.pop(peer_id, None)
            if pin.key is not None:
                names = self._names[pin.key]
                names.discard(peer_id)
                if not names:
                    del self._names[pin.key]
        return pin

    # ------------------------------------------------------------ on disk

    def _append(self, line: Line, now: float, *, sync: bool = False) -> bool:
        return self._file is None or self._file.append(whole_line(line), now, sync=sync)

    def _write(
        self,
        pin: Pin,
        event: Event,
        now: float,
        *,
        was: bytes | None = None,
        typed: bool = False,
        sync: bool = False,
    ) -> bool:
        line = _line(pin, event, stamp(self._wall()))
        if was is not None:
            line.was = key_text(was)
        if typed:
            line.how = COMPARED
        return self._append(line, now, sync=sync)

    def _everything(self) -> Iterator[bytes]:
        """The lines of a file that is written anew; it may be taken in pieces."""
        room = _MOST_BYTES
        for peer_id in [*self._pins]:
            pin = self._pins.get(peer_id)
            if pin is not None and pin.hold is Hold.BY_PERSON:
                data = b"".join(map(whole_line, self._lines_of(pin)))
                room -= len(data)
                yield data
        for peer_id in reversed([*self._by_time]):
            pin = self._pins.get(peer_id)
            if pin is not None and pin.hold is Hold.BY_TIME:
                data = b"".join(map(whole_line, self._lines_of(pin)))
                room -= len(data)
                if room < 0:
                    return
                yield data

    def _lines_of(self, pin: Pin) -> Iterator[Line]:
        for old in reversed(self._refused.of(pin.peer_id)):
            yield Line(stamp(old.at), pin.peer_id, "refused", key_text(old.key))
        line = _line(pin, "trusted" if pin.trusted else "seen", stamp(pin.since))
        line.last = stamp(pin.seen)
        yield line
        if pin.verified is not None:
            yield Line(
                stamp(pin.verified), pin.peer_id, "verified", line.key, line.fingerprint, COMPARED
            )

    def _replay(self, line: Line) -> None:
        peer_id, at = line.peer_id, seconds(line.time)
        if line.event == "refused":
            self._refused.add(peer_id, read_key(line.key), "", at)
            return
        if line.event == "forgotten":
            self._take_out(peer_id)
            return
        pin = self._pins.get(peer_id)
        known = fingerprint_of(line)
        if pin is not None and pin.fingerprint != known:
            if line.event != "trusted":
                return  # what is settled gives way to nothing else
            self._take_out(peer_id)
            pin = None
        if pin is None:
            pin = Pin(peer_id, known, None, since=at, seen=at)
            self._pins[peer_id] = pin
        if line.key and pin.key is None:
            pin.key = read_key(line.key)
            self._names.setdefault(pin.key, set()).add(peer_id)
        pin.seen = max(pin.seen, seconds(line.last) if line.last else at)
        pin.trusted = pin.trusted or line.event == "trusted"
        if line.how == COMPARED:
            pin.verified = at
        by_time = line.event == "seen" and line.how == BY_TIME
        self._settle(pin, Hold.BY_TIME if by_time else Hold.BY_PERSON)

    def _fewest_lines(self) -> int:
        return sum(1 + (pin.verified is not None) for pin in self._pins.values())


def _line(pin: Pin, event: Event, time: str) -> Line:
    line = Line(time, pin.peer_id, event)
    if pin.key is not None:
        line.key = key_text(pin.key)
    else:
        line.fingerprint = pin.fingerprint
    if event == "verified":
        line.how = COMPARED
    elif event == "seen":
        line.how = BY_TIME if pin.hold is Hold.BY_TIME else WRITTEN
    return line


def _places(ip: str) -> tuple[str, str]:
    """The group of addresses that `ip` is of, and itself; empty for this machine."""
    address = network_of(ip)
    if address == THIS_MACHINE:
        return "", ""
    return (address if ":" in address else address.rpartition(".")[0]), address


def _count_down(counts: Counter[_T], of: _T) -> None:
    counts[of] -= 1
    if not counts[of]:
        del counts[of]

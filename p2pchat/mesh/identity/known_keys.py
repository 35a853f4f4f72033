"""Known keys: which key each name has, how firmly, and which keys were refused under it.

    opened, closed   a sealed link of a name: the first one pins, lightly
    wrote_to         the person sends it a direct message: the pin is settled, and written before
                     the message is handed to the link
    verify, paired, trust, forget
                     what the person decides: holds at once, on the disk before the answer
    sweep            light pins go, others are settled by time, the disk gets what it is owed

Rules: a settled pin is never replaced without the person, and what the person settled never goes by
itself. A light pin is strangers' to make, so it is bounded for each of them and in all, and goes 10
minutes after the last link with its key. `now` is the node's clock, `wall` the one on the wall.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Final

from twisted.internet.defer import Deferred, succeed

from p2pchat.mesh.identity.key_text import fingerprint, key_text, read_fingerprint
from p2pchat.mesh.identity.pin import Change, Hold, Pin
from p2pchat.mesh.identity.pin_file import PinFile
from p2pchat.mesh.identity.pin_lines import (
    COMPARED,
    Event,
    Line,
    line_of,
    lines_of_change,
    stamp,
    whole_line,
)
from p2pchat.mesh.identity.pin_past import everything, fewest_lines, replay
from p2pchat.mesh.identity.pins import Pins
from p2pchat.mesh.identity.refused_keys import COMPLETED_FOR, RefusedKey, RefusedKeys
from p2pchat.mesh.identity.statement import Statement, is_sound
from p2pchat.mesh.identity.trust import Stated, states
from p2pchat.wire.address import split_peer_id

LIGHT_FOR: Final = 600.0
"""Seconds for which a light pin holds after the end of the last link with its key."""
SETTLES_AFTER: Final = 3600.0
"""Seconds of open links after which an uncontested pin is settled by time."""
_LOOK_EVERY: Final = 5.0


class Compared(Enum):
    """The answer to `verify`."""

    EQUAL = "equal"
    DIFFERENT = "different"
    UNKNOWN = "unknown"
    """No key is known under this name."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What the person decided, which holds from now on, and whether it is on the disk."""

    compared: Compared
    synced: Deferred[str] = field(default_factory=partial(succeed, ""), compare=False)
    """Fires with nothing when it is, within some seconds; else with a sentence that says why not.
    Show that it is done only then."""


def _announced_as(pin: Pin, wanted: str) -> bytes | None:
    """The key with this fingerprint among those that were stated to follow."""
    change = pin.change
    keys = () if change is None else (change.next, change.second)
    return next((key for key in keys if key and fingerprint(key) == wanted), None)


def _ignore(*_: object) -> None:
    """Nobody wants to know."""


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
        self.wall = wall
        self.file = file
        self.on_noted: Callable[[str, str, bytes | None], None] = _ignore
        """Gets a name, what was noted of its key (`seen`, `trusted`, `verified`, `forgotten`), and
        the key that is known now; by what the person does alone."""
        self.on_moved: Callable[[Pin, float], None] = _ignore
        """Gets a pin whose key was replaced by the one that was to follow, when that is on the
        disk, and the time of the replacement."""
        self._pins = Pins()
        self._refused = RefusedKeys()
        self._looked_at: float | None = None
        self.dropped = 0
        """Pins that only time had settled, and that gave way to newer ones."""
        for line in lines:
            replay(line, self._pins, self._refused)
        if file is not None:
            file.everything = partial(everything, self._pins, self._refused)
            if file.needs_writing or len(lines) > 2 * fewest_lines(self._pins):
                file.write_anew()

    # ------------------------------------------------------------ questions

    def pin_of(self, peer_id: str) -> Pin | None:
        """The pin of a name, light or settled; not to be changed."""
        return self._pins.get(peer_id)

    def pins(self) -> list[Pin]:
        """All of them."""
        return [*self._pins]

    def names_of(self, key: bytes) -> list[str]:
        """The names that this key is pinned for."""
        return self._pins.names_of(key)

    def refused_under(self, peer_id: str) -> list[RefusedKey]:
        """The keys that were refused under a name, the newest first, four at most."""
        return self._refused.of(peer_id)

    def refused_names(self) -> list[str]:
        """The names under which keys were refused, the latest first."""
        return self._refused.names()

    def completions(self, peer_id: str) -> list[str]:
        """The fingerprints that Tab offers after `/trust NAME`: what was refused in the last hour.

        Nothing under a name that is verified: there the new key is to be read out, not completed.
        Nor a key that was replaced: a thief has it, or nobody.
        """
        pin = self._pins.get(peer_id)
        if pin is not None and pin.verified is not None:
            return []
        now = self.wall()
        return [
            old.fingerprint
            for old in self._refused.of(peer_id)
            if abs(now - old.at) <= COMPLETED_FOR and not (pin is not None and pin.was(old.key))
        ]

    def has_room(self, peer_id: str, key: bytes, ip: str) -> bool:
        """Whether this key may have this name: it is pinned, or one more light pin is allowed."""
        return self._pins.has_room(peer_id, key, ip)

    @property
    def light(self) -> int:
        """How many pins are light."""
        return self._pins.light

    # ------------------------------------------------------------ what happens on links

    def opened(
        self, peer_id: str, key: bytes, ip: str, now: float, *, fleeting: bool = False
    ) -> Pin:
        """A sealed link opens that was vouched for: pin its key if the name has none.

        Call it before HELLO_OK is sent, and `closed` when the link has ended. `fleeting`: its HELLO
        or HELLO_OK says so. Returns the pin.
        """
        wall = self.wall()
        pin = self._pins.get(peer_id)
        if pin is None:
            # Its fingerprint is made when somebody wants to see it.
            pin = Pin(peer_id, "", key, since=wall, seen=wall)
            self._pins.add(pin, ip)
        elif pin.key is not None and pin.follows(key):
            self._move(pin, key, wall, now)
        elif not pin.has(key):
            raise ValueError(f"{peer_id} is pinned with another key")
        elif pin.key is None:
            self._pins.know_key(pin, key)
            pin.line = self._append(self._line(pin, "trusted"), now)
        pin.seen, pin.ip = wall, ip
        pin.fleeting = pin.fleeting or (fleeting and not pin.settled)
        self._pins.opened(pin, now)
        return pin

    def closed(self, pin: Pin, now: float) -> None:
        """A link has ended; `pin` is what `opened` returned for it.

        A key that ends with its process holds no longer than its links: the next process of the
        same person has another one.
        """
        pin.seen = self.wall()
        self._pins.closed(pin, now)
        if pin.fleeting and not pin.links and self._pins.get(pin.peer_id) is pin:
            self._pins.take_out(pin.peer_id)

    def announced(self, peer_id: str, key: bytes, statement: Statement, now: float) -> Stated:
        """The owner of this key, who has an open link under this name, states which one follows.

        Its signatures are looked at if it says something new. Returns what came of it.
        """
        pin = self._pins.get(peer_id)
        what = states(pin, key, statement)
        if pin is None or what is Stated.NOTHING or not is_sound(statement, peer_id):
            return Stated.NOTHING
        change = pin.change = pin.change or Change()
        change.count = max(change.count, statement.count)
        if what is Stated.NEXT:
            change.next, change.announced = statement.new, self.wall()
        else:
            change.second = statement.new
        self._append_change(pin, now)
        return what

    def _move(self, pin: Pin, key: bytes, wall: float, now: float) -> None:
        """The first link with the key that was to follow: it is the pinned one from now on."""
        before, was = pin.change or Change(), pin.key or b""
        self._pins.move(pin, key)
        self._refused.forget(pin.peer_id, key)
        pin.verified, pin.contested = None, False
        pin.change = Change(
            announced=before.announced, count=before.count, former=was, moved=max(wall, 1.0)
        )
        synced: Deferred[str] = succeed("")
        if pin.settled and self.file is not None:
            (line,) = lines_of_change(pin)
            synced = self._decided(line, now, pin).synced
        synced.addCallback(lambda _: self.on_moved(pin, now))

    def refused(self, peer_id: str, key: bytes, ip: str) -> None:
        """A key was refused under this name."""
        self._refused.add(peer_id, key, ip, self.wall())

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

        Settles the pin. Returns whether the message may leave: the pin is written, or the disk
        refuses it, of which the person is told. If not, ask again in `PinFile.on_written`.
        """
        pin = self._pins.get(peer_id)
        if pin is None or pin.fleeting:
            return True
        if pin.hold is not Hold.BY_PERSON:
            self._pins.settle(pin, Hold.BY_PERSON)
            pin.line = self._append(self._line(pin, "seen"), now)
            self._append_change(pin, now)
            self.on_noted(peer_id, "seen", pin.key)
        file = self.file
        return file is None or pin.line <= file.written or file.failing

    def awaits_disk(self, peer_id: str) -> bool:
        """Whether the pin of a name is settled, and not written yet; see `wrote_to`."""
        file, pin = self.file, self._pins.get(peer_id)
        return file is not None and pin is not None and pin.line > file.written and not file.failing

    def verify(self, peer_id: str, text: str, now: float) -> Decision:
        """Compare a fingerprint that the person has typed; equal: the pin is verified, and settled.

        Raises `ValueError`, with a sentence, for what is no fingerprint.
        """
        wanted = read_fingerprint(text)
        pin = self._pins.get(peer_id)
        if pin is None:
            return Decision(Compared.UNKNOWN)
        if pin.fingerprint != wanted:
            return Decision(Compared.DIFFERENT)
        return self._verified(pin, now, by_code=False)

    def paired(self, peer_id: str, key: bytes, now: float) -> Decision:
        """Both ends have compared a code, and so this key: verified, if it is the known one."""
        pin = self._pins.get(peer_id)
        if pin is None:
            return Decision(Compared.UNKNOWN)
        if not pin.has(key):
            return Decision(Compared.DIFFERENT)
        return self._verified(pin, now, by_code=True)

    def _verified(self, pin: Pin, now: float, *, by_code: bool) -> Decision:
        pin.verified, pin.by_code = self.wall(), by_code
        decision = Decision(Compared.EQUAL)
        if not pin.fleeting:
            self._pins.settle(pin, Hold.BY_PERSON)
            decision = self._decided(self._line(pin, "verified"), now, pin)
            self._append_change(pin, now)
        self.on_noted(pin.peer_id, "verified", pin.key)
        return decision

    def trust(self, peer_id: str, text: str, now: float, *, typed: bool) -> Decision:
        """Have the key with this fingerprint, and only that, be the one of this name.

        `typed`: the person has typed or pasted all of it, which verifies it; by Tab it does not.
        Without any contact before, the fingerprint is pinned, and the first key that has it is the
        one. Then: end the links of this name that `trust.may_stay` does not let stay, and dial.

        Raises `ValueError`, with a sentence, for what is no fingerprint, or no peer_id.
        """
        wanted = read_fingerprint(text)
        split_peer_id(peer_id)
        wall = self.wall()
        old = self._pins.get(peer_id)
        if old is not None and old.fingerprint == wanted:
            pin, was = old, None
        else:
            key = self._refused.with_fingerprint(peer_id, wanted)
            if key is None and old is not None:
                key = _announced_as(old, wanted)
            was = None if old is None else old.key
            self._pins.take_out(peer_id)
            pin = Pin(peer_id, wanted, key, since=wall, seen=wall)
            before = None if old is None else old.change
            count, former = (0, b"") if before is None else (before.count, before.former)
            if was or former or count:
                pin.change = Change(count=count, former=was or former)
            self._pins.add(pin)
        if pin.key is not None:
            self._refused.forget(peer_id, pin.key)
        pin.trusted = True
        if typed:
            pin.verified, pin.by_code = wall, False
        decision = Decision(Compared.EQUAL)
        if not pin.fleeting:
            self._pins.settle(pin, Hold.BY_PERSON)
            line = self._line(pin, "trusted", was=was, typed=typed)
            decision = self._decided(line, now, pin)
        self.on_noted(peer_id, "trusted", pin.key)
        return decision

    def forget(self, peer_id: str, now: float) -> Decision:
        """Forget the key of a name, and what was refused under it. Then: end the name's links."""
        self._refused.forget(peer_id)
        pin = self._pins.take_out(peer_id)
        if pin is None:
            return Decision(Compared.UNKNOWN)
        decision = Decision(Compared.EQUAL)
        if pin.settled:
            decision = self._decided(Line(stamp(self.wall()), peer_id, "forgotten"), now)
        self.on_noted(peer_id, "forgotten", None)
        return decision

    # ------------------------------------------------------------ time

    def sweep(self, now: float) -> list[str]:
        """Let light pins go, settle others by time, and have the disk hold what it is owed.

        Returns the names that are free from now on: dial them, for their owners may have been
        refused for so long that neither side tries any more.
        """
        free: list[str] = []
        if self._looked_at is None or not 0 <= now - self._looked_at < _LOOK_EVERY:
            self._looked_at = now
            free = self._pins.ended_before(now - LIGHT_FOR)
            for peer_id in free:
                self._pins.take_out(peer_id)
            for pin in self._pins.open_for(SETTLES_AFTER, now):
                self._pins.settle(pin, Hold.BY_TIME)
                pin.line = self._append(self._line(pin, "seen"), now)
                self._append_change(pin, now)
            while (oldest := self._pins.one_too_many()) is not None:
                self._pins.take_out(oldest)
                self.dropped += 1
                self._append(Line(stamp(self.wall()), oldest, "forgotten", how="room"), now)
        if self.file is not None:
            self.file.sweep(now)
        return free

    def flush(self, now: float) -> Deferred[str]:
        """Have everything on the disk; fires as `Decision.synced`."""
        return succeed("") if self.file is None else self.file.flush(now)

    def close(self, now: float) -> bool:
        """Close the file, after `flush`; returns whether nobody uses it any more."""
        return self.file is None or self.file.close(now)

    # ------------------------------------------------------------ on disk

    def _append_change(self, pin: Pin, now: float) -> None:
        if pin.settled:
            for line in lines_of_change(pin):
                pin.line = self._append(line, now)

    def _append(self, line: Line, now: float) -> int:
        return 0 if self.file is None else self.file.append(whole_line(line), now)

    def _decided(self, line: Line, now: float, pin: Pin | None = None) -> Decision:
        file = self.file
        if file is None:
            return Decision(Compared.EQUAL)
        synced = file.append_synced(whole_line(line), now)
        if pin is not None:
            pin.line = file.count
        return Decision(Compared.EQUAL, synced)

    def _line(
        self, pin: Pin, event: Event, *, was: bytes | None = None, typed: bool = False
    ) -> Line:
        line = line_of(pin, event, pin.since if event == "seen" else self.wall())
        if was is not None:
            line.was = key_text(was)
        if typed:
            line.how = COMPARED
        return line

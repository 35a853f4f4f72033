"""Known keys between two runs: how the lines of the file become pins, and pins the fewest lines.

Rules: no I/O. What is settled gives way only to `trusted` and `forgotten`. Light pins are in no
file. If a file written anew would be too long, pins that only time has settled are left out, the
oldest first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from p2pchat.mesh.identity.key_text import key_text, read_key
from p2pchat.mesh.identity.pin import Change, Hold, Pin
from p2pchat.mesh.identity.pin_lines import (
    BY_TIME,
    CODE,
    COMPARED,
    Line,
    line_of,
    lines_of_change,
    seconds,
    stamp,
    whole_line,
)
from p2pchat.mesh.identity.pins import Pins
from p2pchat.mesh.identity.refused_keys import RefusedKeys

_MOST_BYTES: Final = 7_000_000
"""Bytes of the file, written anew, beyond which only what the person settled is in it."""


def replay(line: Line, pins: Pins, refused: RefusedKeys) -> None:
    """Take in one line of the file, in their order: the last word on a name holds."""
    peer_id, at = line.peer_id, seconds(line.time)
    if line.event == "refused":
        refused.add(peer_id, read_key(line.key), "", at)
        return
    if line.event == "forgotten":
        pins.take_out(peer_id)
        return
    pin = pins.get(peer_id)
    key = read_key(line.key) if line.key else None
    if line.event in ("announced", "disputed", "rotated"):
        if pin is not None and key is not None:
            _replay_change(line, pin, key, at, pins, refused)
        return
    if pin is not None and not (
        pin.fingerprint == line.fingerprint if key is None else pin.has(key)
    ):
        if line.event != "trusted":
            return  # what is settled gives way to nothing else
        pins.take_out(peer_id)
        pin = None
    if pin is None:
        pin = Pin(peer_id, line.fingerprint, key, since=at, seen=at)
        pins.add(pin)
        if line.was or line.count:
            former = read_key(line.was) if line.was else b""
            pin.change = Change(count=line.count, former=former)
    elif key is not None and pin.key is None:
        pins.know_key(pin, key)
    if pin.key is not None:
        refused.forget(peer_id, pin.key)  # it was refused before it was trusted
    pin.seen = max(pin.seen, seconds(line.last) if line.last else at)
    pin.trusted = pin.trusted or line.event == "trusted"
    if line.how in (COMPARED, CODE):
        pin.verified, pin.by_code = at, line.how == CODE
    by_time = line.event == "seen" and line.how == BY_TIME
    pins.settle(pin, Hold.BY_TIME if by_time else Hold.BY_PERSON)


def _replay_change(
    line: Line, pin: Pin, key: bytes, at: float, pins: Pins, refused: RefusedKeys
) -> None:
    """What was stated about a key counts while it is the pinned one."""
    change = pin.change or Change()
    if line.event == "rotated":
        was = read_key(line.was)
        if pin.has(was):
            pins.move(pin, key)
            pin.verified = None
            refused.forget(pin.peer_id, key)
            change = Change(announced=change.announced, count=change.count)
        elif not pin.has(key):
            return
        change.former, change.moved = was, at
        pin.seen = max(pin.seen, at)
    elif not pin.has(key):
        return
    elif line.event == "announced":
        change.next, change.announced = read_key(line.next), at
    else:
        change.second = read_key(line.next)
    change.count = max(change.count, line.count)
    pin.change = change


def everything(pins: Pins, refused: RefusedKeys) -> Iterator[bytes]:
    """The lines of a file that is written anew; it may be taken in pieces."""
    room = _MOST_BYTES
    for pin in pins:
        # Not one that was forgotten, or replaced, since the first piece.
        if pin.hold is Hold.BY_PERSON and pins.get(pin.peer_id) is pin:
            data = b"".join(map(whole_line, _lines_of(pin, refused)))
            room -= len(data)
            yield data
    for peer_id in reversed(pins.by_time):
        later = pins.get(peer_id)
        if later is not None and later.hold is Hold.BY_TIME:
            data = b"".join(map(whole_line, _lines_of(later, refused)))
            room -= len(data)
            if room < 0:
                return
            yield data


def fewest_lines(pins: Pins) -> int:
    """How many lines a file written anew would have, but for those of refused keys."""
    return sum(
        1 + (pin.verified is not None) + (0 if pin.change is None else len(lines_of_change(pin)))
        for pin in pins
    )


def _lines_of(pin: Pin, refused: RefusedKeys) -> Iterator[Line]:
    for old in reversed(refused.of(pin.peer_id)):
        yield Line(stamp(old.at), pin.peer_id, "refused", key_text(old.key))
    line = line_of(pin, "trusted" if pin.trusted else "seen", pin.since)
    line.last = stamp(pin.seen)
    yield line
    yield from lines_of_change(pin)
    if pin.verified is not None:
        yield line_of(pin, "verified", pin.verified)

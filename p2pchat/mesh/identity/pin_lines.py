"""The lines of a file of known keys: what is written, and what it says when it is read again.

    {"file":"p2pchat keys 1","own":"<key>"}
    {"time":"2026-11-30T00:00:00Z","peer_id":"bob@CIC","event":"seen","key":"<key>","how":"written"}
    {"time":…,"peer_id":"bob@CIC","event":"verified","key":"<key>","how":"compared"}
    {"time":…,"peer_id":"bob@CIC","event":"verified","key":"<key>","how":"code"}
    {"time":…,"peer_id":"bob@CIC","event":"trusted","key":"<key>","was":"<key>"}
    {"time":…,"peer_id":"bob@CIC","event":"trusted","fingerprint":"Y3YW-…","how":"compared"}
    {"time":…,"peer_id":"bob@CIC","event":"refused","key":"<key>"}
    {"time":…,"peer_id":"bob@CIC","event":"announced","key":"<key>","next":"<key>","count":1796000000}
    {"time":…,"peer_id":"bob@CIC","event":"disputed","key":"<key>","next":"<another key>"}
    {"time":…,"peer_id":"bob@CIC","event":"rotated","key":"<key>","was":"<key>","count":1796000000}
    {"time":…,"peer_id":"bob@CIC","event":"forgotten"}

Rules: pure. A file without a newline at its end was torn there, and what follows the last newline
is left out. Any other line that cannot be read is damage: nobody can say whose key it was.
"""

from __future__ import annotations

import time
from calendar import timegm
from functools import lru_cache
from typing import Final, Literal, NamedTuple, TypeAlias

from msgspec import DecodeError, Struct
from msgspec.json import Decoder, encode

from p2pchat.mesh.identity.key_text import check_key, key_text, read_fingerprint, read_key
from p2pchat.mesh.identity.pin import Hold, Pin
from p2pchat.speech import Sentence
from p2pchat.wire.address import split_peer_id

FORM: Final = "p2pchat keys 1"
COMPARED: Final = "compared"
CODE: Final = "code"
WRITTEN: Final = "written"
BY_TIME: Final = "time"
Event: TypeAlias = Literal[
    "seen", "verified", "trusted", "refused", "forgotten", "announced", "disputed", "rotated"
]


class PinsDamagedError(ValueError):
    """A file of known keys cannot be read, and nobody may be trusted anew.

    Its `Sentence` says why.
    """


class _Head(Struct, forbid_unknown_fields=True):
    file: Literal["p2pchat keys 1"]
    own: str


class Line(Struct, omit_defaults=True):
    """One event under one name."""

    time: str
    peer_id: str
    event: Event
    key: str = ""
    fingerprint: str = ""
    """Where the key is not known yet."""
    how: str = ""
    """seen: `written` or `time`; verified, and trusted when it was typed: `compared`; verified by
    /pair: `code`; forgotten, when there were too many: `room`."""
    was: str = ""
    """The key that `trusted` or `rotated` has replaced."""
    next: str = ""
    """announced, disputed: the key that is to follow."""
    count: int = 0
    """The largest count of a statement of this name that was known then."""
    last: str = ""
    """When the key was last seen, where that is later than `time`."""


class Contents(NamedTuple):
    """What a file says."""

    own: bytes | None
    """Whose file it is, None when it is empty."""
    lines: list[Line]
    size: int
    """Bytes up to the end of the last whole line; what follows is to be cut off."""


_HEAD: Final = Decoder(_Head)
_LINE: Final = Decoder(Line)


def head_line(own: bytes) -> bytes:
    """The first line of the file that belongs to this key of ours."""
    return encode(_Head(FORM, key_text(own))) + b"\n"


def whole_line(line: Line) -> bytes:
    """A line as it is written."""
    return encode(line) + b"\n"


def read_lines(data: bytes) -> Contents:
    """Read a whole file; raises `PinsDamagedError` with what stands where."""
    size = data.rfind(b"\n") + 1
    if not size:
        return Contents(None, [], 0)
    first, *rest = data[: size - 1].split(b"\n")
    try:
        own = read_key(_HEAD.decode(first).own)
    except (DecodeError, ValueError):
        raise PinsDamagedError(Sentence("line 1 is not that of known keys")) from None
    lines: list[Line] = []
    for number, text in enumerate(rest, 2):
        try:
            line = _LINE.decode(text)
            _check(line)
        except (DecodeError, ValueError):
            why = Sentence("line {number} cannot be read", number=number)
            raise PinsDamagedError(why) from None
        lines.append(line)
    return Contents(own, lines, size)


def _check(line: Line) -> None:
    split_peer_id(line.peer_id)
    seconds(line.time)
    if line.last:
        seconds(line.last)
    if line.was:
        check_key(line.was)
    if line.event in ("announced", "disputed"):
        check_key(line.next)
    elif line.event == "rotated":
        check_key(line.was)
    if not 0 <= line.count < 2**63:
        raise ValueError("no count")
    if line.key:
        check_key(line.key)
    elif line.event in ("trusted", "verified"):
        if read_fingerprint(line.fingerprint) != line.fingerprint:
            raise ValueError("not as it is written")
    elif line.event != "forgotten":
        raise ValueError("no key")


def line_of(pin: Pin, event: Event, at: float) -> Line:
    """The line for an event of this pin; `at`: seconds of the wall clock."""
    line = Line(stamp(at), pin.peer_id, event)
    if pin.key is not None:
        line.key = key_text(pin.key)
    else:
        line.fingerprint = pin.fingerprint
    if event == "verified":
        line.how = CODE if pin.by_code else COMPARED
    elif event == "seen":
        line.how = BY_TIME if pin.hold is Hold.BY_TIME else WRITTEN
    if pin.change is not None and event != "verified":
        line.count = pin.change.count
        line.was = key_text(pin.change.former) if pin.change.former else ""
    return line


def lines_of_change(pin: Pin) -> list[Line]:
    """What follows the line that settles a pin: how its key came, and which one is to follow."""
    change = pin.change
    if change is None or pin.key is None:
        return []
    here, key, lines = pin.peer_id, key_text(pin.key), []
    if change.moved and change.former:
        was = key_text(change.former)
        lines.append(Line(stamp(change.moved), here, "rotated", key, was=was, count=change.count))
    if change.next:
        at, follows = stamp(change.announced), key_text(change.next)
        lines.append(Line(at, here, "announced", key, next=follows, count=change.count))
        if change.second:
            lines.append(Line(at, here, "disputed", key, next=key_text(change.second)))
    return lines


def stamp(second: float) -> str:
    """A time of the wall clock as it stands in the file, to the second, in UTC."""
    # A clock that is set to nonsense must not keep a pin from being written.
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(min(max(second, 0.0), _LATEST)))


_LATEST: Final = 253_402_300_799.0


def seconds(text: str) -> float:
    """The time that `stamp` wrote; raises `ValueError`."""
    if len(text) != 20 or text[4::3] != "--T::Z" or not text.isascii():
        raise ValueError("no time")
    hour, minute, second = int(text[11:13]), int(text[14:16]), int(text[17:19])
    return _midnight(text[:10]) + 3600.0 * hour + 60 * minute + second


@lru_cache(maxsize=512)
def _midnight(day: str) -> int:
    return timegm((int(day[:4]), int(day[5:7]), int(day[8:10]), 0, 0, 0, 0, 1, 0))

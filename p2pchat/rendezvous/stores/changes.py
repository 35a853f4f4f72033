"""What servers of one registry tell each other, as it stands in Redis.

    PREFIX all    HASH    field = ip \\0 namespace \\0 name     value = [port, ttl, until, server]
                          (and the key that the peer says to have, if it says one)
                          (a namespace with \\0 in it or " at its beginning: as a JSON string)
    PREFIX log    STREAM  one entry a batch: by=<server>  ch=[[kind, ip, namespace, name, port, ttl,
                          until], ...]                          at most `BATCH` changes each
                          key=[key, ...]  only if there are any, one of each change, perhaps empty
    PREFIX epoch  STRING  random; another one: the data were lost or replaced
    PREFIX janitor  STRING  who takes out of the hash what has ended, for a minute

Rules: pure. `until` is in seconds of the wall clock. Anybody may have written what is read here: it
is checked as a REGISTER is, and what does not hold is None, never an exception. Only the address is
checked later, with `has_address`, because that of a renewal was checked before.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from p2pchat.rendezvous.hint import hint_in
from p2pchat.rendezvous.registration import Key, Registration
from p2pchat.rendezvous.requests import MAX_NAME, MAX_TTL

BATCH: Final = 500
"""Changes that are sent at once."""
_FARTHEST: Final = 1e11
"""Seconds since the epoch that a clock may show."""
_IP_LENGTH: Final = 45
_LONGEST_FIELD: Final = 2000
"""Bytes of a field of the hash or its value; with the longest names, not all of them."""

_Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
_Port = Annotated[int, Meta(ge=1, le=65_535)]
_Ttl = Annotated[int, Meta(ge=1, le=MAX_TTL)]
_Until = Annotated[float, Meta(ge=0, le=_FARTHEST)]


WITHDRAWN: Final = 0
GRANTED: Final = 1
"""New, or renewed: the latest one in the log holds."""
REMEMBERED: Final = 2
"""What a server knew when the data were lost: the one that ends last holds."""


class Change(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """What became of a registration."""

    kind: Annotated[int, Meta(ge=WITHDRAWN, le=REMEMBERED)]
    ip: Annotated[str, Meta(min_length=1, max_length=_IP_LENGTH)]
    namespace: _Name
    name: _Name
    port: _Port
    ttl: _Ttl
    until: _Until
    hint: str = ""
    """The key that the peer says to have; it is told beside the others, so that a server which
    knows nothing of it reads what it knows."""

    @property
    def key(self) -> Key:
        """What makes it one registration and not another."""
        return self.ip, self.namespace, self.name


class _Value(msgspec.Struct, frozen=True, array_like=True, gc=False):
    port: _Port
    ttl: _Ttl
    until: _Until
    server: str
    hint: str = ""


_Changes = Annotated[list[Change], Meta(max_length=BATCH)]
_encode = msgspec.json.Encoder().encode
_decode_changes = msgspec.json.Decoder(_Changes).decode
_decode_text = msgspec.json.Decoder(str).decode
_decode_hints = msgspec.json.Decoder(Annotated[list[str], Meta(max_length=BATCH)]).decode
_decode_value = msgspec.json.Decoder(_Value).decode


def change_of(it: Registration, kind: int, epoch: float) -> Change:
    """What to tell of a registration; `epoch` is the wall clock's time when its clock was 0."""
    until = epoch + it.until if it.live else 0.0
    end = max(0.0, round(until, 3))
    return Change(kind, it.ip, it.namespace, it.name, it.port, it.ttl, end, it.hint)


def registration_of(
    change: Change, known: Registration | None, wall: float, now: float
) -> Registration:
    """The registration that a change is about; `wall` and `now` are the same moment.

    `known` is the one of its key in the books.
    """
    # A wall clock that is wrong must not make a lease longer than it was granted.
    until = now + min(change.until - wall, change.ttl)
    it = change
    if known is not None:
        return known.renewed(it.port, it.ttl, until, it.hint)
    return Registration(it.ip, it.namespace, it.name, it.port, it.ttl, until, hint=it.hint)


def field_of(change: Change) -> bytes:
    """Its field of the hash."""
    namespace = change.namespace
    if "\0" in namespace or namespace.startswith('"'):
        # Else it would be read as a shorter namespace, and a longer name.
        namespace = _encode(namespace).decode()
    return f"{change.ip}\0{namespace}\0{change.name}".encode()


def value_of(change: Change, server: str) -> bytes:
    """Its value in the hash."""
    value = [change.port, change.ttl, change.until, server]
    return _encode([*value, change.hint] if change.hint else value)


def encoded(changes: list[Change]) -> bytes:
    """Several of them for one entry of the log, but for their hints."""
    return _encode([msgspec.structs.astuple(change)[:-1] for change in changes])


def hints_of(changes: list[Change]) -> bytes:
    """The hints of these for the same entry; nothing where none has any."""
    hints = [change.hint for change in changes]
    return _encode(hints) if any(hints) else b""


def read_changes(text: object) -> list[Change] | None:
    """The changes of an entry of the log, None when it is none of ours."""
    if not isinstance(text, bytes):
        return None
    try:
        changes = _decode_changes(text)
    except (ValueError, RecursionError):
        return None
    return None if any(change.hint for change in changes) else changes


def read_field(field: object, value: object) -> Change | None:
    """What a field of the hash says, None when it is none of ours."""
    if not isinstance(field, bytes) or not isinstance(value, bytes):
        return None
    if len(field) > _LONGEST_FIELD or len(value) > _LONGEST_FIELD:
        return None
    try:
        ip, namespace, name = field.decode().split("\0", 2)
        if namespace.startswith('"'):
            namespace = _decode_text(namespace)
        it = _decode_value(value)
        hint = hint_in(it.hint)
        change = Change(REMEMBERED, ip, namespace, name, it.port, it.ttl, it.until, hint)
    except (ValueError, RecursionError):
        return None
    names = (namespace, name)
    return change if all(0 < len(each) <= MAX_NAME for each in names) else None


def has_address(change: Change) -> bool:
    """Whether its address is one, written as usual; to be asked of those that are new.

    One with a `%` is none: what follows is any text, or an interface of another machine.
    """
    family = socket.AF_INET6 if ":" in change.ip else socket.AF_INET
    try:
        return socket.inet_ntop(family, socket.inet_pton(family, change.ip)) == change.ip
    except (OSError, ValueError):
        return False


# ---------------------------------------------------------------- replies of Redis


NOTHING: Final = b"0-0"
"""The id before all entries of a stream."""


def order_of(entry_id: bytes) -> tuple[int, int]:
    """By which the ids of a stream are sorted."""
    first, second = entry_id.split(b"-")
    return int(first), int(second)


def newest_in(reply: Any) -> bytes:
    """The id of the only entry of a range, `NOTHING` if there is none; ValueError for any other."""
    if isinstance(reply, list) and not reply:
        return NOTHING
    ((entry_id, _),) = _pairs(reply)
    return _entry_id(entry_id)


def entries_in(reply: Any) -> list[tuple[bytes, list[Any]]]:
    """The entries that XREAD gives; raises ValueError for anything else."""
    if reply is None or reply == []:
        return []
    ((_, entries),) = _pairs(reply)
    return [
        (_entry_id(entry_id), fields if isinstance(fields, list) else [])
        for entry_id, fields in _pairs(entries)
    ]


def entry_in(fields: list[Any]) -> tuple[bytes, list[Change] | None]:
    """Who wrote an entry of the log, and which changes; None when it is none of ours."""
    values = dict(zip(map(repr, fields[::2]), fields[1::2], strict=False))
    by, text = values.get("b'by'"), values.get("b'ch'")
    changes = read_changes(text)
    if changes is not None and "b'key'" in values:
        changes = _with_hints(changes, values["b'key'"])
    return by if isinstance(by, bytes) else b"", changes


def _with_hints(changes: list[Change], text: object) -> list[Change]:
    """These changes with their hints, which count only where all of them can be read."""
    try:
        hints = _decode_hints(text) if isinstance(text, bytes) else []
    except (ValueError, RecursionError):
        return changes
    if len(hints) != len(changes):
        return changes
    return [
        msgspec.structs.replace(change, hint=hint_in(hint))
        for change, hint in zip(changes, hints, strict=True)
    ]


def scanned_in(reply: Any) -> tuple[bytes, int, Iterator[tuple[Any, Any]]]:
    """Where HSCAN goes on, how many fields it gives, and these with their values; ValueError."""
    if not isinstance(reply, list) or len(reply) != 2:
        raise ValueError("that is no part of a hash")
    cursor, flat = reply
    if not isinstance(cursor, bytes) or not isinstance(flat, list):
        raise ValueError("that is no part of a hash")
    each = iter(flat)
    return cursor, len(flat) // 2, zip(each, each, strict=False)


def _entry_id(value: Any) -> bytes:
    parts = value.split(b"-") if isinstance(value, bytes) and len(value) <= 41 else ()
    if len(parts) != 2 or not all(part.isdigit() for part in parts):
        raise ValueError("that is no entry of a log")
    return bytes(value)


def _pairs(value: Any) -> list[Any]:
    if not isinstance(value, list) or not all(
        isinstance(pair, list) and len(pair) == 2 for pair in value
    ):
        raise ValueError("that is no log")
    return value

"""What a rendezvous answers, read liberally (protocol, section 2).

Pure: the bytes of a reply line in, a `Grant`, `Listing`s or a `DirectoryError` out, whatever the
bytes are. Servers differ: errors come in `message` or `error` (or in `status` itself), as codes or
as sentences; numbers come as text; fields are missing or null. An entry of a listing that nobody
could dial is left out.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Container, Sequence
from typing import Any, Final

import msgspec

from p2pchat.rendezvous.directory import (
    Blocked,
    DirectoryError,
    Grant,
    Listing,
    Listings,
    ListingTooLong,
    NotRegistered,
    RequestRefused,
)
from p2pchat.speech import Sentence
from p2pchat.wire.address import split_peer_id
from p2pchat.wire.text import shortened

_DEFAULT_BLOCK: Final = 60.0
"""Seconds to stay away when the rendezvous does not say for how long it refuses us."""
_LONGEST_BLOCK: Final = 3600.0
_MOST_IN_ALL: Final = 1_000_000_000
"""Registrations that a rendezvous is believed to have."""

_BLOCKED = re.compile(r"\bblock|too.many|rate.?limit|excessive", re.IGNORECASE)
_SECONDS = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*(?:s\b|sec)", re.IGNORECASE)
_NOT_REGISTERED = re.compile(r"not[ _-]?registered", re.IGNORECASE)
_HOST = re.compile(r"[0-9A-Za-z_.:%-]{1,255}")

_ADVICE: Final = {
    "bad_name": Sentence("it does not take our name: choose one of 1 to 64 characters"),
    "bad_limit": Sentence("it does not list so many at a time: update one of the two programs"),
    "bad_names": Sentence(
        "it does not look so many names up at a time: update one of the two programs"
    ),
    "bad_namespace": Sentence("it does not take the namespace: choose one of 1 to 64 characters"),
    "bad_port": Sentence("it does not take our port: choose one from 1 to 65535"),
    "bad_ttl": Sentence(
        "it does not take the length of the registration: choose 1 to 86400 seconds"
    ),
    "line_too_long": Sentence(
        "our request is too long for it: choose a shorter name and namespace"
    ),
    "namespace_required": Sentence("it wants a namespace in the request"),
    "peer_credentials_do_not_match": Sentence("it has no such registration from our address"),
    "registry_full": Sentence("it is full: try again later, or use another rendezvous"),
    "too_many_registrations": Sentence(
        "our address has all the registrations that one may have: end other nodes here, or have "
        "whoever runs it allow more"
    ),
    "banned": Sentence("our name is banned: choose another one, or ask whoever runs it"),
    "link_local_address": Sentence(
        "a link-local address (fe80::…) tells nobody else where we are: use another address of it"
    ),
    "listing_too_long": Sentence("its listing is too long: ask for one namespace only"),
    "internal_error": Sentence("it failed to answer: try again later, and tell whoever runs it"),
    "unknown command": Sentence(
        "it does not know the request: is it a rendezvous of this protocol?"
    ),
}


class _Listings(msgspec.Struct, gc=False):
    """A DISCOVER reply of the usual form."""

    status: str
    peers: list[Listing]
    total: Any = None


_decode_listings = msgspec.json.Decoder(_Listings).decode
_decode_entries = msgspec.json.Decoder(list[Listing]).decode


def read_grant(reply: bytes, ttl: int) -> Grant:
    """The answer to a REGISTER for `ttl` seconds; raises `DirectoryError`."""
    fields = _fields(reply)
    granted, ip = _number(fields.get("ttl")), fields.get("ip")
    return Grant(
        ttl=granted if granted and granted > 0 else float(ttl),
        ip=ip if isinstance(ip, str) and _HOST.fullmatch(ip) else "",
    )


def read_ok(reply: bytes) -> None:
    """The answer to an UNREGISTER; raises `DirectoryError`."""
    _fields(reply)


def read_listings(reply: bytes, most: int = sys.maxsize, wanted: Container[str] = ()) -> Listings:
    """The answer to a DISCOVER, without the entries nobody could dial; raises `DirectoryError`.

    The first `most` entries are taken, and those of `wanted` peers. The cost grows with the reply:
    `ReplyReader` reads long ones in pieces.
    """
    try:
        usual = _decode_listings(reply)
    except (ValueError, RecursionError):
        pass
    else:
        if _is_ok(usual.status):
            taken = _taken(usual.peers, most, wanted)
            taken.total = _total(usual.total)
            return taken
    peers, total = _entries(reply)
    taken = _taken(peers, most, wanted)
    taken.total = _total(total)
    return taken


def read_entries(entries: bytes, most: int, wanted: Container[str] = ()) -> Listings:
    """The same of a list of entries by itself."""
    try:
        return _taken(_decode_entries(entries), most, wanted)
    except (ValueError, RecursionError):
        pass
    found = _decode(entries)
    if not isinstance(found, list):
        raise not_of_this_protocol(entries)
    return _taken(found, most, wanted)


def is_whole(reply: bytes) -> bool:
    """Whether these bytes are one whole JSON value, and not the beginning of one."""
    try:
        msgspec.json.decode(reply, type=msgspec.Raw)
    except (ValueError, RecursionError):
        return False
    return True


def refusal(text: str) -> DirectoryError:
    """The error that a rendezvous's code or sentence stands for."""
    shown = shortened(text)
    code = text.strip().lower().split(" (")[0]
    advice = _ADVICE.get(code) or Sentence("tell whoever runs it")
    sentence = Sentence("the rendezvous refused: {advice} ({said})", advice=advice, said=shown)
    if code == "listing_too_long":
        return ListingTooLong(sentence, text)
    if code in _ADVICE:
        return RequestRefused(sentence, text)
    if _NOT_REGISTERED.search(text):
        return NotRegistered(Sentence("the rendezvous does not know us (any more)"))
    if _BLOCKED.search(text):
        told = _SECONDS.search(text)
        seconds = float(told.group(1)) if told else _DEFAULT_BLOCK
        seconds = max(1.0, min(seconds, _LONGEST_BLOCK))
        return Blocked(
            Sentence(
                "the rendezvous refuses our address for {seconds:.0f} s, because of too many "
                "connections: wait ({said})",
                seconds=seconds,
                said=shown,
            ),
            seconds,
        )
    return RequestRefused(sentence, text)


def not_of_this_protocol(reply: bytes) -> DirectoryError:
    """The error for a reply of which no sense can be made."""
    shown = shortened(reply[:400].decode("utf-8", "replace"), 80)
    return RequestRefused(
        Sentence(
            "the answer is not of this protocol: is there a rendezvous at that address? ({said})",
            said=shown,
        ),
        "not_json",
    )


# ---------------------------------------------------------------- below: any JSON whatever


def _decode(reply: bytes) -> Any:
    try:
        return msgspec.json.decode(reply)
    except (ValueError, RecursionError):
        pass
    try:  # halves of surrogate pairs, NaN, bytes that are not UTF-8
        return json.loads(reply.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        raise not_of_this_protocol(reply) from None


def _fields(reply: bytes) -> dict[str, Any]:
    """The fields of a reply that says OK; raises the error that any other stands for."""
    fields = _decode(reply)
    if not isinstance(fields, dict):
        raise refusal(f"an answer of the type {type(fields).__name__}")
    status = fields.get("status")
    if _is_ok(status):
        return fields
    reasons = (fields.get("message"), fields.get("error"), fields.get("detail"), status)
    told = [reason for reason in reasons if isinstance(reason, str) and reason.strip()]
    if told:
        raise refusal(told[0])
    if status is None and "peers" in fields:
        return fields
    raise refusal("an answer without a status")


def _entries(reply: bytes) -> tuple[list[Any], object]:
    """The entries, and how many the reply says that there are."""
    value = _decode(reply)
    if isinstance(value, list):
        return value, None
    fields = _fields(reply)
    peers = fields.get("peers")
    if peers is None:
        peers = []
    if not isinstance(peers, list):
        raise refusal("a listing that is not a list")
    return peers, fields.get("total")


def _total(value: object) -> int | None:
    number = _number(value)
    return int(number) if number is not None and 0 <= number <= _MOST_IN_ALL else None


def _taken(entries: Sequence[object], most: int, wanted: Container[str]) -> Listings:
    """Those of the first `most` entries, and of `wanted` peers, that somebody could dial."""
    taken = Listings()
    taken.seen = len(entries)
    for entry in entries[:most]:
        listing = _listing(entry)
        if listing is not None:
            taken.append(listing)
            continue
        if not taken.odd:
            taken.example = _shown(entry)
        taken.odd += 1
    taken.whole = len(entries) <= most
    taken.last = _name_and_ip(entries[-1]) if entries else None
    if wanted:
        for entry in entries[most:]:
            if type(entry) is not Listing or entry.peer_id in wanted:
                listing = _listing(entry)
                if listing is not None and listing.peer_id in wanted:
                    taken.append(listing)
    return taken


def _name_and_ip(entry: object) -> tuple[str, str] | None:
    if type(entry) is Listing:
        return entry.name, entry.ip
    if not isinstance(entry, dict):
        return None
    name, ip = entry.get("name"), entry.get("ip")
    return (name, ip) if isinstance(name, str) and isinstance(ip, str) else None


def _shown(entry: object) -> str:
    try:
        return shortened(repr(entry))
    except RecursionError:
        return "one that is nested without end"


def _listing(entry: object) -> Listing | None:
    if type(entry) is Listing:
        if _can_be_dialed(entry):
            return entry
        entry = msgspec.to_builtins(entry)
    if not isinstance(entry, dict):
        return None
    name, namespace, ip = entry.get("name"), entry.get("namespace"), entry.get("ip")
    if not (isinstance(name, str) and isinstance(namespace, str) and isinstance(ip, str)):
        return None
    port, ttl, left = (_number(entry.get(field)) for field in ("port", "ttl", "expires_in"))
    if port is None or not port.is_integer():
        return None
    ttl = max(0.0, ttl or 0.0)
    left = ttl if left is None else max(0.0, left)
    key = entry.get("key")
    listing = Listing(
        name, namespace, ip, int(port), ttl, left, key if isinstance(key, str) else ""
    )
    return listing if _can_be_dialed(listing) else None


def _can_be_dialed(peer: Listing) -> bool:
    """Whether a listing of the right types holds values that make sense."""
    if not (1 <= peer.port <= 65_535 and peer.ttl >= 0 and peer.expires_in >= 0):
        return False
    try:
        parts = split_peer_id(peer.peer_id)
    except ValueError:
        return False
    return parts == (peer.name, peer.namespace) and _HOST.fullmatch(peer.ip) is not None


def _number(value: object) -> float | None:
    """A finite number, also when it comes as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _is_ok(status: object) -> bool:
    return isinstance(status, str) and status.upper() == "OK"

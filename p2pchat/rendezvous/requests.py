"""What a peer may ask of a rendezvous, and what it hears (protocol, section 2).

    -> {"type":"REGISTER","namespace","name","port","ttl"?}     <- {"status":"OK","ttl","ip","port"}
    -> ... with "key", which a DISCOVER lists: a hint that this peer encrypts, and no more
    -> {"type":"DISCOVER","namespace"?}                         <- {"status":"OK","peers":[...]}
    -> ... with "families":["ipv4","ipv6"]: all, also over IPv4, see `views`
    -> ... with "limit" or "names", see `selection`             <- {"status":"OK","total","peers"}
    -> {"type":"UNREGISTER","namespace","name"?,"port"?}        <- {"status":"OK"}
                                     anything else              <- {"status":"ERROR","message"}

Pure: bytes in, a checked request or the bytes of the answer out. The reference server reads
requests with Python's `json` and `int`, and so does `_parse_odd`; `parse` takes a short cut that
gives the same answer for a request of the usual form. One rule is ours: half of a surrogate pair is
no character, so a name or namespace that holds one is refused (many clients could not read a
listing with it).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from json.encoder import encode_basestring_ascii as quoted
from typing import Annotated, Any, Final, TypeGuard

import msgspec
from msgspec import Meta

from p2pchat.rendezvous.hint import hint_in
from p2pchat.rendezvous.selection import (
    IPV6,
    MOST_NAMES,
    BadFieldError,
    Limit,
    Selection,
    selection_of,
)
from p2pchat.wire.address import host_and_port
from p2pchat.wire.text import shortened

MAX_REQUEST: Final = 32_768
"""Bytes of the longest request line, its newline included."""
MAX_NAME: Final = 64
"""Characters (code points) of the longest name or namespace."""
DEFAULT_TTL: Final = 7200
MAX_TTL: Final = 86_400


class Register(msgspec.Struct, frozen=True, gc=False):
    """Put `name@namespace` on `port` into the registry for `ttl` seconds."""

    namespace: str
    name: str
    port: int
    ttl: int
    hint: str = ""
    """The key that the peer says to have, as text; nobody has looked whether it has it."""


class Discover(msgspec.Struct, frozen=True, gc=False):
    """List the live registrations of `namespace`, or all of them for None."""

    namespace: str | None
    selection: Selection | None = None
    """Which of them; None for every one."""
    ipv6: bool = False
    """Whether the request says that its client knows IPv6, however it came."""


class Unregister(msgspec.Struct, frozen=True, gc=False):
    """Remove what this address registered in `namespace`; None for name or port matches any."""

    namespace: str
    name: str | None
    port: int | None


class Invalid(msgspec.Struct, frozen=True, gc=False):
    """A request that cannot be obeyed, and the answer to it."""

    reply: bytes
    of_a_registered_peer: bool = False
    """The answer is for a peer with a live registration; any other hears `NOT_REGISTERED`."""


Request = Register | Discover | Unregister | Invalid


# ---------------------------------------------------------------- answers


def error(message: str) -> bytes:
    """The reply line that refuses a request, with a code or a sentence for `message`."""
    return b'{"status":"ERROR","message":%b}\n' % quoted(message).encode("ascii")


def granted(ttl: int, ip: str, port: int) -> bytes:
    """The reply line to a REGISTER that was obeyed."""
    return b'{"status":"OK","ttl":%d,"ip":%b,"port":%d}\n' % (ttl, quoted(ip).encode(), port)


def blocked(ip: str, port: int, limit: int, seconds: int) -> bytes:
    """What an address hears that connected more than `limit` times, for `seconds` more."""
    return error(
        f"Connection from {host_and_port(ip, port)} has been blocked due to excessive login "
        f"attempts (limit: {limit}). The block will be lifted in {seconds} seconds."
    )


OK: Final = b'{"status":"OK"}\n'
TOO_LONG: Final = b'{"status":"ERROR","message":"line_too_long","limit":%d}\n' % MAX_REQUEST
TIMED_OUT: Final = error("Timeout: no data received, closing connection")
EMPTY: Final = error("Empty request line")
UNKNOWN: Final = error("Unknown command")
NOT_REGISTERED: Final = error("peer_not_registered")
NO_MATCH: Final = error("peer_credentials_do_not_match")
FULL: Final = error("registry_full")
TOO_MANY: Final = error("too_many_registrations")
BANNED: Final = error("banned")
LINK_LOCAL: Final = error("link_local_address")
LISTING_TOO_LONG: Final = error("listing_too_long")
INTERNAL_ERROR: Final = error("internal_error")
NAMESPACE_REQUIRED: Final = error("namespace_required")

_BAD_NAME: Final = Invalid(error("bad_name"))
_BAD_TTL: Final = Invalid(error("bad_ttl"))
_BAD_NAMESPACE: Final = Invalid(error("bad_namespace"))
_BAD_PORT: Final = Invalid(error("bad_port"))


# ---------------------------------------------------------------- requests


_Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
_Port = Annotated[int, Meta(ge=1, le=65_535)]
_Ttl = Annotated[int, Meta(ge=1, le=MAX_TTL)]
_Names = Annotated[list[_Name], Meta(max_length=MOST_NAMES)]


class _Usual(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A request that needs neither conversion nor an error. Any other is left to `_parse_odd`."""

    type: str
    namespace: _Name | None = None
    name: _Name | None = None
    port: _Port | None = None
    ttl: _Ttl = DEFAULT_TTL
    key: str | None = None
    limit: Limit | None = None
    sample: bool | None = None
    after: _Name | None = None
    after_ip: _Name | None = None
    names: _Names | None = None
    families: _Names | None = None


_decode_usual = msgspec.json.Decoder(_Usual).decode


def parse(line: bytes) -> Request:
    """Check one request line, without its newline (a carriage return at its end is fine).

    Never raises. Of an `Invalid`, `reply` is the whole answer.
    """
    try:
        # Through str, because the decoder checks UTF-8 only in the strings it keeps.
        usual = _decode_usual(line.decode())
    except (ValueError, RecursionError):
        return _parse_odd(line)
    kind = usual.type.upper()
    namespace = usual.namespace
    if kind == "REGISTER":
        if namespace is not None and usual.name is not None and usual.port is not None:
            hint = hint_in(usual.key)
            return Register(namespace, usual.name, usual.port, usual.ttl, hint)
    elif kind == "DISCOVER":
        if usual.limit is None and usual.names is None:
            return Discover(namespace, None, usual.families is not None and IPV6 in usual.families)
        return _some_of(namespace, msgspec.structs.asdict(usual))
    elif kind == "UNREGISTER" and namespace is not None:
        return Unregister(namespace, usual.name, usual.port)
    return _parse_odd(line)


def _parse_odd(line: bytes) -> Request:
    """As `parse`, in the reference's own terms: `json.loads`, then `int` of port and ttl."""
    if not line.strip():
        return Invalid(EMPTY)
    try:
        fields = json.loads(line.decode())
    except (ValueError, RecursionError):
        return Invalid(UNKNOWN)
    kind = fields.get("type") if isinstance(fields, dict) else None
    check = _CHECKS.get(kind.upper()) if isinstance(kind, str) else None
    return check(fields) if check else Invalid(UNKNOWN)


def _check_register(fields: dict[str, Any]) -> Request:
    name = fields.get("name")
    if not _is_name(name):
        return _BAD_NAME
    ttl = _integer(fields.get("ttl", DEFAULT_TTL))
    if ttl is None:
        return _BAD_TTL
    namespace = fields.get("namespace")
    if not _is_name(namespace):
        return _BAD_NAMESPACE
    port = _integer(fields.get("port"))
    if port is None or not 1 <= port <= 65_535:
        return _BAD_PORT
    hint = hint_in(fields.get("key"))
    return Register(namespace, name, port, max(1, min(ttl, MAX_TTL)), hint)


def _check_discover(fields: dict[str, Any]) -> Request:
    namespace = fields.get("namespace")
    if namespace is not None and not _is_name(namespace):
        # The reference looks at the length of a text before it asks who it is that asks.
        wrong_length = isinstance(namespace, str) and not 0 < len(namespace) <= MAX_NAME
        return Invalid(_BAD_NAMESPACE.reply, of_a_registered_peer=not wrong_length)
    return _some_of(namespace, fields)


def _some_of(namespace: str | None, fields: dict[str, Any]) -> Request:
    """A DISCOVER, whose namespace was checked, with what its other fields select."""
    try:
        selection = selection_of(fields, MAX_NAME)
    except BadFieldError as bad:
        return Invalid(error(str(bad)), of_a_registered_peer=True)
    if selection is None:
        return Discover(namespace, None, IPV6 in (fields.get("families") or ()))
    if namespace is None and (selection.sample or selection.after or selection.names):
        return Invalid(NAMESPACE_REQUIRED, of_a_registered_peer=True)
    return Discover(namespace, selection)


def _check_unregister(fields: dict[str, Any]) -> Request:
    namespace, name, port = fields.get("namespace"), fields.get("name"), fields.get("port")
    if namespace is None:
        return Invalid(NAMESPACE_REQUIRED, of_a_registered_peer=True)
    if not _is_name(namespace):
        return Invalid(_BAD_NAMESPACE.reply, of_a_registered_peer=True)
    if port is not None:
        number = _integer(port)
        if number is None or not 1 <= number <= 65_535:
            shown = shortened(_shown(port), 80)
            return Invalid(error(f"bad_port ({shown})"), of_a_registered_peer=True)
        port = number
    if name is not None and not _is_name(name):
        return Invalid(NO_MATCH, of_a_registered_peer=True)  # nobody can have registered it
    return Unregister(namespace, name, port)


_CHECKS: Final[dict[str, Callable[[dict[str, Any]], Request]]] = {
    "REGISTER": _check_register,
    "DISCOVER": _check_discover,
    "UNREGISTER": _check_unregister,
}


def _is_name(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= MAX_NAME and _is_whole(value)


def _is_whole(text: str) -> bool:
    """Whether `text` holds no half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _integer(value: Any) -> int | None:
    """What Python's `int` makes of a JSON value, None where it fails."""
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _shown(value: object) -> str:
    """A JSON value as Python's `str`, as the reference shows a bad port."""
    try:
        return str(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits, or deep nesting
        return type(value).__name__

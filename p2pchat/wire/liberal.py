"""The liberal reading: a line of an unusual form, field by field (protocol, section 1).

Rules: what real peers send is taken for what they mean, an odd field costs only itself, and a type
that nobody knows is `Unknown`. Only what is no object, or what JSON readers do not agree on
(nested without end, numbers beyond all), is refused, with a `WireError`. What is kept of an odd
line is fit to be written again, in an answer.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, Struct

from p2pchat.wire.messages import (
    FEATURES,
    VERSION,
    Ack,
    Bye,
    ByeOk,
    Hello,
    HelloOk,
    Message,
    Ping,
    Pong,
    Pub,
    Send,
    Unknown,
)
from p2pchat.wire.text import shortened

_MAX_DEPTH: Final = 32
"""How deeply lists and objects may nest."""


_GREETINGS: Final = ("HELLO", "HELLO_OK")


class WireError(Exception):
    """A line that is not a message; the text says why, fit for a log."""


class _Echo(Struct):
    """What a PONG repeats, byte for byte."""

    msg_id: Raw = Raw(b"null")
    timestamp: Raw = Raw(b"null")


_decode_echo = msgspec.json.Decoder(_Echo).decode


def read_liberally(line: bytes, *, strict: bool = False) -> Message | Unknown:
    """The message in `line`; a field of which no sense can be made counts as absent.

    `strict`: nobody is taken for who is named elsewhere than in the `peer_id` of a HELLO.

    Slow, and meant for what the typed call of `p2pchat.wire.codec` refused. Raises `WireError`, as
    `p2pchat.wire.codec.decode` does.
    """
    try:
        fields = json.loads(line.decode(), parse_constant=_no_constant, parse_float=_finite)
    except UnicodeDecodeError:
        raise WireError("not UTF-8") from None
    except RecursionError:
        raise WireError("nested too deeply") from None
    except ValueError:
        raise WireError("not JSON") from None
    if not isinstance(fields, dict):
        raise WireError("not an object")
    if _too_deep(fields):
        raise WireError("nested too deeply")
    kind = fields.get("type")
    read = _READERS.get(kind) if isinstance(kind, str) else None
    if strict and kind in _GREETINGS and not isinstance(fields.get("peer_id"), str):
        raise WireError("no peer_id")
    if read is None:
        return Unknown(shortened(_text(kind), 40))
    message = read(fields)
    if isinstance(message, Ping):
        _repeat_exactly(message, line)
    return message


def _no_constant(name: str) -> object:
    raise ValueError(name)


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError("out of range")
    return number


def _too_deep(fields: dict[str, Any]) -> bool:
    level: list[Any] = [fields]
    for _ in range(_MAX_DEPTH):
        # Only what may hold more goes on: a line has room for 10,000 values, each of them costs.
        level = [
            inner
            for outer in level
            for inner in (outer.values() if type(outer) is dict else outer)
            if type(inner) is dict or type(inner) is list
        ]
        if not level:
            return False
    return True


def _repeat_exactly(message: Ping, line: bytes) -> None:
    try:
        echo = _decode_echo(line)
    except msgspec.MsgspecError:
        # Half a surrogate pair: what was read has the same value, which must do.
        return
    message.msg_id, message.timestamp = echo.msg_id, echo.timestamp


def _text(value: object) -> str:
    """A string as it is, anything else as its JSON text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _ttl(value: object) -> int:
    """A time to live as int; what is not a number counts as 1, as if it were absent."""
    if isinstance(value, int):
        return int(value)
    try:
        number = float(value)  # type: ignore[arg-type]  # whatever it is, the next line knows
    except (TypeError, ValueError):
        return 1
    return 0 if number <= 0 else 1


def _raw(value: object) -> Raw:
    return Raw(json.dumps(value).encode("ascii"))


def _hello(cls: type[Hello]) -> Callable[[dict[str, Any]], Message]:
    def read(fields: dict[str, Any]) -> Message:
        peer_id, features = fields.get("peer_id"), fields.get("features", FEATURES)
        tls, fleeting, port = fields.get("tls"), fields.get("fleeting"), fields.get("port")
        return cls(
            peer_id=peer_id if isinstance(peer_id, str) else _string(fields.get("src")),
            version=_text(fields.get("version", VERSION)),
            features=tuple(f for f in features if isinstance(f, str))
            if isinstance(features, (list, tuple))
            else (),
            ttl=_ttl(fields.get("ttl")),
            agent=_string(fields.get("agent")),
            instance=_string(fields.get("instance")),
            port=port if type(port) is int else UNSET,
            tls=tls if type(tls) is int else UNSET,
            fleeting=fleeting if isinstance(fleeting, bool) else UNSET,
        )

    return read


def _ping(cls: type[Ping]) -> Callable[[dict[str, Any]], Message]:
    def read(fields: dict[str, Any]) -> Message:
        return cls(
            msg_id=_raw(fields.get("msg_id")),
            timestamp=_raw(fields.get("timestamp")),
            ttl=_ttl(fields.get("ttl")),
        )

    return read


def _chat(cls: type[Send] | type[Pub]) -> Callable[[dict[str, Any]], Message]:
    def read(fields: dict[str, Any]) -> Message:
        return cls(
            msg_id=fields.get("msg_id"),
            src=_string(fields.get("src")),
            dst=_string(fields.get("dst")),
            payload=_text(fields.get("payload", "")),
            require_ack=fields.get("require_ack") in (True, "true", "True"),
            ttl=_ttl(fields.get("ttl")),
        )

    return read


def _ack(fields: dict[str, Any]) -> Message:
    return Ack(fields.get("msg_id"), fields.get("timestamp"), _ttl(fields.get("ttl")))


def _bye(cls: type[Bye] | type[ByeOk]) -> Callable[[dict[str, Any]], Message]:
    def read(fields: dict[str, Any]) -> Message:
        message = cls(msg_id=fields.get("msg_id"), ttl=_ttl(fields.get("ttl")))
        message.src = _string(fields.get("src"))
        message.dst = _string(fields.get("dst"))
        if isinstance(message, Bye):
            message.reason = _string(fields.get("reason"))
        return message

    return read


_READERS: Final[dict[str, Callable[[dict[str, Any]], Message]]] = {
    "HELLO": _hello(Hello),
    "HELLO_OK": _hello(HelloOk),
    "PING": _ping(Ping),
    "PONG": _ping(Pong),
    "ACK": _ack,
    "SEND": _chat(Send),
    "PUB": _chat(Pub),
    "BYE": _bye(Bye),
    "BYE_OK": _bye(ByeOk),
}

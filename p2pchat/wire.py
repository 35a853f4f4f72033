"""One line <-> one message (protocol, section 1).

    line = object LF                       UTF-8, at most 32,768 bytes with the LF

Strict in what `encode` emits, liberal in what `decode` takes. A line of the usual form is decoded
by one typed, validated call; whatever that refuses is looked at again, field by field, by
`_liberal`, which knows the forms that real peers send.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Raw, Struct

from p2pchat.messages import (
    FEATURES,
    VERSION,
    Ack,
    Bye,
    ByeOk,
    CatchUp,
    Hello,
    HelloOk,
    Message,
    Ping,
    Pong,
    Pub,
    Said,
    Send,
    Unknown,
)
from p2pchat.text import shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_LINE: Final = 32_768
"""Bytes of the longest line, its newline included."""
_MAX_DEPTH: Final = 32
"""How deeply lists and objects may nest where a line has to be read liberally."""


class WireError(Exception):
    """A line that is not a message; the text says why, fit for a log."""


class LineTooLongError(WireError):
    """A line beyond the limit; nothing after it can be trusted."""


class MessageTooLongError(ValueError):
    """A message that would not fit into one line; tell the person to shorten it."""


_Known = Hello | HelloOk | Ping | Pong | Ack | Send | Pub | Said | CatchUp | Bye | ByeOk
_decode_typed = msgspec.json.Decoder(_Known).decode
_decode_lines = msgspec.json.Decoder(_Known).decode_lines
_SEAM: Final = b'}\n{"type":"'
"""What is between two lines of the usual form, and can be nowhere else in JSON."""
_encode_json = msgspec.json.Encoder().encode
_encode_lines = msgspec.json.Encoder().encode_lines


def encode(message: Message) -> bytes:
    """The line for `message`, its newline included.

    Raises `MessageTooLongError` when it would be longer than `MAX_LINE`.
    """
    try:
        line = _encode_json(message) + b"\n"
    except UnicodeEncodeError:
        # Half a surrogate pair in an id that we echo: only escapes can carry it.
        line = json.dumps(msgspec.to_builtins(message)).encode("ascii") + b"\n"
    if len(line) > MAX_LINE:
        raise MessageTooLongError(
            f"the message is too long: {len(line):,} bytes, at most {MAX_LINE:,} fit into a line"
        )
    return line


def encode_all(messages: list[Message]) -> bytes | None:
    """The lines of several messages as one block, for a fraction of what encoding each costs.

    None when one of them needs a closer look, or would be too long: encode each by itself then.
    """
    try:
        block = _encode_lines(messages)
    except UnicodeEncodeError:
        return None
    if len(block) > MAX_LINE and max(map(len, block.split(b"\n"))) >= MAX_LINE:
        return None
    return block


def decode(line: bytes) -> Message | Unknown:
    """The message in `line`, which holds no newline but perhaps one at its end.

    Raises `WireError` for what is not UTF-8, not JSON, not an object, or beyond what JSON readers
    agree on (nested without end, numbers of thousands of digits); any other object gives a message,
    `Unknown` at the least.
    """
    return decode_utf8(line) if is_utf8(line) else _liberal(line)


def decode_utf8(line: bytes) -> Message | Unknown:
    """The same as `decode` for a line that `is_utf8`, alone or as a part of what was checked.

    The typed call does not check what it skips or copies, and checking many lines at once costs a
    fraction of checking each.
    """
    try:
        message: Message = _decode_typed(line)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _liberal(line)
    return message


def decode_block(block: bytes, count: int) -> list[Message] | None:
    """The messages in `count` lines, all at once, for a fraction of what `decode_each` costs.

    None when one of the lines needs a closer look. `block` ends with a newline.
    """
    # The typed call would take a line with two objects, and an object on two lines. With the seam
    # at every newline no object has two lines, so as many objects as lines are one in each.
    if count > 1 and block.count(_SEAM) != count - 1:
        return None
    if len(block) > MAX_LINE and _has_long_line(block):
        return None
    try:
        if not block.isascii():
            # The typed call does not check what it skips or copies.
            block.decode()
        messages: list[Message] = _decode_lines(block)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return messages if len(messages) == count else None


def decode_each(block: bytes) -> Iterator[Message | Unknown | WireError]:
    """What each of several whole lines says, or what is wrong with it; empty lines say nothing.

    A `LineTooLongError` is the last one. `block` ends with a newline.
    """
    read = decode_utf8 if is_utf8(block) else decode
    for line in block.split(b"\n")[:-1]:
        if len(line) >= MAX_LINE:
            yield LineTooLongError("longer than the limit")
            return
        try:
            yield read(line)
        except WireError as why:
            if line.strip():
                yield why


def _has_long_line(block: bytes) -> bool:
    """Whether some line is longer than the limit: a look at one newline in each so many bytes."""
    start = 0
    while len(block) - start > MAX_LINE:
        start = block.rfind(b"\n", start, start + MAX_LINE) + 1
        if not start:
            return True
    return False


def is_utf8(data: bytes) -> bool:
    """Whether these bytes, whole lines, are well-formed UTF-8."""
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def raw_json(value: str) -> Raw:
    """A string as raw JSON, for the id and the time of a PING of our own."""
    return Raw(_encode_json(value))


def from_raw(raw: Raw) -> object:
    """The value of raw JSON, or None when it cannot be read."""
    try:
        value: object = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return value


# ---------------------------------------------------------------- the liberal reading


class _Echo(Struct):
    """What a PONG repeats, byte for byte."""

    msg_id: Raw = Raw(b"null")
    timestamp: Raw = Raw(b"null")


_decode_echo = msgspec.json.Decoder(_Echo).decode


def _liberal(line: bytes) -> Message | Unknown:
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
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
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
        return cls(
            peer_id=peer_id if isinstance(peer_id, str) else _string(fields.get("src")),
            version=_text(fields.get("version", VERSION)),
            features=tuple(f for f in features if isinstance(f, str))
            if isinstance(features, (list, tuple))
            else (),
            ttl=_ttl(fields.get("ttl")),
            agent=_string(fields.get("agent")),
            instance=_string(fields.get("instance")),
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


_READERS: dict[str, Callable[[dict[str, Any]], Message]] = {
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

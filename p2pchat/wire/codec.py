"""One line <-> one message (protocol, section 1).

    line = object LF                       UTF-8, at most 32,768 bytes with the LF

Strict in what `encode` emits, liberal in what `decode` takes. A line of the usual form is decoded
by one typed, validated call; whatever that refuses is looked at again, field by field, by
`p2pchat.wire.liberal`, which knows the forms that real peers send.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec import Raw

from p2pchat.speech import Sentence
from p2pchat.wire.liberal import WireError, read_liberally
from p2pchat.wire.messages import (
    Ack,
    Bye,
    ByeOk,
    Extension,
    Hello,
    HelloOk,
    Message,
    Ping,
    Pong,
    Pub,
    Send,
    Unknown,
)

MAX_LINE: Final = 32_768
"""Bytes of the longest line, its newline included."""


class LineTooLongError(WireError):
    """A line beyond the limit; nothing after it can be trusted."""


class MessageTooLongError(ValueError):
    """A message that would not fit into one line; tell the person to shorten it."""


_Known = Hello | HelloOk | Ping | Pong | Ack | Send | Pub | Extension | Bye | ByeOk
_decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(_Known)
_decode_typed = _decoder.decode
_decode_lines = _decoder.decode_lines
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
            Sentence(
                "the message is too long: {size:,} bytes, at most {most:,} fit into a line",
                size=len(line),
                most=MAX_LINE,
            )
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


def decode(line: bytes, *, strict: bool = False) -> Message | Unknown:
    """The message in `line`, which holds no newline but perhaps one at its end.

    Raises `WireError` for what is not UTF-8, not JSON, not an object, or beyond what JSON readers
    agree on (nested without end, numbers of thousands of digits); any other object gives a message,
    `Unknown` at the least. `strict` refuses a HELLO or HELLO_OK that says no `peer_id`.
    """
    if is_utf8(line):
        return decode_utf8(line, strict=strict)
    return read_liberally(line, strict=strict)


def decode_utf8(line: bytes, *, strict: bool = False) -> Message | Unknown:
    """The same as `decode` for a line that `is_utf8`, alone or as a part of what was checked.

    The typed call does not check what it skips or copies, and checking many lines at once costs a
    fraction of checking each.
    """
    try:
        message: Message = _decode_typed(line)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return read_liberally(line, strict=strict)
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


def decode_each(block: bytes, *, strict: bool = False) -> Iterator[Message | Unknown | WireError]:
    """What each of several whole lines says, or what is wrong with it; empty lines say nothing.

    A `LineTooLongError` is the last one. `block` ends with a newline. `strict`: see `decode`.
    """
    read = decode_utf8 if is_utf8(block) else decode
    for line in block.split(b"\n")[:-1]:
        if len(line) >= MAX_LINE:
            yield LineTooLongError("longer than the limit")
            return
        try:
            yield read(line, strict=strict)
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

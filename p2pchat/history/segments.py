"""Received messages in the form in which they are first stored: many in one piece.

A row in a table with its indexes costs five times what receiving the message does. So a batch is
stored as one piece, a segment, which is as safe, and filed into rows when there is time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from p2pchat.history.records import RECEIVED, Line, conversation_for
from p2pchat.messages import Send
from p2pchat.repetitions import LONGEST_ID, id_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from p2pchat.history.records import Arrival

MOST: Final = 2000
"""Messages in one segment: what is filed in one go, while new messages wait."""

_Said = tuple[str, str | None, int | None, str]
"""A message: msg_id, dst (None: direct), when it was said in ms if it came late, text."""
_Part = tuple[int, str, int, list[_Said]]
"""Messages that came together: the first one's id, the peer, arrival in ms, and each of them."""

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(list[_Part]).decode


class Segment(NamedTuple):
    """Up to `MOST` messages, as the file has them: a row of `segment`."""

    first: int
    last: int
    messages: int
    data: bytes


def pack(arrivals: Iterable[Arrival]) -> Iterator[Segment]:
    """The segments for `arrivals`, in order."""
    parts: list[_Part] = []
    count = 0
    for arrival in arrivals:
        messages, said = arrival.messages, arrival.said
        for start in range(0, len(messages), MOST):
            some = messages[start : start + MOST]
            if parts and count + len(some) > MOST:
                yield _segment(parts, count)
                parts, count = [], 0
            # A dst that names us, in a SEND, says nothing that the sender does not.
            rows: list[_Said] = [
                (
                    msg_id
                    if (msg_id := message.msg_id).__class__ is str and len(msg_id) <= LONGEST_ID
                    else id_text(msg_id),
                    None if message.__class__ is Send else message.dst,
                    None,
                    message.payload,
                )
                for message in some
            ]
            if said is not None:
                rows = [
                    (msg_id, dst, int(when * 1000), text)
                    for (msg_id, dst, _, text), when in zip(rows, said[start:], strict=False)
                ]
            parts.append((arrival.id + start, arrival.peer_id, int(arrival.at * 1000), rows))
            count += len(some)
    if parts:
        yield _segment(parts, count)


def encodable(text: str) -> str:
    """`text` as it can be stored: halves of surrogate pairs become escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def _segment(parts: list[_Part], count: int) -> Segment:
    first, last = parts[0][0], parts[-1][0] + len(parts[-1][3]) - 1
    return Segment(first, last, count, _packed(parts))


def _packed(parts: list[_Part]) -> bytes:
    try:
        return _encode(parts)
    except UnicodeEncodeError:
        return _encode(
            [
                (
                    first,
                    peer_id,
                    at,
                    [
                        (encodable(msg_id), dst and encodable(dst), said, encodable(text))
                        for msg_id, dst, said, text in rows
                    ],
                )
                for first, peer_id, at, rows in parts
            ]
        )


def unpack(data: bytes) -> list[Line]:
    """The messages in a segment; raises `ValueError` when it was damaged."""
    lines = []
    for first, peer_id, at, rows in _decode(data):
        for number, (msg_id, dst, said, text) in enumerate(rows, first):
            lines.append(
                Line(
                    number,
                    conversation_for(peer_id, dst),
                    peer_id,
                    msg_id,
                    at / 1000,
                    None if said is None else said / 1000,
                    RECEIVED,
                    text,
                )
            )
    return lines

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

MOST: Final = 500
"""Messages in one segment at most, which is filed in one go."""

_Part = tuple[int, str, int, list[str], list[str | None] | None, list[str], list[int] | None]
# Messages of a peer that came together: the first one's id, the peer, arrival in ms; then, of each,
# msg_id, dst (None: direct; None for all: all are), text, and when it was said in ms, if it was
# late. Columns, because they take less time and less room than rows.

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
        for start in range(0, len(arrival.messages), MOST):
            part = _part(arrival, start)
            more = len(part[3])
            if parts and count + more > MOST:
                yield _segment(parts, count)
                parts, count = [], 0
            parts.append(part)
            count += more
    if parts:
        yield _segment(parts, count)


def _part(arrival: Arrival, start: int) -> _Part:
    messages, said = arrival.messages, arrival.said
    if start or len(messages) > MOST:
        messages = messages[start : start + MOST]
    ids = [message.msg_id for message in messages]
    if {*map(type, ids)} != {str} or max(map(len, ids)) > LONGEST_ID:
        ids = [*map(id_text, ids)]
    dsts = None
    if {*map(type, messages)} != {Send}:
        # A dst that names us, in a SEND, says nothing that the sender does not.
        dsts = [None if type(message) is Send else message.dst for message in messages]
    texts = [message.payload for message in messages]
    when = None
    if said is not None:
        when = [int(each * 1000) for each in said[start : start + MOST]]
    return arrival.id + start, arrival.peer_id, int(arrival.at * 1000), ids, dsts, texts, when


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
                    [*map(encodable, ids)],
                    dsts and [dst and encodable(dst) for dst in dsts],
                    [*map(encodable, texts)],
                    said,
                )
                for first, peer_id, at, ids, dsts, texts, said in parts
            ]
        )


def unpack(data: bytes) -> list[Line]:
    """The messages in a segment; raises `ValueError` when it was damaged."""
    lines = []
    for first, peer_id, at, ids, dsts, texts, said in _decode(data):
        direct = [None] * len(ids)
        columns = zip(ids, dsts or direct, texts, said or direct, strict=True)
        for number, (msg_id, dst, text, when) in enumerate(columns, first):
            lines.append(
                Line(
                    number,
                    conversation_for(peer_id, dst),
                    peer_id,
                    msg_id,
                    at / 1000,
                    None if when is None else when / 1000,
                    RECEIVED,
                    text,
                )
            )
    return lines

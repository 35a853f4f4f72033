"""Received messages in the form in which they are first stored: many in one row.

    what a chunk brought -> pack -> Piece;  the pieces of a batch -> join -> Segment, a row

A row for each, with its indexes, would cost five times what receiving the message does. So what
came together is packed while it is at hand, and stored as segments, which is as safe; they are
filed into rows when there is time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from p2pchat.history.records import RECEIVED, Line, Piece, conversation_for
from p2pchat.messages import Send
from p2pchat.repetitions import LONGEST_ID, id_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from p2pchat.messages import Pub

MOST: Final = 500
"""Messages in one segment, which is filed in one go; more only when a single piece has more."""

_Part = tuple[int, str, int, list[str], list[str | None] | None, list[str], list[int] | None]
# Messages of a peer that came together: the first one's id, the peer, arrival in ms; then, of each,
# msg_id, dst (None: direct; None for all: all are), text, and when it was said in ms, if it was
# late. Columns, because they take less time and less room than rows.

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(list[_Part]).decode


class Segment(NamedTuple):
    """Messages as the file has them: a row of `segment`."""

    first: int
    last: int
    messages: int
    data: bytes


def pack(
    first: int,
    peer_id: str,
    at: float,
    messages: Sequence[Send | Pub],
    said: Sequence[float] | None = None,
) -> Piece:
    """What `peer_id` sent in one go: `first` is the id of the first message, `at` when it came.

    `said`: for messages that came late, when each of them was said (wall clock).
    """
    ids = [message.msg_id for message in messages]
    if {*map(type, ids)} != {str} or max(map(len, ids)) > LONGEST_ID:
        ids = [*map(id_text, ids)]
    dsts = None
    if {*map(type, messages)} != {Send}:
        # A dst that names us, in a SEND, says nothing that the sender does not.
        dsts = [None if type(message) is Send else message.dst for message in messages]
    texts = [message.payload for message in messages]
    when = None if said is None else [int(each * 1000) for each in said]
    part = (first, peer_id, int(at * 1000), ids, dsts, texts, when)
    try:
        data = _encode(part)
    except UnicodeEncodeError:
        data = _encode(_encodable(part))
    return Piece(first, len(ids), data)


def join(pieces: Iterable[Piece]) -> Iterator[Segment]:
    """The segments for `pieces`, in order."""
    joined: list[Piece] = []
    count = 0
    for piece in pieces:
        if joined and count + piece.messages > MOST:
            yield _segment(joined, count)
            joined, count = [], 0
        joined.append(piece)
        count += piece.messages
    if joined:
        yield _segment(joined, count)


def _segment(pieces: list[Piece], count: int) -> Segment:
    last = pieces[-1].first + pieces[-1].messages - 1
    data = _encode([msgspec.Raw(piece.data) for piece in pieces])
    return Segment(pieces[0].first, last, count, data)


def encodable(text: str) -> str:
    """`text` as it can be stored: halves of surrogate pairs become escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def _encodable(part: _Part) -> _Part:
    first, peer_id, at, ids, dsts, texts, said = part
    if dsts is not None:
        dsts = [dst and encodable(dst) for dst in dsts]
    return first, peer_id, at, [*map(encodable, ids)], dsts, [*map(encodable, texts)], said


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

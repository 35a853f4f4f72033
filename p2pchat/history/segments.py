"""Received messages in the form in which they are first stored: many in one row.

    what a chunk brought -> pack -> Piece;  the pieces of a batch -> join -> a row of `segment`
    when it is quiet -> rows -> rows of `message`;  a reader before that -> unpack -> Record

A row for each message would cost up to seven times what a segment does. So what came together is
packed while it is at hand, and stored as it is, which is as safe.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from typing import Final, TypeAlias, TypeVar

import msgspec

from p2pchat.history.records import PLAIN, RECEIVED, SECURITIES, Piece, Record
from p2pchat.history.sums import of_segment
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.wire.address import conversation_of
from p2pchat.wire.messages import Pub, Send

_N = TypeVar("_N")

MOST: Final = 500
"""Messages in one segment; more only when a single piece has more."""

Security: TypeAlias = "int | list[int] | None"
"""How messages came together: all of them, or each; None when it is not known."""


class _Part(msgspec.Struct, array_like=True, gc=False):
    """Messages of a peer that came together.

    Columns, because they take less time and less room than rows. A program of format 4 did not
    write the last one.
    """

    first: int
    """The id of the first one."""
    peer_id: str
    at: int
    """When they came, in ms."""
    ids: list[str]
    dsts: list[str | None] | None
    """None: direct; None for all: all are."""
    texts: list[str]
    said: list[int] | None
    """When each was said in ms, if they were late."""
    security: int | list[int] | None = None

    @property
    def is_whole(self) -> bool:
        """Whether no message lacks anything."""
        columns = (self.texts, self.dsts, self.said, self.security)
        count = len(self.ids)
        return all(not isinstance(each, list) or len(each) == count for each in columns)


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(list[_Part]).decode
_DAMAGE: Final = (ValueError, TypeError)
"""What reading a damaged segment raises."""


def pack(
    first: int,
    peer_id: str,
    at: float,
    messages: Sequence[Send | Pub],
    ids: list[str],
    said: Sequence[float] | None = None,
    *,
    stranger: bool = False,
    security: Security = None,
) -> Piece:
    """What `peer_id` sent in one go: `first` is the id of the first message, `at` when it came.

    `ids`: of the messages, as `repetitions.id_text` writes them. `said`: for messages that came
    late, when each of them was said (wall clock). `stranger`: whether we never wrote to it.
    `security`: how they came; see `Record.security`.
    """
    dsts = None
    if [*map(type, messages)].count(Send) < len(ids):
        # A dst that names us, in a SEND, says nothing that the sender does not.
        dsts = [None if type(message) is Send else message.dst for message in messages]
    texts = [message.payload for message in messages]
    when = None if said is None else [int(each * 1000) for each in said]
    part = (first, peer_id, int(at * 1000), ids, dsts, texts, when, security)
    try:
        data = _encode(part)
    except UnicodeEncodeError:
        data = _encode(_encodable(_Part(*part)))
    return Piece(first, len(ids), data, stranger)


def how_it_came(link: IPeerLink, messages: Sequence[Send | Pub]) -> int | list[int]:
    """The `Record.security` of all these messages, or of each; they came on this link.

    Of who is not at the other end nothing is known, so what is said in its name came in the clear.
    """
    if link.key is None:
        return PLAIN
    how, peer_id = SECURITIES.index(link.security), link.peer_id
    if all(message.src in (peer_id, "") for message in messages):
        return how
    return [how if message.src in (peer_id, "") else PLAIN for message in messages]


def join(pieces: Iterable[Piece]) -> Iterator[tuple[int, int, int, bytes, int]]:
    """The rows of `segment` for `pieces`, in order: id, messages, strangers' bytes, data, sum."""
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


def _segment(pieces: list[Piece], count: int) -> tuple[int, int, int, bytes, int]:
    strangers = sum(len(piece.data) for piece in pieces if piece.stranger)
    data = _encode([msgspec.Raw(piece.data) for piece in pieces])
    first = pieces[0].first
    return first, count, strangers, data, of_segment(first, count, strangers, data)


def without(data: bytes, stays: Callable[[str], bool]) -> tuple[int, bytes]:
    """A segment with the messages of those peers only that stay: how many, and its data.

    Raises `ValueError` when the segment is damaged.
    """
    parts = [part for part in _decode(data) if stays(part.peer_id)]
    return sum(len(part.ids) for part in parts), _encode(parts)


def encodable(text: str) -> str:
    """`text` as it can be stored: halves of surrogate pairs become escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def _encodable(part: _Part) -> _Part:
    if part.dsts is not None:
        part.dsts = [dst and encodable(dst) for dst in part.dsts]
    part.ids, part.texts = [*map(encodable, part.ids)], [*map(encodable, part.texts)]
    return part


Row = tuple[int, _N, _N, str, int, int | None, int, str, int | None]
"""A row of `message`; `_N` is what stands for a name: its number, or the name itself."""


def rows(data: bytes, number: Callable[[str], _N]) -> Iterator[Row[_N]]:
    """The messages in a segment as rows of `message`, in order; `number`: what stands for a name.

    Raises `ValueError` when the segment is damaged, before it gives the first one.
    """
    for part in _decode(data):
        first, at, ids, dsts, texts, said = (
            part.first, part.at, part.ids, part.dsts, part.texts, part.said,
        )  # fmt: skip
        count, sender, security = len(ids), number(part.peer_id), part.security
        if count == 1:  # the usual part but for a flood, and much faster so
            place = sender if dsts is None else number(conversation_of(part.peer_id, dsts[0]))
            when = None if said is None else said[0]
            how = security[0] if isinstance(security, list) else security
            yield first, place, sender, ids[0], at, when, RECEIVED, texts[0], how
            continue
        places: Iterable[_N] = repeat(sender, count)
        if dsts is not None:
            found = {dst: number(conversation_of(part.peer_id, dst)) for dst in {*dsts}}
            places = map(found.__getitem__, dsts)
        yield from zip(
            range(first, first + count),
            places,
            repeat(sender, count),
            ids,
            repeat(at, count),
            repeat(None, count) if said is None else said,
            repeat(RECEIVED, count),
            texts,
            security if isinstance(security, list) else repeat(security, count),
            strict=True,
        )


def is_whole(data: bytes) -> bool:
    """Whether a segment can be read."""
    try:
        return all(part.is_whole for part in _decode(data))
    except _DAMAGE:
        return False


def unpack(data: bytes, conversation: str | None = None) -> list[Record]:
    """The messages in a segment, or those of one conversation, in order; none of a damaged one."""
    try:
        return [
            Record(id_, where, sender, msg_id, at / 1000, state, text, said and said / 1000, how)
            for id_, where, sender, msg_id, at, said, state, text, how in rows(data, str)
            if conversation in (None, where)
        ]
    except _DAMAGE:
        return []


def arrived(data: bytes) -> float:
    """When the first message of a segment came; long ago when it is damaged."""
    return _decode(data)[0].at / 1000 if is_whole(data) else 0.0

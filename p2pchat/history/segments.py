"""Received messages in the form in which they are stored: many in one row.

    what a chunk brought -> pack -> Piece;  the pieces of a batch -> join -> Segment, a row
    segments, when there is time -> cut -> segments of `PAGE` messages: the pages of the history

A row for each message, with its indexes, would cost five times what receiving it does. So what
came together is packed while it is at hand, and stored as it is, which is as safe.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Final, NamedTuple

import msgspec

from p2pchat.history.records import RECEIVED, Line, Piece
from p2pchat.wire.address import conversation_of
from p2pchat.wire.messages import Pub, Send

MOST: Final = 500
"""Messages in one segment as it is first stored; more only when a single piece has more."""
PAGE: Final = 32
"""Messages in a page. Larger ones would make the index of words smaller, and a search slower, which
reads the pages that it names."""
FILED_AT_ONCE: Final = 5000
"""Messages that make a step of filing; what comes meanwhile waits for it, some 20 ms. In smaller
steps each message costs up to twice as much."""

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
    ids: list[str],
    said: Sequence[float] | None = None,
) -> Piece:
    """What `peer_id` sent in one go: `first` is the id of the first message, `at` when it came.

    `ids`: of the messages, as `repetitions.id_text` writes them. `said`: for messages that came
    late, when each of them was said (wall clock).
    """
    dsts = None
    if [*map(type, messages)].count(Send) < len(ids):
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


def cut(stored: Iterable[bytes]) -> list[Segment]:
    """The messages of some segments in segments of `PAGE` each; only the last one may have fewer.

    Raises `ValueError` when one of them was damaged.
    """
    pages: list[Segment] = []
    parts: list[_Part] = []
    room = PAGE
    for part in chain.from_iterable(map(_decode, stored)):
        size = len(part[3])
        done = 0
        while size - done >= room:
            parts.append(_slice(part, done, done + room))
            done += room
            pages.append(_page(parts))
            parts, room = [], PAGE
        if done < size:
            parts.append(_slice(part, done, size))
            room -= size - done
    if parts:
        pages.append(_page(parts))
    return pages


def _slice(part: _Part, start: int, end: int) -> _Part:
    first, peer_id, at, ids, dsts, texts, said = part
    if end - start == len(ids):
        return part
    return (
        first + start,
        peer_id,
        at,
        ids[start:end],
        dsts and dsts[start:end],
        texts[start:end],
        said and said[start:end],
    )


def _page(parts: list[_Part]) -> Segment:
    last = parts[-1]
    return Segment(
        parts[0][0], last[0] + len(last[3]) - 1, sum(len(part[3]) for part in parts), _encode(parts)
    )


def repack(lines: Iterable[Line]) -> bytes:
    """The data of a segment that holds received messages, whatever their ids are."""
    parts: list[_Part] = []
    for line in lines:
        dst = None if line.conversation == line.sender else line.conversation
        said = None if line.said is None else [round(line.said * 1000)]
        at = round(line.at * 1000)
        parts.append((line.id, line.sender, at, [line.msg_id], [dst], [line.text], said))
    return _encode(parts)


def unpack(data: bytes, conversation: str | None = None) -> list[Line]:
    """The messages in a segment, or those of one conversation, in order.

    Raises `ValueError` when it was damaged.
    """
    lines = []
    for first, peer_id, at, ids, dsts, texts, said in _decode(data):
        if dsts is None and conversation not in (None, peer_id):
            continue
        direct = [None] * len(ids)
        columns = zip(ids, dsts or direct, texts, said or direct, strict=True)
        for number, (msg_id, dst, text, when) in enumerate(columns, first):
            belongs = conversation_of(peer_id, dst)
            if conversation in (None, belongs):
                lines.append(
                    Line(
                        number,
                        belongs,
                        peer_id,
                        msg_id,
                        at / 1000,
                        None if when is None else when / 1000,
                        RECEIVED,
                        text,
                    )
                )
    return lines


def texts_of(data: bytes) -> list[str]:
    """The texts in a segment, in order; raises `ValueError` when it was damaged."""
    parts = _decode(data)
    return parts[0][5] if len(parts) == 1 else [*chain.from_iterable(part[5] for part in parts)]


def named_in(data: bytes) -> Counter[str]:
    """The conversations and senders in a segment: how many of its messages are in each.

    0 for who only sent to others. Raises `ValueError` when it was damaged.
    """
    found: Counter[str] = Counter()
    for _, peer_id, _, ids, dsts, _, _ in _decode(data):
        if dsts is None:
            found[peer_id] += len(ids)
            continue
        found[peer_id] += 0
        for dst, count in Counter(dsts).items():
            found[conversation_of(peer_id, dst)] += count
    return found


def arrived(data: bytes) -> float:
    """When the first message of a segment came; raises `ValueError` when it was damaged."""
    return _decode(data)[0][2] / 1000

"""DISCOVER replies that list many peers: made in pieces as they are read, shared by their readers.

    reply = replies.recent(namespace, now) or replies.add(namespace, LongReply(...))
    reply.readers[connection] = None
    reply.piece(0), reply.piece(1), ...        # None behind the last one
    replies.end(reply, connection)

Rules: a piece is made when the first reader wants it, so that no turn of the reactor makes them
all. A reader costs a place in the reply; only the reply itself takes memory. A new reply is made
once in `FRESH` seconds at most. All replies that are kept have `MOST` bytes together. When that
leaves no room for a new one, the newest is given again; once it is `STALE`, the readers of the
oldest give way. A selection is given once, and has one reader: those of one network have a quarter
of `MOST` together, beyond which its own oldest one gives way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, Protocol

PIECE: Final = 131_072
"""Bytes of a piece, at most: as many as Twisted gives to the kernel at once."""
SHORT: Final = 65_536
"""Bytes up to which a reply is no long one: they wait for each connection apart."""
MOST: Final = 64 * 1024 * 1024
"""Bytes of all replies together, and of the longest one: no client of ours reads a longer one."""
_SHARES: Final = 4
"""The selections of one network have this part of all bytes. Larger: more addresses are needed to
push out what others read. Smaller: more nodes behind one router read at once."""
FRESH: Final = 1.0
STALE: Final = 10.0
"""Seconds after which a reply that is still being read may have to give way."""

_LEFT: Final = 7
"""Bytes of the time that a lease has left, of the brace behind it, and of a comma."""
AT_ONCE: Final = 64
"""Peers that are put into a listing at once: with the longest names, fewer bytes than a piece."""
FRAME: Final = 32
"""Bytes of a reply without its peers, at most."""


class Leased(Protocol):
    """What a listing needs of a registration."""

    encoded: bytes
    until: float


def size_of(peer: Leased) -> int:
    """Bytes that this peer takes of a reply, at most."""
    return len(peer.encoded) + _LEFT


class Reader(Protocol):
    """A connection that reads a long reply."""

    def abandon(self) -> None:
        """End at once."""


def entries(peers: Iterable[Leased], now: float) -> bytes:
    """Those of these peers whose lease goes on, as they stand in a reply; all of them at once."""
    return b",".join(
        [b"%b%d}" % (each.encoded, each.until - now) for each in peers if each.until > now]
    )


def pieces(
    peers: Iterable[Leased], now: float, head: bytes = b'{"status":"OK","peers":['
) -> Iterator[bytes]:
    """The reply with those of these peers whose lease goes on, in pieces of at most `PIECE`."""
    left = iter(peers)
    parts, size, separator = [head], FRAME + len(head), b""
    # Some at a time: a look at each entry's size would cost a quarter of the work.
    while some := [*islice(left, AT_ONCE)]:
        part = entries(some, now)
        if not part:
            continue
        size += len(part) + 1
        if size > PIECE:
            yield b"".join(parts)
            parts, size = [], FRAME + len(part) + 1
        parts += (separator, part)
        separator = b","
    parts.append(b"]}\n")
    yield b"".join(parts)


class LongReply:
    """One reply of `size` bytes, whose pieces are still to be made; `now` is its time.

    `network`: who asked for it, of a selection; empty: whoever may ask for any number.
    """

    def __init__(self, making: Iterator[bytes], size: int, now: float, network: str = "") -> None:
        self.network = network
        self.made_at = now
        self.size = size
        self.readers: dict[Reader, None] = {}
        self._making = making
        self._pieces: list[bytes] = []

    def piece(self, number: int) -> bytes | None:
        """The piece of this number, counted from 0; None behind the last one."""
        while number >= len(self._pieces):
            piece = next(self._making, None)
            if piece is None:
                return None
            self._pieces.append(piece)
        return self._pieces[number]


Key = str | int | tuple[str | None] | None
"""What a reply lists: a namespace, all of them for None; either in a tuple: for who may know no
IPv6; a number for a selection, given once."""


class LongReplies:
    """The newest reply of each namespace (None: of all), and the older ones still being read."""

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.cut_off = 0
        """Readers that gave way."""
        self._newest: dict[Key, LongReply] = {}
        self._kept: dict[LongReply, Key] = {}  # the oldest first

    @property
    def size(self) -> int:
        """Bytes of all replies that are kept, those counted that are not made yet."""
        return sum(reply.size for reply in self._kept)

    def recent(self, namespace: Key, now: float) -> LongReply | None:
        """The reply for who asks now; None when a new one is to be made, for `add`."""
        reply = self._newest.get(namespace)
        if reply is None:
            return None
        age = now - reply.made_at
        if age < FRESH:
            return reply
        self._forget_unread(now)
        no_room = self.size + reply.size > self.most
        return reply if no_room and age < STALE and reply in self._kept else None

    def add(self, namespace: Key, reply: LongReply) -> LongReply:
        """Keep this reply, of at most `most` bytes, as the newest of its namespace."""
        self._forget_unread(reply.made_at)
        if reply.network:
            own = [each for each in self._kept if each.network == reply.network]
            size = sum(each.size for each in own) + reply.size
            for each in own:
                if size <= self.most // _SHARES:
                    break
                size -= each.size
                self._cut_off(each)
        while self._kept and self.size + reply.size > self.most:
            self._cut_off(next(iter(self._kept)))
        if not isinstance(namespace, int):
            self._newest[namespace] = reply
        self._kept[reply] = namespace
        return reply

    def _cut_off(self, reply: LongReply) -> None:
        self._forget(reply)
        for reader in [*reply.readers]:
            self.cut_off += 1
            reader.abandon()

    def end(self, reply: LongReply, reader: Reader) -> None:
        """A connection reads this reply no more."""
        reply.readers.pop(reader, None)
        if not reply.readers and reply not in self._newest.values():
            self._kept.pop(reply, None)

    def _forget_unread(self, now: float) -> None:
        for reply in [*self._kept]:
            if not reply.readers and now - reply.made_at >= FRESH:
                self._forget(reply)

    def _forget(self, reply: LongReply) -> None:
        namespace = self._kept.pop(reply)
        if self._newest.get(namespace) is reply:
            del self._newest[namespace]

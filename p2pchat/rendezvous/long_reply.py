"""The list of many peers, made in pieces as it is read, and shared by all who read it.

    reply = LongReply(registrations, now)
    reply.piece(0), reply.piece(1), ...        # None behind the last one

Rules: a piece is made when the first reader wants it, so that no turn of the reactor makes them
all. What one reader costs is its place in the reply; only the reply itself takes memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Protocol

PIECE: Final = 65_536
"""Bytes after which a piece is whole."""
MOST: Final = 64 * 1024 * 1024
"""Bytes of all replies together that are being read."""


class Leased(Protocol):
    """What a list needs of a registration."""

    encoded: bytes
    until: float


class LongReply:
    """One DISCOVER reply; `now` is when it was asked for, seconds of the registry's clock."""

    def __init__(self, peers: Iterable[Leased], now: float) -> None:
        self.made_at = now
        self._pieces: list[bytes] = []
        self._making = self._make([*peers], now)
        self.size = 0
        """Bytes of the pieces that were made."""

    def piece(self, number: int) -> bytes | None:
        """The piece of this number, counted from 0; None when there are no more."""
        while number >= len(self._pieces):
            piece = next(self._making, None)
            if piece is None:
                return None
            self._pieces.append(piece)
            self.size += len(piece)
        return self._pieces[number]

    @staticmethod
    def _make(peers: list[Leased], now: float) -> Iterator[bytes]:
        entries, size, separator = [b'{"status":"OK","peers":['], 0, b""
        for peer in peers:
            entries.append(b"%b%b%d}" % (separator, peer.encoded, peer.until - now))
            separator = b","
            size += len(entries[-1])
            if size >= PIECE:
                yield b"".join(entries)
                entries, size = [], 0
        entries.append(b"]}\n")
        yield b"".join(entries)


class Reader(Protocol):
    """A connection that reads a long reply."""

    def abandon(self) -> None:
        """End at once."""


class LongReplies:
    """The replies that are being read, and by whom; together at most `most` bytes.

    Beyond that the readers of the oldest one are cut off (counted in `cut_off`): they are slower
    than the list changes.
    """

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.cut_off = 0
        self._readers: dict[LongReply, dict[Reader, None]] = {}

    def begin(self, reply: LongReply, reader: Reader) -> None:
        """A connection reads this reply from now on, until `end`."""
        self._readers.setdefault(reply, {})[reader] = None

    def end(self, reply: LongReply, reader: Reader) -> None:
        """It reads it no more; nothing if that is known."""
        readers = self._readers.get(reply, {})
        readers.pop(reader, None)
        if not readers:
            self._readers.pop(reply, None)

    def make_room(self) -> None:
        """Cut off who reads the oldest replies while all of them are too much; keep one."""
        while len(self._readers) > 1 and sum(reply.size for reply in self._readers) > self.most:
            oldest = next(iter(self._readers))
            for reader in self._readers.pop(oldest):
                self.cut_off += 1
                reader.abandon()

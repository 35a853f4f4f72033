"""A reply of a rendezvous, read while it comes, so that no chunk of it costs more than its size.

    blank* line LF                       short: the whole line is the result, for `replies`
    ... "peers" : [ entry , entry ...    long: entries are read in runs, as many as we take

Rules: pure. A reply of at most `SHORT` bytes is collected, and read in whatever form it has. Of a
longer one only the form matters that servers have: scalar fields, then `peers`. Its entries are
found by a pattern that cannot backtrack. An entry may be odd, but neither long nor deep. Of the
entries beyond those that we take, only the peers that are wanted are taken, or strangers could list
so many of theirs that nobody finds a friend.
"""

from __future__ import annotations

import re
from collections.abc import Container
from functools import cache
from typing import Final

from p2pchat.rendezvous.directory import Listings, RequestRefused
from p2pchat.rendezvous.replies import is_whole, not_of_this_protocol, read_entries, read_listings
from p2pchat.speech import Sentence

SHORT: Final = 32_768
"""Bytes of the longest reply that is read whole."""
_FARTHEST: Final = 100_000
"""Entries in which the wanted ones are looked for: as many as a rendezvous of ours has."""
_MAX_ENTRY: Final = 8192
"""Bytes of the longest entry; an honest one of the longest names has some 1,500."""

_BLANK: Final = rb"[ \t\r]*+"
_STRING: Final = rb'"(?:[^"\\]++|\\.)*+"'


def _nested(depth: int) -> bytes:
    """A list or an object, with others in it to this depth."""
    inner = rb'[^][{}"]++|' + _STRING
    if depth:
        inner += rb"|" + _nested(depth - 1)
    return rb"[\[{](?:" + inner + rb")*+[\]}]"


_SCALAR: Final = rb"(?:" + _STRING + rb'|[^][{}",: \t\r]++)'
_VALUE: Final = _BLANK + rb"(?:" + _nested(4) + rb"|" + _SCALAR + rb")" + _BLANK
_FIELD: Final = _BLANK + _STRING + _BLANK + rb":" + _BLANK + _SCALAR + _BLANK + rb","
_OPENING: Final = (
    rb"(?:\{(?:" + _FIELD + rb")*+" + _BLANK + rb'"peers"' + _BLANK + rb":" + _BLANK + rb")?\["
)
_RUN: Final = rb"(?:" + _VALUE + rb",)*+"
_LAST: Final = rb"(" + _VALUE + rb"|" + _BLANK + rb")\]"


@cache
def _compiled(pattern: bytes) -> re.Pattern[bytes]:
    """The pattern, compiled when the first long reply comes: few nodes ever see one."""
    return re.compile(pattern, re.DOTALL)


class ReplyReader:
    """Reads one reply: call `feed` until it says that no more is needed, or `ended`.

    `most` is the number of entries to take of a listing; None for a reply that is no listing.
    `wanted` are the peers to look for beyond these.
    """

    def __init__(self, most: int | None = None, wanted: Container[str] = ()) -> None:
        self.result: bytes | Listings | None = None
        """The line of a short reply, the listings of a long one; None while it is not whole."""
        self._most = most
        self._wanted = wanted
        self._buffer = b""
        self._listings: Listings | None = None

    @property
    def started(self) -> bool:
        """Whether anything has come."""
        return bool(self._buffer) or self._listings is not None

    def feed(self, data: bytes) -> bool:
        """Take in a piece of the reply; whether there is nothing more to wait for.

        Raises `DirectoryError` for a reply that says no, or that is too long to be liberal with.
        """
        if not self.started:
            data = data.lstrip()  # an empty line before the reply is not the reply
        line, newline, _ = data.partition(b"\n")
        self._buffer += line
        if self._listings is None and len(self._buffer) > SHORT:
            self._open()
        if self._listings is not None:
            self._read(self._listings)
            if newline and self.result is None:
                raise not_of_this_protocol(self._buffer)
        elif newline:
            self.result = self._buffer
        return self.result is not None

    def ended(self) -> bool:
        """No more comes; whether the reply is whole, though its line has no end."""
        if self._listings is None and is_whole(self._buffer):
            self.result = self._buffer.strip()
        return self.result is not None

    def _open(self) -> None:
        """Go over to a listing of any length, whose entries begin here."""
        opening = _compiled(_OPENING).match(self._buffer)
        if opening is None or self._most is None:
            raise RequestRefused(
                Sentence(
                    "the answer is longer than {size} KiB and no listing: is there a rendezvous at "
                    "that address?",
                    size=SHORT // 1024,
                ),
                "reply_too_long",
            )
        head = opening.group()
        # A status that is not OK is an error, whatever is listed beside it.
        opened = read_listings(head + (b"]}" if head.startswith(b"{") else b"]"))
        self._buffer = self._buffer[opening.end() :]
        self._listings = Listings()
        self._listings.total = opened.total

    def _read(self, listings: Listings) -> None:
        """Take the entries that are whole."""
        run = _compiled(_RUN).match(self._buffer)
        assert run is not None  # it may be empty
        last = _compiled(_LAST).match(self._buffer, run.end())
        entries = last.group(1) if last else b""
        if run.end():
            entries = run.group() + entries if entries.strip() else run.group()[:-1]
        assert self._most is not None
        room = max(0, self._most - listings.seen)
        read = read_entries(b"[" + entries + b"]", room, self._wanted)
        listings += read
        listings.seen += read.seen
        listings.odd += read.odd
        listings.example = listings.example or read.example
        listings.last = read.last or listings.last
        listings.whole = listings.seen <= self._most
        farthest = max(self._most, _FARTHEST) if self._wanted else self._most
        if last or listings.seen > farthest or len(listings) > 2 * self._most:
            self.result = listings
            self._buffer = b""
            return
        self._buffer = self._buffer[run.end() :].lstrip()
        if len(self._buffer) > _MAX_ENTRY:
            raise not_of_this_protocol(self._buffer)

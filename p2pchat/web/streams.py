"""The open pages of a node: the stream of each, and which conversation is seen on it.

    streams.open("a1b2", stream)       the oldest of more than `MOST` hears that it is elsewhere
    streams.watch("a1b2", "bob@CIC")   what comes there is read
    streams.end_all("closed")          all pages hear that, and end

Rules: a page is known by a word that it has chosen. A browser has six connections with one host, so
there are fewer streams than that.
"""

from __future__ import annotations

from typing import Final, Literal

from p2pchat.control.answers import Requests
from p2pchat.control.protocol import EVENT_KINDS
from p2pchat.node.unread import NOTHING, Unread
from p2pchat.web.stream import Stream

MOST: Final = 4
"""Pages that hear of the node at the same time."""


class Streams:
    """Of one node. `requests` hands out its events."""

    def __init__(self, requests: Requests, unread: Unread) -> None:
        self._requests = requests
        self._unread = unread
        self._streams: dict[str, Stream] = {}

    def __len__(self) -> int:
        return len(self._streams)

    def open(
        self, page: str, stream: Stream, since: int | Literal["now"], run: str, watching: str | None
    ) -> None:
        """Give it what it has missed, and what happens from now on."""
        before = self._streams.pop(page, None)
        if before is not None:
            before.end()
        while len(self._streams) >= MOST:
            oldest = self._streams.pop(next(iter(self._streams)))
            oldest.out.tell({"event": "elsewhere"})
            oldest.end()
        self._streams[page] = stream
        feed, out = self._requests.feed, stream.out
        # Where a page is open, the person is there, and not at a console that shows everything.
        feed.subscribe(out, EVENT_KINDS, watching=watching or NOTHING)
        stream.begin(lambda: feed.catch_up(out, since, run))

    def closed(self, stream: Stream) -> None:
        """A page is gone."""
        self._requests.forget(stream.out)
        for page, each in self._streams.items():
            if each is stream:
                del self._streams[page]
                return

    def of(self, page: str) -> Stream | None:
        """The stream of a page, if it has one."""
        return self._streams.get(page)

    def watch(self, page: str, conversation: str | None) -> bool:
        """A person sees this conversation on a page, None: none; False without such a page."""
        stream = self._streams.get(page)
        if stream is None:
            return False
        self._unread.open(stream.out, conversation or NOTHING)
        return True

    def end_all(self, why: str) -> None:
        """Close all, with an event that says why."""
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            stream.out.tell({"event": why})
            stream.end()

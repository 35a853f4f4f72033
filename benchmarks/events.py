"""What an event costs a node: alone, as one of many that came together, and with a number.

From what an observer is told up to the bytes for one client; a fake one, which reads at once.
"""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

from benchmarks.measuring import Report
from p2pchat.control.feed import EventFeed
from p2pchat.control.outgoing import Outgoing
from p2pchat.wire.messages import Pub, Send

_AT_ONCE = 100


class _Reads:
    """A transport."""

    def write(self, data: bytes) -> None:
        """Nothing waits."""

    def registerProducer(self, producer: object, streaming: bool) -> None:
        """It is never asked."""


def _nothing(*_: object) -> None:
    """A node that has nothing to do with it."""


def _feed(*, numbered: bool) -> EventFeed:
    node: Any = SimpleNamespace(
        me=SimpleNamespace(peer_id="ana@CIC", instance="5f"),
        observers=SimpleNamespace(add=_nothing, remove=_nothing),
        lists=SimpleNamespace(called=lambda name: name),
        unread=SimpleNamespace(leave=_nothing),
    )
    clock: Any = SimpleNamespace(seconds=time.monotonic)
    feed = EventFeed(node, clock, lambda: "2026-01-31T12:00:00Z")
    client = Outgoing(lambda: None)
    client.connect(_Reads())
    feed.subscribe(client)
    if numbered:
        feed.catch_up(client, "now", "")
    return feed


def run(report: Report, *, quick: bool) -> None:
    """All of it."""
    link = SimpleNamespace(key=bytes(32), security="encrypted")
    peer: Any = SimpleNamespace(peer_id="bob@CIC", heard_on=link, heard_id=7)
    message = Send("0123456789abcdef", "bob@CIC", "ana@CIC", "hello there, how are you?")
    for numbered in (False, True):
        feed = _feed(numbered=numbered)
        for count in (1, 20):
            messages: list[Send | Pub] = [message] * count
            figures = []
            for _ in range(200 if quick else 2000):
                begun = time.thread_time()
                for _ in range(_AT_ONCE):
                    feed.received(peer, messages)
                figures.append((time.thread_time() - begun) / _AT_ONCE / count * 1e6)
            title = f"an event, {count} at once{', numbered and kept' if numbered else ''}"
            # The best of them: other programs on the machine can only add.
            report.add("Control socket", title, "us CPU", {"p2pchat": [min(figures)]})

"""What a client waits for when several servers share the registry.

    starting  -> until the registry has been read, then answered
    REGISTER, UNREGISTER: something changed  -> until the others can know it
    unknown here, or nothing to withdraw  -> until this server knows what others know, and again

Rules: every wait is short, and ends by itself. Without a shared registry nothing of this is asked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.internet.defer import Deferred

from p2pchat.rendezvous.long_replies import LongReply
from p2pchat.rendezvous.requests import NO_MATCH, NOT_REGISTERED

Reply = bytes | LongReply


class SharedBooks(Protocol):
    """What this needs of a shared registry."""

    ready: bool
    """Whether requests may be answered."""

    @property
    def noted(self) -> int:
        """How many changes of ours there were."""

    def when_ready(self) -> Deferred[None]:
        """Fires when they may be."""

    def committed(self) -> Deferred[None] | None:
        """Fires when the others can know what changed until now; None: no wait."""

    def caught_up(self) -> Deferred[None] | None:
        """Fires when this server knows what others know; None: no wait."""


def shared_reply(books: SharedBooks, reply: Callable[[], Reply]) -> Reply | Deferred[Reply]:
    """The answer that `reply` gives out of memory, when it may be given."""
    if not books.ready:
        starting: Deferred[None] = books.when_ready()
        return starting.addCallback(lambda _: shared_reply(books, reply))
    before = books.noted
    said = reply()
    if books.noted != before:
        wait = books.committed()
        return said if wait is None else wait.addCallback(lambda _: said)
    if said is NOT_REGISTERED or said is NO_MATCH:
        wait = books.caught_up()
        return said if wait is None else wait.addCallback(lambda _: reply())
    return said

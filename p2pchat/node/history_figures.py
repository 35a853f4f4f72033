"""What a node counts of the messages that it keeps, as a section for its statistics.

Rules: see `p2pchat.node.figures`. Who has how much of the file is asked when somebody looks, and
is some seconds old.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from p2pchat.history.durable import DurableHistory
from p2pchat.history.waiting import MAX_WAITING
from p2pchat.node.node import ChatNode
from p2pchat.node.stats import Figure, Section, counter, gauge, limit


class Kept(NamedTuple):
    """A node that keeps messages, and what keeps them."""

    node: ChatNode
    history: DurableHistory


def history_section(node: ChatNode, history: DurableHistory) -> Section[Kept]:
    """What is counted of it now."""
    if history.ready:
        history.weight.look()
    return Section("history", HISTORY, Kept(node, history))


def _oldest(kept: Kept) -> float:
    ages = (kept.history.age(message.entry) for message in kept.node.outgoing.outbox)
    return round(max(ages, default=0.0), 1)


def _share(kept: Kept, percent: int) -> int | None:
    """A share of `history.max_bytes`, in bytes."""
    return kept.history.settings.max_bytes * percent // 100 or None


HISTORY: Final[Mapping[str, Figure[Kept]]] = {
    "failing": gauge(
        "1 while messages are not kept, otherwise 0", lambda kept: int(kept.history.failing)
    ),
    "ready": gauge("1 when the past is known, before 0", lambda kept: int(kept.history.ready)),
    "unreadable": counter(
        "damaged places of the file; what was there is left out",
        lambda kept: kept.history.unreadable,
    ),
    "waiting": gauge(
        "direct messages of ours that have not come to their end",
        lambda kept: len(kept.node.outgoing.outbox),
    ),
    "waiting_limit": limit(
        "of those at most (history.outbox_max)", lambda kept: kept.history.settings.outbox_max
    ),
    "oldest_seconds": gauge("age of the oldest of those, 0 when there is none", _oldest),
    "batches": counter("times that something was stored", lambda kept: kept.history.weight.batches),
    "unstored_bytes": gauge(
        "what came and waits to be stored, roughly", lambda kept: kept.history.weight.unstored
    ),
    "unstored_bytes_limit": limit("of that at most", lambda _: MAX_WAITING),
    "not_kept": counter("messages that could not be stored", lambda kept: kept.history.not_kept),
    "refused": counter(
        "of those, how many because too much waited to be stored",
        lambda kept: kept.history.refused,
    ),
    "removed": counter(
        "messages that were deleted because there was no room (history.max_bytes)",
        lambda kept: kept.history.removed,
    ),
    "size_bytes": gauge("size of the file, with its -wal", lambda kept: kept.history.weight.size),
    "size_bytes_limit": limit(
        "from where on the oldest are deleted (history.max_bytes)",
        lambda kept: kept.history.settings.max_bytes or None,
    ),
    "strangers_bytes": gauge(
        "of that, what all strangers said together", lambda kept: kept.history.weight.held.strangers
    ),
    "strangers_bytes_limit": limit(
        "beyond it they lose messages first (history.strangers_share)",
        lambda kept: _share(kept, kept.history.settings.strangers_share),
    ),
    "friends_bytes": gauge(
        "of that, what we said, and those to whom we wrote, as far as it is filed",
        lambda kept: kept.history.weight.held.friends,
    ),
    "largest_friend_bytes": gauge(
        "of that, what the one said who said most", lambda kept: kept.history.weight.held.most
    ),
    "largest_friend_bytes_limit": limit(
        "beyond it a friend loses messages before others do (history.peer_share)",
        lambda kept: _share(kept, kept.history.settings.peer_share),
    ),
}
"""Each figure by its name."""

"""Links that do not take what waits for them: which of them end, so that there is room.

Rules: a queue may be full for a while, and all of them together may hold so much. Friends never pay
for strangers, and a quarter becomes free, so that this is not asked for again with every line.
"""

from __future__ import annotations

from collections.abc import Container, Iterable

from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.mesh.link.send_queue import WriteBatch
from p2pchat.mesh.link_log import LinkLog


def end_stalled(links: Iterable[IPeerLink], longest: float, now: float, log: LinkLog) -> None:
    """End the links that took nothing of a full queue for longer than so many seconds."""
    for link in [*links]:
        since = link.queue.full_since
        if since is not None and now - since > longest:
            log.stalled += 1
            link.give_up(f"took nothing of a full queue for {longest:g} s")


def end_longest(
    links: Iterable[IPeerLink],
    batch: WriteBatch,
    limit: int,
    friends: Container[str],
    log: LinkLog,
) -> None:
    """All queues together hold more than `limit` bytes: end the links with the longest.

    First come the links of strangers, and of those the ones in which answers wait that nobody
    reads, then the ones with messages of ours.
    """
    full = [link for link in links if link.queue.bytes_lasting]
    full.sort(key=lambda it: (it.peer_id not in friends, it.queue.burden), reverse=True)
    for link in full:
        if batch.waiting <= limit * 3 // 4:
            break
        log.for_room += 1
        link.queue.drop()
        link.give_up("did not read, while all queues together held too much")

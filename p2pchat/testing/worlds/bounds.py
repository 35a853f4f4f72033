"""The check of a world that looks at what is bounded: queues, tables and what waits (I5).

Rules: each figure of a node is at most what its settings say, at any time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from p2pchat.mesh.discovery.schedule import REQUESTS_A_MINUTE
from p2pchat.node.node import ChatNode
from p2pchat.testing.worlds.inner import Violation


def bound_violations(node: ChatNode) -> Iterator[Violation]:
    """What is more than it may be."""
    limits, history, outbox = node.settings.limits, node.settings.history, node.outgoing.outbox
    links = node.mesh.links
    waiting = [link.queue.bytes_waiting for link in links]
    per_address: dict[str, int] = {}
    for link in links:
        host = link.address.rpartition(":")[0]
        per_address[host] = per_address.get(host, 0) + 1
    for what, figure, most in (
        ("links", len(links), limits.max_links),
        ("links from one address", max(per_address.values(), default=0), limits.max_links_per_ip),
        ("known peers", len(node.peers), limits.max_known_peers),
        ("ids remembered", node.incoming.remembered, limits.remembered_ids),
        ("messages that wait", len(outbox) - outbox.on_their_way, history.outbox_max),
        ("bytes that wait for a peer", max(waiting, default=0), limits.max_queue_bytes),
        ("bytes that wait in all", sum(waiting), limits.max_queues_bytes),
    ):
        if figure > most:
            yield Violation("I5", f"too many {what}", f"{node.me.peer_id}: {figure} of {most}")


def asks_too_often(times: Sequence[float]) -> bool:
    """Whether so many requests in order are more in any minute than the budget and a farewell."""
    most = REQUESTS_A_MINUTE + 1
    return any(late - early < 60.0 for early, late in zip(times, times[most:], strict=False))

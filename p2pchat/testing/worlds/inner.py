"""The checks of a world that look inside a node: who holds a message, and what is to become of it.

Rules: all that knows how a node keeps its messages is in `inner_violations`. Everything else of a
world goes by what a node tells and shows, and by its file.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from p2pchat.node.node import ChatNode
from p2pchat.node.outbox import Stage


class Violation(NamedTuple):
    """Something that must not be."""

    check: str
    """Which check found it, for example L2."""
    kind: str
    """What was wrong, the same words each time."""
    what: str = ""
    """The message or the node with which."""


def inner_violations(
    node: ChatNode, waited: Collection[str], written: Collection[str]
) -> list[Violation]:
    """What is wrong in a node between two turns; it is asked after each of them.

    `waited`: the msg_ids that a script or a control request waits for, and of which nothing was
    told yet. `written`: those of our messages that are in the file.
    """
    history, outgoing = node.history, node.outgoing
    wrong: list[Violation] = []
    if history is None:
        return wrong
    if not history.ready:
        if outgoing.sent:
            wrong.append(Violation("L4", "a direct message went out before the past was known"))
        elif not _may_say_something(node) and any(link.sent for link in node.mesh.links):
            wrong.append(Violation("L4", "another line went out before the past was known"))
    outbox = outgoing.outbox
    if not (waited or len(outbox)):
        return wrong
    pending = outbox._on_their_way
    store = history._store
    batches = [batch for batch in (store._next, store._writing) if batch is not None]
    gathered = {entry.said_id for batch in batches for entry in batch.entries}
    for msg_id in waited:
        queued = outbox.get(msg_id)
        if msg_id in pending or msg_id in outgoing.outcomes.ending:
            continue
        if queued is None:
            wrong.append(Violation("L1", "it waits for a message that nobody has", msg_id))
            continue
        peer = node.peers.get(queued.peer_id)
        linked = peer is not None and bool(peer.links)
        if queued.stage is not Stage.UNSENT:
            wrong.append(Violation("L1", f"nobody tells the end of one {queued.stage}", msg_id))
        elif queued.entry.id and msg_id not in gathered and not linked:
            wrong.append(Violation("L1", "UNSENT and written, and nothing was told", msg_id))
    sent = [message.sent_at or 0.0 for message in pending.values()]
    if sent != sorted(sent):
        wrong.append(Violation("L3", "the deadlines are not in order", node.me.peer_id))
    ready, unsent_of = history.ready, outbox._unsent
    for queued in outbox if len(outbox) else ():
        entry, stage, link = queued.entry, queued.stage, queued.link
        msg_id, peer_id = queued.msg_id, entry.conversation
        if stage is Stage.ON_ITS_WAY and link not in _links(node, peer_id):
            wrong.append(Violation("L2", "ON_ITS_WAY, and its link is closed", msg_id))
        if stage is Stage.ON_ITS_WAY and msg_id not in pending:
            wrong.append(Violation("L2", "ON_ITS_WAY without a deadline", msg_id))
        if stage is Stage.OVERDUE and link is None:
            wrong.append(Violation("L2", "OVERDUE, and it was never handed to a link", msg_id))
        if (stage is Stage.UNSENT) is not (msg_id in unsent_of.get(peer_id, ())):
            wrong.append(Violation("L2", f"{stage}, and the table of UNSENT differs", msg_id))
        if ready and not entry.id:
            wrong.append(Violation("L5", "the past is known, and it has no number", msg_id))
        elif ready and msg_id not in written and msg_id not in gathered:
            wrong.append(Violation("L5", "neither in the file nor in a batch", msg_id))
    return wrong


def _may_say_something(node: ChatNode) -> bool:
    """Whether there is something to say that is no message: that it is away, or where peers are."""
    return bool(node.absences._line) or node._make_book is not None


def _links(node: ChatNode, peer_id: str) -> Collection[Any]:
    peer = node.peers.get(peer_id)
    return () if peer is None else peer.links

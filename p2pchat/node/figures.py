"""What a node counts and what limits it, as sections for its statistics.

Rules: a figure stands once, with its kind, what it means and how it is read. Reading changes
nothing, and costs nobody anything between two snapshots.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final, TypeAlias

from p2pchat import __version__
from p2pchat.mesh.link.send_queue import SendQueue
from p2pchat.mesh.peers import Status
from p2pchat.node.history_figures import history_section
from p2pchat.node.node import ChatNode
from p2pchat.node.process_figures import PROCESS, log_section
from p2pchat.node.security_figures import SECURITY
from p2pchat.node.stats import Figure, Section, Statistics, counter, gauge, limit, text
from p2pchat.wire.outputs import Ending

_NodeFigures: TypeAlias = Mapping[str, Figure[ChatNode]]


def statistics(node: ChatNode) -> Statistics:
    """All counters and limits of a node that listens, and of who counts something beside it."""
    sections: list[Section[Any]] = [Section(name, each, node) for name, each in _NODE.items()]
    if node.history is not None:
        sections.append(history_section(node, node.history))
    return Statistics([*sections, log_section(), *(make() for make in node.counting)])


def _limit(meaning: str, setting: str) -> Figure[ChatNode]:
    """A limit that is a setting of `limits`."""
    return limit(
        f"{meaning} (limits.{setting})", lambda node: getattr(node.settings.limits, setting)
    )


def _queues(node: ChatNode) -> Iterator[SendQueue]:
    return (link.queue for link in node.mesh.links)


def _with_status(status: Status, node: ChatNode) -> int:
    return sum(peer.status is status for peer in node.peers)


_PROGRAM: Final[_NodeFigures] = {
    "peer_id": text("who this node is", lambda node: node.me.peer_id),
    "version": text("p2pchat's version", lambda _: __version__),
    "port": gauge("TCP port that peers reach us on", lambda node: node.port),
    "uptime_seconds": gauge(
        "seconds since the node started",
        lambda node: round(node.clock.seconds() - node.started_at, 1),
    ),
    **PROCESS,
}
_LINKS: Final[_NodeFigures] = {
    "open": gauge("links whose handshake is done", lambda node: len(node.mesh.links)),
    "connections": gauge(
        "connections with peers, handshakes in progress included",
        lambda node: node.mesh.admission.links,
    ),
    "connections_limit": limit(
        "connections at most (limits.max_links, descriptors)",
        lambda node: node.mesh.admission.max_links,
    ),
    "per_address_limit": _limit("connections from one address", "max_links_per_ip"),
    "handshakes": gauge(
        "inbound connections that have not said HELLO yet",
        lambda node: node.mesh.admission.handshakes,
    ),
    "handshakes_limit": _limit("of those at most", "max_handshakes"),
    "handshakes_per_address_limit": _limit("of those from one address", "max_handshakes_per_ip"),
    "gave_way": counter(
        "connections without HELLO whose place a newcomer took",
        lambda node: node.mesh.admission.gave_way,
    ),
    "displaced": counter(
        "links that were written to until another of their peer's took over",
        lambda node: node.mesh.second_links.displaced,
    ),
    "look_alikes_not_told": counter(
        "links with a name that looks like a friend's, beyond those that the person was told of",
        lambda node: node.mesh.look_alikes.not_told,
    ),
    "refused": counter(
        'inbound connections that were told "busy"', lambda node: node.mesh.admission.refused
    ),
    "blocked": gauge("entries of the list of who is blocked", lambda node: len(node.mesh.blocking)),
    "refused_blocked": counter(
        "links that were refused, or ended, because their peer is blocked",
        lambda node: node.mesh.blocking.refused,
    ),
    "postponed_dials": counter(
        "dials that wait because there are as many links as may be",
        lambda node: node.mesh.admission.postponed,
    ),
    "handshakes_late": counter(
        "connections that ended because no handshake came in time",
        lambda node: node.mesh.link_log.endings[Ending.TIMEOUT],
    ),
    "ended_silent": counter(
        "links that ended because nothing came for three PINGs",
        lambda node: node.mesh.keepalive.ended,
    ),
    "ended_stalled": counter(
        "links that ended because they took nothing of a full queue",
        lambda node: node.mesh.link_log.stalled,
    ),
    "ended_for_room": counter(
        "links that ended because all queues together held too much",
        lambda node: node.mesh.link_log.for_room,
    ),
    "ended_violation": counter(
        "links that ended by a line too long, or by too many bad ones",
        lambda node: node.mesh.link_log.endings[Ending.VIOLATION],
    ),
    "ended_lost": counter(
        "connections that broke or went silent, those above included",
        lambda node: node.mesh.link_log.endings[Ending.LOST],
    ),
    "paused": gauge(
        "links that are not read now: they send too fast, or do not read",
        lambda node: sum(link.waits_for_us for link in node.mesh.links),
    ),
    "rate_pauses": counter(
        "times that one was paused because its peer sent too fast",
        lambda node: (
            node.mesh.link_log.rate_pauses + sum(link.rate_pauses for link in node.mesh.links)
        ),
    ),
    "rate_limit": limit(
        "messages a second from one peer (limits.peer_rate; 0: any)",
        lambda node: node.settings.limits.peer_rate,
    ),
    "bytes_limit": limit(
        "bytes a second from one peer (limits.peer_bytes; 0: any)",
        lambda node: node.settings.limits.peer_bytes,
    ),
}
_QUEUES: Final[_NodeFigures] = {
    "waiting_bytes": gauge(
        "bytes that wait to be sent, all links together",
        lambda node: sum(queue.bytes_waiting for queue in _queues(node)),
    ),
    "waiting_bytes_limit": _limit("of those at most", "max_queues_bytes"),
    "longest_bytes": gauge(
        "bytes that wait on the link where most do",
        lambda node: max((queue.bytes_waiting for queue in _queues(node)), default=0),
    ),
    "longest_bytes_limit": _limit("bytes that may wait on one link", "max_queue_bytes"),
    "full": gauge(
        "links that took nothing since a message was refused for them",
        lambda node: sum(queue.full_since is not None for queue in _queues(node)),
    ),
    "refused_lines": counter(
        "messages refused because too much waited for a peer",
        lambda node: (
            node.mesh.link_log.refused_lines + sum(queue.refused for queue in _queues(node))
        ),
    ),
    "stall_seconds_limit": _limit("how long a queue may stay full", "stall_timeout"),
}
_PEERS: Final[_NodeFigures] = {
    "known": gauge("peers in the table", lambda node: len(node.peers)),
    "known_limit": _limit("peers in the table at most", "max_known_peers"),
    **{
        status.value.lower(): gauge(f"peers that are {status.value}", partial(_with_status, status))
        for status in Status
    },
    "refused": counter(
        "listed peers that found no place in the table", lambda node: node.peers.refused
    ),
    "addresses_refused": counter(
        "addresses of listings that are not dialed, counted with each listing",
        lambda node: node.peers.addresses_refused,
    ),
    "forgotten": counter(
        "peers without a link that had to make way", lambda node: node.peers.forgotten
    ),
}
_MESSAGES: Final[_NodeFigures] = {
    "sent": counter("direct messages sent", lambda node: node.outgoing.sent),
    "delivered": counter(
        "of those, how many were acknowledged", lambda node: node.outgoing.outcomes.delivered
    ),
    "undelivered": counter(
        "of those, how many were not", lambda node: node.outgoing.outcomes.undelivered
    ),
    "published": counter("messages published", lambda node: node.outgoing.publishing.count),
    "received": counter(
        "messages received, repetitions not counted", lambda node: node.incoming.received
    ),
    "pending_acks": gauge(
        "messages of ours that wait for their ACK", lambda node: node.outgoing.pending
    ),
    "pending_acks_limit": _limit("of those at most", "max_pending_acks"),
    "duplicates": counter(
        "messages that came again and were not shown", lambda node: node.incoming.duplicates
    ),
    "ignored": counter(
        "messages of peers whom the person ignores", lambda node: node.incoming.left_out
    ),
    "dropped": counter(
        "published messages not sent to a peer that did not keep up",
        lambda node: node.outgoing.publishing.dropped,
    ),
    "other_texts": counter(
        "messages that had the id of another one and another text; they were shown",
        lambda node: node.incoming.other_texts,
    ),
    "bad_lines": counter(
        "lines that were no message", lambda node: node.mesh.link_log.remarks["bad line"]
    ),
    "bad_lines_in_row_limit": _limit("so many in a row end a link", "max_bad_lines"),
    "long_lines": counter(
        "lines that passed the limit, each of which ended its link",
        lambda node: node.mesh.link_log.remarks["long line"],
    ),
    "for_others": counter(
        "messages for somebody else, which were dropped",
        lambda node: node.mesh.link_log.remarks["not for us"],
    ),
    "claimed": counter(
        "runs of messages that claimed another sender than their link's peer",
        lambda node: node.mesh.link_log.remarks["claimed src"],
    ),
    "remembered_ids": gauge("ids kept to know repetitions", lambda node: node.incoming.remembered),
    "remembered_ids_limit": _limit("ids kept to know repetitions", "remembered_ids"),
}
_RENDEZVOUS: Final[_NodeFigures] = {
    "address": text(
        "the rendezvous that this node uses", lambda node: node.presence.directory.address
    ),
    "registered": gauge(
        "1 while we are registered, otherwise 0", lambda node: int(node.presence.grant is not None)
    ),
    "registered_seconds": gauge(
        "seconds since we registered; 0 while we are not",
        lambda node: (
            0
            if node.presence.grant is None
            else round(node.clock.seconds() - node.presence.registered_at, 1)
        ),
    ),
    "trouble": text(
        "why the last request failed, empty when it did not", lambda node: node.presence.trouble
    ),
}
_NODE: Final = {
    "program": _PROGRAM,
    "links": _LINKS,
    "security": SECURITY,
    "queues": _QUEUES,
    "peers": _PEERS,
    "messages": _MESSAGES,
    "rendezvous": _RENDEZVOUS,
}

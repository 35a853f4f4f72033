"""What a node counts and what limits it, as sections for its statistics.

Rules: a figure's name and help are said once, in the tables at the top, and `_links` reads what
`_LINKS` names. Reading changes nothing, and costs nobody anything between two snapshots.
"""

from __future__ import annotations

import resource
import sys
from typing import Final

from p2pchat import __version__
from p2pchat.logs.output import counters, lost_lines
from p2pchat.mesh.peers import Status
from p2pchat.node.node import ChatNode
from p2pchat.node.stats import Figure, Kind, Section, Statistics, Values
from p2pchat.wire.outputs import Ending

_C, _G, _L, _T = Kind.COUNTER, Kind.GAUGE, Kind.LIMIT, Kind.TEXT

_PROGRAM: Final = (
    Figure("peer_id", _T, "who this node is"),
    Figure("version", _T, "p2pchat's version"),
    Figure("port", _G, "TCP port that peers reach us on"),
    Figure("uptime_seconds", _G, "seconds since the node started"),
    Figure("cpu_seconds", _C, "processor time used by the process"),
    Figure("peak_memory_bytes", _G, "largest resident memory so far"),
)
_LINKS: Final = (
    Figure("open", _G, "links whose handshake is done"),
    Figure("connections", _G, "connections with peers, handshakes in progress included"),
    Figure("connections_limit", _L, "connections at most (limits.max_links, descriptors)"),
    Figure("per_address_limit", _L, "connections from one address (limits.max_links_per_ip)"),
    Figure("handshakes", _G, "inbound connections that have not said HELLO yet"),
    Figure("handshakes_limit", _L, "of those at most (limits.max_handshakes)"),
    Figure("refused", _C, 'inbound connections that were told "busy"'),
    Figure("postponed_dials", _C, "dials that wait because there are as many links as may be"),
    Figure("handshakes_late", _C, "connections that ended because no handshake came in time"),
    Figure("ended_silent", _C, "links that ended because nothing came for three PINGs"),
    Figure("ended_stalled", _C, "links that ended because they took nothing of a full queue"),
    Figure("ended_violation", _C, "links that ended by a line too long, or by too many bad ones"),
    Figure("ended_lost", _C, "connections that broke or went silent, those above included"),
    Figure("paused", _G, "links that are not read now: they send too fast, or do not read"),
    Figure("rate_pauses", _C, "times that one was paused because its peer sent too fast"),
    Figure("rate_limit", _L, "messages a second from one peer (limits.peer_rate; 0: any)"),
)
_QUEUES: Final = (
    Figure("waiting_bytes", _G, "bytes that wait to be sent, all links together"),
    Figure("longest_bytes", _G, "bytes that wait on the link where most do"),
    Figure("longest_bytes_limit", _L, "bytes that may wait on one link (limits.max_queue_bytes)"),
    Figure("full", _G, "links that took nothing since a message was refused for them"),
    Figure("refused_lines", _C, "messages refused because too much waited for a peer"),
    Figure("stall_seconds_limit", _L, "how long a queue may stay full (limits.stall_timeout)"),
)
_PEERS: Final = (
    Figure("known", _G, "peers in the table"),
    Figure("known_limit", _L, "peers in the table at most (limits.max_known_peers)"),
    *(Figure(status.value.lower(), _G, f"peers that are {status.value}") for status in Status),
    Figure("refused", _C, "listed peers that found no place in the table"),
    Figure("forgotten", _C, "peers without a link that had to make way"),
)
_MESSAGES: Final = (
    Figure("sent", _C, "direct messages sent"),
    Figure("delivered", _C, "of those, how many were acknowledged"),
    Figure("undelivered", _C, "of those, how many were not"),
    Figure("published", _C, "messages published"),
    Figure("received", _C, "messages received, repetitions not counted"),
    Figure("pending_acks", _G, "messages of ours that wait for their ACK"),
    Figure("pending_acks_limit", _L, "of those at most (limits.max_pending_acks)"),
    Figure("duplicates", _C, "messages that came again and were not shown"),
    Figure("dropped", _C, "published messages not sent to a peer that did not keep up"),
    Figure("bad_lines", _C, "lines that were no message"),
    Figure("bad_lines_in_row_limit", _L, "so many in a row end a link (limits.max_bad_lines)"),
    Figure("long_lines", _C, "lines that passed the limit, each of which ended its link"),
    Figure("not_for_us", _C, "messages for somebody else, which were dropped"),
    Figure("claimed", _C, "runs of messages that claimed another sender than their link's peer"),
    Figure("remembered_ids", _G, "ids kept to know repetitions"),
    Figure("remembered_ids_limit", _L, "ids kept to know repetitions (limits.remembered_ids)"),
)
_RENDEZVOUS: Final = (
    Figure("address", _T, "the rendezvous that this node uses"),
    Figure("registered", _G, "1 while we are registered, otherwise 0"),
    Figure("trouble", _T, "why the last request failed, empty when it did not"),
)
_LOG: Final = (
    Figure("debug", _C, "lines at DEBUG"),
    Figure("info", _C, "lines at INFO"),
    Figure("warning", _C, "lines at WARNING"),
    Figure("error", _C, "lines at ERROR"),
    Figure("failures", _C, "of those, faults of the program itself, with a traceback"),
    Figure("lost_lines", _C, "lines that could not be written to the file"),
)


def statistics(node: ChatNode) -> Statistics:
    """All counters and limits of a node that listens, and of who counts something beside it."""
    return Statistics([*_sections(node), *(make() for make in node.counting)])


def _sections(node: ChatNode) -> list[Section]:
    return [
        Section("program", _PROGRAM, lambda: _program(node, node.clock.seconds())),
        Section("links", _LINKS, lambda: _links(node)),
        Section("queues", _QUEUES, lambda: _queues(node)),
        Section("peers", _PEERS, lambda: _peers(node)),
        Section("messages", _MESSAGES, lambda: _messages(node)),
        Section("rendezvous", _RENDEZVOUS, lambda: _rendezvous(node)),
        Section("log", _LOG, _log),
    ]


def _program(node: ChatNode, now: float) -> Values:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "peer_id": node.me.peer_id,
        "version": __version__,
        "port": node.port,
        "uptime_seconds": round(now - node.started_at, 1),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        # Kilobytes on Linux, bytes on macOS.
        "peak_memory_bytes": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
    }


def _links(node: ChatNode) -> Values:
    admission, limits = node.mesh.admission, node.settings.limits
    links = node.mesh.links
    return {
        "open": len(links),
        "connections": admission.links,
        "connections_limit": admission.max_links,
        "per_address_limit": limits.max_links_per_ip,
        "handshakes": admission.handshakes,
        "handshakes_limit": limits.max_handshakes,
        "refused": admission.refused,
        "postponed_dials": admission.postponed,
        "handshakes_late": node.mesh.link_log.endings[Ending.TIMEOUT],
        "ended_silent": node.mesh.keepalive.ended,
        "ended_stalled": node.mesh.link_log.stalled,
        "ended_violation": node.mesh.link_log.endings[Ending.VIOLATION],
        "ended_lost": node.mesh.link_log.endings[Ending.LOST],
        "paused": sum(link.waits_for_us for link in links),
        "rate_pauses": node.mesh.link_log.rate_pauses + sum(link.rate_pauses for link in links),
        "rate_limit": limits.peer_rate,
    }


def _queues(node: ChatNode) -> Values:
    queues, limits = [link.queue for link in node.mesh.links], node.settings.limits
    return {
        "waiting_bytes": sum(queue.bytes_waiting for queue in queues),
        "longest_bytes": max((queue.bytes_waiting for queue in queues), default=0),
        "longest_bytes_limit": limits.max_queue_bytes,
        "full": sum(queue.full_since is not None for queue in queues),
        "refused_lines": node.mesh.link_log.refused_lines + sum(queue.refused for queue in queues),
        "stall_seconds_limit": limits.stall_timeout,
    }


def _peers(node: ChatNode) -> Values:
    by_status = dict.fromkeys(Status, 0)
    for peer in node.peers:
        by_status[peer.status] += 1
    return {
        "known": len(node.peers),
        "known_limit": node.settings.limits.max_known_peers,
        **{status.value.lower(): count for status, count in by_status.items()},
        "refused": node.peers.refused,
        "forgotten": node.peers.forgotten,
    }


def _messages(node: ChatNode) -> Values:
    incoming, outgoing, limits = node.incoming, node.outgoing, node.settings.limits
    return {
        "sent": outgoing.sent,
        "delivered": outgoing.delivered,
        "undelivered": outgoing.undelivered,
        "published": outgoing.published,
        "received": incoming.received,
        "pending_acks": outgoing.pending,
        "pending_acks_limit": limits.max_pending_acks,
        "duplicates": incoming.duplicates,
        "dropped": outgoing.dropped,
        "bad_lines": node.mesh.link_log.remarks["bad line"],
        "bad_lines_in_row_limit": limits.max_bad_lines,
        "long_lines": node.mesh.link_log.remarks["long line"],
        "not_for_us": node.mesh.link_log.remarks["not for us"],
        "claimed": node.mesh.link_log.remarks["claimed src"],
        "remembered_ids": incoming.remembered,
        "remembered_ids_limit": limits.remembered_ids,
    }


def _rendezvous(node: ChatNode) -> Values:
    presence = node.presence
    return {
        "address": presence.directory.address,
        "registered": int(presence.grant is not None),
        "trouble": presence.trouble,
    }


def _log() -> Values:
    by_level = {name.lower(): count for name, count in counters.by_level.items()}
    return {**by_level, "failures": counters.failures, "lost_lines": lost_lines()}

"""What a node knows, as JSON for programs: the answers of `docs/control.md` about peers and links.

Rules: pure functions; times are passed in. `p2pchat.console.reports` tells a person the same. Texts
are as they came; whoever shows them on a terminal makes them printable first.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from p2pchat.mesh.peers import Peer


def peers_data(peers: Iterable[Peer], namespace: str | None) -> list[dict[str, Any]]:
    """All known peers, or those of a namespace, by peer_id."""
    return [
        {
            "peer_id": peer.peer_id,
            "status": peer.status.value,
            "addresses": [_address(ip, port) for ip, port in peer.addresses],
            "listed": peer.listed,
            "links": len(peer.links),
            "rtt_seconds": _rounded(peer.average_round_trip),
        }
        for peer in _sorted(peers)
        if namespace in (None, peer.namespace)
    ]


def links_data(peers: Iterable[Peer], now: float, wall_now: float) -> list[dict[str, Any]]:
    """The links of these peers; `now` is the node's clock, `wall_now` seconds since the epoch."""
    found = []
    for peer in _sorted(peers):
        for link in peer.links:
            age = max(0.0, now - link.opened_at)
            since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(wall_now - age))
            found.append(
                {
                    "peer_id": peer.peer_id,
                    "direction": "outbound" if link.outbound else "inbound",
                    "address": getattr(link, "address", ""),
                    "since": since,
                    "age_seconds": round(age, 1),
                    "sent": link.sent,
                    "received": link.received,
                }
            )
    return found


def round_trips_data(peers: Iterable[Peer]) -> list[dict[str, Any]]:
    """The round-trip times of the peers that have samples or a link, oldest sample first."""
    return [
        {
            "peer_id": peer.peer_id,
            "average_seconds": _rounded(peer.average_round_trip),
            "samples_seconds": [_rounded(sample) for sample in peer.round_trips],
        }
        for peer in _sorted(peers)
        if peer.round_trips or peer.links
    ]


def _sorted(peers: Iterable[Peer]) -> list[Peer]:
    return sorted(peers, key=lambda peer: peer.peer_id)


def _address(ip: str, port: int) -> str:
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)

"""The tables that a person asks for: peers, links, round-trip times.

Rules: pure functions from what the node knows to a `Table`; times are passed in. Columns are
aligned by what a character takes on a terminal. Text from outside is made printable here, because
a column's width depends on it.
"""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Iterable, Sequence

from msgspec import Struct

from p2pchat.mesh.peers import Peer
from p2pchat.rendezvous.directory import Listing
from p2pchat.wire.text import printable


class Table(Struct, frozen=True):
    """Titles of columns, and rows of printable cells; `empty` is what to say without any."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    empty: str = ""

    def lines(self) -> list[str]:
        """The table as wide as it needs to be, the titles first."""
        return _aligned(self.head, self.rows) if self.rows else [self.empty]


def peers_table(
    listings: Sequence[Listing] | None, peers: Iterable[Peer], own_id: str, namespace: str | None
) -> Table:
    """Who is listed, one row a peer, and who is connected without being listed; never ourselves.

    `listings` is None when the rendezvous could not be asked: then all that is known counts.
    `namespace` narrows it down, None does not.
    """
    known = {peer.peer_id: peer for peer in peers}
    addresses: dict[str, str] = {}
    # The latest registration last, so that its address stays.
    for entry in sorted(listings or (), key=lambda entry: entry.expires_in - entry.ttl):
        addresses[entry.peer_id] = _address(entry.ip, entry.port)
    unlisted = set()
    for peer in known.values():
        if peer.peer_id not in addresses and (peer.links or listings is None):
            unlisted.add(peer.peer_id)
            addresses[peer.peer_id] = _known_address(peer)
    addresses.pop(own_id, None)
    rows = []
    for peer_id in sorted(addresses):
        if namespace is not None and peer_id.rpartition("@")[2] != namespace:
            continue
        status = known[peer_id].status.value if peer_id in known else "UNKNOWN"
        if peer_id in unlisted and listings is not None:
            status += " (not listed)"
        rows.append((printable(peer_id), printable(addresses[peer_id]), status))
    where = "" if namespace is None else f" in #{printable(namespace)}"
    return Table(("peer_id", "address", "status"), rows, f"no other peers{where}")


def links_table(peers: Iterable[Peer], now: float, wall_now: float) -> Table:
    """The links of these peers; `now` is the node's clock, `wall_now` seconds since the epoch."""
    rows = []
    for peer in sorted(peers, key=lambda peer: peer.peer_id):
        for link in peer.links:
            age = max(0.0, now - link.opened_at)
            rows.append(
                (
                    printable(peer.peer_id),
                    "outbound" if link.outbound else "inbound",
                    f"{_moment(wall_now - age, age)} ({duration(age)})",
                    f"{link.received:,}",
                    f"{link.sent:,}",
                )
            )
    return Table(("peer_id", "direction", "since", "in", "out"), rows, "no links")


def round_trips_table(peers: Iterable[Peer]) -> Table:
    """The round-trip times of the peers that have samples or a link, in milliseconds."""
    rows: list[tuple[str, ...]] = []
    for peer in sorted(peers, key=lambda peer: peer.peer_id):
        average = peer.average_round_trip
        if average is None:
            if peer.links:
                rows.append((printable(peer.peer_id), "-", "-", "-", "no answer yet"))
            continue
        samples = peer.round_trips
        figures = [f"{seconds * 1000:.1f}" for seconds in (average, min(samples), samples[-1])]
        rows.append(
            (
                printable(peer.peer_id),
                *figures,
                " ".join(f"{seconds * 1000:.1f}" for seconds in samples),
            )
        )
    return Table(
        ("peer_id", "average ms", "minimum", "last", "samples, oldest first"),
        rows,
        "no links, and no round-trip times",
    )


def duration(seconds: float) -> str:
    """A time span as a person says it."""
    minutes = int(seconds) // 60
    if minutes < 1:
        return f"{int(seconds)} s"
    if minutes < 60:
        return f"{minutes} min"
    hours = minutes // 60
    if hours < 24:
        return f"{hours} h {minutes % 60} min"
    return f"{hours // 24} d {hours % 24} h"


def _moment(wall: float, age: float) -> str:
    return time.strftime("%H:%M:%S" if age < 86_400 else "%Y-%m-%d %H:%M", time.localtime(wall))


def _address(ip: str, port: int) -> str:
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def _known_address(peer: Peer) -> str:
    if peer.addresses:
        return _address(*peer.addresses[0])
    return next((str(getattr(link, "address", "-")) for link in peer.links), "-")


def _aligned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    table = [head, *rows]
    widths = [max(map(_width, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(
            cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in table
    ]


def _width(text: str) -> int:
    """Columns on a terminal."""
    if text.isascii():
        return len(text)
    return sum(
        0
        if unicodedata.category(character) in ("Mn", "Me", "Cf")
        else 1 + (unicodedata.east_asian_width(character) in "WF")
        for character in text
    )

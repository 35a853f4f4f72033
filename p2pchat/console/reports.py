"""What a node knows of its peers: rows of peers, of links and of round-trip times.

Rules: a row is what a program gets, its fields are those of `docs/control.md`, and texts in it are
as they came. The tables for a person are made of the same rows, with printable cells. Pure
functions; times are passed in.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Final

from msgspec import Struct

from p2pchat.console.replies import Table
from p2pchat.console.wording import PLAIN, security_word
from p2pchat.mesh.identity.key_text import key_text
from p2pchat.mesh.identity.known_keys import KnownKeys
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.mesh.peers import Peer
from p2pchat.rendezvous.directory import Listing
from p2pchat.speech import N_, _, ngettext
from p2pchat.wire.address import host_and_port, namespace_of
from p2pchat.wire.friends import Friends
from p2pchat.wire.names import bracketed, in_table, skeleton
from p2pchat.wire.text import printable

_ROWS_A_PIECE: Final = 1000
MOST_ROWS: Final = 500
"""Peers that are listed for a person: strangers may register as many names as they like."""
_DIRECTIONS: Final = {"outbound": N_("outbound"), "inbound": N_("inbound")}
_SOURCES: Final = {
    "rendezvous": N_("rendezvous"),
    "network": N_("network"),
    "remembered": N_("remembered"),
    "person": N_("person"),
}


class PeerRow(Struct, frozen=True, gc=False):
    """One peer that is known, or listed."""

    peer_id: str
    status: str
    addresses: Sequence[str]
    """Where it can be dialed, best first."""
    listed: bool
    """Whether anything says that it is there: the rendezvous, or its beacons on our network."""
    links: int
    linked_from: str
    """The other end of its first link, empty without one."""
    rtt_seconds: float | None
    security: str = ""
    """How safe its link is, empty without one."""
    key: str = ""
    """The key at the other end of that link, empty in the clear."""


class LinkRow(Struct, frozen=True):
    """One link."""

    peer_id: str
    direction: str
    address: str
    since: str
    """When its handshake ended, in UTC."""
    age_seconds: float
    sent: int
    received: int
    security: str = "plain"
    key: str = ""
    """The key at the other end, empty in the clear."""
    family: str = ""
    """`IPv4` or `IPv6`."""
    source: str = ""
    """Who told the address that we dialed: `rendezvous`, `network` (a beacon), `remembered` (it was
    there once) or `person`; empty if we did not dial, or it is not known any more."""


class RoundTripRow(Struct, frozen=True):
    """The round-trip times of one peer."""

    peer_id: str
    average_seconds: float | None
    """None while there are no samples."""
    samples_seconds: Sequence[float]
    """Oldest first."""


def peer_rows(
    peers: Iterable[Peer], namespace: str | None, listings: Sequence[Listing] | None = None
) -> Generator[None, None, list[PeerRow]]:
    """Who is known, and who is listed without being known; made piece by piece, see `Turns`.

    `listings` is what the rendezvous has just told, None when it was not asked: then what the node
    knows of it counts. `namespace` narrows it down, None does not.
    """
    known = {peer.peer_id: peer for peer in peers}
    # The latest registration last, so that its address stays: one of each family.
    latest = sorted(listings or (), key=lambda entry: entry.expires_in - entry.ttl)
    yield
    listed: dict[str, dict[bool, tuple[str, int]]] = {}
    for number, entry in enumerate(latest, 1):
        listed.setdefault(entry.peer_id, {})[":" in entry.ip] = (entry.ip, entry.port)
        if number % _ROWS_A_PIECE == 0:
            yield
    rows: list[PeerRow] = []
    for number, peer_id in enumerate(sorted({*known, *listed}), 1):
        if number % _ROWS_A_PIECE == 0:
            yield
        if namespace not in (None, namespace_of(peer_id)):
            continue
        peer = known.get(peer_id) or Peer(peer_id)
        addresses = _first_in_use(peer, listed[peer_id]) if peer_id in listed else peer.addresses
        rows.append(
            PeerRow(
                peer_id,
                peer.status.value,
                # No list, which every collection of garbage would look at.
                tuple(host_and_port(*address) for address in addresses),
                peer.listed if listings is None else peer_id in listed or bool(peer.seen_at),
                len(peer.links),
                peer.links[0].address if peer.links else "",
                _rounded(peer.average_round_trip),
                *(("", "") if not peer.links else _how_safe(peer.link_in_use)),
            )
        )
    return rows


def _first_in_use(peer: Peer, listed: dict[bool, tuple[str, int]]) -> Sequence[tuple[str, int]]:
    """The addresses of each family, that one first over which there is a link, or would be."""
    ip = peer.link_in_use.ip if peer.links else peer.addresses[0][0] if peer.addresses else ""
    return [listed[six] for six in sorted(listed, key=lambda six: six is not (":" in ip))]


def link_rows(peers: Iterable[Peer], now: float, wall_now: float) -> list[LinkRow]:
    """The links of these peers; `now` is the node's clock, `wall_now` seconds since the epoch."""
    return [
        LinkRow(
            peer.peer_id,
            "outbound" if link.outbound else "inbound",
            link.address,
            time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(wall_now - now + link.opened_at)),
            round(max(0.0, now - link.opened_at), 1),
            link.sent,
            link.received,
            *_how_safe(link),
            "IPv6" if ":" in link.ip else "IPv4",
            _source(peer, link),
        )
        for peer in _sorted(peers)
        for link in peer.links
    ]


def _source(peer: Peer, link: IPeerLink) -> str:
    if not link.outbound:
        return ""
    if link.dialed == "":
        return "person"
    sources = (
        ("network", peer.seen_at),
        ("rendezvous", peer.registered_at),
        ("remembered", peer.known_at),
    )
    for source, places in sources:
        if any(host_and_port(*place) == link.address for place in places):
            return source
    return ""


def round_trip_rows(peers: Iterable[Peer]) -> list[RoundTripRow]:
    """The round-trip times of the peers that have samples or a link."""
    return [
        RoundTripRow(
            peer.peer_id,
            _rounded(peer.average_round_trip),
            [round(sample, 6) for sample in peer.round_trips],
        )
        for peer in _sorted(peers)
        if peer.round_trips or peer.links
    ]


def peers_table(
    rows: Iterable[PeerRow],
    namespace: str | None,
    own_id: str,
    friends: Friends,
    *,
    asked: bool,
    known: KnownKeys | None = None,
    beside: Callable[[str], str] = lambda _peer_id: "",
) -> Table:
    """Who is listed or connected; if the rendezvous could not be `asked`, all that are known.

    Names that look like a friend's, our own or another one are marked, but not friends. With the
    `known` keys there is a column for how safe the links are. `beside`: what else there is to say
    of a peer, printable.
    """
    head: Sequence[str] = ("peer_id", _("address"), _("status"))
    present = [row for row in rows if row.links or row.listed or not asked]
    shown = present
    if len(present) > MOST_ROWS:
        shown = sorted(present, key=lambda row: not row.links)[:MOST_ROWS]
    alike = _look_alikes([row.peer_id for row in shown], own_id, friends)
    cells: list[Sequence[str]] = []
    for row in shown:
        address = row.addresses[0] if row.addresses else row.linked_from or "-"
        status = row.status
        if asked and not row.listed:
            status = _("{status} (not listed)").format(status=status)
        if row.peer_id in alike:
            like = bracketed(alike[row.peer_id])
            status = _("{status}, looks like {peer}").format(status=status, peer=like)
        status += beside(row.peer_id)
        cells.append([in_table(row.peer_id), printable(address), status])
    if known is not None:
        head = (*head, _("link"))
        cells = [
            [*cell, _link(row.peer_id, row.security, known)]
            for cell, row in zip(cells, shown, strict=True)
        ]
    if len(present) > len(shown):
        more = len(present) - len(shown)
        line = ngettext(
            "… {n:,} more (p2pchat peers --json lists all)",
            "… {n:,} more (p2pchat peers --json lists all)",
            more,
        )
        cells.append([line.format(n=more), *[""] * (len(head) - 1)])
    if namespace is None:
        return Table(head, cells, _("no other peers"))
    empty = _("no other peers in {namespace}").format(namespace=bracketed("#" + namespace))
    return Table(head, cells, empty)


def _link(peer_id: str, security: str, known: KnownKeys) -> str:
    """How safe a link is, for a person; `refused` where somebody was, and there is none."""
    if security == PLAIN and known.pin_of(peer_id) is not None:
        return _("IN THE CLEAR, key known")  # nothing is encrypted any more
    return security_word(security) or (_("refused") if known.refused_under(peer_id) else "-")


def _look_alikes(peer_ids: Iterable[str], own_id: str, friends: Friends) -> dict[str, str]:
    """Which of these are easily taken for another one, and for which."""
    first = {skeleton(own_id): own_id}
    alike = {}
    for peer_id in peer_ids:
        one = first.setdefault(skeleton(peer_id), peer_id)
        if peer_id not in friends and (friends.taken_for(peer_id) or one) != peer_id:
            alike[peer_id] = friends.taken_for(peer_id) or one
    return alike


def links_table(
    rows: Iterable[LinkRow],
    wall_now: float,
    known: KnownKeys | None = None,
    beside: Callable[[str], str] = lambda _peer_id: "",
) -> Table:
    """The links; `wall_now` is seconds since the epoch, the others as in `peers_table`."""
    safe_column = () if known is None else (_("link"),)
    way_columns = (_("over"), _("from"))
    counted = (_("in"), _("out"))
    head = ("peer_id", _("direction"), _("since"), *counted, *safe_column, *way_columns)
    cells = []
    for row in rows:
        age = row.age_seconds
        form = "%H:%M:%S" if age < 86_400 else "%Y-%m-%d %H:%M"
        since = f"{time.strftime(form, time.localtime(wall_now - age))} ({duration(age)})"
        counts = (f"{row.received:,}", f"{row.sent:,}")
        safe = () if known is None else (_link(row.peer_id, row.security, known),)
        direction = _(_DIRECTIONS[row.direction]) + beside(row.peer_id)
        way = (row.family or "-", _(_SOURCES[row.source]) if row.source else "-")
        cells.append((in_table(row.peer_id), direction, since, *counts, *safe, *way))
    return Table(head, cells, _("no links"), spare=len(way_columns))


def round_trips_table(
    rows: Iterable[RoundTripRow], beside: Callable[[str], str] = lambda _peer_id: ""
) -> Table:
    """The round-trip times in milliseconds; `beside` as in `peers_table`."""
    figures = (_("average ms"), _("minimum"), _("last"))
    head = ("peer_id", *figures, _("samples, oldest first"))
    cells = []
    for row in rows:
        samples = " ".join(map(_milliseconds, row.samples_seconds)) or _("no answer yet")
        cells.append(
            (in_table(row.peer_id), *round_trip_figures(row), samples + beside(row.peer_id))
        )
    return Table(head, cells, _("no links, and no round-trip times"))


def round_trip_figures(row: RoundTripRow) -> tuple[str, str, str]:
    """The average, the least and the last of the samples in milliseconds."""
    average, samples = row.average_seconds, row.samples_seconds
    if average is None:
        return "-", "-", "-"
    return _milliseconds(average), _milliseconds(min(samples)), _milliseconds(samples[-1])


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


def _milliseconds(seconds: float) -> str:
    """A round-trip time as it stands in a table."""
    return f"{seconds * 1000:.1f}"


def _how_safe(link: IPeerLink) -> tuple[str, str]:
    """The security of a link, and the text of its key."""
    return link.security, "" if link.key is None else key_text(link.key)


def _sorted(peers: Iterable[Peer]) -> list[Peer]:
    return sorted(peers, key=lambda peer: peer.peer_id)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)

"""The commands about peers and the links with them: /peers, /conn, /rtt, /reconnect, /block.

    /peers #CIC   ->  a Deferred of a Reply: the rendezvous is asked
    /conn         ->  a Reply with a table

Rules: the tables are those of `p2pchat.console.reports`; what takes time is waited for on the
person's clock, never for long.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from p2pchat.console.commands.row import Command, Person, until
from p2pchat.console.replies import Answer, Reply, said, tabled, wrong
from p2pchat.console.reports import (
    PeerRow,
    link_rows,
    links_table,
    peer_rows,
    peers_table,
    round_trip_rows,
    round_trips_table,
)
from p2pchat.node.node import ChatNode
from p2pchat.rendezvous.directory import DirectoryError, Listing, Listings
from p2pchat.speech import N_, Spoken, _, ngettext, spoken
from p2pchat.wire.address import namespace_of, namespace_of_scope, the_one_called
from p2pchat.wire.names import bracketed
from p2pchat.wire.text import shortened

PONG_WAIT: Final = 1.0
"""Seconds that /rtt waits for the answers of peers that have no sample yet."""


def _peers(person: Person, rest: str) -> Answer:
    node, scope = person.node, rest.strip() or "*"
    whole = scope == "all"
    scope = "*" if whole else scope
    try:
        namespace = namespace_of_scope(scope)
    except ValueError:
        return PEERS.misused()

    own_id = node.me.peer_id

    def reply(
        listings: Sequence[Listing] | None, *lines: Spoken, asked: bool = True
    ) -> Deferred[Reply]:
        def listed(rows: Sequence[PeerRow]) -> Reply:
            others = [row for row in rows if row.peer_id != own_id]
            table = peers_table(
                others,
                namespace,
                own_id,
                node.friends,
                asked=asked,
                known=node.known,
                beside=lambda peer_id: _beside(node, peer_id),
            )
            return tabled(table, *lines)

        rows = node.mesh.turns.do(peer_rows(node.peers, namespace, listings))
        return rows.addCallback(listed)

    def answered(listings: Listings) -> Deferred[Reply]:
        # Who is not among some of them may be registered all the same.
        whole = None if node.presence.partial else listings
        return reply(whole, *_some_of(node, listings))

    def not_asked(failure: Failure) -> Deferred[Reply]:
        failure.trap(DirectoryError)
        why = spoken(failure.value)
        text = _("the rendezvous could not be asked: {why}").format(why=why)
        return reply(None, text, _("what is known:"), asked=False)

    return node.presence.discover(whole=whole).addCallbacks(answered, not_asked)


def _some_of(node: ChatNode, listings: Listings) -> list[str]:
    """What to say when the rendezvous has named only some of those who are registered."""
    lines = []
    own = namespace_of(node.me.peer_id)
    if listings.total is not None and not listings.whole:
        some = _(
            "asked for {few:,} of {all:,} in {namespace}, and those that are known;"
            " /peers all asks for all"
        )
        where = bracketed("#" + own)
        lines.append(some.format(few=len(listings), all=listings.total, namespace=where))
    if node.presence.registered_in_all:
        count = node.presence.registered_in_all
        others = ngettext(
            "{n:,} is registered in all namespaces: whoever is not in {namespace} is looked for"
            " when written to",
            "{n:,} are registered in all namespaces: whoever is not in {namespace} is looked for"
            " when written to",
            count,
        )
        lines.append(others.format(n=count, namespace=bracketed("#" + own)))
    return lines


def _beside(node: ChatNode, peer_id: str) -> str:
    """What the person calls a peer, has decided about it, and what it says of itself."""
    away = node.absences.text_of(peer_id)
    words = [_("ignored")] if peer_id in node.lists.ignored else []
    words += [_("away: {text}").format(text=away)] if away else []
    return alias_beside(node, peer_id) + "".join(f", {word}" for word in words)


def alias_beside(node: ChatNode, peer_id: str) -> str:
    """What tables say beside a peer that the person calls by another name; empty if it is none."""
    alias = node.lists.called(peer_id)
    return "" if alias == peer_id else _(", alias {alias}").format(alias=alias)


def _conn(person: Person, _rest: str) -> Answer:
    node, wall_now = person.node, person.node.wall()
    rows = link_rows(node.peers.connected(), person.clock.seconds(), wall_now)
    return tabled(links_table(rows, wall_now, node.known, partial(alias_beside, node)))


def _rtt(person: Person, _rest: str) -> Answer:
    node = person.node
    asked = [peer for peer in node.peers.connected() if not peer.round_trips]
    for peer in asked:
        peer.links[0].ping()

    def come() -> bool:
        return not any(peer.links and not peer.round_trips for peer in asked)

    return until(person.clock, come, PONG_WAIT).addCallback(
        lambda _over: tabled(
            round_trips_table(round_trip_rows(node.peers), partial(alias_beside, node))
        )
    )


def _reconnect(person: Person, _rest: str) -> Answer:
    count = person.node.mesh.reconnect()
    if not count:
        return said(_("there is nobody to dial"))
    return said(ngettext("dialing {n} peer", "dialing {n} peers", count).format(n=count))


def _block(person: Person, rest: str) -> Answer:
    blocking, name = person.node.mesh.blocking, rest.strip()
    if not name:
        lines = [f"{shortened(entry, 130)} (limits.blocked)" for entry in blocking.configured]
        lines += [
            _("{entry} (until this program ends)").format(entry=shortened(entry, 130))
            for entry in blocking.added
        ]
        return said(*(lines or [_("nobody is blocked")]))
    try:
        entry = blocking.block(person.node.peers.called(name))
    except ValueError as why:
        return wrong(why)
    shown = shortened(entry, 130)
    if entry in blocking.configured:
        return said(_("[{entry}] is blocked by limits.blocked").format(entry=shown))
    return said(
        _("[{entry}] is blocked until this program ends").format(entry=shown),
        _("to keep it, add it to limits.blocked in the configuration; a reload applies that"),
    )


def _unblock(person: Person, rest: str) -> Answer:
    blocking, name = person.node.mesh.blocking, rest.strip()
    if not name:
        return UNBLOCK.misused()
    try:
        entry = blocking.unblock(the_one_called(name, blocking.added))
    except ValueError as why:
        return wrong(why)
    return said(_("[{entry}] is not blocked any more").format(entry=shortened(entry, 130)))


PEERS: Final = Command(
    "peers", "[* | #namespace | all]", N_("ask the rendezvous who is there, and list them"), _peers
)
CONN: Final = Command(
    "conn", "", N_("the links: direction, since when, messages in and out"), _conn
)
RTT: Final = Command("rtt", "", N_("the round-trip times of the peers"), _rtt)
RECONNECT: Final = Command(
    "reconnect", "", N_("dial every peer that is not connected, now"), _reconnect
)
BLOCK: Final = Command(
    "block",
    "[peer_id | NAME@* | *@NAMESPACE | address | network]",
    N_("have no link with these until the program ends; alone: list who is blocked"),
    _block,
    needs_peers=False,
)
UNBLOCK: Final = Command(
    "unblock", "<entry>", N_("take back what /block added"), _unblock, needs_peers=False
)

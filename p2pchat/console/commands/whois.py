"""/whois: what is known of one peer, in a few lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from p2pchat.console.commands.row import Command, Person
from p2pchat.console.commands.whom import peer_named
from p2pchat.console.replies import Answer, said, wrong
from p2pchat.console.reports import duration
from p2pchat.mesh.identity.key_words import since
from p2pchat.node.news import NotSentError
from p2pchat.wire.address import host_and_port
from p2pchat.wire.names import bracketed, in_table
from p2pchat.wire.text import printable


def _whois(person: Person, rest: str) -> Answer:
    if not rest.strip():
        return WHOIS.misused()
    try:
        return said(*_lines(person, peer_named(person, rest.strip())))
    except (NotSentError, ValueError) as why:
        return wrong(why)


def _lines(person: Person, peer_id: str) -> Iterator[str]:
    node, now = person.node, person.clock.seconds()
    lists, peer = node.lists, node.peers.get(peer_id)
    alias = lists.called(peer_id)
    called = f", whom you call {bracketed(alias)}" if alias != peer_id else ""
    status = "never seen here" if peer is None else peer.status.value
    yield f"{bracketed(peer_id)}{called}: {status}"
    if len(in_table(peer_id)) > 40:
        yield f"  its whole name: {printable(peer_id)}"
    for link in () if peer is None else peer.links:
        where = f"{'we dialed' if link.outbound else 'it dialed'}, {link.address}"
        yield f"  link: {link.security}, for {duration(max(0.0, now - link.opened_at))}, {where}"
    if peer is not None and not peer.links and peer.addresses:
        yield f"  address: {host_and_port(*peer.addresses[0])}"
    if peer is not None and peer.average_round_trip is not None:
        yield f"  round trip: {peer.average_round_trip * 1000:.1f} ms"
    pin = None if node.known is None else node.known.pin_of(peer_id)
    if pin is not None:
        yield f"  key: {pin.fingerprint}, {since(pin)}"
    if node.absences.text_of(peer_id):
        yield f"  away: {node.absences.text_of(peer_id)}"
    decided = [word for word, so in (("ignored", peer_id in lists.ignored),) if so]
    decided += ["muted"] if lists.is_muted(peer_id, node.wall()) else []
    if decided:
        yield f"  {' and '.join(decided)}"


WHOIS: Final = Command("whois", "<peer>", "what is known of one peer", _whois)

"""/whois: what is known of one peer, in a few lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from p2pchat.console.commands.row import Command, Person
from p2pchat.console.commands.whom import peer_named
from p2pchat.console.replies import Answer, said, wrong
from p2pchat.console.reports import duration
from p2pchat.console.wording import security_word
from p2pchat.mesh.identity.key_words import since
from p2pchat.node.news import NotSentError
from p2pchat.speech import N_, _
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
    status = _("never seen here") if peer is None else peer.status.value
    if alias == peer_id:
        yield f"{bracketed(peer_id)}: {status}"
    else:
        first = _("{peer}, whom you call {alias}: {status}")
        yield first.format(peer=bracketed(peer_id), alias=bracketed(alias), status=status)
    if len(in_table(peer_id)) > 40:
        yield _("  its whole name: {peer}").format(peer=printable(peer_id))
    for link in () if peer is None else peer.links:
        if link.outbound:
            line = _("  link: {security}, for {time}, we dialed, {address}")
        else:
            line = _("  link: {security}, for {time}, it dialed, {address}")
        yield line.format(
            security=security_word(link.security),
            time=duration(max(0.0, now - link.opened_at)),
            address=link.address,
        )
    if peer is not None and not peer.links and peer.addresses:
        yield _("  address: {address}").format(address=host_and_port(*peer.addresses[0]))
    if peer is not None and peer.average_round_trip is not None:
        yield _("  round trip: {ms:.1f} ms").format(ms=peer.average_round_trip * 1000)
    pin = None if node.known is None else node.known.pin_of(peer_id)
    if pin is not None:
        line = _("  key: {fingerprint}, {since}")
        yield line.format(fingerprint=pin.fingerprint, since=since(pin))
    if node.absences.text_of(peer_id):
        yield _("  away: {text}").format(text=node.absences.text_of(peer_id))
    ignored, muted = peer_id in lists.ignored, lists.is_muted(peer_id, node.wall())
    if ignored and muted:
        yield _("  ignored and muted")
    elif ignored:
        yield _("  ignored")
    elif muted:
        yield _("  muted")


WHOIS: Final = Command("whois", "<peer>", N_("what is known of one peer"), _whois)

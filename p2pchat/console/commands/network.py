"""The commands about reaching others without a rendezvous: /lan and /dial.

    /lan               ->  a Reply with a table: one row for each interface
    /dial 10.0.0.2     ->  a Deferred of a Reply: who is there, or why nobody was reached

Rules: what cannot be mended from here is said: networks that keep their guests apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.python.failure import Failure

from p2pchat.console.commands.row import Command, Person
from p2pchat.console.replies import Answer, Reply, Table, said, tabled, wrong
from p2pchat.mesh.direct_dial import DialError
from p2pchat.mesh.link.ports import DEFAULT_PORT
from p2pchat.settings.checks import HOST, PORT, Unfit, split_address
from p2pchat.speech import N_, Spoken, _, spoken
from p2pchat.wire.names import bracketed

if TYPE_CHECKING:
    from p2pchat.mesh.discovery.lan.lan import Lan

_SILENT: Final = N_(
    "nobody was heard: access points often keep their guests apart; /dial HOST[:PORT] reaches"
    " somebody directly"
)


def _lan(person: Person, _rest: str) -> Answer:
    node = person.node
    lan = node.lan
    if lan is None:
        return wrong(_("nobody is looked for on this network: start with --lan"))
    from p2pchat.mesh.discovery.lan.lan import SILENCE

    now = node.clock.seconds()
    lines: list[Spoken] = [lan.trouble] if lan.trouble else []
    if not lan.carrier.ways and not lan.trouble:
        lines.append(_("no network interface leads to neighbours (see lan.interfaces)"))
    elif lan.silent_for(now) >= SILENCE:
        lines.append(_(_SILENT))
    return tabled(_ways(lan, now), *lines)


def _ways(lan: Lan, now: float) -> Table:
    rows = [
        (
            interface.name,
            interface.ip,
            spoken(way.trouble) or (_("joined") if way.joined else _("not joined")),
            str(way.sent),
            str(way.received),
            "-" if way.heard_at is None else _ago(now - way.heard_at),
        )
        for interface, way in lan.carrier.ways.items()
    ]
    head = (_("INTERFACE"), _("ADDRESS"), _("STATE"), _("OUT"), _("IN"), _("LAST HEARD"))
    return Table(head, rows)


def _ago(seconds: float) -> str:
    return _("{seconds:.0f} s ago").format(seconds=seconds)


def _dial(person: Person, rest: str) -> Answer:
    host, port = split_address(rest.strip())
    try:
        where = HOST.accept(host)
        number = DEFAULT_PORT if port is None else PORT.accept(PORT.from_text(port))
    except Unfit:
        return DIAL.misused()

    def met(peer_id: str) -> Reply:
        sentence = _("{peer} answers there, and is connected")
        return said(sentence.format(peer=bracketed(peer_id)))

    def not_met(failure: Failure) -> Reply:
        failure.trap(DialError)
        return wrong(failure.value)

    return person.node.mesh.dial(where, number).addCallbacks(met, not_met)


LAN: Final = Command(
    "lan", "", N_("who is looked for on this network, and how"), _lan, needs_peers=False
)
DIAL: Final = Command(
    "dial",
    "HOST[:PORT]",
    N_("connect to whoever is at this address"),
    _dial,
    needs_peers=False,
)

"""The rendezvous that a program uses: its own, somebody's, or the one of this machine.

    chosen = directory_for(reactor, settings)
    chosen.directory          where the node registers and asks
    chosen.ours.listen()      the server that this program runs for others, if it does

Rules: nothing is bound or sent here. A server of ours is imported here: who uses another one starts
without its ten modules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from p2pchat.rendezvous.client import RendezvousClient
from p2pchat.rendezvous.directory import IDirectory
from p2pchat.settings.checks import host_port, serve_address
from p2pchat.settings.values import Settings
from p2pchat.wire.address import LOOPBACK

if TYPE_CHECKING:
    from p2pchat.rendezvous.server import RendezvousService


class Chosen(NamedTuple):
    """What the settings ask for."""

    directory: IDirectory
    local: bool
    """Whether only this machine uses it: whoever is the first one here serves it."""
    ours: RendezvousService | None = None
    """The server that we run for others: call its `listen`, then start it before the node."""


def directory_for(reactor: Any, settings: Settings) -> Chosen:
    """The rendezvous of these settings; makes ours if we serve."""
    where = settings.rendezvous
    ours = None
    if where.serve is not None:
        from p2pchat.rendezvous.server import RendezvousService

        host, port = serve_address(where.serve)
        ours = RendezvousService(port, host or "", reactor=reactor)
        if where.host is None:
            return Chosen(_asking_ours(reactor, host, port), False, ours)
    if where.host is not None:
        return Chosen(_of_others(reactor, where.host, settings), False, ours)
    return Chosen(RendezvousClient(reactor, LOOPBACK, where.local_port, timeout=3), True)


def _asking_ours(reactor: Any, host: str | None, port: int) -> IDirectory:
    """Ask it under the addresses that others see, or they would be told loopback."""
    from p2pchat.service.own_addresses import own_addresses

    ours = own_addresses() if host in (None, "::") else []
    if host == "0.0.0.0":
        ours = own_addresses(six=False)
    where_we_are = ours[0] if ours else host or LOOPBACK
    return RendezvousClient(reactor, where_we_are, port, addresses=ours)


def _of_others(reactor: Any, host: str, settings: Settings) -> IDirectory:
    """The one at `host`, or the next that answers."""
    where, listens_on = settings.rendezvous, settings.peer.interface
    first = RendezvousClient(reactor, host, where.port, listens_on=listens_on)
    if not where.others:
        return first
    from p2pchat.rendezvous.fallback import Fallback

    places = [host_port(each, where.port) for each in where.others]
    others = [RendezvousClient(reactor, *place, listens_on=listens_on) for place in places]
    return Fallback(reactor, [first, *others])

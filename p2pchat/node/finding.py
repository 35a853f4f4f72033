"""How a node finds others: at a rendezvous, on its own network, and where they once were.

    listings, beacons, the book, what peers tell  ->  Mesh, which dials

Rules: what finds is made here once, and is a service of the node: it begins and ends with it. The
book of peers is written while there are links, because they are what it says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, succeed

from p2pchat.mesh.candidates import Candidate
from p2pchat.mesh.discovery.comeback import Comeback
from p2pchat.mesh.discovery.exchange import Exchange
from p2pchat.mesh.discovery.presence import Presence
from p2pchat.mesh.discovery.schedule import REQUESTS_A_MINUTE, RequestSchedule
from p2pchat.mesh.identity.key_text import key_text
from p2pchat.mesh.mesh import Mesh
from p2pchat.mesh.peers import Peer
from p2pchat.node.book_file import BookFile
from p2pchat.rendezvous.directory import IDirectory, Listings
from p2pchat.rendezvous.selection import MOST_NAMES
from p2pchat.settings.values import Settings
from p2pchat.speech import Sentence
from p2pchat.wire.address import split_peer_id
from p2pchat.wire.friends import Friends

if TYPE_CHECKING:
    from p2pchat.mesh.discovery.lan.heard import Sighting
    from p2pchat.mesh.discovery.lan.lan import Carrier, Lan

LOCAL_INTERVAL: Final = 3.0
"""Seconds between two DISCOVER requests to a directory that only this machine's nodes share."""
LOCAL_LEASE: Final = 30
"""Seconds that a registration lasts there: who was killed is soon no longer listed."""


class Finding(MultiService):
    """Finds others for the node of this mesh, which listens on `port`.

    `local` says that only this machine's nodes share the directory. `carrier` takes beacons to our
    own network, `book_file` keeps whom we met; each may be None. `behind` names the peers for whom
    something waits. For the others see `ChatNode`.
    """

    def __init__(
        self,
        reactor: Any,
        settings: Settings,
        mesh: Mesh,
        friends: Friends,
        directory: IDirectory,
        *,
        local: bool,
        port: int,
        jitter: Callable[[float, float], float],
        random_bytes: Callable[[int], bytes],
        wall: Callable[[], float],
        on_notice: Callable[[Sentence], None],
        behind: Callable[[], Sequence[str]],
        carrier: Carrier | None = None,
        book_file: BookFile | None = None,
    ) -> None:
        super().__init__()
        self._clock = reactor
        self._mesh = mesh
        self._directory = directory
        self._local = local
        self._behind = behind
        self._file = book_file
        directory.max_listed = settings.limits.max_known_peers
        directory.wanted = friends
        me = mesh.context.me.peer_id
        name, namespace = split_peer_id(me)
        ttl, interval = self._lease(settings)
        self.presence = Presence(
            reactor,
            directory,
            name,
            namespace,
            schedule=RequestSchedule(interval, None if local else REQUESTS_A_MINUTE, jitter),
            ttl=ttl,
            on_listings=self._discovered,
            on_notice=on_notice,
        )
        self.presence.port = mesh.name.port = port
        self.presence.own_key = self._own_key
        self.presence.setServiceParent(self)
        self.lan: Lan | None = None
        """Who is on our own network, None when nobody looks."""
        if carrier is not None:
            from p2pchat.mesh.discovery.lan.lan import Lan

            instance = random_bytes(8).hex()
            in_use = mesh.name.in_use
            self.lan = Lan(
                reactor, carrier, me, port, instance, friends, jitter, self._sighted, in_use
            )
            self.lan.setServiceParent(self)
        mesh.book.wall = wall
        self.exchange = Exchange(mesh.context, mesh.peers, mesh.book.candidates, wall, jitter)
        """What peers tell each other of others."""
        if book_file is not None:
            book_file.noted = self._met
            mesh.book.candidates.restore(book_file.load())
            comeback = Comeback(
                reactor, mesh, self.exchange, mesh.book, mesh.peers, self._rendezvous_answers
            )
            comeback.setServiceParent(self)

    def startService(self) -> None:
        """Begin to find others."""
        super().startService()
        if self._file is not None:
            self._file.start()

    def _own_key(self) -> str:
        """What a rendezvous may pass on, so that others dial us in TLS from the first time on."""
        security = self._mesh.context.security
        return "" if security is None else key_text(security.keys.own)

    def configure(self, settings: Settings) -> None:
        """Go by these settings from now on."""
        self._directory.max_listed = settings.limits.max_known_peers
        ttl, interval = self._lease(settings)
        self.presence.configure(ttl=ttl, interval=interval)

    def wanted(self, peer: Peer) -> None:
        """Somebody writes to a peer without a link."""
        if not peer.listed or peer.expires_at < self._clock.seconds():
            self.presence.seek(peer.peer_id)
        self._mesh.wanted(peer)

    def save(self) -> None:
        """Note who has a link now, before all links end."""
        if self._file is not None:
            self._file.save()

    def close(self) -> Deferred[None]:
        """Fires when what was noted is on the disk, or was refused."""
        return succeed(None) if self._file is None else self._file.close()

    # ------------------------------------------------------------ pieces

    def _lease(self, settings: Settings) -> tuple[int, float]:
        """How long a registration is to last, and the time between two DISCOVER requests."""
        ttl, interval = settings.rendezvous.ttl, settings.connection.discovery_interval
        if self._local:
            ttl, interval = min(ttl, LOCAL_LEASE), min(interval, LOCAL_INTERVAL)
        return ttl, interval

    def _discovered(self, listings: Listings) -> Deferred[None]:
        presence, mesh = self.presence, self._mesh
        if presence.grant is not None:
            mesh.name.granted(presence.grant)
        if presence.partial:
            for peer_id in self._behind()[:MOST_NAMES]:
                if not mesh.peers.is_linked(peer_id):
                    presence.seek(peer_id)
        return mesh.discovered(
            listings, self._directory.source, whole=listings.whole, namespace=listings.namespace
        )

    def _sighted(self, peer_id: str, places: list[Sighting], begins: bool) -> None:
        self._mesh.sighted(peer_id, [(each.ip, each.port) for each in places], begins=begins)

    def _met(self) -> list[Candidate]:
        book = self._mesh.book
        book.learn(self._mesh.peers)
        return [*book.candidates.tried.values()]

    def _rendezvous_answers(self) -> bool:
        """Whether one does that leads beyond this machine."""
        presence = self.presence
        return presence.grant is not None and not presence.trouble and not self._local

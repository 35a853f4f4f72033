"""A chat node: owns the mesh of links, the router and the presence, and ties them together.

    node = ChatNode(reactor, settings, directory)
    node.observers.add(whoever_wants_to_know)
    node.listen()                # binds the port and settles who we are
    node.startService()          # registers, discovers, dials
    node.send("bob@CIC", "oi")   # or node.publish("#CIC", "oi")
    node.stopService()           # BYE to everybody, UNREGISTER; fires when all is done

Rules: everything runs in the reactor's thread. What one part tells another goes through here, so
that they need not know each other; what has to be cheap is connected directly.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Generator, Sequence
from typing import Any, Final

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, inlineCallbacks, maybeDeferred
from twisted.internet.interfaces import IListeningPort

from p2pchat import __version__
from p2pchat.history.durable import DurableHistory
from p2pchat.logs.levels import Log
from p2pchat.mesh.discovery.presence import Presence
from p2pchat.mesh.discovery.schedule import REQUESTS_A_MINUTE, RequestSchedule
from p2pchat.mesh.link.listener import PeerServerFactory
from p2pchat.mesh.link.ports import CannotStartError, open_port
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.mesh.mesh import Mesh
from p2pchat.mesh.peers import Peer
from p2pchat.node.keeping import KeepingRouter, MakeHistory
from p2pchat.node.observers import Observers
from p2pchat.node.router import Published, Router
from p2pchat.node.stats import Section
from p2pchat.node.sweep import Sweep
from p2pchat.rendezvous.directory import IDirectory, Listing
from p2pchat.settings.values import Settings
from p2pchat.wire.address import split_peer_id
from p2pchat.wire.identity import Identity
from p2pchat.wire.messages import FEATURES, HISTORY, CatchUp, Said

__all__ = ["LOCAL_INTERVAL", "LOCAL_LEASE", "CannotStartError", "ChatNode"]

_log: Final = Log("Node")
LOCAL_INTERVAL: Final = 3.0
"""Seconds between two DISCOVER requests to a directory that only this machine's nodes share."""
LOCAL_LEASE: Final = 30
"""Seconds that a registration lasts there: who was killed is soon no longer listed."""


class ChatNode(MultiService):
    """One peer. `reactor` provides IReactorTCP and IReactorTime; `settings` are checked.

    `login` names the person when the settings do not. `local` says that the directory is one that
    only this machine's nodes share: then it may be asked often. `jitter` spreads waits at random.
    `make_history`, if there is one, makes what keeps messages; it may raise `CannotStartError`.
    """

    def __init__(
        self,
        reactor: Any,
        settings: Settings,
        directory: IDirectory,
        *,
        login: str = "peer",
        local: bool = False,
        max_descriptors: int | None = None,
        jitter: Callable[[float, float], float] = random.uniform,
        make_history: MakeHistory | None = None,
    ) -> None:
        super().__init__()
        self.clock = self._reactor = reactor
        self._directory = directory
        self._login = login
        self._local = local
        self._max_descriptors = max_descriptors
        self._jitter = jitter
        self._make_history = make_history
        self._keeping: KeepingRouter | None = None
        self.history: DurableHistory | None = None
        """What keeps messages, None when nothing is kept."""
        self.settings = settings
        self.observers = Observers()
        self.started_at = reactor.seconds()
        self.counting: list[Callable[[], Section[Any]]] = []
        """What makes the sections of other parts of the program, for `figures.statistics`."""
        self._port: IListeningPort | None = None
        self._settled = False
        self._sweep = Sweep(reactor)

    # ------------------------------------------------------------ start and stop

    def listen(self) -> None:
        """Bind the port, and settle who we are; raises `CannotStartError` with a sentence.

        Without a port and a name in the settings, the first free port from 4000 on is taken, and
        the n-th of them makes the name the login name followed by n: two nodes that one person
        starts on one machine have two names, and no moment in between when they share one.
        """
        peer = self.settings.peer
        factory = PeerServerFactory()
        port, nth = open_port(self._reactor, factory, peer, loopback=self._local)
        name = peer.name or (self._login if nth == 1 else f"{self._login}{nth}")
        features = FEATURES if self._make_history is None else (*FEATURES, HISTORY)
        self._port = port
        try:
            me = Identity.of(f"{name}@{peer.namespace}", _agent(), os.urandom(8).hex(), features)
            self._settle(me)
        except (ValueError, CannotStartError) as why:
            self._port = None
            port.stopListening()
            if isinstance(why, CannotStartError):
                raise
            raise CannotStartError(f"this cannot be our name: {why}") from None
        factory.context, factory.admission = self.mesh.context, self.mesh.admission

    def _settle(self, me: Identity) -> None:
        """Make what depends on who we are."""
        settings = self.settings
        self.me = me
        self.mesh = Mesh(
            self._reactor,
            me,
            settings,
            on_status=self._status_changed,
            on_notice=self.observers.notice,
            on_ack=self._acknowledged,
            on_open=self._link_opened,
            on_closed=self._link_closed,
            on_extended=self._extended,
            max_descriptors=self._max_descriptors,
            jitter=self._jitter,
        )
        self.peers = self.mesh.peers
        batch, new_id = self.mesh.context.batch, self.mesh.context.new_id
        parts = (me.peer_id, self.peers, settings, new_id, self.observers, batch)
        if self._make_history is None:
            self.router = Router(*parts)
        else:
            from p2pchat.node.keeping import KeepingRouter

            self.router = self._keeping = KeepingRouter(*parts, self._make_history)
            self.history = self._keeping.history
        # Without a method of ours between the two, as for the rest: it is called for every chunk.
        self.mesh.on_chat = self.router.deliver
        name, namespace = split_peer_id(me.peer_id)
        ttl, interval = self._lease(settings)
        budget = None if self._local else REQUESTS_A_MINUTE
        self.presence = Presence(
            self._reactor,
            self._directory,
            name,
            namespace,
            schedule=RequestSchedule(interval, budget, self._jitter),
            ttl=ttl,
            on_listings=self._discovered,
            on_notice=self.observers.notice,
        )
        self.presence.port = self.mesh.name.port = self.port
        self.presence.setServiceParent(self)
        self._settled = True

    def _lease(self, settings: Settings) -> tuple[int, float]:
        """How long a registration is to last, and the time between two DISCOVER requests."""
        ttl, interval = settings.rendezvous.ttl, settings.connection.discovery_interval
        if self._local:
            ttl, interval = min(ttl, LOCAL_LEASE), min(interval, LOCAL_INTERVAL)
        return ttl, interval

    def configure(self, settings: Settings) -> None:
        """Go by these settings from now on, as far as they can change while a node runs.

        Those that cannot (who we are, where we listen, which rendezvous) stay as they were in all
        that the node does, whatever is said here; see `p2pchat.service.reload`.
        """
        self.settings = settings
        self.mesh.configure(settings)
        self.router.configure(settings)
        if self.history is not None:
            self.history.configure(settings.history)
        ttl, interval = self._lease(settings)
        self.presence.configure(ttl=ttl, interval=interval)

    def _discovered(self, listings: Sequence[Listing]) -> None:
        if self.presence.grant is not None:
            self.mesh.name.ip = self.presence.grant.ip
        self.mesh.discovered(listings)

    def _acknowledged(self, msg_id: object) -> None:
        self.router.acknowledged(msg_id, self._reactor.seconds())

    def _status_changed(self, peer: Peer) -> None:
        self.router.status_changed(peer)

    def _link_opened(self, peer: Peer, _link: IPeerLink) -> None:
        if self._keeping is not None:
            self._keeping.link_opened(peer, self._reactor.seconds())

    def _link_closed(self, peer: Peer, link: IPeerLink) -> None:
        if self._keeping is not None:
            self._keeping.link_closed(peer, link, self._reactor.seconds())

    def _extended(self, peer: Peer, link: IPeerLink, message: Said | CatchUp) -> None:
        if self._keeping is not None:
            self._keeping.extended(peer, link, message)

    @property
    def port(self) -> int:
        """The TCP port that peers reach us on."""
        assert self._port is not None
        return int(getattr(self._port.getHost(), "port", 0))

    def startService(self) -> None:
        """Begin to register, discover and dial."""
        if self._port is None:
            self.listen()
        _log.info("{me} listens on port {port}", me=self.me.peer_id, port=self.port)
        self._sweep.start(self.mesh, self.router)
        if self.history is not None:
            self.history.open()
        super().startService()

    @inlineCallbacks
    def stopService(self) -> Generator[Deferred[Any], Any, None]:
        """Leave in order: BYE to all links, up to two seconds for the answers, UNREGISTER."""
        if self._port is not None:
            yield maybeDeferred(self._port.stopListening)
        yield maybeDeferred(super().stopService)
        if not self._settled:
            return
        self.router.flush()
        self.router.give_up_all("left before the ACK came")
        if self.history is not None:
            # What came before our farewell can still be acknowledged.
            yield self.history.flush()
        yield self.mesh.leave()
        yield self.presence.withdraw()
        if self.history is not None:
            yield self.history.stop()
        self._sweep.stop()
        _log.info("{me} has left", me=self.me.peer_id)

    # ------------------------------------------------------------ what a person can do

    def send(self, peer_id: str, payload: str) -> str:
        """Send a direct message; see `Router.send`."""
        return self.router.send(peer_id, payload, self._reactor.seconds())

    def publish(self, scope: str, payload: str) -> Published:
        """Publish to `*` or `#namespace`; see `Router.publish`."""
        return self.router.publish(scope, payload)

    def ping_all(self) -> None:
        """Ask every link for a sign of life, and so for a round-trip time, now."""
        for link in self.mesh.links:
            link.ping()


def _agent() -> str:
    return f"p2pchat/{__version__}"

"""A chat node: owns the mesh, the history, what comes and what goes, and ties them together.

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
import time
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Final

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, inlineCallbacks, maybeDeferred
from twisted.internet.interfaces import IListeningPort

from p2pchat import __version__
from p2pchat.history.durable import DurableHistory
from p2pchat.logs.levels import Log
from p2pchat.mesh.claims import OwnKeys
from p2pchat.mesh.identity.known_keys import KnownKeys
from p2pchat.mesh.link.listener import PeerServerFactory
from p2pchat.mesh.link.ports import CannotStartError, open_port
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.mesh.mesh import Mesh
from p2pchat.mesh.peers import Peer
from p2pchat.node.away import Absences
from p2pchat.node.book_file import BookFile
from p2pchat.node.catching_up import CatchingUp
from p2pchat.node.changing import change_of
from p2pchat.node.finding import Finding
from p2pchat.node.incoming import Incoming
from p2pchat.node.observers import Observers
from p2pchat.node.outgoing import Outgoing
from p2pchat.node.own_lists import OwnLists
from p2pchat.node.page import IPage
from p2pchat.node.pairing import Pairings
from p2pchat.node.patience import Patience
from p2pchat.node.rotating import Rotating
from p2pchat.node.showing import unread_sentence
from p2pchat.node.stats import Section
from p2pchat.node.sweep import Sweep
from p2pchat.node.trusting import Trusting
from p2pchat.node.unread import Unread
from p2pchat.rendezvous.directory import IDirectory
from p2pchat.settings.values import Settings
from p2pchat.speech import Sentence, counted
from p2pchat.wire.friends import Friends
from p2pchat.wire.identity import Identity
from p2pchat.wire.messages import (
    HISTORY,
    OWN_FEATURES,
    Away,
    Edit,
    Extension,
    KeyChange,
    Pair,
    Peers,
    PeersReq,
    Said,
)
from p2pchat.wire.repetitions import RecentIds
from p2pchat.wire.stamps import MessageIds, Timestamps

if TYPE_CHECKING:
    from p2pchat.mesh.discovery.lan.lan import Carrier, Lan

__all__ = [
    "CannotStartError",
    "ChatNode",
    "MakeBook",
    "MakeHistory",
    "MakeKeys",
    "MakeLists",
]

MakeHistory = Callable[[str, RecentIds], DurableHistory]
"""From our peer_id and the ids to fill in to a history; it may raise `CannotStartError`."""
MakeKeys = Callable[[str], OwnKeys | None]
"""From our peer_id to our keys, None if there can be none; it may raise `CannotStartError`."""

MakeBook = Callable[[str], BookFile]
"""From our peer_id to the file of whom we met."""
MakeLists = Callable[[str], OwnLists]
"""From our peer_id to what the person has decided about others."""

_log: Final = Log("Node")
FILE_PATIENCE: Final = 10.0
"""Seconds in all that the history file may take when the node leaves."""


class ChatNode(MultiService):
    """One peer. `reactor` provides IReactorTCP and IReactorTime; `settings` are checked.

    `own_name` gives our name when the settings do not, once the port is bound. `local` says that
    the directory is one that only this machine's nodes share: then it may be asked often. `jitter`
    spreads waits at random. Ids are made of `random_bytes`, and stamps of `wall`, the wall clock in
    seconds since the epoch. `make_history`, if there is one, makes what keeps messages, and
    `make_keys` what links are encrypted with. Without, everything is in the clear. `make_lists`
    makes the lists of whom the person ignores and the like; without, they end with the node.
    `carrier` takes beacons to this network's other nodes; without, nobody looks for them.
    `make_book` makes the file of whom we met and where; without, a node that is alone dials nobody
    again.
    """

    def __init__(
        self,
        reactor: Any,
        settings: Settings,
        directory: IDirectory,
        *,
        own_name: Callable[[], str] = lambda: "peer",
        local: bool = False,
        max_descriptors: int | None = None,
        jitter: Callable[[float, float], float] = random.uniform,
        random_bytes: Callable[[int], bytes] = os.urandom,
        wall: Callable[[], float] = time.time,
        make_history: MakeHistory | None = None,
        make_keys: MakeKeys | None = None,
        make_lists: MakeLists | None = None,
        carrier: Carrier | None = None,
        make_book: MakeBook | None = None,
    ) -> None:
        super().__init__()
        self.clock = self._reactor = reactor
        self._directory = directory
        self._own_name = own_name
        self._local = local
        self._max_descriptors = max_descriptors
        self._jitter = jitter
        self._random_bytes = random_bytes
        self.wall = wall
        """The wall clock, in seconds since the epoch: for stamps, and for people."""
        self._make_history = make_history
        self._make_keys = make_keys
        self._make_lists = make_lists
        self._carrier = carrier
        self._make_book = make_book
        self.lan: Lan | None = None
        """Who is on our own network, None when nobody looks."""
        self.lists = OwnLists()
        """Whom the person ignores, what is mute, who has an alias."""
        self._own_keys: OwnKeys | None = None
        self.trusting: Trusting | None = None
        """What the person decides about keys, None when nothing can be encrypted."""
        self.pairings: Pairings | None = None
        """Codes that verify keys; None as well."""
        self.rotating: Rotating | None = None
        """What tells peers which key follows ours, None when none can."""
        self.known: KnownKeys | None = None
        """The keys of others, also those of earlier runs while nothing is encrypted; None without
        any. Look, and change nothing."""
        self.history: DurableHistory | None = None
        """What keeps messages, None when nothing is kept."""
        self.friends = Friends()
        """The peers to whom we ever wrote, as far as it is known."""
        self.settings = settings
        self.observers = Observers()
        self.started_at = reactor.seconds()
        self.counting: list[Callable[[], Section[Any]]] = []
        """What makes the sections of other parts of the program, for `figures.statistics`."""
        self.page: IPage | None = None
        """What opens a page for a browser, None where nothing does."""
        self._port: IListeningPort | None = None
        self._settled = False
        self._sweep = Sweep(reactor)
        self.each_second = self._sweep.each_second
        """Called about once a second while the node runs, for who would need a timer else."""

    # ------------------------------------------------------------ start and stop

    def listen(self) -> None:
        """Bind the port, and settle who we are; raises `CannotStartError` with a sentence.

        Without a port in the settings, the first free one from 4000 on is taken. The name has
        nothing to do with it: whoever has another port the next time is the same peer.
        """
        peer = self.settings.peer
        factory = PeerServerFactory()
        loopback = self._local and self._carrier is None
        port = open_port(self._reactor, factory, peer, loopback=loopback)
        features = OWN_FEATURES if self._make_history is None else (*OWN_FEATURES, HISTORY)
        self._port = port
        try:
            name = peer.name or self._own_name()
            instance = self._random_bytes(8).hex()
            who = f"{name}@{peer.namespace}"
            me = Identity.of(who, _agent(), instance, features, self.port)
            self._settle(me)
        except BaseException as why:
            if self._own_keys is not None:
                self._own_keys.close(self.clock.seconds())
            self._port = None
            port.stopListening()
            if isinstance(why, ValueError):
                raise CannotStartError(
                    Sentence("this cannot be our name: {why}", why=why)
                ) from None
            raise
        factory.context, factory.admission = self.mesh.context, self.mesh.admission
        factory.refuses = self.mesh.refuses
        factory.take_turns(port)

    def _settle(self, me: Identity) -> None:
        """Make what depends on who we are."""
        settings = self.settings
        self.me = me
        own_keys = self._own_keys = None if self._make_keys is None else self._make_keys(me.peer_id)
        mesh = self.mesh = Mesh(
            self._reactor,
            me,
            settings,
            new_id=MessageIds(self._random_bytes),
            timestamp=Timestamps(self.wall),
            jitter=self._jitter,
            max_descriptors=self._max_descriptors,
            friends=self.friends,
            own_keys=own_keys,
        )
        if own_keys is not None:
            self.trusting = Trusting(own_keys, mesh, self.clock)
            self.known = own_keys.known
            self.pairings = Pairings(
                self.trusting, mesh, self.observers, self.clock, self._random_bytes
            )
            own_keys.known.on_noted = self.observers.key_noted
            if own_keys.succession is not None:
                self.rotating = Rotating(own_keys.succession, mesh, self.observers.notice)
        mesh.on_key_alert = self.observers.key_alert
        mesh.link_log.friends = mesh.context.friends = self.friends
        self.peers = mesh.peers
        seen = RecentIds(settings.limits.remembered_ids, self.friends)
        if self._make_history is not None:
            self.history = self._make_history(me.peer_id, seen)
            self.history.on_notice = self.observers.notice
            self._catching_up = CatchingUp(me.peer_id, self.history, mesh.context.new_id)
        if self._make_lists is not None:
            self.lists = self._make_lists(me.peer_id)
        self.peers.aliases = self.lists.aliases
        self.absences = Absences(mesh.context, mesh.peers, self.observers)
        self.absences.ignores = self.lists.ignored.__contains__
        mesh.on_open = self._link_is_new
        mesh.on_closed = self._link_closed
        mesh.on_extended = self._extended
        self.incoming = Incoming(self.observers, seen, self.history)
        self.incoming.ignored = self.lists.ignored
        self.incoming.unignored = self.lists.unignored
        self.outgoing = Outgoing(
            mesh.context,
            mesh.peers,
            self.observers,
            self.history,
            self.friends,
            None if own_keys is None else own_keys.known,
        )
        if self.history is not None:
            self.outgoing.publishing.on_dropped = self._catching_up.more
        self.unread = Unread(
            self.observers, self.friends, f"#{settings.peer.namespace}", self.history
        )
        """What nobody has seen yet, and who shows what comes."""
        mesh.on_chat = self.incoming.deliver
        mesh.on_ack = self.outgoing.acknowledged
        mesh.on_moved = self._link_opened
        self.outgoing.on_overdue = mesh.ack_overdue
        mesh.on_status = self.incoming.status_changed
        mesh.on_notice = self.observers.notice
        mesh.on_round_trip = self.observers.round_trip
        mesh.on_links = self.observers.links_changed
        self.send = self.outgoing.send
        """Send a direct message: `send(peer_id, text)`; see `Outgoing.send`."""
        self.publish = self.outgoing.publishing.publish
        """Publish to `*` or `#namespace`: `publish(scope, text)`; see `Publishing.publish`."""
        self._finding = finding = Finding(
            self._reactor,
            settings,
            mesh,
            self.friends,
            self._directory,
            local=self._local,
            port=self.port,
            jitter=self._jitter,
            random_bytes=self._random_bytes,
            wall=self.wall,
            on_notice=self.observers.notice,
            behind=lambda: self.outgoing.outbox.peers_behind,
            carrier=self._carrier,
            book_file=None if self._make_book is None else self._make_book(me.peer_id),
        )
        finding.setServiceParent(self)
        self.presence = finding.presence
        """Our registration, and what a rendezvous lists."""
        self.lan = finding.lan
        self.outgoing.on_unknown = self.presence.seek
        self.outgoing.on_wanted = finding.wanted
        self._settled = True

    def configure(self, settings: Settings) -> None:
        """Go by these settings from now on, as far as they can change while a node runs.

        Those that cannot (who we are, where we listen, which rendezvous) stay as they were in all
        that the node does, whatever is said here; see `p2pchat.service.reload`.
        """
        self.settings = settings
        self.mesh.configure(settings)
        if self.history is not None:
            self.history.configure(settings.history)
            self.outgoing.outbox.settings = settings.history
        self._finding.configure(settings)

    # ------------------------------------------------------------ with a history

    def _past_known(self, history: DurableHistory) -> None:
        """Take in what came before that, which may take several turns, and go on from there."""
        history.weight.look()
        taken_in = self.mesh.turns.do(self.incoming.past_known())
        taken_in.addCallback(lambda _: self._past_taken_in(history))

    def _past_taken_in(self, history: DurableHistory) -> None:
        now = self.clock.seconds()
        for peer in self.peers.connected():
            self.mesh.look_alikes.opened(peer.peer_id, now)
            self._link_opened(peer)
        self.observers.past_known(unread_sentence(history.unread))

    def _link_opened(self, peer: Peer, link: IPeerLink | None = None) -> None:
        if self.history is not None and self.history.ready:
            if link is None or link is peer.link_in_use:
                self.outgoing.link_opened(peer)
            self._catching_up.ask(peer)

    def _link_is_new(self, peer: Peer, link: IPeerLink) -> None:
        self._link_opened(peer, link)
        self.absences.opened(peer, link, self.clock.seconds())
        if self.rotating is not None:
            self.rotating.opened(link)
        self._sweep.soon()

    def _link_closed(self, peer: Peer, link: IPeerLink) -> None:
        if self.history is not None:
            self.outgoing.link_closed(peer, link)
            self._catching_up.link_closed(peer, link)
        self.absences.closed(peer, link)
        if self.pairings is not None:
            self.pairings.closed(peer, link)
        if self.rotating is not None:
            self.rotating.closed(link)

    def _extended(self, peer: Peer, link: IPeerLink, message: Extension) -> None:
        if isinstance(message, Said):
            self.incoming.deliver_late(peer, link, message)
        elif isinstance(message, Edit):
            change = change_of(message, peer.peer_id, self.me)
            self.incoming.deliver_change(peer, link, change)
        elif isinstance(message, PeersReq | Peers):
            self._finding.exchange.heard(peer, link, message)
        elif isinstance(message, KeyChange):
            if self.mesh.claims is not None:
                self.mesh.claims.announced(link, message)
        elif isinstance(message, Away):
            self.absences.heard(peer, link, message, self.clock.seconds())
        elif isinstance(message, Pair):
            if self.pairings is not None:
                self.pairings.heard(peer, link, message)
        else:
            self._catching_up.answer(peer, link, message)

    # ------------------------------------------------------------ start and stop

    @property
    def encrypts(self) -> bool:
        """Whether links are encrypted where the other end can: then each message has a mark."""
        return self.mesh.context.security is not None

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
        history = self.history
        catching_up = None if history is None else self._catching_up
        parts = (history, self.outgoing, self.absences, self.pairings, catching_up, self.rotating)
        self._sweep.start(self.mesh, [part for part in parts if part is not None])
        if history is not None:
            history.open().addCallback(lambda _: self._past_known(history))
        super().startService()

    @inlineCallbacks
    def stopService(self) -> Generator[Deferred[Any], Any, None]:
        """Leave in order: BYE to all links, up to two seconds for the answers, UNREGISTER.

        Whatever was accepted is delivered, or written to the history, or told to be lost. The file
        gets `FILE_PATIENCE` in all, and so do the known keys with it. One that could never be read
        is tried once more, and gets no time.
        """
        self.running = 0  # no line of a script begins while the port closes
        if self._port is not None:
            yield maybeDeferred(self._port.stopListening)
        yield maybeDeferred(super().stopService)
        if not self._settled:
            return
        history, patience = self.history, Patience(self.clock, FILE_PATIENCE)
        of_history = patience
        if history is not None:
            yield patience.wait(history.try_now())
            if history.failing and not (history.hangs or history.past_is_known):
                of_history = Patience(self.clock, 0.0)  # it says at once that it cannot be read
            yield of_history.wait(history.when_ready())
        self.outgoing.leave(Sentence("left before the ACK came"))
        if history is not None:
            # What came before our farewell can still be acknowledged.
            yield of_history.wait(history.flush())
        self._finding.save()
        yield self.mesh.leave()
        yield self.presence.withdraw()
        self.outgoing.give_up_all()
        if history is not None:
            yield of_history.wait(history.flush())
            self.outgoing.close()
            in_time = False if of_history.over else (yield patience.wait(history.stop()))
            self._tell_unkept(history)
            if not in_time:
                history.abandon()
        yield patience.wait(self.lists.close())
        yield patience.wait(self._finding.close())
        if self._own_keys is not None:
            now = self.clock.seconds()
            yield patience.wait(self._own_keys.known.flush(now))
            self._own_keys.close(now)
        self._sweep.stop()
        _log.info("{me} has left", me=self.me.peer_id)

    def _tell_unkept(self, history: DurableHistory) -> None:
        """The file takes nothing more: say what may be lost with it."""
        why = history.why or Sentence("this node did not wait for the disk")
        early, count = self.outgoing.publishing.early, history.uncertain
        if early:
            self.observers.notice(
                counted(
                    "{n} published message never went out, and is lost: {why}",
                    "{n} published messages never went out, and are lost: {why}",
                    early,
                    why=why,
                )
            )
        if count:
            self.observers.notice(
                counted(
                    "{n} message more is perhaps not kept: {why}",
                    "{n} messages more are perhaps not kept: {why}",
                    count,
                    why=why,
                )
            )

    def lose(self) -> None:
        """The process ends at once, without `stopService`: tell what is lost, or may be."""
        if self.history is not None and self._settled:
            self.outgoing.close()
            self._tell_unkept(self.history)
            self.history.abandon()
        if self._own_keys is not None:
            self._own_keys.close(self.clock.seconds())

    def ping_all(self) -> None:
        """Ask every link for a sign of life, and so for a round-trip time, now."""
        for link in self.mesh.links:
            link.ping()


def _agent() -> str:
    return f"p2pchat/{__version__}"

"""A node without a network, for tests of what a person types and reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from p2pchat.history.durable import DurableHistory
from p2pchat.mesh.blocking import Blocking
from p2pchat.mesh.discovery.lan.lan import Lan
from p2pchat.mesh.identity.known_keys import KnownKeys
from p2pchat.mesh.peers import Peer, PeerTable, Status
from p2pchat.node.away import Absences
from p2pchat.node.node import ChatNode
from p2pchat.node.observers import Observers
from p2pchat.node.outgoing import Outgoing
from p2pchat.node.own_lists import OwnLists
from p2pchat.node.page import IPage
from p2pchat.node.pairing import Pairings
from p2pchat.node.trusting import Trusting
from p2pchat.node.unread import Unread
from p2pchat.rendezvous.directory import Listing, Listings
from p2pchat.settings.values import LimitSettings, Settings
from p2pchat.speech import Sentence
from p2pchat.turns import Turns
from p2pchat.wire.friends import Friends
from p2pchat.wire.identity import Identity
from tests.support.fake_link import FakeLink, fake_context

ME = "ana@CIC"
_T = TypeVar("_T")
ADDRESS = "10.0.0.9:40000"
"""The other end of every link."""


class FakePresence:
    """A directory's answers, given when the test says so."""

    class directory:
        address = "rdv.example:8080"

    def __init__(self) -> None:
        self.asked: list[Deferred[Sequence[Listing]]] = []
        self.looked: Deferred[None] = succeed(None)
        self.registered_in_all = 0
        self.partial = False
        self.whole = False

    def discover(self, *, whole: bool = False) -> Deferred[Listings]:
        self.asked.append(Deferred())
        self.whole = whole
        answer: Deferred[Any] = self.asked[-1]
        return answer.addCallback(lambda it: it if isinstance(it, Listings) else Listings(it))

    def first_look(self) -> Deferred[None]:
        return self.looked


class FakeMesh:
    def __init__(self, clock: Clock) -> None:
        self.turns = Turns(clock)
        self.links: list[FakeLink] = []
        self.dialing = False
        self.absent = 0
        self.dial: Callable[[str, int], Deferred[str]] = lambda host, port: Deferred()
        self.blocking = Blocking(["*@spam"], lambda: None)

    @property
    def crowded(self) -> bool:
        return any(link.queue.bytes_waiting * 2 > link.queue.limit for link in self.links)

    def dials_under_way(self) -> bool:
        return self.dialing

    def reconnect(self) -> int:
        return self.absent


class FakeNode:
    """The parts of a ChatNode that a console touches, with a real router and peer table."""

    port = 4000
    running = True
    history: DurableHistory | None = None
    encrypts = False
    trusting: Trusting | None = None
    pairings: Pairings | None = None
    lan: Lan | None = None
    known: KnownKeys | None = None
    page: IPage | None = None

    def __init__(self, clock: Clock, settings: Settings | None = None) -> None:
        self.clock = clock
        self.wall: Callable[[], float] = lambda: 1_000_000_000.0
        self.settings = settings or Settings(limits=LimitSettings(max_pending_acks=10))
        self.me = Identity.of(ME)
        self.observers = Observers()
        self.unread = Unread(self.observers)
        self.friends = Friends()
        self.peers = PeerTable(100, self.friends)
        self.presence = FakePresence()
        self.mesh = FakeMesh(clock)
        context = fake_context(ME, self.settings, clock, "id")
        self.batch = context.batch
        self.outgoing = Outgoing(context, self.peers, self.observers, friends=self.friends)
        self.lists = OwnLists()
        self.peers.aliases = self.lists.aliases
        self.absences = Absences(context, self.peers, self.observers)
        self.send = self.outgoing.send
        self.publish = self.outgoing.publishing.publish

    def acknowledge(self, link: FakeLink) -> None:
        """The ACK for the latest message on a link comes."""
        self.outgoing.acknowledged(link.peer_id, link.chat[-1].msg_id)

    def gives_up_all(self) -> None:
        """It leaves, and its links are gone."""
        self.outgoing.leave(Sentence("left before the ACK came"))
        self.outgoing.give_up_all()

    # ---------------------------------------------------------------- what a test arranges

    def knows(self, peer_id: str, status: Status = Status.UNKNOWN) -> Peer:
        peer = self.peers.listed(peer_id)
        assert peer is not None
        peer.status = status
        return peer

    def meets(self, peer_id: str, *, outbound: bool = True, is_p2pchat: bool = True) -> FakeLink:
        link = FakeLink(peer_id, outbound=outbound)
        link.is_p2pchat, link.opened_at, link.address = is_p2pchat, self.clock.seconds(), ADDRESS
        link.queue.limit = 1000
        peer = self.peers.link_opened(link)
        self.mesh.links.append(link)
        peer.status = Status.CONNECTED
        self.observers.status_changed(peer)
        return link

    def loses(self, link: FakeLink, *, said_bye: bool = False) -> None:
        self.mesh.links.remove(link)
        peer = self.peers.link_closed(link)
        assert peer is not None
        peer.left = said_bye
        peer.status = Status.DISCONNECTED
        self.observers.status_changed(peer)

    @property
    def real(self) -> ChatNode:
        return cast("ChatNode", self)


def listing(
    peer_id: str, port: int = 4000, ip: str = "10.0.0.1", expires_in: float = 60
) -> Listing:
    name, _, namespace = peer_id.rpartition("@")
    return Listing(name, namespace, ip, port, 60, expires_in)

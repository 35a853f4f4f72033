"""The connections of one attempt to reach a peer: its addresses race, three at a time.

    address 1 |----------------------- no answer (10 s)
    address 2 |    250 ms |------ handshake ---- opened: it wins, the others are dropped
    address 3 |                   | at once, if one of the others failed

Rules: the next address is dialed `STAGGER` after the last, or at once when one has failed. Who has
accepted a connection gets `PATIENCE` for its handshake before another is dialed. The first session
that opens wins. The others are dropped, and have not failed. One attempt has one place among all
dials, but each of its dials counts against the `DialBudget`.
"""

from __future__ import annotations

from math import inf
from typing import Final

from twisted.internet.interfaces import (
    IAddress,
    IConnector,
    IDelayedCall,
    IReactorTCP,
)
from twisted.internet.protocol import ClientFactory
from twisted.python.failure import Failure

from p2pchat.logs.levels import Log
from p2pchat.mesh.addresses import Place, read_address
from p2pchat.mesh.dial_queue import Dial, DialQueue, Rank
from p2pchat.mesh.link.context import LinkContext
from p2pchat.mesh.link.protocol import PeerProtocol
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.mesh.peers import Peer
from p2pchat.wire.address import host_and_port
from p2pchat.wire.names import bracketed
from p2pchat.wire.outputs import Ending, Finish

_log: Final = Log("PeerClient")
_CONNECT_TIMEOUT: Final = 10.0
STAGGER: Final = 0.25
"""Seconds. Shorter: more connections that nobody needs. Longer: an address that leads nowhere, of a
family that the network has not, costs the person that much."""
PATIENCE: Final = 1.0
"""Seconds. A machine answers there, perhaps a far one: a second link with it is no gain."""
_AT_ONCE: Final = 3


class _Try:
    """One address of an attempt, from its dial to the end of the handshake."""

    __slots__ = ("connector", "dial", "link")

    def __init__(self, dial: Dial) -> None:
        self.dial = dial
        self.connector: IConnector | None = None
        self.link: PeerProtocol | None = None


class Race(ClientFactory):
    """The dials of one peer that are under way; `Dialer` says when an attempt begins.

    `_next_address` is called when all that were under way have failed.
    """

    noisy = False

    def __init__(
        self, context: LinkContext, reactor: IReactorTCP, peer: Peer, queue: DialQueue
    ) -> None:
        self._context = context
        self._reactor = reactor
        self._peer = peer
        self._queue = queue
        self._tries: tuple[_Try, ...] = ()
        self._next_try: IDelayedCall | None = None
        self._untried: list[Place] = []
        self._has_place = False
        """Whether an attempt is under way."""
        self._place = ("", 0)
        """Where we dialed last, or have reached the peer."""
        self._also = False
        """Whether the present attempt is made although the peer is connected."""
        self._ended_at = -inf
        """When the last dial, or the last link, ended."""
        self.met = False
        """Whether the peer had a link."""

    def may_begin(self, dial: Dial) -> bool:
        """See `Dials`."""
        raise NotImplementedError

    def begin(self, dial: Dial) -> None:
        """See `Dials`."""
        raise NotImplementedError

    def _next_address(self, why: str) -> None:
        raise NotImplementedError

    def _start(self, dial: Dial) -> None:
        self._place = dial.place
        where = host_and_port(*dial.place)
        _log.debug("Dialing {peer} at {where}", peer=self._peer.peer_id, where=where)
        self._queue.pauses.began(self._peer.peer_id, dial.place)
        one = _Try(dial)
        self._tries = (*self._tries, one)
        self._connect(one)
        self._next_in(STAGGER)

    def _connect(self, one: _Try) -> None:
        host, port = one.dial.place
        one.link = None
        try:
            one.connector = self._reactor.connectTCP(host, port, self, timeout=_CONNECT_TIMEOUT)
        except OSError as why:  # a scope that no interface of ours has
            self._context.clock.callLater(0, self._over, one, str(why))

    def _next_in(self, seconds: float) -> None:
        """Dial the next address after so many, if there is one, and place for it."""
        if self._next_try is not None:
            self._next_try.cancel()
            self._next_try = None
        if self._untried and len(self._tries) < _AT_ONCE:
            self._next_try = self._context.clock.callLater(seconds, self._time_for_next)

    def _time_for_next(self) -> None:
        self._next_try = None
        self._race()

    def _race(self) -> None:
        """Dial one more address beside those that are dialed, if that may be."""
        if self._peer.links and not self._also:
            return
        now = self._context.clock.seconds()
        while self._untried and len(self._tries) < _AT_ONCE:
            dial = self._dial_to(*self._untried[0])
            if dial is not None and not self._queue.pauses.holder(
                self._peer.peer_id, dial.place, now
            ):
                if not self._queue.join(dial):
                    break
                del self._untried[0]
                self._start(dial)
                return
            del self._untried[0]
        self._next_in(STAGGER)

    def buildProtocol(self, addr: IAddress | None) -> PeerProtocol | None:
        """The connection is there; the handshake follows."""
        one = self._try_to(addr)
        if one is None:
            return None
        place = one.dial.place
        sealed = self._dials_sealed(place)
        one.link = link = PeerProtocol(self._context, self._peer.peer_id, sealed=sealed)
        link.factory = self
        link.ip = place[0]  # with its scope, if it has one
        self._next_in(PATIENCE)
        return link

    def _dials_sealed(self, place: Place) -> bool:
        security = self._context.security
        return security is not None and security.judge.dials_sealed(self._peer.peer_id, place)

    def _try_to(self, addr: IAddress | None) -> _Try | None:
        """The one that a connection to this address belongs to."""
        unmade = [one for one in self._tries if one.link is None]
        there = getattr(addr, "host", "").partition("%")[0], getattr(addr, "port", 0)
        for one in unmade:
            if (one.dial.host.partition("%")[0], one.dial.port) == there:
                return one
        return unmade[0] if unmade else None

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        """Nobody answered at this address."""
        for one in self._tries:
            if one.connector is connector:
                self._over(one, reason.getErrorMessage())

    def handshake_failed(self, link: IPeerLink, finish: Finish) -> None:
        """A connection that was dialed here ended before its session opened."""
        one = self._try_with(link)
        if one is None:
            return
        place = one.dial.place
        again = finish.ending is Ending.UPGRADE
        if again:
            # So it is dialed in TLS from now on, which cannot end like this.
            self._peer.encrypts_at(place)
        elif one.link is not None and one.link.sealed is not None and link.key is None:
            # Perhaps nobody takes TLS there, and only a rendezvous has said so.
            again = self._peer.was_misled(place) and not self._dials_sealed(place)
        if again and (self._also or not self._peer.links):
            self._connect(one)
        else:
            self._over(one, finish.reason)

    def opened(self, link: IPeerLink) -> None:
        """A session opened on a connection that was dialed here; perhaps to somebody else."""
        one = self._try_with(link)
        if one is not None:
            self._also = self._also and link.peer_id != self._peer.peer_id
            self._place = one.dial.place
            self._over(one, f"{bracketed(link.peer_id)} answered instead")

    def _try_with(self, link: IPeerLink) -> _Try | None:
        return next((one for one in self._tries if one.link is link), None)

    def _dial_to(self, host: str, port: int) -> Dial | None:
        """The dial to this place, None where there can be none."""
        address = read_address(host)
        if address is None or not 0 < port < 65_536:
            return None
        return Dial(self, host, port, address.key, self._rank)

    @property
    def _rank(self) -> Rank:
        if self._peer.peer_id in self._queue.friends:
            return Rank.FRIEND
        return Rank.MET if self.met else Rank.NEW

    def _over(self, one: _Try, why: str) -> None:
        """The dial to one address has ended: go on with another one, unless we have a link."""
        if one not in self._tries:
            return
        self._tries = tuple(it for it in self._tries if it is not one)
        self._ended(one)
        if self._peer.links and not self._also:
            # We have reached it, or it has reached us.
            self._untried.clear()
            self._drop_tries()
            self._attempt_over()
        elif self._tries:
            self._race()
        else:
            self._attempt_over()
            self._next_address(why)

    def _ended(self, one: _Try) -> None:
        self._ended_at = self._context.clock.seconds()
        self._pause(one.dial.place)
        self._queue.ended(one.dial)

    def _drop_tries(self) -> None:
        """End those that are under way; they have not failed."""
        tries, self._tries = self._tries, ()
        for one in tries:
            self._ended(one)
        for one in tries:
            if one.link is not None:
                one.link.give_up("not needed any more")
            elif one.connector is not None:
                one.connector.disconnect()

    def _attempt_over(self) -> None:
        """Give the place back."""
        if self._next_try is not None:
            self._next_try.cancel()
            self._next_try = None
        if self._has_place:
            self._has_place = False
            self._queue.over()

    def _pause(self, place: Place) -> None:
        """Have the other names that claim to be there wait."""
        connection, now = self._context.settings.connection, self._context.clock.seconds()
        self._queue.pauses.ended(self._peer.peer_id, place, connection, now)

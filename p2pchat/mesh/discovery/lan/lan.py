"""Being found and finding on one network, without a server: beacons at their times.

    start: 0, 1 and 3 s, then every 30 s -> a beacon on each interface, over IPv4 and IPv6
    (every 10 s while one of them could not send yet)
    a node that is new was heard         -> one more within half a second, so that it hears us, too
    100 s after the last one, or a bye   -> forgotten; links stay

Rules: whoever is heard is dialed, and the handshake says who it is. Whatever comes, one beacon a
second goes out at most, and of those who are new, or at a new place, one a second is dialed, after
the first twenty.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any, Final, Protocol

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall

from p2pchat.logs.levels import Log
from p2pchat.mesh.discovery.lan.beacon import Beacon, encode
from p2pchat.mesh.discovery.lan.heard import Heard, Sighting
from p2pchat.mesh.discovery.lan.interfaces import Interface
from p2pchat.mesh.discovery.lan.way import Way
from p2pchat.mesh.link.bucket import TokenBucket
from p2pchat.speech import Sentence, Spoken, sentence_of

_log: Final = Log("Lan")
INTERVAL: Final = 30.0
_FIRST: Final = (0.0, 1.0, 3.0)
"""Seconds after the start: a datagram may be lost, and what comes first has most need of us."""
_SPREAD: Final = 0.2
_ANSWER: Final = 0.5
"""Seconds within which who is new is answered, at random, so that not all answer at once."""
_PAUSE: Final = 1.0
"""Seconds between two beacons at least."""
_MOMENT: Final = 0.02
"""Seconds that who is new is waited for, because it comes by IPv4 and by IPv6."""
_DIALS, _DIALS_AT_ONCE = 1, 20
"""How many who began are dialed, a second and at once: anybody can send a thousand beacons."""
_LOOKS: Final = 10.0
"""Seconds between two looks at who was not heard for long, and at the interfaces."""
_MOST_NAMESAKES: Final = 3
SILENCE: Final = 60.0
"""Seconds after which a person is told that nobody was heard."""


class Carrier(Protocol):
    """What takes datagrams to all neighbours; see `Multicast`."""

    on_datagram: Callable[[bytes, str, Way], None]

    @property
    def ways(self) -> dict[Interface, Way]:
        """The interfaces in use."""

    def start(self) -> Sentence | None:
        """Begin; returns why that cannot be, None if all is well."""

    def stop(self) -> Deferred[None]:
        """End."""

    def look(self) -> None:
        """Look at the interfaces again."""

    def send(self, datagram: bytes) -> None:
        """To all neighbours."""


class Lan(Service):
    """The beacons of one node, on `carrier`.

    `instance` is 16 hexadecimal digits, not those of HELLO. `on_sighted` gets a peer_id, where it
    is to be dialed, as `Heard.of` has it, and whether it has just begun; no place when it was
    not heard for long, or has left. `on_namesake` is told where somebody else has our name.
    """

    def __init__(
        self,
        clock: IReactorTime,
        carrier: Carrier,
        peer_id: str,
        port: int,
        instance: str,
        friends: Container[str],
        jitter: Callable[[float, float], float],
        on_sighted: Callable[[str, list[Sighting], bool], None],
        on_namesake: Callable[[Sentence], None],
    ) -> None:
        self._clock = clock
        self.carrier = carrier
        self._me = peer_id
        self._port = port
        self._instance = instance
        self._jitter = jitter
        self._on_sighted = on_sighted
        self._on_namesake = on_namesake
        self.heard = Heard(instance, friends, clock.seconds())
        self._beacons = self._namesakes = 0
        self._sent_at = -_PAUSE
        self._next: IDelayedCall | None = None
        self._due = 0.0
        self._dials = TokenBucket(_DIALS, clock.seconds(), burst=_DIALS_AT_ONCE)
        self._untold: dict[str, None] = {}
        """Who began, and is not told yet, so that not all are dialed at once."""
        self._telling: IDelayedCall | None = None
        self._looking = LoopingCall(self._look)
        self._looking.clock = clock
        self.started_at = 0.0
        """Seconds of the node's clock."""
        self.trouble: Spoken = None
        """Why we are not heard, or hear nothing; None if all is well."""

    def startService(self) -> None:
        """Say that we are here, and listen for others."""
        super().startService()
        self.started_at = self._clock.seconds()
        self.carrier.on_datagram = self._datagram
        self.trouble = self.carrier.start()
        if self.trouble:
            _log.warn("No neighbours: {why}", why=str(self.trouble))
            return
        self._plan(0.0)
        self._looking.start(_LOOKS, now=False).addErrback(self._broken)

    def stopService(self) -> Deferred[None]:
        """Say that we leave; nobody ends a link for that."""
        super().stopService()
        for call in (self._next, self._telling):
            if call is not None:
                call.cancel()
        self._next = self._telling = None
        if self._looking.running:
            self._looking.stop()
        if not self.trouble:
            self._send(Beacon(self._me, self._instance, bye=True))
        return self.carrier.stop()

    def silent_for(self, now: float) -> float:
        """Seconds since anybody was heard, or since the start."""
        heard = [way.heard_at for way in self.carrier.ways.values() if way.heard_at is not None]
        return now - max(heard, default=self.started_at)

    # ------------------------------------------------------------ what we say

    def _plan(self, delay: float) -> None:
        """Send the next beacon then, or earlier if that was planned."""
        due = max(self._clock.seconds() + delay, self._sent_at + _PAUSE)
        if self._next is not None:
            if self._due <= due:
                return
            self._next.cancel()
        self._due = due
        self._next = self._clock.callLater(max(0.0, due - self._clock.seconds()), self._beacon)

    def _beacon(self) -> None:
        self._next = None
        now = self._clock.seconds()
        self._sent_at = now
        self._send(Beacon(self._me, self._instance, self._port, self._beacons))
        self._beacons += 1
        since = now - self.started_at
        early = [at - since for at in _FIRST if at > since]
        spread = INTERVAL * _SPREAD
        self._plan(early[0] if early else INTERVAL + self._jitter(-spread, spread))

    def _send(self, beacon: Beacon) -> None:
        try:
            datagram = encode(beacon)
        except ValueError as why:
            self.trouble = sentence_of(why)
        else:
            self.carrier.send(datagram)

    # ------------------------------------------------------------ what others say

    def _datagram(self, datagram: bytes, ip: str, way: Way) -> None:
        now, taken = self._clock.seconds(), self.heard.taken
        news = self.heard.take(datagram, ip, now)
        if self.heard.taken > taken:
            way.heard_at = now
        if news is None:
            return
        if news.asks:
            self._plan(self._jitter(0.0, _ANSWER))
            return
        if news.peer_id == self._me:
            # Beacons prove nothing: whoever says our name again and again is told of a few times.
            if news.is_new and self._namesakes < _MOST_NAMESAKES:
                self._namesakes += 1
                self._on_namesake(Sentence("on this network, at {ip}", ip=ip))
            return
        if news.is_new:
            self._plan(self._jitter(0.0, _ANSWER))
            self._untold[news.peer_id] = None
            if self._telling is None:
                self._telling = self._clock.callLater(_MOMENT, self._tell)
        elif news.peer_id not in self._untold:
            self._on_sighted(news.peer_id, self.heard.of(news.peer_id), False)

    def _tell(self) -> None:
        """Have those dialed who began, in their order, as fast as may be."""
        self._telling = None
        while self._untold:
            wait = self._dials.take(0, self._clock.seconds())
            if wait:
                self._telling = self._clock.callLater(max(wait, _MOMENT), self._tell)
                return
            peer_id = next(iter(self._untold))
            del self._untold[peer_id]
            places = self.heard.of(peer_id)
            if places:
                self._dials.take(1, self._clock.seconds())
                self._on_sighted(peer_id, places, True)

    def _look(self) -> None:
        self.carrier.look()
        if any(not way.sent for way in self.carrier.ways.values()):
            self._plan(0.0)  # an interface that has come up, or could not send at our start
        for peer_id in self.heard.lapse(self._clock.seconds()):
            self._on_sighted(peer_id, self.heard.of(peer_id), False)

    def _broken(self, failure: Any) -> None:
        _log.failure("A fault of our own while looking for neighbours", failure)

"""What the links of a node that encrypts share: our keys, who judges, and the handshakes' turns.

Rules: a node that encrypts nothing has none of this, and its links do as they always did. What a
key or a name is worth is decided by the owner of the links; here it is only asked. The handshakes
of those who dial us are paid in CPU time. Beyond their budget a connection is not read, until its
turn comes.
"""

from __future__ import annotations

from types import MethodType
from typing import Final, Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from p2pchat.mesh.identity.keys import Keys
from p2pchat.mesh.link.handshake_budget import DEAR, HandshakeBudget, Waiting
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.wire.guard import Guard
from p2pchat.wire.messages import Hello

TURN: Final = 0.002
"""Seconds of CPU after which no further step is taken in one turn. The clock cannot tell: on a busy
machine it runs many times faster than we do, and what it allows meanwhile had no end."""
_NEXT_TURN: Final = 0.001
_TIMES_USUAL: Final = 4
"""A step is dear that takes so many times what a whole handshake with ourselves took."""


class Judge(Protocol):
    """Says who may be at the other end of a link."""

    def dials_sealed(self, peer_id: str, place: tuple[str, int]) -> bool:
        """Whether to dial a peer at this place in TLS."""

    def recognised(self, link: IPeerLink, key: bytes) -> str | None:
        """Why the one whom we dialed must not see our certificate; None when it may.

        Asked when its key is known, and nothing but a hello has left.
        """

    def vouch(self, link: IPeerLink, peer_id: str, *, fleeting: bool) -> str:
        """Why whoever says to be `peer_id` may not be there: the reason of a BYE; empty if it may.

        Asked before HELLO is answered. One that may be there is taken as having opened: `link_made`
        has come before, and `link_opened` or `link_closed` follows.
        """

    def mark(self, peer_id: str, key: bytes) -> str:
        """How well the key of an open link is known: `encrypted` or `verified`."""


class LinkSecurity:
    """Made once for a node, and in `LinkContext.security` for as long as it encrypts.

    `fleeting` says that our key ends with this process.
    """

    def __init__(
        self, keys: Keys, judge: Judge, clock: IReactorTime, *, fleeting: bool = False
    ) -> None:
        self.keys = keys
        self.judge = judge
        self.fleeting = fleeting
        # On a slow machine an honest step takes long, too.
        dear = max(DEAR, _TIMES_USUAL * keys.usual)
        self.budget = HandshakeBudget(clock.seconds(), dear=dear)
        self._clock = clock
        self._vouch = self._vouch_for
        self._look: IDelayedCall | None = None
        self._in_turn = 0.0
        self.handshakes = self.handshakes_failed = 0
        """TLS handshakes that are done, and that failed, in both directions."""
        self.handshake_seconds = 0.0
        """The CPU that those which are done took here."""
        self.broken = 0
        """Links that ended later, because what came was not what the other end had sealed."""

    def guard(self, link: IPeerLink, *, sealed: bool) -> Guard:
        """What the session of `link` asks."""
        # A method of the link, as it were: a quarter of a closure's memory.
        return Guard(sealed, MethodType(self._vouch, link), self.fleeting)

    def _vouch_for(self, link: IPeerLink, peer_id: str, greeting: Hello) -> str:
        return self.judge.vouch(link, peer_id, fleeting=greeting.fleeting is True)

    # ------------------------------------------------------------ whose turn it is

    def may_step(self, handshake: Waiting) -> bool:
        """Whether it may take its next step; if not, it is told to `go_on` when it may."""
        now = self._clock.seconds()
        if self._in_turn < TURN and self.budget.may_go(handshake.ip, now):
            return True
        self._look_in(max(self.budget.wait(handshake, now), _NEXT_TURN), now)
        return False

    def stepped(self, ip: str, seconds: float, *, failed_late: bool = False) -> None:
        """A step took so many seconds of CPU, and perhaps failed after the certificate came."""
        now = self._clock.seconds()
        if not self._in_turn and seconds:
            self._clock.callLater(0, self._turn_over)
        self._in_turn += seconds
        self.budget.spent(ip, seconds, now)
        if failed_late:
            self.budget.failed_late(ip, now)

    def _turn_over(self) -> None:
        self._in_turn = 0.0

    def forget(self, handshake: Waiting) -> None:
        """Its connection is gone."""
        self.budget.forget(handshake)
        if self._look is not None and not self.budget.waiting:
            self._look.cancel()
            self._look = None

    def _look_in(self, wait: float, now: float) -> None:
        """Look again after `wait` seconds at the latest: who rests has others wait no longer."""
        if self._look is None:
            self._look = self._clock.callLater(wait, self._look_now)
        elif now + wait < self._look.getTime():
            self._look.reset(wait)

    def _look_now(self) -> None:
        self._look = None
        while self._in_turn < TURN:
            handshake = self.budget.next(self._clock.seconds())
            if handshake is None:
                break
            handshake.go_on()
        now = self._clock.seconds()
        wait = self.budget.next_in(now)
        if wait is not None:
            self._look_in(max(wait, _NEXT_TURN), now)

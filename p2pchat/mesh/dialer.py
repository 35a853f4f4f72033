"""Keeping an outbound link to one peer: dials, backoff, the attempt limit, STALE.

    dial() -> addresses, in a race -> handshake -> opened
       ^                   |                          |
       +---- backoff <-----+ no answer                |
       |                   | `max_reconnect_attempts` in a row
       |                   +-> STALE, until dial() is called again
       +---- backoff <------ the link is lost <-------+

Rules: the wait before the next dial is base**n seconds for the n-th failure in a row, capped, with
jitter, so that peers that lost each other do not dial in step. A session that ends soon after it
opened, whoever dialed, lets n grow, too, so that an end that accepts and drops is backed off from;
but it answers, and does not become STALE. Only a session that lasted resets n. Each dial waits for
its turn in the `DialQueue`. An address and port where another name is dialed, or was in vain, fails
without a dial (`DialPauses`), and such an attempt counts as all but the last one.

The addresses of an attempt race; see `race`. An address that answers in the clear, but says that it
encrypts, is dialed again at once, in TLS. That is the same dial.

Two attempts are beside this: `hurry` makes one now, which does not count if it fails; `dial_also`
makes one although the peer is connected, and nothing comes of it if it fails.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from twisted.internet.interfaces import (
    IDelayedCall,
    IReactorTCP,
)

from p2pchat.logs.levels import Log
from p2pchat.mesh.addresses import Place
from p2pchat.mesh.dial_pauses import backoff
from p2pchat.mesh.dial_queue import Dial, DialQueue
from p2pchat.mesh.link.context import LinkContext
from p2pchat.mesh.peers import Peer, Status
from p2pchat.mesh.race import Race

_log: Final = Log("PeerClient")
LASTING: Final = 5.0
"""Seconds that a session must have been open to count as a success."""


class Dialer(Race):
    """Dials one peer, again and again within its limits.

    `on_status` is called with the peer's new status. The node calls `dial` to begin, `opened` and
    `handshake_failed` for the connections that were dialed here, `connected` and `link_lost` for
    the peer's links, and `stop` in the end.
    """

    def __init__(
        self,
        context: LinkContext,
        reactor: IReactorTCP,
        peer: Peer,
        queue: DialQueue,
        on_status: Callable[[Peer, Status], None],
        jitter: Callable[[float, float], float],
    ) -> None:
        super().__init__(context, reactor, peer, queue)
        self._on_status = on_status
        self._jitter = jitter
        self._wait: IDelayedCall | None = None
        self._knew: frozenset[Place] = frozenset()
        """All addresses of the present attempt."""
        self._waiting: Dial | None = None
        self._hurried = False
        """Whether the present attempt, or the next one, is made before its time."""
        self._short_sessions = 0
        self.failures = 0
        """Attempts in a row that were not answered."""

    @property
    def busy(self) -> bool:
        """Whether an attempt is under way or waits for its time."""
        return bool(self._wait or self._waiting or self._has_place)

    def dial(self) -> None:
        """Start over, now: forget earlier failures.

        An attempt that is under way goes on, unless the peer has an address that is none of its.
        """
        self.failures = self._short_sessions = 0
        self._hurried = False
        self._cancel_wait()
        if self.busy and not self._knew.issuperset(self._peer.addresses):
            self._drop_attempt()
        if not self.busy:
            self._attempt()

    def hurry(self) -> None:
        """Somebody writes to the peer: dial now, or as soon as the shortest pause has passed."""
        if self._peer.links or self._waiting or self._has_place or not self._peer.addresses:
            return
        now = self._context.clock.seconds()
        delay = self._ended_at + self._context.settings.connection.reconnect_backoff_base - now
        if self._wait is not None and self._wait.getTime() <= now + max(0.0, delay):
            return
        self._cancel_wait()
        self._hurried = True
        if delay > 0:
            self._wait = self._context.clock.callLater(delay, self._time_to_dial)
        else:
            self._attempt()

    def dial_also(self, places: Sequence[Place]) -> None:
        """Dial these places once, although the peer is connected."""
        if self._queue.admission.has_room:
            self._drop_attempt()
            self._also, self._untried = True, [*places]
            self._knew = frozenset(places)
            self._next_address("none of its new addresses can be dialed")

    def stop(self) -> None:
        """Dial no more, and drop an attempt that is under way."""
        self._cancel_wait()
        self._drop_attempt()

    # ------------------------------------------------------------ what happens to an attempt

    def _drop_attempt(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._queue.withdraw(waiting)
        self._untried.clear()
        self._also = False
        self._drop_tries()
        self._attempt_over()

    def _attempt(self) -> None:
        self._also = False
        self._untried = [*self._peer.addresses]
        self._knew = frozenset(self._untried)
        if self._peer.links or not self._untried:
            return
        if not self._queue.admission.has_room:
            self._postpone()
        else:
            self._next_address("none of its addresses can be dialed")

    def _next_address(self, why: str) -> None:
        """Ask for the next dial of this attempt; if none is left, the attempt failed."""
        while self._untried:
            dial = self._dial_to(*self._untried.pop(0))
            if dial is not None:
                self._waiting = dial
                self._queue.ask(dial)
                return
        self._failed(why)

    def may_begin(self, dial: Dial) -> bool:
        """Whether to dial, now that it is our turn. Called by `DialQueue` only."""
        self._waiting = None
        if self._peer.links and not self._also:
            # It has reached us meanwhile.
            self._untried.clear()
            return False
        if not self._queue.admission.has_room:
            self._postpone()
            return False
        if not self._queue.may_link(dial):
            if self._untried:
                self._next_address("its address has as many links as it may")
            else:
                self._postpone()
            return False
        now = self._context.clock.seconds()
        holder = self._queue.pauses.holder(self._peer.peer_id, dial.place, now)
        if holder and not self._untried:
            # Whoever is there is met by that name's dials. This is our last but one attempt, or
            # thousands of names at one place would keep us busy.
            self.failures = max(self.failures, self._attempts - 2)
        if holder:
            self._next_address(f"{holder} was just dialed at its address")
        return not holder

    def begin(self, dial: Dial) -> None:
        """It is our turn: dial. Called by `DialQueue` only."""
        self._has_place = True
        self._on_status(self._peer, Status.CONNECTING)
        self._start(dial)

    def connected(self) -> None:
        """The peer has a link, whoever dialed it: the next attempt need not be made."""
        self.failures = 0
        self._hurried = False
        self.met = True
        self._cancel_wait()

    def link_lost(self, lasted: float) -> None:
        """The peer's last link ended after `lasted` seconds; the node wants it back."""
        self.met = True
        self._ended_at = self._context.clock.seconds()
        self._short_sessions = 0 if lasted >= LASTING else self._short_sessions + 1
        if self._has_place:
            self._on_status(self._peer, Status.CONNECTING)
            return
        if self._short_sessions:
            self._pause(self._place)
        else:
            self._queue.pauses.lasted(self._peer.peer_id, self._place)
        self._on_status(self._peer, Status.DISCONNECTED)
        if self._waiting is None:
            self._again()

    def _postpone(self) -> None:
        """There are as many links as may be: this is no failure of the peer's; look again later."""
        self._queue.admission.postponed += 1
        self._on_status(self._peer, Status.DISCONNECTED)
        longest = self._context.settings.connection.reconnect_backoff_max
        self._cancel_wait()
        delay = longest * self._jitter(0.8, 1.2)
        self._wait = self._context.clock.callLater(delay, self._time_to_dial)

    def _failed(self, why: str) -> None:
        self._also = False
        if self._peer.links:
            return
        hurried, self._hurried = self._hurried, False
        self.failures += not hurried
        limit = self._attempts
        _log.debug(
            "Attempt {n} of {limit} to reach {peer} failed: {why}",
            n=self.failures,
            limit=limit,
            peer=self._peer.peer_id,
            why=why,
        )
        if self.failures >= limit:
            self._on_status(self._peer, Status.STALE)
        else:
            self._on_status(self._peer, Status.DISCONNECTED)
            self._again()

    @property
    def _attempts(self) -> int:
        return self._context.settings.connection.max_reconnect_attempts

    def _again(self) -> None:
        n = self.failures + self._short_sessions
        delay = backoff(self._context.settings.connection, n, self._jitter)
        self._cancel_wait()
        self._wait = self._context.clock.callLater(delay, self._time_to_dial)

    def _time_to_dial(self) -> None:
        self._wait = None
        self._attempt()

    def _cancel_wait(self) -> None:
        if self._wait is not None:
            self._wait.cancel()
            self._wait = None

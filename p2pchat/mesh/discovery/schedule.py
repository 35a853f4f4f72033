"""When a rendezvous is asked next: renewal, discovery, backoff, and the budget for all of them.

    granted ---- half the lease ----> renewal is due
    discovering --- the interval ---> discovery is due
    failed ------- the backoff -----> both are due, the renewal only if there is none in force
    renew_and_discover -- SETTLES --> a directory of our own machine has everybody who is there

Rules: pure, times are passed in as seconds of the node's clock. Requests have a budget a minute,
far below what makes a rendezvous block us (protocol, section 2, "the client's side"). A rendezvous
that blocks us is asked nothing until that is over, by nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

REQUESTS_A_MINUTE: Final = 20
"""What we ask of a rendezvous at most; it blocks whoever asks more than 50 times."""
SETTLES: Final = 4.0
"""Seconds after which all nodes of a machine have found the one of them that took over as its
directory: the longest time between two DISCOVER requests there, and a second. Shorter: a script
that starts just then misses some; longer: it waits where it is alone."""
_ROUNDING: Final = 1.0
"""Seconds by which a registration may be younger than a listing says."""
_FIRST_RETRY: Final = 1.0
_LONGEST_RETRY: Final = 30.0
_LONGEST_BLOCK: Final = 600.0
"""Seconds for which a rendezvous is believed that it blocks us; the real ones say up to 60."""


class RequestSchedule:
    """The times of one node's requests to one directory.

    `interval` is the time between two DISCOVER requests, in seconds. `budget` is the most requests
    in a minute; None for a directory of our own machine, which does not mind. `jitter` gives a
    number between two others. Whoever asks says so with `registering` or `discovering`, and then
    what came of it.
    """

    def __init__(
        self,
        interval: float,
        budget: int | None,
        jitter: Callable[[float, float], float],
    ) -> None:
        self._interval = interval
        self._budget = budget
        self._jitter = jitter
        self._asked: list[float] = []
        self._register_at = self._discover_at = self._silent_until = 0.0
        self._discovered_at = self._whole_from = float("-inf")
        self._retry = _FIRST_RETRY
        # However short the lease that is granted, something is left of the budget for discovery.
        self._shortest_lease = 1.0 if budget is None else 100 / budget

    def configure(self, interval: float, now: float) -> None:
        """Discover this often from now on."""
        self._interval = interval
        self._discover_at = min(self._discover_at, now + interval)

    # ------------------------------------------------------------ what is due

    def renewal_due(self, now: float) -> bool:
        """Whether it is time to register, for the first time or again."""
        return now >= self._register_at

    def discovery_due(self, now: float) -> bool:
        """Whether it is time to discover."""
        return now >= self._discover_at

    def next_due(self, now: float) -> float:
        """For how many seconds nothing is due, as it is now; 0 or less: something is."""
        return max(min(self._register_at, self._discover_at), self._silent_until) - now

    def may_ask(self, now: float, spare: int = 0) -> bool:
        """Whether a request can be made: the budget is not spent, and nobody blocks us.

        `spare`: requests of the budget that are to be left.
        """
        if now < self._silent_until:
            return False
        if self._budget is None:
            return True
        self._asked = [at for at in self._asked if now - at < 60]
        return len(self._asked) < self._budget - spare

    def settled(self, now: float) -> bool:
        """Whether a listing names everybody who is there, as far as anybody can know.

        Not one of a directory of our own machine that may have taken over a moment ago.
        """
        return now >= self._whole_from

    # ------------------------------------------------------------ what happens

    def renew(self, now: float) -> None:
        """Have us register at the next opportunity."""
        self._register_at = now

    def renew_and_discover(self, now: float) -> None:
        """Have us register and discover at the next opportunity: the directory may be a new one."""
        self._register_at = self._discover_at = now
        if self._budget is None:
            self._whole_from = now + SETTLES

    def discover(self, now: float) -> None:
        """Have us discover at the next opportunity."""
        self._discover_at = now

    def registering(self, now: float) -> None:
        """A REGISTER is sent."""
        self._count(now)

    def discovering(self, now: float, *, spread: bool = False) -> None:
        """A DISCOVER is sent; `spread`: many nodes should not ask for the next one in step."""
        self._count(now)
        self._discovered_at = now
        interval = self._interval * self._jitter(0.8, 1.2) if spread else self._interval
        self._discover_at = now + interval

    def seeking(self, now: float) -> None:
        """A DISCOVER is sent that asks for some names."""
        self._count(now)

    def listed(self, oldest: float, now: float) -> None:
        """A listing came, in which `oldest` is the greatest age of a registration in seconds.

        The directory is at least as old. If it has not settled, we discover when it has.
        """
        self._whole_from = min(self._whole_from, now - oldest + _ROUNDING + SETTLES)
        if now < self._whole_from:
            self._discover_at = min(self._discover_at, self._whole_from)

    def _count(self, now: float) -> None:
        if self._budget is not None:
            self._asked.append(now)

    def granted(self, lease: float, now: float) -> None:
        """We are registered for `lease` seconds."""
        self._register_at = now + max(lease / 2, self._shortest_lease)

    def reset_backoff(self) -> None:
        """All is well, or may be: the next failure counts as the first."""
        self._retry = _FIRST_RETRY

    def failed(self, now: float, *, registered: bool) -> float:
        """A request failed; returns the seconds to wait, longer each time up to half a minute.

        `registered` says whether there is a registration, which need not be renewed before its
        time.
        """
        wait = min(self._retry * self._jitter(0.8, 1.2), self._interval, _LONGEST_RETRY)
        self._retry = min(self._retry * 2, 2 * _LONGEST_RETRY)
        if not registered or self._register_at <= now:
            self._register_at = now + wait
        self._discover_at = now + wait
        return wait

    def blocked(self, seconds: float, now: float) -> None:
        """The rendezvous said for how long it blocks us."""
        self._silent_until = now + min(seconds, _LONGEST_BLOCK)

    def refused(self, now: float) -> None:
        """It does not want us, but it may still tell who else is there; call `failed` first."""
        self._register_at = now + self._interval
        self._discover_at = max(now, self._discovered_at + self._interval)

"""Whose turn it is to dial: the dials that are wanted, and those that are under way.

    ask() -> waits -> may_begin()? -> begin() -> ended() -> over()
               |           no, the peer was reached meanwhile
               +-> withdraw()                  join() -> ended(), as often as the place is held

Rules: dials begin in a turn of their own, at most a hundred wishes a turn. Friends come first, then
peers that we had a link with. Among equals, each address has its turn, however many names wait for
it. What may begin is said by the `DialBudget`. Places are bounded. One attempt holds one, and may
have more dials beside its first as long as nobody waits who comes before it.
"""

from __future__ import annotations

import enum
from collections import OrderedDict
from typing import Final, Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from p2pchat.mesh.dial_budget import DialBudget
from p2pchat.mesh.dial_pauses import DialPauses
from p2pchat.mesh.link.admission import Admission
from p2pchat.wire.friends import Friends

_MAX_DIALS: Final = 128
_WISHES_A_TURN: Final = 100


class Rank(enum.IntEnum):
    """Who comes first."""

    FRIEND = 0
    MET = 1
    """We had a link with the peer."""
    NEW = 2


class Dial:
    """One dial, wanted or under way: who makes it, and where; `address` is its budget's key."""

    __slots__ = ("address", "host", "port", "rank", "wanted_by")

    def __init__(self, wanted_by: Dials, host: str, port: int, address: str, rank: Rank) -> None:
        self.wanted_by = wanted_by
        self.host = host
        self.port = port
        self.address = address
        self.rank = rank

    @property
    def place(self) -> tuple[str, int]:
        """Where it leads."""
        return self.host, self.port


class Dials(Protocol):
    """Who makes dials."""

    def may_begin(self, dial: Dial) -> bool:
        """Whether the dial is still to be made; if not, it is forgotten."""

    def begin(self, dial: Dial) -> None:
        """Dial now; `DialQueue.ended` and `over` must follow, but not before this has returned."""


class DialQueue:
    """The queue of one node. `limit` is how many attempts may be under way."""

    def __init__(
        self,
        clock: IReactorTime,
        admission: Admission,
        budget: DialBudget,
        pauses: DialPauses,
        friends: Friends,
        limit: int = _MAX_DIALS,
    ) -> None:
        self.admission = admission
        self.budget = budget
        self.pauses = pauses
        self.friends = friends
        self._clock = clock
        self._free = limit
        self._waiting: tuple[_Waiting, ...] = tuple(OrderedDict() for _ in Rank)
        self._next: IDelayedCall | None = None
        self._due = 0.0

    def ask(self, dial: Dial) -> None:
        """Have it begin when it may."""
        waiting = self._waiting[dial.rank]
        waiting.setdefault(dial.address, OrderedDict())[dial] = None
        self._look_in(0)

    def withdraw(self, dial: Dial) -> None:
        """It waits, and is not wanted any more."""
        waiting = self._waiting[dial.rank]
        del waiting[dial.address][dial]
        if not waiting[dial.address]:
            del waiting[dial.address]
        if self._next is not None and not any(self._waiting):
            self._next.cancel()
            self._next = None

    def join(self, dial: Dial) -> bool:
        """Begin one more dial of an attempt that has a place, now; whether that may be."""
        now = self._clock.seconds()
        if any(self._waiting[: dial.rank + 1]) or not self.admission.has_room:
            return False
        if self.budget.wait(now) or self.budget.wait_for(dial.address, now):
            return False
        if not self.may_link(dial):
            return False
        self._began(dial, now)
        return True

    def ended(self, dial: Dial) -> None:
        """A dial that had begun has ended; its attempt has its place still."""
        self.admission.dials -= 1
        self.budget.ended(dial.address)
        if any(self._waiting):
            self._look_in(0)

    def over(self) -> None:
        """An attempt gives its place back; all its dials have ended."""
        self._free += 1
        if any(self._waiting):
            self._look_in(0)

    def may_link(self, dial: Dial) -> bool:
        """Whether its address may have one more link of ours."""
        under_way, friend = self.budget.under_way(dial.address), dial.rank is Rank.FRIEND
        return self.admission.may_dial(dial.address, under_way, friend=friend)

    # ------------------------------------------------------------ who is next

    def _look(self) -> None:
        """Begin what may begin now, and look again when more may."""
        self._next = None
        now = self._clock.seconds()
        for _ in range(_WISHES_A_TURN):
            if self._free <= 0 or not any(self._waiting):
                return
            dial, wait = self._first(now)
            if dial is None:
                if wait < float("inf"):
                    self._look_in(wait)
                return
            if dial.wanted_by.may_begin(dial):
                self._free -= 1
                self._began(dial, now)
                dial.wanted_by.begin(dial)
        self._look_in(0)

    def _began(self, dial: Dial, now: float) -> None:
        self.admission.dials += 1
        self.budget.began(dial.address, now)

    def _first(self, now: float) -> tuple[Dial | None, float]:
        """Take out the next dial that may begin; None, and the seconds until one may."""
        wait = self.budget.wait(now)
        if wait:
            return None, wait
        soonest = float("inf")
        for waiting in self._waiting:
            dial, wait = self._take(waiting, now)
            if dial is not None:
                return dial, 0.0
            soonest = min(soonest, wait)
        return None, soonest

    def _take(self, waiting: _Waiting, now: float) -> tuple[Dial | None, float]:
        """The same of dials of one rank."""
        soonest = float("inf")
        for address, dials in waiting.items():
            wait = self.budget.wait_for(address, now)
            if not wait:
                dial, _ = dials.popitem(last=False)
                if dials:
                    waiting.move_to_end(address)
                else:
                    del waiting[address]
                return dial, 0.0
            # Few addresses can be at their limits: dials are limited in all.
            soonest = min(soonest, wait)
        return None, soonest

    def _look_in(self, seconds: float) -> None:
        due = self._clock.seconds() + seconds
        if self._next is not None:
            if self._due <= due:
                return
            self._next.cancel()
        self._due = due
        self._next = self._clock.callLater(seconds, self._look)


_Waiting = OrderedDict[str, OrderedDict[Dial, None]]

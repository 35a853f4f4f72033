"""What strangers may make us spend on handshakes: CPU time, for each address group and in all.

Rules: pure arithmetic, no clock: `now` is seconds of a steady clock. A step of a handshake is paid
when it is over, because nobody knows before what it costs. So a bucket may be in debt.

- A connection asks `may_go` before each step. When the answer is no, it is not read, and `wait`s.
- Who waits is let go by `next`, one of each group in turn. Nobody passes those who wait for what
  all share.
- An address that made one step dear, or failed after its certificate came, rests. The dearest
  handshakes look like that, and nobody honest makes them. Its neighbours do not rest, nor what many
  share, this machine and all link-local addresses of IPv6, since one program would keep all others
  out. Links that are open stay.
- A third bucket, that fills fast and holds little, keeps one turn of the reactor short.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, Protocol

from p2pchat.mesh.link.bucket import TokenBucket
from p2pchat.wire.address import LINK, THIS_MACHINE, group_of, network_of

ALL: Final = (0.150, 0.300)
"""Seconds of CPU a second, and at once, for all inbound handshakes."""
GROUP: Final = (0.040, 0.120)
"""The same for one address group."""
SHARE: Final = (0.250, 0.008)
"""The same again, so that a burst has no more than a quarter of the time."""
DEAR: Final = 0.003
"""Seconds of CPU from which one step is dear. (An honest one takes less than a third.)"""
REST: Final = 10.0
"""Seconds in which an address does not go on that made a step dear, or failed late."""
_FORGET: Final = 6.0
"""Seconds after which a group of which nobody was heard has all of its share again."""
_GROUPS: Final = 4096
"""Groups, and addresses that rest; beyond it the one that is known for longest is forgotten."""


class Waiting(Protocol):
    """A connection that waits for its next step."""

    @property
    def ip(self) -> str:
        """Who pays for it."""

    def go_on(self) -> None:
        """Its turn has come: take one step, and tell what it took."""


class _Group:
    __slots__ = ("bucket", "heard", "waiting")

    def __init__(self, now: float, rate: float, burst: float) -> None:
        self.bucket = TokenBucket(rate, now, burst)
        self.heard = now
        self.waiting: dict[Waiting, None] = {}


class HandshakeBudget:
    """Says which connection may take the next step of its handshake.

    `in_all` and `for_group` are the seconds of CPU a second, and those at once. `dear`: seconds of
    CPU from which one step is dear.
    """

    def __init__(
        self,
        now: float,
        in_all: tuple[float, float] = ALL,
        for_group: tuple[float, float] = GROUP,
        dear: float = DEAR,
    ) -> None:
        self._all = TokenBucket(in_all[0], now, in_all[1])
        self._share = TokenBucket(SHARE[0], now, SHARE[1])
        self._for_group = for_group
        self._dear = dear
        self._groups: OrderedDict[str, _Group] = OrderedDict()
        """Who was silent for longest comes first."""
        self._queue: OrderedDict[str, _Group] = OrderedDict()
        """Those of whom somebody waits, in the order of their turns."""
        self._all_held = False
        """Whether all who wait do so for their own group, when it was looked at last."""
        self._rests: OrderedDict[str, float] = OrderedDict()
        """Addresses that rest, and until when; the first to go on comes first."""
        self.rests = 0
        """How often an address was put to rest since the start."""

    @property
    def waiting(self) -> int:
        """Connections that wait."""
        return sum(len(group.waiting) for group in self._queue.values())

    def may_go(self, ip: str, now: float) -> bool:
        """Whether a connection from `ip` may take its next step now.

        If so, tell `spent` after it. If not, do not read from it, and let it `wait`.
        """
        group = self._group(ip, now)
        return (
            not group.waiting
            and (not self._queue or self._all_held)
            and not self._shared_in(now)
            and not self._rest_of(ip, now)
            and not group.bucket.take(0, now)
        )

    def spent(self, ip: str, seconds: float, now: float) -> None:
        """A step of a connection from `ip` took `seconds` of CPU."""
        group = self._group(ip, now)
        for bucket in (self._all, self._share, group.bucket):
            bucket.take(seconds, now)
        if seconds > self._dear:
            self._rest(ip, now)

    def failed_late(self, ip: str, now: float) -> None:
        """A handshake from `ip` failed after its certificate had come."""
        self._rest(ip, now)

    def wait(self, connection: Waiting, now: float) -> float:
        """Let it wait until `next` gives it back; it is to be told to `forget` if it ends.

        Returns the seconds in which to ask `next` at the latest.
        """
        name = group_of(connection.ip)
        group = self._group(connection.ip, now)
        group.waiting[connection] = None
        self._queue[name] = group
        ready_in = max(self._rest_of(connection.ip, now), group.bucket.take(0, now))
        if not ready_in:
            self._all_held = False
        wait = max(ready_in, self._shared_in(now))
        return wait and wait + 0.001

    def forget(self, connection: Waiting) -> None:
        """It waits no more; may be told of one that does not wait."""
        name = group_of(connection.ip)
        group = self._queue.get(name)
        if group is not None:
            group.waiting.pop(connection, None)
            if not group.waiting:
                del self._queue[name]

    def next(self, now: float) -> Waiting | None:
        """The next one that may take a step now, which waits no more; None when nobody may.

        Ask until it is None, and then again in `next_in` seconds.
        """
        if self._shared_in(now):
            self._all_held = False
            return None
        for name, group in [*self._queue.items()]:
            if group.bucket.take(0, now):
                continue
            connection = next((it for it in group.waiting if not self._rest_of(it.ip, now)), None)
            if connection is not None:
                self._queue.move_to_end(name)
                self.forget(connection)
                return connection
        self._all_held = True
        return None

    def next_in(self, now: float) -> float | None:
        """Seconds until somebody may go, and a millisecond against rounding; None if none waits."""
        if not self._queue:
            return None
        first = min(
            max(group.bucket.take(0, now), self._all_rest(group, now))
            for group in self._queue.values()
        )
        wait = max(first, self._shared_in(now))
        return wait and wait + 0.001

    def _shared_in(self, now: float) -> float:
        return max(self._all.take(0, now), self._share.take(0, now))

    def _all_rest(self, group: _Group, now: float) -> float:
        """Seconds in which nobody of a group may go because all of them rest."""
        least = REST
        for connection in group.waiting:
            rest = self._rest_of(connection.ip, now)
            if not rest:  # nearly always the first of hundreds
                return 0.0
            least = min(least, rest)
        return least

    def _rest(self, ip: str, now: float) -> None:
        address = network_of(ip)
        if address in (THIS_MACHINE, LINK):
            return
        self.rests += 1
        self._rests[address] = now + REST
        self._rests.move_to_end(address)
        while len(self._rests) > _GROUPS or next(iter(self._rests.values())) <= now:
            self._rests.popitem(last=False)

    def _rest_of(self, ip: str, now: float) -> float:
        """Seconds for which this address still rests."""
        return max(self._rests.get(network_of(ip), now) - now, 0.0)

    def _group(self, ip: str, now: float) -> _Group:
        name = group_of(ip)
        group = self._groups.get(name)
        if group is None:
            self._make_room(now)
            group = self._groups[name] = self._queue.get(name) or _Group(now, *self._for_group)
        group.heard = now
        self._groups.move_to_end(name)
        return group

    def _make_room(self, now: float) -> None:
        """Forget who has all of its share again; and the one silent for longest if all are many."""
        while self._groups:
            oldest = next(iter(self._groups.values()))
            if len(self._groups) < _GROUPS and now - oldest.heard <= _FORGET:
                break
            self._groups.popitem(last=False)

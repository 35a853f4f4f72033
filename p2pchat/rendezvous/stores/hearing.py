"""What the other servers of a registry told: the hash at the start, then the log, entry by entry.

Rules: the order of the log is the truth between servers, but for what is ours and not yet read
there, which comes behind it. Who begins remembers the end of the log, reads the hash, and reads the
log from there: nothing is missed, and to read something twice does no harm. What somebody else
wrote is left out and counted. Work is done in short turns.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from itertools import islice
from typing import Any, Final

from p2pchat.logs.levels import Log
from p2pchat.rendezvous.registry import Registry
from p2pchat.rendezvous.stores.changes import (
    GRANTED,
    NOTHING,
    WITHDRAWN,
    Change,
    entries_in,
    entry_in,
    has_address,
    newest_in,
    order_of,
    read_field,
    registration_of,
    scanned_in,
)
from p2pchat.rendezvous.stores.redis import Redis, TooLongError
from p2pchat.rendezvous.stores.telling import Telling
from p2pchat.turns import Turns

_log: Final = Log("Shared")

BLOCK: Final = 0.5
"""Seconds for which Redis is asked to wait for the next entry of the log; then we look whether its
data are still the same."""
MOST_SKEW: Final = 30.0
"""Seconds that the clock of this machine may differ from that of Redis."""
_ENTRIES: Final = 20
"""Entries of the log that are read at once: with the longest names, half of the longest reply."""
_TRIES: Final = 2
"""Times that what is next in the log is tried to be read once more, before it is left out."""
_SCAN: Final = 1000
"""Fields of the hash that are asked for at once."""
_LOOKS: Final = 1000
"""Times that Redis is asked for more of the hash, beyond what a full registry can take."""
_A_TURN: Final = 50
"""Changes that are applied without a look at anything else."""


class LostError(Exception):
    """Redis has other data than before: `look` again."""


class ClockError(Exception):
    """The clock of this machine is wrong: leases would last for hours, or for no time at all."""


class Hearing:
    """Applies to `registry` what others told; `telling` is what we told ourselves.

    Call `look` at the start and after each trouble, then `follow` again and again. Both fail with
    whatever went wrong, `ClockError` included.
    """

    def __init__(
        self,
        registry: Registry,
        telling: Telling,
        server: str,
        prefix: str,
        where: str,
        reactor: Any,
        epoch: Callable[[], str],
        wall: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self.applied = 0
        """Changes that were taken over."""
        self.odd = 0
        """Entries that are none of ours."""
        self.last: bytes | None = None
        """The id of the entry up to which the log was read; None before the hash was."""
        self.behind = False
        """Whether the log may have more than `follow` has read."""
        self.on_read: Callable[[bytes], None] = lambda _: None
        """Is told of this id each time that it is another one."""
        self._registry, self._telling = registry, telling
        self._server = server.encode()
        self._all, self._log, self._epoch_key = (f"{prefix}{it}" for it in ("all", "log", "epoch"))
        self._where = where
        self._turns = Turns(reactor)
        self._make_epoch = epoch
        self._epoch: bytes | None = None
        self._reading_at: bytes | None = None
        self._failed = 0
        self._left_out: set[str] = set()
        self._check_at = 0.0
        self._wall, self._monotonic = wall, monotonic

    async def look(self, redis: Redis) -> None:
        """Find out what became of the data while we did not look, and take over what is new."""
        last = self.last or NOTHING
        # Redis answers, but what is next cannot be read: without a leap it never would be.
        self._failed = self._failed + 1 if self._reading_at == last else 0
        self._reading_at = None
        leap = self._failed >= _TRIES
        clock, epoch, end, here = await redis.together(
            [
                ("TIME",),
                ("GET", self._epoch_key),
                ("XREVRANGE", self._log, "+", "-", "COUNT", 1),
                ("XRANGE", self._log, last, last),
            ]
        )
        self._check_clock(clock)
        if not isinstance(epoch, bytes):
            await redis.call("SET", self._epoch_key, self._make_epoch(), "NX")
            epoch = await redis.call("GET", self._epoch_key)
        before = self._epoch
        # Of a log that was cut off at its beginning or its end, we may have missed something.
        going_on = last != NOTHING and epoch == before and newest_in(here) == last
        if self.last is None or not going_on or leap:
            self._telling.forget_unseen()
            await self._read_all(redis)
            self.last = newest_in(end)
            if leap:
                self._failed = 0
                _log.warn("Left out what cannot be read in {where}", where=self._where)
        self._epoch = epoch
        if before is not None and not going_on:
            self._telling.recover()

    async def _read_all(self, redis: Redis) -> None:
        """Take over the hash, piece by piece."""
        cursor, seen, most = b"0", 0, 2 * self._registry.limit
        before = self.applied
        for _ in range(_LOOKS + most // _A_TURN):
            try:
                reply = await redis.call("HSCAN", self._all, cursor, "COUNT", _SCAN)
            except TooLongError:
                self._leave_out("a field that is too long")
                break
            cursor, count, pairs = scanned_in(reply)
            seen += count
            read = (read_field(*pair) for pair in islice(pairs, most))
            await self._turns.do(self._apply(read))
            if cursor == b"0":
                break
            if seen > most:
                self._leave_out(f"more than {most} registrations")
                break
        else:
            self._leave_out("no end of its registrations")
        count = self.applied - before
        _log.info("Took over {count} registrations from {where}", count=count, where=self._where)

    def _leave_out(self, what: str) -> None:
        """Tell, once, that the rest of the hash is not read: it comes when it is renewed."""
        if what not in self._left_out:
            self._left_out.add(what)
            text = "{where} holds {what}: the rest is left out until it is registered again"
            _log.warn(text, where=self._where, what=what)

    async def follow(self, redis: Redis) -> int:
        """Wait a moment for what is next in the log, and apply it; how many changes, ours too."""
        last, count, now = self.last or NOTHING, 0, self._monotonic()
        if now >= self._check_at:
            if await redis.call("GET", self._epoch_key) != self._epoch:
                raise LostError
            self._check_at = now + BLOCK / 2
        block = int(BLOCK * 1000)
        self._reading_at = last
        words = ("XREAD", "COUNT", _ENTRIES, "BLOCK", block, "STREAMS", self._log, last)
        entries = entries_in(await redis.call(*words, wait=BLOCK))
        self.behind = len(entries) >= _ENTRIES
        for entry_id, fields in entries:
            if order_of(entry_id) <= order_of(last):
                raise ValueError("its log goes backwards")
            count += await self._turns.do(self._apply_entry(fields))
            self.last = last = entry_id
            self.on_read(entry_id)
        self._reading_at = None
        return count

    def _apply_entry(self, fields: list[Any]) -> Generator[None, None, int]:
        by, changes = entry_in(fields)
        if changes is None:
            self._is_odd()
            return 0
        if by == self._server:
            for change in changes:
                self._telling.see(change.key)
        else:
            yield from self._apply(changes)
        return len(changes)

    def _apply(self, changes: Iterable[Change | None]) -> Generator[None, None, None]:
        registry, telling = self._registry, self._telling
        wall, now = self._wall(), self._monotonic()
        for number, change in enumerate(changes, 1):
            if not number % _A_TURN:
                yield
                wall, now = self._wall(), self._monotonic()
            if change is None:
                self._is_odd()
                continue
            key = change.key
            if key in telling:
                pass  # what we say of it comes behind that
            elif change.kind == WITHDRAWN:
                self.applied += registry.dismiss(key)
            else:
                known = registry.get(key)
                if known is None and not has_address(change):
                    self._is_odd()
                    continue
                new = registration_of(change, known, wall, now)
                self.applied += registry.adopt(new, known, now, change.kind == GRANTED)

    def _is_odd(self) -> None:
        self.odd += 1
        if self.odd == 1:
            _log.warn("Somebody else writes into {where}: that is left out", where=self._where)

    def _check_clock(self, reply: Any) -> None:
        seconds = reply[0] if isinstance(reply, list) and reply else None
        if not isinstance(seconds, bytes) or not seconds.isdigit() or len(seconds) > 12:
            raise ValueError("it does not tell the time")
        skew = self._wall() - int(seconds)
        if abs(skew) > MOST_SKEW:
            raise ClockError(
                f"the clock of this machine and that of {self._where} differ by {abs(skew):.0f} s: "
                "set them right"
            )

"""A registry that several servers share: each has all of it in memory, Redis is between them.

    ours:     registry.journal -> `telling` -> 2 ms, or 500 changes -> one transaction
    others':  log -> `hearing` -> registry.adopt, registry.dismiss

Rules: memory is what is answered from, whatever Redis does. Nothing here raises, and nobody waits
for Redis longer than `COMMIT`. Trouble is told once, and when it is over.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from p2pchat.logs.levels import Log
from p2pchat.rendezvous.registration import Registration
from p2pchat.rendezvous.registry import Registry
from p2pchat.rendezvous.stores.changes import BATCH, newest_in, order_of
from p2pchat.rendezvous.stores.hearing import ClockError, Hearing, LostError
from p2pchat.rendezvous.stores.janitor import EVERY, tidy
from p2pchat.rendezvous.stores.redis import Redis, why
from p2pchat.rendezvous.stores.telling import Telling

_log: Final = Log("Shared")

COMMIT: Final = 0.25
"""Seconds that a client waits for Redis at most: it is registered here all the same."""
MOST_WAITING: Final = 50
"""Clients that wait at once until this server has caught up with the others."""
LONGEST_START: Final = 5.0
"""Seconds to wait for Redis before requests are answered without it."""
_GATHER: Final = 0.002
_FEW: Final = 2
"""Seconds for which changes are gathered, unless the last batch had few: then nobody else comes."""
_MANY: Final = 10
_READ_LATER: Final = 0.03
"""Changes of others that come at once when there is a lot to do, and seconds to the next look."""
_RETRY: Final = 1.0


class SharedRegistry(Service):
    """Keeps `registry` the same as those of other servers with the same Redis and `prefix`.

    `connect` makes two connections with it, to write and to read. `server` is this one's name among
    them, unlike any other's; `epoch` makes a random text. `on_unfit` is told, as a sentence, why
    this server must not run. `commit`: whether clients wait until Redis has what they said. `where`
    is Redis, for the log.
    """

    name: str | None = "shared"

    def __init__(
        self,
        registry: Registry,
        connect: Callable[[], tuple[Redis, Redis]],
        *,
        server: str,
        where: str,
        reactor: Any,
        on_unfit: Callable[[str], None],
        epoch: Callable[[], str],
        prefix: str = "p2pchat:",
        commit: bool = True,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.ready = False
        """Whether requests are answered: all was read, or Redis was not there in time."""
        self.noted = 0
        """Changes of ours."""
        self.told = 0
        """Changes of ours that Redis has taken."""
        self.telling = Telling(registry, server, prefix, wall, monotonic)
        self.hearing = Hearing(
            registry,
            self.telling,
            server,
            prefix,
            where,
            reactor,
            epoch,
            wall,
            monotonic,
        )
        self.hearing.on_read = self._read_up_to
        self._registry = registry
        self._connect = connect
        self._writer: Redis
        self._reader: Redis
        self._server, self._prefix, self._where = server, prefix, where
        self._reactor = reactor
        self._on_unfit = on_unfit
        self._commit = commit
        self._wall, self._monotonic = wall, monotonic
        self._troubles: dict[str, str] = {}
        self._trouble_since = 0.0
        self._looked = False
        self._gather = 0.0
        self._for_ready: list[Deferred[None]] = []
        self._for_commit: list[Deferred[None]] = []
        self._at_latest: IDelayedCall | None = None
        self._for_entry: dict[Deferred[None], tuple[int, int] | None] = {}
        self._timer: IDelayedCall | None = None
        self._late: IDelayedCall | None = None
        self._writing: Deferred[None] | None = None
        self._work: list[Deferred[None]] = []

    # ------------------------------------------------------------ what clients wait for

    def when_ready(self) -> Deferred[None]:
        """Fires when requests may be answered."""
        if self.ready:
            return succeed(None)
        waiting: Deferred[None] = Deferred()
        self._for_ready.append(waiting)
        return waiting

    def committed(self) -> Deferred[None] | None:
        """Fires when Redis has all that changed until now, or after `COMMIT`; None: no wait."""
        if not self._commit or self._troubles or not self._looked:
            return None
        if not self.telling and self._writing is None:
            return None
        if not self._for_commit:
            # One timer for all who wait for the same batch: the first of them waits longest.
            together = self._for_commit
            self._at_latest = self._reactor.callLater(COMMIT, self._is_late_for, together)
        waiting: Deferred[None] = Deferred()
        self._for_commit.append(waiting)
        return waiting

    def _is_late_for(self, waiting: list[Deferred[None]]) -> None:
        if waiting is self._for_commit:
            self._for_commit = []
        for each in waiting:
            _fire(each)

    def caught_up(self) -> Deferred[None] | None:
        """Fires when what others have told by now is known here, or after `COMMIT`.

        None: there is no sense in waiting, or too many do.
        """
        if self._troubles or not self._looked or len(self._for_entry) >= MOST_WAITING:
            return None
        waiting: Deferred[None] = Deferred()
        self._for_entry[waiting] = None

        def told(reply: Any) -> None:
            if waiting in self._for_entry:
                self._for_entry[waiting] = order_of(newest_in(reply))
                if self.hearing.last is not None:
                    self._read_up_to(self.hearing.last)

        asked = self._writer.call("XREVRANGE", f"{self._prefix}log", "+", "-", "COUNT", 1)
        asked.addCallback(told).addErrback(lambda _: _fire(waiting))
        return self._within(waiting).addBoth(lambda _: self._for_entry.pop(waiting, None) and None)

    def _read_up_to(self, entry_id: bytes) -> None:
        if self._for_entry:
            reached = order_of(entry_id)
            for waiting, entry in [*self._for_entry.items()]:
                if entry is not None and entry <= reached:
                    _fire(waiting)

    def _within(self, waiting: Deferred[None]) -> Deferred[None]:
        timer = self._reactor.callLater(COMMIT, _fire, waiting)

        def over(_: None) -> None:
            if timer.active():
                timer.cancel()

        return waiting.addCallback(over)

    # ------------------------------------------------------------ its life

    def startService(self) -> None:
        """Read what the others know, and tell them what changes here from now on."""
        super().startService()
        self._writer, self._reader = self._connect()
        self._registry.journal = self._note
        self._late = self._reactor.callLater(LONGEST_START, self._is_late)
        for work in (self._hear(self._reader), self._tidy()):
            self._work.append(Deferred.fromCoroutine(work).addErrback(self._ended))

    def stopService(self) -> Deferred[None]:
        """Tell what is left, and let go of Redis."""
        super().stopService()
        self._registry.journal = None
        for timer in (self._timer, self._late):
            if timer is not None and timer.active():
                timer.cancel()
        self._timer = None
        for work in self._work:
            work.cancel()
        self._be_ready()
        for waiting in [*self._for_entry]:
            _fire(waiting)
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        if self._writing is not None:
            await self._writing
        while self.telling and self._looked and not self._troubles:
            await self._write()
        self._release()
        for redis in (self._writer, self._reader):
            try:
                await redis.close()
            except Exception as trouble:
                _log.debug("Could not let go of Redis: {why}", why=trouble)

    def _is_late(self) -> None:
        self._failed("read", f"no answer in {LONGEST_START:g} s")
        self._be_ready()

    def _be_ready(self) -> None:
        self.ready = True
        if self._late is not None and self._late.active():
            self._late.cancel()
        waiting, self._for_ready = self._for_ready, []
        for each in waiting:
            _fire(each)

    # ------------------------------------------------------------ telling

    def _note(self, registration: Registration) -> None:
        if self.telling.note(registration):
            self.noted += 1
            if self._timer is None:
                self._schedule(self._gather)
            elif len(self.telling) == BATCH and not self._troubles:
                self._timer.reset(0)

    def _schedule(self, delay: float) -> None:
        if self.running and self._looked and self._timer is None and self._writing is None:
            self._timer = self._reactor.callLater(delay, self._begin)

    def _begin(self) -> None:
        self._timer = None
        self._writing = writing = Deferred.fromCoroutine(self._write())
        writing.addBoth(self._written)

    def _written(self, result: object) -> None:
        self._writing = None
        if isinstance(result, Failure):
            _log.failure("A fault of our own while writing to Redis", result)
        if "write" in self._troubles:
            self._release()
            self._schedule(_RETRY)
        elif self.telling:
            self._schedule(0)
        else:
            self._release()

    async def _write(self) -> None:
        """Tell one batch; whoever waits for it is answered, also when it fails."""
        waiting, self._for_commit = self._for_commit, []
        at_latest, self._at_latest = self._at_latest, None
        batch = self.telling.take()
        self._gather = 0.0 if len(batch) <= _FEW else _GATHER
        if batch:
            try:
                await self._writer.together(self.telling.commands(batch))
            except Exception:
                self.telling.not_told(batch)
                self._failed("write", why(Failure()))
            else:
                self.told += len(batch)
                self._well("write")
        _answer(waiting, at_latest)

    def _release(self) -> None:
        waiting, self._for_commit = self._for_commit, []
        at_latest, self._at_latest = self._at_latest, None
        _answer(waiting, at_latest)

    # ------------------------------------------------------------ hearing

    async def _hear(self, reader: Redis) -> None:
        """Follow the log for ever, and begin anew after each trouble."""
        while self.running:
            try:
                await self.hearing.look(reader)
                self._looked = True
                self._be_ready()
                while self.running:
                    self._well("read")
                    if self.telling:
                        self._schedule(0)
                    changes = await self.hearing.follow(reader)
                    if changes >= _MANY and not (self._for_entry or self.hearing.behind):
                        # To wake up costs more than to apply some: let more of them come.
                        await self._pause(_READ_LATER)
            except CancelledError:
                return
            except ClockError as wrong:
                self._failed("read", str(wrong))
                self._on_unfit(str(wrong))
                return
            except LostError:
                text = "The data of {where} were lost or replaced: it is told all that is known"
                _log.warn(text, where=self._where)
                await self._pause(_GATHER)
            except Exception:
                self._failed("read", why(Failure()))
                await self._pause(_RETRY)

    async def _tidy(self) -> None:
        while self.running:
            await self._pause(EVERY)
            try:
                await tidy(self._writer, self._server, self._prefix, self._wall, self._pause)
            except CancelledError:
                return
            except Exception as trouble:
                _log.debug("Could not tidy up {where}: {why}", where=self._where, why=trouble)

    def _pause(self, seconds: float) -> Deferred[None]:
        over: Deferred[None] = Deferred(lambda _: timer.cancel())
        timer = self._reactor.callLater(seconds, over.callback, None)
        return over

    # ------------------------------------------------------------ how it is

    @property
    def trouble(self) -> str:
        """Why Redis cannot be used; empty while it can."""
        return next(iter(self._troubles.values()), "")

    @property
    def stale_for(self) -> float:
        """Seconds for which Redis could not be used; 0 while it can."""
        return self._monotonic() - self._trouble_since if self._troubles else 0.0

    def _failed(self, what: str, reason: str) -> None:
        if not self._troubles:
            self._trouble_since = self._monotonic()
            _log.error(
                "The shared registry {where} cannot be used ({trouble}): this server answers from "
                "its memory, and tries again",
                where=self._where,
                trouble=reason,
            )
        self._troubles[what] = reason

    def _well(self, what: str) -> None:
        if self._troubles.pop(what, None) is not None and not self._troubles:
            _log.info("The shared registry {where} can be used again", where=self._where)

    def _ended(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            _log.failure("A fault of our own while talking to Redis", failure)


def _answer(waiting: list[Deferred[None]], at_latest: IDelayedCall | None) -> None:
    if at_latest is not None and at_latest.active():
        at_latest.cancel()
    for each in waiting:
        _fire(each)


def _fire(waiting: Deferred[None]) -> None:
    if not waiting.called:
        waiting.callback(None)

"""What changes while a rendezvous runs: its settings and who is banned, and how it stops.

Rules: SIGHUP and `p2pchat-rendezvous reload` read the settings and the file of bans again, and
reopen the log. What cannot be used ends the program at its start. Later, nothing is changed, and
the log says why. When the window of its terminal is closed, SIGHUP ends the server. A daemon has
left its terminal by the time that it starts. Nobody waits for a long file: it is read in several
turns of the reactor. A ban of the administrator waits for its turn, and so does a reload.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Generator
from functools import partial
from typing import Any, Final

from twisted.application.service import IService, MultiService
from twisted.internet.defer import CancelledError, Deferred, DeferredLock, maybeDeferred
from twisted.python.failure import Failure

from p2pchat.logs.levels import Log
from p2pchat.logs.output import reopen
from p2pchat.rendezvous.ban_file import BanFile, checked_entry
from p2pchat.rendezvous.bans import Bans, too_wide
from p2pchat.rendezvous.registry import Registry
from p2pchat.rendezvous.settings import ServerSettings
from p2pchat.service.notify import NotifyService
from p2pchat.settings.checks import ConfigError
from p2pchat.speech import Sentence, counted
from p2pchat.sqlite import Worker
from p2pchat.turns import Turns, at_once
from p2pchat.wire.text import shortened, why_not

_log: Final = Log("Rendezvous")
_ENDS: Final = (signal.SIGTERM, signal.SIGINT)


class Reload(MultiService):
    """The whole server: bans whom the file at `path` names (None: nobody) at `read` and at SIGHUP.

    SIGHUP is taken from `take_signal` until all that belongs to the service has stopped, and wakes
    up `reactor`. `leave` ends the program.
    """

    def __init__(
        self, reactor: Any, registry: Registry, path: str | None, leave: Callable[[], None]
    ) -> None:
        super().__init__()
        self.bans = BanFile(path)
        self.reread: Callable[[], tuple[ServerSettings, list[Sentence]]] | None = None
        """Reads the settings again, with sentences about their file; raises `ConfigError`."""
        self.configure: Callable[[ServerSettings], list[Sentence]] = lambda _: []
        """Has the server go by new settings; returns a sentence for each change."""
        self.notify: NotifyService | None = None
        self.leaving: list[IService] = []
        """Who stops first, one after the other; the rest stops when they have."""
        self.hurry: Callable[[], None] = lambda: None
        """Has those stop without waiting for anybody."""
        self.stopping = False
        self._reactor = reactor
        self._registry = registry
        self._leave = leave
        self._before: Any = None
        self._ends: dict[int, Any] = {}
        self._terminals: list[int] = []
        self._turns = Turns(reactor)
        self._in_order = DeferredLock()
        self._reloading: Deferred[list[Sentence]] | None = None
        self._writer: Worker | None = None

    def read(self) -> None:
        """Read the file and go by it, before the reactor runs; raises `ConfigError`."""
        at_once(self._read())

    def take_signal(self) -> None:
        """Take SIGHUP from now on, unless that was done: `startService` does it, too."""
        if self._before is None:
            self._before = signal.signal(signal.SIGHUP, self._signalled)

    def startService(self) -> None:
        """Take SIGHUP, and remember the terminal whose end is ours: by now a daemon has left it."""
        self.take_signal()
        if self._before != signal.SIG_IGN:  # as under nohup, which is to outlive its terminal
            self._terminals = [number for number in (0, 1, 2) if os.isatty(number)]
        super().startService()

    def stopService(self) -> Deferred[Any]:
        """Stop all that belongs to it, and leave SIGHUP to whoever had it before only then.

        Or it would end the program while the last registrations are still to be written.
        """
        self.stopping = True
        # Whoever says it twice does not want to wait, and the reactor does not stop twice.
        self._ends = {number: signal.signal(number, self._told_again) for number in _ENDS}
        self._terminals.clear()
        if self._reloading is not None:
            self._reloading.cancel()
        return Deferred.fromCoroutine(self._stop()).addBoth(self.release)

    async def _stop(self) -> None:
        for service in self.leaving:
            try:
                await maybeDeferred(service.disownServiceParent)
            except Exception:
                _log.failure("A part of the server could not be stopped")
        await maybeDeferred(super().stopService)
        if self._writer is not None:
            self._writer.stop()

    def release(self, result: Any = None) -> Any:
        """Leave SIGHUP to whoever had it before; `result` is passed on."""
        if self._before is not None:
            signal.signal(signal.SIGHUP, self._before)
            self._before = None
        for number, before in self._ends.items():
            signal.signal(number, before)
        self._ends.clear()
        return result

    def leave(self) -> None:
        """End the program, in order; told again, wait for nobody."""
        if self.stopping:
            self.hurry()
        else:
            self._leave()

    def _told_again(self, _number: int, _frame: object) -> None:
        self._reactor.callFromThread(self.leave)

    # ------------------------------------------------------------ reloading

    def reload(self) -> Deferred[list[Sentence]]:
        """Read all of it again, and reopen the log; fires with sentences on what came of it.

        Fails with `ConfigError` when nothing was changed. A later reload takes the place of one
        that is under way, which fails with `CancelledError`.
        """
        if self.notify is not None:
            self.notify.reloading()
        reopen()
        if self._reloading is not None:
            self._reloading.cancel()
        reloading = self._in_order.run(self._turns.do, self._reload())
        self._reloading = reloading
        return reloading.addBoth(self._reloaded, reloading)

    def _reload(self) -> Generator[None, None, list[Sentence]]:
        if self.reread is None:
            return (yield from self._read())
        settings, warnings = self.reread()
        again = BanFile(settings.server.ban_file)
        again.unwritten = self.bans.unwritten
        bans = yield from again.reading()
        said = self.configure(settings)
        for warning in warnings:
            _log.warn("{text}", text=str(warning))
        for sentence in said:
            _log.info("Reloaded: {text}", text=str(sentence))
        self.bans = again
        return [*warnings, *said, *self._told((yield from self._registry.ban(bans)))]

    def _read(self) -> Generator[None, None, list[Sentence]]:
        """Read who is banned, and go by it; raises `ConfigError`, and then nothing has changed."""
        if self.bans.path is None:
            return []
        bans = yield from self.bans.reading()
        return self._told((yield from self._registry.ban(bans)))

    def _told(self, ended: int) -> list[Sentence]:
        path = self.bans.path
        if path is None:
            return []
        _log.info("Read {path}: {count} registrations ended", path=path, count=ended)
        return [
            counted(
                "read {path}: {n} registration ended",
                "read {path}: {n} registrations ended",
                ended,
                path=shortened(path),
            )
        ]

    def _reloaded(self, result: Any, reloading: object) -> Any:
        if self._reloading is reloading:
            self._reloading = None
        if self.notify is not None and self.running:
            self.notify.reloaded()
        if isinstance(result, Failure):
            self._log_why(result)
        return result

    def _signalled(self, _number: int, _frame: object) -> None:
        self._reactor.callFromThread(self._hang_up)

    def _hang_up(self) -> None:
        if not all(map(os.isatty, self._terminals)):  # the window was closed
            self._terminals.clear()
            self.leave()
        elif self.running and not self.stopping:
            self.reload().addErrback(lambda _: None)  # the log says why
        else:
            reopen()

    def _log_why(self, failure: Failure) -> None:
        if failure.check(ConfigError):
            _log.error("{why}: the bans stay as they were", why=failure.getErrorMessage())
        elif not failure.check(CancelledError):
            _log.failure("The file of bans could not be read", failure)

    # ------------------------------------------------------------ what an administrator adds

    def ban(self, text: str, *, sure: bool = False) -> Deferred[Sentence]:
        """Ban this entry from now on, and write it; fires with a sentence, fails: `ConfigError`.

        `sure`: also an entry that refuses everybody, or this machine.
        """
        return self._in_order.run(lambda: Deferred.fromCoroutine(self._ban(text, sure)))

    def unban(self, text: str) -> Deferred[Sentence]:
        """Take this entry out again; fires with a sentence, fails with `ConfigError`."""
        return self._in_order.run(lambda: Deferred.fromCoroutine(self._unban(text)))

    async def _ban(self, text: str, sure: bool) -> Sentence:
        entry, bans = checked_entry(text), self.bans
        does = too_wide(entry)
        if does is not None and not sure:
            raise ConfigError(
                Sentence('it {does}: if you mean that, say --yes, or "sure":true', does=does)
            )
        if await self._blocking(partial(bans.has, entry)):
            return Sentence("{entry} is banned already", entry=entry)
        bans.unwritten[entry] = None  # again, if it was: there may be room by now
        try:
            everything = await self._turns.do(bans.reading())
            ended = await self._turns.do(self._registry.ban(everything, Bans([entry])))
        except ConfigError:
            del bans.unwritten[entry]
            raise
        _log.info("Banned by the administrator: {entry}", entry=entry)
        said = counted(
            "banned {entry}: {n} registration ended",
            "banned {entry}: {n} registrations ended",
            ended,
            entry=entry,
        )
        if bans.path is None:
            return Sentence(
                "{banned}; there is no ban-file, so it holds until the server stops", banned=said
            )
        try:
            await self._blocking(partial(bans.add, entry))
        except OSError as why:
            return Sentence(
                "{banned}; not written ({why}): it holds until the server stops",
                banned=said,
                why=why_not(why),
            )
        del bans.unwritten[entry]
        return said

    async def _unban(self, text: str) -> Sentence:
        entry, bans = checked_entry(text), self.bans
        written = await self._blocking(partial(bans.has, entry))
        if not written and entry not in bans.unwritten:
            raise ConfigError(Sentence("there is no entry {entry}", entry=entry))
        if written:
            try:
                await self._blocking(partial(bans.remove, entry))
            except OSError as why:
                sentence = Sentence(
                    "{path} cannot be changed: {why}",
                    path=shortened(str(bans.path)),
                    why=why_not(why),
                )
                raise ConfigError(sentence) from None
        bans.unwritten.pop(entry, None)
        # Whoever is registered was not banned, so there is nobody to look for.
        self._registry.bans = await self._turns.do(bans.reading())
        _log.info("Not banned any more, by the administrator: {entry}", entry=entry)
        return Sentence("{entry} is not banned any more", entry=entry)

    def _blocking(self, call: Callable[[], Any]) -> Deferred[Any]:
        if self._writer is None:
            self._writer = Worker(self._reactor, "bans")
        return self._writer.run(call)

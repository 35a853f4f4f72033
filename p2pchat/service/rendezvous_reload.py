"""What a rendezvous does at SIGHUP: it reads who is banned again, and reopens its log.

Rules: a file of bans that cannot be used ends the program at its start. Later, the bans stay as
they were, and the log says why. When the window of its terminal is closed, SIGHUP ends the server.
A daemon has left its terminal by the time that it starts. Nobody waits for a long file: it is read
in several turns of the reactor.
"""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Callable, Generator
from typing import Any, Final

from twisted.application.service import MultiService
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.python.failure import Failure

from p2pchat.logs.levels import Log
from p2pchat.logs.output import reopen
from p2pchat.rendezvous.bans import Bans, BansError
from p2pchat.rendezvous.registry import Registry
from p2pchat.settings.checks import ConfigError
from p2pchat.turns import Turns, at_once
from p2pchat.wire.text import shortened

_log: Final = Log("Rendezvous")
_MOST: Final = 1_048_576
_MODE: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK


def reading(path: str) -> Generator[None, None, Bans]:
    """What the file at `path` bans, read piece by piece; raises `ConfigError`, with a sentence."""
    shown = f"ban-file: {shortened(path)}"
    try:
        # Not to wait for what is no file: a pipe may never be written to.
        with open(path, "rb", opener=lambda name, _: os.open(name, _MODE)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ConfigError(f"{shown}: is no file")
            data = file.read(_MOST + 1)
    except OSError as why:
        raise ConfigError(f"{shown}: cannot be read: {why.strerror or why}") from None
    if len(data) > _MOST:
        raise ConfigError(f"{shown}: larger than {_MOST} bytes")
    try:
        return (yield from Bans.reading(data.decode("utf-8-sig")))
    except UnicodeDecodeError:
        raise ConfigError(f"{shown}: not UTF-8 text") from None
    except BansError as why:
        raise ConfigError(f"{shown}: {why}") from None


class Reload(MultiService):
    """The whole server: bans whom the file at `path` names (None: nobody) at `read` and at SIGHUP.

    SIGHUP is taken from `take_signal` until all that belongs to the service has stopped, and wakes
    up `reactor`. `leave` ends the program.
    """

    def __init__(
        self, reactor: Any, registry: Registry, path: str | None, leave: Callable[[], None]
    ) -> None:
        super().__init__()
        self._reactor = reactor
        self._registry = registry
        self._path = path
        self._leave = leave
        self._before: Any = None
        self._terminals: list[int] = []
        self._turns = Turns(reactor)
        self._reading: Deferred[None] | None = None

    def read(self) -> None:
        """Read the file and go by it, before the reactor runs; raises `ConfigError`."""
        at_once(self._read())

    def _read(self) -> Generator[None, None, None]:
        """Read the file and go by it; raises `ConfigError`, and then nothing has changed."""
        if self._path is not None:
            bans = yield from reading(self._path)
            ended = yield from self._registry.ban(bans)
            _log.info("Read {path}: {count} registrations ended", path=self._path, count=ended)

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
        self._terminals.clear()
        if self._reading is not None:
            self._reading.cancel()
        return maybeDeferred(super().stopService).addBoth(self.release)

    def release(self, result: Any = None) -> Any:
        """Leave SIGHUP to whoever had it before; `result` is passed on."""
        if self._before is not None:
            signal.signal(signal.SIGHUP, self._before)
            self._before = None
        return result

    def _signalled(self, _number: int, _frame: object) -> None:
        self._reactor.callFromThread(self._hang_up)

    def _hang_up(self) -> None:
        if not all(map(os.isatty, self._terminals)):  # the window was closed
            self._terminals.clear()
            self._leave()
            return
        reopen()
        if self._reading is not None:
            self._reading.cancel()
        if self.running:
            self._reading = reading = self._turns.do(self._read())
            reading.addErrback(self._not_read)
            reading.addCallback(self._ended, reading)

    def _not_read(self, failure: Failure) -> None:
        if failure.check(ConfigError):
            _log.error("{why}: the bans stay as they were", why=failure.getErrorMessage())
        elif not failure.check(CancelledError):
            _log.failure("The file of bans could not be read", failure)

    def _ended(self, _: None, reading: Deferred[None]) -> None:
        if self._reading is reading:
            self._reading = None

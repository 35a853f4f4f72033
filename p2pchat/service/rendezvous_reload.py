"""What a rendezvous does at SIGHUP: it reads who is banned again, and reopens its log.

Rules: a file of bans that cannot be used ends the program at its start. Later, the bans stay as
they were, and the log says why. When the window of its terminal is closed, SIGHUP ends the server.
"""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Callable
from typing import Any, Final

from twisted.application.service import Service

from p2pchat.logs.levels import Log
from p2pchat.logs.output import reopen
from p2pchat.rendezvous.bans import Bans, BansError
from p2pchat.rendezvous.registry import Registry
from p2pchat.settings.checks import ConfigError
from p2pchat.wire.text import shortened

_log: Final = Log("Rendezvous")
_MOST: Final = 1_048_576
_MODE: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK


def read_bans(path: str) -> Bans:
    """What the file at `path` bans; raises `ConfigError`, with a sentence."""
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
        return Bans(data.decode("utf-8-sig").splitlines())
    except UnicodeDecodeError:
        raise ConfigError(f"{shown}: not UTF-8 text") from None
    except BansError as why:
        raise ConfigError(f"{shown}: {why}") from None


class Reload(Service):
    """Bans whom the file at `path` names (None: nobody) at `read`, and whenever SIGHUP comes.

    SIGHUP is taken from `take_signal` until the service stops, and wakes up `reactor`. `leave` ends
    the program.
    """

    name: str | None = "reload"

    def __init__(
        self, reactor: Any, registry: Registry, path: str | None, leave: Callable[[], None]
    ) -> None:
        self._reactor = reactor
        self._registry = registry
        self._path = path
        self._leave = leave
        self._before: Any = None
        self._terminals: list[int] = []

    def read(self) -> None:
        """Read the file and go by it; raises `ConfigError`, and then nothing has changed."""
        if self._path is not None:
            ended = self._registry.ban(read_bans(self._path))
            _log.info("Read {path}: {count} registrations ended", path=self._path, count=ended)

    def take_signal(self) -> None:
        """Take SIGHUP from now on: `startService` does it, too."""
        if self._before is not None:
            return
        self._before = signal.signal(signal.SIGHUP, self._signalled)
        if self._before != signal.SIG_IGN:  # as under nohup, which is to outlive its terminal
            self._terminals = [number for number in (0, 1, 2) if os.isatty(number)]

    def startService(self) -> None:
        """Take SIGHUP."""
        self.take_signal()
        super().startService()

    def stopService(self) -> None:
        """Leave SIGHUP to whoever had it before."""
        super().stopService()
        if self._before is not None:
            signal.signal(signal.SIGHUP, self._before)
            self._before = None

    def _signalled(self, _number: int, _frame: object) -> None:
        self._reactor.callFromThread(self._hang_up)

    def _hang_up(self) -> None:
        if not all(map(os.isatty, self._terminals)):  # the window was closed
            self._terminals.clear()
            self._leave()
            return
        reopen()
        try:
            self.read()
        except ConfigError as why:
            _log.error("{why}: the bans stay as they were", why=str(why))

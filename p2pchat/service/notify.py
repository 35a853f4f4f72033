"""Telling systemd how the program is: the few lines of sd_notify, for `Type=notify`.

    READY=1                    the node listens and has begun to register
    STATUS=3 links, …          what `systemctl status` shows, when it has changed
    WATCHDOG=1                 twice in every period that the unit's WatchdogSec names
    RELOADING=1, then READY=1  around a reload
    STOPPING=1                 the orderly end has begun

Rules: without `$NOTIFY_SOCKET` nothing here runs. A word that cannot be sent is lost, never an
error: the program does not depend on who watches it. The watchdog's word comes from the reactor,
so that a reactor that hangs is noticed.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, MutableMapping
from typing import Final

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from p2pchat.logs.levels import Log
from p2pchat.wire.text import shortened

_log: Final = Log("Notify")
_STATUS_EVERY: Final = 5.0
"""Seconds between two looks at whether the status has changed."""


class NotifySocket:
    """The datagram socket at `address`, which is what `$NOTIFY_SOCKET` says."""

    def __init__(self, address: str) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)
        self.lost = 0
        """Words that could not be sent."""

    def send(self, *words: str) -> None:
        """Send these `NAME=value` words as one datagram, if somebody takes it."""
        try:
            self._socket.sendto("\n".join(words).encode(), self._address)
        except OSError as error:
            self.lost += 1
            _log.debug("systemd could not be told: {why}", why=error.strerror or "no reason")

    def close(self) -> None:
        """Say nothing more."""
        self._socket.close()


class NotifyService(Service):
    """Keeps systemd informed; `status` gives the sentence that `systemctl status` shows.

    Start it when the node has started, and stop it when the node begins to leave.
    """

    name: str | None = "notify"

    def __init__(
        self,
        clock: IReactorTime,
        channel: NotifySocket,
        status: Callable[[], str],
        watchdog: float | None = None,
    ) -> None:
        self._channel = channel
        self._status = status
        self._said = ""
        self._watchdog = watchdog
        interval = _STATUS_EVERY if watchdog is None else min(_STATUS_EVERY, watchdog / 2)
        self._interval = interval
        self._loop = LoopingCall(self._look)
        self._loop.clock = clock

    def startService(self) -> None:
        """READY."""
        super().startService()
        self._said = self._sentence()
        self._channel.send("READY=1", f"STATUS={self._said}")
        self._loop.start(self._interval, now=self._watchdog is not None)

    def stopService(self) -> None:
        """STOPPING; from here on systemd counts the unit's TimeoutStopSec."""
        super().stopService()
        if self._loop.running:
            self._loop.stop()
        self._channel.send("STOPPING=1", "STATUS=leaving")
        self._channel.close()

    def reloading(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        """A reload begins; call `reloaded` when it is over, whatever came of it."""
        self._channel.send("RELOADING=1", f"MONOTONIC_USEC={int(monotonic() * 1_000_000)}")

    def reloaded(self) -> None:
        """The reload is over."""
        self._channel.send("READY=1")

    def _look(self) -> None:
        words = ["WATCHDOG=1"] if self._watchdog is not None else []
        sentence = self._sentence()
        if sentence != self._said:
            self._said = sentence
            words.append(f"STATUS={sentence}")
        if words:
            self._channel.send(*words)

    def _sentence(self) -> str:
        try:
            return shortened(self._status())
        except Exception:
            # The watchdog's word must go out, and the loop must go on.
            _log.failure("The status could not be told")
            return self._said


def notify_service(
    clock: IReactorTime,
    status: Callable[[], str],
    environ: MutableMapping[str, str] | None = None,
    pid: int | None = None,
) -> NotifyService | None:
    """The service for what systemd put into the environment; None when it waits for no word.

    Takes the variables out, so that programs which we start do not speak in our name.
    """
    environ = os.environ if environ is None else environ
    address = environ.pop("NOTIFY_SOCKET", "")
    period = environ.pop("WATCHDOG_USEC", "")
    watched = environ.pop("WATCHDOG_PID", "")
    if not address.startswith(("/", "@")):
        return None
    watchdog = None
    if period.isdecimal() and int(period) > 0 and watched in ("", str(pid or os.getpid())):
        watchdog = int(period) / 1_000_000
    try:
        channel = NotifySocket(address)
    except OSError as error:
        _log.warn("systemd cannot be told anything: {why}", why=error.strerror or "no reason")
        return None
    return NotifyService(clock, channel, status, watchdog)

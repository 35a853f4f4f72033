"""Ctrl-Z, `fg`, and a program that was stopped from outside.

    Ctrl-Z, SIGTSTP   the terminal is given back, then we stop with all that the shell started
    SIGSTOP           nobody is asked: the terminal stays as it is
    SIGCONT           in the foreground: the terminal is ours again, everything is drawn anew
                      in the background (`bg`): the node runs, nothing is read or drawn until `fg`

Rules: a process that is stopped does nothing, and so its node neither answers nor judges. Other
nodes end its links when they last heard of it too long ago. `mesh.keepalive` sees the standstill by
itself, and reads what has come before it judges a link.
"""

from __future__ import annotations

import os
import signal
from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

from p2pchat.console.full.application import ChatScreen
from p2pchat.console.full.modes import MouseModes
from p2pchat.console.full.tty import Terminal
from p2pchat.speech import _

_SIGNALS: Final = (signal.SIGTSTP, signal.SIGCONT)
_LOOK: Final = 0.5
"""Seconds between two looks whether we are in the foreground: no signal tells of it."""


def stop_job() -> None:
    """Stop with the rest of what the shell started; returns when somebody lets us go on.

    Where no shell could let us go on, the system does not stop us.
    """
    ours = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
    try:
        os.kill(0, signal.SIGTSTP)
    finally:
        signal.signal(signal.SIGTSTP, ours)


class Suspending:
    """Stops the program and goes on. Call `start` when the screen is taken, `end` before it goes.

    `tell` shows a sentence. `terminal` is None in tests, which give `stop` as well.
    """

    def __init__(
        self,
        loop: AbstractEventLoop,
        screen: ChatScreen,
        modes: MouseModes,
        terminal: Terminal | None,
        *,
        tell: Callable[[str], None],
        stop: Callable[[], None] = stop_job,
    ) -> None:
        self._loop = loop
        self._screen = screen
        self._modes = modes
        self._terminal = terminal
        self._tell = tell
        self._stop = stop
        self._unread: AbstractContextManager[None] | None = None
        self._look: TimerHandle | None = None

    def start(self) -> None:
        """Hear the signals from now on."""
        self._modes.begin()
        if self._terminal is not None:
            self._loop.add_signal_handler(signal.SIGTSTP, self.suspend)
            self._loop.add_signal_handler(signal.SIGCONT, self._go_on)

    def end(self) -> None:
        """Hear them no more."""
        for each in _SIGNALS:
            self._loop.remove_signal_handler(each)
        if self._look is not None:
            self._look.cancel()
        self._modes.end()

    def suspend(self) -> None:
        """Give the terminal back and stop; returns after SIGCONT."""
        if self._terminal is not None and os.getpgrp() == os.getsid(0):
            self._tell(_("there is no shell here that could bring the program back"))
            return
        self._modes.end()
        # Its cursor, its marks around a paste, and the screen that was there before.
        self._screen.app.renderer.reset()
        if self._terminal is not None:
            self._terminal.give_back()
        self._stop()
        self._go_on()

    def _go_on(self) -> None:
        if self._look is not None:
            self._look.cancel()
            self._look = None
        terminal = self._terminal
        if terminal is not None and not terminal.in_foreground():
            self._wait(terminal)
            return
        if self._unread is not None:
            signal.signal(signal.SIGTTOU, signal.SIG_DFL)
            self._unread.__exit__(None, None, None)
            self._unread = None
        if terminal is not None:
            terminal.take_again()
        self._screen.app.renderer.reset()
        self._modes.begin()
        self._screen.draw()

    def _wait(self, terminal: Terminal) -> None:
        """Run without the terminal: to read from it now, or to set it, would stop us again."""
        if self._unread is None:
            signal.signal(signal.SIGTTOU, signal.SIG_IGN)
            terminal.pause()
            self._unread = self._screen.app.input.detach()
            self._unread.__enter__()
        self._look = self._loop.call_later(_LOOK, self._go_on)

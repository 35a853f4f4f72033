"""asyncio's event loop, as the reactor needs it.

Rules: sockets are served without the log context that Twisted makes for each event, as
`p2pchat.service.process` does it for the usual reactor. Signals stay the reactor's: asyncio would
take over the descriptor through which Python wakes up for a signal, and Twisted would never again
hear that a child process has ended. And a fault in a callback goes to the log: the default writes
it over the screen.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import Any, Final

from twisted.python.log import callWithLogger

from p2pchat.logs.levels import Log

_log: Final = Log("Terminal")


class EventLoop(asyncio.SelectorEventLoop):
    """A selector loop with plain signal handlers and a log."""

    def __init__(self) -> None:
        super().__init__()
        self.set_exception_handler(_to_log)
        self._taken: dict[int, Any] = {}

    def add_reader(  # type: ignore[override]
        self, fd: Any, callback: Callable[..., object], *args: Any
    ) -> None:
        """Have `callback` called whenever there is something to read."""
        callback, args = _directly(callback, args)
        super().add_reader(fd, callback, *args)

    def add_writer(  # type: ignore[override]
        self, fd: Any, callback: Callable[..., object], *args: Any
    ) -> None:
        """Have `callback` called whenever something can be written."""
        callback, args = _directly(callback, args)
        super().add_writer(fd, callback, *args)

    def add_signal_handler(  # type: ignore[override]
        self, sig: int, callback: Callable[..., object], *args: Any
    ) -> None:
        """Have `callback` called in the loop when a signal comes."""
        before = signal.signal(sig, lambda *_: self.call_soon_threadsafe(callback, *args))
        self._taken.setdefault(sig, before)

    def remove_signal_handler(self, sig: int) -> bool:
        """Give the signal back; returns whether it was ours."""
        if sig not in self._taken:
            return False
        signal.signal(sig, self._taken.pop(sig) or signal.SIG_DFL)
        return True


def _directly(
    callback: Callable[..., object], args: tuple[Any, ...]
) -> tuple[Callable[..., object], tuple[Any, ...]]:
    """The call without the log context around it; what it raises is logged by the reactor.

    How Twisted's reactor puts the context around it is a private part.
    """
    return (args[1], args[2:]) if callback is callWithLogger else (callback, args)


def _to_log(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    from twisted.python.failure import Failure

    error = context.get("exception")
    text = str(context.get("message", ""))
    if isinstance(error, Exception):
        _log.failure("A fault in the console: {text}", Failure(error), text=text)
    else:
        _log.error("A fault in the console: {text}", text=text)

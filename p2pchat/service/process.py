"""The process of a program: how many descriptors it has, its clock, and how its reactor polls.

Rules: call these before the reactor runs.
"""

from __future__ import annotations

import resource
import time
from typing import Any, Final

from twisted.python import log


def descriptor_limit() -> int | None:
    """How many files this process may have open, raised to what is allowed; None for no limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        except (OSError, ValueError):
            pass
    return None if soft == resource.RLIM_INFINITY else soft


def use_steady_clock(reactor: Any) -> None:
    """Have `reactor` measure time by a clock that only goes forward; call it before it runs.

    Twisted measures by the wall clock: set it back an hour, and every timer waits an hour; set it
    forward, and all of them fire at once. That a reactor asks its own `seconds` each time is a
    private part of Twisted.
    """
    reactor.seconds = time.monotonic


MOST_EVENTS: Final = 64
"""Events that are served between two looks at the timers; room for more is not for free."""


def poll_directly(reactor: Any) -> bool:
    """Have this reactor serve its events directly; call it before `reactor.run`.

    Twisted's reactor sets up, for every single event, the context that its old logging module
    reads: it costs as much as decoding and answering a message does. Our own log names its
    component itself, so nothing that we write is missing without it. Around each poll it looks
    twice for calls that are due or new; here it is left to do so only when there are some, or
    there is another reason.

    Its clock must be what it will be. Returns whether it does from now on; False, and nothing has
    changed, for a reactor of a kind that is not known. This looks at many private parts of
    Twisted's reactor; `tests/processes/test_process.py` fails when Twisted changes them.
    """
    kind = type(reactor)
    known = f"{kind.__module__}.{kind.__qualname__}" == "twisted.internet.epollreactor.EPollReactor"
    if not known or kind.doIteration is not kind.doPoll:
        return False
    try:
        poll, selectables, serve, disconnect, only_input = (
            reactor._poller.poll,
            reactor._selectables,
            reactor._doReadOrWrite,
            reactor._disconnectSelectable,
            reactor._POLL_IN,
        )
        for name in ("_newTimedCalls", "_pendingTimedCalls", "threadCallQueue", "_justStopped"):
            getattr(reactor, name)
    except AttributeError:
        return False
    seconds = reactor.seconds

    def iterate(timeout: float | None) -> None:
        """What the reactor calls again and again; `timeout` is in seconds, None for no end.

        It returns when there is something for the reactor's own turn to do.
        """
        wait = -1 if timeout is None else timeout
        while True:
            for descriptor, event in poll(wait, MOST_EVENTS):
                # It may have been closed by what was served before it.
                selectable = selectables.get(descriptor)
                if selectable is None:
                    continue
                if event != only_input:
                    serve(selectable, descriptor, event)
                    continue
                # What `serve` does for input alone, which nearly every event is.
                try:
                    why = selectable.doRead()
                except BaseException as error:
                    log.err()
                    why = error
                if why:
                    disconnect(selectable, why, True)
            if (
                not timeout
                or reactor._newTimedCalls
                or reactor.threadCallQueue
                or reactor._justStopped
                or not reactor.running
            ):
                return
            pending = reactor._pendingTimedCalls
            wait = pending[0].time - seconds() if pending else 0
            if wait <= 0:
                return

    reactor.doIteration = iterate
    return True

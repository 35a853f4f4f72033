"""Serving what is ready to be read and written without a log context for each event.

Twisted's reactor sets up, for every single event, the context that its old logging module reads:
it costs as much as decoding and answering a message does. Our own log names its component itself,
so nothing that we write is missing without it.

This is the one function that looks at the private parts of Twisted's reactor. It does so for the
epoll reactor as it knows it, and leaves every other one as it is; `tests/test_polling.py` fails
when Twisted changes what is relied on.
"""

from __future__ import annotations

from typing import Any, Final

MOST_EVENTS: Final = 1024
"""Events that are served between two looks at the timers."""


def poll_directly(reactor: Any) -> bool:
    """Have this reactor serve its events directly; call it before `reactor.run`.

    Returns whether it does from now on; False, and nothing has changed, for a reactor of a kind
    that is not known.
    """
    kind = type(reactor)
    known = f"{kind.__module__}.{kind.__qualname__}" == "twisted.internet.epollreactor.EPollReactor"
    if not known or kind.doIteration is not kind.doPoll:
        return False
    try:
        poll, selectables, serve = (
            reactor._poller.poll,
            reactor._selectables,
            reactor._doReadOrWrite,
        )
    except AttributeError:
        return False

    def iterate(timeout: float | None) -> None:
        """What the reactor calls again and again; `timeout` is in seconds, None for no end."""
        for descriptor, event in poll(-1 if timeout is None else timeout, MOST_EVENTS):
            # It may have been closed by what was served before it.
            selectable = selectables.get(descriptor)
            if selectable is not None:
                serve(selectable, descriptor, event)

    reactor.doIteration = iterate
    return True

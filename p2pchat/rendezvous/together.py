"""One request over several ways at once.

Rules: what is granted over one way is not held up by another: who has not answered `LATE` seconds
after the first success is broken off, and counts as failed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from p2pchat.rendezvous.directory import DirectoryError, Unreachable
from p2pchat.rendezvous.exchange import Exchange
from p2pchat.rendezvous.ways import Way

LATE: Final = 0.5
"""Seconds. Longer: a slow way is used, too. Shorter: a way that leads nowhere costs less time at
each registration."""

Outcome = tuple[Way, Exchange, Any]
"""A way, the request over it, and what the reply said or the exception that came of it."""


def ask_together(
    reactor: Any,
    asked: Sequence[tuple[Way, Exchange]],
    read: Callable[[Any], Any],
    late: float | None = LATE,
) -> Deferred[list[Outcome]]:
    """What comes of all these requests, in the order in which it came.

    `read` makes something of a reply, or raises `DirectoryError`. Never fails but with
    CancelledError.
    """
    outcomes: list[Outcome] = []
    timers: list[Any] = []
    broken_off: list[bool] = []

    def break_off() -> None:
        for way, exchange in asked:
            if all(way is not each for each, _, _ in outcomes):
                exchange.reply.cancel()

    def cancelled(_: object) -> None:
        broken_off.append(True)
        break_off()

    done: Deferred[list[Outcome]] = Deferred(cancelled)

    def over(result: Any, way: Way, exchange: Exchange) -> None:
        failed = isinstance(result, Failure)
        if failed and not result.check(DirectoryError, CancelledError):
            outcomes.append((way, exchange, Unreachable(str(result.value))))
            done.errback(result)  # a fault of ours
            return
        outcomes.append((way, exchange, result.value if failed else result))
        if not failed and late is not None and not timers and len(outcomes) < len(asked):
            timers.append(reactor.callLater(late, break_off))
        if len(outcomes) == len(asked):
            for timer in timers:
                if timer.active():
                    timer.cancel()
            if not broken_off and not done.called:
                done.callback(outcomes)

    for way, exchange in asked:
        exchange.reply.addCallback(read).addBoth(over, way, exchange)
    return done


def error_of(outcomes: Sequence[Outcome]) -> Exception:
    """The error to tell when nothing was granted: an answer rather than none."""
    errors = [result for _, _, result in outcomes if isinstance(result, Exception)]
    return min(errors, key=lambda each: isinstance(each, (Unreachable, CancelledError)))

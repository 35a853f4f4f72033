"""Giving up what was said, cancelled or too old: it is told when a restart cannot bring it back.

    cancel -> out of the outbox, sent no more -> on the disk              -> told: cancelled
                                              -> the disk fails, or hangs -> told: but not for good
    expire -> out of the outbox, sent no more -> its age is on the disk   -> told: too old
                                              -> the disk fails, or hangs -> told: but not for good

Rules: no I/O. What is given up is sent no more by this process, whatever the disk does; its end is
told within `HANGS_AFTER` seconds. A kill may come before that is told. Somebody who asked for it
has what was asked for. Nobody asked for what is too old: it is abandoned only when it is told, and
the next process finds it too old again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeVar

from twisted.internet import defer
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from p2pchat.history.durable import DurableHistory
from p2pchat.history.file_calls import HANGS_AFTER
from p2pchat.history.records import ABANDONED
from p2pchat.history.store import NO_ANSWER
from p2pchat.node.outbox import Outbox, OwnMessage
from p2pchat.node.outcomes import Outcomes, ended
from p2pchat.speech import Sentence

_T = TypeVar("_T")
CANCELLED: Final = Sentence("cancelled")
TOO_OLD: Final = Sentence("it waited for too long and is given up")
_ROUNDED: Final = 0.01
"""Seconds by which a message may be younger in the file than it was when its end was told."""


class Cancelled(NamedTuple):
    """What became of a wish to cancel."""

    messages: int
    """How many messages are sent no more by this process."""
    why: Sentence | None = None
    """Why they may be sent when the program starts again, None if they are not."""


class Cancelling:
    """Cancels messages of `outbox`, which `history`, if there is one, keeps."""

    def __init__(
        self,
        clock: IReactorTime,
        outbox: Outbox,
        outcomes: Outcomes,
        history: DurableHistory | None,
    ) -> None:
        self._clock = clock
        self._outbox = outbox
        self._outcomes = outcomes
        self._history = history
        self._waiting: dict[Deferred[Sentence | None], None] = {}
        self._closed = False

    def cancel(self, messages: Sequence[OwnMessage]) -> Deferred[Cancelled]:
        """Send these no more, as far as they have not come to their end; fires when that is safe.

        Or when it is known not to be; it does not fail. The end of each is told just before.
        """
        history = self._history
        if history is None:
            count = 0
            for message in messages:
                if self._outbox.get(message.msg_id) is message:
                    self._outcomes.call_off(message, CANCELLED)
                    count += 1
            return succeed(Cancelled(count))
        taken = self._take(messages)
        if not taken:
            return succeed(Cancelled(0))
        for message in taken:
            history.change(message.entry, ABANDONED)

        def over(trouble: Sentence | None, hangs: bool) -> Cancelled:
            why = None
            for message in taken:
                if trouble and _may_be_on_disk(message, hangs):
                    why = trouble
                self._outcomes.called_off(message, _reason(CANCELLED, message, trouble, hangs))
            return Cancelled(len(taken), why)

        return self._when_written(history.flush(), over)

    def expire(self, *, of_past: bool = False) -> None:
        """Give up what has waited for longer than it may; only with a history.

        `of_past`: its past is known only now, and nothing that is too old may leave. When the node
        ends, that is left to the next process.
        """
        history = self._history
        assert history is not None
        if self._closed:
            return
        slack = _ROUNDED if of_past else 0.0
        taken = self._take(self._outbox.too_old(lambda entry: history.age(entry) + slack))

        def over(trouble: Sentence | None, hangs: bool) -> None:
            self._outcomes.too_old(
                [(message, _reason(TOO_OLD, message, trouble, hangs)) for message in taken]
            )

        if taken:
            self._when_written(history.note_age(), over)

    def close(self) -> None:
        """The node ends, and waits for the disk no longer: tell what is not told yet."""
        self._closed = True
        for written in [*self._waiting]:
            written.cancel()

    def _take(self, messages: Sequence[OwnMessage]) -> list[OwnMessage]:
        """Those that have not come to their end; they are sent no more."""
        taken = []
        for message in messages:
            if self._outbox.get(message.msg_id) is message:
                self._outbox.take(message.msg_id)
                self._outcomes.ending[message.msg_id] = message
                taken.append(message)
        return taken

    def _when_written(
        self,
        written: Deferred[Sentence | None],
        over: Callable[[Sentence | None, bool], _T],
    ) -> Deferred[_T]:
        """Call `over` with why it is not written, None if it is, and whether that is unknown."""
        written.addTimeout(HANGS_AFTER, self._clock)
        self._waiting[written] = None

        def answered(result: Sentence | Failure | None) -> _T:
            self._waiting.pop(written, None)
            if isinstance(result, Failure):
                result.trap(defer.TimeoutError, CancelledError)
                return over(NO_ANSWER, True)
            return over(result, False)

        told = written.addBoth(answered)
        if self._closed:
            written.cancel()
        return told


def _may_be_on_disk(message: OwnMessage, hangs: bool) -> bool:
    """What is not numbered was never written. What failed is not there, unless it was before."""
    return message.stored or (hangs and message.entry.id > 0)


def _reason(
    end: Sentence, message: OwnMessage, trouble: Sentence | None, hangs: bool
) -> Sentence | str:
    """The sentence about its end; not for good: the file may still hold it as waiting."""
    if trouble and _may_be_on_disk(message, hangs):
        end = Sentence("{end}, but not for good ({why})", end=end, why=trouble)
    return ended(message, end)

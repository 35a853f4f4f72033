"""Taking back what was said: it is told to be cancelled when a restart cannot bring it back.

    cancel -> out of the outbox, sent no more -> on the disk              -> told: cancelled
                                              -> the disk fails, or hangs -> told: but not for good

Rules: no I/O. What is taken back is sent no more by this process, whatever the disk does; its end
is told within `HANGS_AFTER` seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from twisted.internet import defer
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from p2pchat.history.durable import DurableHistory
from p2pchat.history.file_calls import HANGS_AFTER
from p2pchat.history.records import ABANDONED
from p2pchat.history.store import NO_ANSWER
from p2pchat.node.outbox import Outbox, OwnMessage
from p2pchat.node.outcomes import PERHAPS, Outcomes

CANCELLED: Final = "cancelled"
NOT_FOR_GOOD: Final = "but not for good"
"""What is said of messages that the file may still hold as waiting."""


class Cancelled(NamedTuple):
    """What became of a wish to cancel."""

    messages: int
    """How many messages are sent no more by this process."""
    why: str = ""
    """Why they may be sent when the program starts again; empty if they are not."""


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
        self._waiting: dict[Deferred[str], None] = {}

    def cancel(self, messages: Sequence[OwnMessage]) -> Deferred[Cancelled]:
        """Send these no more, as far as they have not come to their end; fires when that is safe.

        Or when it is known not to be; it does not fail. The end of each is told just before.
        """
        history = self._history
        taken = []
        for message in messages:
            if self._outbox.get(message.msg_id) is not message:
                continue
            taken.append(message)
            if history is None:
                self._outcomes.call_off(message, CANCELLED)
            else:
                self._outbox.take(message.msg_id)
                self._outcomes.ending[message.msg_id] = message
                history.change(message.entry, ABANDONED)
        if history is None or not taken:
            return succeed(Cancelled(len(taken)))
        written = history.flush().addTimeout(HANGS_AFTER, self._clock)
        self._waiting[written] = None

        def over(result: str | Failure) -> Cancelled:
            self._waiting.pop(written, None)
            return self._over(taken, result)

        return written.addBoth(over)

    def close(self) -> None:
        """The node ends, and waits for the disk no longer: tell what is not told yet."""
        for written in [*self._waiting]:
            written.cancel()

    def _over(self, taken: Sequence[OwnMessage], result: str | Failure) -> Cancelled:
        hangs = isinstance(result, Failure)
        if isinstance(result, Failure):
            result.trap(defer.TimeoutError, CancelledError)
            result = NO_ANSWER
        why = ""
        for message in taken:
            # What is not numbered was never written. What failed is not on the disk, unless it was
            # before.
            on_disk = message.stored or (hangs and message.entry.id > 0)
            reason = CANCELLED
            if result and on_disk:
                why = result
                reason = f"{CANCELLED}, {NOT_FOR_GOOD} ({why})"
            self._outcomes.called_off(
                message, reason if message.sent_at is None else reason + PERHAPS
            )
        return Cancelled(len(taken), why)

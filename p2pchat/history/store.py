"""Gathers what is to be kept, has it written in batches, and says when it is safe.

    hold(...) ... hold(...)  ->  one batch, one sync of the disk  ->  on_written(batch, outcome)

Rules: runs in the reactor's thread; the file is touched in another, by one call at a time. A batch
leaves at the reactor's next turn when somebody waits for an ACK, else `GATHER` after its first
message or when it has `MANY`; while one is written the next one gathers. What waits is bounded:
beyond `MAX_WAITING` a message counts as not stored. Filing, which is what a reader wants, waits
until there is nothing else to do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from p2pchat.history.database import Committed, Database
from p2pchat.history.file_calls import FileCalls
from p2pchat.history.records import PUBLISHED, Batch, Change, Loaded, Piece, Record
from p2pchat.history.tidying import MAX_UNFILED, QUIET, Tidying
from p2pchat.history.unstored import Arrival, Outcome, Unstored
from p2pchat.history.waiting import Limits, Waiting
from p2pchat.logs.levels import Log
from p2pchat.settings.values import HistorySettings
from p2pchat.speech import Sentence
from p2pchat.sqlite import Worker, trouble_of

_log: Final = Log("History")

GATHER: Final = 0.02
"""Seconds that a batch gathers that nobody waits for. Longer: fewer syncs of the disk; shorter:
less is lost when the process is killed."""
MANY: Final = 8000
"""Messages that are enough for a batch: more cost memory, and the disk does not get any faster."""
_LARGE: Final = 4_000_000
"""Bytes that are enough for a batch."""
_RETRY: Final = 5.0
NO_ANSWER: Final = Sentence("the disk does not answer")
_READ_AFTER: Final = 0.5
_READ_EVERY: Final = 2.0
_MAX_READ: Final = 10_000
_MAX_AGAIN: Final = 20_000


def _nothing(_: Batch) -> None:
    """Nothing is noted of a run."""


class Store:
    """One history file, written in batches. `make_database` is called in the thread.

    `on_written` hears what became of each batch. `limits`: see `Limits`.
    """

    def __init__(
        self,
        clock: IReactorTime,
        thread: Worker,
        make_database: Callable[[], Database],
        on_written: Callable[[Unstored, Outcome], None],
        limits: Limits,
    ) -> None:
        self._clock = clock
        self._calls = FileCalls(clock, thread, make_database)
        self.call = self._calls.call
        """Make a call on the database when what is being written is written."""
        self._on_written = on_written
        self.tidying = Tidying(self.call, self._busy, limits.file)
        self._limits = limits
        self._waiting = Waiting(limits.waiting)
        self._next = Unstored()
        self._writing: Unstored | None = None
        self._timer: IDelayedCall | None = None
        self._next_id = 1
        self._stored_upto = 0
        self._idle_since = 0.0
        self._retry_at = 0.0
        self._read: dict[str, int] = {}
        self._read_at = 0.0
        self._closed = False
        self._read_past: Callable[[], None] | None = None
        self._tried: list[Deferred[None]] = []
        self.hangs = False
        """Whether the call that is being made has not returned for long."""
        self.ready = False
        """Whether the past is known; before, nothing may be held."""
        self.failing = False
        """Whether nothing is kept: the latest attempt to read the past or to write failed, or has
        not ended."""
        self.why: Sentence | None = None
        """What was wrong then."""
        self.to_note: Callable[[Batch], None] = _nothing
        """Puts into a batch what is to be noted of this run with it."""
        self.notes_wait: Callable[[], bool] = bool
        """Whether something is to be noted although there is no other batch."""
        self.batches = 0

    def open(self, remembered: int, prepare: Callable[[Loaded], None]) -> Deferred[Loaded]:
        """Read the past, if need be again and again; fires with it when messages can be held.

        See `Database.load`. `prepare` is called with the past before, in the thread.
        """
        opened: Deferred[Loaded] = Deferred()

        def load(database: Database) -> Loaded:
            past = database.load(remembered)
            prepare(past)
            return past

        def failed(failure: Failure) -> None:
            self.hangs = False
            self._trouble(failure)
            self._retry_at = self._clock.seconds() + _RETRY
            self._read_past = read
            self._has_tried()

        def loaded(past: Loaded) -> None:
            self._next_id = past.next_id
            self._stored_upto = past.next_id - 1
            self.tidying.unfiled = past.unfiled
            self.ready = True
            self.failing = self.hangs = False
            opened.callback(past)
            self._has_tried()

        def read() -> None:
            self._read_past = None
            self.call(load).addCallbacks(loaded, failed)

        read()
        return opened

    def try_now(self) -> Deferred[None]:
        """Read the past at once if that has failed; fires after this attempt, whatever came."""
        if self.ready:
            return succeed(None)
        tried: Deferred[None] = Deferred()
        self._tried.append(tried)
        if self._read_past is not None:
            self._read_past()
        return tried

    def _has_tried(self) -> None:
        tried, self._tried = self._tried, []
        for each in tried:
            each.callback(None)

    @property
    def waiting(self) -> int:
        """Bytes, roughly, of messages that came and wait for the next batch."""
        return self._waiting.bytes

    @property
    def refused(self) -> int:
        """Messages that were not kept because too much waited."""
        return self._waiting.refused

    def configure(self, settings: HistorySettings) -> None:
        """Go by the limits of these settings from now on."""
        self._limits = Limits.of(settings)
        self.tidying.limits, self._waiting.limits = self._limits

    # ------------------------------------------------------------ what is to be kept

    @property
    def last_id(self) -> int:
        """The id of the latest message."""
        return self._next_id - 1

    def next_id(self, count: int = 1) -> int:
        """The id for the next message, the first one of `count`."""
        number = self._next_id
        self._next_id += count
        return number

    def hold(self, piece: Piece, arrival: Arrival) -> bool:
        """Keep messages that came; False, and they are not, when too much waits already.

        That is more than the share of their sender, or of all strangers, or more than may wait.
        """
        unstored = self._next
        if not self._waiting.take(piece, arrival):
            return False
        unstored.pieces.append(piece)
        unstored.arrivals.append(arrival)
        unstored.count += piece.messages
        self._soon(awaited=bool(arrival.acks))
        return True

    def repeat(self, arrival: Arrival) -> bool:
        """Keep the ACKs for messages that came before until their first copy is safe.

        False when it is already: then acknowledge them now.
        """
        if self._writing is None and not self._next.arrivals:
            return False
        if len(self._next.repeats) < MANY:
            self._next.repeats.append(arrival)
            self._soon(awaited=True)
        return True

    def enter(self, entry: Record) -> None:
        """Keep a message of ours."""
        self._next.entries.append(entry)
        self._next.count += 1
        self._soon()

    def change(self, entry: Record) -> None:
        """A message of ours that was entered has a new state."""
        self._next.changes.append(Change(entry.id, entry.state))
        self._soon()

    def read(self, conversation: str, upto: int | None = None) -> None:
        """The person has seen all there is in a conversation, or at all for an empty one.

        `upto`: the id of the last one seen, if there are later ones already. Written when there is
        time.
        """
        if len(self._read) < _MAX_READ:
            upto = self.last_id if upto is None else upto
            self._read[conversation] = max(upto, self._read.get(conversation, 0))

    @property
    def at_rest(self) -> bool:
        """Whether all is written, so that `sweep` may be called less often."""
        if self._closed or not self.ready or self.failing or self.hangs:
            return False
        return not (self._busy() or self._something_waits() or self._read)

    def sweep(self, now: float, before: float) -> None:
        """Do what waited for a quiet moment; call it several times a second.

        Messages that came before `before` (wall clock) are too old to be kept.
        """
        tidying = self.tidying
        if self._closed:
            return
        if self._calls.hangs(now):
            self._hangs_now()
            return
        if not self.ready:
            if self._read_past is not None and now >= self._retry_at:
                self._read_past()
            return
        if self.hangs:
            self.hangs = False
            if self._writing is None and not self._something_waits():
                self._works_again()
        if self.failing:
            if self._something_waits() and self._writing is None and now >= self._retry_at:
                self._write()
            return
        idle = 0.0 if self._busy() else now - self._idle_since
        if idle >= _READ_AFTER and (self._read or self._something_waits()):
            self._write(with_read=True)
        elif idle < QUIET:
            tidying.under_load(now, before)
        elif self._calls.has_file:
            tidying.when_quiet(now, before)

    def flush(self) -> Deferred[Sentence | None]:
        """Write what waits now, once more if that failed; fires with why it fails, or None."""
        if self._closed:
            return succeed(Sentence("it is closed"))
        flushed: Deferred[Sentence | None] = Deferred()
        self._next.flushes.append(flushed)
        self._after_write()
        return flushed

    def stop(self) -> Deferred[None]:
        """Write what is left, close the file and end the thread."""

        def close(_: object) -> Deferred[None]:
            self._closed = True
            self._forget_timer()
            return self._calls.close()

        return self.flush().addCallback(close)

    @property
    def has_unwritten(self) -> bool:
        """Whether a message is not written yet."""
        return self._writing is not None or self._something_waits()

    @property
    def uncertain(self) -> int:
        """Messages of others, and publications of ours, that are not written yet."""
        batches = (self._next,) if self._writing is None else (self._writing, self._next)
        return sum(
            sum(piece.messages for piece in batch.pieces)
            + sum(entry.state == PUBLISHED for entry in batch.entries)
            for batch in batches
        )

    def abandon(self) -> None:
        """Wait for nothing any more: what is being written may be written, or not."""
        self._closed = True
        self._forget_timer()
        self._calls.abandon()

    # ------------------------------------------------------------ writing

    def _soon(self, *, awaited: bool = False) -> None:
        """Have what gathers written when it is time; `awaited`: somebody waits for it from now."""
        unstored = self._next
        sooner = awaited and not unstored.awaited
        if sooner:
            unstored.awaited = True
        if self._writing is not None or self._closed:
            return
        if unstored.count >= MANY or self._waiting.bytes >= _LARGE:
            self._write()
        elif sooner or self._timer is None:
            self._forget_timer()
            # Not at once even so: what else is read in this turn of the reactor comes along.
            delay = 0 if unstored.awaited else GATHER
            self._timer = self._clock.callLater(delay, self._time_is_over)

    def _time_is_over(self) -> None:
        self._timer = None
        if self._writing is None:
            self._write()

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _write(self, *, with_read: bool = False) -> None:
        self._forget_timer()
        if self._closed:
            return
        writing = self._writing = self._next
        now = self._clock.seconds()
        if with_read or (self._read and now >= self._read_at):
            # Also where it is never quiet: what was seen must not be unread after a crash.
            writing.read, self._read = self._read, {}
            self._read_at = now + _READ_EVERY
        self.to_note(writing)
        self._next = Unstored()
        self._waiting.clear()
        committed = self.call(lambda database: database.commit(writing))
        committed.addCallbacks(self._written, self._failed)

    def _written(self, committed: Committed) -> None:
        done, self._writing = self._writing, None
        assert done is not None
        self.batches += 1
        self._idle_since = self._clock.seconds()
        again, self.failing, self.hangs = self.failing, False, False
        if again:
            _log.info("The history is written again")
        if done.entries:
            self._stored_upto = max(self._stored_upto, *(entry.id for entry in done.entries))
        self._on_written(done, Outcome(again=again, aside=committed.aside))
        self.tidying.unfiled = committed.unfiled
        self.tidying.in_wal = True
        most = self._limits.file.max_bytes
        if most and committed.size > most:
            self.tidying.make_room()
        elif committed.unfiled > MAX_UNFILED:
            self.tidying.overloaded(done.count)
        self._flushed(done, None)
        self._after_write()

    def _failed(self, failure: Failure) -> None:
        done, self._writing = self._writing, None
        assert done is not None
        self.hangs = False
        self._trouble(failure)
        self._retry_at = self._clock.seconds() + _RETRY
        unstored = self._next
        # A repetition in the next batch may be one of a message in this: it stays unacknowledged.
        unstored.repeats.clear()
        unstored.count -= len(unstored.entries)
        unstored.entries = (done.entries + unstored.entries)[-_MAX_AGAIN:]
        unstored.count += len(unstored.entries)
        # What was never stored is entered in its latest state.
        changes = done.changes + unstored.changes
        unstored.changes = [change for change in changes if change.id <= self._stored_upto]
        self._read = done.read | self._read
        self._on_written(done, Outcome(trouble=self.why))
        self._flushed(done, self.why)
        self._after_write()

    def _after_write(self) -> None:
        """Go on with the next batch, at once if somebody waits for it."""
        if self._writing is not None:
            return
        last = bool(self._next.flushes) and (bool(self._read) or self.notes_wait())
        if self._something_waits() or last:
            if self._next.flushes:
                self._write(with_read=True)
            elif not self.failing or self._next.arrivals:
                self._soon()
        else:
            self._flushed(self._next, None)

    def _flushed(self, done: Unstored, why: Sentence | None) -> None:
        flushes, done.flushes = done.flushes, []
        for flushed in flushes:
            flushed.callback(why)

    def _trouble(self, failure: Failure) -> None:
        self._fails(trouble_of(failure))

    def _fails(self, why: Sentence) -> None:
        self.why = why
        if not self.failing:
            self.failing = True
            doing = "written" if self.ready else "read"
            _log.error("The history cannot be {doing}: {why}", doing=doing, why=str(why))

    def _hangs_now(self) -> None:
        if not self.hangs:
            self.hangs = True
            self._fails(NO_ANSWER)

    def _works_again(self) -> None:
        """What took so long was not a batch, and there is none to tell it."""
        if self.failing:
            self.failing = False
            _log.info("The history is written again")
            self._on_written(Unstored(), Outcome(again=True))

    def _something_waits(self) -> bool:
        return bool(self._next.count or self._next.repeats or self._next.changes)

    def _busy(self) -> bool:
        return self._closed or self._writing is not None or self._next.count > 0

"""The history of a node: what came is kept before it is acknowledged and shown.

    what came -> keep(...)  -> Store -> on_settled: it is safe, or could not be stored
    what is ours -> enter(...) -> Store -> on_entered: the same

Rules: runs in the reactor's thread and never blocks. Who keeps a message hears once what became of
it. The person is told once when keeping fails, and once when it works again. What is to be done in
order and before the past is known waits for `when_ready`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, NoReturn, TypeVar

from twisted.internet.defer import Deferred, DeferredLock, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from p2pchat.history.file_calls import HANGS_AFTER
from p2pchat.history.looking import look
from p2pchat.history.past import EVERYTHING
from p2pchat.history.places import Places
from p2pchat.history.reading import Reader
from p2pchat.history.records import Batch, HistoryError, Loaded, Record
from p2pchat.history.running import Running
from p2pchat.history.segments import how_it_came, pack
from p2pchat.history.storage import Questions, Storage
from p2pchat.history.store import Store
from p2pchat.history.unstored import Arrival, Outcome, Unstored
from p2pchat.history.waiting import Limits
from p2pchat.history.weight import Weight
from p2pchat.logs.levels import Log
from p2pchat.settings.values import HistorySettings
from p2pchat.speech import Sentence, counted
from p2pchat.sqlite import trouble_of
from p2pchat.wire.changes import said_id
from p2pchat.wire.messages import Pub, Send
from p2pchat.wire.repetitions import RecentIds

_T = TypeVar("_T")
_log: Final = Log("History")
_FOREVER: Final = 1e12


def _ignore(*_: object) -> None:
    """Who makes a history need not care for everything."""


class DurableHistory:
    """Keeps messages in one file. Call `open` once, `sweep` several times a second, `stop` last.

    `seen` is filled with the ids of the past, and its `friends` with those of the past. Set the
    `on_...` before `open`.
    """

    def __init__(
        self,
        clock: IReactorTime,
        own_id: str,
        settings: HistorySettings,
        seen: RecentIds,
        storage: Storage,
    ) -> None:
        self._clock = clock
        self._friends = seen.friends
        make_database, limits = storage.make_database, Limits.of(settings)
        self._store = Store(clock, storage.writing, make_database, self._written, limits)
        self._own_id = own_id
        self.wall = storage.wall
        """The wall clock, which alone outlives a restart."""
        self.settings = settings
        """What goes by them may change while the node runs; see `configure`."""
        self._seen = seen
        self._storage = storage
        self._questions = Questions(storage, self._tell_damaged)
        self._read = self._questions.ask
        self.places = Places()
        """How far we have caught up with each peer."""
        self._told = self._stopping = False
        self._opening = False
        self._deleting = DeferredLock()
        self._deletions: set[Deferred[int]] = set()
        """The answers to those who want something deleted."""
        self._waiting: deque[Deferred[None]] = deque()
        self.on_settled: Callable[[list[Arrival], bool], None] = _ignore
        """Gets the arrivals of each batch in their order, and whether they are stored."""
        self.on_past: Callable[[list[Record]], None] = _ignore
        """Gets our messages of earlier runs that are not acknowledged yet, oldest first."""
        self.on_entered: Callable[[list[Record], str], None] = _ignore
        """Gets our messages of each batch, and why they could not be stored; empty if they are."""
        self.on_enter_again: Callable[[bool], None] = _ignore
        """Is told when messages of ours are to be entered again: all, or those not stored."""
        self.on_notice: Callable[[Sentence], None] = _ignore
        """Is told what the person should know, in a sentence."""
        self.attending = 0
        """How many consoles show everything as it comes: then it counts as read. Who decides that
        sets it; see `node/unread`."""
        self.unread: dict[str, int] = {}
        """Conversation -> messages of earlier runs that nobody has seen, 1000 at most."""
        self._running = Running()
        self._store.to_note = self._to_note
        self._store.notes_wait = self._note_waits
        self.unreadable = 0
        """Damaged places of the file; what was there is left out."""
        self.not_kept = 0
        """Messages that could not be stored."""
        self.weight = Weight(
            clock, storage.path, self._store, lambda: self._read(Reader.held), storage.disk
        )
        """How large the file is, and what waits for it."""

    # ------------------------------------------------------------ start and stop

    def open(self) -> Deferred[None]:
        """Begin to read the past; fires when it is known, however often that has to be tried."""
        self._opening = True
        return self._store.open(self._seen.limit, self._remember).addCallback(self._opened)

    def configure(self, settings: HistorySettings) -> None:
        """Go by these settings from now on, as far as they can change while a node runs."""
        self.settings = settings
        self._store.configure(settings)

    @property
    def at_rest(self) -> bool:
        """Whether all is written, so that `sweep` may be called less often."""
        return self._store.at_rest

    def sweep(self, now: float) -> None:
        """Do what is done now and then; `now` is seconds of the node's clock."""
        age, store = self.settings.max_age, self._store
        self._running.look(now, self.wall())
        store.sweep(now, self._running.wall(now) - age if age else -_FOREVER)
        if store.failing and not self._told and (store.hangs or not store.ready):
            self._told = True
            if store.ready:
                self._notice(Sentence("{why}: messages are not kept", why=store.why))
            else:
                unread = Sentence("what waits from earlier is not known yet: {why}", why=store.why)
                self._notice(unread)

    def when_ready(self) -> Deferred[None]:
        """Fires when the past is known, to all who wait in the order in which they asked."""
        if self.ready or not self._opening:
            return succeed(None)
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        return waiting

    def try_now(self) -> Deferred[None]:
        """Read the past at once if that has failed; fires after this attempt, whatever came."""
        return self._store.try_now() if self._opening else succeed(None)

    def flush(self) -> Deferred[Sentence | None]:
        """Write what waits; fires with why that could not be done, None when it is."""
        return self.when_ready().addCallback(lambda _: self._store.flush())

    def stop(self) -> Deferred[None]:
        """Write what waits, delete what is to be deleted, and close the file."""

        def close(_: object) -> Deferred[None]:
            return self._store.stop().addBoth(lambda _: self._storage.on_closed())

        self._stopping = True
        # A deletion that ended half-way would be told not to have been made.
        nothing_is_deleted = self._deleting.acquire()
        flushed = nothing_is_deleted.addCallback(lambda _: self.flush())
        # The reader first, so that who writes is the last one, and leaves one file behind.
        return flushed.addCallback(lambda _: self._questions.stop()).addCallback(close)

    def abandon(self) -> None:
        """End without waiting for the file, instead of `stop`: its disk does not answer.

        The lock on it ends with the process.
        """
        self._store.abandon()
        self._questions.abandon()
        deletions, self._deletions = self._deletions, set()
        for answer in deletions:
            answer.errback(HistoryError(Sentence("perhaps not deleted: the disk does not answer")))

    @property
    def uncertain(self) -> int:
        """Messages of others, and publications of ours, of which it is not known whether they are
        kept."""
        return self._store.uncertain

    # ------------------------------------------------------------ what is ours

    def enter(self, entry: Record) -> None:
        """Keep a message of ours, which gets its number unless it has one; `on_entered` follows."""
        if not entry.id:
            entry.id = self._store.next_id()
            self._running.entering(entry.id, self._clock.seconds(), self.wall(), entry.at)
        self._store.enter(entry)

    def age(self, entry: Record) -> float:
        """For how many seconds a message of ours has waited, whatever the wall clock says."""
        return self._running.age(entry, self._clock.seconds())

    def note_age(self) -> Deferred[Sentence | None]:
        """Have the file say how old the messages of ours are by now; fires as `flush` does.

        When that is done, none of them is younger after a restart, but by a few milliseconds.
        """
        self._running.want_note()
        return self.flush()

    def change(self, entry: Record, state: int) -> None:
        """A message of ours has a new state."""
        entry.state = state
        if entry.id:
            self._store.change(entry)

    # ------------------------------------------------------------ what came

    @property
    def past_is_known(self) -> bool:
        """Whether the past is read, so that messages of ours can get their numbers."""
        return self._store.ready

    @property
    def last_id(self) -> int:
        """The id of the latest message."""
        return self._store.last_id

    @property
    def ready(self) -> bool:
        """Whether it is, and all is done that waited for that; see `when_ready`."""
        return self._store.ready and not self._waiting

    @property
    def failing(self) -> bool:
        """Whether messages are not kept: the past cannot be read, or nothing can be stored."""
        return self._store.failing

    @property
    def hangs(self) -> bool:
        """Whether the disk has not answered for long: of what it was given nothing is known."""
        return self._store.hangs

    @property
    def why(self) -> Sentence | None:
        """Why, the last time that it was so; None if it never was."""
        return self._store.why

    @property
    def refused(self) -> int:
        """Messages that were not kept because too much waited to be stored."""
        return self._store.refused

    @property
    def removed(self) -> int:
        """Messages that were deleted because there was no room."""
        return self._store.tidying.removed

    def keep(self, arrival: Arrival, messages: list[Send | Pub], ids: list[str]) -> bool:
        """Store new messages, all that `arrival` is of; `on_settled` follows.

        Unless it returns False: then too much waits already, and they are not kept. `ids`: theirs,
        as `id_text` writes them.
        """
        peer_id, wall = arrival.peer.peer_id, self.wall()
        if arrival.said is not None:
            # What others say of the time may be anything.
            arrival.said = [min(max(0.0, when), wall) for when in arrival.said]
        first = arrival.first = self._store.next_id(len(messages))
        stranger = peer_id not in self._friends.known
        how = how_it_came(arrival.link, messages)
        piece = pack(
            first, peer_id, wall, messages, ids, arrival.said, stranger=stranger, security=how
        )
        late = arrival.said is not None and type(messages[-1]) is Pub
        beyond_gap = late and self.places.has_gap(peer_id)
        if not beyond_gap and self._store.hold(piece, arrival):
            if late:
                self.places.moved(peer_id, ids[-1])
            return True
        if _is_to_come_again(arrival, messages):
            self.places.refused(peer_id)
        if not beyond_gap:
            self._tell(Sentence("the disk does not keep up"))
        self.not_kept += len(messages)
        return False

    def keep_repeated(self, arrival: Arrival) -> bool:
        """Have messages that came again settled when their first copies are, if they are not yet.

        False when they are safe already: then acknowledge them now.
        """
        return self._store.repeat(arrival)

    # ------------------------------------------------------------ what a person asks for

    def recent(
        self, conversation: str | None, count: int, before: int | None = None
    ) -> Deferred[list[Record]]:
        """The last messages of a conversation, or of all for None; see `Reader.recent`."""
        return self.ask(lambda reader: reader.recent(conversation, count, before))

    def after(self, conversation: str | None, count: int, last: int) -> Deferred[list[Record]]:
        """The first messages that came after one; see `Reader.after`."""
        return self.ask(lambda reader: reader.after(conversation, count, last))

    def upto(self, at: float) -> Deferred[list[int]]:
        """The id of the last message that was kept by then; see `Reader.upto`."""
        return self.ask(lambda reader: reader.upto(at))

    def count_of(self, peer_id: str) -> Deferred[int]:
        """How many messages of a peer and to it `forget` would delete."""
        return self.ask(lambda reader: reader.count_of(peer_id)).addCallback(sum)

    def search(self, words: str, count: int) -> Deferred[list[Record]]:
        """The last messages that hold `words`; see `Reader.search`."""
        return self.ask(lambda reader: reader.search(words, count))

    def peers_called(self, name: str) -> Deferred[list[str]]:
        """The peers of this bare name, without us; see `Reader.peers_called`."""
        own = self._own_id
        return self._read(lambda reader: [who for who in reader.peers_called(name) if who != own])

    def published_since(
        self, scopes: Sequence[str], after: str, age: float, count: int
    ) -> Deferred[list[int]]:
        """PUBs of ours that a peer has missed, not older than `age`; see `Reader.published`."""
        since = self._running.since(age, self._clock.seconds())
        return self._read(lambda reader: reader.published(scopes, after, since, count))

    def numbered(self, ids: Sequence[int]) -> Deferred[list[Record]]:
        """The messages of ours with these ids; see `Reader.numbered`."""
        return self._read(lambda reader: reader.numbered(ids))

    def forget(self, peer_id: str, deleted: Callable[[], None]) -> Deferred[int]:
        """Delete what was said by and to a peer; fires with how many messages.

        `deleted` is called as soon as that is done: what is entered then is kept. Fails with a
        `HistoryError` when it cannot be done: then nothing has changed.
        """

        def delete(trouble: Sentence | None) -> Deferred[int]:
            if trouble:  # what is not written yet would be, after all
                raise HistoryError(Sentence("could not be deleted: {why}", why=trouble))
            forgetting = self._store.tidying.forget(peer_id)
            return Deferred.fromCoroutine(forgetting).addCallbacks(done, failed)

        def done(count: int) -> int:
            self.unread.pop(peer_id, None)
            self._friends.forget(peer_id)
            deleted()
            return count

        def failed(failure: Failure) -> NoReturn:
            raise HistoryError(Sentence("could not be deleted: {why}", why=trouble_of(failure)))

        answer: Deferred[int] = Deferred()

        def over(result: int | Failure) -> None:
            if answer in self._deletions:  # else it was told already that this is given up
                self._deletions.remove(answer)
                answer.callback(result)

        self._deletions.add(answer)
        self._deleting.run(lambda: self.flush().addCallback(delete)).addBoth(over)
        return answer

    def mark_read(self, conversation: str, upto: int | None = None) -> None:
        """The person has seen all there is in a conversation, or what is there up to an id."""

        def read(_: object) -> None:
            self.unread.pop(conversation, None)
            self._store.read(conversation, upto)

        self.when_ready().addCallback(read)

    def ask(self, ask: Callable[[Reader], list[_T]]) -> Deferred[list[_T]]:
        """Read in its thread, with what was said just now, as far as that can be written.

        Fails with a `HistoryError`.
        """
        if not self.ready or self.failing or not self._store.has_unwritten:
            return self._read(ask)
        written = self._store.flush().addTimeout(HANGS_AFTER, self._clock)
        return written.addBoth(lambda _: self._read(ask))

    # ------------------------------------------------------------ what the store tells

    def _opened(self, past: Loaded) -> None:
        if self._told:
            self._told = False
            self._notice(Sentence("what waits from earlier is known now, and messages are kept"))
        if past.aside:
            self._tell_replaced(past.aside)
        elif past.unreadable:
            self._tell_damaged(past.unreadable)
        if past.is_cut:
            self._notice(
                Sentence(
                    "the end of the history is damaged: what was kept last may be missing, and what"
                    " was delivered then may be sent again"
                )
            )
        self._running.loaded(past, self._clock.seconds(), self.wall())
        self.unread = past.unread
        self.on_past(past.waiting)
        if past.aside:
            self.on_enter_again(True)
        if not past.has_words:
            _log.warn("This SQLite has no FTS5: a search reads every message")
        if not past.is_checked:
            Deferred.fromCoroutine(look(self._questions, self._store, self._tell_damaged))
        while self._waiting:
            self._waiting.popleft().callback(None)

    def _written(self, done: Unstored, outcome: Outcome) -> None:
        """A batch is safe, or lost."""
        if outcome.trouble:
            if done.arrivals or done.entries:
                self._tell(outcome.trouble)
            self.not_kept += sum(piece.messages for piece in done.pieces)
            for arrival in done.arrivals:
                if _is_to_come_again(arrival, arrival.messages):
                    self.places.lost(arrival.peer.peer_id)
            self.on_settled(done.arrivals, False)
            self.on_entered(done.entries, str(outcome.trouble))
            return
        if outcome.again and self._told:
            self._told = False
            self._notice(Sentence("messages are kept again"))
        if outcome.aside:
            # Begin the new one with what is not delivered yet.
            self._tell_replaced(outcome.aside)
            self.on_enter_again(True)
        self.on_settled(done.arrivals + done.repeats, True)
        if done.pieces and self.attending:
            # What came since then is not shown yet, and perhaps nobody is there when it is.
            last = done.pieces[-1]
            self._store.read(EVERYTHING, last.first + last.messages - 1)
        if done.entries:
            self.on_entered(done.entries, "")
        if outcome.again:
            self.on_enter_again(False)

    def _note_waits(self) -> bool:
        return self._running.is_wanted or (self._stopping and self._running.last_waits)

    def _to_note(self, batch: Batch) -> None:
        now, age = self._clock.seconds(), self.settings.catch_up_age
        batch.runs = self._running.to_note(now, self.wall(), last=self._stopping)
        if batch.runs:
            batch.runs_from = self._running.needed_from(age, now)

    def _tell_replaced(self, aside: str) -> None:
        self._notice(
            Sentence(
                "the history file was damaged: it is now {path}, and a new one begun", path=aside
            )
        )

    def _tell_damaged(self, places: int) -> None:
        self.unreadable += places
        self._notice(
            counted(
                "the history is damaged in {n} place: what was there is left out",
                "the history is damaged in {n} places: what was there is left out",
                places,
            )
        )

    # ------------------------------------------------------------ pieces

    def _remember(self, loaded: Loaded) -> None:
        """Take over the ids of the past; in the writing thread, before anybody else uses them."""
        self._friends.wrote_to(*loaded.friends)
        for sender, msg_id, caught_up, mark in loaded.seen:
            self._seen.is_new(sender, said_id(msg_id), mark)
            if caught_up:
                self.places.moved(sender, msg_id)
        loaded.seen.clear()

    def _tell(self, why: Sentence) -> None:
        if not self._told:
            self._told = True
            self._notice(Sentence("messages are no longer kept: {why}", why=why))

    def _notice(self, sentence: Sentence) -> None:
        _log.warn("{text}", text=str(sentence))
        self.on_notice(sentence)


def _is_to_come_again(arrival: Arrival, messages: Sequence[Send | Pub]) -> bool:
    """Whether the peer can be asked for these once more: it keeps what it published."""
    return arrival.link.keeps and any(isinstance(message, Pub) for message in messages)

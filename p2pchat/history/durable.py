"""The history of a node: what came is kept before it is acknowledged and shown.

    messages ->  received(...)  -> Store -> stored: ACKs go out, then the observers are told
                                         -> not stored: shown with a mark, no ACK, ids forgotten
                                -> what nobody sends again is shown at once, and stored soon
    a SEND of ours -> queue(...) or on_its_way(...) -> Outbox -> acknowledged(...)

Rules: runs in the reactor's thread and never blocks. What may come again is safe before it is
shown, so that it is not shown again after a crash; what could not be kept is not acknowledged, so
that its sender keeps it. The person is told once when keeping fails, and once when it works again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NoReturn, TypeVar

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from p2pchat.history.database import Database
from p2pchat.history.gathering import Gathering, Held, HistoryOwner, InThread
from p2pchat.history.outbox import Stage
from p2pchat.history.outgoing import Outgoing
from p2pchat.history.past import EVERYTHING
from p2pchat.history.reading import Reader
from p2pchat.history.records import HistoryError, Line, Loaded
from p2pchat.history.segments import pack
from p2pchat.history.showing import Showing
from p2pchat.history.store import Store
from p2pchat.logs.levels import Log
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.mesh.peers import Peer
from p2pchat.settings.values import HistorySettings
from p2pchat.sqlite import ClosedError
from p2pchat.wire.messages import Pub, Send
from p2pchat.wire.repetitions import RecentIds

_T = TypeVar("_T")
_log: Final = Log("History")
_MAX_EARLY: Final = 2000
_MAX_LAST: Final = 20_000
_TOO_OLD_EVERY: Final = 60.0
_FOREVER: Final = 1e12


class DurableHistory(Outgoing):
    """Keeps messages in one file. Call `open` once, `sweep` several times a second, `stop` last.

    `owner` hears what is safe; `seen` is filled with the ids of the past. `make_database` and
    `make_reader` are called in their threads, `writing` and `reading`. `wall` is the wall clock.
    `on_closed` is called when nothing touches the file any more.
    """

    def __init__(
        self,
        clock: IReactorTime,
        own_id: str,
        settings: HistorySettings,
        owner: HistoryOwner,
        seen: RecentIds,
        *,
        remembered: int,
        writing: InThread,
        reading: InThread,
        make_database: Callable[[], Database],
        make_reader: Callable[[], Reader],
        wall: Callable[[], float],
        on_closed: Callable[[], None] = lambda: None,
    ) -> None:
        store = Store(clock, writing, make_database, self, settings.max_bytes)
        super().__init__(own_id, settings, store, wall)
        self._settings = settings
        self._owner = owner
        self._seen = seen
        self._remembered = remembered
        self._reading = reading
        self._make_reader = make_reader
        self._on_closed = on_closed
        self._reader: Reader | None = None
        self._early: list[tuple[Peer, IPeerLink, list[Send | Pub], list[float] | None]] = []
        self._showing = Showing(owner, seen)
        self._last_published: dict[str, str] = {}
        self._told = False
        self._check_age_at = 0.0
        self.attended = False
        """Whether a person sees everything as it comes."""
        self.unread: dict[str, int] = {}
        """Conversation -> messages of earlier runs that nobody has seen, 1000 at most."""
        self.not_kept = 0
        """Messages that could not be stored."""

    # ------------------------------------------------------------ start and stop

    def open(self) -> None:
        """Begin to read the past; until that is done, what comes is put off."""
        wall = self._wall()
        # A sender keeps what we did not acknowledge for its own outbox_ttl, which we do not know.
        self._store.open(
            self._remembered, wall - 2 * self._settings.outbox_ttl, int(wall * 1e6), self._remember
        )

    def configure(self, settings: HistorySettings) -> None:
        """Go by these settings from now on, as far as they can change while a node runs."""
        self._settings = self.outbox.settings = settings
        self._store.tidying.max_bytes = settings.max_bytes

    def sweep(self, now: float) -> None:
        """Do what is done now and then; `now` is seconds of the node's clock."""
        wall = self._wall()
        age = self._settings.max_age
        self._store.sweep(now, wall - age if age else -_FOREVER)
        if now >= self._check_age_at:
            self._check_age_at = now + _TOO_OLD_EVERY
            for queued in self.too_old(wall):
                self._owner.given_up(queued.peer_id, queued.msg_id)

    def flush(self) -> Deferred[None]:
        """Write what waits; fires when that is done, or has failed."""
        return self._store.flush()

    def stop(self) -> Deferred[None]:
        """Write what waits, and close the file."""

        def close_reader(_: object) -> Deferred[None]:
            # First, so that who writes is the last one, and leaves one file behind.
            closed: Deferred[None] = succeed(None)
            if self._reader is not None:
                closed = self._reading.run(self._reader.close)
            return closed.addBoth(lambda _: self._reading.stop())

        def close(_: object) -> Deferred[None]:
            return self._store.stop().addBoth(lambda _: self._on_closed())

        return self._store.flush().addCallback(close_reader).addCallback(close)

    # ------------------------------------------------------------ what came

    @property
    def ready(self) -> bool:
        """Whether the past is known, so that a repetition can be told from what is new."""
        return self._store.ready

    def postpone(
        self,
        peer: Peer,
        link: IPeerLink,
        messages: list[Send | Pub],
        said: list[float] | None = None,
    ) -> None:
        """Put off messages that came before the past is known; beyond a limit, forget them."""
        if len(self._early) < _MAX_EARLY:
            self._early.append((peer, link, messages, said))
        else:
            self.not_kept += len(messages)

    def received(
        self,
        peer: Peer,
        link: IPeerLink,
        messages: list[Send | Pub],
        ids: list[str],
        acks: list[object],
        said: list[float] | None = None,
    ) -> None:
        """Keep new messages; then acknowledge `acks` on `link` and tell the owner.

        `ids`: theirs, as `id_text` writes them.
        """
        peer_id, wall = peer.peer_id, self._wall()
        store, showing = self._store, self._showing
        first = store.next_id(len(messages))
        if said is not None:
            # What others say of the time may be anything.
            said = [min(max(0.0, when), wall) for when in said]
        elif type(messages[-1]) is Pub:
            self._note_published(peer_id, ids[-1])
        # An ACK that does not come has a message sent again, and so has catching up.
        comes_once = not acks and said is None and not link.keeps
        at_once = comes_once and not store.failing and showing.nothing_waits(peer_id)
        piece = pack(first, peer_id, wall, messages, ids, said)
        held = Held(piece, peer, link, acks, [] if at_once else messages, said)
        if not store.hold(held):
            held.messages = messages
            self._tell("the disk does not keep up")
            self._lose([held])
        elif at_once:
            self._owner.kept(peer, messages)
        else:
            showing.waits(peer_id)

    def repeated(self, peer: Peer, link: IPeerLink, acks: list[object]) -> None:
        """Acknowledge messages that came before, as soon as those are safe."""
        if not self._store.repeat(peer, link, acks):
            self._owner.acknowledge(peer, link, acks)

    def after_shown(self, peer_id: str, call: Callable[[], None]) -> None:
        """Make a call when all that came from a peer is shown; see `Showing.after`."""
        self._showing.after(peer_id, call)

    def last_published(self, peer_id: str) -> str:
        """The msg_id of the last PUB that is kept of a peer; empty when none is known."""
        return self._last_published.get(peer_id, "")

    # ------------------------------------------------------------ what a person asks for

    def recent(self, conversation: str | None, count: int) -> Deferred[list[Line]]:
        """The last messages of a conversation, or of all for None; see `Reader.recent`."""
        return self._read(lambda reader: reader.recent(conversation, count))

    def search(self, words: str, count: int) -> Deferred[list[Line]]:
        """The last messages that hold `words`; see `Reader.search`."""
        return self._read(lambda reader: reader.search(words, count))

    def peers_called(self, name: str) -> Deferred[list[str]]:
        """The peers of this bare name, without us; see `Reader.peers_called`."""
        own = self._own_id
        return self._read(lambda reader: [who for who in reader.peers_called(name) if who != own])

    def published_since(
        self, scopes: Sequence[str], after: str, age: float, count: int
    ) -> Deferred[list[Line]]:
        """PUBs of ours that a peer has missed, not older than `age`; see `Reader.published`."""
        since = self._wall() - age
        return self._read(lambda reader: reader.published(scopes, after, since, count))

    def forget(self, peer_id: str) -> Deferred[int]:
        """Delete what was said by and to a peer, and what waits for it; fires with how many."""
        self.cancel([queued.msg_id for queued in self.outbox.of_peer(peer_id)])
        self.unread.pop(peer_id, None)

        def delete(_: object) -> Deferred[int]:
            forgetting = self._store.tidying.forget(peer_id)
            return Deferred.fromCoroutine(forgetting).addErrback(failed)

        def failed(failure: Failure) -> NoReturn:
            raise HistoryError(f"could not be deleted: {failure.getErrorMessage()}")

        return self._store.flush().addCallback(delete)

    def mark_read(self, conversation: str) -> None:
        """The person has seen all there is in a conversation."""
        self.unread.pop(conversation, None)
        self._store.read(conversation)

    def _read(self, ask: Callable[[Reader], list[_T]]) -> Deferred[list[_T]]:
        def read() -> list[_T]:
            if self._reader is None:
                self._reader = self._make_reader()
            return ask(self._reader)

        def closed(failure: Failure) -> NoReturn:
            failure.trap(ClosedError)
            raise HistoryError("this node is leaving")

        return self._reading.run(read).addErrback(closed)

    # ------------------------------------------------------------ what the store tells

    def opened(self, loaded: Loaded) -> None:
        """The past is known: what was put off is delivered now."""
        if self._store.failing:
            self._tell(self._store.why)
        self.unread = loaded.unread
        self.older_first(loaded.waiting)
        if not loaded.has_words:
            _log.warn("This SQLite has no FTS5: a search reads every message")
        early, self._early = self._early, []
        for peer, link, messages, said in early:
            self._owner.put_off(peer, link, messages, said)
        self._owner.history_ready()

    def stored(self, done: Gathering) -> None:
        """A batch is safe: acknowledge, then show."""
        for held in done.held:
            if held.acks:
                self._owner.acknowledge(held.peer, held.link, held.acks)
        for peer, link, acks in done.repeats:
            self._owner.acknowledge(peer, link, acks)
        for held in done.held:
            self._showing.safe(held)
        if done.held and self.attended:
            self._store.read(EVERYTHING)
        for entry in done.entries:
            queued = self.outbox.get(entry.msg_id)
            if queued is not None and queued.stage is Stage.UNSENT:
                self._owner.queued(entry.conversation, entry.msg_id)

    def not_stored(self, done: Gathering, why: str) -> None:
        """A batch is lost: show what came, with a mark, and do not acknowledge it."""
        if done.held or done.entries:
            self._tell(why)
        for held in done.held:
            self._showing.waited(held)
        self._lose(done.held)

    def replaced(self, aside: str) -> None:
        """The file was damaged: begin the new one with what is not delivered yet."""
        self._owner.told(f"the history file was damaged: it is now {aside}, and a new one begun")
        for queued in self.outbox:
            self._store.enter(queued.entry)

    def works_again(self) -> None:
        """Messages are kept again."""
        if self._told:
            self._told = False
            self._owner.told("messages are kept again")

    # ------------------------------------------------------------ pieces

    def _remember(self, loaded: Loaded) -> None:
        """Take over the ids of the past; in the writing thread, before anybody else uses them."""
        for sender, msg_id, published in loaded.seen:
            self._seen.is_new(sender, msg_id)
            if published:
                self._note_published(sender, msg_id)
        loaded.seen.clear()

    def _note_published(self, peer_id: str, msg_id: str) -> None:
        last = self._last_published
        if peer_id not in last and len(last) >= _MAX_LAST:
            del last[next(iter(last))]
        last[peer_id] = msg_id

    def _lose(self, lost: Sequence[Held]) -> None:
        for held in lost:
            self.not_kept += held.piece.messages
            self._showing.lost(held)

    def _tell(self, why: str) -> None:
        if not self._told:
            self._told = True
            self._owner.told(f"messages are no longer kept: {why}")

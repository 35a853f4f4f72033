"""Asking a peer for what it published while we were away, and answering one that asks.

    ask()    -> CATCH_UP, from our place on   once for each process of a peer, on one link
    answer() -> searched -> SAID ... SAID     on the link where it asked, and nowhere else
                   ^            |
                   +- more() ---+             something may have been missed after all

Rules: only between nodes that keep messages, in one namespace; only what the asked one published
itself; bounded in number and age by both. An answer is one sequence without a gap: what comes on a
link is in order, so what has come of it tells the asker where to go on. When that link ends, the
asker asks on another one. What was published live may be lost as well: dropped for want of room, or
with another link of the peer. Then the one who published it goes on with its answer, from where
that ended. What comes live moves no place.
A search comes after all that was published before the question is written, and so many seconds
after the last one on that link. An answer is read some messages at a time, and takes no more than
half of what may wait for a link.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import islice
from math import inf
from typing import Final

from msgspec import Struct, field
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from p2pchat.history.durable import DurableHistory
from p2pchat.history.records import Record
from p2pchat.logs.levels import Log
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.mesh.peers import Peer
from p2pchat.node.changing import change_line
from p2pchat.wire.address import EVERYONE, namespace_of
from p2pchat.wire.changes import as_message
from p2pchat.wire.codec import encode
from p2pchat.wire.messages import EDIT, CatchUp, Pub, Said

_log: Final = Log("Router")
_AT_ONCE: Final = 16
"""Messages of one answer that are in memory at once, half a MiB of the longest."""
_AGAIN_AFTER: Final = 5.0
"""Seconds between two searches for one link: longer spares the disk, shorter closes gaps sooner."""
_AFTER_FAULT: Final = 60.0
"""The same when the disk failed."""


class _Answer(Struct, eq=False):
    """What one peer is told on one link, from `after` on."""

    peer: Peer
    link: IPeerLink
    """Where it asked."""
    after: str
    """The msg_id of the last message that it was sent; at first, of the last one that it has."""
    limit: int
    max_age: float
    more: bool = True
    """Whether the history is to be searched, once more or for the first time."""
    due: float = -inf
    """When it may be, seconds of the node's clock."""
    missed: deque[int] = field(default_factory=deque)
    """The ids of the messages that were found, oldest first."""
    reading: bool = False
    """Whether the history is being read for it."""
    sent: int = 0


class CatchingUp:
    """One node's side of it, within the limits of the history's settings.

    Call `ask` for each link that opens, `link_closed` for each that is gone, and `sweep` several
    times a second.
    """

    def __init__(self, own_id: str, history: DurableHistory, new_id: Callable[[], str]) -> None:
        self._namespace = namespace_of(own_id)
        self._history = history
        self._new_id = new_id
        self._now = 0.0
        self._look_at = self._try_at = 0.0
        self._asked: dict[Peer, dict[str, IPeerLink]] = {}
        """Where each process of a peer was asked, by its instance."""
        self._to_ask: dict[Peer, None] = {}
        """Peers whose links had no room for the question."""
        self._answers: dict[Peer, dict[IPeerLink, _Answer]] = {}
        """What each peer is told, by the link where it asked; the last one counts. Of two links the
        question that was asked first may come last, and its link end then."""
        self._under_way: dict[_Answer, None] = {}

    def ask(self, peer: Peer) -> None:
        """Ask each process of a peer that is connected, unless that was done."""
        limits = self._history.settings
        if not limits.catch_up or peer.namespace != self._namespace or not self._history.ready:
            return
        asked = self._asked.setdefault(peer, {})
        self._to_ask.pop(peer, None)
        for link in peer.links:
            where = asked.get(link.instance)
            if not link.keeps or link.leaving or (where in peer.links and not where.leaving):
                continue
            after = self._history.places.last(peer.peer_id)
            request = CatchUp(self._new_id(), after, limits.catch_up, limits.catch_up_age)
            if link.send(encode(request)):
                asked[link.instance] = link
                self._history.places.asked(peer.peer_id)
            else:
                self._to_ask[peer] = None

    def answer(self, peer: Peer, link: IPeerLink, request: CatchUp) -> None:
        """Send what a peer missed; what it is told elsewhere waits until this link ends."""
        settings = self._history.settings
        count = min(request.limit, settings.catch_up)
        age = min(request.max_age, settings.catch_up_age)
        if peer.namespace != self._namespace or count <= 0 or age <= 0:
            return
        answers = self._answers.setdefault(peer, {})
        before = answers.pop(link, None)
        for each in answers.values():
            self._under_way.pop(each, None)
        answer = answers[link] = _Answer(peer, link, request.after, count, age)
        if before is not None:
            self._under_way.pop(before, None)
            answer.due = before.due
        self._under_way[answer] = None
        self._go_on(answer)

    def more(self, peer: Peer) -> None:
        """Something that was published may not have reached this peer, although it has a link."""
        answer = self._current(peer)
        if answer is not None:
            answer.more = True
            self._under_way[answer] = None

    def _current(self, peer: Peer) -> _Answer | None:
        answers = self._answers.get(peer)
        return next(reversed(answers.values())) if answers else None

    @property
    def at_rest(self) -> bool:
        """Whether `sweep` has nothing to do that is due soon."""
        return not (self._under_way or self._to_ask)

    def sweep(self, now: float) -> None:
        """Go on with what is due, or for which there is room again."""
        self._now = now
        for answer in [*self._under_way]:
            self._go_on(answer)
        for peer in [*self._to_ask]:
            self.ask(peer)
        if now >= self._look_at:
            self._look_at = now + _AGAIN_AFTER
            self._ask_again(now)

    def link_closed(self, peer: Peer, link: IPeerLink) -> None:
        """A link of this peer is gone, and what was on its way there may be, too."""
        answers = self._answers.get(peer, {})
        answer = answers.pop(link, None)
        if answer is not None:
            self._under_way.pop(answer, None)
        if not answers:
            self._answers.pop(peer, None)
        self.more(peer)
        if peer.links:
            self.ask(peer)
        else:
            self._asked.pop(peer, None)
            self._to_ask.pop(peer, None)

    def _ask_again(self, now: float) -> None:
        """Ask those of whom something was not kept, when their answers have ended."""
        quiet = self._history.places.quiet()
        if not quiet or (self._history.failing and now < self._try_at):
            return
        # As long as the disk is full, nobody else may give us anything to try it with.
        self._try_at = now + _AFTER_FAULT
        for peer, asked in [*self._asked.items()]:
            if peer.peer_id in quiet:
                asked.clear()
                self.ask(peer)

    # ------------------------------------------------------------ an answer

    def _go_on(self, answer: _Answer) -> None:
        """Search, or read and send some more, if it is time and there is room for it."""
        if answer.reading or self._current(answer.peer) is not answer:
            return
        if answer.missed:
            if _has_room(answer.link):
                answer.reading = True
                some = [*islice(answer.missed, _AT_ONCE)]
                read = self._history.numbered(some).addCallback(self._send, answer, some[-1])
                read.addErrback(self._not_read, answer)
        elif not answer.more:
            self._under_way.pop(answer, None)
            if answer.sent:
                who = answer.peer.peer_id
                _log.info("{who} catches up: {n} messages", who=who, n=answer.sent)
                answer.sent = 0
        elif self._may_search(answer):
            self._search(answer)

    def _may_search(self, answer: _Answer) -> bool:
        history = self._history
        if history.failing and answer.due > -inf:
            return False  # there would be nothing new
        return history.ready and self._now >= answer.due

    def _search(self, answer: _Answer) -> None:
        answer.reading = True
        answer.more = False
        answer.due = self._now + _AGAIN_AFTER
        history, scopes = self._history, (EVERYONE, "#" + self._namespace)

        def search(_: object) -> Deferred[list[int]]:
            # What the disk does not take is to be found when it does.
            answer.more = answer.more or history.failing
            return history.published_since(scopes, answer.after, answer.max_age, answer.limit)

        def found(missed: list[int]) -> None:
            answer.reading = False
            answer.missed.extend(missed)
            self._go_on(answer)

        # What was published a moment ago is to be found, too.
        searched = history.flush().addCallback(search).addCallback(found)
        searched.addErrback(self._not_read, answer)

    def _send(self, records: list[Record], answer: _Answer, last: int) -> None:
        """Send these, all that there still are of the next ones up to the id `last`."""
        answer.reading = False
        if self._current(answer.peer) is not answer:
            return
        missed, link = answer.missed, answer.link
        for record in records:
            if not _has_room(link) or not link.send(_line_of(record, link)):
                last = record.id - 1
                break
            answer.after = record.said_id
            answer.sent += 1
        while missed and missed[0] <= last:
            missed.popleft()
        self._go_on(answer)

    def _not_read(self, failure: Failure, answer: _Answer) -> None:
        _log.warn("{why}", why=failure.getErrorMessage())
        answer.reading = False
        answer.missed.clear()
        answer.more = True
        answer.due = self._now + _AFTER_FAULT


def _has_room(link: IPeerLink) -> bool:
    """Whether an answer may send one more on its link."""
    return not link.leaving and link.has_room(link.queue.limit // 2)


def _line_of(record: Record, link: IPeerLink) -> bytes:
    msg_id, sender, scope, text = record.said_id, record.sender, record.conversation, record.text
    if record.changes:
        if EDIT in link.shared:
            return change_line(link, msg_id, record.changes, sender, scope, text, direct=False)
        text = as_message(text)
    try:
        return encode(Said(msg_id, sender, scope, text, record.at))
    except ValueError:
        # The longest texts leave no room for the time.
        return encode(Pub(msg_id, sender, scope, text))

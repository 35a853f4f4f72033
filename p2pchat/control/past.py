"""What programs ask of the history: pages of it, what is found, conversations, and what is read.

    Request(do="history", conversation="bob@CIC", before=900)  ->  {"lines":[…],"more_before":…}
    Request(do="read", conversation="bob@CIC", upto=950)       ->  {"unread":2}

Rules: everything is read in the history's thread, one question at a time for all clients together,
and only as far as the client that asks reads. A page is bounded in lines and in characters. Nothing
here marks a message as read but `read`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from twisted.internet import defer
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from p2pchat.control.long_answers import LongAnswers
from p2pchat.control.outgoing import Outgoing
from p2pchat.control.requests import Fields, Request, RequestError
from p2pchat.history.durable import DurableHistory
from p2pchat.history.reading import Reader
from p2pchat.history.records import RECEIVED, STATES, HistoryError, Record
from p2pchat.node.node import ChatNode
from p2pchat.speech import Sentence, sentence_of, spoken
from p2pchat.wire.address import (
    EVERYONE,
    AmbiguousNameError,
    namespace_of_scope,
    split_peer_id,
)

MOST_LINES: Final = 200
_ROOM: Final = 262_144
"""Characters of the texts of one answer, after which it ends."""
_READY_WAIT: Final = 5.0
_LONGEST_QUERY: Final = 1000
"""Characters of what is looked for."""


class _Page(NamedTuple):
    """Some lines in a row, oldest first, and whether there are more at each end."""

    lines: Sequence[Record]
    more_before: bool
    more_after: bool


class PastRequests:
    """Answers requests about what was said. `listing`: what makes one list at a time."""

    def __init__(self, node: ChatNode, clock: IReactorTime, listing: LongAnswers) -> None:
        self._node = node
        self._clock = clock
        self._listing = listing

    def history(self, request: Request, client: Outgoing) -> Deferred[Fields]:
        """A page of a conversation, or of all: the last one, or one beside or around an id."""
        given = [each for each in (request.before, request.after, request.around) if each >= 0]
        if len(given) > 1:
            sentence = Sentence("one of before, after and around, and not several")
            raise RequestError("bad_request", sentence)
        where, count = self._where(request), _count(request)

        def fields(pages: list[_Page]) -> Fields:
            (page,) = pages
            return {
                "lines": [*map(line_fields, page.lines)],
                "more_before": page.more_before,
                "more_after": page.more_after,
                "last_id": self._history().last_id,
            }

        asked = self._asked(client, lambda reader: [_page(reader, where, count, request)])
        return asked.addCallback(fields)

    def search(self, request: Request, client: Outgoing) -> Deferred[Fields]:
        """The last messages that hold all words."""
        words = request.words.strip()
        if not words or len(words) > _LONGEST_QUERY:
            sentence = Sentence("words to look for: up to {most} characters", most=_LONGEST_QUERY)
            raise RequestError("bad_request", sentence)
        where, count = self._where(request), _count(request)
        before = request.before if request.before >= 0 else None

        def fields(found: list[Record]) -> Fields:
            lines = _last_ones(found[-count:])
            more = len(found) > len(lines)
            return {"lines": [*map(line_fields, lines)], "more_before": more}

        asked = self._asked(client, lambda reader: reader.search(words, count + 1, where, before))
        return asked.addCallback(fields)

    def conversations(self, request: Request, client: Outgoing) -> Deferred[Fields]:
        """With whom there were conversations, the latest first, and what is unread of each."""
        count, unread = _count(request), self._node.unread
        before = request.before if request.before >= 0 else None

        def fields(found: list[Record]) -> Fields:
            lines = _first_ones(found[:count])
            rows = [
                {
                    "conversation": last.conversation,
                    "last": line_fields(last),
                    "unread": unread.of(last.conversation),
                }
                for last in lines
            ]
            return {"conversations": rows, "more": len(found) > len(lines)}

        asked = self._asked(client, lambda reader: reader.conversations(count + 1, before))
        return asked.addCallback(fields)

    def read(self, request: Request) -> Any:
        """The person has seen a conversation, up to an id or all of it."""
        where, unread = self._where(request), self._node.unread
        if where is None:
            sentence = Sentence("a conversation is missing: a peer_id, #namespace, *")
            raise RequestError("bad_request", sentence)
        try:
            namespace_of_scope(where) if where.startswith(("#", EVERYONE)) else split_peer_id(where)
        except ValueError as why:
            raise RequestError("bad_request", sentence_of(why)) from None
        if request.upto <= 0:
            unread.seen(where)
            return {"unread": 0}
        seen = self._ready().addCallback(lambda _: unread.seen_upto(where, request.upto))
        return seen.addCallbacks(lambda left: {"unread": left}, _not_read)

    def forget(self, request: Request) -> Deferred[Fields]:
        """Delete what was said by and to a peer, for good."""
        if "@" not in request.peer_id:
            raise RequestError("bad_request", Sentence("a whole peer_id is missing"))
        peer_id = self._named(request.peer_id)
        forgetting = self._ready().addCallback(lambda _: self._node.outgoing.forget(peer_id))
        return forgetting.addCallbacks(
            lambda count: {"peer_id": peer_id, "messages": count}, _not_read
        )

    # ------------------------------------------------------------ pieces

    def _history(self) -> DurableHistory:
        if self._node.history is None:
            sentence = Sentence("this node keeps nothing (--history none)")
            raise RequestError("refused", sentence)
        return self._node.history

    def _ready(self) -> Deferred[None]:
        """Fires when the past is known; fails with a `RequestError` if that takes long."""
        ready = self._history().when_ready()
        return ready.addTimeout(_READY_WAIT, self._clock).addErrback(_too_early)

    def _asked(
        self, client: Outgoing, question: Callable[[Reader], list[Any]]
    ) -> Deferred[list[Any]]:
        """Ask when it is this client's turn, and there is room for its answer."""
        self._history()

        def ask() -> Deferred[list[Any]]:
            return self._ready().addCallback(lambda _: self._history().ask(question))

        asked = client.long_answers.do(lambda: self._listing.do(lambda: maybeDeferred(ask)))
        return asked.addErrback(_not_read)

    def _where(self, request: Request) -> str | None:
        """The conversation that a request names, None for all."""
        name = request.conversation
        if not name:
            return None
        return name if name.startswith(("#", EVERYONE)) else self._named(name)

    def _named(self, name: str) -> str:
        try:
            return self._node.peers.called(name)
        except AmbiguousNameError as why:
            raise RequestError("bad_request", sentence_of(why)) from None


def line_fields(record: Record) -> Fields:
    """A message of the history as it is told."""
    line = {
        "id": record.id,
        "conversation": record.conversation,
        "from": record.sender,
        "time": _moment(record.at),
        "text": record.text,
        "msg_id": record.said_id,
        "state": STATES[record.state],
    }
    if record.state == RECEIVED:
        line["security"] = record.came
    if record.changes:
        line["of"] = record.changes
    if record.said is not None:
        line["said"] = _moment(record.said)
    return line


def _page(reader: Reader, where: str | None, count: int, request: Request) -> _Page:
    """What a request asks for, in the history's thread."""
    if request.after >= 0:
        found = reader.after(where, count + 1, request.after)
        lines = _first_ones(found[:count])
        more_before = bool(reader.recent(where, 1, request.after + 1))
        return _Page(lines, more_before, len(found) > len(lines))
    if request.around >= 0:
        half = max(1, count // 2)
        before, after = (
            reader.recent(where, half + 1, request.around),
            reader.after(where, count - half + 1, request.around - 1),
        )
        early, late = _last_ones(before[-half:]), _first_ones(after[: max(1, count - half)])
        return _Page([*early, *late], len(before) > len(early), len(after) > len(late))
    end = request.before if request.before >= 0 else None
    found = reader.recent(where, count + 1, end)
    lines = _last_ones(found[-count:])
    more_after = end is not None and bool(reader.after(where, 1, end - 1))
    return _Page(lines, len(found) > len(lines), more_after)


def _first_ones(lines: Sequence[Record]) -> Sequence[Record]:
    """As many from the beginning as there is room for; one at least, if there is any."""
    room = _ROOM
    for number, line in enumerate(lines):
        room -= len(line.text)
        if room < 0:
            return lines[: max(1, number)]
    return lines


def _last_ones(lines: Sequence[Record]) -> Sequence[Record]:
    return _first_ones(lines[::-1])[::-1]


def _count(request: Request) -> int:
    return max(1, min(request.count, MOST_LINES))


def _moment(when: float) -> str:
    """A time of the wall clock, in UTC; whatever others say of it."""
    try:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when))
    except (OverflowError, ValueError, OSError):
        return ""


def _too_early(failure: Failure) -> None:
    failure.trap(defer.TimeoutError)
    raise RequestError("busy", Sentence("the history is not read yet: try later"))


def _not_read(failure: Failure) -> Any:
    failure.trap(HistoryError)
    raise RequestError("failed", spoken(failure.value))

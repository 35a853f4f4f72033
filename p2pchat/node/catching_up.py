"""Asking a peer for what it published while we were away, and answering one that asks.

Rules: only between nodes that keep messages, in one namespace; only what the asked one published
itself; bounded in number and age by both; asked and answered once for each process of a peer that
is connected, because an answer costs a search. An answer is read some messages at a time, takes no
more than half of what may wait for a link, and goes on when that has left. What comes live says
nothing of what was missed before it: only what was caught up moves the place to go on from.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from msgspec import Struct, field
from twisted.python.failure import Failure

from p2pchat.history.durable import DurableHistory
from p2pchat.history.records import Record
from p2pchat.logs.levels import Log
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.mesh.peers import Peer
from p2pchat.wire.address import EVERYONE, namespace_of
from p2pchat.wire.codec import encode
from p2pchat.wire.messages import CatchUp, Said

_log: Final = Log("Router")
_AT_ONCE: Final = 16
"""Messages of one answer that are in memory at once, half a MiB of the longest."""


class _Answer(Struct):
    """What one peer is still to get."""

    peer: Peer
    link: IPeerLink
    """Where it asked."""
    missed: deque[int] = field(default_factory=deque)
    """The ids of the messages in our history, oldest first."""
    reading: bool = True
    """Whether the history is being read for it."""
    sent: int = 0


class CatchingUp:
    """One node's side of it, within the limits of the history's settings.

    Call `sweep` several times a second.
    """

    def __init__(self, own_id: str, history: DurableHistory, new_id: Callable[[], str]) -> None:
        self._namespace = namespace_of(own_id)
        self._history = history
        self._new_id = new_id
        self._asked: dict[str, str] = {}
        self._answered: dict[str, str] = {}
        self._answers: dict[str, _Answer] = {}

    def ask(self, peer: Peer) -> None:
        """Ask a peer that is connected, unless that was done."""
        limits = self._history.settings
        if not limits.catch_up or peer.namespace != self._namespace:
            return
        for link in peer.links:
            if link.keeps and self._asked.get(peer.peer_id) != link.instance:
                self._asked[peer.peer_id] = link.instance
                after = self._history.caught_up_with(peer.peer_id)
                request = CatchUp(self._new_id(), after, limits.catch_up, limits.catch_up_age)
                link.send(encode(request))
                return

    def answer(self, peer: Peer, link: IPeerLink, request: CatchUp) -> None:
        """Send what a peer missed."""
        history, peer_id = self._history, peer.peer_id
        count = min(request.limit, history.settings.catch_up)
        age = min(request.max_age, history.settings.catch_up_age)
        if peer.namespace != self._namespace or self._answered.get(peer_id) == link.instance:
            return
        self._answered[peer_id] = link.instance
        if count <= 0 or age <= 0:
            return
        answer = self._answers[peer_id] = _Answer(peer, link)
        scopes = (EVERYONE, "#" + self._namespace)

        def begin(missed: list[int]) -> None:
            answer.missed.extend(missed)
            self._go_on(answer)

        # What was published a moment ago is to be found, too.
        found = history.flush().addCallback(
            lambda _: history.published_since(scopes, request.after, age, count)
        )
        found.addCallback(begin).addErrback(self._not_read, answer)

    def sweep(self, _now: float) -> None:
        """Go on with the answers for which there is room again."""
        for answer in [*self._answers.values()]:
            if not answer.reading:
                self._go_on(answer)

    def lost(self, peer_id: str) -> None:
        """No link with this peer is left: the next time it may ask, and is asked, again."""
        self._asked.pop(peer_id, None)
        self._answered.pop(peer_id, None)
        self._answers.pop(peer_id, None)

    # ------------------------------------------------------------ an answer

    def _go_on(self, answer: _Answer) -> None:
        """Read and send some more, if there is room for it."""
        peer_id = answer.peer.peer_id
        answer.reading = False
        if self._answers.get(peer_id) is not answer:
            return
        if not answer.missed:
            del self._answers[peer_id]
            if answer.sent:
                _log.info("{who} catches up: {n} messages", who=peer_id, n=answer.sent)
        elif _link_with_room(answer) is not None:
            answer.reading = True
            some = [*answer.missed][:_AT_ONCE]
            read = self._history.numbered(some).addCallback(self._send, answer, some[-1])
            read.addErrback(self._not_read, answer)

    def _send(self, records: list[Record], answer: _Answer, last: int) -> None:
        """Send these, all that there still are of the next ones up to the id `last`."""
        missed = answer.missed
        for record in records:
            said = Said(record.msg_id, record.sender, record.conversation, record.text, record.at)
            try:
                line = encode(said)
            except ValueError:
                continue  # with its time it would be too long for a line
            link = _link_with_room(answer)
            if link is None or not link.send(line):
                last = record.id - 1
                break
            answer.sent += 1
        while missed and missed[0] <= last:
            missed.popleft()
        self._go_on(answer)

    def _not_read(self, failure: Failure, answer: _Answer) -> None:
        answer.missed.clear()
        self._go_on(answer)
        _log.warn("{why}", why=failure.getErrorMessage())


def _link_with_room(answer: _Answer) -> IPeerLink | None:
    """The link to send on: the one where the peer asked, as long as that is there."""
    for link in (answer.link, *answer.peer.links):
        if not link.leaving and link.has_room(link.queue.limit // 2):
            return link
    return None

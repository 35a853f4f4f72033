"""Direct messages of ours that have not come to their end: one object for each, in one stage.

    UNSENT -> ON_ITS_WAY -> the end: delivered, given up, or cancelled
       ^          |  no ACK in time
       |          v
       +------ OVERDUE      its link closed, or another one opened

Rules: no I/O and no clock; `now` is of the node's clock. Per peer, messages leave in the order in
which they were written, a few at a time, and keep their msg_id. One whose ACK did not come is sent
again when the next link opens. On the same one only our own kind gets it again, after a while:
other programs most likely read it, and would show it twice. For the same reason they get it
`MOST_TIMES` at most. Some end the link at a line that they cannot take. Since that happened behind
a message, one at a time is on its way to that peer, so that nobody is blamed for another. Once it
has happened twice, the message goes out after all others.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from p2pchat.history.records import PLAIN, Record
from p2pchat.mesh.identity.pin import Pin
from p2pchat.mesh.identity.trust import may_carry
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.mesh.peers import Peer
from p2pchat.node.news import Became, Teller
from p2pchat.settings.values import HistorySettings
from p2pchat.speech import counted
from p2pchat.wire.changes import said_id
from p2pchat.wire.names import bracketed
from p2pchat.wire.repetitions import LONGEST_ID

MOST_TIMES: Final = 3
"""How often another program gets a message that it does not acknowledge."""
_ENDED: Final = 2
"""How often a link ends behind a message before the others go first."""


class OutboxFullError(Exception):
    """No place for another message; its `Sentence` is for the person."""


class Stage(enum.Enum):
    """How far a message has come."""

    NEW = "not looked at yet"
    UNSENT = "waits for a link"
    ON_ITS_WAY = "on its way"
    OVERDUE = "not acknowledged"


class OwnMessage(Struct):
    """One message that waits for its ACK."""

    entry: Record
    tell: Teller | None = None
    """Who said it; None when that was in an earlier run."""
    stage: Stage = Stage.NEW
    link: IPeerLink | None = None
    """Where it went out, while that link is open."""
    sent_at: float | None = None
    """When it went out last; None while it has not in this run."""
    stored: bool = False
    """Whether it is safe in the history."""
    told: Became | None = None
    """What was told last."""
    earlier: bool = False
    """Whether it was said in an earlier run."""
    again: bool = False
    """Whether it was sent again on the same link: that its ACK is late has been told."""
    times: int = 0
    """How often it went out to another program."""
    place: int = 0
    """That of its line in the queue of `link`, if that leads to another program."""
    ended: int = 0
    """How often the other end closed its link behind it."""
    in_the_clear_at: float | None = None
    """When it was said (wall clock), to a peer that had a link in the clear; None for another."""

    @property
    def peer_id(self) -> str:
        """Whom it is for."""
        return self.entry.conversation

    @property
    def msg_id(self) -> str:
        """Its id, the same however often it is sent."""
        kept = self.entry.msg_id
        return kept if len(kept) <= LONGEST_ID else said_id(kept)

    @property
    def goes_last(self) -> bool:
        """Whether its peer most likely cannot take it, so that the others go first."""
        return self.ended >= _ENDED

    @property
    def has_left(self) -> bool:
        """Whether its line is written, as far as another program's link can tell."""
        return self.link is None or self.place <= self.link.queue.written

    @property
    def spent(self) -> bool:
        """Whether it has gone out as often as it may."""
        return self.times >= MOST_TIMES and self.has_left


class Outbox:
    """All of them. Those that wait do so within the limits of `settings`."""

    def __init__(self, settings: HistorySettings) -> None:
        self.settings = settings
        """What goes by them may change at any time: what waits already stays."""
        self._by_id: dict[str, OwnMessage] = {}
        self._by_peer: dict[str, dict[str, OwnMessage]] = {}
        self._unsent: dict[str, dict[str, OwnMessage]] = {}
        self._on_their_way: dict[str, OwnMessage] = {}
        self._on_their_way_to: dict[str, int] = {}
        self._overdue: dict[str, float] = {}
        self._with_care: set[str] = set()
        """The peers to whom one message at a time is on its way."""
        self.refused = 0
        """Messages that found no place."""
        self.expired = 0
        """Messages that were given up because they waited for too long."""

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[OwnMessage]:
        return iter([*self._by_id.values()])

    def get(self, msg_id: str) -> OwnMessage | None:
        """The message of this id, if it has not come to its end."""
        return self._by_id.get(msg_id)

    def of_peer(self, peer_id: str) -> list[OwnMessage]:
        """All messages for a peer, in order."""
        return [*self._by_peer.get(peer_id, {}).values()]

    @property
    def on_their_way(self) -> int:
        """How many wait for their ACK."""
        return len(self._on_their_way)

    @property
    def at_rest(self) -> bool:
        """Whether no ACK is waited for."""
        return not (self._on_their_way or self._overdue)

    @property
    def peers_behind(self) -> list[str]:
        """The peers for whom something is unsent."""
        return [*self._unsent]

    def unsent_to(self, peer_id: str) -> int:
        """How many messages are unsent for a peer."""
        return len(self._unsent.get(peer_id, ()))

    def is_behind(self, peer_id: str) -> bool:
        """Whether another message to this peer would overtake one that is unsent."""
        if peer_id in self._with_care:
            return peer_id in self._on_their_way_to or any(
                not message.goes_last for message in self._unsent.get(peer_id, {}).values()
            )
        return peer_id in self._unsent

    def is_on_another_link(self, peer: Peer) -> bool:
        """Whether a message on the link in use would overtake one that went out on another.

        So it is when dials crossed, and the link that stays is not the one that opened first.
        """
        used = peer.link_in_use
        return used.is_p2pchat and any(
            message.stage is Stage.ON_ITS_WAY and message.link is not used
            for message in self._by_peer.get(peer.peer_id, {}).values()
        )

    def has_unsent(self, peer_id: str) -> bool:
        """Whether anything for this peer is unsent."""
        return peer_id in self._unsent

    # ------------------------------------------------------------ in and out

    def check_room(self, peer_id: str) -> None:
        """Raise `OutboxFullError` unless one more message may wait for `peer_id`."""
        settings = self.settings
        waiting = len(self._by_peer.get(peer_id, ())) - self._on_their_way_to.get(peer_id, 0)
        if waiting >= settings.outbox_max_per_peer:
            self.refused += 1
            sentence = counted(
                "{n} message waits for {peer} already (/outbox lists them)",
                "{n} messages wait for {peer} already (/outbox lists them)",
                settings.outbox_max_per_peer,
                peer=bracketed(peer_id),
            )
            raise OutboxFullError(sentence)
        if len(self._by_id) - len(self._on_their_way) >= settings.outbox_max:
            self.refused += 1
            sentence = counted(
                "{n} message waits already (/outbox lists them)",
                "{n} messages wait already (/outbox lists them)",
                settings.outbox_max,
            )
            raise OutboxFullError(sentence)

    def add(self, message: OwnMessage) -> None:
        """Note a message, the latest for its peer; then tell `sent` or `unsent`."""
        self._by_id[message.msg_id] = message
        of_peer = self._by_peer.get(message.peer_id)
        if of_peer is None:
            of_peer = self._by_peer[message.peer_id] = {}
        of_peer[message.msg_id] = message

    def put_before(self, earlier: Sequence[Record]) -> None:
        """Put the messages of earlier runs, which are stored, before those said meanwhile.

        None of the latter may have been sent.
        """
        newer = [*self._by_id.values()]
        for message in newer:
            self.take(message.msg_id)
        for entry in earlier:
            told = Became.QUEUED
            message = OwnMessage(entry, stored=True, told=told, earlier=True)
            if entry.security == PLAIN:
                message.in_the_clear_at = entry.at
            self.add(message)
        for message in newer:
            self.add(message)
        for message in self:
            self.unsent(message)

    def take(self, msg_id: str) -> OwnMessage | None:
        """Take a message out: it has come to its end."""
        message = self._by_id.pop(msg_id, None)
        if message is not None:
            self._move(message, Stage.NEW)
            _remove(self._by_peer, message)
            if message.ended and not any(each.ended for each in self.of_peer(message.peer_id)):
                self._with_care.discard(message.peer_id)
        return message

    def too_old(self, age: Callable[[Record], float]) -> list[OwnMessage]:
        """Those that have waited for longer than they may; `age` tells for how long."""
        ttl = self.settings.outbox_ttl
        old = [message for message in self._by_id.values() if age(message.entry) > ttl]
        self.expired += len(old)
        return old

    # ------------------------------------------------------------ sending

    def has_due(self, peer_id: str, pin: Pin | None, level: int) -> bool:
        """Whether any of the unsent messages may leave on a link like this; see `due`."""
        waiting = self._unsent.get(peer_id, {}).values()
        return any(_may_leave(each, pin, level) for each in waiting)

    def due(
        self, peer_id: str, window: int, pin: Pin | None = None, level: int = PLAIN
    ) -> list[OwnMessage]:
        """The next messages to send on a link that is open; tell each that was to `sent`.

        `window`: how many may be on their way at a time. `pin`: how the other end of the link is
        known, None in the clear. What was said in the clear goes to no key that came after it.
        `level`: how safe the link is, which may be less than a message demands.
        """
        away = self._on_their_way_to.get(peer_id, 0)
        waiting = [
            message
            for message in self._unsent.get(peer_id, {}).values()
            if _may_leave(message, pin, level)
        ]
        if peer_id in self._with_care:
            window = 1
            waiting.sort(key=lambda message: message.goes_last)
        return waiting[: max(0, window - away)]

    def sent(self, message: OwnMessage, link: IPeerLink, now: float) -> None:
        """It goes out on this link."""
        self._move(message, Stage.NEW)
        message.link, message.sent_at = link, now
        self._move(message, Stage.ON_ITS_WAY)

    def taken(self, message: OwnMessage, link: IPeerLink) -> None:
        """Another program's link has taken what was `sent`."""
        message.times += 1
        message.place = link.queue.place

    def unsent(self, message: OwnMessage) -> None:
        """It waits for a link, or for room on one."""
        message.link = None
        self._move(message, Stage.UNSENT)

    def not_taken(self, message: OwnMessage) -> None:
        """No link took what was `sent`: it waits, in its place before those said later."""
        self.unsent(message)
        self._in_order(message.peer_id)

    def late(self, before: float) -> list[OwnMessage]:
        """Those that are on their way, and went out then or earlier, oldest first."""
        late = []
        for message in self._on_their_way.values():
            if message.sent_at is not None and message.sent_at > before:
                break
            late.append(message)
        return late

    def overdue(self, message: OwnMessage, links: Sequence[IPeerLink], now: float) -> None:
        """Its ACK did not come in time; the others need not wait for it.

        `links`: those that are open. On one that is newer than its own it goes out again: the
        older one may be half dead.
        """
        self._move(message, Stage.OVERDUE)
        self._overdue[message.msg_id] = now
        since = message.link.opened_at if message.link is not None else math.inf
        if message.times < MOST_TIMES and any(link.opened_at > since for link in links):
            self._send_again(message.peer_id, [message])

    def overdue_before(self, when: float) -> list[OwnMessage]:
        """Those that have been overdue since `when` or longer; each is given once.

        Tell `send_again` those that may go out on the same link.
        """
        late = []
        for msg_id, since in self._overdue.items():
            if since > when:
                break
            late.append(msg_id)
        for msg_id in late:
            del self._overdue[msg_id]
        return [self._by_id[msg_id] for msg_id in late]

    def send_again(self, message: OwnMessage) -> None:
        """It is to go out once more, on whatever link there is."""
        message.again = True
        self._send_again(message.peer_id, [message])

    def link_opened(self, peer_id: str) -> None:
        """A link is new: what was not acknowledged on another one goes out again."""
        overdue = [each for each in self.of_peer(peer_id) if each.stage is Stage.OVERDUE]
        self._send_again(peer_id, [each for each in overdue if each.times < MOST_TIMES])

    def link_closed(self, peer_id: str, link: IPeerLink) -> list[OwnMessage]:
        """A link is gone: what went out on it and is not acknowledged goes out again.

        Not what is spent: its ACK may still come on another link, until its time is over. Returns
        those whose time is over.
        """
        gone = [each for each in self.of_peer(peer_id) if each.link is link]
        spent = [each for each in gone if each.spent]
        again = [each for each in gone if not each.spent]
        for each in again:
            if not link.is_p2pchat and not each.has_left:
                each.times -= 1
        self._send_again(peer_id, again)
        return [each for each in spent if each.stage is Stage.OVERDUE]

    def ended_behind(self, peer_id: str, link: IPeerLink) -> OwnMessage | None:
        """The other end closes a link of another program: returns the message behind which it did.

        That is the first that went out a moment ago and is not acknowledged. Call it before
        `link_closed`.
        """
        behind = [
            each
            for each in self.of_peer(peer_id)
            if each.link is link and each.stage is Stage.ON_ITS_WAY and each.has_left
        ]
        if not behind:
            return None
        first = min(behind, key=lambda each: each.place)
        first.ended += 1
        self._with_care.add(peer_id)
        return first

    def _send_again(self, peer_id: str, again: Sequence[OwnMessage]) -> None:
        for message in again:
            self.unsent(message)
        if again:
            self._in_order(peer_id)

    def _in_order(self, peer_id: str) -> None:
        # Not by their number in the history, which those that were said just now do not have yet.
        unsent, said = self._unsent[peer_id], self._by_peer[peer_id]
        self._unsent[peer_id] = {each: said[each] for each in said if each in unsent}

    def _move(self, message: OwnMessage, stage: Stage) -> None:
        before = message.stage
        if before is stage:
            return
        peer_id, msg_id = message.peer_id, message.msg_id
        if before is Stage.OVERDUE:
            self._overdue.pop(msg_id, None)
        elif before is Stage.UNSENT:
            _remove(self._unsent, message)
        elif before is Stage.ON_ITS_WAY:
            del self._on_their_way[msg_id]
            self._on_their_way_to[peer_id] -= 1
            if not self._on_their_way_to[peer_id]:
                del self._on_their_way_to[peer_id]
        message.stage = stage
        if stage is Stage.UNSENT:
            self._unsent.setdefault(peer_id, {})[msg_id] = message
        elif stage is Stage.ON_ITS_WAY:
            self._on_their_way[msg_id] = message
            self._on_their_way_to[peer_id] = self._on_their_way_to.get(peer_id, 0) + 1


def _may_leave(message: OwnMessage, pin: Pin | None, level: int) -> bool:
    if (message.entry.security or PLAIN) > level:
        return False
    return pin is None or may_carry(pin, message.in_the_clear_at)


def _remove(by_peer: dict[str, dict[str, OwnMessage]], message: OwnMessage) -> None:
    of_peer = by_peer[message.peer_id]
    del of_peer[message.msg_id]
    if not of_peer:
        del by_peer[message.peer_id]

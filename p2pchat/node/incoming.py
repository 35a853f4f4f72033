"""What others say: new or repeated, kept, acknowledged, and told to the observers.

    deliver -> new: acknowledged and told;                        without a history
    deliver -> new: history.keep -> stored: acknowledged, told    with one
                                 -> not stored: told with a mark, no ACK, and taken for new again
            -> repeated: acknowledged when its first copy is safe

Rules: no I/O. A message that came before is acknowledged again and told once. The memory of ids is
bounded and forgets the oldest, a friend's and a stranger's apart; the same id with another text is
another message. Of an id that is longer than any honest one only a hash is kept.
What comes before the past is known waits, because a repetition could not be told from what is new.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Generator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from p2pchat.history.durable import DurableHistory
from p2pchat.history.unstored import Arrival
from p2pchat.logs.levels import Log
from p2pchat.logs.texts import logged
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.mesh.peers import Peer
from p2pchat.node.observers import Observers
from p2pchat.node.showing import Showing
from p2pchat.wire.changes import as_message, kept_id
from p2pchat.wire.messages import Pub, Said, Send, marked
from p2pchat.wire.repetitions import RecentIds, mark_of

_log: Final = Log("Router")
_MAX_EARLY: Final = 10_000
"""Batches that wait for the past: a link that brought one is read no further until it is known."""
_LINKS_A_PIECE: Final = 500


class _Early(NamedTuple):
    """Messages that came before the past was known; or, without any, a new status."""

    peer: Peer
    link: IPeerLink | None = None
    messages: Sequence[Send | Pub] = ()
    said: float | None = None


class Incoming:
    """Takes in what the links of one node bring. `seen`: the ids of what came before.

    `history`, if there is one, keeps the messages before they are acknowledged and told.
    """

    def __init__(
        self, observers: Observers, seen: RecentIds, history: DurableHistory | None = None
    ) -> None:
        self._observers = observers
        self._seen = seen
        self._history = history
        self._showing = Showing(observers, seen)
        self._early: deque[_Early] = deque()
        self._early_peers: set[Peer] = set()
        self._puts_off = history is not None
        self.received = 0
        """Messages received, each counted once."""
        self.duplicates = 0
        """Messages that came again and were not shown."""
        self.ignored: Container[str] = ()
        """The peers whose messages are acknowledged, and nothing else."""
        self.unignored: Mapping[str, float] = {}
        """Until when (wall clock) peers were ignored: what they said before is ignored, too."""
        self.left_out = 0
        """Messages of those."""
        if history is not None:
            history.on_settled = self._settled

    @property
    def remembered(self) -> int:
        """How many ids are kept to know repetitions."""
        return len(self._seen)

    @property
    def other_texts(self) -> int:
        """Messages that had the id of another one, and another text."""
        return self._seen.other_texts

    def deliver(self, peer: Peer, link: IPeerLink, messages: list[Send | Pub]) -> None:
        """Take in the messages that came together on a link; there is at least one."""
        if peer.peer_id in self.ignored:
            self._ignore(peer, link, messages)
            return
        history = self._history
        if history is not None and self._puts_off:
            self._put_off(history, _Early(peer, link, messages, None))
            return
        fresh, ids, others = self._seen.fresh(peer.peer_id, messages)
        self.received += len(fresh)
        if fresh is not messages:
            self.duplicates += len(messages) - len(fresh)
        if fresh and _log.debugging:
            _tell_log(peer.peer_id, fresh)
        shown = _shown(fresh, others) if others else fresh
        if history is None:
            acks = _to_acknowledge(messages)
            if acks:
                _acknowledge(peer, link, acks)
            if fresh:
                peer.heard_on = link
                self._observers.received(peer, shown)
                peer.heard_on = None
            return
        if len(fresh) < len(messages):
            new = {id(message) for message in fresh}
            repeated = [message for message in messages if id(message) not in new]
            self._repeated(history, Arrival(peer, link, _to_acknowledge(repeated)))
        if fresh:
            self._keep(history, Arrival(peer, link, _to_acknowledge(fresh)), fresh, ids, shown)

    def deliver_late(self, peer: Peer, link: IPeerLink, message: Said) -> None:
        """Take in a message that was said a while ago; only with a history."""
        history = self._history
        assert history is not None
        kind: Any = Send if message.require_ack else Pub
        plain = kind(message.msg_id, message.src, message.dst, message.payload, message.require_ack)
        ignored_until = self.unignored.get(peer.peer_id)
        then = ignored_until is not None and message.said < ignored_until
        if then or peer.peer_id in self.ignored:
            self._ignore(peer, link, [plain])
        elif not self._puts_off:
            self._keep_late(history, peer, link, plain, message.said)
        else:
            self._put_off(history, _Early(peer, link, [plain], message.said))

    def deliver_change(self, peer: Peer, link: IPeerLink, change: Send | Pub) -> None:
        """Take in another text for what this peer said; it is a message if it said no such thing.

        Its id alone tells whether it came before.
        """
        history, msg_id = self._history, str(change.msg_id)
        acks: list[object] = [msg_id] if change.require_ack else []
        if peer.peer_id in self.ignored:
            self._ignore(peer, link, [change])
        elif history is not None and self._puts_off:
            self._put_off(history, _Early(peer, link, [change]))
        elif self._seen.has(peer.peer_id, msg_id):
            self.duplicates += 1
            if history is not None:
                self._repeated(history, Arrival(peer, link, acks))
            elif acks:
                _acknowledge(peer, link, acks)
        elif not self._seen.has(peer.peer_id, change.of):
            kind, text = Send if isinstance(change, Send) else Pub, as_message(change.payload)
            message = kind(msg_id, change.src, change.dst, text, change.require_ack)
            self.deliver(peer, link, [message])
        else:
            self._take_change(peer, link, change, acks)

    def _take_change(
        self, peer: Peer, link: IPeerLink, change: Send | Pub, acks: list[object]
    ) -> None:
        msg_id, history = str(change.msg_id), self._history
        self._seen.is_new(peer.peer_id, msg_id, mark_of(change.payload))
        self.received += 1
        if _log.debugging:
            _tell_log(peer.peer_id, [change])
        if history is not None:
            arrival = Arrival(peer, link, acks, is_change=True)
            self._keep(history, arrival, [change], [kept_id(msg_id, change.of)], [change])
            return
        if acks:
            _acknowledge(peer, link, acks)
        peer.heard_on = link
        self._observers.changed(peer, change)
        peer.heard_on = None

    def _ignore(self, peer: Peer, link: IPeerLink, messages: list[Send | Pub]) -> None:
        """Nothing comes of these, but that their sender need not send them again."""
        self.left_out += len(messages)
        acks = _to_acknowledge(messages)
        if acks:
            _acknowledge(peer, link, acks)

    def status_changed(self, peer: Peer) -> None:
        """A peer came or went; who says something and leaves is heard first."""
        if peer in self._early_peers:
            self._early.append(_Early(peer))
        else:
            self._showing.status_changed(peer)

    def past_known(self) -> Generator[None, None, None]:
        """The history is ready: take in what came before that, in its order, piece by piece.

        What comes meanwhile waits behind it.
        """
        early = self._early
        links: dict[IPeerLink, None] = {}
        while early:
            first = early.popleft()
            self._puts_off = False
            try:
                self._take_in(first)
            finally:
                self._puts_off = True
            if first.link is not None:
                links[first.link] = None
            yield
        self._puts_off = False
        self._early_peers.clear()
        for number, link in enumerate(links, 1):
            link.read_on()
            if number % _LINKS_A_PIECE == 0:
                yield

    def _take_in(self, early: _Early) -> None:
        if early.link is None:
            self._showing.status_changed(early.peer)
        elif early.messages[0].of:
            self.deliver_change(early.peer, early.link, early.messages[0])
        elif early.said is None:
            self.deliver(early.peer, early.link, [*early.messages])
        else:
            assert self._history is not None
            self._keep_late(self._history, early.peer, early.link, early.messages[0], early.said)

    # ------------------------------------------------------------ with a history

    def _put_off(self, history: DurableHistory, early: _Early) -> None:
        assert early.link is not None
        if len(self._early) < _MAX_EARLY:
            self._early.append(early)
            self._early_peers.add(early.peer)
            early.link.hold()
        else:
            history.not_kept += len(early.messages)
            if early.link.keeps and any(isinstance(message, Pub) for message in early.messages):
                history.places.refused(early.peer.peer_id)

    def _keep_late(
        self,
        history: DurableHistory,
        peer: Peer,
        link: IPeerLink,
        message: Send | Pub,
        said: float,
    ) -> None:
        acks: list[object] = [message.msg_id] if message.require_ack else []
        fresh, ids, others = self._seen.fresh(peer.peer_id, [message])
        if not fresh:
            self.duplicates += 1
            self._repeated(history, Arrival(peer, link, acks))
            return
        self.received += 1
        if _log.debugging:
            _tell_log(peer.peer_id, fresh)
        shown = _shown(fresh, others)
        self._keep(history, Arrival(peer, link, acks, said=[said]), fresh, ids, shown)

    def _keep(
        self,
        history: DurableHistory,
        arrival: Arrival,
        messages: list[Send | Pub],
        ids: list[str],
        shown: list[Send | Pub],
    ) -> None:
        """Have new messages stored, and shown when that is done, or at once if it may be.

        `shown`: the same, some with a mark.
        """
        peer, showing = arrival.peer, self._showing
        # An ACK that does not come has a message sent again, and so has catching up.
        comes_once = (
            not arrival.acks
            and arrival.said is None
            and not arrival.link.keeps
            and not arrival.is_change
        )
        at_once = comes_once and not history.failing and showing.nothing_waits(peer.peer_id)
        if not at_once:
            # Before it is kept: that may be over at once.
            arrival.messages = shown
            showing.waits(arrival)
        if not history.keep(arrival, messages, ids):
            if at_once:
                arrival.messages = shown
            else:
                showing.takes_back(arrival)
            showing.refused(arrival)
        elif at_once:
            peer.heard_on, peer.heard_id = arrival.link, arrival.first
            self._observers.received(peer, shown)
            peer.heard_on, peer.heard_id = None, 0

    def _repeated(self, history: DurableHistory, arrival: Arrival) -> None:
        """Acknowledge messages that came before, as soon as those are safe."""
        if arrival.acks and not history.keep_repeated(arrival):
            _acknowledge(arrival.peer, arrival.link, arrival.acks)

    def _settled(self, arrivals: list[Arrival], stored: bool) -> None:
        """The history has written these: acknowledge, then show. Or it could not: only show."""
        if not stored:
            for arrival in arrivals:
                self._showing.not_stored(arrival)
            return
        for arrival in arrivals:
            if arrival.acks:
                _acknowledge(arrival.peer, arrival.link, arrival.acks)
        for arrival in arrivals:
            self._showing.stored(arrival)


def _shown(messages: list[Send | Pub], others: Sequence[int]) -> list[Send | Pub]:
    """These messages, with a mark on those whose id was there with another text."""
    shown = [*messages]
    for at in others:
        shown[at] = marked(shown[at])
    return shown


def _to_acknowledge(messages: list[Send | Pub]) -> list[object]:
    if len(messages) == 1:  # what a conversation brings
        message = messages[0]
        return [message.msg_id] if message.require_ack and message.msg_id is not None else []
    return [m.msg_id for m in messages if m.require_ack and m.msg_id is not None]


def _acknowledge(peer: Peer, link: IPeerLink, msg_ids: list[object]) -> None:
    """Acknowledge these on their link; or on another one, if its other end may have closed it."""
    if link.leaving:
        gone = link not in peer.links
        for other in peer.links:
            if not other.leaving and (gone or other.is_p2pchat):
                link = other
                break
    link.acknowledge(msg_ids)


def _tell_log(peer_id: str, messages: list[Send | Pub]) -> None:
    for message in messages:
        to = message.dst if isinstance(message, Pub) else "us"
        _log.debug("{who} -> {to}: {text}", who=peer_id, to=to, text=logged(message.payload))

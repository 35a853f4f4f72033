"""Telling the observers what came: when it is safe, or at once if it cannot come again.

Rules: what a peer said is told in its order, and so is its coming and going; nothing of a peer
overtakes what still waits. What could not be kept is told with a mark, and once: its sender got no
ACK and sends it again. Then it is kept, and not told a second time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from p2pchat.history.unstored import Arrival
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.mesh.peers import Peer
from p2pchat.node.observers import Observers
from p2pchat.speech import _
from p2pchat.wire.messages import Pub, Send
from p2pchat.wire.repetitions import RecentIds, id_text

_MAX_UNKEPT: Final = 5000
"""Marks of friends, and as many of strangers, who so never push out a friend's."""
_MAX_REFUSED: Final = 2000
"""Messages that were refused, and wait for their turn to be shown with a mark; more are shown out
of turn."""
_NAMES: Final = 5


class _Refused(NamedTuple):
    """Messages that are not stored, and the link that brought them."""

    link: IPeerLink
    messages: list[Send | Pub]


_Turn: TypeAlias = "Arrival | _Refused | Peer"
"""What has its place: messages that are being stored, some that are not, or a new status."""


class Showing:
    """Tells `observers`. `seen`: the ids of what came."""

    def __init__(self, observers: Observers, seen: RecentIds) -> None:
        self._observers = observers
        self._seen = seen
        self._turns: dict[str, deque[_Turn]] = {}
        self._refused = 0
        self._friends = seen.friends
        # Peers, ids and hashes of texts: what was shown and is not kept, the latest of each group.
        self._unkept_of_friends: dict[tuple[str, str, int], None] = {}
        self._unkept_of_strangers: dict[tuple[str, str, int], None] = {}

    def nothing_waits(self, peer_id: str) -> bool:
        """Whether a message of this peer may be shown now."""
        return (
            peer_id not in self._turns
            and not self._unkept_of_strangers
            and not self._unkept_of_friends
        )

    def waits(self, arrival: Arrival) -> None:
        """These messages are to be shown later: `stored` or `not_stored` must follow, in order."""
        turns = self._turns.get(arrival.peer.peer_id)
        if turns is None:
            turns = self._turns[arrival.peer.peer_id] = deque()
        turns.append(arrival)

    def takes_back(self, arrival: Arrival) -> None:
        """These messages, the last ones that waited, are not being stored after all."""
        turns = self._turns[arrival.peer.peer_id]
        turns.pop()
        if not turns:
            del self._turns[arrival.peer.peer_id]

    def status_changed(self, peer: Peer) -> None:
        """A peer has a new status; of several that follow each other only the last one is told."""
        turns = self._turns.get(peer.peer_id)
        if turns is None:
            self._observers.status_changed(peer)
        elif turns[-1] is not peer:
            turns.append(peer)

    def stored(self, arrival: Arrival) -> None:
        """What waited is stored: show it, unless it was when an earlier copy could not be kept."""
        peer, messages, said = arrival.peer, arrival.messages, arrival.said
        if not messages:
            return
        peer.heard_on, peer.heard_id = arrival.link, arrival.first
        if not (self._unkept_of_strangers or self._unkept_of_friends):
            self._show(arrival, messages, said)
        else:
            new = self._not_shown(peer.peer_id, messages)
            if len(new) == len(messages):
                self._show(arrival, messages, said)
            else:
                for at in new:  # each with its own id
                    peer.heard_id = arrival.first + at
                    self._show(arrival, [messages[at]], None if said is None else [said[at]])
        peer.heard_on, peer.heard_id = None, 0
        self._next(peer)

    def _show(self, arrival: Arrival, messages: list[Send | Pub], said: list[float] | None) -> None:
        if arrival.is_change:
            self._observers.changed(arrival.peer, messages[0])
        elif said is None:
            self._observers.received(arrival.peer, messages)
        else:
            self._observers.received_late(arrival.peer, messages, said)

    def not_stored(self, arrival: Arrival) -> None:
        """What waited could not be stored: show it with a mark, and take it for new again."""
        if arrival.messages:
            self._forget(arrival)
            self._mark(arrival.peer, arrival.link, arrival.messages)
            self._next(arrival.peer)

    def refused(self, arrival: Arrival) -> None:
        """The same for messages that had not begun to wait."""
        peer, messages = arrival.peer, arrival.messages
        self._forget(arrival)
        turns = self._turns.get(peer.peer_id)
        if turns is None or self._refused + len(messages) > _MAX_REFUSED:
            self._mark(peer, arrival.link, messages)
        else:
            self._refused += len(messages)
            turns.append(_Refused(arrival.link, messages))

    def _forget(self, arrival: Arrival) -> None:
        """Take these for new when they come again: their sender gets no ACK for them."""
        for message in arrival.messages:
            key = id_text(message.msg_id)
            if key:
                self._seen.forget(arrival.peer.peer_id, key, message.payload)

    def _mark(self, peer: Peer, link: IPeerLink, messages: list[Send | Pub]) -> None:
        new = [messages[at] for at in self._not_shown(peer.peer_id, messages)]
        friend = peer.peer_id in self._friends
        unkept = self._unkept_of_friends if friend else self._unkept_of_strangers
        for message in messages:
            key = id_text(message.msg_id)
            if key:
                unkept[peer.peer_id, key, hash(message.payload)] = None
        while len(unkept) > _MAX_UNKEPT:
            del unkept[next(iter(unkept))]
        if new:
            peer.heard_on = link
            self._observers.received_unkept(peer, new)
            peer.heard_on = None

    def _next(self, peer: Peer) -> None:
        """The first one that waited was shown: go on to the next one that is being stored."""
        turns = self._turns[peer.peer_id]
        turns.popleft()
        while turns:
            turn = turns[0]
            if isinstance(turn, Arrival):
                return
            turns.popleft()
            if isinstance(turn, Peer):
                self._observers.status_changed(turn)
            else:
                self._refused -= len(turn.messages)
                self._mark(peer, *turn)
        del self._turns[peer.peer_id]

    def _not_shown(self, peer_id: str, messages: Sequence[Send | Pub]) -> list[int]:
        """Which of these have not been shown although they were not kept, by their places."""
        # A peer may have become a friend since, or a stranger.
        friends, strangers = self._unkept_of_friends, self._unkept_of_strangers
        marks = [(peer_id, id_text(each.msg_id), hash(each.payload)) for each in messages]
        return [
            at for at, mark in enumerate(marks) if mark not in friends and mark not in strangers
        ]


def unread_sentence(unread: Mapping[str, int]) -> str:
    """What nobody has seen yet, for the person: conversation -> count; empty if there is none."""
    if not unread:
        return ""
    first = [*unread.items()][:_NAMES]
    counts = ", ".join(_("{n} of {name}").format(n=n, name=name) for name, n in first)
    more = len(unread) - len(first)
    if more:
        return _("not seen yet: {counts}, and {more} more (/history shows them)").format(
            counts=counts, more=more
        )
    return _("not seen yet: {counts} (/history shows them)").format(counts=counts)

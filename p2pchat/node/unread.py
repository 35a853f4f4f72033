"""What nobody has seen yet: one count for all surfaces, and who shows what comes.

    unread.attend(console)            everything is shown there as it comes, one below the other
    unread.open(screen, "bob@CIC")    this conversation is on a screen; `TOGETHER`: all of them are,
                                      `NOTHING`: none is
    unread.of("bob@CIC")        ->    how many of its messages nobody has seen
    unread.seen("bob@CIC")            somebody has seen them

Rules: pure bookkeeping. What comes is seen where its conversation is open, or all of them are. Who
attends has seen it, too, as long as nobody has such a screen: then the person is there.
Nothing is counted while every message is seen so. The number of conversations is bounded, and those
of strangers make way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from typing import Final

from twisted.internet.defer import Deferred, succeed

from p2pchat.history.durable import DurableHistory
from p2pchat.mesh.peers import Peer
from p2pchat.node.observers import Observer, Observers
from p2pchat.wire.address import EVERYONE, conversation_of
from p2pchat.wire.messages import Pub, Send

TOGETHER: Final = ""
"""All conversations on one screen."""
NOTHING: Final = "nothing"
"""No conversation: a screen that is there, and shows none. No peer_id and no scope is like this."""
MOST: Final = 1000
"""Conversations of which the unread messages are counted."""
_MOST_LOOKED_AT: Final = 1000


class Unread(Observer):
    """Counts for one node, beside its other `observers`.

    `friends`: those to whom we wrote; `home`: the scope of our own namespace.
    `history`, if there is one, knows what was unread in earlier runs, and remembers what is read.
    """

    def __init__(
        self,
        observers: Observers | None = None,
        friends: Container[str] = (),
        home: str = "",
        history: DurableHistory | None = None,
    ) -> None:
        self._observers = Observers() if observers is None else observers
        self._friends = friends
        self._usual = (home, EVERYONE)
        self._history = history
        self._attending: set[object] = set()
        self._open: dict[object, str] = {}
        self._single: frozenset[str] = frozenset()
        self._together = self._counting = False
        self.counts: dict[str, int] = {}
        """Conversation -> messages of this run that nobody has seen."""
        self.left_out = 0
        """Messages that were not counted for want of room."""
        self._look()

    # ------------------------------------------------------------ who shows what

    def attend(self, who: object) -> None:
        """Everything is shown by `who` as it comes, until `leave`."""
        self._attending.add(who)
        self._look()

    def open(self, who: object, conversation: str) -> None:
        """`who` has this conversation on its screen, and no other one, until `leave`."""
        self._open[who] = conversation
        self._look()

    def leave(self, who: object) -> None:
        """`who` shows nothing more; safe for one that never did."""
        self._attending.discard(who)
        self._open.pop(who, None)
        self._look()

    def _look(self) -> None:
        self._single = frozenset(self._open.values()) - {TOGETHER}
        self._together = TOGETHER in self._open.values()
        attending = 0 if self._single else len(self._attending)
        if self._history is not None:
            self._history.attending = attending
        counting = not attending
        if counting and not self._counting:
            self._observers.add(self)
        elif self._counting and not counting:
            self._observers.remove(self)
        self._counting = counting

    # ------------------------------------------------------------ what is unread

    @property
    def earlier(self) -> dict[str, int]:
        """Conversation -> messages of earlier runs that nobody has seen."""
        return {} if self._history is None else self._history.unread

    def of(self, conversation: str) -> int:
        """How many messages of a conversation nobody has seen, of this run and of earlier ones."""
        return self.counts.get(conversation, 0) + self.earlier.get(conversation, 0)

    def seen(self, conversation: str) -> None:
        """The person has seen all there is in a conversation."""
        had = self.of(conversation)
        self.counts.pop(conversation, None)
        if self._history is not None:
            self._history.mark_read(conversation)
        if had:
            self._observers.read(conversation, 0)

    def seen_upto(self, conversation: str, upto: int) -> Deferred[int]:
        """The person has seen a conversation up to the message with this id; fires with the rest.

        Fails with a `HistoryError`. Without a history there are no ids: all is read.
        """
        history = self._history
        if history is None or not history.past_is_known or upto >= history.last_id:
            self.seen(conversation)
            return succeed(0)
        before, last = self.of(conversation), history.last_id

        def counted(found: list[int]) -> int:
            # What came since the question is not among them.
            left = found[0] + max(0, self.of(conversation) - before)
            history.unread.pop(conversation, None)
            history.mark_read(conversation, upto)
            self.counts.pop(conversation, None)
            if left:
                self._add(conversation, left)
            self._observers.read(conversation, upto)
            return left

        most = _MOST_LOOKED_AT
        asked = history.ask(lambda at: [at.received_between(conversation, upto, last, most)])
        return asked.addCallback(counted)

    # ------------------------------------------------------------ INodeObserver

    def received(self, peer: Peer, messages: list[Send | Pub]) -> None:
        """Messages came."""
        if len(messages) == 1:  # what a conversation brings
            only = messages[0]
            dst = None if type(only) is Send else only.dst
            self._came(conversation_of(peer.peer_id, dst), 1)
            return
        direct = [*map(type, messages)].count(Send)
        if direct:
            self._came(peer.peer_id, direct)
        if direct < len(messages):
            scopes = Counter([each.dst for each in messages if type(each) is Pub])
            for dst, count in scopes.items():
                self._came(conversation_of(peer.peer_id, dst), count)

    def changed(self, peer: Peer, message: Send | Pub) -> None:
        """A peer changed what it said: that was counted when it was said."""

    def forgotten(self, peer_id: str) -> None:
        """What was said by and to a peer is deleted."""
        self.counts.pop(peer_id, None)

    def past_known(self, unread: str) -> None:
        """Whoever shows something tells it."""

    def _came(self, conversation: str, count: int) -> None:
        if conversation in self._single:
            return
        if self._together and conversation not in self.earlier:
            return
        self._add(conversation, count)

    def _add(self, conversation: str, count: int) -> None:
        counts = self.counts
        if conversation not in counts and len(counts) >= MOST:
            if not self._is_ours(conversation):
                self.left_out += count
                return
            goes = next((each for each in counts if not self._is_ours(each)), next(iter(counts)))
            self.left_out += counts.pop(goes)
        counts[conversation] = counts.get(conversation, 0) + count

    def _is_ours(self, conversation: str) -> bool:
        """Whether a stranger cannot make any number of them."""
        return conversation in self._usual or conversation in self._friends

"""What becomes of each direct message of ours: its one state, told to the observers and its author.

    stored              -> QUEUED, if there is no link to its peer
    could not be stored -> UNKEPT, in the same case
    no ACK in time      -> LATE, if there is a history and it goes out again; else its end
    ACK, cancelled, too old, lost with this node -> its end

Rules: no I/O. An end is told once, and noted in the history. What is told to happen next is what
does happen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from p2pchat.history.durable import DurableHistory
from p2pchat.history.records import ABANDONED, DELIVERED, Record
from p2pchat.logs.levels import Log
from p2pchat.mesh.peers import Peer, PeerTable
from p2pchat.node.news import Became, News
from p2pchat.node.observers import Observers
from p2pchat.node.outbox import Outbox, OwnMessage, Stage
from p2pchat.speech import Sentence, counted
from p2pchat.wire.names import bracketed
from p2pchat.wire.repetitions import LONGEST_ID
from p2pchat.wire.text import shortened

AGAIN_AFTER: Final = 3
"""Times `ack_timeout` after which our own kind gets a message again on the same link."""
_NOT_DELIVERED: Final = "Not delivered to {peer}: {why}"
_NEXT_LINK: Final = Sentence("sent again when a link opens")
_TOLD_ONE_BY_ONE: Final = 5
"""Of messages of earlier runs that were given up; of the others only how many there are."""
_log: Final = Log("Router")


def ended(message: OwnMessage, reason: Sentence | str) -> Sentence | str:
    """Why a message ends that may have been sent before."""
    if message.sent_at is None:
        return reason
    return Sentence("{why}, though it may have arrived", why=reason)


class Outcomes:
    """Tells what becomes of the messages of `outbox`. `history`, if there is one, keeps them."""

    def __init__(
        self,
        outbox: Outbox,
        peers: PeerTable,
        observers: Observers,
        history: DurableHistory | None,
    ) -> None:
        self._outbox = outbox
        self._peers = peers
        self._observers = observers
        self._history = history
        self.delivered = 0
        """Direct messages that were acknowledged."""
        self.undelivered = 0
        """How often one was told not to be delivered, perhaps yet."""
        self.ending: dict[str, OwnMessage] = {}
        """Messages that are sent no more, by msg_id, until that is stored; see `cancelling`."""
        self.lost = 0
        """Direct messages that could neither be delivered nor kept when the node left."""
        if history is not None:
            history.on_entered = self._entered
            history.on_enter_again = self._enter_again

    def delivered_after(self, message: OwnMessage, seconds: float) -> None:
        """Its ACK came."""
        self._over(message, DELIVERED, became=Became.DELIVERED, seconds=seconds)
        if message.earlier:
            self._notice(message, Sentence('delivered to {who}, which was away: "{text}"'))

    def give_up(self, message: OwnMessage, reason: Sentence | str) -> None:
        """It is sent no more."""
        self._over(message, ABANDONED, reason=reason)

    def call_off(self, message: OwnMessage, reason: Sentence | str) -> None:
        """It is sent no more, though it may have been sent before."""
        self.give_up(message, ended(message, reason))

    def called_off(self, message: OwnMessage, reason: Sentence | str) -> None:
        """One of `ending` has come to its end."""
        del self.ending[message.msg_id]
        self._tell(message, Became.UNDELIVERED, reason=reason)

    def too_old(self, old: Sequence[tuple[OwnMessage, Sentence | str]]) -> None:
        """These of `ending` have waited for longer than they may; each with the sentence for it."""
        assert self._history is not None
        for message, reason in old:
            self._history.change(message.entry, ABANDONED)
            self.called_off(message, reason)
        earlier = [each for each in old if each[0].earlier]
        for message, reason in earlier[:_TOLD_ONE_BY_ONE]:
            self._notice(message, Sentence('not delivered to {who}: {why} ("{text}")'), reason)
        more = len(earlier) - _TOLD_ONE_BY_ONE
        if more > 0:
            others = counted(
                "{n} more message waited for too long and is given up",
                "{n} more messages waited for too long and are given up",
                more,
            )
            self._observers.notice(others)

    def unconfirmed(self, message: OwnMessage) -> None:
        """Another program got it as often as it may: it was perhaps read each time."""
        if message.ended == message.times:
            reason = counted(
                "sent, not confirmed: the other end closed the link behind it",
                "sent, not confirmed: each of {n} times the other end closed the link behind it",
                message.times,
            )
        else:
            reason = counted(
                "sent, not confirmed: no ACK came, though it went out",
                "sent, not confirmed: no ACK came, though it went out {n} times",
                message.times,
            )
        self._over(message, ABANDONED, became=Became.UNCONFIRMED, reason=reason)
        if message.earlier:
            self._notice(message, Sentence('{who}: {why} ("{text}")'), reason)

    def no_ack(self, message: OwnMessage, peer: Peer | None, timeout: float, now: float) -> None:
        """No ACK came within `timeout` seconds."""
        reason = Sentence("no ACK within {seconds:g} s", seconds=timeout)
        if self._history is None:
            self.give_up(message, reason)
            return
        if message.spent:
            self.unconfirmed(message)
            return
        used = () if peer is None or not peer.links else (peer.link_in_use,)
        self._outbox.overdue(message, used, now)
        if message.again:
            return
        if message.stage is Stage.UNSENT:
            self._late(message, reason, Sentence("sent again now, on another link"))
        elif used and used[0].is_p2pchat:
            seconds = (AGAIN_AFTER - 1) * timeout
            then = Sentence(
                "sent again in {seconds:g} s, or when a link opens before", seconds=seconds
            )
            self._late(message, reason, then)
        else:
            self._late(message, reason, _NEXT_LINK)

    def left_behind(self, message: OwnMessage, reason: Sentence | str) -> None:
        """This node leaves before the ACK came."""
        if message.spent:
            self.unconfirmed(message)
        elif message.told is not Became.LATE:
            self._late(message, reason, _NEXT_LINK)

    def lose_unstored(self) -> None:
        """This node ends: tell of what is neither delivered nor stored."""
        assert self._history is not None
        why = self._history.why or Sentence("this node left too early")
        for message in self._outbox:
            if not message.stored:
                self.lost += 1
                lost = Sentence("it could not be kept ({why}), and is lost", why=why)
                self.give_up(message, lost)

    def look(self, message: OwnMessage) -> None:
        """Tell once that a message has no link, as soon as it is safe, or cannot be."""
        history = self._history
        known = history is None or history.ready
        if message.stage is not Stage.UNSENT or (known and self._peers.is_linked(message.peer_id)):
            return
        if message.stored:
            if message.told in (None, Became.UNKEPT):
                self._tell(message, Became.QUEUED)
        elif message.told is None and history is not None and history.failing:
            if known:
                reason = Sentence(
                    "it could not be kept ({why}), and goes out if a link opens", why=history.why
                )
            else:
                reason = Sentence(
                    "it could not be kept ({why}), and goes out when the history can be read",
                    why=history.why,
                )
            self._tell(message, Became.UNKEPT, reason=reason)

    def look_at_unstored(self) -> None:
        """Messages are not kept, and no batch may come back to say so."""
        for message in self._outbox:
            if message.told is None and not message.stored:
                self.look(message)

    def _entered(self, entries: Sequence[Record], trouble: str) -> None:
        """These are stored, or could not be."""
        for entry in entries:
            msg_id = entry.msg_id if len(entry.msg_id) <= LONGEST_ID else entry.said_id
            message = self._outbox.get(msg_id) or self.ending.get(msg_id)
            if message is not None and message.entry is entry:
                message.stored = not trouble
                self.look(message)

    def _enter_again(self, everything: bool) -> None:
        """The history is written again, perhaps in a new file: have it hold what waits."""
        assert self._history is not None
        for message in self._outbox:
            if everything or not message.stored:
                message.stored = False
                self._history.enter(message.entry)

    def _notice(self, message: OwnMessage, sentence: Sentence, why: Sentence | str = "") -> None:
        """Who said it in an earlier run is no longer there to be told: tell everybody."""
        who, text = bracketed(message.peer_id), shortened(message.entry.text, 40)
        self._observers.notice(sentence.but(who=who, why=why, text=text))

    def _late(self, message: OwnMessage, why: Sentence | str, then: Sentence) -> None:
        history = self._history
        reason = Sentence("{why}: it is kept, and {then}", why=why, then=then)
        if history is not None and history.failing and not message.stored:
            reason = Sentence(
                "{why}: it could not be kept ({trouble}), and is {then}",
                why=why,
                trouble=history.why,
                then=then,
            )
        self._tell(message, Became.LATE, reason=reason)

    def _over(
        self,
        message: OwnMessage,
        state: int,
        *,
        became: Became = Became.UNDELIVERED,
        seconds: float = 0.0,
        reason: Sentence | str = "",
    ) -> None:
        if self._outbox.take(message.msg_id) is None:
            return  # whoever heard of another one has ended it
        if self._history is not None:
            self._history.change(message.entry, state)
        self._tell(message, became, seconds=seconds, reason=reason)

    def _tell(
        self,
        message: OwnMessage,
        became: Became,
        *,
        seconds: float = 0.0,
        reason: Sentence | str = "",
    ) -> None:
        first, message.told = message.told is None, became
        peer_id, msg_id, text = message.peer_id, message.msg_id, message.entry.text
        match became:
            case Became.DELIVERED:
                self.delivered += 1
                self._observers.delivered(peer_id, msg_id, seconds)
            case Became.QUEUED:
                self._observers.queued(peer_id, msg_id)
            case _:
                self.undelivered += 1
                which = "{peer}: {why}" if became is Became.UNCONFIRMED else _NOT_DELIVERED
                _log.warn(which, peer=peer_id, why=str(reason))
                self._observers.undelivered(peer_id, msg_id, str(reason))
        if message.tell is not None:
            try:
                message.tell(News(peer_id, msg_id, text, became, first, seconds, reason))
            except Exception:
                _log.failure("Who said a message failed when it heard of it")

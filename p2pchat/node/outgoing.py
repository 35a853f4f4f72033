"""What we say to one peer: it goes to a link, or waits for one, until it comes to its end.

    send     -> a link that takes it;  or, with a history, it waits for one
    ACK      -> delivered
    no ACK   -> undelivered; what is kept goes out again, with the same msg_id, on the next link,
                or after `3 * ack_timeout` on the same one if the peer is of our own kind. After
                the third time to another program: the end, "sent, not confirmed"

Rules: no I/O. Each direct message is one `OwnMessage` in one `Outbox`, with a history or without,
until its end, which is told once. So many are on their way at most. To one peer messages leave in
the order in which they were written. An ACK counts only from the peer that was written to. With a
history, nothing leaves before the past is known: what is said before waits in its order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from twisted.internet.defer import Deferred

from p2pchat.history.durable import DurableHistory
from p2pchat.history.records import PLAIN, WAITING, Record
from p2pchat.logs.levels import Log
from p2pchat.logs.texts import logged
from p2pchat.mesh.identity.known_keys import KnownKeys
from p2pchat.mesh.link.context import LinkContext
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.mesh.peers import Peer, PeerTable
from p2pchat.node.cancelling import Cancelling
from p2pchat.node.changing import change_line
from p2pchat.node.demands import check
from p2pchat.node.first_words import FirstWords
from p2pchat.node.news import NotSentError, Teller
from p2pchat.node.observers import Observers
from p2pchat.node.outbox import Outbox, OutboxFullError, OwnMessage, Stage
from p2pchat.node.outcomes import AGAIN_AFTER, Outcomes
from p2pchat.node.publishing import Publishing
from p2pchat.node.waiting_messages import MOST_AT_ONCE, WaitingMessages
from p2pchat.settings.values import HistorySettings
from p2pchat.speech import Sentence, counted, sentence_of
from p2pchat.wire.address import split_peer_id
from p2pchat.wire.changes import kept_id
from p2pchat.wire.codec import encode
from p2pchat.wire.friends import Friends
from p2pchat.wire.messages import Send
from p2pchat.wire.names import bracketed

_log: Final = Log("Router")
_CHECK_AGE_EVERY: Final = 60.0


def _ignore(*_: object) -> None:
    """There is nobody to find another link."""


def _nothing() -> None:
    """Nobody remembers anything else of a peer."""


class Outgoing:
    """Sends for one node, within the limits of `context.settings`.

    `history`, if there is one, keeps what was said. `friends` learns to whom we wrote, and `known`,
    if there is one, by which key.
    """

    def __init__(
        self,
        context: LinkContext,
        peers: PeerTable,
        observers: Observers,
        history: DurableHistory | None = None,
        friends: Friends | None = None,
        known: KnownKeys | None = None,
    ) -> None:
        self._friends = Friends() if friends is None else friends
        self._context = context
        self._observers = observers
        self._own_id = context.me.peer_id
        self._peers = peers
        self._history = history
        self._known = known
        self._first_words = None if known is None else FirstWords(context, known, observers)
        if known is not None and known.file is not None:
            known.file.on_written = self._pins_written
        self.publishing = Publishing(context, peers, observers, history)
        """What goes to everybody of a scope."""
        self._leaving: Sentence | str = ""
        self._gone = False
        self._check_age_at = 0.0
        self.outbox = Outbox(HistorySettings() if history is None else history.settings)
        """The direct messages that have not come to their end."""
        self.outcomes = Outcomes(self.outbox, peers, observers, history)
        """What becomes of them."""
        self._waiting = WaitingMessages(
            self._own_id,
            peers,
            self.outbox,
            history,
            known,
            self._hand_over,
            lambda: self._full,
        )
        self._cancelling = Cancelling(context.clock, self.outbox, self.outcomes, history)
        if history is not None:
            history.on_past = self._put_before
        self.cancel = self._cancelling.cancel
        """Send some of them no more; see `Cancelling.cancel`."""
        self.on_overdue: Callable[[Peer, IPeerLink], None] = _ignore
        """Is told the peer and the link of each message whose ACK did not come in time."""
        self.on_forgotten: Callable[[], None] = _nothing
        """Is told when what was said by and to a peer has been deleted."""
        self.on_wanted: Callable[[Peer], None] = _ignore
        """Is told of each peer for whom something is said, and that has no link."""
        self.on_unknown: Callable[[str], bool] = lambda _: False
        """Is told of each peer_id that something is said to and that nobody has here; whether the
        peer is looked for."""
        self._sent_at_once = 0

    @property
    def pending(self) -> int:
        """How many messages wait for their ACK."""
        return self.outbox.on_their_way

    @property
    def sent(self) -> int:
        """Direct messages that went out, each time that they did."""
        return self._sent_at_once + self._waiting.sent

    # ------------------------------------------------------------ what a person says

    def send(
        self,
        peer_id: str,
        payload: str,
        tell: Teller | None = None,
        *,
        security: int = PLAIN,
        of: str = "",
    ) -> str:
        """Send a direct message, or have it wait for a link if there is a history.

        `security`: PLAIN, ENCRYPTED or VERIFIED, the least that a link must be for it to leave.
        `of`: the msg_id of an earlier one to this peer, if it is another text for that.

        Returns its msg_id. What becomes of it is told to `tell`, and by `delivered`, `undelivered`
        and `queued` to all observers; its end comes for certain, and once. Raises `NotSentError`
        when there is no such peer, no link, no room, or the text is too long; `InsecureError` when
        the link is less than is demanded.
        """
        if peer_id == self._own_id:
            raise NotSentError(Sentence("that is yourself"))
        history, peer = self._history, self._peers.get(peer_id)
        obstacle = self._obstacle(peer_id, peer)
        if peer is None and not self._leaving and self.on_unknown(peer_id):
            obstacle = Sentence(
                "{peer} is looked for: try again in a moment", peer=bracketed(peer_id)
            )
            self._friends.wrote_to(peer_id)  # who is found is dialed before strangers
        if peer is not None and not peer.links and not self._leaving:
            self.on_wanted(peer)
        if security:
            check(peer, security)
        if obstacle and (history is None or self._gone or not _is_peer_id(peer_id)):
            raise NotSentError(obstacle)
        wire = Send(self._context.new_id(), self._own_id, peer_id, payload, True)
        msg_id = str(wire.msg_id)
        try:
            if of:
                used = peer.link_in_use if peer is not None and peer.links else None
                me = self._own_id
                line = change_line(used, msg_id, of, me, peer_id, payload, direct=True)
            else:
                line = encode(wire)
        except ValueError as why:
            raise NotSentError(sentence_of(why)) from None
        at = 0.0 if history is None else history.wall()
        kept = kept_id(msg_id, of) if of else msg_id
        message = OwnMessage(Record(0, peer_id, self._own_id, kept, at, WAITING, payload), tell)
        if security:
            message.entry.security = security
        elif self._known is not None and peer and peer.links and peer.links[0].key is None:
            message.entry.security = PLAIN
            message.in_the_clear_at = at or self._known.wall()
        behind = self.outbox.is_behind(peer_id) and not self._waiting.all_held_back(peer_id, peer)
        if peer is not None and len(peer.links) > 1:
            behind = behind or self.outbox.is_on_another_link(peer)
        waits = bool(obstacle) or behind or not self._ready
        if waits:
            self._check_room(peer_id)
        self.outbox.add(message)
        if waits:
            self.outbox.unsent(message)
        elif peer is not None and not self._hand_over(peer, message, line):
            self._wait_for_room(message)
        if history is not None and history.ready:
            history.enter(message.entry)
        elif history is not None:
            history.when_ready().addCallback(self._enter_early, history, message)
        if message.stage is Stage.UNSENT:
            _log.info("SEND {to}, which waits: {text}", to=peer_id, text=logged(payload))
        else:
            self._sent_at_once += 1
            _log.info("SEND {to}: {text}", to=peer_id, text=logged(payload))
        self._friends.wrote_to(peer_id)
        if of:
            self._observers.sent_change(peer_id, payload, msg_id, message.entry.id, of)
        else:
            self._observers.sent(peer_id, payload, msg_id, message.entry.id)
        return msg_id

    def _enter_early(self, _: object, history: DurableHistory, message: OwnMessage) -> None:
        history.enter(message.entry)
        self._waiting.send(message.peer_id)

    def forget(self, peer_id: str) -> Deferred[int]:
        """Delete what was said by and to a peer, and what waits for it; fires with how many.

        Fails with a `HistoryError` when it cannot be deleted: then nothing has changed. There must
        be a history, and it must be ready.
        """
        history, said = self._history, self.outbox.of_peer(peer_id)
        assert history is not None

        def deleted() -> None:
            for message in said:
                self.outcomes.call_off(message, Sentence("forgotten"))
            for message in self.outbox.of_peer(peer_id):
                # It was said meanwhile, and may have been deleted, too.
                history.enter(message.entry)
            self._observers.forgotten(peer_id)
            self.on_forgotten()

        return history.forget(peer_id, deleted)

    @property
    def congested(self) -> bool:
        """Whether what goes out by itself, when there is room or the past is known, is so much
        that the next message may soon be refused."""
        most = self.outbox.settings.outbox_max_per_peer // 2
        if len(self.outbox) - self.pending <= most:
            return False
        return any(
            self.outbox.unsent_to(peer_id) > most
            and (not self._ready or self._peers.is_linked(peer_id))
            for peer_id in self.outbox.peers_behind
        )

    @property
    def _ready(self) -> bool:
        return self._history is None or self._history.ready

    def _obstacle(self, peer_id: str, peer: Peer | None) -> Sentence | None:
        """Why a message cannot go out now; None if it can."""
        if self._leaving:
            return Sentence("this node is leaving")
        if peer is None:
            return Sentence("no such peer: {peer} (/peers lists them)", peer=bracketed(peer_id))
        if not peer.links:
            return Sentence(
                "no link to {peer}: it is {status}",
                peer=bracketed(peer_id),
                status=peer.status.value,
            )
        if self._full:
            return counted(
                "{n} message still waits for its ACK: try later",
                "{n} messages still wait for their ACK: try later",
                self.pending,
            )
        return None

    @property
    def _full(self) -> bool:
        return self.pending >= self._context.settings.limits.max_pending_acks

    def _check_room(self, peer_id: str) -> None:
        try:
            self.outbox.check_room(peer_id)
        except OutboxFullError as why:
            raise NotSentError(sentence_of(why)) from None

    def _wait_for_room(self, message: OwnMessage) -> None:
        """No link took a new message: it waits, or raises `NotSentError` and is forgotten."""
        try:
            if self._history is None and not self._waiting.awaits_key(message.peer_id):
                whom = bracketed(message.peer_id)
                sentence = Sentence(
                    "{peer} does not keep up: too much waits for it already", peer=whom
                )
                raise NotSentError(sentence)
            self._check_room(message.peer_id)
        except NotSentError:
            self.outbox.take(message.msg_id)
            raise
        self.outbox.unsent(message)

    def _pins_written(self) -> None:
        """Some keys are written, or the disk refuses them: send what waited for that."""
        for peer_id in self.outbox.peers_behind[:MOST_AT_ONCE]:
            self._waiting.send(peer_id)
            if self._history is None and not self._waiting.awaits_key(peer_id):
                for message in self.outbox.of_peer(peer_id):
                    if message.stage is Stage.UNSENT:
                        self.outcomes.give_up(
                            message, self._leaving or Sentence("the link is gone")
                        )

    def _hand_over(self, peer: Peer, message: OwnMessage, line: bytes) -> bool:
        """Send a line on the first link that takes it, and await its ACK; whether one did."""
        if self.publishing.broadcast.held:
            self.publishing.flush()
        now = self._context.clock.seconds()
        links = peer.links_in_use
        if self._first_words is not None and not self._first_words.may_leave(peer, now):
            # The key is on the disk before it leaves: nobody else may have the name after that.
            return False
        demand = message.entry.security
        for link in links:
            if demand and link.key is None:
                continue
            # Before it leaves: the ACK may be as quick.
            self.outbox.sent(message, link, now)
            if link.send(line):
                if not link.is_p2pchat:
                    self.outbox.taken(message, link)
                return True
        return False

    # ------------------------------------------------------------ what became of it

    def acknowledged(self, peer_id: str, msg_id: object) -> None:
        """An ACK came from a peer, perhaps after its time.

        One that nobody waits for is ignored, and so is one from another peer than was written to.
        """
        if not isinstance(msg_id, str):
            return
        message, history = self.outbox.get(msg_id), self._history
        if message is None or message.peer_id != peer_id:
            return
        if message.stage is Stage.ON_ITS_WAY and message.sent_at is not None:
            seconds = self._context.clock.seconds() - message.sent_at
        else:
            seconds = 0.0 if history is None else history.age(message.entry)
        _log.debug("ACK from {peer} after {ms:.1f} ms", peer=peer_id, ms=seconds * 1e3)
        self.outcomes.delivered_after(message, seconds)
        if self.outbox.has_unsent(peer_id):
            self._waiting.send(peer_id)

    @property
    def at_rest(self) -> bool:
        """Whether no ACK is waited for, and nothing waits for room."""
        return self.outbox.at_rest and not self._waiting.for_room

    def sweep(self, now: float) -> None:
        """Report what is overdue, and send what waited for room; call it several times a second."""
        timeout = self._context.settings.connection.ack_timeout
        for message in self.outbox.late(now - timeout):
            peer = self._peers.get(message.peer_id)
            if message.stage is not Stage.ON_ITS_WAY:
                continue  # whoever heard of the others has had it cancelled
            if peer is not None and message.link is not None:
                self.on_overdue(peer, message.link)
            self.outcomes.no_ack(message, peer, timeout, now)
        history = self._history
        if history is not None and history.failing:
            self.outcomes.look_at_unstored()
        if history is not None and not history.ready:
            return
        if history is not None:
            self._sweep_kept(now, timeout)
        self._waiting.send_to_all()

    def _sweep_kept(self, now: float, timeout: float) -> None:
        outbox = self.outbox
        for message in outbox.overdue_before(now - (AGAIN_AFTER - 1) * timeout):
            peer = self._peers.get(message.peer_id)
            if peer is not None and peer.links and peer.link_in_use.is_p2pchat:
                outbox.send_again(message)
        if now >= self._check_age_at:
            self._check_age_at = now + _CHECK_AGE_EVERY
            self._cancelling.expire()

    # ------------------------------------------------------------ the end of the node

    def leave(self, reason: Sentence | str) -> None:
        """Nothing more goes to a link: the node says farewell, and ACKs may still come."""
        self.publishing.flush()
        self._leaving = reason
        self._waiting.closed = True

    def give_up_all(self) -> None:
        """The links are gone, and nothing more is accepted: tell what is not told yet."""
        self._gone = self.publishing.closed = True
        for message in self.outbox:
            # Observers may do anything while they hear of the others.
            if self._history is None:
                if self.outbox.get(message.msg_id) is message:
                    self.outcomes.give_up(message, self._leaving)
            elif message.stage is Stage.ON_ITS_WAY:
                self.outcomes.left_behind(message, self._leaving)
                if self.outbox.get(message.msg_id) is message:
                    self.outbox.unsent(message)

    def close(self) -> None:
        """What could be written is written: tell what is lost with this node."""
        self._cancelling.close()
        if self._history is not None:
            self.outcomes.lose_unstored()

    # ------------------------------------------------------------ what waits in the history

    def _put_before(self, earlier: Sequence[Record]) -> None:
        """The past is known: what waits from then goes out first, but for what is too old."""
        self.outbox.put_before(earlier)
        self._cancelling.expire(of_past=True)

    def link_opened(self, peer: Peer) -> None:
        """Another link is in use, or the past is known only now: send what waits for this peer."""
        self.outbox.link_opened(peer.peer_id)
        self._waiting.send(peer.peer_id)

    def link_closed(self, peer: Peer, link: IPeerLink) -> None:
        """A link is gone: what it may not have delivered goes out on another one, if there is."""
        if self._leaving:
            for message in self.outbox.of_peer(peer.peer_id):
                if message.link is link and message.stage is Stage.ON_ITS_WAY:
                    self.outcomes.left_behind(message, self._leaving)
        elif not link.is_p2pchat:
            self._ended_behind(peer.peer_id, link)
        for message in self.outbox.link_closed(peer.peer_id, link):
            self.outcomes.unconfirmed(message)
        if peer.links:
            self._waiting.send(peer.peer_id)
        else:
            for message in self.outbox.of_peer(peer.peer_id):
                self.outcomes.look(message)

    def _ended_behind(self, peer_id: str, link: IPeerLink) -> None:
        """Another program has closed a link: perhaps at a message that it cannot take."""
        message = self.outbox.ended_behind(peer_id, link)
        if message is not None and message.goes_last:
            text = "{who} has closed {n} links behind one message ({id}): the others go first"
            _log.warn(text, who=peer_id, n=message.ended, id=message.msg_id)


def _is_peer_id(peer_id: str) -> bool:
    try:
        split_peer_id(peer_id)
    except ValueError:
        return False
    return True

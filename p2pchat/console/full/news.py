"""What happens in the node -> entries on the screen.

Rules: whatever comes in only changes what is kept, and asks for a drawing. Joins and leaves of
peers that never said a word are seen in the bar alone. The bell rings for what is meant for the
person, once in two seconds at most.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from twisted.internet.interfaces import IReactorTime

from p2pchat.console.full.arrivals import Arrivals, Arrived
from p2pchat.console.full.conversations import Conversations
from p2pchat.console.full.edits import Change
from p2pchat.console.full.entries import EntryKind, PaneEntry
from p2pchat.console.full.marks import Marks
from p2pchat.console.wording import (
    PLAIN,
    REUSED,
    UNKEPT,
    StatusLines,
    away_line,
    left_out_line,
    moment,
    with_aliases,
)
from p2pchat.mesh.identity.vouching import Alert
from p2pchat.mesh.peers import Peer
from p2pchat.node.node import ChatNode
from p2pchat.node.observers import Observer
from p2pchat.speech import _
from p2pchat.wire.address import conversation_of
from p2pchat.wire.messages import Pub, Send
from p2pchat.wire.names import bracketed, naming
from p2pchat.wire.repetitions import id_text
from p2pchat.wire.text import printable

_BELL: Final = 2.0
_MOST_LOST: Final = 20


class News(Observer):
    """Watches one node, from `start` to `stop`.

    `changed` is called when something is to be drawn, `ring` with who wrote what when the person is
    to be called, `past_known` when the history is ready.
    """

    def __init__(
        self,
        clock: IReactorTime,
        node: ChatNode,
        conversations: Conversations,
        marks: Marks,
        *,
        wall_clock: Callable[[], float],
        changed: Callable[[], None],
        ring: Callable[[str, str], None],
        past_known: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._node = node
        self._conversations = conversations
        self._marks = marks
        self._wall_clock = wall_clock
        self._changed = changed
        self._ring = ring
        self._past_known = past_known
        self._status_lines = StatusLines()
        self._arrivals = Arrivals(clock, self._arrived)
        self._named = naming(node.me.peer_id)
        self._alert: str | None = None
        self._rung_at = clock.seconds() - _BELL
        self._lost: list[tuple[str, PaneEntry]] = []
        """Messages that were not delivered because we left."""

    @property
    def left_out(self) -> int:
        """Messages of floods that were not shown."""
        return self._arrivals.left_out

    def start(self) -> None:
        """Hear of everything from now on."""
        self._node.observers.add(self)
        history = self._node.history
        if history is not None and history.ready:
            self.past_known("")
        for peer in self._node.peers.connected():
            self._status_lines.line(peer.peer_id, peer.status.value, left=peer.left)

    def stop(self) -> None:
        """Hear no more."""
        self._node.observers.remove(self)
        self._arrivals.close()

    def show(self, line: str, kind: EntryKind = EntryKind.WARNING) -> None:
        """Show a line that belongs to no conversation."""
        self._add(PaneEntry(self._wall_clock(), kind, line))

    def _add(self, entry: PaneEntry) -> None:
        self._conversations.add(entry)
        self._changed()

    # ------------------------------------------------------------ INodeObserver

    def status_changed(self, peer: Peer) -> None:
        """A peer came or went: told of those that have spoken."""
        lists = self._node.lists
        called = lists.called(peer.peer_id)
        line = self._status_lines.line(
            peer.peer_id, peer.status.value, left=peer.left, called=called
        )
        if line is None or peer.peer_id in lists.ignored:
            return
        if self._conversations.has_spoken(peer.peer_id):
            self._add(PaneEntry(self._wall_clock(), EntryKind.EVENT, line, where=peer.peer_id))
        else:
            self._changed()

    def received(self, peer: Peer, messages: list[Send | Pub]) -> None:
        """Messages came."""
        self._arrivals.received(peer.peer_id, messages, (), self._security(peer))

    def _security(self, peer: Peer) -> str:
        """How the messages of this moment came; nothing where everything is in the clear."""
        return peer.security_of() if self._node.encrypts else ""

    def _arrived(self, arrived: Sequence[Arrived], left_out: dict[str, int]) -> None:
        now = self._wall_clock()
        for peer_id, count in left_out.items():
            text = left_out_line(count, peer_id, kept=self._node.history is not None)
            last = next((each for each in reversed(arrived) if each[0] == peer_id), None)
            where = peer_id if last is None else self._where(peer_id, last[1])
            self._conversations.add(PaneEntry(now, EntryKind.LEFT_OUT, text, where=where))
        ring: PaneEntry | None = None
        for peer_id, message, remark, security in arrived:
            entry = self._entry(now, peer_id, message)
            entry.security = PLAIN if entry.claims and security else security
            entry.note = (remark + _(REUSED)).lstrip() if message.other_text else remark
            if message.of:
                entry.edited = True
                if self._changes(entry, message.of):
                    continue
            if entry.named and not self._is_muted(entry, now):
                ring = entry
            self._conversations.add(entry)
        if ring is not None and self._clock.seconds() - self._rung_at >= _BELL:
            self._rung_at = self._clock.seconds()
            self._ring(self._node.lists.called(ring.speaker), ring.text)
        self._changed()

    def _where(self, peer_id: str, message: Send | Pub) -> str:
        return conversation_of(peer_id, None if isinstance(message, Send) else message.dst)

    def _entry(self, now: float, peer_id: str, message: Send | Pub) -> PaneEntry:
        direct = isinstance(message, Send)
        where = self._where(peer_id, message)
        claims = bool(message.src) and message.src != peer_id
        named = direct or self._named(message.payload)
        msg_id = id_text(message.msg_id)
        return PaneEntry(
            now, EntryKind.MESSAGE, message.payload, peer_id, where, claims, named, msg_id
        )

    def _changes(self, entry: PaneEntry, of: str) -> bool:
        """Whether a message on the screen has another text now."""
        change = Change(entry.speaker, entry.where, of, entry.text, entry.security)
        return bool(self._conversations.change(change))

    def _is_muted(self, entry: PaneEntry, now: float) -> bool:
        lists = self._node.lists
        return lists.is_muted(entry.where, now) or lists.is_muted(entry.speaker, now)

    def changed(self, peer: Peer, message: Send | Pub) -> None:
        """A peer changed what it said: at the pace of what it says."""
        self._arrivals.received(peer.peer_id, [message], (), self._security(peer))

    def away_changed(self, peer: Peer, text: str) -> None:
        """A peer is away, or back: told of those that have spoken."""
        if self._conversations.has_spoken(peer.peer_id):
            line = away_line(self._node.lists.called(peer.peer_id), text)
            self._add(PaneEntry(self._wall_clock(), EntryKind.EVENT, line, where=peer.peer_id))

    def delivered(self, _peer_id: str, msg_id: str, _seconds: float) -> None:
        """The ACK for a message came."""
        if self._marks.delivered(msg_id):
            self._changed()

    def undelivered(self, peer_id: str, msg_id: str, reason: str) -> None:
        """No ACK came."""
        entry = self._marks.followed(msg_id)
        if entry is not None:
            # In English, as programs are told: who sent it says it to the person.
            self._marks.undelivered(msg_id, reason)
            if not self._node.running and len(self._lost) < _MOST_LOST:
                self._lost.append((peer_id, entry))
            self._changed()

    @property
    def lost(self) -> list[str]:
        """What was not delivered when the node left."""
        text = _("not delivered to {peer}: {why}")
        return [
            printable(text.format(peer=bracketed(peer_id), why=entry.note))
            for peer_id, entry in self._lost
        ]

    def queued(self, peer_id: str, msg_id: str) -> None:
        """A message waits until there is a link."""
        if self._marks.queued(msg_id, peer_id):
            self._changed()

    def received_late(self, peer: Peer, messages: list[Send | Pub], said: list[float]) -> None:
        """Messages came that were said a while ago."""
        now = self._wall_clock()
        remarks = [_("(said {when})").format(when=moment(when, now)) for when in said]
        self._arrivals.received(peer.peer_id, messages, remarks, self._security(peer))

    def received_unkept(self, peer: Peer, messages: list[Send | Pub]) -> None:
        """Messages came that could not be kept."""
        remarks = [_(UNKEPT)] * len(messages)
        self._arrivals.received(peer.peer_id, messages, remarks, self._security(peer))

    def past_known(self, unread: str) -> None:  # noqa: ARG002
        """The history can be read, and what is unread is known."""
        self._past_known()

    def forgotten(self, peer_id: str) -> None:
        """What was said by and to a peer has been deleted, perhaps at another surface."""
        self._conversations.take_out(peer_id)
        self._changed()

    def key_alert(self, alert: Alert) -> None:
        """Somebody came with another key, or with none: its notice follows."""
        self._alert = alert.sentence

    def remark(self, sentence: str) -> None:
        """Something that the person may like to know."""
        self.show(f"* {self._with_aliases(sentence)}", EntryKind.EVENT)

    def notice(self, sentence: str) -> None:
        """Something that the person should know."""
        alert, self._alert = self._alert, None
        kind = EntryKind.ALERT if sentence == alert else EntryKind.WARNING
        self.show(f"* {self._with_aliases(sentence)}", kind)

    def _with_aliases(self, sentence: str) -> str:
        return with_aliases(sentence, self._node.lists.names)

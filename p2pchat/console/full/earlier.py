"""What was said in earlier sessions: put before what is on the screen, and what of it is unread.

    a conversation comes onto the screen  ->  history.recent  ->  its backlog, once in a session
    it has been seen                      ->  history.mark_read

Rules: nothing waits; what is read comes when it comes. Of the history goes only what is older than
the first message that is shown already: the rest came here by itself, or was left out of a flood.
A conversation counts as seen when what it had unread is on the screen, not before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from twisted.python.failure import Failure

from p2pchat.console.full.conversations import Conversation, Conversations
from p2pchat.console.full.edits import with_changes
from p2pchat.console.full.entries import EntryKind, Identity, Mark, PaneEntry, identity
from p2pchat.console.full.marks import Marks
from p2pchat.console.wording import moment
from p2pchat.history.durable import DurableHistory
from p2pchat.history.records import ABANDONED, DELIVERED, RECEIVED, WAITING, HistoryError, Record
from p2pchat.logs.levels import Log
from p2pchat.node.node import ChatNode
from p2pchat.node.outbox import Stage
from p2pchat.speech import _, spoken
from p2pchat.wire.names import naming

_log: Final = Log("Terminal")
LINES: Final = 50
"""Messages of earlier sessions that are shown."""
_CONTEXT: Final = 10
"""Of these, at least so many that were seen already."""
_MOST: Final = 2000


class Earlier:
    """The past of a node's conversations. Call `start` first, and `past_known` when that is so.

    `wall_clock` gives seconds since the epoch, `tell` shows a sentence, `changed` has it all drawn.
    """

    def __init__(
        self,
        node: ChatNode,
        conversations: Conversations,
        marks: Marks,
        *,
        wall_clock: Callable[[], float],
        tell: Callable[[str], None],
        changed: Callable[[], None],
    ) -> None:
        self._node = node
        self._conversations = conversations
        self._marks = marks
        self._tell = tell
        self._changed = changed
        self._named = naming(node.me.peer_id)
        self._began = wall_clock()
        self._asked: set[Conversation] = set()
        self._told = False

    @property
    def _history(self) -> DurableHistory:
        assert self._node.history is not None
        return self._node.history

    def start(self) -> None:
        """Hear which conversations are shown and seen, from now on, if anything is kept."""
        self._conversations.on_seen = self._seen
        if self._node.history is not None:
            self._conversations.on_shown = self._shown

    def past_known(self) -> None:
        """The history is ready: show what is unread, and the past of what is on the screen."""
        self._conversations.earlier = self._history.unread
        self._shown(self._conversations.current)
        self._changed()

    def _seen(self, key: str) -> None:
        current = self._conversations.current
        if self._node.history is None or current.key != key or current.complete:
            self._node.unread.seen(key)

    def _shown(self, conversation: Conversation) -> None:
        """Ask for its past, unless that was done."""
        if conversation.complete or conversation in self._asked or not self._history.ready:
            return
        self._asked.add(conversation)
        unread = self._history.unread.get(conversation.key, 0)
        # What is shown already is among the last messages.
        count = len(conversation.backlog) + max(LINES, unread + _CONTEXT)
        asked = self._history.recent(conversation.key or None, min(count, _MOST))
        taken_out = self._conversations.taken_out
        asked.addCallbacks(
            lambda lines: self._came(conversation, lines, taken_out),
            lambda failure: self._failed(conversation, failure),
        )
        asked.addErrback(lambda failure: _log.failure("Earlier messages are not shown", failure))

    def _came(self, conversation: Conversation, lines: Sequence[Record], taken_out: int) -> None:
        self._asked.discard(conversation)
        if taken_out != self._conversations.taken_out:
            # Perhaps it was read before it was deleted.
            self._shown(conversation)
            return
        key, backlog = conversation.key, conversation.backlog
        older, changed = with_changes(self._older(lines, backlog.holds()))
        older = older[backlog.without_room([line.text for line in older]) :]
        earlier = self._entries(older, changed)
        backlog.put_before(earlier, self._history.unread.get(key, 0))
        conversation.complete, self._told = True, False
        if not key:
            # The list is as it was before the restart, the latest conversations last.
            self._conversations.order.add(line.conversation for line in older)
        # If it has left the screen meanwhile, it is still unread.
        if key and len(backlog) and conversation is self._conversations.current:
            self._node.unread.seen(key)
        self._changed()

    def _failed(self, conversation: Conversation, failure: Failure) -> None:
        self._asked.discard(conversation)
        failure.trap(HistoryError)
        if not self._told:
            self._told = True
            why = spoken(failure.value)
            self._tell(_("earlier messages are not shown: {why}").format(why=why))

    def _older(self, lines: Sequence[Record], shown: set[Identity]) -> Sequence[Record]:
        """The lines before the first one that is on the screen already."""
        for place, line in enumerate(lines):
            # One without an id is only known by its time.
            if (line.msg_id and identity(line.sender, line.msg_id, line.text) in shown) or (
                not line.msg_id and line.at >= self._began
            ):
                return lines[:place]
        return lines

    def entries_of(self, lines: Sequence[Record]) -> list[PaneEntry]:
        """What lines look like: as they would if they had been said in this session."""
        return self._entries(*with_changes(lines))

    def _entries(self, lines: Sequence[Record], changed: dict[int, str]) -> list[PaneEntry]:
        entries = []
        for line in lines:
            entry = self._entry(line)
            entry.number = line.id
            if line.id in changed:  # what is followed already knows better
                entry.edited, entry.first_text = True, changed[line.id]
            entries.append(entry)
        return entries

    def _entry(self, line: Record) -> PaneEntry:
        where, text, sender = line.conversation, line.text, line.sender
        if line.state == RECEIVED:
            named = where == sender or self._named(text)
            note = ""
            if line.said is not None:
                note = _("(said {when})").format(when=moment(line.said, line.at))
            return PaneEntry(
                line.at,
                EntryKind.MESSAGE,
                text,
                sender,
                where,
                named=named,
                msg_id=line.msg_id,
                note=note,
                security=line.came if self._node.encrypts else "",
            )
        entry = PaneEntry(line.at, EntryKind.OWN, text, sender, where, msg_id=line.msg_id)
        if line.state == DELIVERED:
            entry.mark = Mark.DELIVERED
        elif line.state == ABANDONED:
            entry.mark, entry.note = Mark.FAILED, _("given up")
        elif line.state == WAITING:
            return self._waiting(entry)
        return entry

    def _waiting(self, entry: PaneEntry) -> PaneEntry:
        """Follow what becomes of a message, if that is not known meanwhile."""
        queued = self._node.outgoing.outbox.get(entry.msg_id)
        if queued is None:
            return self._marks.followed(entry.msg_id) or entry
        entry.mark = Mark.WAITING
        followed = self._marks.follow(entry.msg_id, entry)
        if followed is entry and queued.stage is Stage.UNSENT:
            self._marks.queued(entry.msg_id, entry.where)
        return followed

"""PageUp beyond what the console holds, /history and the place of what was found.

    PageUp at the top, or where a flood was not shown  ->  a `PastView` takes the backlog's place
    PageUp, PageDown near its ends                     ->  more of the history is read
    PageDown at the end of all that is kept            ->  the backlog is back

Rules: nothing waits; of what is read only the conversation profits that asked, if it is still where
it was. Little is read at a time, and one answer at a time: a key costs no long turn.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from p2pchat.console.full.conversations import Conversation, Conversations
from p2pchat.console.full.entries import Glyphs, PaneEntry
from p2pchat.console.full.past_view import PastView
from p2pchat.history.durable import DurableHistory
from p2pchat.history.records import HistoryError, Record
from p2pchat.logs.levels import Log
from p2pchat.node.unread import TOGETHER
from p2pchat.speech import _, ngettext, spoken
from p2pchat.wire.names import bracketed

_T = TypeVar("_T")
_log: Final = Log("Terminal")
_PAGE: Final = 100
"""Messages that are read at once."""
_ROOM: Final = 200_000
"""Characters of them that are taken in at once."""
_TRIES: Final = 20
"""Pages that are read to find a place among what came in the same moment."""
_FOREVER: Final = 1e12


class PastPager:
    """Moves in the conversation that is on the screen. `history` is None when nothing is kept.

    `entries_of` makes records entries; `size` tells columns and rows; `tell` shows a sentence;
    `changed` has it all drawn.
    """

    def __init__(
        self,
        history: DurableHistory | None,
        conversations: Conversations,
        entries_of: Callable[[Sequence[Record]], list[PaneEntry]],
        *,
        size: Callable[[], tuple[int, int]],
        glyphs: Glyphs,
        tell: Callable[[str], None],
        changed: Callable[[], None],
    ) -> None:
        self._history = history
        self._conversations = conversations
        self._entries = entries_of
        self._size = size
        self._glyphs = glyphs
        self._tell = tell
        self._changed = changed
        self._asked: Conversation | None = None
        self._told = False

    def scroll(self, rows: int) -> None:
        """Up by so many rows; down, if negative."""
        conversation = self._conversations.current
        columns, height = self._size()
        past = conversation.past
        if past is not None:
            self._scroll_past(conversation, past, rows)
            return
        backlog = conversation.backlog
        if rows > 0 and self._history is not None and self._history.ready:
            above = backlog.rows_above(columns, height, self._glyphs, rows)
            if above < rows or backlog.has_gaps:
                self._enter(self._history, conversation, rows)
                return
        backlog.scroll(rows, columns, height, self._glyphs)

    def open_last(self, count: int) -> None:
        """Go to the last so many messages of the current conversation."""
        history, conversation = self._history, self._conversations.current
        assert history is not None

        def came(lines: list[Record]) -> None:
            if not lines:
                key = conversation.key
                text = _("nothing is kept of {name}") if key else _("nothing is kept yet")
                self._tell(text.format(name=bracketed(key)))
                return
            past = self._begun(conversation)
            self._put_above(past, lines, count, until=_FOREVER)
            n = len(_fitting(lines))
            past.mark(past.oldest, ngettext("the last {n}", "the last {n}", n).format(n=n))
            past.to_top(*self._size(), self._glyphs)
            # What fits on the screen is there anyway.
            conversation.past = None if past.following else past

        self._ask(conversation, history.recent(_key(conversation), count), came)

    def open_at(self, number: int, title: str, leave_to: Callable[[], None]) -> None:
        """Go to the message with this number, below a line with this title; Esc is `leave_to`."""
        history, conversation = self._history, self._conversations.current
        assert history is not None
        key = _key(conversation)

        def came(found: list[list[Record]]) -> None:
            above, below = found
            if not above or above[-1].id != number:
                self._tell(_("that message is no longer kept"))
                return
            past = self._begun(conversation)
            self._put_above(past, above)
            self._put_below(past, below)
            conversation.past, past.leave_to = past, leave_to
            entry = past.mark(_first_of(above), title)
            columns, height = self._size()
            if entry is not None and past.show(entry):
                past.scroll(-(height // 2), columns, height, self._glyphs)

        def both(above: list[Record]) -> Deferred[list[list[Record]]]:
            return history.after(key, _PAGE, number).addCallback(lambda below: [above, below])

        self._ask(conversation, history.recent(key, _PAGE, number + 1).addCallback(both), came)

    # ------------------------------------------------------------ beginning

    def _begun(self, conversation: Conversation) -> PastView:
        return PastView(conversation.backlog, together=conversation.key == TOGETHER)

    def _enter(self, history: DurableHistory, conversation: Conversation, rows: int) -> None:
        """Go on from what is on the screen in what is kept."""
        if self._asked is conversation:
            return
        backlog, key = conversation.backlog, _key(conversation)
        lowest, hidden, follows = backlog.lowest, backlog.hidden, backlog.following
        at = _FOREVER if follows or lowest is None else lowest.at
        past, size = self._begun(conversation), (*self._size(), self._glyphs)
        tries = _TRIES

        def came(lines: list[Record]) -> None:
            nonlocal tries
            here = backlog.following if follows else backlog.lowest is lowest
            if conversation.past is not None or not here or backlog.hidden != hidden:
                return  # one has gone elsewhere meanwhile
            tries -= 1
            self._put_above(past, lines, until=at)
            if past.has_all_above and not past.has_more_than_live:
                backlog.scroll(rows, *size)
                return
            missing = not follows and lowest is not None and not past.show(lowest, hidden)
            if missing and tries and not past.has_all_above:
                # More came at that moment than was read.
                self._ask(conversation, history.recent(key, _PAGE, past.oldest), came)
                return
            conversation.past = past
            self._scroll_past(conversation, past, rows)

        def found(ids: list[int]) -> Deferred[list[Record]]:
            return history.recent(key, _PAGE, max(ids, default=0) + 1)

        asked = history.recent(key, _PAGE) if follows else history.upto(at).addCallback(found)
        self._ask(conversation, asked, came, lambda: backlog.scroll(rows, *size))

    # ------------------------------------------------------------ going on

    def _scroll_past(self, conversation: Conversation, past: PastView, rows: int) -> None:
        columns, height = self._size()
        was_at_end = past.following
        if rows > 0:
            above = past.rows_above(columns, height, self._glyphs, rows + height)
            past.scroll(rows, columns, height, self._glyphs)
            if above < rows + height and not past.has_all_above:
                past.wanted = min(height, past.wanted + max(0, rows - above))
                self._read_above(conversation, past)
        else:
            past.wanted = 0
            past.scroll(rows, columns, height, self._glyphs)
            if past.below < height:
                self._read_below(conversation, past, rows if was_at_end else 0)

    def _read_above(self, conversation: Conversation, past: PastView) -> None:
        def came(lines: list[Record]) -> None:
            self._put_above(past, lines)
            rows, past.wanted = past.wanted, 0
            if rows:
                self._scroll_past(conversation, past, rows)

        key = _key(conversation)
        self._read_on(conversation, past, lambda it: it.recent(key, _PAGE, past.oldest), came)

    def _read_below(self, conversation: Conversation, past: PastView, rows: int) -> None:
        """Read on; go `rows` further, or back to the backlog when there is nothing more."""

        def came(lines: list[Record]) -> None:
            if lines:
                self._put_below(past, lines)
                past.scroll(rows, *self._size(), self._glyphs)
            elif past.following:
                conversation.follow()

        key = _key(conversation)
        self._read_on(conversation, past, lambda it: it.after(key, _PAGE, past.newest), came)

    def _read_on(
        self,
        conversation: Conversation,
        past: PastView,
        ask: Callable[[DurableHistory], Deferred[list[Record]]],
        came: Callable[[list[Record]], None],
    ) -> None:
        """Read one page at a time, for as long as this view is the one that is shown."""
        if past.loading or self._history is None:
            return
        past.loading = True

        def answered(lines: list[Record]) -> None:
            if conversation.past is past:
                came(lines)

        self._ask(conversation, ask(self._history), answered, past=past)

    def _put_above(
        self, past: PastView, lines: list[Record], asked: int = _PAGE, until: float = -math.inf
    ) -> None:
        """Take in what was read before the rest; so many were `asked` for."""
        fitting = _fitting(lines)
        if fitting:
            past.oldest = fitting[0].id
            past.newest = past.newest or fitting[-1].id
        is_all = len(fitting) == len(lines) < asked
        past.put_above(self._entries(fitting), is_all=is_all, until=until)

    def _put_below(self, past: PastView, lines: list[Record]) -> None:
        fitting = _fitting(lines, first=True)
        if fitting:
            past.newest = fitting[-1].id
        past.put_below(self._entries(fitting), is_all=len(fitting) == len(lines) < _PAGE)

    # ------------------------------------------------------------ asking

    def _ask(
        self,
        conversation: Conversation,
        asked: Deferred[_T],
        came: Callable[[_T], None],
        otherwise: Callable[[], None] = lambda: None,
        past: PastView | None = None,
    ) -> None:
        """Have `came` called with the answer, if the conversation is still on the screen.

        And if nothing of it was deleted meanwhile; what cannot be read is told.
        """
        taken_out = self._conversations.taken_out
        self._asked = conversation

        def answered(answer: _T) -> None:
            self._asked, self._told = None, False
            if past is not None:
                past.loading = False
            if (
                conversation is self._conversations.current
                and taken_out == self._conversations.taken_out
            ):
                came(answer)
                self._changed()

        def failed(failure: Failure) -> None:
            self._asked = None
            if past is not None:
                past.loading = False
            if failure.check(HistoryError):
                if self._told:
                    otherwise()
                    return
                self._told = True
                why = spoken(failure.value)
                self._tell(_("earlier messages are not shown: {why}").format(why=why))
            else:
                _log.failure("Earlier messages are not shown", failure)
                otherwise()
            self._changed()

        asked.addCallback(answered).addErrback(failed)


def _key(conversation: Conversation) -> str | None:
    """As the history names it."""
    return conversation.key or None


def _first_of(lines: Sequence[Record]) -> int:
    """The number of the last message, or of the one that it changes, which is shown instead."""
    last = lines[-1]
    changed = [
        line.id
        for line in lines
        if last.changes and (line.msg_id, line.sender) == (last.changes, last.sender)
    ]
    return changed[-1] if changed else last.id


def _fitting(lines: list[Record], *, first: bool = False) -> list[Record]:
    """The last ones, or the `first` ones, as many as there is room for; at least one, if any."""
    room = _ROOM
    for count, line in enumerate(lines if first else reversed(lines)):
        room -= len(line.text)
        if room < 0 and count:
            return lines[:count] if first else lines[-count:]
    return lines

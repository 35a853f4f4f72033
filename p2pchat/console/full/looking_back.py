"""What was said, where it was said: /history and /search.

    /history 30           goes to the last 30 messages, above what is on the screen
    /history bob 30       opens that conversation, and goes there
    /search words         lists what was found; Enter goes there, Esc comes back

Rules: no terminal in here. Nothing old is shown below what is new. What is wrong with a question is
told as in the other console.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from p2pchat.console.commands.past import LINES, history_line, kept_peer
from p2pchat.console.commands.table import Commands
from p2pchat.console.full.conversations import Conversations
from p2pchat.console.full.pane import MessagePane
from p2pchat.console.full.past_pager import PastPager
from p2pchat.console.full.sheet import Sheet, SheetLine
from p2pchat.console.full.talk import Talk
from p2pchat.history.durable import DurableHistory
from p2pchat.history.records import HistoryError, Record
from p2pchat.node.news import NotSentError
from p2pchat.node.node import ChatNode
from p2pchat.node.unread import TOGETHER
from p2pchat.speech import _, ngettext, spoken
from p2pchat.wire.address import EVERYONE, AmbiguousNameError
from p2pchat.wire.names import bracketed, visible
from p2pchat.wire.text import shortened

MOST_FOUND: Final = 100
"""Messages that /search lists."""
_MOST_BACK: Final = 1000
_SHOWN: Final = 400


class LookingBack:
    """The commands that ask for the past; they are put into `talk.own`."""

    def __init__(
        self,
        node: ChatNode,
        commands: Commands,
        talk: Talk,
        conversations: Conversations,
        pane: MessagePane,
        pager: PastPager,
        *,
        changed: Callable[[], None],
    ) -> None:
        self._node = node
        self._commands = commands
        self._talk = talk
        self._conversations = conversations
        self._pane = pane
        self._pager = pager
        self._changed = changed
        talk.own.update({"history": self._history, "search": self._search})

    def _history(self, rest: str) -> bool | Deferred[bool] | None:
        history, words = self._node.history, rest.split()
        count = LINES
        if words and words[-1].isdecimal():
            count = int(words.pop()[:9])
        name = " ".join(words)
        if history is None or not history.ready or not 0 < count <= _MOST_BACK:
            # Why that is not to be had is told as in the other console.
            key = "" if name else visible(self._conversations.current.key)
            return self._talk.ask(f"/history {f'{key} {rest}'.strip()}".rstrip())
        if not name:
            self._back(history, self._conversations.current.key, count)
            return None

        def called(key: str) -> Deferred[bool]:
            return history.recent(key, 1).addCallback(lambda lines: kept(key, lines))

        def kept(key: str, lines: Sequence[Record]) -> bool:
            if lines:
                self._conversations.switch(key)
                self._back(history, key, count)
            else:
                self._talk.tell(_("nothing is kept of {name}").format(name=bracketed(key)))
            return False

        def resolve(name: str) -> str:
            return name if name.startswith(("#", EVERYONE)) else self._commands.sent.resolve(name)

        try:
            asked = kept_peer(history, name, resolve)
        except NotSentError as why:
            self._talk.tell(spoken(why))
            return None
        return asked.addCallback(called).addErrback(self._not_read)

    def _back(self, history: DurableHistory, key: str, count: int) -> None:
        if key:
            history.mark_read(key)
        self._pager.open_last(count)

    def _search(self, rest: str) -> bool | Deferred[bool]:
        history, words = self._node.history, rest.strip()
        if history is None or not history.ready or not words:
            return self._talk.ask(f"/search {rest}".rstrip())

        def found(lines: list[Record]) -> bool:
            if lines:
                self._show_found(words, lines)
            else:
                text = _('nothing is kept that has "{text}"')
                self._talk.tell(text.format(text=shortened(words, 60)))
            return False

        return history.search(words, MOST_FOUND).addCallback(found).addErrback(self._not_read)

    def _show_found(self, words: str, lines: Sequence[Record]) -> None:
        came_from = self._conversations.current.key
        marks, called = self._node.encrypts, self._node.lists.called

        def go(number: int) -> None:
            line = lines[number]
            if came_from != TOGETHER:
                self._conversations.switch(line.conversation)
            self._pager.open_at(line.id, _("found"), again)

        def again() -> None:
            self._pane.sheet = sheet

        def leave() -> None:
            self._conversations.switch(came_from)
            self._conversations.current.follow()

        n = len(lines)
        title = ngettext("{n} found: {words}", "{n} found: {words}", n)
        if n == MOST_FOUND:
            title = ngettext("the last {n} found: {words}", "the last {n} found: {words}", n)
        sheet = Sheet(
            title.format(n=n, words=shortened(words, 40)),
            [SheetLine(history_line(line, _SHOWN, marks=marks, called=called)) for line in lines],
            choose=go,
            at=len(lines) - 1,
        )
        sheet.on_leave = leave
        again()
        self._changed()

    def _not_read(self, failure: Failure) -> bool:
        failure.trap(HistoryError, AmbiguousNameError)
        self._talk.tell(spoken(failure.value))
        return False

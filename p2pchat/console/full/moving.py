"""From one conversation to another.

    /to bob@CIC           from now on plain text goes to bob; also /to #CIC, /to *, /to for all
    /to #CIC hello there  opens #CIC and says hello there
    /help, /list          are screens that are left with Esc

Rules: no terminal in here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from p2pchat.console.commands.messages import scope_and_text
from p2pchat.console.commands.past import kept_peer
from p2pchat.console.commands.table import Commands
from p2pchat.console.full.conversations import Conversations, Unread
from p2pchat.console.full.help import help_lines, usages_of
from p2pchat.console.full.pane import MessagePane
from p2pchat.console.full.sheet import Sheet, SheetLine
from p2pchat.console.full.talk import Talk
from p2pchat.history.durable import DurableHistory
from p2pchat.history.records import HistoryError, Record
from p2pchat.node.news import NotSentError
from p2pchat.node.node import ChatNode
from p2pchat.node.unread import TOGETHER
from p2pchat.speech import _, ngettext, spoken
from p2pchat.wire.address import EVERYONE, AmbiguousNameError, namespace_of, namespace_of_scope
from p2pchat.wire.names import bracketed, visible

_NUMBERED: Final = 9


class Moving:
    """The commands that move one person about; they are put into `talk.own`."""

    def __init__(
        self,
        node: ChatNode,
        commands: Commands,
        talk: Talk,
        conversations: Conversations,
        pane: MessagePane,
        *,
        changed: Callable[[], None],
    ) -> None:
        self._node = node
        self._commands = commands
        self._talk = talk
        self._conversations = conversations
        self._pane = pane
        self._changed = changed
        talk.own.update(
            {
                "to": self._to,
                "query": self._to,
                "list": self._list,
                "close": self._close,
                "help": self._help,
            }
        )

    # ------------------------------------------------------------ for the keys

    def go_to(self, number: int) -> None:
        """Open the conversation with this number in the list; 0 is all together."""
        self._conversations.listed()
        key = self._conversations.order.at(number)
        if key is not None:
            self._open(key)

    def go_by(self, steps: int) -> None:
        """Open the one so many places further down in the list."""
        talks = self._conversations
        talks.listed()
        self._open(talks.order.beside(talks.current.key, steps))

    def leave(self) -> None:
        """Leave the screen that is shown, or come back from the past."""
        past = self._conversations.current.past
        if self._pane.sheet is not None:
            left, self._pane.sheet = self._pane.sheet, None
            left.on_leave()
        elif past is not None and past.leave_to is not None:
            past.leave_to()
        else:
            self._conversations.current.follow()
        self._changed()

    def choose(self) -> None:
        """Open the line of the screen that is marked."""
        sheet = self._pane.sheet
        if sheet is None:
            return
        if sheet.choose is None:
            self.leave()
        else:
            self._pane.sheet = None
            sheet.choose(sheet.at)
        self._changed()

    def _open(self, key: str) -> None:
        self._pane.sheet = None
        self._conversations.switch(key)
        self._changed()

    # ------------------------------------------------------------ /to

    def _to(self, rest: str) -> Deferred[bool] | None:
        if not rest.strip():
            self._open(TOGETHER)
            return None
        try:
            key, text = self._whom_and_what(rest)
        except (NotSentError, ValueError) as why:
            self._talk.tell(spoken(why))
            return None
        if key == self._node.me.peer_id:
            self._talk.tell(_("that is yourself"))
        elif key.startswith(("#", EVERYONE)) or self._node.peers.get(key) is not None:
            self._begin(key, text)
        elif self._node.history is None:
            self._nobody(key)
        else:
            return self._to_somebody_away(self._node.history, key, text)
        return None

    def _whom_and_what(self, rest: str) -> tuple[str, str]:
        """The conversation, and what to say in it. A name may hold spaces, if it is known.

        Raises `NotSentError` or `ValueError` for a name that means several, or nothing.
        """
        whole = rest.strip()
        if whole.startswith(("#", EVERYONE)):
            known = {each.namespace for each in self._node.peers}
            if whole.removeprefix("#") in known:
                return whole, ""
            key, text = scope_and_text(rest, self._node.me.peer_id, self._node.peers)
            namespace_of_scope(key)
            return key, text
        # With a space behind it, a name with spaces is found when it is all there is.
        name, text = self._commands.sent.addressee(f"{whole} ")
        return self._commands.sent.resolve(name), text.removesuffix(" ")

    def _begin(self, key: str, text: str) -> None:
        self._open(key)
        own = namespace_of(self._node.me.peer_id)
        if key.startswith("#") and namespace_of_scope(key) != own:
            outside = _(
                "you are not of {scope}: answers there do not reach you, but those to {me}, {own}"
                " or [*] do"
            )
            me = bracketed(self._node.me.peer_id)
            self._talk.tell(outside.format(scope=bracketed(key), me=me, own=bracketed(f"#{own}")))
        if text.strip():
            self._talk.say(text)

    def _to_somebody_away(self, history: DurableHistory, name: str, text: str) -> Deferred[bool]:
        """Open a conversation of an earlier session."""

        def called(peer_id: str) -> Deferred[bool]:
            return history.recent(peer_id, 1).addCallback(lambda lines: kept(peer_id, lines))

        def kept(peer_id: str, lines: Sequence[Record]) -> bool:
            if lines:
                self._begin(peer_id, text)
            else:
                self._nobody(peer_id)
            return False

        def failed(failure: Failure) -> bool:
            if failure.check(HistoryError):
                return kept(name, [])
            failure.trap(AmbiguousNameError)
            self._talk.tell(spoken(failure.value))
            return False

        asked = kept_peer(history, name, self._commands.sent.resolve)
        return asked.addCallback(called).addErrback(failed)

    def _nobody(self, name: str) -> None:
        self._talk.tell(_("no such peer: {peer} (/peers lists them)").format(peer=bracketed(name)))

    # ------------------------------------------------------------ /list, /close, /help

    def _list(self, rest: str) -> bool | Deferred[bool] | None:
        if rest.strip():
            return self._help("list")
        listed = self._conversations.listed()
        called = self._conversations.called
        lines = [
            SheetLine(_listed(number, each, called(each.key))) for number, each in enumerate(listed)
        ]
        keys = [each.key for each in listed]
        at = keys.index(self._conversations.current.key)
        self._pane.sheet = Sheet(
            _("Conversations"), lines, choose=lambda number: self._open(keys[number]), at=at
        )
        return None

    def _close(self, rest: str) -> None:
        key = self._conversations.current.key
        try:
            if rest.strip():
                key = self._whom_and_what(rest)[0]
        except (NotSentError, ValueError) as why:
            self._talk.tell(spoken(why))
            return
        if key == TOGETHER:
            self._talk.tell(
                _("no conversation is open: /list shows them, /quit leaves the program")
            )
        elif not self._conversations.close(key):
            self._talk.tell(_("{whom} is not in the list (/list)").format(whom=bracketed(key)))

    def _help(self, rest: str) -> bool | Deferred[bool] | None:
        name = rest.strip().removeprefix("/").lower()
        if not name:
            self._pane.sheet = Sheet(_("Help"), help_lines())
            return None
        found = usages_of(name)
        for line in found:
            self._talk.tell(line)
        return None if found else self._talk.ask(f"/help {name}")


def _listed(number: int, each: Unread, called: str) -> str:
    """A line of /list."""
    name = visible(called) if each.key else _("all conversations together")
    n, unread = each.messages, ""
    if n:
        count = ngettext("{n:,} unread", "{n:,} unread", n).format(n=n)
        unread = f"  {count}{'!' if each.urgent else ''}"
    return f" {number if number <= _NUMBERED else ' '} {name}{unread}"

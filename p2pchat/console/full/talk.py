"""What a person types in the full console: plain text goes to the current conversation.

    /reply oi          to whoever wrote last; /r is the same
    /msg, /pub         as in the plain console, shown as entries with a mark
    /peers, /conn, /rtt        as tables that fit the width
    /to, /history ...  are in `moving`, which puts them into `own`
    everything else    is `p2pchat.console.commands.table.Commands`

Rules: no terminal in here. A message that could not be sent is shown with its mark, like one that
was not delivered: what was typed is never lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from p2pchat.console.commands.changes import EDIT, ME, NOTHING_SAID, action
from p2pchat.console.commands.messages import (
    MSG,
    PUB,
    in_the_clear,
    not_sent,
    scope_and_text,
    to_a_scope,
    unknown_name,
)
from p2pchat.console.commands.peers import alias_beside
from p2pchat.console.commands.sent import first_word
from p2pchat.console.commands.table import Commands
from p2pchat.console.commands.whom import unless_unknown
from p2pchat.console.full.conversations import Conversations
from p2pchat.console.full.edits import Change
from p2pchat.console.full.entries import EntryKind, Mark, PaneEntry
from p2pchat.console.full.marks import Marks
from p2pchat.console.full.tables import BARS, round_trips_graph
from p2pchat.console.full.typed_text import text_of
from p2pchat.console.replies import Reply, said, wrong
from p2pchat.console.reports import round_trip_rows
from p2pchat.history.records import HistoryError, Record
from p2pchat.node.news import Became, News, NotSentError
from p2pchat.node.node import ChatNode
from p2pchat.node.unread import TOGETHER
from p2pchat.speech import Sentence, _, ngettext, spoken
from p2pchat.wire.address import EVERYONE
from p2pchat.wire.names import bracketed
from p2pchat.wire.text import shortened

_SHOWN: Final = 40
_LOOKED_AT: Final = 50
"""Messages of earlier sessions among which the last one of ours is looked for."""


class Talk:
    """One person's conversations through a node. `wall_clock` gives seconds since the epoch.

    `changed` is called when something is to be drawn.
    """

    def __init__(
        self,
        node: ChatNode,
        commands: Commands,
        conversations: Conversations,
        marks: Marks,
        *,
        wall_clock: Callable[[], float],
        changed: Callable[[], None],
        bars: str = BARS,
    ) -> None:
        self._node = node
        self._commands = commands
        self._conversations = conversations
        self._marks = marks
        self._wall_clock = wall_clock
        self._changed = changed
        self._bars = bars
        self.mouse: Callable[[], str] = lambda: ""
        """Toggles what the mouse does, and says so."""
        # What was deleted is not to be seen any longer either.
        commands.forgotten = conversations.take_out
        commands.where = lambda: conversations.current.key
        commands.interactive = True
        self.nowhere: Callable[[str], None] = lambda _text: None
        """Is told what was typed while no conversation was open."""
        self.own: dict[str, Callable[[str], bool | Deferred[bool] | None]] = {
            "reply": self._reply,
            "r": self._reply,
            "msg": self._msg,
            "pub": self._pub,
            "rtt": self._rtt,
            "edit": self._edit,
            "me": self._me,
            "clear": lambda _rest: conversations.current.backlog.clear(),
            "mouse": lambda _rest: self.tell(self.mouse()),
        }
        """The commands of this console; each tells whether the person wants to leave."""

    def run(self, line: str) -> bool | Deferred[bool]:
        """Do what a line says; tells, now or later, whether the person wants to leave."""
        if not line.strip():
            return False
        text = text_of(line)
        if text is not None:
            self.say(text)
            return False
        word, rest = first_word(line)
        own = self.own.get(word[1:].lower())
        if own is not None:
            return own(rest.lstrip()) or False
        return self.ask(line)

    def ask(self, line: str) -> bool | Deferred[bool]:
        """Have a command of both consoles answer, as `run` does."""
        return self._answered(self._commands.run(line))

    # ------------------------------------------------------------ talking

    def send(self, peer_id: str, text: str) -> None:
        """Send a direct message, shown with what becomes of it."""
        entry = self._entry(EntryKind.OWN, text, where=peer_id)
        try:
            msg_id = self._node.send(peer_id, text, self._became)
        except NotSentError as why:
            near = unknown_name(self._commands, peer_id)
            entry.mark, entry.note = Mark.FAILED, f"{not_sent(why)}{near}"
        else:
            entry.mark, entry.msg_id = Mark.WAITING, msg_id
            self._marks.follow(msg_id, entry)
            self._commands.said.note(peer_id, msg_id)
        self._show(entry)

    def _became(self, news: News) -> None:
        """Say why a message does not arrive: observers, like programs, are told in English."""
        if news.became not in (Became.DELIVERED, Became.QUEUED):
            self._marks.undelivered(news.msg_id, spoken(news.reason))

    def publish(self, scope: str, text: str) -> None:
        """Publish, shown with how many peers it went to."""
        entry = self._entry(EntryKind.OWN, text, where=scope)
        try:
            published = self._node.publish(scope, text)
        except NotSentError as why:
            text = _("not published: {why}").format(why=spoken(why))
            entry.mark, entry.note = Mark.FAILED, text
        else:
            entry.msg_id = published.msg_id
            self._commands.said.note(scope, published.msg_id)
            n, clear = published.peers, in_the_clear(self._node, scope)
            entry.note = ngettext("({n} peer{clear})", "({n} peers{clear})", n).format(
                n=n, clear=clear
            )
            if published.dropped:
                entry.mark = Mark.FAILED
                n = published.dropped
                entry.note += ngettext(
                    ", not to {n} that did not keep up", ", not to {n} that did not keep up", n
                ).format(n=n)
            elif not published.peers:
                entry.mark, entry.note = Mark.FAILED, _("nobody is connected")
        self._show(entry)

    def _show(self, entry: PaneEntry) -> None:
        """Show what we said in its conversation, and what becomes of it also where it was typed."""
        if self._conversations.current.key not in (TOGETHER, entry.where):
            whom = bracketed(self._node.lists.called(entry.where))
            line = f"-> {whom}: {shortened(entry.text, _SHOWN)}"
            entry.also = self._entry(EntryKind.ANSWER, line)
            entry.also.mark, entry.also.note = entry.mark, entry.note
            self._answer(entry.also)
        self._conversations.add(entry)

    def say(self, text: str, key: str | None = None) -> None:
        """Say something to the current conversation, or to this one."""
        key = self._conversations.current.key if key is None else key
        if key == TOGETHER:
            self.nowhere(text)
        elif key == EVERYONE or key.startswith("#"):
            self.publish(key, text)
        else:
            self.send(key, text)

    @property
    def security(self) -> str:
        """How safe what is said in the current conversation is; empty where that is not known.

        To a peer without a link it is what its key is worth: what waits goes to that alone.
        """
        node, key = self._node, self._conversations.current.key
        if node.trusting is None or key == TOGETHER:
            return ""
        peer, pin = node.peers.get(key), node.trusting.known.pin_of(key)
        if peer is not None and peer.links:
            return peer.link_in_use.security
        if pin is None or not node.encrypts:
            return ""
        return "encrypted" if pin.verified is None else "verified"

    # ------------------------------------------------------------ the commands

    def _reply(self, rest: str) -> None:
        whom = self._conversations.last_speaker
        if not whom:
            self.tell(_("nobody has written yet"))
        elif rest.strip():
            self.send(whom, rest)
        else:
            self._conversations.switch(whom)

    def _msg(self, rest: str) -> bool | Deferred[bool]:
        name, text = self._commands.sent.addressee(rest)
        if name.startswith(("#", EVERYONE)):
            return self._told(wrong(to_a_scope(name)))
        if not text.strip():
            return self._told(MSG.misused())
        try:
            whom = self._commands.sent.resolve(name)
        except NotSentError as why:
            return self._told(wrong(not_sent(why)))

        def send() -> Reply:
            guessed = self._node.peers.called(name) != whom
            self.send(whom, text)
            if not guessed:
                return Reply()
            return said(_("{name} is {peer}").format(name=bracketed(name), peer=bracketed(whom)))

        return self._answered(unless_unknown(self._commands, whom, send))

    def _me(self, rest: str) -> None:
        key = self._conversations.current.key
        last = self._commands.said.last()
        if not rest.strip():
            self._told(ME.misused())
        else:
            self.say(action(self._commands, rest), key or (TOGETHER if last is None else last[0]))

    def _edit(self, rest: str) -> bool | Deferred[bool]:
        """Change the last message in the current conversation, also one of an earlier session."""
        key, history = self._conversations.current.key, self._node.history
        last = self._commands.said.last(key)
        if not rest.strip():
            return self._told(EDIT.misused())
        if last is not None:
            return self._change(*last, rest)
        if history is None or not history.ready:
            return self._told(wrong(NOTHING_SAID))

        def found(lines: Sequence[Record]) -> bool:
            me = self._node.me.peer_id
            ours = [each for each in lines if each.sender == me and not each.changes]
            if not ours:
                return self._told(wrong(NOTHING_SAID))
            return self._change(ours[-1].conversation, ours[-1].msg_id, rest)

        def failed(failure: Failure) -> bool:
            failure.trap(HistoryError)
            return self._told(wrong(failure.value))

        return history.recent(key or None, _LOOKED_AT).addCallbacks(found, failed)

    def _change(self, where: str, of: str, text: str) -> bool:
        try:
            if where.startswith(("#", EVERYONE)):
                msg_id = self._node.publish(where, text, of=of).msg_id
            else:
                msg_id = self._node.send(where, text, self._became, of=of)
        except NotSentError as why:
            return self._told(wrong(Sentence("not changed: {why}", why=why)))
        shown = self._conversations.change(Change(self._node.me.peer_id, where, of, text))
        if not shown:
            shown = [self._entry(EntryKind.OWN, text, where=where)]
            shown[0].edited = True
            self._show(shown[0])
        if not where.startswith(("#", EVERYONE)):
            for entry in shown:
                entry.mark, entry.note = Mark.WAITING, ""
            shown[0].also = shown[-1] if shown[-1] is not shown[0] else shown[0].also
            self._marks.follow(msg_id, shown[0])
        return False

    def _pub(self, rest: str) -> None:
        scope, text = scope_and_text(rest, self._node.me.peer_id, self._node.peers)
        if not text.strip() or not scope.startswith((EVERYONE, "#")):
            self._told(PUB.misused())
            return
        self.publish(scope, text)

    def _rtt(self, rest: str) -> Deferred[bool] | None:
        reply = self._commands.run(f"/rtt {rest}")
        if not isinstance(reply, Deferred):
            self._told(reply)
            return None
        return reply.addCallback(self._with_graphs)

    def _with_graphs(self, reply: Reply) -> bool:
        if reply.table is not None:
            rows = round_trip_rows(self._node.peers)
            reply.table = round_trips_graph(rows, self._bars, partial(alias_beside, self._node))
        return self._told(reply)

    # ------------------------------------------------------------ showing

    def _answered(self, reply: Reply | Deferred[Reply]) -> bool | Deferred[bool]:
        return reply.addCallback(self._told) if isinstance(reply, Deferred) else self._told(reply)

    def _told(self, reply: Reply) -> bool:
        table = reply.table
        for line in reply.lines[: len(reply.lines) - (len(table.rows) + 1 if table else 0)]:
            self.tell(line)
        if table is not None:
            self._answer(PaneEntry(self._wall_clock(), EntryKind.ANSWER, table=table))
        return reply.leave

    def tell(self, line: str) -> None:
        """Show a sentence where the command was typed."""
        self._answer(self._entry(EntryKind.ANSWER, line))

    def _answer(self, entry: PaneEntry) -> None:
        self._conversations.answer(entry)
        self._changed()

    def _entry(self, kind: EntryKind, text: str, where: str = "") -> PaneEntry:
        speaker = self._node.me.peer_id if kind is EntryKind.OWN else ""
        return PaneEntry(self._wall_clock(), kind, text, speaker, where)

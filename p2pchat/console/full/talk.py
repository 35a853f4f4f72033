"""What a person types in the full console: plain text goes to the current conversation.

    /to bob@CIC        from now on plain text goes to bob; also /to #CIC, /to *, /to for all of them
    /reply oi          to whoever wrote last; /r is the same
    /msg, /pub         as in the plain console, shown as entries with a mark
    /peers, /conn, /rtt        as tables that fit the width
    everything else    is `p2pchat.console.commands.table.Commands`

Rules: no terminal in here. A message that could not be sent is shown with its mark, like one that
was not delivered: what was typed is never lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from p2pchat.console.commands.messages import MSG, PUB, in_the_clear, scope_and_text
from p2pchat.console.commands.past import kept_peer
from p2pchat.console.commands.sent import first_word
from p2pchat.console.commands.table import Commands
from p2pchat.console.full.conversations import Conversations
from p2pchat.console.full.entries import EntryKind, Mark, PaneEntry
from p2pchat.console.full.marks import Marks
from p2pchat.console.full.tables import BARS, round_trips_graph
from p2pchat.console.full.vocabulary import KEYS, known_commands
from p2pchat.console.replies import Reply
from p2pchat.console.reports import round_trip_rows
from p2pchat.history.durable import DurableHistory
from p2pchat.history.records import HistoryError, Record
from p2pchat.node.news import NotSentError
from p2pchat.node.node import ChatNode
from p2pchat.node.unread import TOGETHER
from p2pchat.wire.address import EVERYONE, AmbiguousNameError, namespace_of_scope
from p2pchat.wire.names import bracketed


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
        # What was deleted is not to be seen any longer either.
        commands.forgotten = conversations.take_out
        self._own = {
            "to": self._to,
            "reply": self._reply,
            "r": self._reply,
            "msg": self._msg,
            "pub": self._pub,
            "help": self._help,
            "rtt": self._rtt,
            "history": self._history,
        }

    def run(self, line: str) -> bool | Deferred[bool]:
        """Do what a line says; tells, now or later, whether the person wants to leave."""
        if not line.strip():
            return False
        if not line.startswith("/"):
            self._say(line)
            return False
        word, rest = first_word(line)
        own = self._own.get(word[1:].lower())
        if own is not None:
            return own(rest.lstrip()) or False
        return self._answered(self._commands.run(line))

    # ------------------------------------------------------------ talking

    def send(self, peer_id: str, text: str) -> None:
        """Send a direct message, shown with what becomes of it."""
        entry = self._entry(EntryKind.OWN, text, where=peer_id)
        try:
            msg_id = self._node.send(peer_id, text)
        except NotSentError as why:
            entry.mark, entry.note = Mark.FAILED, f"not sent: {why}"
        else:
            entry.mark, entry.msg_id = Mark.WAITING, msg_id
            self._marks.follow(msg_id, entry)
        self._conversations.add(entry)

    def publish(self, scope: str, text: str) -> None:
        """Publish, shown with how many peers it went to."""
        entry = self._entry(EntryKind.OWN, text, where=scope)
        try:
            published = self._node.publish(scope, text)
        except NotSentError as why:
            entry.mark, entry.note = Mark.FAILED, f"not published: {why}"
        else:
            entry.msg_id = published.msg_id
            entry.note = f"({_peers(published.peers)}{in_the_clear(self._node, scope)})"
            if published.dropped:
                entry.mark = Mark.FAILED
                entry.note += f", not to {published.dropped} that did not keep up"
            elif not published.peers:
                entry.mark, entry.note = Mark.FAILED, "nobody is connected"
        self._conversations.add(entry)

    def _say(self, text: str) -> None:
        key = self._conversations.current.key
        if key == TOGETHER:
            self._tell("nothing was sent: /to says where plain text goes, /help tells more")
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

    def _to(self, rest: str) -> Deferred[bool] | None:
        key = rest.strip()
        if not key:
            self._conversations.switch(TOGETHER)
            return None
        try:
            if key == EVERYONE or key.startswith("#"):
                namespace_of_scope(key)
            else:
                key = self._commands.sent.resolve(key)
        except (NotSentError, ValueError) as why:
            self._tell(str(why))
            return None
        if key == self._node.me.peer_id:
            self._tell("that is yourself")
        elif key.startswith(("#", EVERYONE)) or self._node.peers.get(key) is not None:
            self._conversations.switch(key)
        elif self._node.history is None:
            self._to_kept(key, [])
        else:
            return self._to_somebody_away(self._node.history, key)
        return None

    def _to_somebody_away(self, history: DurableHistory, name: str) -> Deferred[bool]:
        """Open a conversation of an earlier session."""

        def called(peer_id: str) -> Deferred[bool]:
            asked = history.recent(peer_id, 1)
            return asked.addCallback(lambda lines: self._to_kept(peer_id, lines))

        def failed(failure: Failure) -> bool:
            if failure.check(HistoryError):
                return self._to_kept(name, [])
            failure.trap(AmbiguousNameError)
            self._tell(failure.getErrorMessage())
            return False

        asked = kept_peer(history, name, self._commands.sent.resolve)
        return asked.addCallback(called).addErrback(failed)

    def _to_kept(self, peer_id: str, lines: Sequence[Record]) -> bool:
        if lines:
            self._conversations.switch(peer_id)
        else:
            self._tell(f"no such peer: {bracketed(peer_id)} (/peers lists them)")
        return False

    def _reply(self, rest: str) -> None:
        whom = self._conversations.last_speaker
        if not whom:
            self._tell("nobody has written yet")
        elif rest.strip():
            self.send(whom, rest)
        else:
            self._conversations.switch(whom)

    def _msg(self, rest: str) -> None:
        name, text = self._commands.sent.addressee(rest)
        if not text.strip():
            self._tell(f"usage: {MSG.usage}")
            return
        try:
            self.send(self._commands.sent.resolve(name), text)
        except NotSentError as why:
            self._tell(f"not sent: {why}")

    def _pub(self, rest: str) -> None:
        scope, text = scope_and_text(rest, self._node.me.peer_id, self._node.peers)
        if not text.strip() or not scope.startswith((EVERYONE, "#")):
            self._tell(f"usage: {PUB.usage}")
            return
        self.publish(scope, text)

    def _rtt(self, rest: str) -> Deferred[bool] | None:
        reply = self._commands.run(f"/rtt {rest}")
        if not isinstance(reply, Deferred):
            self._told(reply)
            return None
        return reply.addCallback(self._with_graphs)

    def _history(self, rest: str) -> bool | Deferred[bool]:
        """Without a name, the past of the conversation that is on the screen."""
        key = self._conversations.current.key
        if not rest.strip() or rest.strip().isdecimal():
            rest = f"{key} {rest}"
        return self._answered(self._commands.run(f"/history {rest}".rstrip()))

    def _with_graphs(self, reply: Reply) -> bool:
        if reply.table is not None:
            rows = round_trip_rows(self._node.peers)
            reply.table = round_trips_graph(rows, self._bars)
        return self._told(reply)

    def _help(self, rest: str) -> None:
        name = rest.strip().removeprefix("/").lower()
        usages = [
            (command, f"/{command} {arguments}".rstrip() + f": {summary}")
            for command, arguments, summary in known_commands()
        ]
        found = [usage for command, usage in usages if name in ("", command)]
        if not found:
            self._answered(self._commands.run(f"/help {name}"))
        for usage in found:
            self._tell(usage)
        for key, summary in () if name else KEYS:
            self._tell(f"{key}: {summary}")

    # ------------------------------------------------------------ showing

    def _answered(self, reply: Reply | Deferred[Reply]) -> bool | Deferred[bool]:
        return reply.addCallback(self._told) if isinstance(reply, Deferred) else self._told(reply)

    def _told(self, reply: Reply) -> bool:
        table = reply.table
        for line in reply.lines[: len(reply.lines) - (len(table.rows) + 1 if table else 0)]:
            self._tell(line)
        if table is not None:
            self._answer(PaneEntry(self._wall_clock(), EntryKind.ANSWER, table=table))
        return reply.leave

    def _tell(self, line: str) -> None:
        self._answer(self._entry(EntryKind.ANSWER, line))

    def _answer(self, entry: PaneEntry) -> None:
        self._conversations.answer(entry)
        self._changed()

    def _entry(self, kind: EntryKind, text: str, where: str = "") -> PaneEntry:
        speaker = self._node.me.peer_id if kind is EntryKind.OWN else ""
        return PaneEntry(self._wall_clock(), kind, text, speaker, where)


def _peers(count: int) -> str:
    return f"{count} peer{'' if count == 1 else 's'}"

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

from collections.abc import Callable

from twisted.internet.defer import Deferred

from p2pchat.console.commands.messages import MSG, PUB, in_the_clear, scope_and_text
from p2pchat.console.commands.sent import first_word
from p2pchat.console.commands.table import Commands
from p2pchat.console.full.conversations import TOGETHER, Conversations
from p2pchat.console.full.entries import EntryKind, Mark, PaneEntry
from p2pchat.console.full.marks import Marks
from p2pchat.console.full.tables import BARS, round_trips_graph
from p2pchat.console.full.typed_text import text_of
from p2pchat.console.replies import Reply
from p2pchat.console.reports import round_trip_rows
from p2pchat.node.news import NotSentError
from p2pchat.node.node import ChatNode
from p2pchat.wire.address import EVERYONE


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
        self.nowhere: Callable[[str], None] = lambda _: None
        """Is told what was typed while no conversation was open."""
        self.own: dict[str, Callable[[str], bool | Deferred[bool] | None]] = {
            "reply": self._reply,
            "r": self._reply,
            "msg": self._msg,
            "pub": self._pub,
            "rtt": self._rtt,
            "mouse": lambda _: self.tell(self.mouse()),
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

    def say(self, text: str) -> None:
        """Say something in the current conversation."""
        key = self._conversations.current.key
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
            self.tell("nobody has written yet")
        elif rest.strip():
            self.send(whom, rest)
        else:
            self._conversations.switch(whom)

    def _msg(self, rest: str) -> None:
        name, text = self._commands.sent.addressee(rest)
        if not text.strip():
            self.tell(f"usage: {MSG.usage}")
            return
        try:
            self.send(self._commands.sent.resolve(name), text)
        except NotSentError as why:
            self.tell(f"not sent: {why}")

    def _pub(self, rest: str) -> None:
        scope, text = scope_and_text(rest, self._node.me.peer_id, self._node.peers)
        if not text.strip() or not scope.startswith((EVERYONE, "#")):
            self.tell(f"usage: {PUB.usage}")
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
            reply.table = round_trips_graph(rows, self._bars)
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


def _peers(count: int) -> str:
    return f"{count} peer{'' if count == 1 else 's'}"

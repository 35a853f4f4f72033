"""The plain console: lines of a person or a script in, lines about the node out.

    console = PlainConsole(node, clock, screen, on_leave=program.leave, script=False, watched=True)
    console.start(reader)
    console.typed(["/msg bob@CIC oi"])      # and `input_ended()` after the last one
    console.stop()

Rules: a line in is a command, a line out is a message, an event or an answer; no prompt and no
colours, so that nothing ever breaks a line. The console knows no descriptors: lines wait in a
`CommandQueue`, and go out through a `Digest` or a `Transcript` on a `Screen`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.interfaces import IPushProducer, IReactorTime

from p2pchat import __version__
from p2pchat.console.commands.table import Commands
from p2pchat.console.plain.backpressure import Backpressure, Draining
from p2pchat.console.plain.queue import CommandQueue
from p2pchat.console.plain.screen import Digest, Screen, Transcript
from p2pchat.console.wording import (
    EDITED,
    UNKEPT,
    StatusLines,
    away_line,
    said_note,
    with_aliases,
)
from p2pchat.mesh.peers import Peer
from p2pchat.node.news import News
from p2pchat.node.node import ChatNode
from p2pchat.node.observers import Observer
from p2pchat.speech import _
from p2pchat.wire.messages import Pub, Send
from p2pchat.wire.text import printable


class PlainConsole(Observer):
    """The console of one node; call `start` when the screen is connected, and `stop` in the end.

    `on_leave` is called, once, with the exit status when the person leaves, or when a script has
    ended and `stay` is false. `script` tells a pipe or a file from a person at a keyboard;
    `watched`, whether a person reads the lines: then a flood is cut to what they can read.
    """

    def __init__(
        self,
        node: ChatNode,
        clock: IReactorTime,
        screen: Screen,
        *,
        on_leave: Callable[[int], None],
        script: bool,
        watched: bool,
        stay: bool = False,
    ) -> None:
        self._node = node
        self._screen = screen
        self._script = script
        self._news: Digest | Transcript = (
            Digest(clock, screen, kept=node.history is not None, names=node.lists.names)
            if watched
            else Transcript(node.mesh.turns, screen, names=node.lists.names)
        )
        self._status_lines = StatusLines()
        self._commands = Commands(node, clock, interactive=not script)
        self._commands.sent.on_news = self._told
        self._queue = CommandQueue(
            clock,
            self._commands,
            Backpressure(node),
            Draining(node),
            show=screen.write,
            leave=on_leave,
            script=script,
            stay=stay,
        )

    def start(self, reader: IPushProducer) -> None:
        """Say who we are, and run lines from now on; `reader` is paused while lines wait."""
        self._node.observers.add(self)
        self._node.unread.attend(self)
        self._screen.write(self._greeting())
        self._queue.start(reader)

    def stop(self) -> None:
        """Run nothing more, and write what is still to be seen."""
        self._node.observers.remove(self)
        self._node.unread.leave(self)
        self._queue.stop()
        self._news.close()

    @property
    def unfinished(self) -> bool:
        """Whether it was stopped under a script of which not all was done and delivered."""
        return self._queue.unfinished

    def typed(self, lines: Sequence[str | None]) -> None:
        """Lines came in; None stands for one that was too long."""
        self._queue.add(lines)

    def input_ended(self) -> None:
        """There will be no more lines."""
        self._queue.end()

    def show(self, line: str) -> None:
        """Show one line, for example a warning of the log, between the others."""
        self._news.event(printable(line))

    def _told(self, _news: News, line: str) -> None:
        """Something became of a message that was typed here."""
        self._screen.write([line])
        self._queue.look()

    def _greeting(self) -> list[str]:
        node = self._node
        who = _("* p2pchat {version}: {me}, listening on port {port}")
        if interface := node.settings.peer.interface:
            who = _("* p2pchat {version}: {me}, listening on port {port} of {interface}")
        me, address = node.me.peer_id, node.presence.directory.address
        lines = [
            who.format(version=__version__, me=me, port=node.port, interface=interface),
            _("* rendezvous: {address}").format(address=address),
        ]
        if not self._script:
            lines.append(_("* /help for help"))
        return [*map(printable, lines)]

    # ------------------------------------------------------------ INodeObserver

    def status_changed(self, peer: Peer) -> None:
        """A peer came or went."""
        lists = self._node.lists
        called = lists.called(peer.peer_id)
        line = self._status_lines.line(
            peer.peer_id, peer.status.value, left=peer.left, called=called
        )
        if line is not None and peer.peer_id not in lists.ignored:
            self._news.event(line)
        self._queue.met(peer)

    def received(self, peer: Peer, messages: list[Send | Pub]) -> None:
        """Messages came."""
        if not self._screen.gone:
            self._news.received(peer.peer_id, messages, (), self._security(peer))

    def received_late(self, peer: Peer, messages: list[Send | Pub], said: list[float]) -> None:
        """Messages came that were said a while ago."""
        now = self._node.wall()
        notes = [said_note(when, now) for when in said]
        self._news.received(peer.peer_id, messages, notes, self._security(peer))

    def changed(self, peer: Peer, message: Send | Pub) -> None:
        """A peer changed what it said."""
        self._news.received(peer.peer_id, [message], [_(EDITED)], self._security(peer))

    def away_changed(self, peer: Peer, text: str) -> None:
        """A peer is away, or back."""
        self._news.event(away_line(self._node.lists.called(peer.peer_id), text))

    def received_unkept(self, peer: Peer, messages: list[Send | Pub]) -> None:
        """Messages came that could not be kept."""
        notes = [f" {_(UNKEPT)}"] * len(messages)
        self._news.received(peer.peer_id, messages, notes, self._security(peer))

    def _security(self, peer: Peer) -> str:
        """How the messages of this moment came; nothing where everything is in the clear."""
        return peer.security_of() if self._node.encrypts else ""

    def notice(self, sentence: str) -> None:
        """Something that the person should know."""
        sentence = with_aliases(sentence, self._node.lists.names)
        self._news.event(printable(f"* {sentence}"))

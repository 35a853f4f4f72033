"""What a person types -> calls on the node -> what the person reads.

    /msg bob@CIC oi, tudo bem?   ->  Reply, and later the line "delivered to bob@CIC in 1.2 ms"
    /peers #CIC                  ->  a Deferred of a Reply: the rendezvous is asked
    hello                        ->  Reply with a hint; nothing is sent

Rules: no I/O. The table `COMMANDS` is all there is: /help, the usage lines and "did you mean" are
made from it. Every reply is printable, and tells whether what was asked for was done.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from msgspec import Struct
from twisted.internet.defer import Deferred

from p2pchat import logs
from p2pchat.address import namespace_of_scope
from p2pchat.rendezvous.listing import DirectoryError
from p2pchat.reports import links_table, peers_table, round_trips_table
from p2pchat.router import NotSentError
from p2pchat.text import printable, shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from twisted.internet.interfaces import IReactorTime
    from twisted.python.failure import Failure

    from p2pchat.peers import Peer, PeerTable
    from p2pchat.presence import Presence
    from p2pchat.rendezvous.listing import Listing
    from p2pchat.router import Published
    from p2pchat.session import Identity

PONG_WAIT: Final = 1.0
"""Seconds that /rtt waits for the answers of peers that have no sample yet."""
_LOOK: Final = 0.02
_MOST_NAMES: Final = 10


class Dials(Protocol):
    """What /reconnect needs of a mesh."""

    def reconnect(self) -> int:
        """Dial every known peer that is not connected; returns how many."""


class Node(Protocol):
    """What commands need of a node."""

    me: Identity
    peers: PeerTable
    presence: Presence

    @property
    def mesh(self) -> Dials:
        """Whoever dials."""

    def send(self, peer_id: str, payload: str) -> str:
        """Send a direct message; returns its msg_id or raises `NotSentError`."""

    def publish(self, scope: str, payload: str) -> Published:
        """Publish to `*` or `#namespace`, or raise `NotSentError`."""


class Reply(Struct):
    """What became of a line."""

    lines: Sequence[str] = ()
    """Printable lines for the person."""
    ok: bool = True
    """Whether it was done; False for wrong use, and for a message that some peer will not get."""
    leave: bool = False
    """Whether the person wants to leave."""


Answer: TypeAlias = "Reply | Deferred[Reply]"


class Command(Struct, frozen=True):
    """One row of the table."""

    name: str
    arguments: str
    summary: str
    run: Callable[[Commands, str], Answer]
    """Gets what follows the name, without the white space before it."""
    needs_peers: bool = True
    """Whether its outcome depends on whom we have met."""

    @property
    def usage(self) -> str:
        """How it is written."""
        return f"/{self.name} {self.arguments}".rstrip()


class Commands:
    """The commands of one person at one node. `wall_clock` gives seconds since the epoch."""

    def __init__(
        self, node: Node, clock: IReactorTime, wall_clock: Callable[[], float] = time.time
    ) -> None:
        self._node = node
        self._clock = clock
        self._wall_clock = wall_clock
        self.awaited: dict[str, str] = {}
        """msg_id -> beginning of the text, for each /msg whose ACK has not come; bounded by the
        node, which refuses a message when too many are pending."""

    def run(self, line: str) -> Answer:
        """Do what a line says. The Deferred, if it is one, never fails with a person's mistake."""
        word, rest = _split(line)
        if not word:
            return Reply()
        if not word.startswith("/"):
            return _wrong("nothing was sent: /msg or /pub sends a message, /help tells more")
        command = _BY_NAME.get(word[1:].lower())
        if command is None:
            return _wrong(f"there is no command {shortened(word, 40)}{_hint(word)}")
        return command.run(self, rest)

    def may_run(self, line: str) -> bool:
        """Whether a line can be run before the first peers were met, with the same outcome."""
        word, rest = _split(line)
        command = _BY_NAME.get(word[1:].lower()) if word.startswith("/") else None
        if command is None or not command.needs_peers:
            return True
        if command.name != "msg":
            return False
        peer = self._node.peers.get(self._addressee(rest)[0])
        return peer is not None and bool(peer.links)

    def delivered(self, peer_id: str, msg_id: str, seconds: float) -> str | None:
        """The ACK came: the line to show, None when the message was not from here."""
        if self.awaited.pop(msg_id, None) is None:
            return None
        return printable(f"delivered to {peer_id} in {seconds * 1000:.1f} ms")

    def undelivered(self, peer_id: str, msg_id: str, reason: str) -> str | None:
        """No ACK came: the line to show, None when the message was not from here."""
        text = self.awaited.pop(msg_id, None)
        if text is None:
            return None
        return printable(f'not delivered to {peer_id}: {reason} ("{text}")')

    # ------------------------------------------------------------ the commands

    def _peers(self, rest: str) -> Answer:
        scope = rest.strip() or "*"
        try:
            namespace = namespace_of_scope(scope)
        except ValueError:
            return _usage("peers")

        def table(listings: Sequence[Listing] | None) -> list[str]:
            return peers_table(listings, self._node.peers, self._node.me.peer_id, namespace)

        def not_asked(failure: Failure) -> Reply:
            failure.trap(DirectoryError)
            why = failure.getErrorMessage()
            return _said(
                f"the rendezvous could not be asked: {why}", "what is known:", *table(None)
            )

        return self._node.presence.discover().addCallbacks(
            lambda listings: _said(*table(listings)), not_asked
        )

    def _msg(self, rest: str) -> Answer:
        word, text = self._addressee(rest)
        if not text.strip():
            return _usage("msg")
        peer_id, said = word, []
        if "@" not in word:
            namesakes = sorted(
                peer.peer_id for peer in self._node.peers if peer.peer_id.rpartition("@")[0] == word
            )
            if len(namesakes) > 1:
                names = ", ".join(namesakes[:_MOST_NAMES])
                more = ", ..." if len(namesakes) > _MOST_NAMES else ""
                return _wrong(f"not sent: {word} may be any of {names}{more}")
            if namesakes:
                peer_id = namesakes[0]
                said = [f"{word} is {peer_id}"]
        try:
            msg_id = self._node.send(peer_id, text)
        except NotSentError as why:
            return _wrong(*said, f"not sent: {why}")
        self.awaited[msg_id] = shortened(text, 40)
        return _said(*said)

    def _addressee(self, rest: str) -> tuple[str, str]:
        """The peer_id and the text. A name may hold spaces, if it is one that we know."""
        word, text = _first_word(rest)
        if word and "@" not in word and " " in text and self._node.peers.get(word) is None:
            known: list[Peer] = [
                peer for peer in self._node.peers if rest.startswith(peer.peer_id + " ")
            ]
            if known:
                word = max((peer.peer_id for peer in known), key=len)
                text = rest[len(word) + 1 :]
        return word, text

    def _pub(self, rest: str) -> Answer:
        scope, text = _first_word(rest)
        if not text.strip() or not scope.startswith(("*", "#")):
            return _usage("pub")
        try:
            published = self._node.publish(scope, text)
        except NotSentError as why:
            return _wrong(f"not published: {why}")
        count, dropped = published.peers, published.dropped
        sentence = f"published to {count} peer{'' if count == 1 else 's'}"
        if dropped:
            sentence += f", not to {dropped} that did not keep up"
        elif not count:
            sentence += ": nobody is connected" + ("" if scope == "*" else f" in {scope}")
        return Reply([printable(sentence)], ok=not dropped)

    def _conn(self, rest: str) -> Answer:
        if rest.strip():
            return _usage("conn")
        peers = self._node.peers.connected()
        return _said(*links_table(peers, self._clock.seconds(), self._wall_clock()))

    def _rtt(self, rest: str) -> Answer:
        if rest.strip():
            return _usage("rtt")
        asked = [peer for peer in self._node.peers.connected() if not peer.round_trips]
        for peer in asked:
            peer.links[0].ping()
        deadline = self._clock.seconds() + PONG_WAIT
        answer: Deferred[Reply] = Deferred()

        def look() -> None:
            waiting = any(peer.links and not peer.round_trips for peer in asked)
            if waiting and self._clock.seconds() < deadline:
                self._clock.callLater(_LOOK, look)
            else:
                answer.callback(_said(*round_trips_table(self._node.peers)))

        look()
        return answer

    def _reconnect(self, rest: str) -> Answer:
        if rest.strip():
            return _usage("reconnect")
        count = self._node.mesh.reconnect()
        if not count:
            return _said("there is nobody to dial")
        return _said(f"dialing {count} peer{'' if count == 1 else 's'}")

    def _log(self, rest: str) -> Answer:
        try:
            logs.set_level(rest)
        except ValueError as why:
            return _usage("log", str(why) if rest.strip() else f"it is {logs.get_level()} now")
        return _said(f"the log's level is {logs.get_level()}")

    def _quit(self, rest: str) -> Answer:
        return _usage("quit") if rest.strip() else Reply(leave=True)

    def _help(self, rest: str) -> Answer:
        name = rest.strip().removeprefix("/").lower()
        if name:
            command = _BY_NAME.get(name)
            if command is None:
                return _wrong(f"there is no command /{shortened(name, 40)}{_hint(name)}")
            return _said(f"{command.usage}: {command.summary}")
        width = max(len(command.usage) for command in COMMANDS)
        return _said(*(f"{command.usage:<{width}}  {command.summary}" for command in COMMANDS))


COMMANDS: Final = (
    Command(
        "peers",
        "[* | #namespace]",
        "ask the rendezvous who is there, and list them",
        Commands._peers,
    ),
    Command(
        "msg", "<peer_id> <message>", "send to one peer, and tell when it arrived", Commands._msg
    ),
    Command(
        "pub",
        "* | #namespace <message>",
        "publish to every connected peer, or to those of a namespace",
        Commands._pub,
    ),
    Command("conn", "", "the links: direction, since when, messages in and out", Commands._conn),
    Command("rtt", "", "the round-trip times of the peers", Commands._rtt),
    Command("reconnect", "", "dial every peer that is not connected, now", Commands._reconnect),
    Command(
        "log", "<level>", "what the log takes: DEBUG, INFO, WARNING or ERROR", Commands._log, False
    ),
    Command("help", "[command]", "all commands, or one of them", Commands._help, False),
    Command("quit", "", "leave", Commands._quit, False),
)
"""All commands, in the order of /help."""

_BY_NAME: Final = {command.name: command for command in COMMANDS}


def _split(line: str) -> tuple[str, str]:
    word, *rest = line.split(maxsplit=1) or [""]
    return word, rest[0] if rest else ""


def _first_word(rest: str) -> tuple[str, str]:
    """The first word, and all that follows the one space after it, as it is."""
    match = re.match(r"(\S+)(?:\s(.*))?", rest, re.DOTALL)
    return (match[1], match[2] or "") if match else ("", "")


def _said(*lines: str) -> Reply:
    return Reply([*map(printable, lines)])


def _wrong(*lines: str) -> Reply:
    return Reply([*map(printable, lines)], ok=False)


def _usage(name: str, why: str = "") -> Reply:
    usage = f"usage: {_BY_NAME[name].usage}"
    return _wrong(f"{usage} ({why})" if why else usage)


def _hint(word: str) -> str:
    from difflib import get_close_matches

    close: list[Any] = get_close_matches(word.lower().removeprefix("/")[:40], _BY_NAME, n=1)
    return f": did you mean /{close[0]}?" if close else ": /help lists them all"

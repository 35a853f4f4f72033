"""What a person types -> calls on the node -> what the person reads.

    /msg bob@CIC oi, tudo bem?   ->  Reply, and later the line "delivered to bob@CIC in 1.2 ms"
    /peers #CIC                  ->  a Deferred of a Reply: the rendezvous is asked
    hello                        ->  Reply with a hint; nothing is sent

Rules: no I/O. The table `COMMANDS` is all there is: /help, the usage lines and "did you mean" are
made from it. Every reply is printable, and tells whether what was asked for was done.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

import msgspec
from msgspec import Struct
from twisted.internet.defer import Deferred

from p2pchat import history_commands as past
from p2pchat import logs
from p2pchat.address import AmbiguousNameError, namespace_of_scope
from p2pchat.history.records import HistoryError
from p2pchat.outbox import Outbox, Sender, first_word
from p2pchat.rendezvous.listing import DirectoryError
from p2pchat.reports import links_table, peers_table, round_trips_table
from p2pchat.router import NotSentError
from p2pchat.text import printable, shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from twisted.internet.interfaces import IReactorTime
    from twisted.python.failure import Failure

    from p2pchat.interfaces import IHistory
    from p2pchat.presence import Presence
    from p2pchat.rendezvous.listing import Listing
    from p2pchat.reports import Table
    from p2pchat.router import Published
    from p2pchat.session import Identity
    from p2pchat.stats import Statistics

PONG_WAIT: Final = 1.0
"""Seconds that /rtt waits for the answers of peers that have no sample yet."""
_LOOK: Final = 0.02
_PAST_WAIT: Final = 5.0


class Dials(Protocol):
    """What /reconnect needs of a mesh."""

    def reconnect(self) -> int:
        """Dial every known peer that is not connected; returns how many."""


class Node(Sender, Protocol):
    """What commands need of a node."""

    me: Identity
    presence: Presence
    history: IHistory | None

    @property
    def statistics(self) -> Statistics:
        """All counters and limits."""

    @property
    def mesh(self) -> Dials:
        """Whoever dials."""

    def publish(self, scope: str, payload: str) -> Published:
        """Publish to `*` or `#namespace`, or raise `NotSentError`."""


class Reply(Struct):
    """What became of a line."""

    lines: Sequence[str] = ()
    """Printable lines for the person."""
    table: Table | None = None
    """The table that the last of these lines are, for who can draw it better."""
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
        self.outbox = Outbox(node)
        self.published = 0
        """How many messages were published to at least one peer."""
        self.forgotten: Callable[[str], None] = lambda _: None
        """Called with the peer_id when what was said by and to a peer has been deleted."""

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
        if rest.strip() and not command.arguments:
            return _usage(command.name)
        return command.run(self, rest)

    def may_run(self, line: str) -> bool:
        """Whether a line can be run before the first peers were met, with the same outcome."""
        word, rest = _split(line)
        command = _BY_NAME.get(word[1:].lower()) if word.startswith("/") else None
        if command is None or not command.needs_peers:
            return True
        if command.name != "msg":
            return False
        peer = self._node.peers.get(self.outbox.addressee(rest)[0])
        return peer is not None and bool(peer.links)

    # ------------------------------------------------------------ the commands

    def _peers(self, rest: str) -> Answer:
        scope = rest.strip() or "*"
        try:
            namespace = namespace_of_scope(scope)
        except ValueError:
            return _usage("peers")

        def table(listings: Sequence[Listing] | None) -> Table:
            return peers_table(listings, self._node.peers, self._node.me.peer_id, namespace)

        def not_asked(failure: Failure) -> Reply:
            failure.trap(DirectoryError)
            why = failure.getErrorMessage()
            said = f"the rendezvous could not be asked: {why}"
            return _tabled(table(None), said, "what is known:")

        return self._node.presence.discover().addCallbacks(
            lambda listings: _tabled(table(listings)), not_asked
        )

    def _msg(self, rest: str) -> Answer:
        peer_id, text = self.outbox.addressee(rest)
        if not text.strip():
            return _usage("msg")
        try:
            whole_id = self.outbox.resolve(peer_id)
            said = [] if whole_id == peer_id else [f"{peer_id} is {whole_id}"]
            self.outbox.send(whole_id, text)
        except NotSentError as why:
            return _wrong(f"not sent: {why}")
        return _said(*said)

    def _pub(self, rest: str) -> Answer:
        scope, text = first_word(rest)
        if not text.strip() or not scope.startswith(("*", "#")):
            return _usage("pub")
        try:
            published = self._node.publish(scope, text)
        except NotSentError as why:
            return _wrong(f"not published: {why}")
        count, dropped = published.peers, published.dropped
        self.published += count > 0
        sentence = f"published to {count} peer{'' if count == 1 else 's'}"
        if dropped:
            sentence += f", not to {dropped} that did not keep up"
        elif not count:
            sentence += ": nobody is connected" + ("" if scope == "*" else f" in {scope}")
        return Reply([printable(sentence)], ok=not dropped)

    def _history(self, rest: str) -> Answer:
        return self._past("history", lambda history: past.recent(history, rest, self._whole))

    def _search(self, rest: str) -> Answer:
        return self._past("search", lambda history: past.search(history, rest))

    def _outbox(self, rest: str) -> Answer:
        return self._past("outbox", lambda history: past.outbox(history, rest, self._whole))

    def _forget(self, rest: str) -> Answer:
        return self._past(
            "forget", lambda history: past.forget(history, rest, self._whole, self.forgotten)
        )

    def _whole(self, name: str) -> str:
        """A peer_id or a scope, given as much of it as a person types."""
        return name if name.startswith(("#", "*")) else self.outbox.resolve(name)

    def _past(
        self, name: str, ask: Callable[[IHistory], list[str] | Deferred[list[str]]]
    ) -> Answer:
        history = self._node.history
        if history is None:
            return _wrong("this node keeps nothing (--history none)")
        if not history.ready:
            # What waits from earlier runs is not known yet, a moment after the start.
            return self._once_ready(history).addCallback(
                lambda _: self._past_known(name, ask, history)
            )
        return self._past_known(name, ask, history)

    def _once_ready(self, history: IHistory) -> Deferred[None]:
        """Fires when the past is known, or when that takes too long."""
        deadline = self._clock.seconds() + _PAST_WAIT
        known: Deferred[None] = Deferred()

        def look() -> None:
            if history.ready or self._clock.seconds() >= deadline:
                known.callback(None)
            else:
                self._clock.callLater(_LOOK, look)

        look()
        return known

    def _past_known(
        self,
        name: str,
        ask: Callable[[IHistory], list[str] | Deferred[list[str]]],
        history: IHistory,
    ) -> Answer:
        try:
            answer = ask(history)
        except past.WrongUseError as why:
            return _usage(name, str(why))
        except (NotSentError, AmbiguousNameError) as why:
            return _wrong(str(why))
        if isinstance(answer, Deferred):
            return answer.addCallbacks(lambda lines: _said(*lines), _not_read)
        return _said(*answer)

    def _conn(self, _: str) -> Answer:
        peers = self._node.peers.connected()
        return _tabled(links_table(peers, self._clock.seconds(), self._wall_clock()))

    def _rtt(self, _: str) -> Answer:
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
                answer.callback(_tabled(round_trips_table(self._node.peers)))

        look()
        return answer

    def _stats(self, rest: str) -> Answer:
        form = rest.strip().lower()
        if form not in ("", "json"):
            return _usage("stats")
        from p2pchat.stats import lines

        snapshot = self._node.statistics.snapshot()
        if not form:
            return _said(*lines(snapshot))
        return _said(msgspec.json.encode(snapshot).decode())

    def _reconnect(self, _: str) -> Answer:
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

    def _quit(self, _: str) -> Answer:
        return Reply(leave=True)

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
    Command(
        "history",
        "[peer | #namespace | *] [n]",
        "the last messages of a conversation, or of all",
        Commands._history,
        False,
    ),
    Command("search", "<words>", "the last messages that hold all words", Commands._search, False),
    Command(
        "outbox",
        "[peer] | cancel <number> | <peer> | all",
        "what waits until its peer is connected",
        Commands._outbox,
        False,
    ),
    Command(
        "forget",
        "<peer>",
        "delete what was said by and to a peer, for good",
        Commands._forget,
        False,
    ),
    Command("conn", "", "the links: direction, since when, messages in and out", Commands._conn),
    Command("rtt", "", "the round-trip times of the peers", Commands._rtt),
    Command(
        "stats",
        "[json]",
        "all counters and limits, for you or for a program",
        Commands._stats,
        False,
    ),
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


def _said(*lines: str) -> Reply:
    return Reply([*map(printable, lines)])


def _tabled(table: Table, *lines: str) -> Reply:
    return Reply([*map(printable, lines), *table.lines()], table=table if table.rows else None)


def _wrong(*lines: str) -> Reply:
    return Reply([*map(printable, lines)], ok=False)


def _not_read(failure: Failure) -> Reply:
    failure.trap(HistoryError, AmbiguousNameError)
    return _wrong(failure.getErrorMessage())


def _usage(name: str, why: str = "") -> Reply:
    usage = f"usage: {_BY_NAME[name].usage}"
    return _wrong(f"{usage} ({why})" if why else usage)


def _hint(word: str) -> str:
    from difflib import get_close_matches

    close: list[Any] = get_close_matches(word.lower().removeprefix("/")[:40], _BY_NAME, n=1)
    return f": did you mean /{close[0]}?" if close else ": /help lists them all"

"""What a person types -> calls on the node -> what the person reads.

    /msg bob@CIC oi, tudo bem?   ->  Reply, and later the line "delivered to bob@CIC in 1.2 ms"
    /peers #CIC                  ->  a Deferred of a Reply: the rendezvous is asked
    hello                        ->  Reply with a hint; nothing is sent

Rules: no I/O. The table `COMMANDS` is all there is: /help, the usage lines and "did you mean" are
made from it. Every reply is printable, and tells whether what was asked for was done. The commands
about this program itself are here; the others are where the things are that they are about.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from twisted.internet.interfaces import IReactorTime

from p2pchat.console.commands.absence import AWAY, BACK
from p2pchat.console.commands.changes import EDIT, ME
from p2pchat.console.commands.lists import (
    ALIAS,
    BELL,
    IGNORE,
    IGNORES,
    MUTE,
    NOTIFY,
    UNALIAS,
    UNIGNORE,
    UNMUTE,
)
from p2pchat.console.commands.messages import MSG, PUB
from p2pchat.console.commands.network import DIAL, LAN
from p2pchat.console.commands.page import WEB
from p2pchat.console.commands.pairing import PAIR
from p2pchat.console.commands.past_replies import FORGET, HISTORY, OUTBOX, SEARCH
from p2pchat.console.commands.peers import BLOCK, CONN, PEERS, RECONNECT, RTT, UNBLOCK
from p2pchat.console.commands.row import Command, Person
from p2pchat.console.commands.said import LastSaid
from p2pchat.console.commands.security import KEYS, TRUST, VERIFY
from p2pchat.console.commands.sent import SentMessages
from p2pchat.console.commands.whois import WHOIS
from p2pchat.console.replies import Answer, Reply, said, wrong
from p2pchat.logs.levels import get_level, set_level
from p2pchat.logs.output import log_paths
from p2pchat.node.figures import statistics
from p2pchat.node.node import ChatNode
from p2pchat.speech import N_, _, spoken
from p2pchat.wire.text import printable, shortened

_MEANS_IT: Final = 60.0
"""Seconds within which the same once more is the answer to a question."""
_QUESTIONS: Final = 20
"""Questions that can be open."""
_EMPTY_LINES: Final = 60
_ROOMS: Final = N_("there are no rooms to join: /pub #NAMESPACE TEXT speaks to all of a namespace")
_OF_OTHERS: Final = {
    "join": _ROOMS,
    "part": _ROOMS,
    "nick": N_("a name is chosen at the start: --name NAME"),
    "who": N_("here it is /peers that lists who is there"),
    "names": N_("here it is /peers that lists who is there"),
}
"""Commands of other chats -> what does here what they do there."""


class Commands:
    """The commands of one person at one node; `interactive`: who can be asked, as no script can."""

    def __init__(self, node: ChatNode, clock: IReactorTime, *, interactive: bool = False) -> None:
        self.interactive = interactive
        self.said = LastSaid()
        """What was said last, and where."""
        self.where: Callable[[], str] = lambda: ""
        """The current conversation; empty where there is none."""
        self._asked: dict[str, float] = {}
        self.node = node
        self.clock = clock
        self.sent = SentMessages(node)
        self.published = 0
        """How many messages were published to at least one peer."""
        self.forgotten: Callable[[str], None] = lambda _peer_id: None
        """Called with the peer_id when what was said by and to a peer has been deleted."""

    def confirmed(self, what: str) -> bool:
        """Whether the person was asked this within a minute: then they mean it."""
        now, at = self.clock.seconds(), self._asked.pop(what, None)
        if at is not None and now - at <= _MEANS_IT:
            return True
        self._asked[what] = now
        if len(self._asked) > _QUESTIONS:
            del self._asked[next(iter(self._asked))]
        return False

    def run(self, line: str) -> Answer:
        """Do what a line says. The Deferred, if it is one, never fails with a person's mistake."""
        word, rest = _split(line)
        if not word:
            return Reply()
        if not word.startswith("/"):
            return wrong(_("nothing was sent: /msg or /pub sends a message, /help tells more"))
        command = _BY_NAME.get(word[1:].lower())
        if command is None:
            ours = _OF_OTHERS.get(word[1:].lower())
            return wrong(_(ours) if ours else _no_command(shortened(word, 40)))
        if rest.strip() and not command.arguments:
            return command.misused()
        return command.run(self, rest)

    def may_run(self, line: str) -> bool:
        """Whether a line can be run before the first peers were met, with the same outcome."""
        word, rest = _split(line)
        command = _BY_NAME.get(word[1:].lower()) if word.startswith("/") else None
        if command is None or not command.needs_peers:
            return True
        if command is not MSG:
            return False
        return self.node.peers.is_linked(self.sent.addressee(rest)[0])


def _stats(person: Person, rest: str) -> Answer:
    form = rest.strip().lower()
    if form not in ("", "json"):
        return STATS.misused()
    from p2pchat.node.stats import lines

    snapshot = statistics(person.node).snapshot()
    if not form:
        return said(*lines(snapshot))
    return said(msgspec.json.encode(snapshot).decode())


def _log(_person: Person, rest: str) -> Answer:
    try:
        set_level(rest)
    except ValueError as why:
        now = _("it is {level} now").format(level=get_level())
        return LOG.misused(spoken(why) if rest.strip() else now)
    where = "".join(f": {printable(path)}" for path in log_paths())
    return said(_("the log's level is {level}").format(level=get_level()) + where)


def _help(_person: Person, rest: str) -> Answer:
    name = rest.strip().removeprefix("/").lower()
    if name:
        command = _BY_NAME.get(name)
        if command is None:
            return wrong(_no_command(f"/{shortened(name, 40)}"))
        return said(f"{command.usage}: {_(command.summary)}")
    width = max(len(command.usage) for command in COMMANDS)
    return said(*(f"{command.usage:<{width}}  {_(command.summary)}" for command in COMMANDS))


def _quit(_person: Person, _rest: str) -> Answer:
    return Reply(leave=True)


def _clear(person: Person, _rest: str) -> Answer:
    return Reply([""] * _EMPTY_LINES if person.interactive else [])


STATS: Final = Command(
    "stats",
    "[json]",
    N_("all counters and limits, for you or for a program"),
    _stats,
    needs_peers=False,
)
LOG: Final = Command(
    "log",
    "<level>",
    N_("what the log takes: DEBUG, INFO, WARNING or ERROR"),
    _log,
    needs_peers=False,
)
HELP: Final = Command(
    "help", "[command]", N_("all commands, or one of them"), _help, needs_peers=False
)
QUIT: Final = Command(
    "quit", "", N_("leave; /exit, /bye and /q are the same"), _quit, needs_peers=False
)
CLEAR: Final = Command(
    "clear", "", N_("an empty screen; nothing is deleted"), _clear, needs_peers=False
)

COMMANDS: Final = (
    PEERS,
    MSG,
    PUB,
    EDIT,
    ME,
    HISTORY,
    SEARCH,
    OUTBOX,
    FORGET,
    CONN,
    RTT,
    STATS,
    RECONNECT,
    DIAL,
    LAN,
    WHOIS,
    ALIAS,
    UNALIAS,
    IGNORE,
    UNIGNORE,
    IGNORES,
    MUTE,
    UNMUTE,
    BELL,
    NOTIFY,
    AWAY,
    BACK,
    BLOCK,
    UNBLOCK,
    VERIFY,
    PAIR,
    TRUST,
    KEYS,
    WEB,
    LOG,
    HELP,
    CLEAR,
    QUIT,
)
"""All commands, in the order of /help."""

_BY_NAME: Final = {
    **{command.name: command for command in COMMANDS},
    **dict.fromkeys(("exit", "bye", "q"), QUIT),
    "query": MSG,
}


def _split(line: str) -> tuple[str, str]:
    word, *rest = line.split(maxsplit=1) or [""]
    return word, rest[0] if rest else ""


def _no_command(word: str) -> str:
    """What to answer to a command that nobody knows, with its slash."""
    from difflib import get_close_matches

    close: list[Any] = get_close_matches(word.lower().removeprefix("/")[:40], _BY_NAME, n=1)
    if close:
        sentence = _("there is no command {word}: did you mean /{near}?")
        return sentence.format(word=word, near=close[0])
    return _("there is no command {word}: /help lists them all").format(word=word)

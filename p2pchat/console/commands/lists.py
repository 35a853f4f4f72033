"""The commands about what the person has decided: /ignore, /mute, /alias, /bell and the like.

    /ignore eva          ->  [eva@CIC] is ignored: nothing of it is shown or kept
    /mute #CIC 2h        ->  [#CIC] rings no bell until 16:30
    /alias mum bob@CIC   ->  [mum] is [bob@CIC]

Rules: a decision holds at once; that it is not on the disk is told with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import chain
from typing import Final

from twisted.internet.defer import Deferred

from p2pchat.console.commands.row import Command, Person
from p2pchat.console.commands.whom import known_names, peer_named
from p2pchat.console.replies import Answer, Reply, said, wrong
from p2pchat.console.wording import moment
from p2pchat.node.news import NotSentError
from p2pchat.node.own_lists import FOREVER
from p2pchat.speech import N_, Sentence, Spoken, _
from p2pchat.wire.names import bracketed

_TIME: Final = re.compile(r"([1-9]\d{0,5})(s|m|min|h|d)")
_SECONDS: Final = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
_ON: Final = {"on": True, "off": False}


def _decided(command: Command, decide: Callable[[], Answer]) -> Answer:
    """What comes of a decision, or why it cannot be."""
    try:
        return decide()
    except (NotSentError, ValueError) as why:
        return wrong(why) if str(why) else command.misused()


def _done(saved: Deferred[str], line: str) -> Answer:
    def done(why: Spoken) -> Reply:
        return said(line, why) if why else said(line)

    return saved.addCallback(done)


def _ignore(person: Person, rest: str) -> Answer:
    lists, name = person.node.lists, rest.strip()
    if not name:
        return _ignores(person, "")

    def ignore() -> Answer:
        peer_id = peer_named(person, name)
        if peer_id == person.node.me.peer_id:
            raise ValueError(Sentence("that is yourself"))
        saved = lists.ignore(peer_id)
        person.node.unread.seen(peer_id)
        line = _("{peer} is ignored: nothing of it is shown or kept (/unignore)")
        return _done(saved, line.format(peer=bracketed(peer_id)))

    return _decided(IGNORE, ignore)


def _unignore(person: Person, rest: str) -> Answer:
    lists, name = person.node.lists, rest.strip()

    def unignore() -> Answer:
        if not name:
            raise ValueError
        peer_id = peer_named(person, name) if name not in lists.ignored else name
        saved = lists.unignore(peer_id, person.node.wall())
        line = _("{peer} is not ignored any more").format(peer=bracketed(peer_id))
        return _done(saved, line)

    return _decided(UNIGNORE, unignore)


def _ignores(person: Person, _rest: str) -> Answer:
    names = sorted(person.node.lists.ignored)
    return said(*(map(bracketed, names) if names else [_("nobody is ignored")]))


def _mute(person: Person, rest: str) -> Answer:
    lists, now = person.node.lists, person.node.wall()
    words = rest.split()

    def mute() -> Answer:
        until, found = FOREVER, _TIME.fullmatch(words[-1].lower()) if len(words) > 1 else None
        if found is not None:
            words.pop()
            until = now + int(found[1]) * _SECONDS[found[2]]
        where = _conversation(person, " ".join(words))
        if until == FOREVER:
            line = _("{name} rings no bell (/unmute)").format(name=bracketed(where))
        else:
            line = _("{name} rings no bell until {time} (/unmute)").format(
                name=bracketed(where), time=moment(until, now)
            )
        return _done(lists.mute(where, until), line)

    if not words:
        muted = [name for name in lists.muted if lists.is_muted(name, now)]
        return said(*(_muted(person, name) for name in muted) if muted else [_("nothing is mute")])
    return _decided(MUTE, mute)


def _muted(person: Person, name: str) -> str:
    until, now = person.node.lists.muted[name], person.node.wall()
    if until == FOREVER:
        return bracketed(name)
    return _("{name} until {time}").format(name=bracketed(name), time=moment(until, now))


def _unmute(person: Person, rest: str) -> Answer:
    def unmute() -> Answer:
        if not rest.strip():
            raise ValueError
        where = _conversation(person, rest.strip())
        line = _("{name} is not muted any more").format(name=bracketed(where))
        return _done(person.node.lists.unmute(where), line)

    return _decided(UNMUTE, unmute)


def _conversation(person: Person, name: str) -> str:
    return name if name.startswith(("#", "*")) else peer_named(person, name)


def _alias(person: Person, rest: str) -> Answer:
    node, (name, _blank, whom) = person.node, rest.strip().partition(" ")
    lists = node.lists

    def alias() -> Answer:
        peer_id = peer_named(person, whom.strip())
        if peer_id == node.me.peer_id:
            raise ValueError(Sentence("that is yourself"))
        others = chain([node.me.peer_id], known_names(node))
        return _done(lists.alias(name, peer_id, others), _called(name, peer_id))

    if whom.strip():
        return _decided(ALIAS, alias)
    found = {each: who for each, who in lists.aliases.items() if name in ("", each)}
    if not found:
        if not name:
            return said(_("nobody has an alias"))
        return said(_("nobody is called {name}").format(name=bracketed(name)))
    return said(*(_called(each, who) for each, who in sorted(found.items())))


def _called(name: str, peer_id: str) -> str:
    return _("{name} is {peer}").format(name=bracketed(name), peer=bracketed(peer_id))


def _unalias(person: Person, rest: str) -> Answer:
    def unalias() -> Answer:
        name = rest.strip()
        if not name:
            raise ValueError
        saved = person.node.lists.unalias(name)
        line = _("nobody is called {name} any more").format(name=bracketed(name))
        return _done(saved, line)

    return _decided(UNALIAS, unalias)


def _bell(person: Person, rest: str) -> Answer:
    lists, on = person.node.lists, _ON.get(rest.strip().lower())
    if on is not None:
        return _done(lists.set_bell(on), _bell_is(on))
    if rest.strip():
        return BELL.misused()
    bell = person.node.settings.console.bell if lists.bell is None else lists.bell
    return said(_bell_is(bell))


def _notify(person: Person, rest: str) -> Answer:
    lists, on = person.node.lists, _ON.get(rest.strip().lower())
    if on is not None:
        return _done(lists.set_notify(on), _notified(on))
    return NOTIFY.misused() if rest.strip() else said(_notified(lists.notify))


def _bell_is(on: bool) -> str:
    return _("the bell is on") if on else _("the bell is off")


def _notified(on: bool) -> str:
    return _("notifications are on") if on else _("notifications are off")


IGNORE: Final = Command(
    "ignore", "[peer]", N_("show and keep nothing of a peer; 1,000 at most"), _ignore
)
UNIGNORE: Final = Command("unignore", "<peer>", N_("hear of it again"), _unignore)
IGNORES: Final = Command("ignores", "", N_("who is ignored"), _ignores, needs_peers=False)
MUTE: Final = Command(
    "mute",
    "[peer | #namespace | * [30m | 2h | 1d]]",
    N_("show and count what comes, and ring no bell; alone: list what is mute"),
    _mute,
)
UNMUTE: Final = Command("unmute", "<peer | #namespace | *>", N_("ring for it again"), _unmute)
ALIAS: Final = Command(
    "alias", "[name [peer]]", N_("call a peer by a name of yours; alone: list them"), _alias
)
UNALIAS: Final = Command(
    "unalias", "<name>", N_("call it as it is again"), _unalias, needs_peers=False
)
BELL: Final = Command(
    "bell", "[on | off]", N_("whether the bell of the full console rings"), _bell, needs_peers=False
)
NOTIFY: Final = Command(
    "notify",
    "[on | off]",
    N_("notifications on the desktop, where the terminal has them, else the bell"),
    _notify,
    needs_peers=False,
)

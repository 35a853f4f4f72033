"""The commands that go on from what was said: /edit, /me.

    /edit hello   ->  the last message here has another text: an EDIT, or "* hello" for who has none
    /me waves     ->  "* alice waves", to whom one speaks

Rules: where there is a current conversation it counts, elsewhere whoever was written to last.
"""

from __future__ import annotations

from typing import Final

from p2pchat.console.commands.messages import not_sent
from p2pchat.console.commands.row import Command, Person
from p2pchat.console.replies import Answer, Reply, said, wrong
from p2pchat.node.news import NotSentError
from p2pchat.speech import N_, Sentence, _, ngettext
from p2pchat.wire.address import EVERYONE
from p2pchat.wire.names import bracketed

NOTHING_SAID: Final = Sentence(
    "you have said nothing here since the start: there is nothing to change"
)


def _edit(person: Person, rest: str) -> Answer:
    last = person.said.last(person.where())
    if not rest.strip():
        return EDIT.misused()
    if last is None:
        return wrong(NOTHING_SAID)
    where, of = last
    return _say(person, where, rest, of)


def _me(person: Person, rest: str) -> Answer:
    if not rest.strip():
        return ME.misused()
    last = person.said.last()
    where = person.where() or (last[0] if last is not None else "")
    if not where:
        sentence = _("whom to? /me goes to whom you wrote last: /msg and /pub say who that is")
        return wrong(sentence)
    return _say(person, where, action(person, rest))


def action(person: Person, text: str) -> str:
    """What we do, as a message."""
    return f"* {person.node.me.peer_id.rpartition('@')[0]} {text}"


def _say(person: Person, where: str, text: str, of: str = "") -> Answer:
    """Say it to a peer or in a scope, as another text of a message or as a new one."""
    try:
        if not where.startswith(("#", EVERYONE)):
            msg_id = person.sent.send(where, text, of)
            if not of:
                person.said.note(where, msg_id)
            changed = _("changed, for {peer}").format(peer=bracketed(where))
            return said(changed) if of else Reply()
        published = person.node.publish(where, text, of=of)
    except NotSentError as why:
        return wrong(not_sent(why))
    count = published.peers
    person.published += count > 0
    if not of:
        person.said.note(where, published.msg_id)
    if of:
        sentence = ngettext("changed, for {n} peer", "changed, for {n} peers", count)
    else:
        sentence = ngettext("published to {n} peer", "published to {n} peers", count)
    return said(sentence.format(n=count))


EDIT: Final = Command(
    "edit",
    "<text>",
    N_("give your last message another text; who cannot change it gets it as a new one"),
    _edit,
    needs_peers=False,
)
ME: Final = Command("me", "<what you do>", N_("say what you do, to whom you wrote last"), _me)

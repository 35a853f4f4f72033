"""The commands that say something to others: /msg and /pub.

    /msg bob@CIC oi, tudo bem?   ->  Reply, and later the line "delivered to bob@CIC in 1.2 ms"
    /pub #CIC lunch?             ->  Reply: "published to 3 peers"

Rules: the text is sent as it was typed, from the character after the one space before it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from p2pchat.console.commands.row import Command, Person
from p2pchat.console.commands.sent import first_word
from p2pchat.console.commands.whom import near_miss, unless_unknown
from p2pchat.console.replies import Answer, Reply, said, wrong
from p2pchat.mesh.peers import Peer
from p2pchat.node.news import NotSentError
from p2pchat.node.node import ChatNode
from p2pchat.speech import N_, Spoken, _, ngettext, spoken
from p2pchat.wire.address import namespace_of, namespace_of_scope
from p2pchat.wire.names import bracketed, visible
from p2pchat.wire.text import printable


def _msg(person: Person, rest: str) -> Answer:
    peer_id, text = person.sent.addressee(rest)
    if peer_id.startswith(("#", "*")):
        return wrong(to_a_scope(peer_id))
    if not text.strip():
        return MSG.misused()
    try:
        whole_id = person.sent.resolve(peer_id)
    except NotSentError as why:
        return wrong(not_sent(why))

    if person.interactive:
        return unless_unknown(person, whole_id, lambda: _send(person, peer_id, whole_id, text))
    return _send(person, peer_id, whole_id, text)


def _send(person: Person, name: str, peer_id: str, text: str) -> Reply:
    """Send to a peer that was called so."""
    try:
        person.said.note(peer_id, person.sent.send(peer_id, text))
    except NotSentError as why:
        return wrong(f"{not_sent(why)}{unknown_name(person, peer_id)}")
    if peer_id == name:
        return Reply()
    return said(_("{name} is {peer}").format(name=bracketed(name), peer=bracketed(peer_id)))


def not_sent(why: Spoken) -> str:
    """What to answer who says something that is not accepted."""
    return _("not sent: {why}").format(why=spoken(why))


def to_a_scope(scope: str) -> str:
    """What to answer who sends a direct message to a namespace."""
    sentence = _("not sent: /pub {scope} TEXT says it to all of {name}")
    return sentence.format(scope=visible(scope), name=bracketed(scope))


def unknown_name(person: Person, name: str) -> str:
    """Who may be meant by a name that nobody has, as the end of a sentence."""
    bare = "@" not in name and person.node.peers.get(name) is None
    return near_miss(person.node, name) if bare else ""


def _pub(person: Person, rest: str) -> Answer:
    scope, text = scope_and_text(rest, person.node.me.peer_id, person.node.peers)
    if not text.strip() or not scope.startswith(("*", "#")):
        return PUB.misused()
    node = person.node
    try:
        published = node.publish(scope, text)
    except NotSentError as why:
        return wrong(_("not published: {why}").format(why=spoken(why)))
    count, dropped = published.peers, published.dropped
    person.published += count > 0
    person.said.note(scope, published.msg_id)
    done = ngettext("published to {n} peer", "published to {n} peers", count).format(n=count)
    done += in_the_clear(node, scope)
    if dropped:
        sentence = ngettext(
            "{done}, not to {n} that did not keep up",
            "{done}, not to {n} that did not keep up",
            dropped,
        )
        done = sentence.format(done=done, n=dropped)
    elif not count and scope == "*":
        done = _("{done}: nobody is connected").format(done=done)
    elif not count:
        done = _("{done}: nobody is connected in {scope}").format(done=done, scope=bracketed(scope))
    if scope == "*" and node.presence.registered_in_all:
        own = bracketed("#" + namespace_of(node.me.peer_id))
        sentence = _("{done} (of other namespaces than {own}, only those that are linked already)")
        done = sentence.format(done=done, own=own)
    return Reply([printable(done)], ok=not dropped)


def in_the_clear(node: ChatNode, scope: str) -> str:
    """What to say of those who get a publication in the clear; nothing where everybody does."""
    count = node.peers.count_in_the_clear(namespace_of_scope(scope)) if node.encrypts else 0
    if not count:
        return ""
    some = ngettext(", {n} of them in the clear", ", {n} of them in the clear", count)
    return some.format(n=count)


def scope_and_text(rest: str, own_id: str, peers: Iterable[Peer]) -> tuple[str, str]:
    """Split "scope text". A namespace may hold spaces, if it is ours or one of these peers'."""
    scope, text = first_word(rest)
    if scope.startswith("#") and " " in text:
        known = {namespace_of(own_id), *(peer.namespace for peer in peers)}
        matching = [each for each in known if rest.startswith(f"#{each} ")]
        matching = [each for each in matching if rest[len(each) + 2 :].strip()]
        if matching:
            scope = "#" + max(matching, key=len)
            text = rest[len(scope) + 1 :]
    return scope, text


MSG: Final = Command(
    "msg", "<peer_id> <message>", N_("send to one peer, and tell when it arrived"), _msg
)
PUB: Final = Command(
    "pub",
    "* | #namespace <message>",
    N_("publish to every connected peer, or to those of a namespace"),
    _pub,
)

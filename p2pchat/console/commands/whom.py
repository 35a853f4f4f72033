"""Whom a name means that nobody here is called: near misses, and peers never heard of.

    /msg ANA oi      ->  [ANA] is [ana@CIC]
    /msg anna oi     ->  not sent: no such peer: [anna]: did you mean [ana@CIC]?
    /msg zoe@CIC oi  ->  nobody ever heard of [zoe@CIC] here: the same once more keeps it for 7 d

Rules: a person is asked once; a script is not, and is told. Nothing is ever sent to a name that
was only guessed, but for one in other capitals that is the only such.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain, islice
from typing import Final

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from p2pchat.console.commands.row import Person
from p2pchat.console.replies import Answer, wrong
from p2pchat.console.reports import duration
from p2pchat.history.records import HistoryError, Record
from p2pchat.node.node import ChatNode
from p2pchat.speech import Sentence, _
from p2pchat.wire.address import split_peer_id
from p2pchat.wire.names import bracketed

_LOOKED_AT: Final = 500
"""Names that are compared with what was typed, those that matter most first."""
_NEAR: Final = 0.6
_LONGEST: Final = 200


def known_names(node: ChatNode) -> Iterable[str]:
    """The peers that are known, those with a link and friends first, perhaps more than once."""
    connected = (peer.peer_id for peer in node.peers.connected())
    return chain(connected, node.friends.known, (peer.peer_id for peer in node.peers))


def near_miss(node: ChatNode, name: str) -> str:
    """What to add to a sentence that says that nobody is called so; empty if nobody is near."""
    near = nearest(node, name)
    return _(": did you mean {name}?").format(name=near) if near else ""


def nearest(node: ChatNode, name: str) -> str:
    """Who may be meant by a name that nobody has, in brackets; empty if nobody is near."""
    from difflib import get_close_matches

    found = {alias.casefold(): alias for alias in node.lists.aliases if "@" not in name}
    for peer_id in islice(known_names(node), _LOOKED_AT):
        found.setdefault(_bare(peer_id), peer_id)
    close = get_close_matches(_bare(name[:_LONGEST]), found, n=1, cutoff=_NEAR)
    return bracketed(found[close[0]]) if close else ""


def _bare(name: str) -> str:
    """What is compared: namespaces are alike for all."""
    return (name.rpartition("@")[0] or name).casefold()


def peer_named(person: Person, name: str) -> str:
    """The peer_id that a name means, which nobody need have; raises `ValueError`, a sentence.

    Or `NotSentError`, if it may mean several.
    """
    peer_id = person.sent.resolve(name)
    if "@" not in peer_id:
        near, called = nearest(person.node, name), bracketed(name)
        if near:
            sentence = Sentence(
                "no such peer: {peer}: did you mean {near}?", peer=called, near=near
            )
            raise ValueError(sentence)
        raise ValueError(Sentence("no such peer: {peer} (/peers lists them)", peer=called))
    split_peer_id(peer_id)
    return peer_id


def unless_unknown(person: Person, peer_id: str, then: Callable[[], Answer]) -> Answer:
    """Do this for a peer, at once or when the person says so again for one never heard of."""
    node = person.node
    history = node.history
    if history is None or not _may_be_new(node, peer_id):
        return then()

    def kept(lines: list[Record]) -> Answer:
        if lines or not _may_be_new(node, peer_id) or person.confirmed(f"msg {peer_id}"):
            return then()
        days = duration(node.settings.history.outbox_ttl).removesuffix(" 0 h")
        first = _("not sent: nobody ever heard of {peer} here").format(peer=bracketed(peer_id))
        again = _("the same once more keeps it for up to {time}").format(time=days)
        return wrong(f"{first}{near_miss(node, peer_id)}", again)

    def failed(failure: Failure) -> Answer:
        failure.trap(HistoryError)
        return kept([])

    asked: Deferred[list[Record]] = history.recent(peer_id, 1)
    return asked.addCallbacks(kept, failed)


def _may_be_new(node: ChatNode, peer_id: str) -> bool:
    if node.peers.get(peer_id) is not None or peer_id in node.friends:
        return False
    if peer_id in node.lists.aliases.values():
        return False
    try:
        split_peer_id(peer_id)
    except ValueError:
        return False  # which is told when it is to be sent
    return True

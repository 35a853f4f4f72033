"""The command /pair: a code of six digits that one person reads to the other verifies both.

    /pair bob            ->  the code for [bob@CIC]: 384729, until 14:05, for one try
    /pair alice 384729   ->  a Deferred of a Reply: paired: [alice@CIC] is verified, …

Rules: who has shown the code hears what became of it by a notice.
"""

from __future__ import annotations

import re
import time
from typing import Final

from twisted.python.failure import Failure

from p2pchat.console.commands.row import Command, Person
from p2pchat.console.commands.security import meant, no_key
from p2pchat.console.replies import Answer, Reply, said, wrong
from p2pchat.mesh.pairing.words import NotPairedError, paired, shown
from p2pchat.node.news import NotSentError
from p2pchat.node.pairing import Pairings
from p2pchat.node.trusting import Trusting
from p2pchat.speech import N_, _
from p2pchat.wire.address import AmbiguousNameError

_CODE: Final = re.compile(r"(.*?\S)\s+([0-9]{3})[ -]?([0-9]{3})", re.DOTALL)
_LIKE_A_CODE: Final = re.compile(r"[0-9][0-9 -]*")


def _pair(person: Person, rest: str) -> Answer:
    pairings, trusting = person.node.pairings, person.node.trusting
    if pairings is None or trusting is None:
        return wrong(no_key())
    rest = rest.strip()
    if not rest:
        return PAIR.misused()
    found = _CODE.fullmatch(rest)
    name, code = (found[1], found[2] + found[3]) if found else (rest, "")
    try:
        peer_id = meant(person, trusting.known, name)
        if code:
            return _take(pairings, trusting, peer_id, code)
        _name, _blank, last = name.partition(" ")
        if _LIKE_A_CODE.fullmatch(last.strip()) and person.node.peers.get(peer_id) is None:
            return PAIR.misused(_("a code has six digits"))
        given = pairings.give(peer_id)
    except (NotPairedError, NotSentError, AmbiguousNameError) as why:
        return wrong(why)
    until = time.strftime("%H:%M", time.localtime(person.node.wall() + given.seconds))
    return said(*shown(peer_id, person.node.me.peer_id, given.digits, until))


def _take(pairings: Pairings, trusting: Trusting, peer_id: str, code: str) -> Answer:
    def done(not_stored: str) -> Reply:
        pin = trusting.known.pin_of(peer_id)
        key = "" if pin is None else pin.fingerprint
        return said(paired(peer_id, key), *([not_stored] if not_stored else []))

    def failed(failure: Failure) -> Reply:
        failure.trap(NotPairedError)
        return wrong(failure.value)

    return pairings.take(peer_id, code).addCallbacks(done, failed)


PAIR: Final = Command(
    "pair",
    "<peer> [code]",
    N_(
        "shows a code for a peer; or takes the one that the peer has read to you: both are verified"
    ),
    _pair,
)

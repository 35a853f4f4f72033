"""What programs ask and decide about keys: ours, and those that are known of others.

    Request(do="verify", peer_id="bob@CIC", fingerprint="…")  ->  {"peer_id":…,"stored":true}
                                                              ->  RequestError("different_key", …)

Rules: a row has the fields of `docs/control.md`. There may be as many as strangers can make, so
they are made piece by piece, see `Turns`, and one list at a time is in memory.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Generator, Iterable
from typing import Any, Final, NoReturn

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from p2pchat.control.long_answers import LongAnswers
from p2pchat.control.outgoing import Outgoing
from p2pchat.control.requests import Fields, Request, RequestError
from p2pchat.mesh.identity.key_text import key_text
from p2pchat.mesh.identity.known_keys import Compared, Decision, KnownKeys
from p2pchat.mesh.identity.pin import Pin
from p2pchat.mesh.pairing.words import NotPairedError
from p2pchat.node.node import ChatNode
from p2pchat.node.trusting import Trusting
from p2pchat.speech import Sentence, sentence_of, spoken
from p2pchat.wire.address import AmbiguousNameError, split_peer_id
from p2pchat.wire.names import bracketed

_ROWS_A_PIECE: Final = 200
_CODE: Final = re.compile("[0-9]{6}")


class _RefusedRow(Struct, frozen=True, gc=False):
    key: str
    fingerprint: str
    time: str


class _KeyRow(Struct, frozen=True, gc=False):
    # No dict, which every collection of garbage would look at: there may be 50,000.
    peer_id: str
    key: str
    fingerprint: str
    verified: str | None
    trusted: bool
    settled: bool
    fleeting: bool
    since: str
    seen: str
    links: int
    next: tuple[str, ...]
    refused: tuple[_RefusedRow, ...]


class KeyRequests:
    """Answers requests about keys. `listing`: what makes one list at a time."""

    def __init__(self, node: ChatNode, listing: LongAnswers) -> None:
        self._node = node
        self._listing = listing

    def list(self, request: Request, client: Outgoing) -> Deferred[Fields]:
        """Our key, and what is known of the others, or of one of them."""
        trusting = self._trusting()
        pins = [self._pin(request)] if request.peer_id else None

        def rows() -> Deferred[Any]:
            chosen = trusting.known.pins() if pins is None else pins
            return self._node.mesh.turns.do(_rows(trusting.known, chosen))

        listing: Deferred[Any] = client.long_answers.do(lambda: self._listing.do(rows))
        return listing.addCallback(
            lambda rows: {**own_key(trusting), **_next_key(trusting), "keys": rows}
        )

    def verify(self, request: Request) -> Deferred[Fields]:
        """Compare a fingerprint with that of the known key."""
        peer_id = self._whose(request)
        return _decided(peer_id, lambda: self._trusting().verify(peer_id, request.fingerprint))

    def pair(self, request: Request) -> Fields | Deferred[Fields]:
        """Show a code for a peer; or, with the one that it has shown, verify it."""
        peer_id, pairings = self._whose(request), self._node.pairings
        if pairings is None:
            raise _no_key()
        try:
            if not request.code:
                given = pairings.give(peer_id)
                return {
                    "peer_id": peer_id,
                    "code": given.digits,
                    "seconds": round(given.seconds, 1),
                }
            if _CODE.fullmatch(request.code) is None:
                raise RequestError("bad_request", Sentence("a code has six digits"))
            taken = pairings.take(peer_id, request.code)
        except NotPairedError as why:
            raise RequestError("not_paired", sentence_of(why)) from None
        return taken.addCallbacks(lambda why: {"peer_id": peer_id, "stored": not why}, _not_paired)

    def trust(self, request: Request) -> Deferred[Fields]:
        """Take the key with this fingerprint, and only that.

        It is verified so if the request says that a person has compared it: a program may have the
        fingerprint from an alert.
        """
        peer_id, text, typed = self._whose(request), request.fingerprint, request.compared
        return _decided(peer_id, lambda: self._trusting().trust(peer_id, text, typed=typed))

    def forget(self, request: Request) -> Deferred[Fields]:
        """Give a name free."""
        peer_id = self._whose(request)
        return _decided(peer_id, lambda: self._trusting().forget(peer_id))

    def _trusting(self) -> Trusting:
        if self._node.trusting is None:
            raise _no_key()
        return self._node.trusting

    def _whose(self, request: Request) -> str:
        """The whole peer_id that a request about a key names."""
        try:
            peer_id = self._node.peers.called(request.peer_id)
            split_peer_id(peer_id)
        except (AmbiguousNameError, ValueError) as why:
            raise RequestError("bad_request", sentence_of(why)) from None
        return peer_id

    def _pin(self, request: Request) -> Pin:
        peer_id = self._whose(request)
        pin = self._trusting().known.pin_of(peer_id)
        if pin is None:
            raise _unknown(peer_id)
        return pin


def own_key(trusting: Trusting | None) -> Fields:
    """Our key and its fingerprint, both empty for a node that has none."""
    if trusting is None:
        return {"key": "", "fingerprint": ""}
    return {"key": key_text(trusting.own_key), "fingerprint": trusting.own_fingerprint}


def _next_key(trusting: Trusting) -> Fields:
    """The key that is to follow ours, and from when on; both empty while there is none."""
    following = trusting.next_key
    if following is None:
        return {"next": "", "next_from": ""}
    start = _moment(following.until) if following.until else ""
    return {"next": key_text(following.statement.new), "next_from": start}


def _decided(peer_id: str, decide: Callable[[], Decision]) -> Deferred[Fields]:
    try:
        decision = decide()
    except ValueError as why:
        raise RequestError("bad_request", sentence_of(why)) from None
    if decision.compared is Compared.UNKNOWN:
        raise _unknown(peer_id)
    if decision.compared is Compared.DIFFERENT:
        sentence = Sentence(
            "the known key of {peer} has another fingerprint: nothing is changed",
            peer=bracketed(peer_id),
        )
        raise RequestError("different_key", sentence)
    return decision.synced.addCallback(lambda why: {"peer_id": peer_id, "stored": not why})


def _no_key() -> RequestError:
    return RequestError("refused", Sentence("this node has no key, and encrypts nothing"))


def _not_paired(failure: Failure) -> NoReturn:
    failure.trap(NotPairedError)
    raise RequestError("not_paired", spoken(failure.value)) from None


def _unknown(peer_id: str) -> RequestError:
    sentence = Sentence("no key of {peer} is known", peer=bracketed(peer_id))
    return RequestError("unknown_key", sentence)


def _rows(known: KnownKeys, pins: Iterable[Pin]) -> Generator[None, None, list[_KeyRow]]:
    """What is known of these names."""
    rows: list[_KeyRow] = []
    for number, pin in enumerate(pins, 1):
        rows.append(_row(known, pin))
        if number % _ROWS_A_PIECE == 0:
            yield
    return rows


def _row(known: KnownKeys, pin: Pin) -> _KeyRow:
    refused, change = known.refused_under(pin.peer_id), pin.change
    return _KeyRow(
        pin.peer_id,
        "" if pin.key is None else key_text(pin.key),
        pin.fingerprint,
        None if pin.verified is None else _moment(pin.verified),
        pin.trusted,
        pin.settled,
        pin.fleeting,
        _moment(pin.since),
        _moment(pin.seen),
        pin.links,
        () if change is None else tuple(key_text(it) for it in (change.next, change.second) if it),
        tuple(_RefusedRow(key_text(old.key), old.fingerprint, _moment(old.at)) for old in refused),
    )


def _moment(when: float) -> str:
    """A time of the wall clock, in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when))

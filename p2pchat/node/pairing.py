"""Pairing over the links of one node: what the person asks for, and what comes of it.

    pairings.give("bob@CIC")             a code to show; the outcome is a notice
    pairings.take("bob@CIC", "384729")   fires when bob is verified, or fails with a sentence

Rules: the runs are those of `p2pchat.mesh.pairing`; here they get a link, and the pin is verified.
Whoever gave the code and whoever typed it are told only when it is on the disk. What a peer can
have computed waits for its share of a turn.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import NamedTuple

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from p2pchat.mesh.identity.key_text import fingerprint
from p2pchat.mesh.identity.known_keys import Compared
from p2pchat.mesh.link.seams import IPeerLink
from p2pchat.mesh.mesh import Mesh
from p2pchat.mesh.pairing.exchange import NotInstalledError, prepare
from p2pchat.mesh.pairing.pairing import Failed, Output, Paired, Pairing, Say, Step
from p2pchat.mesh.pairing.words import (
    NotPairedError,
    Why,
    cannot_pair,
    giver_failed,
    in_the_clear,
    not_linked,
    paired,
    taker_failed,
)
from p2pchat.mesh.peers import Peer
from p2pchat.node.observers import Observers
from p2pchat.node.trusting import Trusting
from p2pchat.speech import Sentence, sentence_of
from p2pchat.wire.codec import encode
from p2pchat.wire.messages import PAIR, Pair


class Given(NamedTuple):
    """A code to show, for one try."""

    digits: str
    seconds: float
    """For how long it is good from now on."""


class Pairings:
    """Of one node that has a key. Call `heard`, `closed`, and `sweep` several times a second."""

    def __init__(
        self,
        trusting: Trusting,
        mesh: Mesh,
        observers: Observers,
        clock: IReactorTime,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._trusting = trusting
        self._mesh = mesh
        self._observers = observers
        self._clock = clock
        self._runs = Pairing(random_bytes, mesh.context.new_id)
        self._waiting: dict[str, Deferred[str]] = {}
        """Run -> who has typed the code."""

    # ------------------------------------------------------------ what the person does

    def give(self, peer_id: str) -> Given:
        """The code to show for a peer that has a link; raises `NotPairedError`."""
        _, _, key, own = self._linked(peer_id)
        now = self._clock.seconds()
        code = self._runs.give(peer_id, key, own, now)
        return Given(code.digits, code.until - now)

    def take(self, peer_id: str, digits: str) -> Deferred[str]:
        """Compare a code that the peer has shown: six digits.

        Fires as `Decision.synced` when the peer is verified, within some seconds, or fails with a
        `NotPairedError`, which may be raised at once as well.
        """
        peer, link, key, own = self._linked(peer_id)
        message = self._runs.take(peer_id, key, own, digits, self._clock.seconds())
        outcome: Deferred[str] = Deferred()
        self._waiting[message.msg_id] = outcome
        if not _send(peer, link, message):
            self._do(peer, link, self._runs.gone(peer_id, key, own))
        return outcome

    def _linked(self, peer_id: str) -> tuple[Peer, IPeerLink, bytes, bytes]:
        """The link on which to pair, and both keys: the peer's and ours."""
        if peer_id == self._mesh.context.me.peer_id:
            raise NotPairedError(Sentence("that is yourself"))
        peer = self._mesh.peers.get(peer_id)
        if peer is None or all(link.leaving for link in peer.links):
            raise NotPairedError(not_linked(peer_id))
        link = peer.link_in_use
        if link.key is None or link.own_key is None:
            raise NotPairedError(in_the_clear(peer_id))
        if PAIR not in link.shared:
            raise NotPairedError(cannot_pair(peer_id, is_p2pchat=link.is_p2pchat))
        try:
            prepare()
        except NotInstalledError as why:
            raise NotPairedError(sentence_of(why)) from None
        return peer, link, link.key, link.own_key

    # ------------------------------------------------------------ what happens on links

    def heard(self, peer: Peer, link: IPeerLink, message: Pair) -> None:
        """A PAIR came."""
        if link.key is not None and link.own_key is not None:
            now = self._clock.seconds()
            step = self._runs.heard(peer.peer_id, link.key, link.own_key, message, now)
            if step is not None:
                self._mesh.turns.do(self._take_step(peer, link, step))

    def closed(self, peer: Peer, link: IPeerLink) -> None:
        """A link is gone."""
        if not self._runs.under_way or any(_has_keys_of(link, it) for it in peer.links):
            return
        if link.key is not None and link.own_key is not None:
            self._do(peer, link, self._runs.gone(peer.peer_id, link.key, link.own_key))

    @property
    def at_rest(self) -> bool:
        """Always: of ten seconds, one more is nothing."""
        return True

    def sweep(self, now: float) -> None:
        """End what is late."""
        self._do(None, None, self._runs.sweep(now))

    # ------------------------------------------------------------ what comes of it

    def _take_step(self, peer: Peer, link: IPeerLink, step: Step) -> Generator[None, None, None]:
        self._do(peer, link, step())
        yield

    def _do(self, peer: Peer | None, link: IPeerLink | None, outputs: Sequence[Output]) -> None:
        for output in outputs:
            match output:
                case Say():
                    if peer is not None and link is not None:
                        _send(peer, link, output.message)
                case Paired():
                    self._paired(output)
                case Failed():
                    self._failed(output)

    def _paired(self, run: Paired) -> None:
        decision = self._trusting.paired(run.peer_id, run.key)
        if decision.compared is not Compared.EQUAL:
            self._failed(Failed(run.run, run.peer_id, Why.CHANGED, run.gave))
        elif run.gave:
            sentence = paired(run.peer_id, fingerprint(run.key))
            decision.synced.addCallback(lambda why: self._tell(sentence, why))
        else:
            decision.synced.addCallback(self._waiting.pop(run.run).callback)

    def _failed(self, run: Failed) -> None:
        if run.gave:
            self._observers.notice(giver_failed(run.peer_id, run.why))
        else:
            why = NotPairedError(taker_failed(run.peer_id, run.why))
            self._waiting.pop(run.run).errback(why)

    def _tell(self, *sentences: str) -> None:
        for sentence in filter(None, sentences):
            self._observers.notice(sentence)


def _send(peer: Peer, link: IPeerLink, message: Pair) -> bool:
    """Send it on this link, or on another one with the same keys; whether one took it."""
    line = encode(message)
    others = [it for it in peer.links if it is not link and _has_keys_of(link, it)]
    return any(it.send(line) for it in (link, *others) if not it.leaving)


def _has_keys_of(one: IPeerLink, other: IPeerLink) -> bool:
    return (one.key, one.own_key) == (other.key, other.own_key)

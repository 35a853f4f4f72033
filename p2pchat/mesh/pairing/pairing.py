"""Pairing: two people compare a code of six digits, and so do their programs with both keys.

    alice  /pair bob           shows 384729, which she tells him
    bob    /pair alice 384729
    bob    PAIR step 1, pake          ->
                                     <-  PAIR step 2, pake, proof    alice: the code is used now
    bob    PAIR step 3, proof         ->                             both: verified
    bob    PAIR step 0, reason        ->                             or: both are told, nothing else

Rules: pure, no I/O; `now` is the node's clock. All steps have the msg_id of step 1, and count from
the name and with the keys of the link on which the run began. Nothing is computed for who has no
code of ours, and of whom we asked nothing. What is left is up to the peer for one step and
`STEP_WITHIN` seconds. What comes out is to be done in its order: see `Output`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple, TypeAlias

from msgspec import Struct

from p2pchat.mesh.pairing.codes import Code, Codes
from p2pchat.mesh.pairing.exchange import Exchange, same
from p2pchat.mesh.pairing.words import (
    NotPairedError,
    Why,
    failed_before,
    too_many_asked,
    under_way,
)
from p2pchat.wire.changes import is_usual
from p2pchat.wire.messages import Pair

STEP_WITHIN: Final = 10.0
"""Seconds that the other end has for its next step."""
MOST_ASKED: Final = 5
"""Codes of others that are looked at at one time."""


class Say(NamedTuple):
    """Send this to the peer, on the link where the step before came."""

    message: Pair


class Paired(NamedTuple):
    """The peer is who has this key: verify the pin, if it has the same key still."""

    run: str
    peer_id: str
    key: bytes
    gave: bool
    """Whether the code was ours."""


class Failed(NamedTuple):
    """It is not known who has the key; nothing is to be changed."""

    run: str
    peer_id: str
    why: Why
    gave: bool


Output: TypeAlias = Say | Paired | Failed
Step: TypeAlias = Callable[[], list[Output]]
"""The rest of a step: call it once, within a turn that has 10 ms to spare."""


class _Asked(Struct, frozen=True):
    """We have typed a code, and wait for step 2."""

    peer_id: str
    key: bytes
    own: bytes
    digits: str
    exchange: Exchange
    until: float


class _Answered(Struct, frozen=True):
    """Somebody has typed a code of ours, and we wait for step 3."""

    peer_id: str
    key: bytes
    own: bytes
    expected: str
    until: float


class Pairing:
    """The runs of one node. `new_id` gives a fresh message id.

    `key` is that of the peer on a link, and `own` ours on the same one: another key may have
    followed ours since it opened. Call `sweep` several times a second, and `gone` when a peer has
    no more link with both.
    """

    def __init__(self, random_bytes: Callable[[int], bytes], new_id: Callable[[], str]) -> None:
        self._random_bytes = random_bytes
        self._new_id = new_id
        self.codes = Codes(random_bytes)
        self._asked: dict[str, _Asked] = {}
        self._answered: dict[tuple[str, str], _Answered] = {}

    # ------------------------------------------------------------ what the person does

    def give(self, peer_id: str, key: bytes, own: bytes, now: float) -> Code:
        """The code to show for a peer whose link has these keys; raises `NotPairedError`."""
        return self.codes.give(peer_id, key, own, now)

    def take(self, peer_id: str, key: bytes, own: bytes, digits: str, now: float) -> Pair:
        """A code of this peer was typed: send what is returned, and expect an outcome of this run.

        Raises `NotPairedError`.
        """
        if any(asked.peer_id == peer_id for asked in self._asked.values()):
            raise NotPairedError(under_way(peer_id))
        if self.codes.has_failed(peer_id, digits):
            raise NotPairedError(failed_before(peer_id))
        if len(self._asked) >= MOST_ASKED:
            raise NotPairedError(too_many_asked(MOST_ASKED))
        exchange = Exchange(digits, gives=False, giver=key, taker=own, entropy=self._random_bytes)
        run = self._new_id()
        self._asked[run] = _Asked(peer_id, key, own, digits, exchange, now + STEP_WITHIN)
        return Pair(run, 1, pake=exchange.pake)

    @property
    def under_way(self) -> bool:
        """Whether some run waits for the other end."""
        return bool(self._asked or self._answered)

    # ------------------------------------------------------------ what comes

    def heard(self, peer_id: str, key: bytes, own: bytes, message: Pair, now: float) -> Step | None:
        """A PAIR came on a link with these keys; None for one that means nothing here.

        Nothing is computed before what is returned is called, and nothing of that can be had twice.
        """
        run = message.msg_id
        if not is_usual(run):
            return None
        if message.step == 1:
            return self._step_1(peer_id, key, own, message, now)
        asked = self._asked.get(run)
        if asked is not None and (asked.peer_id, asked.key, asked.own) == (peer_id, key, own):
            if message.step == 2:
                del self._asked[run]
                return partial(self._step_2, asked, message)
            if message.step == 0:
                del self._asked[run]
                return partial(self._stopped, asked, message)
        answered = self._answered.get((peer_id, run))
        if answered is None or (answered.key, answered.own) != (key, own):
            return None
        if message.step in (0, 3):
            del self._answered[peer_id, run]
            return partial(self._step_3, answered, message)
        return None

    def _step_1(
        self, peer_id: str, key: bytes, own: bytes, message: Pair, now: float
    ) -> Step | None:
        if (peer_id, message.msg_id) in self._answered:
            return None
        code = self.codes.take_out(peer_id, key, own, now)
        if code is None:
            why = self.codes.why_none(peer_id, now)
            return partial(_say_no, message.msg_id, why)
        return partial(self._answer, peer_id, code, message, now)

    def _answer(self, peer_id: str, code: Code, message: Pair, now: float) -> list[Output]:
        run = message.msg_id
        proofs = code.exchange.proofs(message.pake)
        if proofs is None:
            return [*_say_no(run, Why.FAILED), Failed(run, peer_id, Why.FAILED, gave=True)]
        until = now + STEP_WITHIN
        self._answered[peer_id, run] = _Answered(peer_id, code.key, code.own, proofs.taker, until)
        return [Say(Pair(run, 2, pake=code.exchange.pake, proof=proofs.giver))]

    def _step_2(self, asked: _Asked, message: Pair) -> list[Output]:
        run, peer_id = message.msg_id, asked.peer_id
        proofs = asked.exchange.proofs(message.pake)
        if proofs is None or not same(proofs.giver, message.proof):
            self.codes.failed(peer_id, asked.digits)
            return [*_say_no(run, Why.FAILED), Failed(run, peer_id, Why.FAILED, gave=False)]
        last = Pair(run, 3, proof=proofs.taker)
        return [Say(last), Paired(run, peer_id, asked.key, gave=False)]

    def _step_3(self, answered: _Answered, message: Pair) -> list[Output]:
        run, peer_id = message.msg_id, answered.peer_id
        if message.step == 3 and same(answered.expected, message.proof):
            return [Paired(run, peer_id, answered.key, gave=True)]
        return [Failed(run, peer_id, Why.FAILED, gave=True)]

    def _stopped(self, asked: _Asked, message: Pair) -> list[Output]:
        why = Why.said(message.reason)
        if why is Why.FAILED:
            self.codes.failed(asked.peer_id, asked.digits)
        return [Failed(message.msg_id, asked.peer_id, why, gave=False)]

    # ------------------------------------------------------------ what does not come

    def gone(self, peer_id: str, key: bytes, own: bytes) -> list[Output]:
        """The last link of a peer with both keys has ended; its codes stay."""
        return self._end(
            lambda run: (run.peer_id, run.key, run.own) == (peer_id, key, own), Why.LOST
        )

    def sweep(self, now: float) -> list[Output]:
        """End the runs whose next step is late, and the codes that are."""
        self.codes.sweep(now)
        return self._end(lambda run: now >= run.until, Why.SILENT)

    def _end(self, which: Callable[[_Asked | _Answered], bool], why: Why) -> list[Output]:
        outputs: list[Output] = []
        for run, asked in [*self._asked.items()]:
            if which(asked):
                del self._asked[run]
                outputs.append(Failed(run, asked.peer_id, why, gave=False))
        for place, answered in [*self._answered.items()]:
            if which(answered):
                del self._answered[place]
                outputs.append(Failed(place[1], answered.peer_id, why, gave=True))
        return outputs


def _say_no(run: str, why: Why) -> list[Output]:
    return [Say(Pair(run, 0, reason=why.value))]

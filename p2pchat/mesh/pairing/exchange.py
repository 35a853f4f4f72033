"""SPAKE2 of one code between two keys: what an end sends, and how it proves what it knows.

    giver = Exchange("384729", gives=True, giver=key_a, taker=key_b, entropy=os.urandom)
    taker = Exchange("384729", gives=False, giver=key_a, taker=key_b, entropy=os.urandom)
    giver.proofs(taker.pake) == taker.proofs(giver.pake)

Rules: no I/O. Both results are the same only if the code is, and both keys are: whoever sits
between has shown each end another key. What was sent lets nobody try codes: one run is one guess.
The package spake2 is not constant-time, so a code is used for one run. It is imported here alone,
and only for who has asked for a code, or typed one.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from hmac import compare_digest, digest
from typing import Final, NamedTuple

from p2pchat.mesh.identity.certificates import is_weak
from p2pchat.mesh.identity.key_text import key_text
from p2pchat.speech import Sentence

NOT_INSTALLED: Final = Sentence(
    "pairing needs the package spake2, which is not installed here: pip install spake2"
)
_PASSWORD: Final = b"p2pchat pair 1\n"
_GIVER: Final = b"p2pchat pair giver"
_TAKER: Final = b"p2pchat pair taker"
_PAKE: Final = re.compile("[A-Za-z0-9_-]{44}")
_PROOF: Final = re.compile("[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")


class NotInstalledError(Exception):
    """There is no spake2; its `Sentence` says what to do."""


class Proofs(NamedTuple):
    """What each end sends to show that its result is the same; as base64url, 43 characters."""

    giver: str
    taker: str


def prepare() -> None:
    """Import what is needed, which takes 25 ms the first time; raises `NotInstalledError`."""
    try:
        import spake2  # noqa: F401
    except ImportError:
        raise NotInstalledError(NOT_INSTALLED) from None


class Exchange:
    """One end of one run; `gives`: that of who has shown the code, else of who has typed it.

    `giver`, `taker`: the 32 bytes of each end's key, as TLS has proved them here. `entropy` gives
    so many random bytes. Making one takes 4 ms. Call `prepare` before the first.
    """

    def __init__(
        self, code: str, *, gives: bool, giver: bytes, taker: bytes, entropy: Callable[[int], bytes]
    ) -> None:
        from spake2 import SPAKE2_A, SPAKE2_B

        side = SPAKE2_A if gives else SPAKE2_B
        password = _PASSWORD + code.encode("ascii")
        self._spake = side(password, idA=giver, idB=taker, entropy_f=entropy)
        self.pake: str = urlsafe_b64encode(self._spake.start()).decode("ascii")
        """What to send: 44 characters."""

    def proofs(self, theirs: str) -> Proofs | None:
        """What both ends must prove, from what the other end has sent; None if that is none.

        Ask once: it takes 7 ms.
        """
        if not is_pake(theirs):
            return None
        data = urlsafe_b64decode(theirs)
        if is_weak(data[1:]):
            return None  # spake2 refuses the neutral element in one of its four encodings alone
        try:
            key: bytes = self._spake.finish(data)
        except Exception:  # spake2 has a kind for each bad element, and a bare one among them
            return None
        return Proofs(_proof(key, _GIVER), _proof(key, _TAKER))


def is_pake(text: str) -> bool:
    """Whether this can be what SPAKE2 sends."""
    return _PAKE.fullmatch(text) is not None


def is_proof(text: str) -> bool:
    """Whether this can be a proof."""
    return _PROOF.fullmatch(text) is not None


def same(one: str, other: str) -> bool:
    """Compare two proofs, in a time that tells nothing of where they differ."""
    return is_proof(one) and is_proof(other) and compare_digest(one, other)


def _proof(key: bytes, label: bytes) -> str:
    return key_text(digest(key, label, "sha256"))

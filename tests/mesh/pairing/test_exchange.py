"""SPAKE2 of a code between two keys: vectors for other programs, and every difference."""

from __future__ import annotations

import json
import os
import sys
from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.pairing.exchange import (
    NOT_INSTALLED,
    Exchange,
    NotInstalledError,
    Proofs,
    is_pake,
    is_proof,
    prepare,
    same,
)
from p2pchat.mesh.pairing.pairing import Pairing
from p2pchat.wire.messages import Pair

VECTORS: Final[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "vectors" / "security.json").read_text(encoding="utf-8")
)
ALICE: Final = b"a" * 32
BOB: Final = b"b" * 32
MALLORY: Final = b"m" * 32
CODE: Final = "384729"


def exchange(
    *,
    gives: bool,
    code: str = CODE,
    giver: bytes = ALICE,
    taker: bytes = BOB,
    entropy: Callable[[int], bytes] = os.urandom,
) -> Exchange:
    return Exchange(code, gives=gives, giver=giver, taker=taker, entropy=entropy)


def both(one: Exchange, other: Exchange) -> tuple[Proofs, Proofs]:
    mine, theirs = one.proofs(other.pake), other.proofs(one.pake)
    assert mine is not None
    assert theirs is not None
    return mine, theirs


class VectorTests(SynchronousTestCase):
    def test_with_fixed_entropy(self) -> None:
        for vector in VECTORS["pairing"]:
            keys = {name: bytes.fromhex(vector[name]) for name in ("giver", "taker")}
            ends = [
                exchange(gives=gives, code=vector["code"], entropy=entropy, **keys)
                for gives, entropy in (
                    (True, fixed(vector["giver_entropy"])),
                    (False, fixed(vector["taker_entropy"])),
                )
            ]
            self.assertEqual(
                [end.pake for end in ends], [vector["giver_pake"], vector["taker_pake"]]
            )
            for proofs in both(*ends):
                self.assertEqual(proofs, (vector["giver_proof"], vector["taker_proof"]))


def fixed(text: str) -> Callable[[int], bytes]:
    entropy = bytes.fromhex(text)

    def read(size: int) -> bytes:
        assert size == len(entropy)
        return entropy

    return read


class EqualTests(SynchronousTestCase):
    def test_both_prove_the_same_and_each_something_else(self) -> None:
        mine, theirs = both(exchange(gives=True), exchange(gives=False))
        self.assertEqual(mine, theirs)
        self.assertNotEqual(mine.giver, mine.taker)
        for proof in mine:
            self.assertTrue(is_proof(proof))
            self.assertTrue(same(proof, proof))

    def test_every_difference_shows(self) -> None:
        for other in (
            exchange(gives=False, code="384728"),
            exchange(gives=False, giver=MALLORY),
            exchange(gives=False, taker=MALLORY),
            exchange(gives=False, giver=BOB, taker=ALICE),
        ):
            mine, theirs = both(exchange(gives=True), other)
            self.assertNotEqual(mine.giver, theirs.giver)
            self.assertNotEqual(mine.taker, theirs.taker)

    def test_no_run_is_like_another(self) -> None:
        self.assertNotEqual(exchange(gives=True).pake, exchange(gives=True).pake)
        one, other = (both(exchange(gives=True), exchange(gives=False))[0] for _ in range(2))
        self.assertNotEqual(one, other)


class HostileTests(SynchronousTestCase):
    def test_a_reflection_proves_nothing(self) -> None:
        one = exchange(gives=True)
        self.assertIsNone(one.proofs(one.pake))
        self.assertIsNone(exchange(gives=True).proofs(exchange(gives=True).pake))

    def test_elements_of_small_order_are_refused(self) -> None:
        """With one of these the result would be known without the code."""
        for text in VECTORS["weak_keys"]:
            for gives, side in ((True, b"B"), (False, b"A")):
                pake = urlsafe_b64encode(side + bytes.fromhex(text)).decode("ascii")
                self.assertIsNone(exchange(gives=gives).proofs(pake), text)

    def test_what_is_no_pake(self) -> None:
        good = exchange(gives=False).pake
        for text in (
            "",
            good[:-1],
            good + "A",
            good[:-1] + "=",
            good[:-1] + "\n",
            "é" * 44,
            "\x00" * 44,
        ):
            self.assertFalse(is_pake(text))
            self.assertIsNone(exchange(gives=True).proofs(text))

    @given(st.binary(min_size=33, max_size=33))
    @settings(max_examples=15, deadline=None)
    def test_any_bytes_raise_nothing(self, data: bytes) -> None:
        for start in (data[:1], b"B"):
            exchange(gives=True).proofs(urlsafe_b64encode(start + data[1:]).decode("ascii"))

    @given(st.text(max_size=60), st.text(max_size=60), st.integers(), st.text(max_size=10))
    @settings(max_examples=100, deadline=None)
    def test_any_line_raises_nothing(self, pake: str, proof: str, step: int, run: str) -> None:
        """At who has shown a code, and has typed one."""
        node = Pairing(os.urandom, lambda: "r1")
        with patch.object(Exchange, "__init__", lambda it, *_, **__: setattr(it, "pake", "")):
            node.give("bob@CIC", BOB, ALICE, 0.0)
            node.take("bob@CIC", BOB, ALICE, CODE, 0.0)
        for msg_id, number in ((run, step), ("r1", step % 4), ("r2", step % 4)):
            heard = node.heard("bob@CIC", BOB, ALICE, Pair(msg_id, number, pake, proof, run), 1.0)
            if heard is not None:
                heard()

    def test_no_proof_is_the_same_as_none(self) -> None:
        proof = both(exchange(gives=True), exchange(gives=False))[0].giver
        for text in ("", proof[:-1], proof + "A", "é" * 43, "=" * 43, proof.swapcase()):
            self.assertFalse(same(proof, text))
            self.assertFalse(same(text, proof))
        self.assertFalse(same("", ""))


class ImportTests(SynchronousTestCase):
    def test_it_says_what_to_install(self) -> None:
        with patch.dict(sys.modules, {"spake2": None}):
            self.assertRaises(NotInstalledError, prepare)
        prepare()
        self.assertIn("pip install spake2", str(NOT_INSTALLED))

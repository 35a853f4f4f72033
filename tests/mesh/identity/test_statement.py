"""Statements that one key follows another: vectors, and what is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.identity.key_text import fingerprint, key_text
from p2pchat.mesh.identity.pin import Change, Pin
from p2pchat.mesh.identity.statement import (
    MOST,
    Statement,
    as_message,
    is_sound,
    make,
    next_count,
    read,
    to_sign,
)
from p2pchat.mesh.identity.trust import (
    AlertKind,
    Policy,
    Stated,
    Verdict,
    another_key,
    may_show_ourselves,
    may_stay,
    states,
    vouch,
)
from p2pchat.wire.codec import decode, encode
from p2pchat.wire.messages import KeyChange
from tests.support.seals import ALICE, BOB, keys_from

VECTORS: Final = json.loads(
    (Path(__file__).parents[2] / "vectors" / "security.json").read_text(encoding="utf-8")
)["statements"]
OLD, NEW = keys_from(ALICE).own, keys_from(BOB).own
OTHER = bytes(range(1, 33))
SOUND = make(OLD, ALICE, NEW, BOB, 5, "bob@CIC")


class VectorTests(SynchronousTestCase):
    def test_each(self) -> None:
        for each in VECTORS:
            old_seed, new_seed = (bytes.fromhex(each[it]) for it in ("old_seed", "new_seed"))
            old, new = keys_from(old_seed).own, keys_from(new_seed).own
            count, peer_id = each["count"], each["peer_id"]
            self.assertEqual(to_sign(old, new, count, peer_id).hex(), each["to_sign"])
            made = make(old, old_seed, new, new_seed, count, peer_id)
            message = as_message(made, "x")
            self.assertEqual(encode(message).decode().rstrip(), each["line"])
            again = decode(each["line"].encode())
            assert isinstance(again, KeyChange)
            self.assertEqual(read(again), made)
            self.assertTrue(is_sound(made, peer_id))
            self.assertFalse(is_sound(made, peer_id + "x"))

    def test_the_line_is_the_same_for_ever(self) -> None:
        """`line` is of this program; no other has the words that it begins with."""
        text = to_sign(OLD, NEW, 5, "bob@CIC")
        self.assertTrue(text.startswith(b"p2pchat rotate 1\n"))
        self.assertFalse(text.startswith(b" " * 64))  # as what TLS signs

    def test_each_bit_counts(self) -> None:
        for field in ("old", "new", "by_old", "by_new"):
            value = getattr(SOUND, field)
            for at in range(0, 8 * len(value), 37):
                wrong = bytearray(value)
                wrong[at // 8] ^= 1 << at % 8
                bent = msgspec.structs.replace(SOUND, **{field: bytes(wrong)})
                self.assertFalse(is_sound(bent, "bob@CIC"), (field, at))
        self.assertFalse(is_sound(msgspec.structs.replace(SOUND, count=6), "bob@CIC"))
        swapped = Statement(SOUND.old, SOUND.new, 5, SOUND.by_new, SOUND.by_old)
        self.assertFalse(is_sound(swapped, "bob@CIC"))

    def test_odd_fields_are_no_statement(self) -> None:
        good = as_message(SOUND, "x")
        for field, value in (
            ("old", ""),
            ("old", key_text(OLD) + "="),
            ("new", "é" * 43),
            ("new", "A" * 10_000),
            ("count", 0),
            ("count", -1),
            ("count", MOST + 1),
            ("by_old", ""),
            ("by_old", "A" * 85 + "B"),
            ("by_new", "A" * 87),
        ):
            with self.assertRaises(ValueError):
                read(msgspec.structs.replace(good, **{field: value}))

    @given(st.integers(0, MOST), st.floats(-1e12, 1e12))
    def test_counts_grow(self, last: int, wall: float) -> None:
        count = next_count(last, wall)
        self.assertTrue(last < count <= MOST or count == MOST)


class Link(NamedTuple):
    key: bytes | None
    ip: str = "10.0.0.2"
    heard_at: float = 0.0
    waits_for_us: bool = False


def pin_with(**change: object) -> Pin:
    known = Change(**change) if change else None  # type: ignore[arg-type]
    return Pin("bob@CIC", fingerprint(OLD), OLD, since=1.0, seen=1.0, change=known)


class TableTests(SynchronousTestCase):
    def test_every_cell(self) -> None:
        for known, count, new, what in (
            ({}, 1, NEW, Stated.NEXT),
            ({"count": 4}, 5, NEW, Stated.NEXT),
            ({"count": 5}, 5, NEW, Stated.NOTHING),
            ({"count": 6}, 5, NEW, Stated.NOTHING),
            ({"next": NEW, "count": 5}, 5, NEW, Stated.NOTHING),
            ({"next": NEW, "count": 5}, 6, NEW, Stated.NOTHING),
            ({"next": NEW, "count": 5}, 6, OTHER, Stated.DISPUTE),
            ({"next": NEW, "count": 5}, 5, OTHER, Stated.DISPUTE),
            ({"next": NEW, "count": 5}, 1, OTHER, Stated.DISPUTE),
            ({"next": NEW, "second": OTHER, "count": 5}, 9, NEW, Stated.NOTHING),
            ({"next": NEW, "second": OTHER, "count": 5}, 9, OTHER, Stated.NOTHING),
            ({"next": NEW, "second": OTHER, "count": 5}, 9, bytes(range(32)), Stated.NOTHING),
            ({"former": NEW, "count": 4}, 5, NEW, Stated.NEXT),
        ):
            stated = Statement(OLD, new, count, b"", b"")
            self.assertIs(states(pin_with(**known), OLD, stated), what, (known, count))

    def test_what_says_nothing_here(self) -> None:
        good = Statement(OLD, NEW, 5, b"", b"")
        fleeting = pin_with()
        fleeting.fleeting = True
        unmet = Pin("bob@CIC", fingerprint(OLD), None, since=1.0, seen=1.0)
        for pin, key, stated in (
            (None, OLD, good),
            (fleeting, OLD, good),
            (unmet, OLD, good),
            (pin_with(), NEW, good),
            (pin_with(), OLD, Statement(NEW, OLD, 5, b"", b"")),
            (pin_with(), OLD, Statement(OLD, OLD, 5, b"", b"")),
            (pin_with(), OLD, Statement(OLD, bytes(32), 5, b"", b"")),
            (pin_with(), OLD, Statement(OLD, b"\x01" + bytes(31), 5, b"", b"")),
        ):
            self.assertIs(states(pin, key, stated), Stated.NOTHING)

    def test_the_key_that_is_to_follow_counts_as_the_pinned_one(self) -> None:
        for pin, key, taken in (
            (pin_with(next=NEW), NEW, True),
            (pin_with(next=NEW), OLD, True),
            (pin_with(next=NEW), OTHER, False),
            (pin_with(next=NEW, second=OTHER), NEW, False),
            (pin_with(next=NEW, second=OTHER), OTHER, False),
            (pin_with(next=NEW, second=OTHER), OLD, True),
            (pin_with(former=NEW, moved=5.0), NEW, False),
        ):
            other = Verdict(
                False, another_key("bob@CIC"), AlertKind.OTHER_KEY, refuse_key=True, contested=True
            )
            for policy in (Policy.PREFER, Policy.REQUIRE):
                verdict = vouch(policy, pin, "bob@CIC", key, "10.0.0.2", (), 0.0)
                self.assertEqual(verdict, Verdict(True) if taken else other)
            self.assertIs(may_show_ourselves(pin, key), taken)
        for pin, key, before in ((pin_with(next=NEW), NEW, OLD), (pin_with(former=NEW), OLD, NEW)):
            links = (Link(before), Link(None))
            for some in (links, links[:1], links[1:]):
                verdict = vouch(Policy.PREFER, pin, "bob@CIC", key, "10.0.0.2", some, 0.0)
                self.assertEqual(verdict, Verdict(True, end=True))
            verdict = vouch(Policy.PREFER, pin, "bob@CIC", key, "10.0.0.2", (Link(key),), 0.0)
            self.assertEqual(verdict, Verdict(True))
        self.assertTrue(may_stay(Policy.PREFER, pin_with(next=NEW), OLD))
        self.assertFalse(may_stay(Policy.PREFER, pin_with(former=NEW), NEW))

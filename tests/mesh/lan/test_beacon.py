"""The beacon on the wire: what is sent, and what anybody may send."""

from __future__ import annotations

import json

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.discovery.lan.beacon import MAX_BYTES, Beacon, decode, encode

INSTANCE = "9f86d081884c7d65"
GOOD = {"p2pchat": 1, "id": "ana@CIC", "port": 4000, "instance": INSTANCE, "n": 17}


def datagram(**fields: object) -> bytes:
    return json.dumps({**GOOD, **fields}).encode()


class BeaconTests(SynchronousTestCase):
    def test_as_it_is_written(self) -> None:
        self.assertEqual(
            encode(Beacon("ana@CIC", INSTANCE, 4000, 17)),
            b'{"p2pchat":1,"id":"ana@CIC","instance":"9f86d081884c7d65","port":4000,"n":17}',
        )
        self.assertEqual(
            encode(Beacon("ana@CIC", INSTANCE, bye=True)),
            b'{"p2pchat":1,"id":"ana@CIC","instance":"9f86d081884c7d65","bye":true}',
        )

    @given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=64), st.integers(1024, 65535))
    @example("é" * 64, 4000)
    def test_there_and_back(self, name: str, port: int) -> None:
        beacon = Beacon(f"{name}@CIC", INSTANCE, port)
        try:
            there = encode(beacon)
        except ValueError:
            return
        self.assertLessEqual(len(there), MAX_BYTES)
        self.assertIn(decode(there), (beacon, None))
        if name.isprintable():
            self.assertEqual(decode(there), beacon)

    def test_the_longest_name_in_another_alphabet_fits(self) -> None:
        encode(Beacon("ш" * 64 + "@" + "ш" * 64, INSTANCE, 65535, 10**9))

    def test_a_name_that_is_too_long_is_said_to_be(self) -> None:
        with self.assertRaisesRegex(ValueError, "too long a name"):
            encode(Beacon("\U0001f600" * 64 + "@" + "\U0001f600" * 64, INSTANCE, 4000))

    def test_what_is_no_beacon(self) -> None:
        for wrong in (
            b"",
            b"\xff" * 20,
            b"[" * 400,
            b"null",
            datagram(p2pchat=2),
            datagram(p2pchat="1"),
            datagram(id="ana"),
            datagram(id=7),
            datagram(id="a\nb@CIC"),
            datagram(id="a" * 65 + "@CIC"),
            datagram(port=0),
            datagram(port=80),
            datagram(port=65536),
            datagram(port=4000.5),
            datagram(port=10**30),
            datagram(instance="9F86D081884C7D65"),
            datagram(instance=INSTANCE[1:]),
            datagram(instance=INSTANCE + "\n"),
            datagram(bye="true"),
            datagram(more="x" * MAX_BYTES),
        ):
            self.assertIsNone(decode(wrong), wrong)

    def test_what_is_added_later_does_not_matter(self) -> None:
        self.assertEqual(decode(datagram(key=["x"])), Beacon("ana@CIC", INSTANCE, 4000, 17))

    @given(st.binary(max_size=600))
    def test_anything_at_all(self, noise: bytes) -> None:
        decode(noise)

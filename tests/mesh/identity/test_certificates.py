"""The one form of a certificate, the texts of a key, and the vectors for other programs."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.mesh.identity.certificates import (
    ANYONE,
    ANYONE_SEED,
    SIZE,
    certificate,
    is_weak,
    key_of,
    to_sign,
)
from p2pchat.mesh.identity.key_making import pem_of, seed_in
from p2pchat.mesh.identity.key_text import fingerprint, key_text, read_fingerprint, read_key
from p2pchat.mesh.identity.keys import certificate_in

VECTORS: Final[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "vectors" / "security.json").read_text(encoding="utf-8")
)
PRIME: Final = 2**255 - 19


def made(seed: bytes) -> bytes:
    return certificate_in(pem_of(seed))


class VectorTests(SynchronousTestCase):
    def test_anyone(self) -> None:
        anyone = VECTORS["anyone"]
        self.assertEqual(ANYONE_SEED, sha256(anyone["from"].encode()).digest())
        self.assertEqual(ANYONE_SEED.hex(), anyone["seed"])
        self.assertEqual(ANYONE.hex(), anyone["certificate"])
        private = Ed25519PrivateKey.from_private_bytes(ANYONE_SEED)
        public = private.public_key()
        self.assertEqual(
            public.public_bytes(Encoding.Raw, PublicFormat.Raw).hex(), anyone["public"]
        )
        # Its own signature, of what it signs: a header of 4 bytes, and 74 behind.
        public.verify(ANYONE[-64:], ANYONE[4:-74])

    def test_the_form(self) -> None:
        form = VECTORS["form"]
        before, between = bytes.fromhex(form["before"]), bytes.fromhex(form["between"])
        key, signature = b"k" * 32, b"s" * 64
        self.assertEqual(certificate(key, signature), before + key + between + signature)
        self.assertEqual(SIZE, form["size"])

    def test_keys(self) -> None:
        for each in VECTORS["keys"]:
            seed, public = bytes.fromhex(each["seed"]), bytes.fromhex(each["public"])
            der = made(seed)
            self.assertEqual(sha256(der).hexdigest(), each["certificate_sha256"])
            self.assertEqual(der.hex(), each["certificate"])
            self.assertEqual(key_of(der), public)
            self.assertEqual(key_text(public), each["text"])
            self.assertEqual(read_key(each["text"]), public)
            self.assertEqual(fingerprint(public), each["fingerprint"])
            private = Ed25519PrivateKey.from_private_bytes(seed)
            pkcs8 = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
            self.assertEqual(pkcs8.hex(), each["pkcs8"])
            anyone = Ed25519PrivateKey.from_private_bytes(ANYONE_SEED).public_key()
            anyone.verify(der[-64:], to_sign(public))

    def test_fingerprints(self) -> None:
        for each in VECTORS["fingerprints"]:
            self.assertEqual(fingerprint(bytes.fromhex(each["key"])), each["fingerprint"])

    def test_spellings(self) -> None:
        for each in VECTORS["spellings"]:
            self.assertEqual(read_fingerprint(each["typed"]), each["read"])
        for text in VECTORS["no_fingerprints"]:
            self.assertRaises(ValueError, read_fingerprint, text)

    def test_refused_certificates(self) -> None:
        for each in VECTORS["refused"]:
            self.assertIsNone(key_of(bytes.fromhex(each["certificate"])), each["why"])


class CertificateTests(SynchronousTestCase):
    def test_every_byte_of_the_form_counts(self) -> None:
        der = made(b"a" * 32)
        key_at = der.index(key_of(der) or b"?")
        free = {*range(key_at, key_at + 32), *range(SIZE - 64, SIZE)}
        for at in range(SIZE):
            changed = bytearray(der)
            changed[at] ^= 1
            self.assertEqual(key_of(bytes(changed)) is not None, at in free, at)

    @given(st.binary(max_size=300))
    @example(b"")
    def test_any_bytes_are_none(self, data: bytes) -> None:
        self.assertIsNone(key_of(data))
        self.assertIsNone(key_of(made(b"a" * 32) + data[:1] + b"x"))
        self.assertIsNone(key_of(made(b"a" * 32)[:-1]))

    def test_keys_for_which_anybody_can_sign(self) -> None:
        """All encodings of the 8 points of small order, found by the curve's equation."""
        d = -121665 * pow(121666, -1, PRIME) % PRIME

        def on_curve(y: int) -> list[tuple[int, int]]:
            square = (y * y - 1) * pow(d * y * y + 1, -1, PRIME) % PRIME
            return [(x, y) for x in roots(square)]

        def add(p: tuple[int, int], q: tuple[int, int]) -> tuple[int, int]:
            (a, b), (e, f) = p, q
            product = d * a * e * b * f % PRIME
            return (
                (a * f + e * b) * pow(1 + product, -1, PRIME) % PRIME,
                (b * f + a * e) * pow(1 - product, -1, PRIME) % PRIME,
            )

        small = set()
        for key in VECTORS["weak_keys"]:
            number = int.from_bytes(bytes.fromhex(key), "little") & (1 << 255) - 1
            for point in on_curve(number % PRIME):
                eight = point
                for _ in range(3):
                    eight = add(eight, eight)
                self.assertEqual(eight, (0, 1))
                small.add(point)
        self.assertEqual((len(small), len(VECTORS["weak_keys"])), (8, 14))
        for key in VECTORS["weak_keys"]:
            self.assertTrue(is_weak(bytes.fromhex(key)))
            self.assertIsNone(key_of(certificate(bytes.fromhex(key), b"s" * 64)))

    def test_a_sound_key_is_not_weak(self) -> None:
        for n in range(50):
            self.assertIsNotNone(key_of(made(bytes([n]) * 32)))


class TextTests(SynchronousTestCase):
    @given(st.binary(min_size=32, max_size=32))
    def test_what_is_written_is_read(self, key: bytes) -> None:
        self.assertEqual(read_key(key_text(key)), key)
        text = fingerprint(key)
        self.assertEqual(read_fingerprint(text), text)
        self.assertEqual(read_fingerprint(text.lower().replace("-", " ")), text)

    @given(st.text(max_size=50))
    @example("A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbh")  # bits that no byte has
    @example("A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMb=")
    @example("A6EHv+POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg")
    @example("Y3YW-Z254-ZYFB-5S3U")
    @example("ßßßßßßßß")  # as long as a fingerprint in capitals
    def test_what_is_no_key_is_refused(self, text: str) -> None:
        self.assertRaises(ValueError, read_key, text)
        if len(text.replace("-", "").replace(" ", "")) != 16 or not text.isascii():
            self.assertRaises(ValueError, read_fingerprint, text)

    @given(st.binary(min_size=32, max_size=32), st.binary(max_size=100))
    def test_a_private_key_is_its_seed(self, seed: bytes, passphrase: bytes) -> None:
        if len(passphrase) < 5:
            self.assertEqual(seed_in(pem_of(seed)), seed)


def roots(square: int) -> set[int]:
    """The square roots of a number modulo the prime."""
    root = pow(square, (PRIME + 3) // 8, PRIME)
    if root * root % PRIME != square % PRIME:
        root = root * pow(2, (PRIME - 1) // 4, PRIME) % PRIME
    return {root, -root % PRIME} if root * root % PRIME == square % PRIME else set()

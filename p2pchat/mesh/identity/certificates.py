"""The one form of a certificate, and the key that is all it says.

Rules: nothing is parsed. A certificate is a fixed form of 272 bytes with two holes, one for the key
and one for a signature; what has any other form is refused. The identity is the 32 bytes of the
key, an Ed25519 public key.

`ssl` cannot ask a client for a certificate without verifying it, so all certificates are signed by
an authority whose private key everybody knows: "anyone". Its signature proves nothing, and need
not. TLS itself proves that the other end has the private key of its certificate. The authority is
trusted in the two contexts of `sealing`, and nowhere else.
"""

from __future__ import annotations

from typing import Final

ANYONE_SEED: Final = bytes.fromhex(
    "7ecd27ac1ad74f0c58b834a5e9a41179447b1616e7266671a83138d239a81562"
)
"""The private key of the authority: SHA-256("p2pchat: this key is public and proves nothing")."""

ANYONE: Final = bytes.fromhex(
    "308201273081daa003020102020101300506032b657030193117301506035504030c0e703270636861742061"
    "6e796f6e653020170d3730303130313030303030305a180f39393939313233313233353935395a3019311730"
    "1506035504030c0e7032706368617420616e796f6e65302a300506032b65700321000f63b330abb61786ecb6"
    "bb619eb1ec1dc5b3f28b15c14516225fb2d6baa96609a345304330120603551d130101ff040830060101ff02"
    "0100300e0603551d0f0101ff040403020204301d0603551d0e04160414631841a10e2272fed282077957b12c"
    "9d9995d4f3300506032b657003410047a5df073ce56775d0de39e4c1da7a102fb66241494894e947d51b0806"
    "ce6ca5f9b40a6854d441d43e1992de13fffd6f3d901fe2715b3a6fa87af02d96fe8902"
)
"""The certificate of the authority (DER)."""

_BEFORE: Final = bytes.fromhex(
    "3082010c3081bfa003020102020101300506032b657030193117301506035504030c0e703270636861742061"
    "6e796f6e653020170d3730303130313030303030305a180f39393939313233313233353935395a3012311030"
    "0e06035504030c0770327063686174302a300506032b6570032100"
)
_BETWEEN: Final = bytes.fromhex(
    "a331302f300c0603551d130101ff04023000301f0603551d23041830168014631841a10e2272fed282077957"
    "b12c9d9995d4f3300506032b6570034100"
)
_KEY: Final = 32
_SIGNATURE: Final = 64
_KEY_AT: Final = len(_BEFORE)
_BETWEEN_AT: Final = _KEY_AT + _KEY
_SIGNATURE_AT: Final = _BETWEEN_AT + len(_BETWEEN)
_SIGNED_FROM: Final = 4
"""The header of the whole, before the part that is signed (a header and what it announces)."""
SIZE: Final = _SIGNATURE_AT + _SIGNATURE
"""Bytes of a certificate."""

_SMALL_ORDER: Final = frozenset(
    bytes.fromhex(point)
    for point in (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    )
)
"""The points of small order, each without its sign bit: anybody can sign for such a key."""


def key_of(der: bytes) -> bytes | None:
    """The key in a certificate (DER), 32 bytes.

    None when the certificate has another form, or a key for which anybody can sign.
    """
    if (
        len(der) != SIZE
        or not der.startswith(_BEFORE)
        or der[_BETWEEN_AT:_SIGNATURE_AT] != _BETWEEN
    ):
        return None
    key = bytes(der[_KEY_AT:_BETWEEN_AT])
    return None if is_weak(key) else key


def is_weak(key: bytes) -> bool:
    """Whether anybody can sign for this key: a point of small order, in any encoding."""
    return key[:-1] + bytes([key[-1] & 0x7F]) in _SMALL_ORDER


def to_sign(key: bytes) -> bytes:
    """What the authority signs in the certificate of `key` (32 bytes)."""
    return _BEFORE[_SIGNED_FROM:] + key + _BETWEEN[: -len(_ALGORITHM_AND_LENGTH)]


_ALGORITHM_AND_LENGTH: Final = bytes.fromhex("300506032b6570034100")
"""What stands between the signed part and the signature."""


def certificate(key: bytes, signature: bytes) -> bytes:
    """The certificate (DER) of `key`, 32 bytes, with the signature of `to_sign(key)`, 64 bytes."""
    return _BEFORE + key + _BETWEEN + signature

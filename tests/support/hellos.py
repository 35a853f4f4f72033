"""ClientHellos and ServerHellos that are put together by hand (RFC 8446, 4.1)."""

from __future__ import annotations

from typing import Final

GROUPS: Final = {
    "P-256": (0x0017, 65),
    "P-384": (0x0018, 97),
    "P-521": (0x0019, 133),
    "X448": (0x001E, 56),
    "ffdhe2048": (0x0100, 256),
    "ffdhe8192": (0x0104, 1024),
}
"""Group -> its number, and the bytes of a key share."""

P256_POINT: Final = bytes.fromhex(
    "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
)
"""A share that is a point of the curve: its generator."""
_RETRY: Final = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
"""The random of a ServerHello that asks for another hello."""


def client_hello(group: str, share: bytes = b"", more: bytes = b"") -> bytes:
    """A hello that offers this group alone, with a key share for it, and `more` extensions."""
    number, size = GROUPS[group]
    share = share or b"\x02" * size
    extensions = b"".join(
        (
            _extension(43, _short(bytes.fromhex("0304"))),  # TLS 1.3 alone
            _extension(10, _long(number.to_bytes(2))),
            _extension(13, _long(bytes.fromhex("08070804040305030603"))),
            _extension(16, _long(_short(b"p2pchat/1"))),
            _extension(51, _long(number.to_bytes(2) + _long(share))),
            more,
        )
    )
    body = bytes.fromhex("0303") + b"r" * 32 + _short(b"s" * 32)
    body += _long(bytes.fromhex("1302")) + _short(b"\0") + _long(extensions)
    return _record(1, body)


def hello_retry(hello: bytes, group: str) -> bytes:
    """The answer to a client's hello that asks for this group instead."""
    session = hello[44 : 44 + hello[43]]
    extensions = _extension(43, bytes.fromhex("0304"))
    extensions += _extension(51, GROUPS[group][0].to_bytes(2))
    body = bytes.fromhex("0303") + _RETRY + _short(session) + bytes.fromhex("130200")
    return _record(2, body + _long(extensions))


def early_data() -> bytes:
    """The extensions of who would resume: early data, the modes, an unknown ticket."""
    offer = _long(_long(b"t" * 32) + bytes(4)) + _long(_short(b"b" * 48))
    return _extension(42, b"") + _extension(45, _short(b"\1")) + _extension(41, offer)


def _record(kind: int, body: bytes) -> bytes:
    message = bytes([kind]) + len(body).to_bytes(3) + body
    return bytes.fromhex("160301") + _long(message)


def _extension(kind: int, body: bytes) -> bytes:
    return kind.to_bytes(2) + _long(body)


def _short(body: bytes) -> bytes:
    return bytes([len(body)]) + body


def _long(body: bytes) -> bytes:
    return len(body).to_bytes(2) + body

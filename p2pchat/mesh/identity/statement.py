"""A statement that one key follows another: what is signed, and what it looks like on the wire.

    {"type":"KEY","old":"<key>","new":"<key>","count":1796000000,"by_old":"…","by_new":"…"}

Rules: both keys sign, so nobody can name a key that is not its own. What is signed says for which
name it is, and begins with words that begin nothing else: no signature of TLS is one of these, and
none of these is one of TLS. `count` grows with each statement of a name. It is the time, unless
that would not grow: so it grows although the file that had the last one is lost.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

from msgspec import Struct

from p2pchat.mesh.identity.key_making import has_signed, sign
from p2pchat.mesh.identity.key_text import key_text, read_key
from p2pchat.wire.messages import KeyChange

_PREFIX: Final = b"p2pchat rotate 1\n"
MOST: Final = 2**63 - 1
"""The largest `count`."""
_SIGNATURE_TEXT: Final = re.compile("[A-Za-z0-9_-]{85}[AQgw]")
"""64 bytes in base64url without padding."""


class Statement(Struct, frozen=True):
    """That `new` follows `old`, 32 bytes each; signed by both, 64 bytes each."""

    old: bytes
    new: bytes
    count: int
    by_old: bytes
    by_new: bytes


def to_sign(old: bytes, new: bytes, count: int, peer_id: str) -> bytes:
    """What both keys sign."""
    name = peer_id.encode("utf-8", "surrogatepass")
    return b"".join(
        (_PREFIX, old, new, count.to_bytes(8, "big"), len(name).to_bytes(2, "big"), name)
    )


def make(
    old: bytes, old_seed: bytes, new: bytes, new_seed: bytes, count: int, peer_id: str
) -> Statement:
    """The statement of who has both seeds; raises `NoCryptography`."""
    text = to_sign(old, new, count, peer_id)
    return Statement(old, new, count, sign(old_seed, text), sign(new_seed, text))


def next_count(last: int, wall: float) -> int:
    """The count of the next statement; `last`: that of the one before, 0 if it is not known."""
    return min(max(last + 1, int(wall), 1), MOST)


def is_sound(statement: Statement, peer_id: str) -> bool:
    """Whether both keys have signed it for this name."""
    text = to_sign(statement.old, statement.new, statement.count, peer_id)
    return has_signed(statement.old, statement.by_old, text) and has_signed(
        statement.new, statement.by_new, text
    )


def as_message(statement: Statement, msg_id: str) -> KeyChange:
    """The statement as it is sent."""
    by_old, by_new = map(_signature_text, (statement.by_old, statement.by_new))
    old, new = key_text(statement.old), key_text(statement.new)
    return KeyChange(msg_id, old, new, statement.count, by_old, by_new)


def read(message: KeyChange) -> Statement:
    """What a message states; raises `ValueError` unless each field is as `as_message` writes it."""
    if not 0 < message.count <= MOST:
        raise ValueError("no count")
    return Statement(
        read_key(message.old),
        read_key(message.new),
        message.count,
        _read_signature(message.by_old),
        _read_signature(message.by_new),
    )


def _signature_text(signature: bytes) -> str:
    return urlsafe_b64encode(signature).rstrip(b"=").decode("ascii")


def _read_signature(text: str) -> bytes:
    if _SIGNATURE_TEXT.fullmatch(text) is None:
        raise ValueError("a signature has 86 characters: letters, digits, - and _")
    return urlsafe_b64decode(text + "==")

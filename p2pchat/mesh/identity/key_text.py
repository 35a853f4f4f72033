"""How a key is written: whole for files and programs, short for people.

Rules: pure. A key is 32 bytes. Its text is base64url without padding, 43 characters. Its
fingerprint is 80 bits of its hash in Crockford's base 32, as XXXX-XXXX-XXXX-XXXX. A fingerprint is
shown and read whole or not at all, because a key with a given beginning is quickly found.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import Final

from p2pchat.speech import Sentence

_PREFIX: Final = b"p2pchat key 1\n"
_DIGITS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_READ_AS: Final = str.maketrans("OIL", "011")
_LETTERS: Final = 16
_EXAMPLE: Final = "Y3YW-Z254-ZYFB-5S3W"
_BITS: Final = 5 * _LETTERS
_KEY_TEXT: Final = re.compile("[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")
"""43 times 6 bits, of which the last two belong to nothing and are 0."""


def key_text(key: bytes) -> str:
    """The text of a key: 43 characters."""
    return urlsafe_b64encode(key).rstrip(b"=").decode("ascii")


def read_key(text: str) -> bytes:
    """The key with this text; raises `ValueError` unless it is exactly what `key_text` writes."""
    check_key(text)
    return urlsafe_b64decode(text + "=")


def check_key(text: str) -> None:
    """Raise `ValueError` unless this is what `key_text` writes for some key."""
    if _KEY_TEXT.fullmatch(text) is None:
        raise ValueError("a key has 43 characters: letters, digits, - and _")


def fingerprint(key: bytes) -> str:
    """What people compare: XXXX-XXXX-XXXX-XXXX."""
    number = int.from_bytes(sha256(_PREFIX + key).digest()[: _BITS // 8])
    letters = "".join(_DIGITS[number >> shift & 31] for shift in range(_BITS - 5, -1, -5))
    return _in_groups(letters)


def read_fingerprint(text: str) -> str:
    """A fingerprint as `fingerprint` writes it; raises `ValueError` for what is none.

    Read in any case, with dashes and blanks anywhere; O is 0, I and L are 1.
    """
    letters = text.replace("-", "").replace(" ", "")
    if len(letters) == _LETTERS and letters.isascii():
        letters = letters.upper().translate(_READ_AS)
        if all(letter in _DIGITS for letter in letters):
            return _in_groups(letters)
    raise ValueError(
        Sentence("a fingerprint is 16 letters and digits, like {example}", example=_EXAMPLE)
    )


def _in_groups(letters: str) -> str:
    return "-".join(letters[at : at + 4] for at in range(0, _LETTERS, 4))

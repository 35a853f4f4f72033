"""Records that no TLS library would send: sealed by hand with the secrets of a real handshake.

`ssl` cannot send a KeyUpdate, nor pad a record. So a client writes its secrets into a key log, as
browsers can, and every record after its Finished is made here (RFC 8446, 5.2 and 7.2).
"""

from __future__ import annotations

import hmac
import os
import ssl
from hashlib import sha384
from tempfile import TemporaryDirectory
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from p2pchat.mesh.identity.sealing import Seal
from tests.support.certificates import context_with, pem_by_anyone
from tests.support.seals import MALLORY, Raw

_CIPHER: Final = "TLS_AES_256_GCM_SHA384"
ALERT: Final = 21
HANDSHAKE: Final = 22
TEXT: Final = 23
KEY_UPDATE: Final = bytes((24, 0, 0, 1))
"""A KeyUpdate without its last byte: 1 asks for one in return, 0 does not."""
CLOSE_NOTIFY: Final = bytes((1, 0))


class Forger:
    """A client, sealed with `listener`, that says what it likes."""

    def __init__(self, listener: Seal, first: bytes = b"") -> None:
        """`first` is sent sealed in the same chunk as the client's Finished."""
        with TemporaryDirectory() as folder:
            context = context_with(ssl.PROTOCOL_TLS_CLIENT, pem_by_anyone(MALLORY))
            log = os.path.join(folder, "secrets")
            context.keylog_filename = log
            raw = Raw(context, dialed=True)
            listener.shake(raw.shake())
            finished = raw.shake(listener.answer())
            with open(log, encoding="ascii") as file:
                (secret,) = (
                    line.split()[2] for line in file if line.startswith("CLIENT_TRAFFIC_SECRET_0 ")
                )
        assert raw.tls.cipher()[0] == _CIPHER, raw.tls.cipher()  # type: ignore[index]
        self._use(bytes.fromhex(secret))
        if first:
            finished += self.record(first)
        self.text = listener.shake(finished)
        """What the listener read behind our Finished."""

    def record(self, inner: bytes, kind: int = TEXT, padding: int = 0) -> bytes:
        """One record with this in it, and with so many zeros behind."""
        plain = inner + bytes([kind]) + bytes(padding)
        header = bytes((23, 3, 3)) + (len(plain) + 16).to_bytes(2)
        nonce = (int.from_bytes(self._iv) ^ self._number).to_bytes(12)
        self._number += 1
        return header + self._cipher.encrypt(nonce, plain, header)

    def key_update(self, *, wants_answer: bool) -> bytes:
        """A KeyUpdate; what follows is sealed with the next key."""
        record = self.record(KEY_UPDATE + bytes([wants_answer]), HANDSHAKE)
        self._use(_expand(self._secret, b"traffic upd", 48))
        return record

    def _use(self, secret: bytes) -> None:
        self._secret = secret
        self._number = 0
        self._cipher = AESGCM(_expand(secret, b"key", 32))
        self._iv = _expand(secret, b"iv", 12)


def _expand(secret: bytes, label: bytes, size: int) -> bytes:
    """HKDF-Expand-Label for one block of the hash, with an empty context."""
    full = b"tls13 " + label
    info = size.to_bytes(2) + bytes([len(full)]) + full + b"\0"
    return hmac.digest(secret, info + b"\1", sha384)[:size]

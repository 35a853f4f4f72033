"""Making a key and its certificate, opening one that is kept, and signing: for `cryptography`.

Rules: `cryptography` is imported inside these functions alone, because its import takes longer than
a start may. It is needed once, when a key is made, to export or import one, and when one follows
another. What is made depends on the seed alone: 32 bytes of chance, which are the private key.
"""

from __future__ import annotations

import ssl
from contextlib import suppress

from p2pchat.mesh.identity.certificates import ANYONE_SEED, certificate, to_sign
from p2pchat.speech import Sentence


class KeyFileError(Exception):
    """A key that cannot be used; its `Sentence` says what to do."""


class NoCryptography(KeyFileError):
    """The package `cryptography` is not there, so no key can be made."""

    def __init__(self) -> None:
        super().__init__(
            Sentence(
                "the package cryptography is missing, without which no key can be made: "
                "install it, or use --security off"
            )
        )


class RefusedBySystem(KeyFileError):
    """This system has no Ed25519, or must not use it."""

    def __init__(self) -> None:
        super().__init__(
            Sentence(
                "this system refuses keys of the kind Ed25519: without encryption "
                "the node starts with --security off"
            )
        )


def prepare() -> None:
    """Import now what making a key takes: later the process may be a user who cannot read it."""
    with suppress(ImportError, UnicodeError, OSError):
        import cryptography.hazmat.primitives.asymmetric.ed25519
        import cryptography.hazmat.primitives.serialization  # noqa: F401


def pem_of(seed: bytes, passphrase: bytes = b"") -> str:
    """What a key file holds: the private key (PKCS#8) and its certificate, as PEM.

    With a passphrase the private key is encrypted. Raises `NoCryptography`, `RefusedBySystem`.
    """
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives import serialization as form
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ImportError:
        raise NoCryptography from None
    try:
        private = Ed25519PrivateKey.from_private_bytes(seed)
        public = private.public_key().public_bytes(form.Encoding.Raw, form.PublicFormat.Raw)
        anyone = Ed25519PrivateKey.from_private_bytes(ANYONE_SEED)
        der = certificate(public, anyone.sign(to_sign(public)))
        text = private.private_bytes(
            form.Encoding.PEM,
            form.PrivateFormat.PKCS8,
            form.BestAvailableEncryption(passphrase) if passphrase else form.NoEncryption(),
        )
    except UnsupportedAlgorithm:
        raise RefusedBySystem from None
    return text.decode("ascii") + ssl.DER_cert_to_PEM_cert(der)


def seed_in(pem: str, passphrase: bytes = b"") -> bytes:
    """The seed of the private key in such a text, with or without a certificate.

    Raises `ValueError` when there is none or the passphrase is another, `NoCryptography`,
    `RefusedBySystem`.
    """
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives import serialization as form
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ImportError:
        raise NoCryptography from None
    try:
        private = form.load_pem_private_key(pem.encode(), passphrase or None)
    except UnsupportedAlgorithm:
        raise RefusedBySystem from None
    except TypeError:  # encrypted, and no passphrase, or the other way round
        if not passphrase:
            raise ValueError("it is protected by a passphrase") from None
        return seed_in(pem)
    if not isinstance(private, Ed25519PrivateKey):
        raise ValueError("it holds a key of another kind")
    return private.private_bytes(form.Encoding.Raw, form.PrivateFormat.Raw, form.NoEncryption())


def sign(seed: bytes, text: bytes) -> bytes:
    """The signature (64 bytes) of the key with this seed; raises `NoCryptography`."""
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ImportError:
        raise NoCryptography from None
    return Ed25519PrivateKey.from_private_bytes(seed).sign(text)


def has_signed(key: bytes, signature: bytes, text: bytes) -> bool:
    """Whether the owner of this key (32 bytes) has signed the text; some 180 us.

    The first call of a process takes some 13 ms more. Without `cryptography` nobody has.
    """
    try:
        from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, text)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True

"""Certificates that are not ours, and contexts of other programs."""

from __future__ import annotations

import datetime
import ssl
from functools import lru_cache
from math import gcd
from tempfile import NamedTemporaryFile
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from p2pchat.mesh.identity.certificates import ANYONE, ANYONE_SEED
from p2pchat.mesh.identity.key_making import pem_of

ANYONE_KEY: Final = Ed25519PrivateKey.from_private_bytes(ANYONE_SEED)
ANYONE_NAME: Final = x509.load_der_x509_certificate(ANYONE).subject
ANYONE_ID: Final = x509.AuthorityKeyIdentifier(
    bytes.fromhex("631841a10e2272fed282077957b12c9d9995d4f3"), None, None
)
BEGIN: Final = datetime.datetime(1970, 1, 1)
END: Final = datetime.datetime(9999, 12, 31, 23, 59, 59)

pem_by_anyone = pem_of
"""A key and certificate as they should be."""


def name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)])


def builder(public: Any, subject: str = "p2pchat", serial: int = 1) -> x509.CertificateBuilder:
    """A certificate like ours, to be changed and signed."""
    return (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(ANYONE_NAME)
        .public_key(public)
        .serial_number(serial)
        .not_valid_before(BEGIN)
        .not_valid_after(END)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(ANYONE_ID, critical=False)
    )


def private_pem(private: Any) -> str:
    return str(
        private.private_bytes(
            form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()
        ).decode()
    )


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(form.Encoding.PEM).decode()


@lru_cache
def odd_ones(seed: bytes) -> dict[str, str]:
    """Oddity -> private key and certificates (PEM); OpenSSL alone accepts some of them."""
    private = Ed25519PrivateKey.from_private_bytes(seed)
    public = private.public_key()
    own = private_pem(private)
    p256 = ec.generate_private_key(ec.SECP256R1())
    rsa_key = rsa.generate_private_key(65537, 2048)
    extra = builder(public).add_extension(
        x509.SubjectAlternativeName([x509.DNSName("bob")]), critical=False
    )
    middle = Ed25519PrivateKey.from_private_bytes(b"i" * 32)
    middle_certificate = builder(middle.public_key(), "middle").sign(ANYONE_KEY, None)
    below = (
        x509.CertificateBuilder()
        .subject_name(name("p2pchat"))
        .issuer_name(name("middle"))
        .public_key(public)
        .serial_number(1)
        .not_valid_before(BEGIN)
        .not_valid_after(END)
        .sign(middle, None)
    )
    sound = pem_of(seed)
    return {
        "self-signed": own + pem(_self_signed(private)),
        "P-256": private_pem(p256) + pem(builder(p256.public_key()).sign(ANYONE_KEY, None)),
        "RSA": private_pem(rsa_key) + pem(builder(rsa_key.public_key()).sign(ANYONE_KEY, None)),
        "another subject": own + pem(builder(public, "p2pchaT").sign(ANYONE_KEY, None)),
        "another serial number": own + pem(builder(public, serial=2).sign(ANYONE_KEY, None)),
        "one more extension": own + pem(extra.sign(ANYONE_KEY, None)),
        "a chain of two": own + pem(below) + pem(middle_certificate),
        "the authority's own": private_pem(ANYONE_KEY) + ssl.DER_cert_to_PEM_cert(ANYONE),
        "45 more certificates": sound + ssl.DER_cert_to_PEM_cert(ANYONE) * 45,
    }


@lru_cache
def dear_one() -> str:
    """A key of RSA whose public exponent is as long as its modulus, signed by anyone."""
    base = rsa.generate_private_key(65537, 3072).private_numbers()
    modulus, p, q = base.public_numbers.n, base.p, base.q
    exponent = (1 << 3060) + 1
    while gcd(exponent, (p - 1) * (q - 1)) != 1:
        exponent += 2
    private = pow(exponent, -1, (p - 1) * (q - 1))
    halves = rsa.rsa_crt_dmp1(private, p), rsa.rsa_crt_dmq1(private, q)
    public = rsa.RSAPublicNumbers(exponent, modulus)
    numbers = rsa.RSAPrivateNumbers(p, q, private, *halves, base.iqmp, public)
    key = numbers.private_key(unsafe_skip_rsa_key_validation=True)
    return private_pem(key) + pem(builder(key.public_key()).sign(ANYONE_KEY, None))


def _self_signed(private: Ed25519PrivateKey) -> x509.Certificate:
    return (
        x509.CertificateBuilder()
        .subject_name(name("p2pchat"))
        .issuer_name(name("p2pchat"))
        .public_key(private.public_key())
        .serial_number(1)
        .not_valid_before(BEGIN)
        .not_valid_after(END)
        .sign(private, None)
    )


def context_with(
    side: int, own: str = "", alpn: tuple[str, ...] = ("p2pchat/1",), group: str = "prime256v1"
) -> ssl.SSLContext:
    """What another program would have: it takes any certificate, and shows `own`."""
    context = ssl.SSLContext(side)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if side == ssl.PROTOCOL_TLS_SERVER:
        # It asks for a certificate as we do, and would accept ours.
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=ANYONE)
    if own:
        with NamedTemporaryFile("w", encoding="ascii") as file:
            file.write(own)
            file.flush()
            context.load_cert_chain(file.name)
    if alpn:
        context.set_alpn_protocols([*alpn])
    if group:
        context.set_ecdh_curve(group)
    return context

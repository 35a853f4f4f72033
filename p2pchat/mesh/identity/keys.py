"""Our own key, as TLS uses it: two contexts, one for who dials and one for who listens.

Rules: TLS 1.3 and nothing older, one protocol (ALPN), one group. No tickets, so no session is
resumed, and forward secrecy depends on no ticket key. Each end must have a certificate of "anyone"
(see `certificates`). No host name is asked, none is sent. `ssl.SSLContext` looks at no environment:
`SSLKEYLOGFILE` makes no file.

One group, because the default list of OpenSSL 3.0 has ffdhe8192: a hello that offers only that
costs over 100 ms of CPU. P-256 is what every other program has (RFC 8446, 9.1).
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from p2pchat.mesh.identity.certificates import ANYONE, key_of

ALPN: Final = "p2pchat/1"
"""The protocol that both ends must have chosen."""
_GROUP: Final = "prime256v1"
_GROUPS: Final = ("X25519MLKEM768:X25519:P-256", "X25519:P-256")
"""What is tried in this order where Python can say it (3.15); P-256 is always among them."""


class Keys:
    """Our key and the two contexts; one for a process, made once.

    `path` is where OpenSSL reads them, `pem` the text of that file, and `passphrase` opens it.
    Raises `ssl.SSLError`, `ValueError` or `OSError` for a file without a key and its certificate.
    `cpu` tells the seconds of CPU that this thread has used.
    """

    def __init__(
        self,
        path: str,
        pem: str,
        passphrase: bytes = b"",
        *,
        cpu: Callable[[], float] = time.thread_time,
    ) -> None:
        own = key_of(certificate_in(pem))
        if own is None:
            raise ValueError("its certificate is of another form")
        self.own: Final = own
        """Our public key, 32 bytes."""
        self.cpu: Final = cpu
        self.usual = 0.0
        """Seconds of CPU that a handshake with ourselves took here; 0 while none was made."""
        self.to_listen: Final = _context(ssl.PROTOCOL_TLS_SERVER, path, passphrase)
        self.to_dial: Final = _context(ssl.PROTOCOL_TLS_CLIENT, path, passphrase)
        self.to_listen.num_tickets = 0


def certificate_in(pem: str) -> bytes:
    """The first certificate (DER) in the text of a key file; raises `ValueError` without one."""
    _, begin, rest = pem.partition("-----BEGIN CERTIFICATE-----")
    inside, end, _ = rest.partition("-----END CERTIFICATE-----")
    if not begin or not end:
        raise ValueError("it holds no certificate")
    return ssl.PEM_cert_to_DER_cert(begin + inside + end)


def _context(side: int, path: str, passphrase: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(side)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=ANYONE)
    # A function, so that OpenSSL never asks for a passphrase at the terminal.
    context.load_cert_chain(path, password=lambda: passphrase)
    context.set_alpn_protocols([ALPN])
    _narrow(context)
    return context


def _narrow(context: ssl.SSLContext) -> None:
    """Leave one group, or the few that Python can name, and one kind of signature if it can."""
    context.set_ecdh_curve(_GROUP)
    set_groups = getattr(context, "set_groups", None)
    if set_groups is not None:
        for groups in _GROUPS:
            with suppress(ssl.SSLError):  # the library does not have all of them
                set_groups(groups)
                break
    for name in ("set_client_sigalgs", "set_server_sigalgs"):
        restrict = getattr(context, name, None)
        if restrict is not None:
            restrict("ed25519")

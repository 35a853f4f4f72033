"""Keys from seeds, and two ends of a sealed link without a network."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from functools import lru_cache
from tempfile import NamedTemporaryFile
from typing import Final

from p2pchat.mesh.identity.key_making import pem_of
from p2pchat.mesh.identity.keys import Keys
from p2pchat.mesh.identity.sealing import Seal

Vouch = Callable[[bytes], "str | None"]

ALICE: Final = b"a" * 32
BOB: Final = b"b" * 32
MALLORY: Final = b"m" * 32


@lru_cache
def keys_from(seed: bytes, cpu: Callable[[], float] = float) -> Keys:
    """The key that this seed makes; handshakes with it take no time, if nobody measures it."""
    text = pem_of(seed)
    with NamedTemporaryFile("w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        return Keys(file.name, text, cpu=cpu)


def dialer(seed: bytes = ALICE, vouch: Vouch | None = None) -> Seal:
    return Seal(keys_from(seed), dialed=True, vouch=vouch)


def listener(
    seed: bytes = BOB, vouch: Vouch | None = None, cpu: Callable[[], float] = float
) -> Seal:
    return Seal(keys_from(seed, cpu), dialed=False, vouch=vouch)


def shake_hands(one: Seal, other: Seal) -> None:
    """Let the dialer `one` and the listener `other` come to an end with their handshake."""
    other.shake(one.start())
    one.shake(other.answer())
    other.shake(one.answer())


def pair() -> tuple[Seal, Seal]:
    """A dialer and a listener that know each other's key."""
    one, other = dialer(), listener()
    shake_hands(one, other)
    return one, other


class Raw:
    """An end made of `ssl` alone, which goes by its context and by nothing of ours."""

    def __init__(self, context: ssl.SSLContext, *, dialed: bool) -> None:
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=not dialed)
        self.done = False
        self.failed = ""

    def shake(self, data: bytes = b"") -> bytes:
        """Take this, and return what is to be sent."""
        if data:
            self.incoming.write(data)
        try:
            self.tls.do_handshake()
            self.done = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self.failed = str(error.reason)
        return self.outgoing.read()

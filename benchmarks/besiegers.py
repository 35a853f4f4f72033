"""What strangers can do to the port of a node that encrypts, as fast as one of them can.

Rules: each flood is a function of the port, which goes on until its process is ended, and counts
what it did. It runs in a process of its own, so that it takes no time from who measures. All come
from 127.0.0.1. What one connection meets, a refusal above all, ends it and not the flood.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import struct
import time
from collections import deque
from collections.abc import Callable
from multiprocessing import get_context
from typing import Any, Final

from benchmarks.measuring import LOOPBACK, NAMESPACE, hello, line
from p2pchat.mesh.identity.key_file import fleeting_key
from p2pchat.mesh.identity.sealing import Seal, SealError
from tests.support.certificates import context_with, dear_one
from tests.support.forged_records import Forger
from tests.support.hellos import P256_POINT, client_hello

RATE: Final = 2000
"""Hellos a second, where it is hellos that are sent."""
KEEP: Final = 400
"""Connections that a flood leaves open behind it."""
KEY_UPDATES: Final = 2_000_000
"""Bytes of them a second."""
ENEMY: Final = f"enemy@{NAMESPACE}"


class Raid:
    """One flood while it lasts; `done` counts."""

    def __init__(self, port: int, done: Any) -> None:
        self.port = port
        self._done = done
        self._open: deque[socket.socket] = deque()
        self._due = time.monotonic()

    def count(self, more: int = 1) -> None:
        """So much more was done."""
        self._done.value += more

    def pace(self, rate: float) -> None:
        """Wait until the next of so many a second is due; what was missed is not made up for."""
        self._due = max(self._due + 1 / rate, time.monotonic() - 0.05)
        time.sleep(max(0.0, self._due - time.monotonic()))

    def dial(self, first: bytes = b"") -> socket.socket:
        """A new connection, with its first bytes said."""
        there = socket.create_connection((LOOPBACK, self.port), 5)
        there.sendall(first)
        return there

    def leave_open(self, there: socket.socket, most: int = KEEP) -> None:
        """Keep it for a while."""
        self._open.append(there)
        if len(self._open) > most:
            abort(self._open.popleft())

    @property
    def open(self) -> list[socket.socket]:
        """Those that are kept."""
        return [*self._open]


def abort(there: socket.socket) -> None:
    """Reset a connection: nothing of it lingers at our end."""
    there.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    there.close()


def _hellos(first: bytes, keep: int, rate: float = RATE) -> Callable[[Raid], None]:
    def flood(raid: Raid) -> None:
        while True:
            with contextlib.suppress(OSError):
                raid.leave_open(raid.dial(first), keep)
                raid.count()
            raid.pace(rate)

    return flood


def _drip(raid: Raid) -> None:
    first = client_hello("P-256", P256_POINT)
    while True:
        for at in range(len(first)):
            kept = raid.open
            for there in kept:
                with contextlib.suppress(OSError):
                    there.send(first[at : at + 1])
                    raid.count()
            while len(raid.open) < KEEP:
                with contextlib.suppress(OSError):
                    raid.leave_open(raid.dial(first[:1]))
            time.sleep(1)


def _handshakes(own: Callable[[], str]) -> Callable[[Raid], None]:
    """Whole handshakes, as fast as they go."""

    def flood(raid: Raid) -> None:
        context = context_with(ssl.PROTOCOL_TLS_CLIENT, own())
        while True:
            with contextlib.suppress(OSError), contextlib.closing(raid.dial()) as there:
                there.settimeout(3)
                with context.wrap_socket(there) as tls:
                    raid.count()
                    tls.settimeout(0.05)
                    tls.recv(1)

    return flood


class _Remote:
    """The listener, as `Forger` wants it."""

    def __init__(self, there: socket.socket) -> None:
        self._there = there

    def shake(self, data: bytes) -> bytes:
        self._there.sendall(data)
        return b""

    def answer(self) -> bytes:
        data = self._there.recv(65_536)
        self._there.settimeout(0.05)
        with contextlib.suppress(TimeoutError):
            while more := self._there.recv(65_536):
                data += more
        self._there.settimeout(5)
        return data


def _key_updates(raid: Raid) -> None:
    while True:
        with contextlib.suppress(OSError, ValueError), contextlib.closing(raid.dial()) as there:
            there.settimeout(5)
            remote: Any = _Remote(there)
            forger = Forger(remote)
            while True:
                block = b"".join(forger.key_update(wants_answer=False) for _ in range(200))
                there.sendall(block)
                raid.count(len(block))
                raid.pace(KEY_UPDATES / len(block))


def _named(name: Callable[[int], str], names_of_a_key: int) -> Callable[[Raid], None]:
    """Sealed links that open, each under a name of its own."""

    def flood(raid: Raid) -> None:
        number = 0
        while True:
            if number % names_of_a_key == 0:
                keys = fleeting_key(os.urandom).keys
            number += 1
            with contextlib.suppress(OSError, SealError):
                there = raid.dial()
                there.settimeout(3)
                raid.leave_open(there)
                seal = Seal(keys, dialed=True)
                there.sendall(seal.start())
                while not seal.key:
                    data = there.recv(65_536)
                    if not data:
                        raise ConnectionError
                    seal.shake(data)
                    there.sendall(seal.answer())
                there.sendall(seal.close(hello(name(number))))
                raid.count()

    return flood


def _ours() -> str:
    from p2pchat.mesh.identity.key_making import pem_of

    return pem_of(os.urandom(32))


PROBE: Final = line(
    kind="HELLO", peer_id=ENEMY, version="1.0", features=["ack"], ttl=1, agent="bench", tls=1
)
ENDLESS: Final = bytes.fromhex("1603014000") + bytes.fromhex("01003ffc0303") + bytes(16_378)
"""A ClientHello of 16 KB."""
FLOODS: Final[dict[str, Callable[[Raid], None]]] = {
    "HELLOs in the clear, to compare with": _hellos(hello(ENEMY), 0),
    "hellos for ffdhe8192": _hellos(client_hello("ffdhe8192"), 0),
    "hellos with a point of P-256": _hellos(client_hello("P-256", P256_POINT), 0),
    "the same, left half-open": _hellos(client_hello("P-256", P256_POINT), KEEP),
    "whole handshakes": _handshakes(_ours),
    "handshakes with a dear RSA key": _handshakes(dear_one),
    "KeyUpdates": _key_updates,
    "hellos of 16 KB": _hellos(ENDLESS, 0),
    "a byte a second": _drip,
    "asked in the clear, then silent": _hellos(PROBE, KEEP),
    "many keys, one name": _named(lambda _: f"friend@{NAMESPACE}", 1),
    "one key, many names": _named(lambda number: f"n{number}@{NAMESPACE}", 10**9),
    "many keys, many names": _named(lambda number: f"m{number}@{NAMESPACE}", 8),
}


class Siege:
    """One of `FLOODS` in a process of its own, for as long as the block lasts."""

    def __init__(self, kind: str, port: int) -> None:
        there = get_context("fork")
        self._done = there.Value("L", 0, lock=False)
        self._process = there.Process(target=self._run, args=(kind, port), daemon=True)

    def _run(self, kind: str, port: int) -> None:
        raid = Raid(port, self._done)
        FLOODS[kind](raid)

    @property
    def done(self) -> int:
        """What it has done: connections, handshakes, bytes."""
        return int(self._done.value)

    def __enter__(self) -> Siege:
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()

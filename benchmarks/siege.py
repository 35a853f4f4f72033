"""A node that encrypts under siege, flood by flood, while friends chat with it.

    python -m benchmarks.siege                  about two minutes
    python -m benchmarks.siege --seconds 30     longer floods
    python -m benchmarks.siege --only KeyUpdates

Two friends have links before it begins, one of them sealed, and say something all the time. A third
one comes anew from another address of this machine, twice a second. The account ends with 1 when,
in one of the floods, an open link ended, an answer to the friends took too long (99 of 100 within
10 ms), a turn of the node took too much CPU, a friend from elsewhere waited for more than a second,
memory grew beyond its bound, or the person was told more than an hour allows. The first flood is in
the clear. On a machine that does other things a figure may be as bad as there, and half as bad
again. Needs Linux, and the tests beside it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.besiegers import FLOODS, Siege
from benchmarks.measuring import LOOPBACK, NAMESPACE, Peer, Program, free_port, message
from benchmarks.sealed import SealedPeer
from benchmarks.strangers import Account
from benchmarks.turns import long_turns
from p2pchat.mesh.identity.key_file import fleeting_key
from p2pchat.mesh.identity.keys import Keys
from p2pchat.mesh.identity.sealing import SealError

MAX_P99: Final = 0.010
MAX_TURN: Final = 0.020
"""Of CPU. A hello alone takes 1 ms, and caches are cold on a machine that does other things."""
MAX_WAIT: Final = 1.0
"""Seconds of a friend from elsewhere, from its connection to HELLO_OK."""
MAX_GROWTH: Final = 60_000_000
MAX_ALERTS: Final = 12
"""An hour: six of names that the person has settled, six of others."""
CLEAR: Final = next(iter(FLOODS))


class Friend:
    """Says something to the node as soon as the last was acknowledged, in a thread of its own."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._over = False
        self.waits: list[float] = []
        self.lost = ""
        self._thread = threading.Thread(target=self._chat, daemon=True)
        self._thread.start()

    def _chat(self) -> None:
        try:
            while not self._over:
                begun = time.monotonic()
                self._peer.socket.sendall(self._peer.seal(message("olá", ack=True)))
                while b'"ACK"' not in self._peer.read(1):
                    pass
                self.waits.append(time.monotonic() - begun)
                time.sleep(0.004)
        except (OSError, SystemExit, SealError) as why:
            self.lost = f"{type(why).__name__}: {why}"

    def end(self) -> None:
        """Say no more."""
        self._over = True
        self._thread.join(10)


class Elsewhere:
    """A friend that comes anew from another address, twice a second, and leaves."""

    def __init__(self, port: int, keys: Keys) -> None:
        self._there = (own_address(), port)
        self._keys = keys
        self._over = threading.Event()
        self.waits: list[float] = []
        self._thread = threading.Thread(target=self._come, daemon=True)
        self._thread.start()

    def _come(self) -> None:
        while not self._over.wait(0.5):
            begun = time.monotonic()
            try:
                Guest(self._there, self._keys).socket.close()
            except (OSError, SystemExit, SealError):
                self.waits.append(float("inf"))
            else:
                self.waits.append(time.monotonic() - begun)

    def end(self) -> None:
        """Come no more."""
        self._over.set()
        self._thread.join(10)


class Guest(SealedPeer):
    """A sealed peer whose connection leads to any address."""

    def __init__(self, there: tuple[str, int], keys: Keys) -> None:
        self._keys = keys
        self.socket = socket.create_connection(there, 10)
        self.begin()
        self.socket.sendall(
            self.seal(
                b'{"type":"HELLO","peer_id":"guest@bench","version":"1.0"'
                b',"features":[],"ttl":1,"agent":"bench"}\n'
            )
        )
        self.read(1)


def own_address() -> str:
    """An address of this machine by which it is not the one that the floods come from."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.connect(("192.0.2.1", 9))  # nothing is sent
        return str(asking.getsockname()[0])
    return LOOPBACK


class Figures(NamedTuple):
    """What one flood led to."""

    done: float
    """A second, of whatever it does."""
    middle: float
    late: float
    """Seconds within which half, and 99 of 100, of what the friends said was answered."""
    turn: float
    memory: int
    guests: list[float]
    lost: list[str]
    share: float
    """Of a core, that the node used."""

    @property
    def slowest(self) -> float:
        """Seconds of the friend from elsewhere that waited longest."""
        return max(self.guests, default=float("inf"))


class Besieged(Program):
    """A node whose long turns and sentences are written down."""

    def __init__(self, folder: Path) -> None:
        self.turns, self.said = folder / "turns", folder / "said"
        self.turns.touch()
        port, options = free_port(), ["--control", "off", "--log-level", "ERROR", "--stay"]
        options += ["--local-port", str(free_port()), "--port", str(port), "--name", "bob"]
        options += ["--namespace", NAMESPACE, "--peer-rate", "0", "--interface", "0.0.0.0"]
        words = [sys.executable, "-m", "benchmarks.turns", str(self.turns), *options]
        with self.said.open("wb") as said:
            super().__init__("p2pchat", words, port, output=said.fileno())

    @property
    def alerts(self) -> int:
        """Lines about keys that the person was told."""
        return len(re.findall(r"refused|another key|calls itself", self.said.read_text("utf-8")))


def opened(make: Callable[[], Peer]) -> Peer:
    """A peer that is there, once what the flood before has left is gone."""
    for _ in range(10):
        with contextlib.suppress(OSError, SystemExit, SealError):
            return make()
        time.sleep(1)
    return make()


def besiege(program: Besieged, kind: str, seconds: float, keys: Keys) -> Figures:
    """Have one flood come over the node, and measure; `keys` are those of the friends."""
    peers = [
        opened(lambda: Peer(program.port, f"alice@{NAMESPACE}")),
        opened(lambda: SealedPeer(program.port, f"sealed@{NAMESPACE}", keys)),
    ]
    friends = [Friend(peer) for peer in peers]
    guests = Elsewhere(program.port, keys)
    time.sleep(0.5)
    for friend in friends:
        friend.waits.clear()
    begun, cpu = time.monotonic(), program.cpu()
    with Siege(kind, program.port) as siege:
        time.sleep(seconds)
        memory, done = program.memory(), siege.done
    elapsed, cpu = time.monotonic() - begun, program.cpu() - cpu
    guests.end()
    for friend in friends:
        friend.end()
    for peer in peers:
        peer.socket.close()
    waits = [wait for friend in friends for wait in friend.waits]
    hundredths = statistics.quantiles(waits, n=100) if len(waits) > 1 else [float("inf")] * 99
    return Figures(
        done / elapsed,
        hundredths[49],
        hundredths[98],
        max(long_turns(program.turns, begun), default=0.0),
        memory,
        guests.waits,
        [friend.lost for friend in friends if friend.lost],
        cpu / elapsed,
    )


def show(account: Account, kind: str, it: Figures, memory: int, clear: Figures) -> None:
    """The rows of one flood."""
    print(f"{kind}: {it.done:,.0f} a second, {it.share:.0%} of a core")
    account.row("  links that ended", "; ".join(it.lost) or "none", not it.lost)
    figure = f"{it.middle * 1e3:.1f} ms, 99 of 100 within {it.late * 1e3:.1f} ms"
    account.row("  answers to friends", figure, it.late <= max(MAX_P99, 1.5 * clear.late))
    most = max(MAX_TURN, 3 * clear.turn)
    account.row("  longest turn", f"{it.turn * 1e3:.1f} ms CPU", it.turn <= most)
    figure = f"{it.slowest * 1e3:.0f} ms at most, {len(it.guests)} times"
    most = max(MAX_WAIT, 1.5 * clear.slowest)
    account.row("  friends from elsewhere", figure, it.slowest <= most)
    figure = f"{memory / 1e6:.0f} -> {it.memory / 1e6:.0f} MB"
    account.row("  memory", figure, it.memory - memory <= MAX_GROWTH)


def main() -> int:
    """Run the floods, one after the other."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.siege",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, default=6.0, help="of each flood (6)")
    parser.add_argument("--only", action="append", help="a part of a flood's name")
    options = parser.parse_args()
    chosen = [
        kind
        for kind in FLOODS
        if kind == CLEAR or not options.only or any(it in kind for it in options.only)
    ]
    account, keys = Account(), fleeting_key(os.urandom).keys
    clear: Figures | None = None
    with tempfile.TemporaryDirectory() as folder:
        program = Besieged(Path(folder))
        try:
            program.ready()
            time.sleep(1)
            memory = program.memory()
            for kind in chosen:
                figures = besiege(program, kind, options.seconds, keys)
                clear = clear or figures
                show(account, kind, figures, memory, clear)
        finally:
            program.stop()
        figure = f"{program.alerts} in all"
        account.row("what the person was told of keys", figure, program.alerts <= MAX_ALERTS)
    return 0 if account.balances else 1


if __name__ == "__main__":
    sys.exit(main())

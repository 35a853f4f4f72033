"""Strangers that flood a node in every way at once, while a friend says a few things.

`python -m benchmarks.strangers [--seconds N]` prints its account, and ends with 1 if it does not
balance: friend's messages kept (all), file over its limit (at most a batch), longest wait for a
PONG, memory, newcomers that get in, connections to one address that a lying rendezvous names.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.measuring import (
    LOOPBACK,
    NAMESPACE,
    OURS,
    Peer,
    Program,
    free_port,
    hello,
    line,
    message,
    running,
)
from p2pchat.history.reading import Reader

MAX_BYTES = 20_000_000
BATCH = 4_000_000
"""What the file may have beyond its limit: a batch, its words and its journal."""
MESSAGES = 62
LISTED = 20_000
FRIEND, BOB = f"alice@{NAMESPACE}", f"bob@{NAMESPACE}"
FLOODS, UNREAD, SILENT, NEWCOMERS = 4, 50, 300, 10
MAX_WAIT = 2.0
MAX_MEMORY = 300_000_000
MAX_CONNECTIONS = 20
"""To one address and port in a minute."""


class Account:
    """What is printed, a row each, and whether all of it is as it should be."""

    def __init__(self) -> None:
        self.balances = True

    def row(self, what: str, figure: str, fine: bool) -> None:
        """One figure, and whether it is fine."""
        self.balances = self.balances and fine
        print(f"{'ok ' if fine else 'BAD'} {what}: {figure}")


class Crowd:
    """Threads of strangers, until `end`; what happens to one of them does not matter."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.over = threading.Event()
        self._threads: list[threading.Thread] = []

    def begin(self, what: Callable[[int], None], count: int = 1) -> None:
        """Run `what` again and again in so many threads, each with its number."""

        def again(number: int) -> None:
            while not self.over.is_set():
                with contextlib.suppress(OSError, SystemExit):
                    what(number)
                self.over.wait(0.05)

        for number in range(count):
            thread = threading.Thread(target=again, args=(number,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def end(self) -> None:
        """Have all of them stop."""
        self.over.set()
        for thread in self._threads:
            thread.join(5)

    def flood(self, number: int) -> None:
        """Send SENDs of 28 kB as fast as they are read, under a name of its own."""
        name = f"stranger{number}@{NAMESPACE}"
        peer = Peer(self.port, name)
        peer.socket.settimeout(1)
        at = 0
        with contextlib.closing(peer.socket):
            while not self.over.is_set():
                at += 1
                text = f"{at} " + "x" * 28_000
                fields = {"msg_id": f"{number}.{at}", "src": name, "dst": BOB, "payload": text}
                with contextlib.suppress(TimeoutError):
                    peer.socket.sendall(line(kind="SEND", require_ack=False, **fields))

    def odd(self, number: int) -> None:
        """Send lines that are read field by field."""
        peer = Peer(self.port, f"odd{number}@{NAMESPACE}")
        peer.socket.settimeout(1)
        with contextlib.closing(peer.socket):
            while not self.over.is_set():
                with contextlib.suppress(TimeoutError):
                    peer.socket.sendall(b'{"type":"X","a":[' + b"[]," * 10_000 + b"[]]}\n")

    def ask_and_never_read(self, number: int) -> None:
        """Send PINGs with ids of 30 kB, and read nothing."""
        with contextlib.closing(socket.socket()) as asking:
            asking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            asking.connect((LOOPBACK, self.port))
            asking.settimeout(1)
            asking.sendall(hello(f"asker{number}@{NAMESPACE}"))
            while not self.over.is_set():
                with contextlib.suppress(TimeoutError):
                    asking.sendall(line(kind="PING", msg_id="i" * 30_000))

    def say_nothing(self, _number: int) -> None:
        """Keep many connections without HELLO, and renew those that end."""
        silent = [socket.create_connection((LOOPBACK, self.port)) for _ in range(SILENT // 3)]
        for each in silent:
            each.settimeout(0.02)
        while not self.over.is_set():
            for at, each in enumerate(silent):
                with contextlib.suppress(TimeoutError):
                    if not each.recv(256):
                        each.close()
                        silent[at] = socket.create_connection((LOOPBACK, self.port))
                        silent[at].settimeout(0.02)
        for each in silent:
            each.close()


class Lying:
    """A rendezvous that lists many names at one address, where who accepts closes and counts."""

    def __init__(self) -> None:
        self.connections = 0
        self._victim = socket.create_server((LOOPBACK, 0), backlog=1000)
        self._rendezvous = socket.create_server((LOOPBACK, 0))
        self.port = self._rendezvous.getsockname()[1]
        entry = {"ip": LOOPBACK, "port": self._victim.getsockname()[1], "namespace": NAMESPACE}
        peers = [
            {**entry, "name": f"n{at}", "ttl": 7200, "expires_in": 7200} for at in range(LISTED)
        ]
        self._listing = json.dumps({"status": "OK", "peers": peers}).encode() + b"\n"
        for what in (self._count, self._answer):
            threading.Thread(target=what, daemon=True).start()

    def _count(self) -> None:
        while True:
            self._victim.accept()[0].close()
            self.connections += 1

    def _answer(self) -> None:
        granted = b'{"status":"OK","ttl":7200,"ip":"127.0.0.1","port":1}\n'
        while True:
            asking, _ = self._rendezvous.accept()
            with contextlib.suppress(OSError), asking:
                asking.sendall(self._listing if b"DISCOVER" in asking.recv(4096) else granted)


def node(path: Path, rendezvous: int) -> Program:
    """A node with the default rates and a small history."""
    port = free_port()
    options = ["--control", "off", "--log-level", "ERROR", "--discovery-interval", "5"]
    options += ["--rendezvous", f"{LOOPBACK}:{rendezvous}", "--stay"]
    options += ["--port", str(port), "--name", "bob", "--namespace", NAMESPACE]
    options += ["--history", str(path), "--history-max-bytes", str(MAX_BYTES)]
    return Program(OURS, [sys.executable, "-m", "p2pchat", *options], port)


def wait_for_pong(peer: Peer) -> float:
    """Seconds between a PING and its PONG: as long as the reactor needs for what came before."""
    begun = time.monotonic()
    peer.socket.sendall(line(kind="PING", msg_id="p"))
    while b'"PONG"' not in peer.read(1):
        pass
    return time.monotonic() - begun


def newcomer(port: int, number: int) -> bool:
    """Whether one who says HELLO is answered with HELLO_OK, at the third attempt at the latest."""
    for _ in range(3):
        with (
            contextlib.suppress(OSError),
            socket.create_connection((LOOPBACK, port), 5) as new,
        ):
            new.sendall(hello(f"new{number}@{NAMESPACE}"))
            if b"HELLO_OK" in new.recv(4096):
                return True
        time.sleep(0.5)
    return False


def main() -> int:
    """Flood a node, and print what became of it; 1 if that is not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (60)")
    seconds = parser.parse_args().seconds
    account, lying = Account(), Lying()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bob.sqlite"
        with running(node(path, lying.port)) as (program,):
            friend, observer = Peer(program.port, FRIEND), Peer(program.port, f"eye@{NAMESPACE}")
            program.feed(f"/msg {FRIEND} oi\n".encode())
            friend.read(1)
            before, processor = program.memory(), program.cpu()
            crowd = Crowd(program.port)
            crowd.begin(crowd.flood, FLOODS)
            crowd.begin(crowd.odd)
            crowd.begin(crowd.ask_and_never_read, UNREAD)
            crowd.begin(crowd.say_nothing, 3)
            for_ack, for_pong, largest, memory, entered = 0.0, 0.0, 0, 0, 0
            start = time.monotonic()
            for number in range(MESSAGES):
                begun = time.monotonic()
                friend.socket.sendall(message(f"palavra {number}", ack=True))
                while b'"ACK"' not in friend.read(1):
                    pass
                for_ack = max(for_ack, time.monotonic() - begun)
                for_pong = max(for_pong, wait_for_pong(observer))
                largest = max(largest, os.path.getsize(path))
                memory = max(memory, program.memory())
                if number % (MESSAGES // NEWCOMERS) == 0 and number // 6 < NEWCOMERS:
                    entered += newcomer(program.port, number)
                time.sleep(max(0.0, start + seconds * (number + 1) / MESSAGES - time.monotonic()))
            elapsed = time.monotonic() - start
            processor = program.cpu() - processor
            crowd.end()
        kept = len(Reader(str(path)).recent(FRIEND, 1000)) - 1  # the first one is ours
    account.row("friend's messages kept", f"{kept} of {MESSAGES}", kept == MESSAGES)
    account.row(
        "longest wait of the friend for an ACK", f"{for_ack * 1e3:.0f} ms", for_ack < MAX_WAIT
    )
    account.row("longest wait for a PONG", f"{for_pong * 1e3:.0f} ms", for_pong < MAX_WAIT)
    over = max(0, largest - MAX_BYTES)
    account.row("file over its limit", f"{over:,} bytes of {MAX_BYTES:,}", over <= BATCH)
    account.row("memory", f"{before:,} -> {memory:,} bytes", memory < MAX_MEMORY)
    account.row("newcomers that got in", f"{entered} of {NEWCOMERS}", entered == NEWCOMERS)
    most = MAX_CONNECTIONS * max(1.0, elapsed / 60)
    account.row(
        f"connections to one address, {LISTED:,} names",
        f"{lying.connections} in {elapsed:.0f} s",
        lying.connections <= most,
    )
    print(f"    processor: {processor:.1f} s in {elapsed:.0f} s")
    return 0 if account.balances else 1


if __name__ == "__main__":
    sys.exit(main())

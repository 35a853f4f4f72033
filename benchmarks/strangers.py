"""Strangers that flood a node with a history, while a friend says a few things.

`python -m benchmarks.strangers [SECONDS]` prints its account: the friend's messages that were
acknowledged and kept, the file against its limit, the longest wait for an ACK, and memory.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.measuring import NAMESPACE, OURS, Peer, Program, free_port, line, message, running
from p2pchat.history.reading import Reader

MAX_BYTES = 20_000_000
LINKS = 4
FRIEND = f"alice@{NAMESPACE}"
MESSAGES = 62


def node(path: Path) -> Program:
    """A node with the default rates and a small history."""
    port = free_port()
    options = ["--control", "off", "--log-level", "ERROR", "--local-port", str(free_port())]
    options += ["--port", str(port), "--name", "bob", "--namespace", NAMESPACE, "--stay"]
    options += ["--history", str(path), "--history-max-bytes", str(MAX_BYTES)]
    return Program(OURS, [sys.executable, "-m", "p2pchat", *options], port)


def flood(port: int, number: int, until: float) -> None:
    """Send SENDs of 28 kB as fast as they are read, under a name of its own."""
    name = f"stranger{number}@{NAMESPACE}"
    peer = Peer(port, name)
    peer.socket.settimeout(1)
    at = 0
    with contextlib.suppress(OSError):
        while time.monotonic() < until:
            at += 1
            fields = {"msg_id": f"{number}.{at}", "src": name, "dst": f"bob@{NAMESPACE}"}
            text = f"{at} " + "x" * 28_000
            with contextlib.suppress(TimeoutError):
                peer.socket.sendall(line(kind="SEND", payload=text, require_ack=False, **fields))
    peer.socket.close()


def main() -> None:
    """Flood a node, and print what became of the friend's messages."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 58.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bob.sqlite"
        with running(node(path)) as (program,):
            friend = Peer(program.port, FRIEND)
            program.feed(f"/msg {FRIEND} oi\n".encode())
            friend.read(1)
            until = time.monotonic() + seconds
            floods = [
                threading.Thread(target=flood, args=(program.port, number, until), daemon=True)
                for number in range(LINKS)
            ]
            for thread in floods:
                thread.start()
            longest, largest = 0.0, 0
            for number in range(MESSAGES):
                begun = time.monotonic()
                friend.socket.sendall(message(f"palavra {number}", ack=True))
                while b'"ACK"' not in friend.read(1):
                    pass
                longest = max(longest, time.monotonic() - begun)
                largest = max(largest, os.path.getsize(path))
                time.sleep(max(0.0, seconds / MESSAGES - (time.monotonic() - begun)))
            for thread in floods:
                thread.join()
            memory = program.memory()
        kept = Reader(str(path)).recent(FRIEND, 1000)
        print(f"friend's messages: {MESSAGES} acknowledged, {len(kept) - 1} kept")
        print(f"longest wait for an ACK: {longest * 1e3:.0f} ms")
        print(
            f"file: {largest:,} bytes at most, limit {MAX_BYTES:,}; {os.path.getsize(path):,} now"
        )
        print(f"memory: {memory:,} bytes")


if __name__ == "__main__":
    main()

"""What the page costs its node: the first link, an event, the state and a page of a long history.

    python -m benchmarks.web --messages 1000000

Memory and CPU are the kernel's account of the node's process; times are those of a client on the
same machine, medians. Without a page nothing of it is imported, and no port is open.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import socket
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.history import Language, fill
from benchmarks.measuring import (
    LOOPBACK,
    NAMESPACE,
    OURS,
    ROOT,
    Peer,
    Program,
    free_port,
    message,
    running,
    text,
)

_TIMES = 200
_AT_ONCE = 100
_RATE = 5_000
"""Messages a second: below what a page draws."""


class Node:
    """A node with a control socket, and a history at `history`."""

    def __init__(self, folder: str, history: str) -> None:
        port, self.socket = free_port(), f"{folder}/s"
        options = ["--peer-rate", "0", "--log-level", "WARNING", "--local-port", str(free_port())]
        options += ["--port", str(port), "--name", "bob", "--namespace", NAMESPACE, "--stay"]
        options += ["--control", self.socket, "--history", history, "--security", "off"]
        self.program = Program(OURS, [sys.executable, "-m", "p2pchat", *options], port)
        self.key = self.base = ""

    def ask(self, **request: Any) -> dict[str, Any]:
        """Ask at the control socket."""
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(self.socket)
            client.sendall(json.dumps({"id": 1, **request}).encode() + b"\n")
            lines = client.makefile("rb")
            while True:
                answer: dict[str, Any] = json.loads(lines.readline())
                if answer.get("id") == 1:
                    return answer

    def enter(self) -> None:
        """Open the page, and have its key."""
        self.base, _, token = self.ask(do="web")["url"].partition("/#token=")
        data = json.dumps({"token": token}).encode()
        self.key = json.loads(self.page("session", data))["key"]

    def page(self, path: str, body: bytes | None = None) -> bytes:
        """Ask as a page does."""
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        asked = urllib.request.Request(f"{self.base}/api/v1/{path}", body, headers)
        with urllib.request.urlopen(asked) as answer:
            found: bytes = answer.read()
            return found


def first_link(node: Node) -> None:
    """What the first link costs, which imports all of it."""
    while not os.path.exists(node.socket):
        time.sleep(0.01)
    node.ask(do="status")
    time.sleep(1)
    memory, cpu, began = node.program.memory(), node.program.cpu(), time.perf_counter()
    node.ask(do="web")
    wall, cpu = time.perf_counter() - began, node.program.cpu() - cpu
    more = (node.program.memory() - memory) / 1024**2
    print(
        f"first link          {wall * 1e3:8.1f} ms, {cpu * 1e3:.1f} ms of CPU, {more:.2f} MiB more"
    )


def answers(node: Node) -> None:
    """What a page asks when it is opened, and while somebody scrolls."""
    last = json.loads(node.page("history?count=1"))["last_id"]
    chance = random.Random(1)
    paths: dict[str, Callable[[], str]] = {
        "state": lambda: "state",
        "history, latest": lambda: "history?count=50",
        "history, anywhere": lambda: f"history?count=50&before={chance.randrange(60, last)}",
        "history of a peer": lambda: (
            f"history?conversation=peer7@CIC&count=50&before={chance.randrange(last // 2, last)}"
        ),
        "search": lambda: "search?q=" + chance.choice(("ab*", "a", "house")),
        "stats": lambda: "stats",
        "links": lambda: "links",
    }
    for name, path in paths.items():
        times, size, cpu = [], 0, node.program.cpu()
        for _ in range(_TIMES):
            asked, began = path(), time.perf_counter()
            size = len(node.page(asked))
            times.append(time.perf_counter() - began)
        times.sort()
        print(
            f"{name:<19} {statistics.median(times) * 1e3:8.2f} ms, "
            f"{(node.program.cpu() - cpu) / _TIMES * 1e3:.2f} ms of CPU, "
            f"slowest {times[-1] * 1e3:.1f} ms, {size:,} bytes"
        )


class Reader(threading.Thread):
    """A page that reads its stream; `heard` counts the messages."""

    def __init__(self, node: Node) -> None:
        super().__init__(daemon=True)
        self._socket = socket.create_connection((LOOPBACK, int(node.base.rpartition(":")[2])))
        head = f"GET /api/v1/events?page=p{id(self)} HTTP/1.1\r\nHost: {LOOPBACK}\r\n"
        self._socket.sendall(f"{head}Authorization: Bearer {node.key}\r\n\r\n".encode())
        self.heard = 0
        self.start()

    def run(self) -> None:
        """Read until the end."""
        tail = b""
        while data := self._socket.recv(262_144):
            data = tail + data
            self.heard += data.count(b'"event":"message"')
            tail = data[-16:] if data[-17:].count(b'"event"') == 0 else b""

    def end(self) -> None:
        """Close the page."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self.join()


def events(node: Node, count: int) -> None:
    """What a message costs without a page, and what a page adds."""
    peer = Peer(node.program.port)
    figures: dict[int, list[float]] = {}
    for number in range(5):
        for pages in (0, 1, 4):
            readers = [Reader(node) for _ in range(pages)]
            time.sleep(0.5)
            began, cpu = time.monotonic(), node.program.cpu()
            for sent in range(0, count, _AT_ONCE):
                lines = b"".join(message(text(60), ack=False) for _ in range(_AT_ONCE))
                time.sleep(max(0.0, began + sent / _RATE - time.monotonic()))
                peer.socket.sendall(lines)
            time.sleep(1)
            took = (node.program.cpu() - cpu) / count * 1e6
            if number:
                figures.setdefault(pages, []).append(took)
            for reader in readers:
                reader.end()
                assert reader.heard >= count * 0.99, reader.heard
    none = statistics.median(figures[0])
    print(f"a message           {none:8.2f} us of CPU")
    for pages in (1, 4):
        more = statistics.median(a - b for a, b in zip(figures[pages], figures[0], strict=True))
        print(f"and for {pages} page(s)   {more:8.2f} us of CPU more")


def main() -> None:
    """Do it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--history", help="a file that is filled already")
    options = parser.parse_args()
    os.chdir(ROOT)
    chance = random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        path = options.history or str(Path(folder, "history.sqlite"))
        if not options.history:
            fill(path, options.messages, Language(chance), chance)
        node = Node(folder, path)
        with running(node.program):
            first_link(node)
            node.enter()
            answers(node)
            events(node, options.events)


if __name__ == "__main__":
    main()

"""A flood at a node whose page is open in a browser: frames, what was shown, what it costs.

    python -m benchmarks.page                     10,000 messages a second for five seconds
    python -m benchmarks.page --rate 2000 --seconds 10
    python -m benchmarks.page --at-once 100000    as fast as they come

Needs the extra `web-test`, chromium and chromium-driver. The node is a program of its own, and so
is the browser, without a screen. The frames are those that the page has drawn from the first
message until it shows the last one. CPU is the node's, with the page and without.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.measuring import NAMESPACE, OURS, Peer, Program, free_port, message
from tests.browser.test_flood import FRAMES
from tests.support.browsers import Browser

LAST = "the last one"
PATIENCE = 60.0
PIECES = 20
"""In how many pieces a second a flood is sent."""
SHOWN = (
    "return [...document.querySelectorAll('#log .text')].some(e => e.innerText === arguments[0])"
)


def node(folder: str) -> tuple[Program, str]:
    """A node that keeps nothing, and where its control socket is."""
    port, path = free_port(), str(Path(folder, "control"))
    words = [sys.executable, "-m", "p2pchat", "--peer-rate", "0", "--log-level", "WARNING"]
    words += ["--control", path, "--local-port", str(free_port()), "--port", str(port), "--stay"]
    words += ["--name", "bob", "--namespace", NAMESPACE, "--history", "none"]
    program = Program(OURS, words, port).ready()
    while not Path(path).exists():  # it comes a moment after the port
        time.sleep(0.01)
    return program, path


def link(path: str) -> str:
    """A link to the page of the node at this socket."""
    words = [sys.executable, "-m", "p2pchat", "web", "--print", "--control", path]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def flood(peer: Peer, count: int, rate: float) -> float:
    """Send so many messages, `rate` a second (0: at once), and a last one; returns the seconds."""
    lines = [message(f"message {number}", ack=False) for number in range(count)]
    piece = int(rate / PIECES) or count
    begun = time.monotonic()
    for number, first in enumerate(range(0, count, piece)):
        if rate:
            time.sleep(max(0.0, begun + number / PIECES - time.monotonic()))
        peer.socket.sendall(b"".join(lines[first : first + piece]))
    peer.socket.sendall(message(LAST, ack=True))
    peer.read(1)
    return time.monotonic() - begun


def cost(count: int, rate: float) -> float:
    """Seconds of the node's CPU for the same flood, when no page is open."""
    with tempfile.TemporaryDirectory(prefix="p2pchat-page-") as folder:
        program, _ = node(folder)
        peer = Peer(program.port)
        before = program.cpu()
        flood(peer, count, rate)
        used = program.cpu() - before
        program.stop()
    return used


def measure(count: int, rate: float) -> None:
    """Open the page, flood, and say what was seen."""
    browser = Browser()
    driver: Any = browser.driver
    with tempfile.TemporaryDirectory(prefix="p2pchat-page-") as folder:
        program, path = node(folder)
        try:
            peer = Peer(program.port)
            driver.get(link(path))
            conversation = f'.conversation[data-id="alice@{NAMESPACE}"]'
            _until(driver, f"return document.querySelector('{conversation}') !== null")
            driver.execute_script(f"document.querySelector('{conversation}').click()")
            peer.socket.sendall(message("first", ack=True))
            _until(driver, SHOWN, "first")
            peer.read(1)
            driver.execute_script(FRAMES)
            before, memory = program.cpu(), program.memory()
            took = flood(peer, count, rate)
            begun = time.monotonic()
            _until(driver, SHOWN, LAST)
            late = time.monotonic() - begun
            used, grown = program.cpu() - before, program.memory() - memory
            frames = driver.execute_script("return window.frames")
            told = driver.execute_script(
                "return [...document.querySelectorAll('.left-out')].map(e => e.innerText)"
            )
        finally:
            program.stop()
            browser.end()
    alone = cost(count, rate)
    print(f"{count:,} messages in {took:.2f} s, the last one shown {late:.2f} s later")
    print(
        f"frames: {len(frames)}, median {statistics.median(frames):.0f} ms, "
        f"longest {max(frames):.0f} ms"
    )
    print(f"told to be not shown: {json.dumps(told, ensure_ascii=False)}")
    print(
        f"node: {used:.2f} s of CPU with the page, {alone:.2f} without; "
        f"{grown / 1024:,.0f} KiB of memory more"
    )


def _until(driver: Any, script: str, *arguments: object) -> None:
    until = time.monotonic() + PATIENCE
    while not driver.execute_script(script, *arguments):
        if time.monotonic() > until:
            raise SystemExit(f"never: {script} {arguments}")
        time.sleep(0.02)


def main() -> None:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.page",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rate", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--at-once", type=int, default=0, metavar="MESSAGES")
    options = parser.parse_args()
    if options.at_once:
        measure(options.at_once, 0)
    else:
        measure(int(options.rate * options.seconds), options.rate)


if __name__ == "__main__":
    main()

"""What `--lan` costs, and how soon two machines on one network are linked.

    python -m benchmarks.neighbours            # three minutes; --quick for rough figures within one

Two machines are made of network namespaces with a cable between them, which needs root and the
program ip. CPU time is the kernel's own account. Each figure of a node with `--lan` stands beside
that of one without, measured in turn or at the same time.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
HOSTS = ("p2pchat-bench-a", "p2pchat-bench-b")
FLOOD = 200
"""Beacons a second that are made up, each of another node at another address."""
SENDER = """
import os, socket, sys, time
group, rate, seconds = ("239.255.80.50", 27801), int(sys.argv[1]), float(sys.argv[2])
sockets = []
for number in range(200):
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((f"10.77.1.{number + 1}", 0))
    ours = socket.inet_aton(f"10.77.1.{number + 1}")
    made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, ours)
    sockets.append(made)
began, sent = time.monotonic(), 0
while (now := time.monotonic() - began) < seconds:
    while sent < now * rate:
        text = '{"p2pchat":1,"id":"n%d@lobby","instance":"%s","port":%d,"n":1}'
        data = text % (sent, os.urandom(8).hex(), 2000 + sent % 60000)
        sockets[sent % 200].sendto(data.encode(), group)
        sent += 1
    time.sleep(0.005)
print(sent)
"""
START = """
import time
import p2pchat.service.chat
from twisted.internet import reactor
before = time.process_time()
from p2pchat.mesh.discovery.lan.multicast import Multicast
Multicast(reactor).start()
print((time.process_time() - before) * 1e3)
"""


class Node:
    """A node on one of the machines, and what it says."""

    def __init__(self, host: str, name: str, *options: str) -> None:
        self._home = tempfile.TemporaryDirectory(prefix="p2pchat-bench-")
        words = ["ip", "netns", "exec", host, sys.executable, "-m", "p2pchat", "--name", name]
        words += ["--stay", "--no-control", "--history", "none", "--log-file", "-", *options]
        self.began = time.perf_counter()
        self._process = subprocess.Popen(
            words,
            cwd=ROOT,
            env={**os.environ, "HOME": self._home.name, "XDG_RUNTIME_DIR": self._home.name},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def says(self, pattern: str) -> float:
        """Wait until it says this; returns the time of that line, seconds of its day."""
        assert self._process.stdout is not None
        output: IO[str] = self._process.stdout
        for line in output:
            if re.search(pattern, line):
                hours, minutes, seconds = line.split()[1].split("+")[0].replace(",", ".").split(":")
                return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
        raise SystemExit(f"it ended before it said {pattern!r}")

    def cpu(self) -> float:
        """Seconds of CPU time that its threads have used."""
        threads = Path(f"/proc/{self._process.pid}/task").iterdir()
        return sum(int((it / "schedstat").read_text().split()[0]) for it in threads) / 1e9

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.communicate()
        self._home.cleanup()


@contextmanager
def machines() -> Iterator[None]:
    """Two of them with a cable, at 10.77.0.1 and 10.77.0.2."""
    a, b = HOSTS
    for host in HOSTS:
        subprocess.run(["ip", "netns", "del", host], check=False, capture_output=True)
        _ip("netns", "add", host)
    try:
        _ip(*f"link add eth0 netns {a} type veth peer name eth0 netns {b}".split())
        for number, host in enumerate(HOSTS, 1):
            _ip("-n", host, "link", "set", "lo", "up")
            _ip("-n", host, "link", "set", "eth0", "up")
            _ip("-n", host, "address", "add", f"10.77.0.{number}/16", "dev", "eth0")
        time.sleep(2)  # until the addresses of IPv6 are known to be nobody else's
        yield
    finally:
        for host in HOSTS:
            _ip("netns", "del", host)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def found(rounds: int) -> list[float]:
    """Seconds from the moment at which the second node listens until it has a link."""
    first = Node(HOSTS[0], "ana", "--lan")
    first.says("ana@lobby listens")
    took = []
    for number in range(rounds):  # another name each time, because each has a new key
        second = Node(HOSTS[1], f"bob{number}", "--lan")
        listens = second.says("@lobby listens")
        took.append(second.says("bound connected: .ana@lobby.") - listens)
        second.stop()
        first.says(f"Closed: .bob{number}@lobby.")
    first.stop()
    return sorted(took)


def starts(rounds: int) -> list[float]:
    """Milliseconds of CPU that the modules and sockets of `--lan` take at a start, sorted."""
    words = ["ip", "netns", "exec", HOSTS[0], sys.executable, "-c", START]
    outputs = (subprocess.check_output(words, cwd=ROOT, text=True) for _ in range(rounds))
    return sorted(float(output) for output in outputs)


def at_rest(seconds: float) -> list[float]:
    """Seconds of CPU time a second, without `--lan` and with it, each alone."""
    nodes = [Node(HOSTS[0], "ana"), Node(HOSTS[0], "bob", "--lan", "--local-port", "27900")]
    for node in nodes:
        node.says("Registered")
    time.sleep(5)  # until the first beacons have gone out
    before = [node.cpu() for node in nodes]
    time.sleep(seconds)
    used = [node.cpu() - earlier for node, earlier in zip(nodes, before, strict=True)]
    for node in nodes:
        node.stop()
    return [each / seconds for each in used]


def flooded(seconds: float) -> list[float]:
    """Seconds of CPU time a second at rest, and in the flood."""
    for number in range(200):
        _ip("-n", HOSTS[1], "address", "add", f"10.77.1.{number + 1}/16", "dev", "eth0")
    node = Node(HOSTS[0], "ana", "--lan")
    node.says("Registered")
    time.sleep(5)
    figures = []
    for rate in (0, FLOOD):
        before = node.cpu()
        words = ["ip", "netns", "exec", HOSTS[1], sys.executable, "-c", SENDER]
        subprocess.run([*words, str(rate), str(seconds)], check=True, stdout=subprocess.DEVNULL)
        figures.append((node.cpu() - before) / seconds)
    node.stop()
    return figures


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.neighbours", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    with machines():
        took = found(5 if quick else 20)
        print(
            f"linked: median {statistics.median(took):.3f} s, worst of {len(took)} {took[-1]:.3f}"
        )
        took = starts(3 if quick else 20)
        print(f"start: {took[0]:.1f} ms of CPU more, median {statistics.median(took):.1f}")
        without, with_lan = at_rest(10 if quick else 90)
        print(f"at rest: {without * 1e3:.2f} ms of CPU a second, {with_lan * 1e3:.2f} with --lan")
        rest, flood = flooded(5 if quick else 30)
        print(f"{FLOOD} beacons a second: {flood:.2%} of a core, {rest:.2%} at rest")


if __name__ == "__main__":
    main()

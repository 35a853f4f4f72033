"""Two servers that share a registry by Redis, beside one that shares it with nobody.

Also what a piece of a large namespace costs. Needs redis-server and the extra `redis`.
"""

from __future__ import annotations

import json
import random
import shutil
import socket
import statistics
import sys
import time

from benchmarks.measuring import LOOPBACK, Program, Report, free_port, in_turn, line, running
from benchmarks.registrations import ask, asking, register
from p2pchat.rendezvous.answers import Answers
from p2pchat.rendezvous.registry import Registry

ALONE, SHARED, OTHER, BETWEEN = "alone", "p2pchat", "other server", "Redis"


def _server(name: str, *options: str) -> Program:
    port = free_port()
    words = [sys.executable, "-m", "p2pchat.service.rendezvous", "--port", str(port)]
    words += ["--interface", LOOPBACK, "--log-level", "WARNING", "--max-registrations", "100000"]
    return Program(name, [*words, *options], port)


def _redis() -> Program:
    port = free_port()
    words = ["redis-server", "--port", str(port), "--bind", LOOPBACK, "--save", ""]
    return Program(BETWEEN, [*words, "--appendonly", "no"], port)


def _once(port: int, request: bytes) -> bytes:
    with socket.create_connection((LOOPBACK, port), 10) as connection:
        connection.sendall(request)
        reply = b""
        while chunk := connection.recv(1 << 20):
            reply += chunk
    return reply


def _listed_elsewhere(here: int, there: int, count: int) -> list[float]:
    """Seconds from before a REGISTER is sent here until it is listed there."""
    waits = []
    for number in range(count):
        name = f"probe{number}"
        question = line(kind="DISCOVER", namespace="probes", names=[name])
        begun = time.perf_counter()
        _once(here, line(kind="REGISTER", namespace="probes", name=name, port=1, ttl=60))
        while name.encode() not in _once(there, question):
            pass
        waits.append(time.perf_counter() - begun)
    return waits


def _pieces(report: Report, rounds: int) -> None:
    """What a server spends on a piece of 10,000, with everything but the socket."""
    registry = Registry(per_address=0)
    for number in range(10_000):
        registry.register(f"10.{number // 250}.{number % 250}.1", "CIC", f"p{number}", 1, 7200, 0)
    answers = Answers(registry, lambda: 1.0)
    ip = "10.0.0.1"
    names = [f"p{number}" for number in range(100)]
    asked = {
        "50 at random": line(kind="DISCOVER", namespace="CIC", limit=50, sample=True),
        "50, and one's own": line(
            kind="DISCOVER", namespace="CIC", limit=50, sample=True, names=["p0"]
        ),
        "100 names": line(kind="DISCOVER", namespace="CIC", names=names),
        "a page of 1,000": line(kind="DISCOVER", namespace="CIC", limit=1000, after="p5"),
    }
    for what, request in asked.items():
        figures = []
        for _ in range(5 * rounds):
            begun = time.thread_time()
            for _ in range(100):
                reply = answers.reply(request, ip)
                if not isinstance(reply, bytes):
                    while reply.piece(len(reply._pieces)) is not None:
                        pass
            figures.append((time.thread_time() - begun) / 100 * 1e6)
        size = len(reply) if isinstance(reply, bytes) else reply.size
        title = f"{what} of 10,000 ({size / 1000:.1f} kB)"
        # The best of them: other programs on the machine can only add.
        report.add("Cluster", title, "us CPU", {SHARED: [min(figures)]})


def run(report: Report, *, quick: bool) -> None:
    """All of it."""
    rounds, count = (3, 1000) if quick else (7, 4000)
    _pieces(report, rounds)
    if shutil.which("redis-server") is None:
        print("  (no redis-server)")
        return
    with running(_redis()) as (redis,):
        where = f"redis://{LOOPBACK}:{redis.port}"
        servers = (_server(SHARED, "--shared", where), _server(OTHER, "--shared", where))
        with running(_server(ALONE), *servers) as (alone, shared, other):
            time.sleep(2)  # for both to have read what there is
            for program in (alone, shared):
                ask(program.port, map(register, range(1000)))
            again = [register(number % 1000) for number in range(count)]
            spent: dict[str, list[float]] = {OTHER: [], BETWEEN: []}

            def measure(program: Program) -> float:
                before = {each.name: each.cpu() for each in (other, redis)}
                taken = asking(again)(program)
                if program is shared:
                    time.sleep(0.3)
                    for each in (other, redis):
                        cpu = (each.cpu() - before[each.name]) / count * 1e6
                        spent[each.name].append(cpu)
                return taken

            figures = in_turn([shared, alone], rounds, measure)
            report.add("Cluster", "REGISTER again", "us CPU", figures)
            for name, values in spent.items():
                report.add("Cluster", f"a change costs {name}", "us CPU", {SHARED: values[1:]})
            some = [line(kind="DISCOVER", namespace="ns0")] * count
            figures = in_turn([shared, alone], rounds, asking(some))
            report.add("Cluster", "DISCOVER of 100", "us CPU", figures)
            waits = sorted(_listed_elsewhere(shared.port, other.port, count // 10))
            for part in (50, 99):
                value = statistics.quantiles(waits, n=100)[part - 1] * 1000
                title = f"listed on another server, p{part}"
                report.add("Cluster", title, "ms from the start of REGISTER", {SHARED: [value]})
            one = []
            for number in range(count // 10):
                begun = time.perf_counter()
                _once(shared.port, register(number % 1000))
                one.append((time.perf_counter() - begun) * 1000)
            report.add("Cluster", "one REGISTER at a time", "ms", {SHARED: one})


def _a_minute() -> int:
    """Bytes that a node in a namespace of 10,000 is told in a minute after its first listing."""
    registry = Registry(per_address=0)
    for number in range(10_000):
        ip = ".".join(str(random.randint(100, 255)) for _ in range(4))
        registry.register(ip, "CIC", f"somebody{number}", 40_000, 7200, 0)
    request = {"type": "DISCOVER", "namespace": "CIC", "limit": 50, "sample": True}
    answers = Answers(registry, lambda: 1.0)
    registry.register("127.0.0.1", "CIC", "me", 40_000, 7200, 0)
    reply = answers.reply(json.dumps({**request, "names": ["me"]}).encode(), "127.0.0.1")
    assert isinstance(reply, bytes)
    return len(reply)


if __name__ == "__main__":
    print(_a_minute(), "bytes a minute")
    run(Report(), quick="--quick" in sys.argv)

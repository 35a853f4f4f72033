"""The rendezvous: REGISTER and DISCOVER while 100, 1,000 and 10,000 names are registered."""

from __future__ import annotations

import select
import socket
import sys
from collections.abc import Callable, Iterable

from benchmarks.measuring import LOOPBACK, Program, Report, free_port, in_turn, line, plain, running

IN_FLIGHT = 64
NAMESPACES = 100
"""Names in one namespace."""


def rendezvous() -> Program:
    """Ours."""
    port = free_port()
    words = [sys.executable, "-m", "p2pchat.service.rendezvous", "--port", str(port)]
    return Program("p2pchat", [*words, "--interface", LOOPBACK, "--log-level", "WARNING"], port)


def ask(port: int, requests: Iterable[bytes]) -> None:
    """Send each request over a connection of its own, and read its reply to the end."""
    waiting = iter(requests)
    ready = select.epoll()
    open_: dict[int, tuple[socket.socket, bytes]] = {}

    def dial() -> None:
        request = next(waiting, None)
        if request is not None:
            end = socket.socket()
            end.setblocking(False)
            end.connect_ex((LOOPBACK, port))
            open_[end.fileno()] = (end, request)
            ready.register(end.fileno(), select.EPOLLOUT)

    for _ in range(IN_FLIGHT):
        dial()
    while open_:
        for descriptor, event in ready.poll(30):
            end, request = open_[descriptor]
            if event & select.EPOLLOUT:
                end.send(request)
                ready.modify(descriptor, select.EPOLLIN)
            elif not end.recv(1 << 20):
                ready.unregister(descriptor)
                del open_[descriptor]
                end.close()
                dial()
    ready.close()


def register(number: int) -> bytes:
    """A REGISTER of the n-th name."""
    namespace, name = f"ns{number // NAMESPACES}", f"peer{number}"
    return line(kind="REGISTER", namespace=namespace, name=name, port=4000, ttl=7200)


def asking(requests: list[bytes]) -> Callable[[Program], float]:
    """Measures microseconds of CPU a request."""

    def measure(program: Program) -> float:
        before = program.cpu()
        ask(program.port, requests)
        return (program.cpu() - before) / len(requests) * 1e6

    return measure


def run(report: Report, *, quick: bool) -> None:
    """All of it."""
    rounds, count = (3, 500) if quick else (5, 2_000)
    for known in (100, 1_000, 10_000):
        again = [register(number % known) for number in range(count)]
        some = [line(kind="DISCOVER", namespace="ns0")] * count
        every = [line(kind="DISCOVER")] * max(20, count * 25 // known)
        with running(rendezvous(), plain("rendezvous")) as programs:
            for program in programs:
                ask(program.port, map(register, range(known)))
            for what, requests in (
                ("REGISTER again", again),
                ("DISCOVER of 100", some),
                ("DISCOVER of all", every),
            ):
                figures = in_turn(programs, rounds, asking(requests))
                title = f"{what}, {known:,} names"
                report.add("Rendezvous", title, "us CPU a request", figures, known)

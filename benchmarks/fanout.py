"""PUB to many peers, one by one and in bursts, and with one among them that never reads."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections.abc import Callable

from benchmarks.measuring import (
    LOOPBACK,
    OURS,
    REDIS,
    Peer,
    Program,
    Report,
    chat,
    hello,
    in_turn,
    plain,
    redis,
    running,
    text,
)

MARK = b"^"
"""Once in each payload, and nowhere else in what is received."""


class Audience:
    """Peers of a program, or subscribers of Redis, that count what they get."""

    def __init__(self, program: Program, count: int) -> None:
        self._program = program
        self._sockets: dict[int, socket.socket] = {}
        self._ready = select.epoll()
        for number in range(count):
            if program.name == REDIS:
                end = socket.create_connection((LOOPBACK, program.port))
                end.sendall(b"SUBSCRIBE bench\r\n")
                end.recv(65_536)
            else:
                end = Peer(program.port, f"peer{number}@bench").socket
            end.setblocking(False)
            self._sockets[end.fileno()] = end
            self._ready.register(end.fileno(), select.EPOLLIN)
        self._publisher: socket.socket | None = None
        if program.name == REDIS:
            self._publisher = socket.create_connection((LOOPBACK, program.port))

    def publish(self, payload: bytes, times: int) -> float:
        """Have it published so often; seconds until all of it was received."""
        wanted = times * len(self._sockets)
        put: Callable[[bytes], None]
        if self._publisher is not None:
            head = b"*3\r\n$7\r\nPUBLISH\r\n$5\r\nbench\r\n$%d\r\n" % len(payload)
            data, put = (head + payload + b"\r\n") * times, self._publisher.sendall
        else:
            data, put = (b"/pub * " + payload + b"\n") * times, self._program.feed
        start = time.perf_counter()
        # In a thread: whoever publishes may be read more slowly than it is told to.
        feeder = threading.Thread(target=put, args=(data,), daemon=True)
        feeder.start()
        while wanted > 0:
            ready = self._ready.poll(30)
            if not ready:
                raise SystemExit(f"{self._program.name}: {wanted} deliveries are missing")
            for descriptor, _ in ready:
                with contextlib.suppress(BlockingIOError):
                    wanted -= self._sockets[descriptor].recv(262_144).count(MARK)
        taken = time.perf_counter() - start
        feeder.join()
        if self._publisher is not None:
            self._publisher.recv(1 << 20)
        return taken

    def close(self) -> None:
        """All of them leave."""
        self._ready.close()
        for end in self._sockets.values():
            end.close()


def delivering(
    audiences: dict[str, Audience], count: int, payload: bytes, times: int, repeat: int
) -> Callable[[Program], float]:
    """Measures microseconds of CPU a delivery, `times` publications at once, `repeat` times."""

    def measure(program: Program) -> float:
        before = program.cpu()
        for _ in range(repeat):
            audiences[program.name].publish(payload, times)
        time.sleep(0.05)  # what was delivered is accounted for a little later
        return (program.cpu() - before) / (count * times * repeat) * 1e6

    return measure


def run(report: Report, *, quick: bool) -> None:
    """All of it."""
    rounds, payload = (3 if quick else 7), MARK + text(99).encode()
    for count in (10, 100, 1_000):
        with running(chat(), plain(), redis()) as programs:
            audiences = {program.name: Audience(program, count) for program in programs}
            for what, times, repeat in (("one by one", 1, 10), ("burst of 100", 100, 1)):
                measure = delivering(audiences, count, payload, times, repeat)
                figures = in_turn(programs, rounds, measure)
                title = f"PUB, {what}, to {count:,} peers"
                report.add("Fan-out", title, "us CPU a delivery", figures, count)
            for audience in audiences.values():
                audience.close()
    stalled(report, 300 if quick else 1_500, rounds)


def stalled(report: Report, times: int, rounds: int) -> None:
    """Ten peers without, then with an eleventh that never reads."""
    payload = MARK + text(7_999).encode()
    with running(chat()) as (program,):
        audience = Audience(program, 10)

        def rate(_: Program) -> float:
            return 10 * times / audience.publish(payload, times)

        before = in_turn([program], rounds, rate)[OURS]
        with socket.socket() as silent:
            silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            silent.connect((LOOPBACK, program.port))
            silent.sendall(hello("silent@bench"))
            time.sleep(0.2)
            memory = program.memory()
            after = in_turn([program], rounds, rate)[OURS]
            grown = (program.memory() - memory) / 1e6
        figures = {OURS: after, "none stalled": before}
        report.add(
            "One of eleven never reads", "PUB of 8,000 bytes to the others", "deliveries/s", figures
        )
        report.add("One of eleven never reads", "memory", "MB more", {OURS: [grown]})
        audience.close()

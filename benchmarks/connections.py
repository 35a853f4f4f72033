"""Many peers: what a handshake and a connection cost, and what they cost while nobody speaks."""

from __future__ import annotations

import resource
import select
import socket
import time

from benchmarks.measuring import (
    LOOPBACK,
    Figures,
    Program,
    Report,
    chat,
    hello,
    plain,
    running,
)

IN_FLIGHT = 100


class Crowd:
    """So many peers, as soon as all of them were answered."""

    def __init__(self, port: int, count: int) -> None:
        self._port = port
        self._ready = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        start = time.perf_counter()
        answered = 0
        for _ in range(min(count, IN_FLIGHT)):
            self._dial()
        while answered < count:
            for descriptor, event in self._ready.poll(30):
                end = self._sockets[descriptor]
                if event & select.EPOLLOUT:
                    end.send(hello(f"peer{descriptor}@bench"))
                    self._ready.modify(descriptor, select.EPOLLIN)
                elif b"HELLO_OK" in end.recv(4_096):
                    answered += 1
                    if len(self._sockets) < count:
                        self._dial()
        self.seconds = time.perf_counter() - start

    def _dial(self) -> None:
        end = socket.socket()
        end.setblocking(False)
        end.connect_ex((LOOPBACK, self._port))
        self._sockets[end.fileno()] = end
        self._ready.register(end.fileno(), select.EPOLLOUT)

    def rest(self, seconds: float) -> None:
        """Do nothing but answer PINGs for so long."""
        until = time.perf_counter() + seconds
        while (left := until - time.perf_counter()) > 0:
            for descriptor, _ in self._ready.poll(left):
                data = self._sockets[descriptor].recv(4_096)
                if b'"PING"' in data:
                    self._sockets[descriptor].send(data.replace(b'"PING"', b'"PONG"'))

    def close(self) -> None:
        """All of them leave."""
        self._ready.close()
        for end in self._sockets.values():
            end.close()


def run(report: Report, *, quick: bool) -> None:
    """All of it; the plain program sends no PINGs, so its idling is no yardstick."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    counts = (10, 100, 1_000) if quick else (10, 100, 1_000, min(10_000, hard - 500))
    idle = 3 if quick else 31
    for count in counts:
        names = ("handshakes/s", "us CPU a handshake", "bytes a connection", "% of a core, idle")
        figures: dict[str, Figures] = {name: {} for name in names}
        for make in (chat, plain):
            with running(make()) as (program,):
                for name, value in zip(names, _measure(program, count, idle), strict=True):
                    figures[name][program.name] = [value]
        for name in names:
            report.add("Connections", f"{count:,} peers", name, figures[name], count)


def _measure(program: Program, count: int, idle: float) -> tuple[float, float, float, float]:
    time.sleep(1)  # its own start is over
    memory, cpu = program.memory(), program.cpu()
    crowd = Crowd(program.port, count)
    handshake = (program.cpu() - cpu) / count * 1e6
    time.sleep(0.5)
    size = (program.memory() - memory) / count
    cpu, start = program.cpu(), time.perf_counter()
    crowd.rest(idle)
    resting = (program.cpu() - cpu) / (time.perf_counter() - start) * 100
    crowd.close()
    return count / crowd.seconds, handshake, size, resting

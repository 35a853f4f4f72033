"""What encryption costs: one node, with peers in the clear and peers in TLS, measured in turn.

    python -m benchmarks.sealed             about two minutes
    python -m benchmarks.sealed --quick     rougher figures

What counts is the ratio of the two, for both are measured at one time. Beside an opened link stands
the floor: the same handshake and lines with `ssl` and nothing around it, in a process of its own
(`benchmarks.bare_tls`). Links are opened in waves from many addresses, so that no handshake waits
for its share of CPU time; the last row has those that do. Needs Linux, for the kernel's account of
CPU time, and the package `cryptography`, for the keys of the peers.
"""

from __future__ import annotations

import argparse
import os
import select
import statistics
import time
import uuid
from collections.abc import Callable

from benchmarks.measuring import (
    LOOPBACK,
    NAMESPACE,
    Peer,
    Program,
    bare_tls,
    chat,
    line,
    running,
    text,
)
from p2pchat.mesh.identity.key_file import fleeting_key
from p2pchat.mesh.identity.keys import Keys
from p2pchat.mesh.identity.sealing import Seal

IN_CLEAR, SEALED, FLOOR = "clear", "sealed", "floor"
NAMES_OF_A_KEY = 8
"""A node lets no key have more names than these."""
WAVE, PAUSE = 40, 1.0
"""Links that are opened at once, and the seconds in which a node has CPU for as many again."""
SILENT = ("--ping-interval", "3600")
"""Nobody answers a PING here, and one that comes would be taken for an answer."""
MARK = b"^"
"""Once in each payload, and nowhere else in what is received."""


class SealedPeer(Peer):
    """The same as `Peer`, in TLS; its socket is the plain one below."""

    def __init__(self, port: int, peer_id: str, keys: Keys, *, source: str = LOOPBACK) -> None:
        self._keys = keys
        super().__init__(port, peer_id, source=source)

    def begin(self) -> None:
        """Shake hands."""
        self._seal = Seal(self._keys, dialed=True)
        self.socket.sendall(self._seal.start())
        while not self._seal.key:
            data = self.socket.recv(65_536)
            if not data:
                raise SystemExit("the program closed the connection")
            self._seal.shake(data)
            self.socket.sendall(self._seal.answer())

    def seal(self, data: bytes) -> bytes:
        """What is to be sent for these lines."""
        return self._seal.close(data)

    def open(self, data: bytes) -> bytes:
        """The lines in what was read."""
        return self._seal.open(data)


class Peers:
    """Peers of both kinds, each with a name of its own."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._keys: list[Keys] = []
        self._made = 0

    def new(self, kind: str, namespace: str = NAMESPACE, *, apart: bool = False) -> Peer:
        """One more peer that said HELLO and was answered; `apart`: from a network of its own."""
        number, self._made = self._made, self._made + 1
        peer_id = f"peer{number}@{namespace}"
        source = f"127.1.{number % 250}.1" if apart else LOOPBACK
        if kind == IN_CLEAR:
            return Peer(self._program.port, peer_id, source=source)
        if number // NAMES_OF_A_KEY >= len(self._keys):
            self._keys += [fleeting_key(os.urandom).keys] * (
                number // NAMES_OF_A_KEY + 1 - len(self._keys)
            )
        return SealedPeer(self._program.port, peer_id, self._keys[-1], source=source)


def message(number: int, *, ack: bool) -> bytes:
    """A SEND with an id of its own."""
    return line(
        kind="SEND",
        msg_id=str(uuid.uuid4()),
        src=f"peer{number}@{NAMESPACE}",
        dst=f"bob@{NAMESPACE}",
        payload=text(20),
        require_ack=ack,
        ttl=1,
    )


Measure = Callable[[Program, Peer, int], float]


def flood(program: Program, peer: Peer, count: int) -> float:
    """Microseconds of CPU a message that wants no ACK, 64 in a write."""
    lines = [message(0, ack=False) for _ in range(count)]
    blocks = [peer.seal(b"".join(lines[at : at + 64])) for at in range(0, count, 64)]
    last = peer.seal(message(0, ack=True))
    before = program.cpu()
    peer.socket.sendall(b"".join(blocks) + last)
    peer.read(1)
    return (program.cpu() - before) / count * 1e6


def windows(program: Program, peer: Peer, count: int, width: int = 64) -> float:
    """Microseconds of CPU a message and its ACK, 64 in flight."""
    lines = [message(0, ack=True) for _ in range(count)]
    before = program.cpu()
    peer.socket.sendall(peer.seal(b"".join(lines[:width])))
    sent, answered = width, 0
    while answered < count:
        more = peer.read(1).count(b"\n")
        answered += more
        if sent < count:
            peer.socket.sendall(peer.seal(b"".join(lines[sent : sent + more])))
        sent += more
    return (program.cpu() - before) / count * 1e6


def one_at_a_time(program: Program, peer: Peer, count: int) -> float:
    """Microseconds of CPU a message and its ACK, one in flight."""
    return windows(program, peer, count // 5, 1)


class Audience:
    """Peers of one namespace of their own, that count what they get."""

    def __init__(self, program: Program, peers: Peers, kind: str) -> None:
        self._program = program
        self._new = peers.new
        self._kind = kind
        self._scope = f"#{kind}".encode()
        self._peers: list[Peer] = []
        self.openings: list[float] = []
        """Microseconds of CPU a link, from its connection to HELLO_OK, of each wave."""
        self.sizes: list[float] = []
        """KiB a link, of all together."""
        self._ready = select.epoll()
        self._by_descriptor: dict[int, Peer] = {}
        self._empty = 0

    def more(self, count: int) -> None:
        """One more wave; the first one, in which all is new to the program, does not count."""
        before = self._program.cpu()
        new = [self._new(self._kind, self._kind, apart=True) for _ in range(count)]
        figure = (self._program.cpu() - before) / count * 1e6
        for peer in new:
            self._by_descriptor[peer.socket.fileno()] = peer
            self._ready.register(peer.socket.fileno(), select.EPOLLIN)
        if self._peers:
            self.openings.append(figure)
        else:
            self._empty = self._program.memory()
        self._peers += new

    def weigh(self) -> None:
        """Look at the memory."""
        count = len(self.openings) * WAVE
        self.sizes.append((self._program.memory() - self._empty) / count / 1024)

    def publish(self, times: int, repeat: int) -> float:
        """Microseconds of CPU a delivery, so many publications at once, so often."""
        before = self._program.cpu()
        for _ in range(repeat):
            words = b"/pub " + self._scope + b" " + MARK + text(99).encode() + b"\n"
            self._program.feed(words * times)
            wanted = times * len(self._peers)
            while wanted > 0:
                for descriptor, _ in self._ready.poll(30):
                    peer = self._by_descriptor[descriptor]
                    wanted -= peer.open(peer.socket.recv(262_144)).count(MARK)
        time.sleep(0.05)
        return (self._program.cpu() - before) / (times * repeat * len(self._peers)) * 1e6

    def close(self) -> None:
        """All of them leave."""
        self._ready.close()
        for peer in self._peers:
            peer.socket.close()


def show(what: str, unit: str, figures: dict[str, list[float]]) -> None:
    """Print medians, and the median of the ratios of single rounds."""
    first, *others = figures
    clear = figures[first]
    medians = f"{statistics.median(clear):10.3g} {first}"
    for kind in others:
        ratio = statistics.median(b / a for a, b in zip(clear, figures[kind], strict=True) if a)
        medians += f" {statistics.median(figures[kind]):10.3g} {kind} {ratio:8.2f}x"
    print(f"  {f'{what}, {unit}':46} {medians}", flush=True)


def messages(rounds: int, count: int) -> None:
    """What lines cost on two links of a node."""
    with running(chat(*SILENT)) as (program,):
        peers = Peers(program)
        ends = {kind: peers.new(kind) for kind in (IN_CLEAR, SEALED)}
        measures: tuple[tuple[str, Measure, int], ...] = (
            ("SEND, flood", flood, 5 * count),
            ("SEND+ACK, 64 in flight", windows, count),
            ("SEND+ACK, one at a time", one_at_a_time, count),
        )
        for what, measure, times in measures:
            figures: dict[str, list[float]] = {kind: [] for kind in ends}
            for number in range(rounds + 1):
                for kind, peer in ends.items():
                    figure = measure(program, peer, times)
                    if number:
                        figures[kind].append(figure)
            show(what, "us CPU a message", figures)


def links(rounds: int, count: int) -> None:
    """What links cost; the two kinds are in two nodes, so that each has its own memory."""
    with running(chat(*SILENT), chat(*SILENT), bare_tls()) as programs:
        kinds = zip((IN_CLEAR, SEALED, FLOOR), programs, strict=True)
        audiences = {kind: Audience(it, Peers(it), kind) for kind, it in kinds}
        time.sleep(1)
        for _ in range(count // WAVE + 1):
            for it in audiences.values():
                it.more(WAVE)
            time.sleep(PAUSE)
        for it in audiences.values():
            it.weigh()
        by_sealed = {kind: audiences[kind].openings for kind in (SEALED, IN_CLEAR, FLOOR)}
        show("opening a link", "us CPU", by_sealed)
        by_sealed = {kind: audiences[kind].sizes for kind in (SEALED, IN_CLEAR, FLOOR)}
        show("a link", "KiB", by_sealed)
        del audiences[FLOOR]
        for what, at_once, repeat in (("one by one", 1, 10), ("burst of 100", 100, 1)):
            figures: dict[str, list[float]] = {kind: [] for kind in audiences}
            for number in range(rounds + 1):
                for kind, it in audiences.items():
                    figure = it.publish(at_once, repeat)
                    if number:
                        figures[kind].append(figure)
            show(f"PUB to {count + WAVE:,}, {what}", "us CPU a delivery", figures)
        sealed = audiences[SEALED]
        sealed.weigh()
        show("a link after that", "KiB", {SEALED: sealed.sizes[1:]})
        for it in audiences.values():
            it.close()


def waiting() -> None:
    """What it costs to be let in in one's turn."""
    with running(chat()) as (program,):
        peers = Peers(program)
        figures: dict[str, list[float]] = {IN_CLEAR: [], SEALED: []}
        for kind, found in figures.items():
            for number in range(4):
                before = program.cpu()
                ends = [peers.new(kind) for _ in range(WAVE)]
                if number:
                    found.append((program.cpu() - before) / WAVE * 1e6)
                for end in ends:
                    end.socket.close()
        show("opening a link that waits for its turn", "us CPU", figures)


def run(*, quick: bool) -> None:
    """All of it."""
    count, rounds, audience = (4_000, 3, 280) if quick else (20_000, 7, 960)
    messages(rounds, count)
    links(rounds, audience)
    waiting()


def main() -> None:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sealed",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true")
    run(quick=parser.parse_args().quick)


if __name__ == "__main__":
    main()

"""A subscriber that is killed in a flood and comes back: is each message accounted for?

    python -m benchmarks.away                     50,000 messages, with a history and without
    python -m benchmarks.away --messages 200000
    python -m benchmarks.away --cost              what an event costs, instead

A peer floods a node. A program of its own hears the events, is killed with SIGKILL after a fifth of
them, and another one goes on where it was half a second later. Without a history, what it heard and
what it was told to have missed must be all; with one, each text is heard, and once.
What an event costs: CPU of a node with one subscriber, and with none.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.measuring import NAMESPACE, OURS, Peer, Program, free_port, message
from p2pchat.control.client.finding import Choice, Refused, find
from p2pchat.control.client.place import Place
from p2pchat.control.paths import ControlError

LAST = "the last one"
AWAY = 0.5


def node(folder: str, *, history: bool) -> tuple[Program, str]:
    """A node with a control socket, and where that is."""
    port, path = free_port(), str(Path(folder, "control"))
    words = [sys.executable, "-m", "p2pchat", "--peer-rate", "0", "--log-level", "WARNING"]
    words += ["--control", path, "--local-port", str(free_port()), "--port", str(port), "--stay"]
    words += ["--name", "bob", "--namespace", NAMESPACE]
    words += ["--history", str(Path(folder, "history.sqlite")) if history else "none"]
    program = Program(OURS, words, port).ready()
    while not Path(path).exists():  # it comes a moment after the port
        time.sleep(0.01)
    return program, path


def listen(path: str, since: str, run: str, begins: int) -> None:
    """The subscriber: writes a line for whatever it hears, and ends with the last message."""
    place = Place(["message"])
    place.begins(begins)
    with find(Choice(path)) as asked:
        now = since == "now"
        answer = asked.ask(
            "subscribe",
            events=["message"],
            leave_out=True,
            since="now" if now else int(since),
            run=run,
        )
        print("run", answer["run"], answer["last"], answer["missed"], flush=True)
        place.is_behind = not now
        for event in _all(asked, place):
            if event["event"] == "left_out":
                print("gone", event["count"])
            elif event["event"] == "message":
                print("text", event.get("n", 0), event["text"])
                if event["text"] == LAST:
                    sys.stdout.flush()
                    return
            if now:
                sys.stdout.flush()


def _all(asked: Any, place: Place) -> Iterator[dict[str, Any]]:
    yield from _missed(asked, place)
    for event in asked.events():
        if place.takes(event):
            yield event
        yield from _missed(asked, place)


def _missed(asked: Any, place: Place) -> Iterator[dict[str, Any]]:
    while place.is_behind:
        try:
            yield from place.read(asked.ask("history", **place.history()))
        except Refused:
            place.cannot_read()


def subscriber(path: str, *arguments: str) -> subprocess.Popen[str]:
    """One in a process of its own."""
    words = [sys.executable, "-m", "benchmarks.away", "--listen", path, *arguments]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def account(count: int, *, history: bool) -> None:
    """Flood, kill, come back, and count."""
    with tempfile.TemporaryDirectory(prefix="p2pchat-away-") as folder:
        program, path = node(folder, history=history)
        try:
            heard, gone, ended = _heard(program, path, count)
        finally:
            program.stop()
    distinct = len({*heard})
    print(
        f"{'with' if history else 'without'} a history: {count:,} said, {distinct:,} heard, "
        f"{len(heard) - distinct} of them twice, {gone:,} told to be missed; "
        f"{count - distinct if history else count - distinct - gone} not accounted for "
        f"(killed at {ended:,})"
    )


def _heard(program: Program, path: str, count: int) -> tuple[list[str], int, int]:
    peer = Peer(program.port)
    lines = [message(f"{number}", ack=False) for number in range(count - 1)]
    first = subscriber(path, "now", "", "0")
    assert first.stdout is not None
    _, run, _, _ = first.stdout.readline().split()
    flood = threading.Thread(target=peer.socket.sendall, args=(b"".join(lines),))
    flood.start()
    texts: list[str] = []
    number = gone = 0
    for line in first.stdout:
        if not line.endswith("\n"):
            break  # it was killed while it wrote this
        kind, n, *text = line[:-1].split(" ", 2)
        if kind == "gone":
            gone += int(n)
            number += int(n)
        elif kind == "text" and text:
            number = int(n) or number
            texts.append(text[0])
        if len(texts) >= count // 5:
            first.kill()
    first.wait()
    time.sleep(AWAY)
    flood.join()
    peer.socket.sendall(message(LAST, ack=True))
    second = subscriber(path, str(number), run, "0")
    assert second.stdout is not None
    before = {*texts}
    for line in second.stdout:
        kind, n, *text = line.rstrip("\n").split(" ", 2)
        if kind == "gone":
            gone += int(n)
        elif kind == "text" and text[0] not in before:  # the history has those as well
            texts.append(text[0])
    second.wait()
    peer.socket.close()
    return texts, gone, number


def cost(count: int) -> None:
    """What a message costs a node whose events nobody, or somebody, hears."""
    for kinds in (None, "subscribed", "numbered"):
        figures = []
        for _ in range(3):
            with tempfile.TemporaryDirectory(prefix="p2pchat-away-") as folder:
                program, path = node(folder, history=False)
                try:
                    figures.append(_cpu(program, path, count, kinds))
                finally:
                    program.stop()
        print(f"{kinds or 'nobody hears'}: {sorted(figures)[1]:.2f} us of CPU a message")


def _cpu(program: Program, path: str, count: int, kinds: str | None) -> float:
    peer = Peer(program.port)
    lines = b"".join(message("Olá, tudo bem? Olá, t", ack=False) for _ in range(count))
    with find(Choice(path)) as asked:
        if kinds is not None:
            since = {} if kinds == "subscribed" else {"since": "now"}
            asked.ask("subscribe", events=["message"], leave_out=True, **since)
            reading = threading.Thread(target=_read, args=(asked, count + 1), daemon=True)
            reading.start()
        before = program.cpu()
        peer.socket.sendall(lines + message("last", ack=True))
        peer.read(1)
        time.sleep(0.5)
        spent = program.cpu() - before
        peer.socket.close()
    return spent / count * 1e6


def _read(asked: Any, count: int) -> None:
    with suppress(ControlError):  # it is over
        for number, _ in enumerate(asked.events(), 1):
            if number >= count:
                return


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=50_000)
    parser.add_argument("--cost", action="store_true", help="only what an event costs")
    parser.add_argument("--listen", nargs=4, metavar="WORD", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.listen:
        path, since, run, begins = options.listen
        listen(path, since, run, int(begins))
        os._exit(0)
    for history in () if options.cost else (False, True):
        account(options.messages, history=history)
    if options.cost:
        cost(options.messages)


if __name__ == "__main__":
    main()

"""Two chats that talk while one of them is killed, again and again: is anything lost or doubled?

    python benchmarks/kill_nine.py --kills 200 --messages 10000

Starts two real nodes on loopback, with histories in a folder of their own. Both say numbered lines
to each other; at random moments one of the two gets SIGKILL and is started again. At the end:

- what the sender was told is delivered is in the receiver's history, exactly once;
- what the sender was told is queued is there as well;
- nothing is in a history twice.

The exit status is 0 when all of that holds.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

NAMES = ("alice", "bob")


class Chat:
    """One node as a process, and what all the processes that were it have said."""

    def __init__(self, name: str, options: list[str], environment: dict[str, str]) -> None:
        self.name = name
        self.other = NAMES[1 - NAMES.index(name)]
        self._command = [sys.executable, "-m", "p2pchat", "--name", name, *options]
        self._environment = environment
        self.said = 0
        self.delivered: set[str] = set()
        self.queued = 0
        self.shown: list[str] = []
        self.start()

    def start(self) -> None:
        """Start it, again."""
        self.process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._environment,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, args=(self.process,))
        self._reader.start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        acked = re.compile(r'^\* delivered to .*"(n\d+)"$|^delivered to \S+: "(n\d+)"$')
        for line in process.stdout:
            found = acked.match(line)
            if found:
                self.delivered.add(found[1] or found[2])
            elif line.startswith(f"[{self.other}@"):
                self.shown.append(line.rstrip("\n").rpartition(" ")[2])
            self.queued += line.startswith("queued: ")

    def say(self) -> None:
        """Say the next number."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(f"/msg {self.other}@lobby n{self.said}\n")
            self.process.stdin.flush()
            self.said += 1
        except BrokenPipeError:
            pass

    def end(self, number: signal.Signals) -> None:
        """Send it a signal, and wait until it is gone."""
        self.process.send_signal(number)
        self.process.wait()
        self._reader.join()

    def kept(self) -> list[dict[str, str]]:
        """Its history."""
        command = [sys.executable, "-m", "p2pchat", "history", "--json", "--name", self.name]
        shown = subprocess.run(command, env=self._environment, capture_output=True, text=True)
        return [json.loads(line) for line in shown.stdout.splitlines()]


def main() -> int:
    """Run it, and tell what came out."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    with socket.socket() as probe, tempfile.TemporaryDirectory() as folder:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        environment = {
            **os.environ,
            "PYTHONPATH": str(Path(__file__).resolve().parent.parent),
            "XDG_DATA_HOME": folder,
            "XDG_STATE_HOME": folder,
            "XDG_RUNTIME_DIR": folder,
        }
        command = [sys.executable, "-m", "p2pchat.service.rendezvous", "--interface", "127.0.0.1"]
        rendezvous = subprocess.Popen(
            [*command, "--port", str(port)], env=environment, stdout=subprocess.DEVNULL
        )
        words = ["--rendezvous", f"127.0.0.1:{port}", "--namespace", "lobby", "--port", "0"]
        words += ["--discovery-interval", "1", "--outbox-max-per-peer", "10000"]
        chats = [Chat(name, words, environment) for name in NAMES]
        between = options.messages // 2 // options.kills
        for kill in range(options.kills):
            for _ in range(between):
                for chat in chats:
                    chat.say()
                time.sleep(chance.random() * 0.01)
            time.sleep(chance.random() * 2)
            victim = chance.choice(chats)
            victim.end(signal.SIGKILL)
            victim.start()
            if kill % 10 == 9:
                print(f"{kill + 1} kills, {chats[0].said + chats[1].said} said", flush=True)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            time.sleep(2)
            if all(line["state"] != "waiting" for chat in chats for line in chat.kept()):
                break
        for chat in chats:
            chat.end(signal.SIGTERM)
        rendezvous.terminate()
        rendezvous.wait()
        return verdict(chats)


def verdict(chats: list[Chat]) -> int:
    """What both histories say, and the exit status."""
    wrong = 0
    histories = {chat.name: chat.kept() for chat in chats}
    for chat in chats:
        sent = [line for line in histories[chat.name] if line["from"] == f"{chat.name}@lobby"]
        received = [
            line["text"] for line in histories[chat.other] if line["from"] == f"{chat.name}@lobby"
        ]
        confirmed = {line["text"] for line in sent if line["state"] == "delivered"}
        waiting = sum(line["state"] == "waiting" for line in sent)
        doubled = len(received) - len(set(received))
        other = next(each for each in chats if each is not chat)
        shown_twice = len(other.shown) - len(set(other.shown))
        lost = (confirmed | chat.delivered) - set(received)
        numbers = [int(text[1:]) for text in received]
        late = sum(one > two for one, two in itertools.pairwise(numbers))
        print(
            f"{chat.name} -> {other.name}: said {chat.said}, kept {len(sent)}, "
            f"delivered {len(confirmed)}, in the other's history {len(received)}; "
            f"lost {len(lost)}, doubled {doubled}, shown twice {shown_twice}, "
            f"still waiting {waiting}, out of order {late}"
        )
        wrong += len(lost) + doubled + shown_twice + waiting
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

"""A soak: many real nodes, people coming and going, messages all the time, and a full account.

    python benchmarks/soak.py --minutes 30
    python benchmarks/soak.py --minutes 1 --nodes 10 --rate 5

It starts a rendezvous and `--nodes` nodes, has one of them leave or die every `--churn` seconds
(orderly, by SIGTERM, or by SIGKILL, and back a few seconds later), and has random nodes send
`--rate` messages a second, a fifth of them published to all. A tenth of the nodes, the elders,
stay: their memory and descriptors are compared with what they were after five minutes, or after
half of a shorter run. Exit status 0 when all of this holds:

- every direct message was acknowledged and shown once where it was sent, or its sender was told
  that it was not delivered, or its sender was gone before either; what its sender was told is kept
  for later was shown once, too;
- every published message was shown once by every node that was up all the time around it;
- no memory of an elder grew by more than 5 % and 2 MB, and no count of descriptors by more than 8;
- no log holds an error, a traceback, or anything unhandled.

Everything is asked of the programs as a person would: standard input, standard output, the log.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import re
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
SETTLED = 20.0
"""Seconds after its start from which a node must get what is published."""
AFTER = 4.0
"""Seconds that a message may take; who leaves earlier need not have shown it."""
PATIENCE = 30.0
"""Seconds after the last message until each must have been accounted for; all are back by then."""
KEPT = "kept for later"
DELIVERED = re.compile(r"^delivered to (\S+?)@soak in ")
LATER = re.compile(r"^(?:\* )?delivered to \S+?@soak(?:, which was away)?: \"(m\d+)\"$")
NOT_DELIVERED = re.compile(r"^not delivered to (\S+?)@soak: (.*) \(\"(m\d+)\"\)$")
QUEUED = re.compile(r"^queued: (\S+?)@soak is not connected")
SHOWN = re.compile(r"^\[(\S+?)@soak(?: -> \*)?(, said [^\]]*)?\] (m\d+)$")
NO_LINK = re.compile(
    r"no such peer: (\S+?)@soak|no link to (\S+?)@soak|^(\S+?)@soak does not keep up"
)


class Message:
    """One message, and what became of it."""

    def __init__(self, at: float, sender: Node, to: Node | None, due: list[Node]) -> None:
        self.at = at
        self.sender, self.run = sender, sender.run
        self.to = to
        self.due = [(node, node.run) for node in due]
        self.shown: dict[tuple[str, int], int] = {}
        self.outcome = ""


class Node:
    """One node, through all its lives."""

    def __init__(self, name: str, folder: Path, command: list[str]) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.errors = folder / f"{name}.stderr"
        self.environment = {"PYTHONPATH": str(ROOT), "XDG_DATA_HOME": str(folder / "data")}
        self.command = [*command, "--name", name, "--log-file", str(self.log)]
        self.process: subprocess.Popen[bytes] | None = None
        self.run = 0
        self.ready_at: float | None = None
        self.back_at: float | None = None
        self.ended_at: dict[int, float] = {}
        self.tail = b""

    @property
    def up(self) -> bool:
        return self.process is not None

    def settled(self, now: float) -> bool:
        return self.ready_for(SETTLED, now)

    def ready_for(self, seconds: float, now: float) -> bool:
        """Whether it said that it listens, so long ago; a busy machine takes its time before."""
        return self.up and self.ready_at is not None and now - self.ready_at > seconds

    def start(self, selector: selectors.BaseSelector) -> None:
        self.run += 1
        self.ready_at, self.back_at, self.tail = None, None, b""
        with self.errors.open("ab") as errors:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=self.log.parent,
                env={**os.environ, **self.environment},
            )
        assert self.process.stdin
        assert self.process.stdout
        os.set_blocking(self.process.stdin.fileno(), False)
        os.set_blocking(self.process.stdout.fileno(), False)
        selector.register(self.process.stdout, selectors.EVENT_READ, self)

    def say(self, line: str) -> bool:
        if self.process is None or self.process.stdin is None:
            return False
        try:
            return self.process.stdin.write(line.encode() + b"\n") is not None and (
                self.process.stdin.flush() is None
            )
        except OSError:
            return False

    def read(self) -> list[str] | None:
        """The lines that came; None at the end of the output."""
        assert self.process
        assert self.process.stdout
        try:
            data = os.read(self.process.stdout.fileno(), 1 << 16)
        except BlockingIOError:
            return []
        if not data:
            return None
        *lines, self.tail = (self.tail + data).split(b"\n")
        return [line.decode("utf-8", "replace") for line in lines]

    def reap(self, selector: selectors.BaseSelector, now: float) -> int:
        """The output has ended: wait for the process; its status."""
        assert self.process
        assert self.process.stdin
        assert self.process.stdout
        selector.unregister(self.process.stdout)
        self.process.stdout.close()
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        status = self.process.wait(timeout=10)
        self.process = None
        self.ended_at.setdefault(self.run, now)
        return status


class Sizes(NamedTuple):
    """What one process takes at a moment."""

    memory: int
    descriptors: int

    @classmethod
    def of(cls, pid: int) -> Sizes:
        rss = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
        return cls(rss, len(os.listdir(f"/proc/{pid}/fd")))


class Soak:
    """The whole run."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options = options
        self.random = random.Random(options.seed)
        self.selector = selectors.DefaultSelector()
        self.folder = folder
        self.rendezvous, port = self.start_rendezvous()
        command = [sys.executable, "-m", "p2pchat", "--namespace", "soak", "--port", "0"]
        command += ["--interface", "127.0.0.1", "--rendezvous", f"127.0.0.1:{port}", "--stay"]
        command += [*options.option]
        self.nodes = [Node(f"n{n:02}", folder, command) for n in range(options.nodes)]
        self.by_name = {node.name: node for node in self.nodes}
        self.elders = self.nodes[: max(1, options.nodes // 10)]
        self.messages: dict[str, Message] = {}
        self.waiting: dict[tuple[str, str], str] = {}
        """(sender, receiver) -> the message between them that has no outcome yet."""
        self.count: dict[str, int] = {}
        self.faults: list[str] = []
        self.statuses: dict[str, int] = {}

    def start_rendezvous(self) -> tuple[subprocess.Popen[bytes], int]:
        log = self.folder / "rendezvous.log"
        command = [sys.executable, "-m", "p2pchat.service.rendezvous", "--interface", "127.0.0.1"]
        command += ["--port", "0", "--log-file", str(log), "--database", "registrations.db"]
        process = subprocess.Popen(
            command, cwd=self.folder, env={**os.environ, "PYTHONPATH": str(ROOT)}
        )
        end = time.monotonic() + 15
        while time.monotonic() < end:
            found = re.search(r"listens on \S+:(\d+)", log.read_text() if log.exists() else "")
            if found:
                return process, int(found[1])
            time.sleep(0.05)
        raise SystemExit("the rendezvous did not start")

    # ------------------------------------------------------------ what happens

    def go(self) -> None:
        seconds = self.options.minutes * 60
        for node in self.nodes:
            node.start(self.selector)
            self.look(0.05)
        self.look_until(time.monotonic() + 180, lambda: all(node.ready_at for node in self.nodes))
        self.look_until(time.monotonic() + min(SETTLED, seconds / 4))
        begin = time.monotonic()
        talk_until = begin + seconds
        compare_at = begin + (300 if seconds > 600 else seconds / 2)
        next_message = next_churn = next_report = time.monotonic()
        before: dict[str, Sizes] = {}
        while (now := time.monotonic()) < talk_until:
            if now >= next_message:
                self.talk(now)
                next_message = max(next_message + 1 / self.options.rate, now - 1)
            if now >= next_churn:
                self.churn(now)
                next_churn = now + self.options.churn
            if not before and now >= compare_at:
                before = self.sizes()
            if now >= next_report:
                self.report(now - begin)
                next_report = now + 30
            self.revive(now)
            self.look(max(0.0, min(next_message, next_churn) - time.monotonic()))
        self.look_until(time.monotonic() + PATIENCE)
        after = self.sizes()
        self.leave()
        self.judge(before, after)

    def talk(self, now: float) -> None:
        senders = [node for node in self.nodes if node.ready_for(3, now)]
        if len(senders) < 2:
            return
        text = f"m{len(self.messages)}"
        sender = self.random.choice(senders)
        if self.random.random() < 0.2 and sender.settled(now):
            due = [node for node in self.nodes if node is not sender and node.settled(now)]
            if sender.say(f"/pub * {text}"):
                self.messages[text] = Message(now, sender, None, due)
            return
        to = self.random.choice([node for node in self.nodes if node is not sender])
        pair = sender.name, to.name
        # One at a time between two, so that "delivered to ..." says which.
        if pair not in self.waiting and sender.say(f"/msg {to.name}@soak {text}"):
            self.messages[text] = Message(now, sender, to, [])
            self.waiting[pair] = text

    def churn(self, now: float) -> None:
        # A program that is still being loaded has nothing to leave in order.
        young = [node for node in self.nodes if node not in self.elders]
        there = [node for node in young if node.ready_for(3, now)]
        if not there:
            return
        node = self.random.choice(there)
        way = self.random.choice(["quit", "term", "kill"])
        assert node.process
        # From now on nothing is due at it, however long a busy machine takes to end it.
        node.ended_at[node.run] = now
        if way == "quit":
            node.say("/quit")
        else:
            node.process.send_signal(signal.SIGTERM if way == "term" else signal.SIGKILL)
        node.back_at = now + self.random.uniform(4, 8)
        self.add(f"left by {way}")

    def revive(self, now: float) -> None:
        for node in self.nodes:
            if not node.up and node.back_at is not None and now >= node.back_at:
                node.start(self.selector)

    def look_until(self, end: float, enough: Callable[[], bool] = lambda: False) -> None:
        while (now := time.monotonic()) < end and not enough():
            self.revive(now)
            self.look(min(0.2, end - now))

    def look(self, seconds: float) -> None:
        for key, _ in self.selector.select(seconds):
            node: Node = key.data
            lines = node.read()
            now = time.monotonic()
            if lines is None:
                expected = node.back_at is not None
                status = node.reap(self.selector, now)
                self.gone(node)
                if not expected:
                    self.faults.append(f"{node.name} ended by itself with status {status}")
                    node.back_at = now + 5
                elif status not in (0, -signal.SIGKILL, 1):
                    self.faults.append(f"{node.name} left with status {status}")
                continue
            for line in lines:
                self.hear(node, line)

    def gone(self, node: Node) -> None:
        for pair, text in [*self.waiting.items()]:
            if pair[0] == node.name:
                del self.waiting[pair]
                self.messages[text].outcome = "sender gone"

    def hear(self, node: Node, line: str) -> None:
        if line.startswith("* p2pchat "):
            node.ready_at = time.monotonic()
        elif found := SHOWN.match(line):
            message = self.messages[found[3]]
            key = node.name, node.run
            message.shown[key] = message.shown.get(key, 0) + 1
            if found[2]:
                self.add("shown late, with the time when it was said")
            if message.sender.name != found[1] or message.to not in (None, node):
                self.faults.append(f"{node.name} showed {line!r}")
        elif found := DELIVERED.match(line):
            self.settle(node.name, found[1], "delivered")
        elif found := LATER.match(line):
            self.messages[found[1]].outcome = "delivered later"
        elif found := QUEUED.match(line):
            self.settle(node.name, found[1], KEPT)
        elif found := NOT_DELIVERED.match(line):
            kept = "it is kept" in found[2]
            self.messages[found[3]].outcome = KEPT if kept else "reported: " + found[2]
            if self.waiting.get((node.name, found[1])) == found[3]:
                del self.waiting[node.name, found[1]]
        elif found := NO_LINK.search(line):
            self.settle(node.name, found[1] or found[2] or found[3], "refused at once")

    def settle(self, sender: str, to: str, outcome: str) -> None:
        text = self.waiting.pop((sender, to), None)
        if text is None:
            self.faults.append(f"{sender} said of {to}, unasked: {outcome}")
        else:
            self.messages[text].outcome = outcome

    # ------------------------------------------------------------ the account

    def add(self, what: str, count: int = 1) -> None:
        self.count[what] = self.count.get(what, 0) + count

    def sizes(self) -> dict[str, Sizes]:
        sizes = {"rendezvous": Sizes.of(self.rendezvous.pid)}
        for node in self.elders:
            if node.process is not None:
                sizes[node.name] = Sizes.of(node.process.pid)
        return sizes

    def report(self, seconds: float) -> None:
        size = self.sizes()
        memory = sum(each.memory for each in size.values()) / len(size) / 1e6
        print(
            f"{seconds:6.0f} s  up {sum(node.up for node in self.nodes)}  messages"
            f" {len(self.messages)}  open {len(self.waiting)}  elders' memory {memory:.1f} MB on"
            f" average, descriptors {max(each.descriptors for each in size.values())} at most,"
            f" faults {len(self.faults)}",
            flush=True,
        )

    def leave(self) -> None:
        for node in self.nodes:
            if node.process is not None:
                node.back_at = float("inf")
                node.process.send_signal(signal.SIGTERM)
        end = time.monotonic() + 15
        while any(node.up for node in self.nodes) and time.monotonic() < end:
            self.look(0.2)
        for node in self.nodes:
            if node.process is not None:
                self.faults.append(f"{node.name} did not leave within 15 s")
                node.process.kill()
        self.rendezvous.terminate()
        if self.rendezvous.wait(timeout=15) != 0:
            self.faults.append(f"the rendezvous ended with {self.rendezvous.returncode}")

    def judge(self, before: dict[str, Sizes], after: dict[str, Sizes]) -> None:
        for text, message in self.messages.items():
            if message.to is None:
                self.judge_published(text, message)
            else:
                self.judge_direct(text, message)
        print("\nthe account")
        for what, count in sorted(self.count.items()):
            print(f"  {count:7}  {what}")
        print("\nwhat the elders took, then and now")
        for name, then in before.items():
            now = after.get(name)
            if now is None:
                continue
            growth = now.memory - then.memory
            print(
                f"  {name:<11} {then.memory / 1e6:7.1f} -> {now.memory / 1e6:7.1f} MB"
                f" ({growth / then.memory:+.1%}), descriptors {then.descriptors} ->"
                f" {now.descriptors}"
            )
            if growth > max(0.05 * then.memory, 2e6):
                self.faults.append(f"{name} grew by {growth / 1e6:.1f} MB")
            if now.descriptors - then.descriptors > 8:
                self.faults.append(
                    f"{name} has {now.descriptors - then.descriptors} more files open"
                )
        self.read_logs()
        print(f"\nfaults: {len(self.faults)}")
        for fault in self.faults[:50]:
            print(f"  {fault}")

    def judge_published(self, text: str, message: Message) -> None:
        self.add("published")
        left = message.sender.ended_at.get(message.run, float("inf"))
        for node, run in message.due:
            gone = node.ended_at.get(run, float("inf"))
            if min(left, gone) - message.at > AFTER:
                self.add("published: due at a node")
                if not message.shown.get((node.name, run)):
                    self.faults.append(
                        f"{text}, published by {message.sender.name}: not at {node.name}"
                    )
        names = [name for name, _ in message.shown]
        if len(names) > len(set(names)):
            self.add("published: shown by a node again after it was killed")
        for where, times in message.shown.items():
            if times > 1:
                self.faults.append(f"{text} was shown {times} times by {where[0]}")

    def judge_direct(self, text: str, message: Message) -> None:
        assert message.to
        outcome = message.outcome or "NO OUTCOME"
        self.add(f"direct: {outcome}")
        times = sum(message.shown.values())
        if not message.outcome:
            self.faults.append(
                f"{text} from {message.sender.name} to {message.to.name}: no outcome"
            )
        elif times > 1:
            self.faults.append(f"{text} was shown {times} times by {message.to.name}")
        elif outcome in (KEPT, "delivered later") and not times:
            self.faults.append(f"{text} was {outcome}, and never shown by {message.to.name}")
        elif outcome == "delivered" and not times:
            # Acknowledged, and killed before it could be shown.
            ends = message.to.ended_at.values()
            if any(-15 <= end - message.at < AFTER for end in ends):
                self.add("direct: delivered to a node that was killed before it was shown")
            else:
                self.faults.append(f"{text}: delivered to [{message.to.name}], and not shown")

    def read_logs(self) -> None:
        bad = re.compile(r"^\S+ \S+ ERROR|Traceback|[Uu]nhandled|Exception", re.M)
        for path in sorted([*self.folder.glob("*.log*"), *self.folder.glob("*.stderr")]):
            text = path.read_text("utf-8", "replace")
            found = bad.search(text)
            if found:
                start = text.rfind("\n", 0, found.start()) + 1
                self.faults.append(f"{path.name}: {text[start : start + 300]!r}")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--nodes", type=int, default=50)
    parser.add_argument("--rate", type=float, default=20, help="messages a second")
    parser.add_argument("--churn", type=float, default=2, help="seconds between two departures")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="keep logs here (default: a temporary one)")
    parser.add_argument(
        "--option", action="append", default=[], help="one more word for each node's command line"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        soak: Any = Soak(options, folder.resolve())
        try:
            soak.go()
        finally:
            for process in [soak.rendezvous, *(node.process for node in soak.nodes)]:
                if process is not None and process.poll() is None:
                    process.kill()
        return 1 if soak.faults else 0


if __name__ == "__main__":
    sys.exit(main())

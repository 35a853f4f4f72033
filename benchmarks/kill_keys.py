"""A node that is killed right after it has said something for the first time, again and again.

    python -m benchmarks.kill_keys                 200 kills
    python -m benchmarks.kill_keys --kills 3

Each time somebody new comes, sealed, and the node writes to it; in the moment in which the message
arrives the node gets SIGKILL. What it had to say to the one before, which is away, waits. After the
start an impostor of both comes first, with another key. The account ends with 1 when a key was not
in the file, an impostor was let in or was told anything, or what waited did not reach its peer.
Needs Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measuring import LOOPBACK, NAMESPACE, ROOT, free_port, hello, line
from benchmarks.strangers import Account
from p2pchat.mesh.identity.key_file import fleeting_key
from p2pchat.mesh.identity.key_text import key_text
from p2pchat.mesh.identity.keys import Keys
from p2pchat.mesh.identity.sealing import Seal, SealError

PATIENCE = 30.0
"""Seconds for whatever has to come."""


class Caller:
    """Somebody who dials the node in TLS and says a name; `heard` is all that came."""

    def __init__(self, port: int, name: str, keys: Keys) -> None:
        self.name, self.heard, self.ended = name, b"", False
        self._socket = socket.create_connection((LOOPBACK, port), PATIENCE)
        self._seal = Seal(keys, dialed=True)
        self._socket.sendall(self._seal.start())
        while not self._seal.key and self._read():
            pass
        self._say(hello(f"{name}@{NAMESPACE}"))

    def _read(self) -> bool:
        try:
            data = self._socket.recv(65_536)
            self.heard += self._seal.shake(data) if data else b""
            answer = b"" if self.ended else self._seal.answer()
            if answer:
                self._socket.sendall(answer)
        except (OSError, SealError):
            data = b""
        self.ended = self.ended or not data or self._seal.ended
        return not self.ended

    def _say(self, text: bytes) -> None:
        self._socket.sendall(self._seal.close(text))

    def hears(self, what: bytes, *, acknowledges: bool = False) -> bool:
        """Whether this comes, before the end or the end of patience."""
        self._socket.settimeout(PATIENCE)
        told = 0
        while what not in self.heard and self._read():
            *lines, _ = self.heard.split(b"\n")
            for text in lines[told:] if acknowledges else ():
                said = json.loads(text)
                if said["type"] == "SEND":
                    self._say(line(kind="ACK", msg_id=said["msg_id"], timestamp=""))
            told = len(lines)
        return what in self.heard

    def close(self) -> None:
        """Go away."""
        self._socket.close()


class Victim:
    """The node, with its files in one folder."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        names = ("XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR")
        self._environment = {**os.environ, **dict.fromkeys(names, folder)}
        self.start()

    def start(self) -> None:
        """Start it, and wait until it listens: on a new port, for the last may be taken by now."""
        self.port = free_port()
        options = ["--name", "victim", "--namespace", NAMESPACE, "--port", str(self.port)]
        options += ["--stay", "--control", "off", "--log-level", "ERROR"]
        options += ["--local-port", str(free_port())]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "p2pchat", *options],
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            try:
                socket.create_connection((LOOPBACK, self.port)).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise SystemExit("the node does not start")

    def say(self, to: str, text: str) -> None:
        """Have it write to somebody."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"/msg {to}@{NAMESPACE} {text}\n".encode())
        self._process.stdin.flush()

    def promises(self) -> None:
        """Wait until it says that what was said is kept: before that it may be lost."""
        assert self._process.stdout is not None
        for told in self._process.stdout:
            if told.startswith(b"queued: "):
                return
        raise SystemExit("the node keeps nothing")

    def kill(self) -> None:
        """End it at once."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def known(self) -> dict[str, str]:
        """The key of each name in its file."""
        (path,) = self._folder.glob("**/*.keys")
        lines = [json.loads(it) for it in path.read_text("utf-8").split("\n")[1:-1]]
        return {it["peer_id"]: it["key"] for it in lines if it["event"] != "refused"}


def main(words: list[str] | None = None) -> int:
    """Kill it so often, and print what became of its keys and messages."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.kill_keys",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(words)
    chance = random.Random(options.seed)
    lost = let_in = told = late = 0
    keys: dict[str, Keys] = {}
    with tempfile.TemporaryDirectory() as folder:
        victim = Victim(folder)
        before = ""
        for kill in range(options.kills):
            name = f"n{kill}"
            keys[name] = fleeting_key(os.urandom).keys
            new = Caller(victim.port, name, keys[name])
            new.hears(b"HELLO_OK")
            if before:
                victim.say(before, f"waits {kill}.")
                victim.promises()
            time.sleep(chance.random() * 0.05)
            victim.say(name, f"first {kill}.")
            new.hears(f"first {kill}.".encode())
            victim.kill()
            new.close()
            known = victim.known()
            lost += sum(known.get(f"{it}@{NAMESPACE}") != key_text(keys[it].own) for it in keys)
            victim.start()
            for it in filter(None, (before, name)):
                enemy = Caller(victim.port, it, fleeting_key(os.urandom).keys)
                let_in += enemy.hears(b"HELLO_OK")
                told += b"SEND" in enemy.heard
                enemy.close()
            if before:
                owner = Caller(victim.port, before, keys[before])
                late += not owner.hears(f"waits {kill}.".encode(), acknowledges=True)
                owner.close()
            before = name
        victim.kill()
    account = Account()
    account.row(f"keys lost in {options.kills} kills", str(lost), not lost)
    account.row("impostors that were let in", str(let_in), not let_in)
    account.row("impostors that were told something", str(told), not told)
    account.row("messages that did not reach their peer", str(late), not late)
    return 0 if account.balances else 1


if __name__ == "__main__":
    sys.exit(main())

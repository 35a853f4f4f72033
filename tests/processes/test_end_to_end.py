"""The real programs over loopback, with real signals: what a person does on the first day."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

from tests.support.processes import BIN, ProcessCase, Program, ScriptedServer, reactor

TEXT = "olá, ação ✓ 你好 🙂👩‍👩‍👧"


def local_group(case: ProcessCase) -> list[str]:
    """Options by which the nodes of one test share a rendezvous of their own."""
    port = reactor.listenTCP(0, ScriptedServer(lambda _: b""), interface="127.0.0.1")
    number = port.getHost().port
    case.addCleanup(lambda: None)
    port.stopListening()
    return ["--local-port", str(number)]


class Conversations(ProcessCase):
    """Two people, one machine, no server set up first."""

    async def test_two_nodes_find_each_other_and_talk(self) -> None:
        group = local_group(self)
        alice = self.chat("alice", *group)
        await self.port_of(alice)
        bob = self.chat("bob", *group)
        await self.port_of(bob)  # how long a busy machine takes to start it does not count
        await bob.expect("Outbound connected: .alice@lobby.", seconds=5)
        await alice.expect("Inbound connected: .bob@lobby.")
        bob.say(f"/msg alice@lobby {TEXT}")
        await alice.expect(r"^ \[bob@lobby\] " + TEXT + "$")
        await bob.expect("delivered")
        alice.say(f"/pub * {TEXT}")
        await bob.expect(r"^ \[alice@lobby -> \*\] " + TEXT + "$")
        alice.say("/pub #lobby one more")
        await bob.expect(r"^ \[alice@lobby -> #lobby\] one more$")
        alice.say("/quit")
        self.assertEqual(await alice.ended, 0)
        await bob.expect(r"alice@lobby\] \(said BYE")
        bob.signal(signal.SIGINT)
        self.assertEqual(await bob.ended, 0)

    async def test_a_pipe_delivers_and_tells(self) -> None:
        group = local_group(self)
        bob = self.chat("bob", *group)
        await self.port_of(bob)
        alice = self.chat("alice", *group)
        alice.say("/msg bob@lobby hi")
        alice.end_input()
        self.assertEqual(await alice.ended, 0)
        self.assertIn("delivered", alice.output)
        await bob.expect(r"^ \[alice@lobby\] hi$")

    async def test_a_pipe_tells_what_was_not_delivered(self) -> None:
        alice = self.chat("alice", *local_group(self))
        alice.say("/msg nobody@lobby hi")
        alice.end_input()
        self.assertEqual(await alice.ended, 1)
        self.assertIn("queued: [nobody@lobby] is not known here", alice.output)

    async def test_a_signal_ends_a_script_of_which_not_all_was_delivered(self) -> None:
        alice = self.chat("alice", *local_group(self))
        alice.say("/msg nobody@lobby hi")
        await alice.expect(r"^queued: \[nobody@lobby\] is not known here")
        alice.signal(signal.SIGTERM)
        self.assertEqual(await alice.ended, 1, alice.output)

    async def test_a_signal_ends_a_script_before_its_lines_were_run(self) -> None:
        for options, status in (((), 1), (("--stay",), 0)):
            alice = self.chat("alice", *local_group(self), *options)
            alice.say("/help msg")
            alice.say("/pub * hi")
            await alice.expect("^/msg .*: ")
            alice.signal(signal.SIGTERM)
            self.assertEqual(await alice.ended, status, alice.output)
            self.assertIn("one line was not run: this node leaves", alice.output)

    async def test_another_node_takes_the_rendezvous_over(self) -> None:
        group = local_group(self)
        host = self.chat("host", *group)
        await host.expect("This node serves the machine's rendezvous")
        alice = self.chat("alice", *group)
        await alice.expect("Outbound connected: .host@lobby.")
        bob = self.chat("bob", *group)
        await bob.expect("Outbound connected: .alice@lobby.")
        host.signal(signal.SIGKILL)
        await host.ended
        await self._either(alice, bob, "This node serves the machine's rendezvous")
        carol = self.chat("carol", *group)
        await carol.expect("connected: .alice@lobby.")
        await carol.expect("connected: .bob@lobby.")
        self.assertNotIn("Closed: [bob@lobby]", alice.output)

    async def _either(self, one: Program, other: Program, pattern: str) -> None:
        from twisted.internet.defer import DeferredList

        waits = [one.expect(pattern), other.expect(pattern)]
        await DeferredList(waits, fireOnOneCallback=True, consumeErrors=True)
        for wait in waits:
            wait.addErrback(lambda _: None)
            wait.cancel()


class Daemons(ProcessCase):
    """`twistd p2pchat` as an administrator runs it."""

    async def test_sigterm_is_an_orderly_end(self) -> None:
        def rendezvous(line: bytes) -> bytes:
            if b"REGISTER" in line and b"UNREGISTER" not in line:
                return b'{"status":"OK","ttl":7200,"ip":"127.0.0.1","port":1}\n'
            return b'{"status":"OK","peers":[]}\n'

        directory = ScriptedServer(rendezvous)
        listening = reactor.listenTCP(0, directory, interface="127.0.0.1")
        self.addCleanup(listening.stopListening)
        daemon = self.start(
            "twistd",
            str(BIN / "twistd"),
            *("p2pchat", "--name", "relay", "--port", "0", "--interface", "127.0.0.1"),
            *("--log-file", "node.log"),
            *("--rendezvous", f"127.0.0.1:{listening.getHost().port}"),
        )
        self.assertEqual(await daemon.ended, 0, daemon.output)
        pid = int((self.folder / "twistd.pid").read_text())
        self.addCleanup(_kill, pid)
        port = int((await self._logged(r"listens on port (\d+)"))[1])
        peer = await self._foreign_peer(port)
        started = time.monotonic()
        import os

        os.kill(pid, signal.SIGTERM)
        await peer.closed
        self.assertIn(b'"type":"BYE"', peer.received)
        await self._until(lambda: not (self.folder / "twistd.pid").exists())
        self.assertLess(time.monotonic() - started, 3)
        self.assertIn(b"UNREGISTER", directory.lines[-1])

    async def _logged(self, pattern: str) -> Any:
        import re

        found: list[Any] = []

        def look() -> bool:
            log = self.folder / "node.log"
            match = re.search(pattern, log.read_text() if log.exists() else "")
            found.append(match)
            return match is not None

        await self._until(look)
        return found[-1]

    async def _until(self, true: Any) -> None:
        from twisted.internet.task import deferLater

        end = reactor.seconds() + 10
        while not true():
            if reactor.seconds() > end:
                raise AssertionError("did not happen within 10 s")
            await deferLater(reactor, 0.02)

    async def _foreign_peer(self, port: int) -> Any:
        from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol

        from tests.support.foreign import ForeignPeer

        peer = ForeignPeer("zoe@lobby")
        await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", port), peer)
        await peer.greeted
        return peer


def _kill(pid: int) -> None:
    import os

    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


class Mistakes(ProcessCase):
    """What a person gets wrong ends with one sentence and a status, never a traceback."""

    async def _ends(self, status: int, sentence: str, *command: str) -> None:
        program = self.start("mistaken", *command)
        self.assertEqual(await program.ended, status, program.output)
        self.assertIn(sentence, program.output)
        self.assertNotIn("Traceback", program.output)

    async def test_wrong_value_in_the_file(self) -> None:
        config = {"connection": {"ping_interval": "soon"}}
        (self.folder / "config.json").write_text(json.dumps(config))
        sentence = 'connection.ping_interval: expected a number above 0, got "soon"'
        await self._ends(2, sentence, sys.executable, "-m", "p2pchat")
        await self._ends(2, sentence, str(BIN / "twistd"), "-n", "p2pchat")

    async def test_unknown_option(self) -> None:
        await self._ends(2, "--nmae", sys.executable, "-m", "p2pchat", "--nmae", "alice")

    async def test_port_that_is_taken(self) -> None:
        port = reactor.listenTCP(0, ScriptedServer(lambda _: b""), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        taken = str(port.getHost().port)
        command = ["p2pchat", "--port", taken, "--interface", "127.0.0.1"]
        await self._ends(1, "cannot listen", sys.executable, "-m", *command)
        await self._ends(1, "cannot listen", str(BIN / "twistd"), *command)
        self.assertFalse(Path(self.folder / "twistd.pid").exists())

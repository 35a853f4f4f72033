"""A node as a service, with real programs: the clients of its control socket, signals, systemd."""

from __future__ import annotations

import json
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from twisted.internet.defer import gatherResults
from twisted.internet.task import deferLater

from tests.processes.test_end_to_end import local_group
from tests.processes.test_notify import Systemd
from tests.support.processes import ProcessCase, Program, reactor

TEXT = "olá, ação ✓"


class ServiceCase(ProcessCase):
    """A node that runs without a console, and clients for it."""

    def setUp(self) -> None:
        super().setUp()
        self.group = local_group(self)

    async def node(self, name: str, *options: str, **more: Any) -> Program:
        program = self.chat(name, *self.group, "--history", "none", *options, stdin=False, **more)
        await self.port_of(program)
        return program

    async def pair(self) -> tuple[Program, Program]:
        """Alice, who is talked to through her socket, and bob, a person at a console."""
        alice = await self.node("alice")
        bob = self.chat("bob", *self.group, "--no-control", "--history", "none")
        await bob.expect("connected: .alice@lobby.")
        await alice.expect("connected: .bob@lobby.")
        return alice, bob

    def client(self, *words: str, **more: Any) -> Program:
        command = [sys.executable, "-m", "p2pchat", *words]
        return self.start(words[0], *command, **more)

    async def run_client(self, status: int, *words: str, typed: str = "") -> str:
        client = self.client(*words)
        if typed:
            client.say(typed)
        client.end_input()
        self.assertEqual(await client.ended, status, client.output)
        self.assertNotIn("Traceback", client.output)
        return client.output


class ClientTests(ServiceCase):
    async def test_everything_that_can_be_asked(self) -> None:
        alice, bob = await self.pair()
        self.assertEqual(await self.run_client(0, "send", "bob@lobby", TEXT), "")
        await bob.expect(rf"^ \[alice@lobby\] {TEXT}$")
        await self.run_client(0, "send", "#lobby", "-", typed="from a pipe")
        await bob.expect(r"^ \[alice@lobby -> #lobby\] from a pipe$")
        said = await self.run_client(1, "send", "nobody@lobby", "hi")
        self.assertIn("no such peer: [nobody@lobby]", said)
        self.assertIn("bob@lobby", await self.run_client(0, "peers"))
        (link,) = json.loads(await self.run_client(0, "conn", "--json"))
        self.assertEqual(link["peer_id"], "bob@lobby")
        self.assertIn("bob@lobby", await self.run_client(0, "rtt"))
        self.assertIn("links: open 1", await self.run_client(0, "stats"))
        self.assertIn("alice@lobby", await self.run_client(0, "status", "--name", "alice"))
        self.assertEqual(await self.run_client(0, "completion", "peers"), "bob@lobby\n")
        self.assertEqual(await self.run_client(0, "stop"), "")
        self.assertEqual(await alice.ended, 0)
        said = await self.run_client(1, "status")
        self.assertIn("no node of yours is running", said)

    async def test_two_consoles_a_pipe_and_a_tail_at_once(self) -> None:
        alice, bob = await self.pair()
        consoles = [self.client("attach") for _ in range(2)]
        tail = self.client("tail", "--json", "--events", "message")
        for console in consoles:
            await console.expect(r"^\* p2pchat .*alice@lobby, listening on port")
        pipe = self.client("attach")
        pipe.say(f"/msg bob@lobby {TEXT}")
        pipe.end_input()
        self.assertEqual(await pipe.ended, 0, pipe.output)
        self.assertIn("delivered to [bob@lobby]", pipe.output)
        await bob.expect(rf"^ \[alice@lobby\] {TEXT}$")
        told = tail.expect(r"^\{.*\}$")
        while not told.called:
            # It does not say when it has begun to listen.
            bob.say(f"/msg alice@lobby {TEXT}")
            await deferLater(reactor, 0.2)
        await gatherResults([each.expect(rf"^ ?\[bob@lobby\] {TEXT}$") for each in consoles])
        event = json.loads((await told)[0])
        self.assertEqual((event["from"], event["text"]), ("bob@lobby", TEXT))
        consoles[0].say("/quit")
        self.assertEqual(await consoles[0].ended, 0)
        consoles[1].signal(signal.SIGINT)
        self.assertEqual(await consoles[1].ended, 0)
        self.assertIsNone(alice.status)
        alice.signal(signal.SIGTERM)
        self.assertEqual(await alice.ended, 0)
        self.assertEqual(await tail.ended, 0)
        self.assertIn("the node stops", tail.output)

    async def test_an_attached_script_tells_what_was_not_delivered(self) -> None:
        await self.node("alice")
        said = await self.run_client(1, "attach", typed="/msg nobody@lobby hi")
        self.assertIn("no such peer", said)

    async def test_which_node(self) -> None:
        one = await self.node("alice")
        two = await self.node("alice", "--namespace", "CIC")
        three = await self.node("zoe", "--control", "zoe.sock")
        said = await self.run_client(1, "status")
        self.assertIn("2 nodes are running: [alice@CIC] (pid", said)
        said = await self.run_client(0, "status", "--namespace", "CIC")
        self.assertIn("alice@CIC", said)
        said = await self.run_client(0, "status", "--control", "zoe.sock")
        self.assertIn("zoe@lobby", said)
        for node in (one, two, three):
            node.signal(signal.SIGTERM)
        await gatherResults([node.ended for node in (one, two, three)])
        self.assertEqual([*Path(self.runtime, "p2pchat").iterdir()], [])
        self.assertFalse(Path(self.folder, "zoe.sock").exists())

    async def test_the_socket_of_a_killed_node_is_in_nobodys_way(self) -> None:
        killed = await self.node("alice")
        killed.signal(signal.SIGKILL)
        await killed.ended
        self.assertIn("no node of yours", await self.run_client(1, "peers"))
        await self.node("alice")
        self.assertIn("alice@lobby", await self.run_client(0, "status"))


class SignalTests(ServiceCase):
    async def test_sighup_reads_the_settings_again(self) -> None:
        config = Path(self.folder, "config.json")
        config.write_text('{"limits": {"max_links": 50}}')
        node = await self.node("alice")
        config.write_text('{"limits": {"max_links": 60}, "peer": {"interface": "127.0.0.1"}}')
        node.signal(signal.SIGHUP)
        await node.expect("Reloaded: limits.max_links is 60 now, it was 50")
        await node.expect("Reloaded: peer.interface needs a restart")
        config.write_text('{"limits": {"max_links": "many"}}')
        said = await self.run_client(1, "reload")
        self.assertIn("nothing was changed: limits.max_links: expected a whole number", said)
        stats = json.loads(await self.run_client(0, "stats", "--json"))
        self.assertEqual(stats["links"]["connections_limit"], 60)

    async def test_systemd_is_told(self) -> None:
        systemd = Systemd(str(Path(self.runtime, "notify")))
        self.addCleanup(systemd.socket.close)
        node = await self.node("alice", environ={"NOTIFY_SOCKET": systemd.address})
        await self.run_client(0, "status")
        node.signal(signal.SIGTERM)
        self.assertEqual(await node.ended, 0)
        words = systemd.heard()
        self.assertEqual((words[0][0], words[-1][0]), ("READY=1", "STOPPING=1"))
        self.assertIn("STATUS=alice@lobby: ", words[0][1])

    async def test_a_log_of_json(self) -> None:
        node = await self.node("alice", "--log-format", "json")
        node.signal(signal.SIGTERM)
        await node.ended
        said = [json.loads(line) for line in node.output.splitlines()]
        self.assertIn("alice@lobby has left", [line["text"] for line in said])

    async def test_no_control_socket(self) -> None:
        await self.node("alice", "--no-control")
        self.assertFalse(Path(self.runtime, "p2pchat").exists())

    async def test_what_was_asked_for_and_cannot_be_is_one_sentence(self) -> None:
        taken = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(taken.close)
        port = taken.getsockname()[1]
        for options, sentence in (
            (("--control", "/nowhere/x"), "no control socket: /nowhere/x: No such file"),
            (("--on-message", "/no/bot"), "--on-message: /no/bot cannot be run"),
            (("--listen", "tcp:many"), "cannot listen on tcp:many"),
            (
                ("--serve-rendezvous", f"127.0.0.1:{port}"),
                f"--serve-rendezvous: cannot listen on port {port}: Address already in use",
            ),
        ):
            node = self.chat("alice", *self.group, *options, stdin=False)
            self.assertEqual(await node.ended, 1, node.output)
            self.assertIn(sentence, node.output)
            self.assertNotIn("Traceback", node.output)

"""Histories of real programs: kill -9, restarts, a file that is taken, full, or damaged."""

from __future__ import annotations

import json
import random
import signal
import sys

from tests.processes.test_end_to_end import local_group
from tests.support.processes import ProcessCase, Program


class HistoryCase(ProcessCase):
    timeout = 120

    async def kept(self, name: str) -> list[dict[str, str]]:
        """The history of a chat, as `p2pchat history --json` has it."""
        command = [sys.executable, "-m", "p2pchat", "history", "--json", "--name", name]
        program = self.start("history", *command, stdin=False)
        self.assertEqual(await program.ended, 0, program.output)
        return [json.loads(line) for line in program.output.splitlines()]

    async def kill(self, program: Program) -> None:
        program.signal(signal.SIGKILL)
        await program.ended


class RestartTests(HistoryCase):
    async def test_what_was_queued_arrives_after_both_were_killed(self) -> None:
        group = local_group(self)
        alice = self.chat("alice", *group)
        await alice.expect("Registered")
        alice.say("/msg bob@lobby para quando voltares")
        alice.say("/pub * e a todos")
        await alice.expect(r"^queued: .*bob@lobby")
        alice.say("/outbox")
        await alice.expect(r"^1  .* to .bob@lobby.: para quando voltares  \(waits for a link\)")
        await self.kill(alice)
        alice = self.chat("alice", *group)
        await self.port_of(alice)
        bob = self.chat("bob", *group)
        await bob.expect(r"^ \[alice@lobby, said \d\d:\d\d\] para quando voltares$")
        await bob.expect(r"^ \[alice@lobby -> \*, said \d\d:\d\d\] e a todos$")
        await alice.expect('delivered to .bob@lobby., which was away: "para quando voltares"')
        await self.kill(bob)
        bob = self.chat("bob", *group)
        await bob.expect(".alice@lobby. is connected")
        bob.say("/history alice@lobby")
        await bob.expect(r"\[alice@lobby, said .*\] para quando voltares$")
        bob.say("/search VOLTARES quando")
        await bob.expect(r"(?s)para quando voltares\n.*para quando voltares\n")
        bob.say("/forget alice@lobby")
        await bob.expect("forgot 2 messages of and to .alice@lobby.")
        bob.say("/quit")
        self.assertEqual(await bob.ended, 0)
        self.assertEqual(await self.kept("bob"), [])

    async def test_whoever_is_killed_whenever(self) -> None:
        """Alice sends numbers; both are killed a few times, and nothing is lost or doubled."""
        group = local_group(self)
        chance = random.Random(6)
        texts = ("--log-texts", "yes")
        alice, bob = self.chat("alice", *group, *texts), self.chat("bob", *group)
        await self.port_of(bob)
        said, delivered = 0, 0
        for _ in range(5):
            for _ in range(100):
                alice.say(f"/msg bob@lobby n{said}")
                said += 1
            await alice.expect(rf"SEND .bob@lobby.*: n{said - chance.randint(1, 99)}$")
            if chance.random() < 0.5:
                delivered += alice.output.count("delivered to [bob@lobby]")
                await self.kill(alice)
                alice = self.chat("alice", *group, *texts)
            else:
                await self.kill(bob)
                bob = self.chat("bob", *group)
                await self.port_of(bob)
            alice.output = ""
        alice.say("/reconnect")
        alice.say("/msg bob@lobby last")
        await bob.expect(r"^ \[alice@lobby.*\] last$")
        sent = [line for line in await self.kept("alice") if line["conversation"] == "bob@lobby"]
        kept = [line["text"] for line in await self.kept("bob")]
        self.assertEqual(len(kept), len(set(kept)))
        numbers = [int(text[1:]) for text in kept[:-1]]
        self.assertEqual(numbers, sorted(numbers), "in the order in which they were said")
        # A kill may take what alice sent in the last 20 ms out of her file, not out of bob's.
        self.assertEqual({line["text"] for line in sent} - {*kept}, set())
        self.assertGreaterEqual(len(kept), delivered)


class FileTests(HistoryCase):
    async def test_two_nodes_on_one_file(self) -> None:
        group = local_group(self)
        first = self.chat("alice", *group, "--history", "shared.sqlite")
        await self.port_of(first)
        second = self.chat("bob", *group, "--history", "shared.sqlite")
        self.assertEqual(await second.ended, 1)
        self.assertRegex(
            second.output,
            r"^another p2pchat uses the history file /.*/shared\.sqlite: "
            r"choose another name \(--name NAME\), or another file \(--history FILE\)\n$",
        )
        await self.kill(first)
        third = self.chat("bob", *group, "--history", "shared.sqlite")
        await self.port_of(third)

    async def test_a_damaged_file_is_named(self) -> None:
        (self.folder / "old.sqlite").write_bytes(b"\0rubbish" * 1000)
        alice = self.chat("alice", *local_group(self), "--history", "old.sqlite")
        await alice.expect(r"the history file was damaged: it is now /.*/old\.sqlite\.damaged-")

    async def test_nothing_is_kept_when_nothing_is_to_be(self) -> None:
        group = local_group(self)
        nothing = ("--history", "none", "--key", "none")
        alice = self.chat("alice", *group, *nothing)
        bob = self.chat("bob", *group, *nothing)
        await alice.expect(".bob@lobby. is connected")
        alice.say("/msg bob@lobby oi")
        await alice.expect("delivered to .bob@lobby.")
        alice.say("/history")
        await alice.expect(r"this node keeps nothing \(--history none\)")
        alice.say("/msg eva@lobby oi")
        await alice.expect("no such peer: .eva@lobby.")
        for chat in (alice, bob):
            chat.say("/quit")
            await chat.ended
        self.assertFalse((self.folder / "data").exists())

    async def test_no_message_makes_no_file(self) -> None:
        alice = self.chat("alice", *local_group(self))
        await alice.expect("Registered")
        alice.say("/quit")
        self.assertEqual(await alice.ended, 0)
        made = {path.name for path in (self.folder / "data" / "p2pchat").iterdir()}
        key = "alice@lobby.key"
        self.assertEqual(made, {key, f"{key}s"})

"""What happens to real processes: stopped, out of files, out of disk, without input or output."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from twisted.internet.task import deferLater

from tests.processes.test_end_to_end import local_group
from tests.support.processes import ProcessCase, Program, reactor


class FaultCase(ProcessCase):
    """Chats whose log is their output, and which share a rendezvous of their own."""

    def setUp(self) -> None:
        super().setUp()
        self.group = [*local_group(self), "--history", "none"]

    def shell(
        self, name: str, before: str, *options: str, history: bool = False, **how: Any
    ) -> Program:
        """A chat started by a shell that does something to itself `before`."""
        group = self.group[:-2] if history else self.group
        words = [sys.executable, "-m", "p2pchat", "--name", name, "--port", "0", *group]
        words += ["--interface", "127.0.0.1", *options]
        return self.start(name, "/bin/sh", "-c", f'{before}; exec "$0" "$@"', *words, **how)

    async def pair(
        self, alice_options: tuple[str, ...] = (), bob_options: tuple[str, ...] = ()
    ) -> tuple[Program, Program]:
        alice = self.chat("alice", *self.group, *alice_options)
        await self.port_of(alice)
        bob = self.chat("bob", *self.group, *bob_options)
        await bob.expect("connected: .alice@lobby.")
        await alice.expect("connected: .bob@lobby.")
        return alice, bob

    async def talk(self, one: Program, other: Program, text: str) -> None:
        one.say(f"/msg {other.name}@lobby {text}")
        await other.expect(rf"^\[{one.name}@lobby\] {text}$")

    def pid(self, program: Program) -> int:
        assert program.transport is not None
        return int(program.transport.pid)

    async def until(self, true: Any, seconds: float = 15) -> None:
        end = reactor.seconds() + seconds
        while not true():
            self.assertLess(reactor.seconds(), end, "did not happen")
            await deferLater(reactor, 0.02)


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class StoppedTests(FaultCase):
    async def test_who_sleeps_keeps_its_links_and_who_is_silent_comes_back(self) -> None:
        alice, bob = await self.pair(("--ping-interval", "0.5"))
        # We sleep for five intervals; bob, whose interval is 30 s, is there all the time.
        alice.signal(signal.SIGSTOP)
        bob.say("/msg alice@lobby wake up")
        await deferLater(reactor, 2.6)
        alice.signal(signal.SIGCONT)
        await alice.expect(r"^\[bob@lobby\] wake up$")
        await self.talk(alice, bob, "good morning")
        self.assertNotIn("Closed: [bob@lobby]", alice.output)
        self.assertNotIn("Closed: [alice@lobby]", bob.output)
        # Bob sleeps: alice finds out, and has him back when he wakes up.
        bob.signal(signal.SIGSTOP)
        await alice.expect("Closed: .bob@lobby. .*silent for 1.5 s")
        bob.signal(signal.SIGCONT)
        await bob.expect("Closed: .alice@lobby.")
        await bob.expect(r"(?s)Closed: .alice@lobby.*connected: .alice@lobby.")
        await self.talk(bob, alice, "here I am")
        self.assertNotIn("Traceback", alice.output + bob.output)


class DescriptorTests(FaultCase):
    """Descriptors are used up: nothing spins, and all is well when there are some again."""

    async def crowd(self, program: Program, port: int, count: int) -> list[socket.socket]:
        """Open many connections, and check what the program spends on them once they are there."""
        crowd = []
        for _ in range(count):
            one = socket.socket()
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                one.connect(("127.0.0.1", port))
            crowd.append(one)
            self.addCleanup(one.close)
        await deferLater(reactor, 0.3)
        before = processor_seconds(self.pid(program))
        await deferLater(reactor, 1.0)
        self.assertLess(processor_seconds(self.pid(program)) - before, 0.3, "it spins")
        return crowd

    async def test_a_node(self) -> None:
        options = ("--log-file", "-", "--handshake-timeout", "60")
        alice = self.shell("alice", "ulimit -n 48", *options)
        port = await self.port_of(alice)
        crowd = await self.crowd(alice, port, 120)
        await alice.expect("WARNING .*Refused 127.0.0.1: too many (links|handshakes)")
        for one in crowd:
            one.close()
        bob = self.chat("bob", *self.group)
        await bob.expect("connected: .alice@lobby.")
        await self.talk(bob, alice, "room again")
        self.assertNotIn("Traceback", alice.output)

    async def test_a_rendezvous(self) -> None:
        tap = [sys.executable, "-m", "p2pchat.service.rendezvous", "--interface", "127.0.0.1"]
        command = ["/bin/sh", "-c", 'ulimit -n 40; exec "$0" "$@"', *tap, "--port", "0"]
        rendezvous = self.start("rendezvous", *command, "--idle-timeout", "60", stdin=False)
        port = int((await rendezvous.expect(r"listens on \S+:(\d+)"))[1])
        await rendezvous.expect("WARNING .*Only 10 connections at a time, not 700")
        crowd = await self.crowd(rendezvous, port, 120)
        for one in crowd:
            one.close()
        where = ("--rendezvous", f"127.0.0.1:{port}", "--interface", "127.0.0.1")
        alice = self.chat("alice", *where)
        await alice.expect("Registered alice@lobby")
        self.assertNotIn("Traceback", rendezvous.output)


class LogTests(FaultCase):
    """The log cannot be written, or vanishes: the chat goes on, and the person knows."""

    async def test_a_full_disk(self) -> None:
        bob = self.chat("bob", *self.group)
        await self.port_of(bob)
        # 4 KiB a file: what a shell calls 8 blocks, and the kernel treats as a full disk.
        limited = self.shell(
            "alice", "ulimit -f 8", "--log-file", "small.log", "--log-level", "DEBUG"
        )
        await bob.expect("connected: .alice@lobby.")
        for number in range(40):
            limited.say(f"/msg bob@lobby {'x' * 100} {number}")
        await bob.expect(r"^\[alice@lobby\] x* 39$")
        await limited.expect("The log cannot be written to .*small.log: File too large")
        self.assertEqual(limited.output.count("cannot be written"), 1)
        self.assertLessEqual((self.folder / "small.log").stat().st_size, 8 * 1024)
        limited.end_input()
        self.assertEqual(await limited.ended, 0)
        self.assertNotIn("Traceback", limited.output)

    async def test_a_full_disk_for_the_history(self) -> None:
        """What comes is shown with a mark and not acknowledged, so that its sender keeps it."""
        limited = self.shell("alice", "ulimit -f 200", "--log-file", "-", history=True)
        await self.port_of(limited)
        bob = self.chat("bob", *self.group)
        await bob.expect("connected: .alice@lobby.")
        for number in range(150):
            bob.say(f"/msg alice@lobby {'x' * 2000} {number}")
        await limited.expect(r"^\[bob@lobby \(not kept\)\] x* 149$")
        shown = re.findall(r"^\[bob@lobby[^\]]*\] x* (\d+)$", limited.output, re.M)
        self.assertEqual(shown, [str(number) for number in range(150)])
        told = re.findall("(?:WARNING|ERROR) .*The history cannot be written", limited.output)
        self.assertTrue(1 <= len(told) <= 5, told)  # the file may have room for some again
        limited.end_input()
        self.assertEqual(await limited.ended, 0)
        self.assertNotIn("Traceback", limited.output)

    async def test_no_space_at_all_and_a_log_that_vanishes(self) -> None:
        full = self.chat("full", *self.group, "--log-file", "/dev/full")
        await full.expect("The log cannot be written to /dev/full: No space left on device")
        log = self.folder / "gone.log"
        words = ("--log-file", "gone.log", "--log-texts", "yes", "--stay")
        alice = self.chat("alice", *self.group, *words)
        await self.until(lambda: log.exists() and "connected: [full@lobby]" in log.read_text())
        await self.talk(full, alice, "with no log")
        log.unlink()
        alice.say("/pub * one")
        await deferLater(reactor, 1.1)
        alice.say("/pub * two")
        await self.until(lambda: log.exists() and "two" in log.read_text())


class StandardDescriptorTests(FaultCase):
    async def test_all_three_closed(self) -> None:
        log = self.folder / "closed.log"
        before = "exec <&- >&- 2>&-"
        alice = self.shell("alice", before, "--log-file", "closed.log")
        await self.until(lambda: log.exists() and "listens on port" in log.read_text())
        await self.until(lambda: "Registered" in log.read_text())
        for number in (0, 1, 2):
            self.assertEqual(os.readlink(f"/proc/{self.pid(alice)}/fd/{number}"), "/dev/null")
        alice.signal(signal.SIGTERM)
        self.assertEqual(await alice.ended, 0)
        self.assertNotIn("Traceback", log.read_text())

    async def test_who_read_us_is_gone(self) -> None:
        """A broken pipe: the node leaves in order, or stays as a service when it is told to."""
        watcher = self.chat("watcher", *self.group)
        await self.port_of(watcher)
        for stay in (False, True):
            name = f"n{int(stay)}"
            options = ("--log-file", f"{name}.log", *(("--stay",) if stay else ()))
            program = self.shell(name, ":", *options)
            await watcher.expect(f"connected: .{name}@lobby.")
            log = self.folder / f"{name}.log"
            await self.until(lambda log=log: "connected: [watcher@lobby]" in log.read_text())
            assert program.transport is not None
            program.transport.closeStdout()
            watcher.say(f"/msg {name}@lobby nobody sees this")
            if not stay:
                await watcher.expect(f"Closed: .{name}@lobby. .said BYE")
                await program.ended
            else:
                await watcher.expect(rf"(?s)connected: .{name}.*delivered to .{name}@lobby.")
                watcher.say(f"/msg {name}@lobby still there")
                await watcher.expect(rf"(?s)(delivered to .{name}@lobby..*){{2}}")
            self.assertNotIn("Traceback", (self.folder / f"{name}.log").read_text())

    async def test_a_terminal_that_hangs_up(self) -> None:
        watcher = self.chat("watcher", *self.group)
        await self.port_of(watcher)
        for plain in (True, False):
            name = f"t{int(plain)}"
            options = ("--log-file", f"{name}.log", *(("--plain",) if plain else ()))
            program = self.shell(name, "export TERM=xterm", *options, terminal=True)
            log = self.folder / f"{name}.log"
            await watcher.expect(f"connected: .{name}@lobby.")
            # Before its own end has opened, too, there would be nobody to say BYE to.
            await self.until(lambda log=log: "connected: [watcher@lobby]" in log.read_text())
            assert program.transport is not None
            program.transport.loseConnection()
            await watcher.expect(f"Closed: .{name}@lobby. .said BYE")
            await program.ended
            self.assertNotIn("Traceback", log.read_text())


class SameNameTests(FaultCase):
    async def test_two_of_one_name_on_one_machine(self) -> None:
        first = self.chat("alice", *self.group)
        await self.port_of(first)
        # With the key of the first one it would not start.
        second = self.chat("alice", *self.group, "--key", "none")
        await second.expect("somebody else uses the name .alice@lobby.")
        bob = self.chat("bob", *self.group)
        await bob.expect("connected: .alice@lobby.")
        await first.expect("somebody else uses the name .alice@lobby.")
        bob.say("/msg alice@lobby which of you?")
        await bob.expect("delivered to .alice@lobby.")
        said = "somebody else uses the name"
        self.assertLess(len(re.findall(said, first.output + second.output)), 20)
        self.assertNotIn("Traceback", first.output + second.output + bob.output)


class RendezvousTests(FaultCase):
    """A rendezvous that is of no use does not keep a node from running, or from leaving."""

    async def test_of_no_use(self) -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listening.close)
        silent = f"127.0.0.1:{listening.getsockname()[1]}"
        nodes = [
            self.chat("n1", "--rendezvous", "no-such-host.invalid"),
            self.chat("n2", "--rendezvous", "[::1]:9"),
            self.chat("n3", "--rendezvous", silent),
        ]
        await nodes[0].expect("WARNING .*no-such-host.invalid:8080.*could not be looked up")
        await nodes[1].expect(r"WARNING .*\[::1\]:9")
        for node in nodes:
            await self.port_of(node)
            node.signal(signal.SIGTERM)
        for node in nodes:
            self.assertEqual(await node.ended, 0)
            self.assertNotIn("Traceback", node.output)

    async def test_over_ipv6(self) -> None:
        command = [sys.executable, "-m", "p2pchat.service.rendezvous", "--interface", "::1"]
        rendezvous = self.start("rendezvous", *command, "--port", "0", stdin=False)
        port = (await rendezvous.expect(r"listens on \S+:(\d+)"))[1]
        where = ("--rendezvous", f"[::1]:{port}", "--interface", "::1")
        alice = self.chat("alice", *where)
        await alice.expect("Registered alice@lobby")
        bob = self.chat("bob", *where)
        await bob.expect("connected: .alice@lobby.")
        await self.talk(bob, alice, "over six")

"""Programs that run for each message: how many, how long, and what they are given."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.task import Clock, deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase

from p2pchat.logs.levels import get_level
from p2pchat.mesh.peers import Peer
from p2pchat.service.hooks import MessageHook
from p2pchat.service.process_groups import ProcessGroups
from p2pchat.settings.values import HookSettings
from p2pchat.wire.messages import Send
from tests.support.fake_link import FakeLink
from tests.support.loglines import captured

reactor: Any = _reactor
_PIDS = count(4711)
BOB = Peer("bob@CIC")
ME = "ana@CIC"


class FakeProcess:
    """One program, as its protocol sees it."""

    def __init__(self, protocol: Any) -> None:
        self.protocol = protocol
        self.written = b""
        self.stdin_closed = self.let_go = False
        self.signals: list[str] = []
        self.over = False
        self.pid: int | None = next(_PIDS)

    def write(self, data: bytes) -> None:
        self.written += data

    def closeStdin(self) -> None:
        self.stdin_closed = True

    def loseConnection(self) -> None:
        self.let_go = True

    def signalProcess(self, name: str) -> None:
        if self.over:
            raise ProcessExitedAlready
        self.signals.append(name)
        self.exit(signal=9)

    def exit(self, status: int = 0, signal: int | None = None) -> None:
        self.over = True
        self.pid = None
        reason: Any = ProcessDone(0)
        if status or signal:
            reason = ProcessTerminated(None if signal else status, signal)
        self.protocol.processExited(Failure(reason))


class FakeGroups(ProcessGroups):
    """Groups that are alive while they are in `living`."""

    def __init__(self) -> None:
        self.living: set[int] = set()
        self.killed: list[int] = []

    def check(self, program: str) -> None: ...

    def command(self, program: str) -> list[str]:
        return ["setsid", program]

    def alive(self, group: int) -> bool:
        return group in self.living

    def kill(self, group: int) -> None:
        self.killed.append(group)
        self.living.discard(group)


class FakeReactor(Clock):
    """Starts nothing, and remembers what it should have started."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[FakeProcess] = []
        self.commands: list[tuple[str, list[str], Mapping[str, str]]] = []
        self.error: Exception | None = None

    def spawnProcess(
        self, protocol: Any, executable: str, args: list[str], env: Any, childFDs: Any
    ) -> None:
        if self.error is not None:
            raise self.error
        assert childFDs[0] == "w"
        assert childFDs[2] == "r"
        self.commands.append((executable, args, env))
        process = FakeProcess(protocol)
        self.started.append(process)
        protocol.makeConnection(process)

    @property
    def running(self) -> list[FakeProcess]:
        return [process for process in self.started if not process.over]


def messages(count: int) -> list[Any]:
    return [Send(str(n), "bob@CIC", ME, f"text {n}") for n in range(count)]


class HookTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = FakeReactor()
        self.groups = FakeGroups()
        self.hook = MessageHook(
            self.reactor,
            ME,
            HookSettings(message="/bin/bot", timeout=10, max_running=2, max_waiting=3),
            {"P2PCHAT_PEER_ID": ME},
            timestamp=lambda: "now",
            groups=self.groups,
        )
        self.hook.startService()
        self.log = captured(self)

    def figures(self) -> dict[str, Any]:
        return dict(self.hook.section().read())

    def test_a_program_is_told_how_a_message_came(self) -> None:
        peer, link = Peer("bob@CIC"), FakeLink()
        peer.heard_on, link.key, link.security = link, bytes(32), "verified"
        self.hook.received(peer, messages(1))
        event = json.loads(self.reactor.started[0].written)
        self.assertEqual((event["security"], event["key"]), ("verified", "A" * 43))

    def test_a_program_gets_the_event_and_no_arguments(self) -> None:
        self.hook.received(BOB, messages(1))
        (process,) = self.reactor.started
        self.assertEqual(
            self.reactor.commands,
            [(b"setsid", [b"setsid", b"/bin/bot"], {b"P2PCHAT_PEER_ID": ME.encode()})],
        )
        self.assertEqual(
            json.loads(process.written),
            {
                "event": "message",
                "time": "now",
                "from": "bob@CIC",
                "to": ME,
                "text": "text 0",
                "msg_id": "0",
                "security": "plain",
                "key": "",
            },
        )
        self.assertTrue(process.stdin_closed)
        process.exit()
        self.assertTrue(process.let_go)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(self.log(), [])

    def test_no_program_no_work(self) -> None:
        self.hook.configure(HookSettings())
        self.hook.received(BOB, messages(1))
        self.assertEqual(self.reactor.started, [])
        self.assertEqual(self.figures()["program"], "")

    def test_only_so_many_at_once_and_the_rest_in_order(self) -> None:
        self.hook.received(BOB, messages(4))
        self.assertEqual(len(self.reactor.running), 2)
        self.assertEqual((self.figures()["running"], self.figures()["waiting"]), (2, 2))
        self.reactor.started[0].exit()
        self.reactor.started[1].exit()
        texts = [json.loads(process.written)["text"] for process in self.reactor.started]
        self.assertEqual(texts, [f"text {n}" for n in range(4)])

    def test_what_is_too_much_is_left_out_and_told(self) -> None:
        for _ in range(3):
            self.hook.received(BOB, messages(3))
        self.assertEqual(self.figures()["waiting"], 3)
        self.assertEqual(self.figures()["left_out"], 4)
        self.assertIn("Too many messages wait for the hook", self.log()[0])

    def test_one_that_takes_too_long_is_killed_and_the_next_one_runs(self) -> None:
        self.hook.received(BOB, messages(3))
        self.reactor.advance(10)
        self.assertEqual([process.signals for process in self.reactor.started[:2]], [["KILL"]] * 2)
        self.assertEqual(len(self.reactor.running), 1)
        self.assertEqual(self.figures()["timed_out"], 2)
        self.assertEqual(self.figures()["failed"], 0)
        self.assertIn("longer than 10 s", self.log()[0])

    def test_what_it_left_behind_counts_and_is_killed_in_the_end(self) -> None:
        self.hook.received(BOB, messages(5))
        one, two = self.reactor.started
        assert one.pid is not None
        self.groups.living = {one.pid}
        group = one.pid
        one.exit()
        two.exit()
        # What the first one has started has its place.
        self.assertEqual(len(self.reactor.running), 1)
        self.assertEqual(self.figures()["running"], 2)
        for _ in range(9):
            self.reactor.advance(1)
        self.assertEqual(self.groups.killed, [])
        self.reactor.advance(1)
        self.assertIn(group, self.groups.killed)
        self.assertEqual(len(self.reactor.running), 2)
        self.assertIn("What the hook had started took too long", "\n".join(self.log()))

    def test_what_it_left_behind_and_ended_by_itself_is_forgotten(self) -> None:
        self.hook.received(BOB, messages(1))
        (process,) = self.reactor.started
        assert process.pid is not None
        self.groups.living = {process.pid}
        process.exit()
        self.groups.living.clear()
        self.reactor.advance(1)
        self.assertEqual((self.figures()["running"], self.groups.killed), (0, []))
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_what_it_left_behind_ends_with_the_node(self) -> None:
        self.hook.received(BOB, messages(2))
        one, two = self.reactor.started
        groups = [one.pid, two.pid]
        assert one.pid is not None
        self.groups.living = {one.pid}
        one.exit()
        self.hook.stopService()
        self.assertEqual(self.groups.killed, [])
        self.reactor.advance(2)
        self.assertEqual(sorted(self.groups.killed), groups)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_one_that_fails_is_told_with_what_it_said(self) -> None:
        self.hook.received(BOB, messages(2))
        one, two = self.reactor.started
        one.protocol.errReceived(b"no \x1b[2Jidea" + b"x" * 1000)
        one.protocol.errReceived(b"never kept")
        one.exit(3)
        two.exit(signal=11)
        self.assertEqual(self.figures()["failed"], 2)
        self.assertIn("ended with status 3: no \\x1b[2Jidea", self.log()[0])
        self.assertLess(len(self.log()[0]), 600)
        self.assertIn("ended with signal 11: without a word", self.log()[1])

    def test_one_that_cannot_be_started(self) -> None:
        self.reactor.error = OSError(24, "Too many open files")
        self.hook.received(BOB, messages(2))
        self.reactor.error = ValueError("odd")
        self.hook.received(BOB, messages(1))
        self.assertEqual((self.figures()["failed"], self.figures()["running"]), (3, 0))
        self.assertIn("/bin/bot cannot be run: Too many open files", self.log()[0])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_the_hook_may_be_taken_away_while_messages_wait(self) -> None:
        self.hook.received(BOB, messages(4))
        self.hook.program = None
        for process in [*self.reactor.started]:
            process.exit()
        self.assertEqual(len(self.reactor.started), 2)
        self.assertEqual(self.figures()["waiting"], 0)

    def test_the_end(self) -> None:
        self.hook.received(BOB, messages(4))
        self.reactor.started[0].over = True  # it is over, and we have not heard of it yet
        stopped = self.hook.stopService()
        assert stopped is not None
        self.hook.received(BOB, messages(1))
        self.reactor.advance(1.9)
        self.assertNoResult(stopped)
        self.reactor.advance(0.1)
        self.successResultOf(stopped)
        self.assertEqual(self.reactor.started[1].signals, ["KILL"])
        self.reactor.started[0].exit()
        self.assertEqual(len(self.reactor.started), 2)
        self.assertEqual((self.figures()["left_out"], self.figures()["waiting"]), (2, 0))
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(self.log(), [])

    def test_what_came_with_the_farewell_has_its_program_run(self) -> None:
        self.hook.received(BOB, messages(3))
        stopped = self.hook.stopService()
        assert stopped is not None
        self.reactor.started[0].exit()
        self.assertEqual(len(self.reactor.started), 3)
        for process in self.reactor.started[1:]:
            process.exit()
        self.successResultOf(stopped)
        self.assertEqual(self.reactor.getDelayedCalls(), [])


class RealHookTests(TestCase):
    """A real program, through the real reactor."""

    timeout = 30

    def program(self, *lines: str) -> str:
        path = Path(self.mktemp()).resolve()
        path.write_text("\n".join([f"#!{sys.executable} -S", "import sys", *lines]) + "\n")
        path.chmod(0o700)
        return str(path)

    async def run_once(self, program: str, environ: dict[str, str]) -> MessageHook:
        settings = HookSettings(message=program, max_running=1)
        hook = MessageHook(reactor, ME, settings, {**os.environ, **environ}, lambda: "now")
        over: Deferred[None] = Deferred()
        ended = hook._ended

        def tell(run: Any, status: str) -> None:
            ended(run, status)
            over.callback(None)

        hook._ended = tell  # type: ignore[method-assign]
        hook.startService()
        hook.received(BOB, messages(1))
        if not hook.failed:  # not even started
            await over
        return hook

    async def test_it_reads_its_event_and_knows_whose_it_is(self) -> None:
        result = Path(self.mktemp()).resolve()
        program = self.program(
            "import os",
            "event = sys.stdin.read()",
            "print('to be seen by nobody')",
            f"open({str(result)!r}, 'w').write(os.environ['P2PCHAT_PEER_ID'] + event)",
        )
        hook = await self.run_once(program, {"P2PCHAT_PEER_ID": ME})
        self.assertEqual(hook.failed, 0)
        told, _, event = result.read_text().partition("{")
        self.assertEqual(told, ME)
        self.assertEqual(json.loads("{" + event)["text"], "text 0")

    async def test_what_it_has_started_ends_with_it(self) -> None:
        told = Path(self.mktemp()).resolve()
        path = Path(self.mktemp()).resolve()
        path.write_text(f"#!/bin/sh\nsleep 1000 &\necho $! >'{told}'\nwait\n")
        path.chmod(0o700)
        settings = HookSettings(message=str(path), max_running=1, timeout=60)
        hook = MessageHook(reactor, ME, settings, dict(os.environ), lambda: "now")
        hook.startService()
        hook.received(BOB, messages(1))
        while not told.exists() or not told.read_text():
            await deferLater(reactor, 0.02)
        sleeper = int(told.read_text())
        os.kill(sleeper, 0)
        hook.stopService()
        while hook.busy:
            await deferLater(reactor, 0.02)
        for _ in range(100):
            try:
                os.kill(sleeper, 0)
            except ProcessLookupError:
                return
            await deferLater(reactor, 0.02)
        state = Path(f"/proc/{sleeper}/stat").read_text().rpartition(")")[2].split()[0]
        self.assertEqual(state, "Z", "it outlived its hook")

    async def test_a_program_that_is_not_there(self) -> None:
        log = captured(self)
        hook = await self.run_once("/nowhere/bot", {})
        self.assertEqual(hook.failed, 1)
        self.assertRegex(log()[0], "The hook (ended with status 1|/nowhere/bot cannot be run)")
        self.assertEqual(get_level(), "INFO")

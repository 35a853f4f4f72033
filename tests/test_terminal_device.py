"""The terminal as a device: never waited for, left as it was; and which console a process gets."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import stat
import struct
import sys
import termios
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.python.log import callWithLogger
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.messages import Pub
from p2pchat.terminal import choose
from tests.processes import ProcessCase, Program
from tests.terminals import MISSING

if not MISSING:
    import pyte

    from p2pchat.terminal import past_lines
    from p2pchat.terminal.arrivals import PACE, Arrivals
    from p2pchat.terminal.event_loop import EventLoop
    from p2pchat.terminal.past_lines import PastLines
    from p2pchat.terminal.tty import ROOM, Terminal, TerminalStream


class Writers:
    """A reactor, as far as a terminal needs one."""

    def __init__(self) -> None:
        self.writers: set[object] = set()

    def addWriter(self, writer: object) -> None:
        self.writers.add(writer)

    def removeWriter(self, writer: object) -> None:
        self.writers.discard(writer)


class TerminalTests(SynchronousTestCase):
    skip = MISSING or None

    def setUp(self) -> None:
        self.master, self.slave = os.openpty()
        os.set_blocking(self.master, False)
        self.addCleanup(self.close)
        self.reactor = Writers()
        self.terminal = Terminal(self.reactor, os.ttyname(self.slave))
        self.addCleanup(self.terminal.restore)
        self.events: list[str] = []
        self.terminal.on_redraw = lambda: self.events.append("redraw")
        self.terminal.on_gone = lambda: self.events.append("gone")

    def close(self) -> None:
        for fd in (self.master, self.slave):
            with contextlib.suppress(OSError):
                os.close(fd)

    def read(self) -> bytes:
        data = b""
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self.master, 65536):
                data += chunk
        return data

    def test_text_is_written_at_once(self) -> None:
        stream = TerminalStream(self.terminal)
        stream.write("olá ✓")
        stream.flush()
        self.assertTrue(stream.isatty())
        self.assertEqual(self.read().decode(), "olá ✓")
        self.assertEqual(self.reactor.writers, set())

    def test_prompt_toolkit_cannot_make_it_wait(self) -> None:
        self.assertFalse(hasattr(TerminalStream(self.terminal), "fileno"))
        self.assertFalse(os.get_blocking(self.terminal.fileno()))
        self.assertTrue(os.get_blocking(self.slave), "what others use is not touched")

    def test_what_it_does_not_take_waits_and_is_bounded(self) -> None:
        block = "x" * 20_000
        for _ in range(100):
            self.terminal.show(block)
        self.assertEqual(self.reactor.writers, {self.terminal})
        self.assertEqual(self.events, [])
        total = 0
        while self.reactor.writers:
            total += len(self.read())
            self.assertIsNone(self.terminal.doWrite())
        total += len(self.read())
        self.assertLess(total, ROOM + 3 * len(block) + 65536)
        self.assertEqual(self.events, ["redraw"])
        self.terminal.show("after")
        self.assertEqual(self.read(), b"after")

    def test_a_terminal_that_is_gone(self) -> None:
        os.close(self.master)
        self.terminal.show("x")
        self.terminal.show("y")
        self.terminal.connectionLost()
        self.assertEqual(self.events, ["gone"])
        self.assertEqual(self.reactor.writers, set())

    def test_it_is_left_as_it_was(self) -> None:
        before = termios.tcgetattr(self.slave)
        changed = termios.tcgetattr(self.slave)
        changed[3] &= ~(termios.ECHO | termios.ICANON)
        termios.tcsetattr(self.slave, termios.TCSANOW, changed)
        self.terminal.restore("not delivered\n")
        self.terminal.restore("again")
        self.assertEqual(termios.tcgetattr(self.slave), before)
        data = self.read()
        self.assertIn(b"\x1b[?1049l", data)
        self.assertTrue(data.endswith(b"not delivered\r\n"))
        self.assertEqual(self.terminal.fileno(), -1)

    def test_its_size(self) -> None:
        size = self.terminal.size()
        self.assertEqual((size.columns, size.rows), (80, 24))
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 40, 0, 0))
        size = self.terminal.size()
        self.assertEqual((size.columns, size.rows), (40, 10))
        self.terminal.restore()
        self.assertEqual(self.terminal.size().columns, 80)


class ChoiceTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.master, self.slave = os.openpty()
        self.addCleanup(os.close, self.master)
        self.addCleanup(os.close, self.slave)
        self.patch(os, "environ", {**os.environ, "TERM": "xterm-256color"})

    def wanted(self, **changes: Any) -> bool:
        return choose.wanted(**{"stdin": self.slave, "stdout": self.slave, **changes})

    def test_a_capable_terminal_at_both_ends(self) -> None:
        self.assertEqual(self.wanted(), not MISSING)
        read, write = os.pipe()
        self.addCleanup(os.close, read)
        self.addCleanup(os.close, write)
        self.assertFalse(self.wanted(stdin=read))
        self.assertFalse(self.wanted(stdout=write))

    def test_the_person_may_want_the_other_one(self) -> None:
        self.assertFalse(self.wanted(plain=True))
        self.assertFalse(self.wanted(log_path="-"))

    def test_dumb_terminals(self) -> None:
        for term in ("dumb", "", "unknown"):
            os.environ["TERM"] = term
            self.assertFalse(self.wanted(), term)

    def test_without_the_extra(self) -> None:
        self.patch(choose, "find_spec", lambda _: None)
        self.assertFalse(self.wanted())

    def test_a_terminal_without_a_name(self) -> None:
        def nameless(_fd: int) -> str:
            raise OSError("no name")

        self.patch(os, "ttyname", nameless)
        self.assertFalse(self.wanted())


class EventLoopTests(SynchronousTestCase):
    skip = MISSING or None

    def setUp(self) -> None:
        self.loop = EventLoop()
        self.addCleanup(self.loop.close)

    def test_signals_are_taken_and_given_back(self) -> None:
        before = signal.getsignal(signal.SIGWINCH)
        wakeup = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(wakeup)
        self.loop.add_signal_handler(signal.SIGWINCH, self.loop.stop)
        signal.raise_signal(signal.SIGWINCH)
        self.loop.run_forever()
        self.assertEqual(signal.set_wakeup_fd(wakeup), wakeup, "the reactor's, as before")
        self.assertTrue(self.loop.remove_signal_handler(signal.SIGWINCH))
        self.assertFalse(self.loop.remove_signal_handler(signal.SIGWINCH))
        self.assertEqual(signal.getsignal(signal.SIGWINCH), before)

    def test_sockets_are_served_without_a_log_context(self) -> None:
        read, write = os.pipe()
        self.addCleanup(os.close, read)
        self.addCleanup(os.close, write)
        called: list[object] = []

        def serve(*args: object) -> None:
            called.append(args)
            self.loop.remove_reader(read)
            self.loop.remove_writer(write)
            self.loop.stop()

        for add, fd in ((self.loop.add_writer, write), (self.loop.add_reader, read)):
            add(fd, callWithLogger, None, serve, "reader", True)
            os.write(write, b"x")
            self.loop.run_forever()
        self.assertEqual(called, [("reader", True)] * 2)

    def test_faults_go_to_the_log(self) -> None:
        self.loop.call_exception_handler({"message": "odd", "exception": ZeroDivisionError()})
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.loop.call_exception_handler({"message": "odd"})


class PastLinesTests(SynchronousTestCase):
    skip = MISSING or None

    def setUp(self) -> None:
        self.path = Path(self.mktemp()).resolve() / "new" / "typed-lines"

    def lines(self, **options: int) -> PastLines:
        return PastLines(str(self.path), **options)

    def test_lines_last_across_sessions(self) -> None:
        first = self.lines()
        for text in ("um", "dois ✓", "dois ✓"):
            first.append_string(text)
        self.assertEqual(first.get_strings(), ["um", "dois ✓"])
        self.assertEqual(self.lines().get_strings(), ["um", "dois ✓"])
        self.assertEqual([*first.load_history_strings()], [])

    def test_the_file_is_the_persons_own(self) -> None:
        self.lines().append_string("um")
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(self.path.parent.stat().st_mode), 0o700)
        self.path.chmod(0o644)
        self.lines()
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)

    def test_some_lines_are_not_remembered(self) -> None:
        lines = self.lines()
        for text in (" secret", "x" * 2001, "a\nb"):
            lines.append_string(text)
        self.assertEqual(lines.get_strings(), [])
        self.assertEqual(self.path.read_bytes(), b"")

    def test_the_oldest_are_forgotten(self) -> None:
        lines = self.lines(limit=10)
        for number in range(30):
            lines.append_string(str(number))
        self.assertEqual(len(lines.get_strings()), 10)
        self.assertEqual(len(self.path.read_text().split()), 30)
        self.assertEqual(self.lines(limit=10).get_strings()[0], "20")
        self.assertEqual(self.path.read_text().split()[0], "20")
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)
        self.assertEqual([each.name for each in self.path.parent.iterdir()], ["typed-lines"])

    def test_a_file_that_cannot_be_used_is_no_obstacle(self) -> None:
        self.path.mkdir(parents=True)
        lines = self.lines()
        lines.append_string("um")
        self.assertEqual(lines.get_strings(), ["um"])

    def test_it_is_in_the_persons_own_folder(self) -> None:
        self.assertTrue(past_lines.default_path().endswith("p2pchat/typed-lines"))


class ArrivalsTests(SynchronousTestCase):
    skip = MISSING or None

    def setUp(self) -> None:
        self.clock = Clock()
        self.shown: list[tuple[list[str], dict[str, int]]] = []
        self.arrivals = Arrivals(self.clock, self.show)

    def show(self, arrived: Any, left_out: dict[str, int]) -> None:
        self.shown.append(([f"{who}:{what.payload}" for who, what, _ in arrived], left_out))

    def come(self, who: str, *texts: str) -> None:
        self.arrivals.received(who, [Pub(text, "", "*", text) for text in texts])

    def test_a_quiet_chat_is_shown_at_once(self) -> None:
        self.clock.advance(1)
        self.come("a", "1")
        self.clock.advance(0)
        self.come("b", "2")
        self.come("a", "3")
        self.clock.advance(PACE / 2)
        self.assertEqual(self.shown, [(["a:1"], {})])
        self.clock.advance(PACE / 2)
        self.assertEqual(self.shown[1:], [(["b:2", "a:3"], {})])
        self.arrivals.close()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_who_floods_loses_lines_of_their_own(self) -> None:
        self.clock.advance(1)
        for number in range(1000):
            self.come("mad", *(f"{number}.{part}" for part in range(10)))
            if number % 100 == 0:
                self.come("calm", str(number))
        self.clock.advance(1)
        (lines, left_out), *_ = self.shown
        self.assertEqual(left_out, {"mad": 9900})
        self.assertEqual(sum(line.startswith("calm") for line in lines), 10)
        self.assertEqual(lines[-1], "mad:999.9")
        self.assertEqual(self.arrivals.left_out, 9900)

    def test_a_flood_that_lasts_is_shown_at_a_readable_pace(self) -> None:
        for number in range(1000):
            self.come("mad", *(f"{number}.{part}" for part in range(100)))
            self.clock.advance(0.01)
        count = sum(len(lines) for lines, _ in self.shown)
        self.assertLess(count, 200 + 20 * 11)
        self.assertGreater(count, 200 + 20 * 8)
        self.arrivals.close()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        counted = sum(len(lines) + sum(left.values()) for lines, left in self.shown)
        self.assertEqual(counted, 100_000)


_FAULT = """
import sys, os
from p2pchat.terminal.tty import Terminal
terminal = Terminal(None, os.ttyname(1))
import tty
tty.setraw(0)
terminal.show("\\x1b[?1049h in the middle")
raise RuntimeError("a fault")
"""


class ProgramTests(ProcessCase):
    """The real program on a real terminal."""

    skip = MISSING or None

    def on_terminal(self, *options: str, term: str = "xterm-256color") -> Program:
        self.patch(os, "environ", {**os.environ, "TERM": term})
        command = [sys.executable, "-m", "p2pchat", "--name", "ana", "--port", "0"]
        command += ["--rendezvous", "127.0.0.1:9", *options]
        return self.start("ana", *command, terminal=True)

    def screen(self, program: Program) -> list[str]:
        screen: Any = pyte.Screen(80, 24)
        pyte.Stream(screen).feed(program.output)
        return [row.rstrip() for row in screen.display]

    def is_cooked(self, program: Program) -> bool:
        transport: Any = program.transport
        flags = termios.tcgetattr(transport.fd)[3]
        return bool(flags & termios.ICANON and flags & termios.ECHO and flags & termios.ISIG)

    async def test_typing_and_leaving(self) -> None:
        program = self.on_terminal()
        await program.expect("/help for help")
        self.assertFalse(self.is_cooked(program))
        assert program.transport is not None
        program.transport.write("olá, ação ✓".encode())
        await program.expect("✓")
        self.assertEqual(self.screen(program)[-1], "> olá, ação ✓")
        program.transport.write(b"\x03")
        await program.expect("Ctrl-C once more leaves")
        self.assertTrue("\x1b[?1049h" in program.output)
        program.transport.write(b"\x03")
        self.assertEqual(await program.ended, 0)
        self.assertIn("\x1b[?1049l", program.output)

    async def test_a_signal_gives_the_terminal_back(self) -> None:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            program = self.on_terminal()
            await program.expect("/help for help")
            program.signal(number)
            self.assertEqual(await program.ended, 0, number)
            self.assertIn("\x1b[?1049l", program.output)

    async def test_another_size(self) -> None:
        program = self.on_terminal()
        await program.expect("/help for help")
        transport: Any = program.transport
        fcntl.ioctl(transport.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 40, 0, 0))
        program.output = ""
        await program.expect("ana@lobby")
        program.say("/quit\r")
        self.assertEqual(await program.ended, 0)

    async def test_a_terminal_that_hangs_up_ends_it(self) -> None:
        program = self.on_terminal()
        await program.expect("/help for help")
        assert program.transport is not None
        program.transport.loseConnection()
        self.assertEqual(await program.ended, 0)

    async def test_a_fault_leaves_a_terminal_that_works(self) -> None:
        self.patch(os, "environ", {**os.environ, "TERM": "xterm"})
        program = self.start("fault", sys.executable, "-c", _FAULT, terminal=True)
        self.assertEqual(await program.ended, 1)
        self.assertIn("\x1b[?1049l", program.output)
        self.assertIn("RuntimeError: a fault", program.output)

    async def test_the_plain_one_when_it_is_wanted(self) -> None:
        for options, term in (((), "dumb"), (("--plain",), "xterm")):
            program = self.on_terminal(*options, term=term)
            await program.expect("/help for help")
            self.assertNotIn("\x1b", program.output)
            program.say("/quit")
            self.assertEqual(await program.ended, 0)

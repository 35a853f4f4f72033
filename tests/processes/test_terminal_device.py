"""The terminal as a device: never waited for, left as it was; and which console a process gets."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import struct
import termios
from typing import Any

from twisted.python.log import callWithLogger
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.console.full import choose
from tests.support.terminals import MISSING

if not MISSING:
    from p2pchat.console.full.event_loop import EventLoop
    from p2pchat.console.full.tty import ROOM, Terminal, TerminalStream


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
        self.assertTrue(self.wanted())
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

"""Standard input and output: their pieces, their ends, and how the descriptors are left behind."""

from __future__ import annotations

import contextlib
import os
import sys
from types import SimpleNamespace
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.console.plain import stdio as standard_io
from p2pchat.console.plain.input_lines import MAX_LINE
from p2pchat.console.plain.stdio import (
    CHUNK,
    ConsoleProtocol,
    StandardDescriptors,
    StdioConsole,
    make_console,
)
from p2pchat.node.observers import INodeObserver
from p2pchat.wire.messages import Send
from tests.support.consoles import FakeNode


class Stdio(StringTransport):
    """What StandardIO is to a console: half-closeable, and gone when its last bytes are out."""

    protocol: ConsoleProtocol
    stuck = False

    def loseConnection(self) -> None:
        super().loseConnection()
        if not self.stuck:
            self.protocol.connectionLost()


class FakeDescriptors(StandardDescriptors):
    def __init__(self, terminal_in: bool, terminal_out: bool, unseen: bool = False) -> None:
        self.terminal_in, self.terminal_out, self.unseen = terminal_in, terminal_out, unseen
        self.encoding = "utf-8"
        self.longest = MAX_LINE
        self.stdio = Stdio()
        self.more = b""
        self.restored = False

    def attach(self, protocol: Any) -> Stdio:
        self.stdio.protocol = protocol
        protocol.makeConnection(self.stdio)
        return self.stdio

    def read_more(self) -> bytes:
        more, self.more = self.more, b""
        return more

    def restore(self) -> None:
        self.restored = True


class ConsoleCase(SynchronousTestCase):
    terminal = False
    stay = False
    unseen = False

    def setUp(self) -> None:
        self.clock = Clock()
        self.node = FakeNode(self.clock)
        self.left: list[int] = []
        self.descriptors = FakeDescriptors(self.terminal, self.terminal, self.unseen)
        self.stdio = self.descriptors.stdio
        self.console = StdioConsole(
            self.clock,
            self.node.real,
            self.descriptors,
            on_leave=self.left.append,
            stay=self.stay,
        )
        self.console.startService()
        self.clock.advance(0)
        self.greeting = self.shown()

    def tearDown(self) -> None:
        if self.console.running:
            self.successResultOf(cast("Deferred[None]", self.console.stopService()))
        self.clock.pump([1, 0, 0])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def type(self, text: str) -> None:
        self.stdio.protocol.dataReceived(text.encode())

    def shown(self) -> list[str]:
        self.clock.advance(0)
        text: str = self.stdio.value().decode()
        self.stdio.clear()
        return text.splitlines()

    def observer(self) -> INodeObserver:
        return cast("INodeObserver", self.node.observers)


class PipeTests(ConsoleCase):
    def test_utf_8_split_across_chunks(self) -> None:
        link = self.node.meets("bob@CIC")
        for byte in "/msg bob@CIC olá 🙂\n".encode():
            self.stdio.protocol.dataReceived(bytes([byte]))
        self.assertEqual(link.chat[0].payload, "olá 🙂")

    def test_a_last_line_without_newline_counts(self) -> None:
        link = self.node.meets("bob@CIC")
        self.type("/msg bob@CIC hi")
        self.stdio.protocol.readConnectionLost()
        self.assertEqual(self.left, [])
        self.node.acknowledge(link)
        self.assertEqual(self.left, [0])
        self.assertEqual(self.shown()[-1], "delivered to [bob@CIC] in 0.0 ms")

    def test_a_full_chunk_is_followed_by_what_else_is_there(self) -> None:
        link = self.node.meets("bob@CIC")
        self.descriptors.more = b"b\n/pub * more\n"
        self.type("/pub * " + "a" * (CHUNK - 7))
        self.assertEqual(
            [message.payload for message in link.chat], ["a" * (CHUNK - 7) + "b", "more"]
        )

    def test_the_output_breaks_and_the_script_runs_to_its_end(self) -> None:
        self.node.meets("bob@CIC").is_p2pchat = False
        self.stdio.protocol.writeConnectionLost()
        self.type("/pub * hi\n")
        self.observer().notice("nobody sees this")
        self.assertEqual((self.shown(), self.left), ([], []))
        self.clock.advance(1)
        self.assertEqual(self.left, [0])

    def test_stopping_writes_what_is_still_to_be_seen(self) -> None:
        self.node.meets("bob@CIC")
        self.type("/msg bob@CIC hi\n")
        self.node.gives_up_all()
        self.successResultOf(cast("Deferred[None]", self.console.stopService()))
        self.assertIn("left before the ACK came", self.shown()[-1])
        self.assertTrue(self.descriptors.restored)
        self.assertIsNone(self.stdio.producer)
        self.node.meets("carol@CIC")
        self.assertEqual(self.shown(), [])

    def test_stopping_does_not_wait_for_an_output_that_nobody_reads(self) -> None:
        self.stdio.stuck = True
        stopped = cast("Deferred[None]", self.console.stopService())
        self.assertNoResult(stopped)
        self.clock.advance(1)
        self.successResultOf(stopped)
        self.assertTrue(self.descriptors.restored)
        self.stdio.protocol.connectionLost()

    def test_stopping_without_an_output(self) -> None:
        self.stdio.stuck = True
        self.stdio.protocol.writeConnectionLost()
        self.successResultOf(cast("Deferred[None]", self.console.stopService()))
        self.assertTrue(self.descriptors.restored)

    def test_a_line_of_the_log_is_shown_between_the_others(self) -> None:
        self.console.show("WARNING [Router] odd\x07")
        self.assertEqual(self.shown(), ["WARNING [Router] odd\\x07"])

    def test_the_input_is_paused_while_lines_wait(self) -> None:
        self.node.meets("bob@CIC")
        self.type("/peers\n" * 3)
        self.assertEqual(self.stdio.producerState, "paused")


class TerminalTests(ConsoleCase):
    terminal = True

    def test_the_terminal_hangs_up(self) -> None:
        self.stdio.protocol.writeConnectionLost()
        self.stdio.protocol.readConnectionLost()
        self.assertEqual(self.left, [0])


class StayTests(ConsoleCase):
    stay = True

    def test_neither_end_is_a_reason_to_leave(self) -> None:
        self.stdio.protocol.readConnectionLost()
        self.observer().notice("still here")
        self.assertEqual(self.shown(), ["* still here"])
        self.stdio.protocol.writeConnectionLost()
        self.clock.advance(5)
        self.assertEqual(self.left, [])


class UnseenTests(ConsoleCase):
    unseen = True

    def test_nothing_is_formatted_that_nobody_can_see(self) -> None:
        link = self.node.meets("bob@CIC")
        peer = self.node.peers.connected()[0]
        self.observer().received(peer, [cast("Send", "this would fail if it were formatted")])
        self.type("/pub * hi\n")
        self.assertEqual((self.greeting, self.shown(), link.sent), ([], [], 1))


class DescriptorCase(SynchronousTestCase):
    def pipe(self) -> tuple[int, int]:
        ends = os.pipe()
        for fd in ends:
            self.addCleanup(self.close, fd)
        return ends

    def close(self, fd: int) -> None:
        with contextlib.suppress(OSError):
            os.close(fd)

    def null(self) -> int:
        fd = os.open(os.devnull, os.O_RDWR)
        self.addCleanup(self.close, fd)
        return fd


class MakeConsoleTests(DescriptorCase):
    def make(self, stdin: int, stdout: int) -> StdioConsole | None:
        node = FakeNode(Clock())
        return make_console(
            node.clock, node.real, stay=False, on_leave=lambda _: None, stdin=stdin, stdout=stdout
        )

    def test_no_input_no_console(self) -> None:
        _, write = self.pipe()
        closed, _ = self.pipe()
        os.close(closed)
        self.assertIsNone(self.make(self.null(), write))
        self.assertIsNone(self.make(closed, write))

    def test_a_descriptor_that_was_closed_at_the_start_may_be_something_else_by_now(self) -> None:
        self.patch(sys, "__stdin__", None)
        self.patch(standard_io, "has_input", lambda fd: True)
        _, write = self.pipe()
        self.assertIsNone(self.make(0, write))

    def test_a_pipe_gets_a_console(self) -> None:
        read, _ = self.pipe()
        _, write = self.pipe()
        made = self.make(read, write)
        assert made is not None
        self.assertFalse(made._descriptors.terminal_in)

    def test_an_output_that_was_closed_at_the_start_is_replaced(self) -> None:
        self.patch(sys, "__stdout__", None)
        read, _ = self.pipe()
        made = self.make(read, 1)
        assert made is not None
        self.addCleanup(os.close, made._descriptors._stdout)
        self.assertTrue(made._descriptors.unseen)
        self.assertEqual(made._descriptors.encoding, "utf-8")


class StandardDescriptorsTests(DescriptorCase):
    def test_they_are_left_as_they_were_found(self) -> None:
        read, _ = self.pipe()
        _, write = self.pipe()
        descriptors = StandardDescriptors(None, read, write)
        os.set_blocking(read, False)
        os.set_blocking(write, False)
        descriptors.restore()
        self.assertTrue(os.get_blocking(read) and os.get_blocking(write))
        os.close(read)
        descriptors.restore()

    def test_what_is_closed_is_unseen(self) -> None:
        read, write = self.pipe()
        os.close(write)
        self.assertTrue(StandardDescriptors(None, read, write).unseen)
        self.assertTrue(StandardDescriptors(None, read, self.null()).unseen)

    def test_reading_more_never_waits(self) -> None:
        read, write = self.pipe()
        descriptors = StandardDescriptors(None, read, write)
        os.write(write, b"abc")
        self.assertEqual(descriptors.read_more(), b"")
        os.set_blocking(read, False)
        self.assertEqual(descriptors.read_more(), b"abc")
        self.assertEqual(descriptors.read_more(), b"")
        descriptors.terminal_in = True
        os.write(write, b"abc")
        self.assertEqual(descriptors.read_more(), b"")

    def test_attaching_makes_a_stdio_transport(self) -> None:
        calls: list[Any] = []

        def stdio(*args: Any, **kwargs: Any) -> str:
            calls.append((args, kwargs))
            return "transport"

        self.patch(standard_io, "StandardIO", stdio)
        read, write = self.pipe()
        reactor = SimpleNamespace()
        protocol = cast("Any", object())
        descriptors = StandardDescriptors(reactor, read, write)
        self.assertEqual(descriptors.attach(protocol), "transport")
        self.assertEqual(calls, [((protocol, read, write), {"reactor": reactor})])

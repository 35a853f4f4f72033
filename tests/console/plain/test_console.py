"""The plain console: input in any pieces, output that may go away, and what each end means."""

from __future__ import annotations

import contextlib
import os
import sys
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.console.commands.table import COMMANDS
from p2pchat.console.plain import console
from p2pchat.console.plain import stdio as standard_io
from p2pchat.console.plain.console import ConsoleProtocol, ConsoleService, make_console
from p2pchat.console.plain.input_lines import MAX_LINE, InputLines
from p2pchat.console.plain.stdio import CHUNK, StandardDescriptors
from p2pchat.node.observers import INodeObserver
from p2pchat.settings.values import PeerSettings, Settings
from p2pchat.wire.messages import Pub, Send
from tests.support.consoles import FakeNode


class InputLinesTests(SynchronousTestCase):
    def test_lines(self) -> None:
        lines = InputLines()
        self.assertEqual(lines.feed(b"a\nb\r\n\nc"), ["a", "b", ""])
        self.assertEqual(lines.finish(), ["c"])
        self.assertEqual(lines.finish(), [])

    def test_what_is_not_utf_8_is_replaced(self) -> None:
        self.assertEqual(InputLines().feed(b"ol\xe1 \xff\n"), ["ol\ufffd \ufffd"])

    def test_a_byte_order_mark_is_dropped_at_the_beginning_only(self) -> None:
        self.assertEqual(InputLines().feed("\ufeffa\n\ufeffb\n".encode()), ["a", "\ufeffb"])

    @given(
        st.lists(
            st.text(st.characters(codec="utf-8", exclude_characters="\n\r\ufeff")), max_size=5
        ),
        st.data(),
    )
    def test_any_chunking_gives_the_same_lines(self, texts: list[str], data: st.DataObject) -> None:
        stream = "".join(f"{text}\n" for text in texts).encode()
        lines, found, at = InputLines(), [], 0
        while at < len(stream):
            size = data.draw(st.integers(1, 7))
            found += lines.feed(stream[at : at + size])
            at += size
        self.assertEqual(found, texts)

    def test_a_long_line_is_told_once_and_at_once_and_the_next_one_is_whole(self) -> None:
        lines = InputLines(10)
        self.assertEqual(lines.feed(b"x" * 11), [None])
        self.assertEqual(lines.feed(b"x" * 100), [])
        self.assertEqual(lines.feed(b"x\nnext\n"), ["next"])
        self.assertEqual(lines.feed(b"y" * 11 + b"\nnext\n"), [None, "next"])
        self.assertEqual(lines.feed(b"z" * 10), [])
        self.assertEqual(lines.feed(b"z\n" + b"0123456789\n"), [None, "0123456789"])
        self.assertEqual(lines.finish(), [])

    def test_what_is_kept_is_bounded(self) -> None:
        lines = InputLines()
        for _ in range(100):
            lines.feed(b"x" * CHUNK)
            self.assertLessEqual(len(lines._tail), MAX_LINE)


class Stdio(StringTransport):
    """What StandardIO is to a console: half-closeable, and gone when its last bytes are out."""

    protocol: ConsoleProtocol
    stuck = False

    def loseConnection(self) -> None:
        super().loseConnection()
        if not self.stuck:
            self.protocol.connectionLost()


class FakeDescriptors:
    def __init__(self, terminal_in: bool, terminal_out: bool, unseen: bool = False) -> None:
        self.terminal_in, self.terminal_out, self.unseen = terminal_in, terminal_out, unseen
        self.encoding = "utf-8"
        self.stdio = Stdio()
        self.more = b""
        self.restored = False

    def attach(self, protocol: ConsoleProtocol) -> Stdio:
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
        self.console = ConsoleService(
            self.clock,
            self.node.real,
            cast("StandardDescriptors", self.descriptors),
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
    def test_the_greeting_says_who_and_where_we_are(self) -> None:
        self.assertRegex(self.greeting[0], r"^\* p2pchat \S+: ana@CIC, listening on port 4000$")
        self.assertEqual(self.greeting[1:], ["* rendezvous: rdv.example:8080"])

    def test_commands_and_answers(self) -> None:
        link = self.node.meets("bob@CIC")
        self.type("/msg bob@CIC olá 🙂\r\n/pub * x\n")
        self.assertEqual([message.payload for message in link.chat], ["olá 🙂", "x"])
        self.assertEqual(self.shown(), ["* bob@CIC is connected", "published to 1 peer"])

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
        self.assertEqual(self.shown()[-1], "delivered to bob@CIC in 0.0 ms")

    def test_no_ack_makes_the_status_1(self) -> None:
        self.node.meets("bob@CIC")
        self.type("/msg bob@CIC hi\n")
        self.stdio.protocol.readConnectionLost()
        self.clock.advance(5)
        self.node.router.sweep(self.clock.seconds())
        self.assertEqual(self.left, [1])
        self.assertIn("no ACK within 5 s", self.shown()[-1])

    def test_what_a_bot_sends_is_not_shown(self) -> None:
        link = self.node.meets("bob@CIC")
        self.shown()
        self.node.send("bob@CIC", "from a bot")
        self.node.acknowledge(link)
        self.node.send("bob@CIC", "from a bot")
        self.node.router.give_up_all("left")
        self.assertEqual(self.shown(), [])

    def test_a_long_line_is_refused(self) -> None:
        self.type("/msg bob@CIC " + "x" * MAX_LINE)
        self.assertEqual(self.shown(), ["that line is too long: nothing was sent"])

    def test_a_full_chunk_is_followed_by_what_else_is_there(self) -> None:
        link = self.node.meets("bob@CIC")
        self.descriptors.more = b"b\n/pub * more\n"
        self.type("/pub * " + "a" * (CHUNK - 7))
        self.assertEqual(
            [message.payload for message in link.chat], ["a" * (CHUNK - 7) + "b", "more"]
        )

    def test_messages_and_events(self) -> None:
        link = self.node.meets("bob@CIC")
        peer = self.node.peers.connected()[0]
        self.observer().received(
            peer, [Send("1", "bob@CIC", "", "hi\x1b[2J"), Pub("2", "bob@CIC", "#CIC", "all")]
        )
        self.observer().notice("your name is in use\n")
        self.console.show("WARNING [Router] odd\x07")
        self.node.loses(link, said_bye=True)
        self.node.loses(self.node.meets("bob@CIC"))
        self.assertEqual(
            self.shown(),
            [
                "* bob@CIC is connected",
                "[bob@CIC] hi\\x1b[2J",
                "[bob@CIC -> #CIC] all",
                "* your name is in use\\n",
                "WARNING [Router] odd\\x07",
                "* bob@CIC has left",
                "* bob@CIC is connected",
                "* bob@CIC is disconnected",
            ],
        )

    def test_everything_is_shown_to_a_pipe(self) -> None:
        self.node.meets("bob@CIC")
        peer = self.node.peers.connected()[0]
        for n in range(1000):
            self.observer().received(peer, [Send(str(n), "", "", str(n))])
        self.assertEqual(len(self.shown()), 1001)

    def test_an_attempt_that_fails_is_no_news(self) -> None:
        self.observer().status_changed(self.node.knows("bob@CIC"))
        self.assertEqual(self.shown(), [])

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
        self.node.router.give_up_all("left before the ACK came")
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


class WaitingPipeTests(ConsoleCase):
    def setUp(self) -> None:
        looked: Deferred[None] = Deferred()
        self.looked = looked
        self.patch(FakeNode, "__init__", self.make_node(FakeNode.__init__))
        super().setUp()

    def make_node(self, init: Any) -> Any:
        def make(node: FakeNode, *args: Any) -> None:
            init(node, *args)
            node.presence.looked = self.looked
            node.mesh.dialing = True

        return make

    def test_a_script_needs_no_sleep(self) -> None:
        self.type("/msg bob@CIC hi\n")
        self.stdio.protocol.readConnectionLost()
        self.assertEqual(self.stdio.producerState, "paused")
        self.looked.callback(None)
        self.clock.advance(1)
        link = self.node.meets("bob@CIC")
        self.node.mesh.dialing = False
        self.clock.advance(0.1)
        self.node.acknowledge(link)
        self.assertEqual((len(link.chat), self.left), (1, [0]))


class TerminalTests(ConsoleCase):
    terminal = True

    def test_the_greeting_mentions_help(self) -> None:
        self.assertEqual(self.greeting[-1], "* /help for help")

    def test_the_end_of_input_leaves(self) -> None:
        self.stdio.protocol.readConnectionLost()
        self.assertEqual(self.left, [0])

    def test_quit_leaves_with_status_0(self) -> None:
        self.type("/nonsense\n/quit\n")
        self.assertEqual(self.left, [0])

    def test_a_flood_is_cut_and_answers_are_not(self) -> None:
        self.node.meets("bob@CIC")
        peer = self.node.peers.connected()[0]
        for n in range(1000):
            self.observer().received(peer, [Send(str(n), "", "", str(n))])
        self.type("/help\n" * 100)
        shown = self.shown()
        self.assertIn("… 801 more messages (the log has them at DEBUG)", shown)
        self.assertEqual(len(shown), 1 + 200 + 100 * len(COMMANDS))

    def test_the_terminal_hangs_up(self) -> None:
        self.stdio.protocol.writeConnectionLost()
        self.stdio.protocol.readConnectionLost()
        self.assertEqual(self.left, [0])

    def test_a_stopped_terminal_costs_nobody_anything(self) -> None:
        self.node.meets("bob@CIC")
        self.shown()
        peer = self.node.peers.connected()[0]
        assert self.stdio.producer is not None
        cast("Any", self.stdio.producer).pauseProducing()
        for n in range(10_000):
            self.observer().received(peer, [Send(str(n), "", "", "x" * 1000)])
            self.clock.advance(0)
        self.assertEqual(self.stdio.value(), b"")
        cast("Any", self.stdio.producer).resumeProducing()
        shown = self.shown()
        self.assertEqual((len(shown), shown[-1]), (200, "[bob@CIC] " + "x" * 1000))


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


class InterfaceTests(SynchronousTestCase):
    def test_the_greeting_names_the_interface(self) -> None:
        clock = Clock()
        node = FakeNode(clock, Settings(peer=PeerSettings(interface="10.1.2.3")))
        descriptors = FakeDescriptors(False, False)
        service = ConsoleService(
            clock, node.real, cast("StandardDescriptors", descriptors), on_leave=lambda _: None
        )
        service.startService()
        clock.advance(0)
        self.assertIn(b"listening on port 4000 of 10.1.2.3\n", descriptors.stdio.value())
        self.successResultOf(cast("Deferred[None]", service.stopService()))


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
    def make(self, stdin: int, stdout: int) -> ConsoleService | None:
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
        self.patch(console, "has_input", lambda fd: True)
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

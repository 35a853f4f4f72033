"""The client's side of `p2pchat attach`, between two descriptors and a node that answers."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import socket
import tempfile
import threading
from collections.abc import Callable
from typing import Any, TypeAlias

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.control.client import attach as module
from p2pchat.control.client.attach import attach
from p2pchat.control.client.finding import Refused
from p2pchat.control.paths import ControlError
from p2pchat.control.protocol import MAX_REQUEST
from tests.support.control_sockets import scripted

Said: TypeAlias = "dict[str, Any]"
STATUS: Said = {
    "version": "1.0.0",
    "peer_id": "alice@CIC",
    "port": 4000,
    "interface": "",
    "rendezvous": "rdv.example:8080",
    "history": True,
}
GREETING = "* p2pchat 1.0.0: alice@CIC, listening on port 4000\n* rendezvous: rdv.example:8080\n"
STOPPING: Said = {"event": "stopping"}


def ran(*lines: str, done: bool = True, leave: bool = False) -> Said:
    return {"ok": True, "lines": [*lines], "done": done, "leave": leave}


class AttachCase(SynchronousTestCase):
    """Attaches to a node that answers what it is asked; tests change the answers."""

    def setUp(self) -> None:
        self.output = tempfile.TemporaryFile()  # noqa: SIM115
        self.addCleanup(self.output.close)
        self.answers: dict[str, list[Said]] = {
            "status": [{"ok": True, **STATUS}],
            "subscribe": [{"ok": True}],
            "conn": [{"ok": True, "links": [{"peer_id": "bob@CIC"}]}],
            "run": [],
            "settle": [{"ok": True, "lines": [], "done": True}],
        }
        self.events: list[Said] = []
        """What the node tells once it has answered `conn`."""
        self.asked: list[Said] = []
        self.on_run: Callable[[], None] = lambda: None

    def pipe(self, typed: bytes) -> int:
        """An input that ends after these bytes."""
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        os.write(writer, typed)
        os.close(writer)
        return reader

    def attach(self, stdin: int | bytes, *runs: Said) -> int:
        """Attach to a node that answers `run` like this; returns the exit status."""
        self.answers["run"] += runs
        fd = self.pipe(stdin) if isinstance(stdin, bytes) else stdin
        node, theirs = scripted()
        thread = threading.Thread(target=self.be_the_node, args=(theirs,))
        thread.start()
        try:
            return attach(node, fd, self.output.fileno())
        finally:
            node.close()
            thread.join()

    def be_the_node(self, theirs: socket.socket) -> None:
        with theirs, theirs.makefile("rb") as requests:
            for line in requests:
                request = json.loads(line)
                self.asked.append(request)
                do, number = request["do"], request["id"]
                if do == "run":
                    self.on_run()
                said = self.answers[do][:1]
                del self.answers[do][:1]
                if said and "event" not in said[0]:
                    said = [{"id": number, **said[0]}]
                if do == "conn":
                    said += self.events
                with contextlib.suppress(BrokenPipeError):  # an attach that has left meanwhile
                    theirs.sendall(b"".join(json.dumps(each).encode() + b"\n" for each in said))
                if STOPPING in said:
                    return

    @property
    def shown(self) -> str:
        self.output.seek(0)
        return self.output.read().decode().replace(GREETING, "")

    @property
    def lines_run(self) -> list[str]:
        return [request["line"] for request in self.asked if request["do"] == "run"]


class EventTests(AttachCase):
    def test_it_asks_for_what_a_console_shows(self) -> None:
        self.attach(b"")
        self.assertEqual(
            [request["do"] for request in self.asked], ["status", "subscribe", "conn", "settle"]
        )
        subscribe = self.asked[1]
        self.assertEqual(subscribe["events"], ["message", "peer", "notice", "away"])
        self.assertTrue(subscribe["leave_out"] and subscribe["attended"])

    def test_a_node_of_an_earlier_version_is_asked_for_what_it_has(self) -> None:
        refused = {"ok": False, "code": "bad_request", "error": "no kind of event"}
        self.answers["subscribe"] = [refused, {"ok": True}]
        self.attach(b"")
        asked = [request["events"] for request in self.asked if request["do"] == "subscribe"]
        self.assertEqual(asked[1], ["message", "peer", "notice"])

    def test_the_greeting(self) -> None:
        self.answers["status"] = [{"ok": True, **STATUS, "interface": "10.1.2.3"}]
        self.attach(b"")
        self.assertIn("alice@CIC, listening on port 4000 of 10.1.2.3\n", self.shown)

    def test_what_happens_is_shown(self) -> None:
        self.events = [
            {"event": "message", "from": "bob@CIC", "to": "alice@CIC", "text": "ol\u00e1 ✓"},
            {"event": "message", "from": "bob@CIC", "to": "#CIC", "text": "esc \x1b[2J"},
            {"event": "peer", "peer_id": "bob@CIC", "status": "CONNECTED", "left": False},
            {"event": "peer", "peer_id": "bob@CIC", "status": "DISCONNECTED", "left": True},
            {"event": "peer", "peer_id": "eve@CIC", "status": "CONNECTED", "left": False},
            {"event": "peer", "peer_id": "m@CIC", "status": "CONNECTED", "ignored": True},
            {"event": "notice", "text": "beware\n"},
            {"event": "newer", "text": "not for us"},
            {"event": "left_out", "count": 12},
            {"event": "outcome", "line": "delivered to [bob@CIC]\x07"},
        ]
        self.assertEqual(self.attach(b""), 0)
        self.assertEqual(
            {*self.shown.splitlines()},
            {
                "[bob@CIC] olá ✓",
                "[bob@CIC -> #CIC] esc \\x1b[2J",
                "* [bob@CIC] has left",
                "* [eve@CIC] is connected",
                "* beware\\n",
                "… 12 more messages (/history shows them)",
                "delivered to [bob@CIC]\\x07",
            },
        )

    def test_the_node_stops(self) -> None:
        self.answers["settle"] = [STOPPING]
        self.assertEqual(self.attach(b""), 0)
        self.assertEqual(self.shown, "* the node stops\n")

    def test_the_node_stops_before_a_script_is_settled(self) -> None:
        self.assertEqual(self.attach(b"/msg bob oi\n", STOPPING), 1)
        self.assertEqual(self.shown, "* the node stops\n")

    def test_the_node_dies(self) -> None:
        node, theirs = scripted()
        self.addCleanup(node.close)
        theirs.close()
        self.assertRaises(ControlError, attach, node, 0, self.output.fileno())

    def test_the_node_dies_meanwhile(self) -> None:
        def die() -> None:
            raise SystemExit  # the thread that plays the node

        self.on_run = die
        self.assertRaises(ControlError, self.attach, b"/msg bob oi\n")

    def test_a_node_that_does_not_want_it(self) -> None:
        self.answers["status"] = [{"ok": False, "code": "busy", "error": "not today"}]
        self.assertRaisesRegex(Refused, "not today", self.attach, b"")


class ScriptTests(AttachCase):
    """Input from a pipe or a file."""

    def test_a_script_is_run_line_by_line_and_then_settled(self) -> None:
        typed = "/msg bob olá ✓\n\n  \n/pub * last".encode()
        self.assertEqual(self.attach(typed, ran("esc \x1b[2J"), ran()), 0)
        self.assertEqual(self.lines_run, ["/msg bob olá ✓", "/pub * last"])
        self.assertEqual(self.asked[-1]["do"], "settle")
        self.assertTrue(all(request.get("script", True) for request in self.asked))
        self.assertEqual(self.shown, "esc \\x1b[2J\n")

    def test_a_line_that_was_not_done_makes_the_status_1(self) -> None:
        self.assertEqual(self.attach(b"/nonsense\n/peers", ran(done=False), ran()), 1)

    def test_so_does_what_was_not_delivered(self) -> None:
        self.answers["settle"] = [{"ok": True, "lines": ["not all have read it"], "done": False}]
        self.assertEqual(self.attach(b"/pub * oi", ran()), 1)
        self.assertEqual(self.shown, "not all have read it\n")

    def test_so_does_a_line_that_the_node_refuses(self) -> None:
        refused = {"ok": False, "code": "failed", "error": "a fault\x1b of ours"}
        self.assertEqual(self.attach(b"/peers\n", refused), 1)
        self.assertEqual(self.shown, "a fault\\x1b of ours\n")

    def test_a_file_is_an_input_too(self) -> None:
        with tempfile.TemporaryFile() as script:
            script.write(b"/peers\n" * 3)
            script.seek(0)
            self.assertEqual(self.attach(script.fileno(), ran(), ran(), ran()), 0)

    def test_quit_ends_a_script(self) -> None:
        late = {"ok": False, "code": "refused", "error": "nothing is run after a /quit"}
        self.assertEqual(self.attach(b"/quit\n/msg bob never\n", ran(leave=True), late), 0)
        self.assertEqual(self.shown, "")

    def test_lines_that_are_too_long(self) -> None:
        with tempfile.TemporaryFile() as script:
            script.write(b"\x01" * (MAX_REQUEST // 6) + b"\n/peers\n")
            script.seek(0)
            self.assertEqual(self.attach(script.fileno(), ran()), 1)
        self.assertIn("too long: nothing was sent", self.shown)
        self.assertEqual(self.lines_run, ["/peers"])

    def test_the_longest_line_is_a_request_whatever_it_holds(self) -> None:
        with tempfile.TemporaryFile() as script:
            script.write(b"\x01" * module._LONGEST)
            script.seek(0)
            self.assertEqual(self.attach(script.fileno(), ran()), 0)
        (run,) = (request for request in self.asked if request["do"] == "run")
        self.assertLess(len(json.dumps(run)), MAX_REQUEST)

    def test_only_so_many_lines_are_under_way(self) -> None:
        self.patch(module, "_CHUNK", 20)
        self.patch(module, "_AT_ONCE", 30)
        look, only_the_node = select.select, threading.Event()

        def watched(wanted: list[Any], *others: Any) -> Any:
            if len(wanted) == 1:
                only_the_node.set()
            return look(wanted, *others)

        self.patch(select, "select", watched)
        self.on_run = lambda: self.assertTrue(only_the_node.wait(10))
        self.assertEqual(self.attach(b"x\n" * 3000, *[ran()] * 3000), 0)
        self.assertEqual(len(self.lines_run), 3000)


class PersonTests(AttachCase):
    """Input from a terminal."""

    def setUp(self) -> None:
        super().setUp()
        self.person, self.terminal = pty.openpty()
        self.addCleanup(os.close, self.terminal)
        self.at_it = True
        self.addCleanup(self.hang_up)

    def hang_up(self) -> None:
        if self.at_it:
            self.at_it = False
            os.close(self.person)

    def test_quit_leaves_with_status_0(self) -> None:
        os.write(self.person, b"/nonsense\n/quit\n")
        runs = ran("there is no command", done=False), ran(leave=True)
        self.assertEqual(self.attach(self.terminal, *runs), 0)
        self.assertEqual(
            self.shown,
            "* /help for help; /quit leaves, and the node runs on\nthere is no command\n",
        )

    def test_the_end_of_the_input_leaves_at_once(self) -> None:
        os.write(self.person, b"/peers\n\x04")
        self.assertEqual(self.attach(self.terminal), 0)
        self.assertEqual(self.lines_run, ["/peers"])
        self.assertIs(self.asked[-1]["script"], False)

    def test_the_node_stops(self) -> None:
        os.write(self.person, b"/msg bob oi\n")
        self.assertEqual(self.attach(self.terminal, STOPPING), 0)

    def test_the_terminal_goes(self) -> None:
        os.write(self.person, b"/peers\n")
        self.on_run = self.hang_up
        self.assertEqual(self.attach(self.terminal), 0)

    def test_another_program_has_read_what_was_typed(self) -> None:
        read, others = os.read, [True]

        def too_late_once(fd: int, size: int) -> bytes:
            if fd == self.terminal and others:
                others.clear()
                raise BlockingIOError
            return read(fd, size)

        self.patch(os, "read", too_late_once)
        os.write(self.person, b"\x04")
        self.assertEqual(self.attach(self.terminal), 0)

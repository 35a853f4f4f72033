"""The client's side of `p2pchat attach`, between two pipes and a scripted node."""

from __future__ import annotations

import json
import os
import selectors
import tempfile
import threading
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.control.client.attach import _Attached, attach
from p2pchat.control.client.finding import Refused
from p2pchat.control.paths import ControlError
from tests.support.control_sockets import asked_of, scripted

READY = {"id": 1, "ok": True}
LEFT = {"event": "left", "status": 0}


class AttachTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.output = tempfile.TemporaryFile()  # noqa: SIM115
        self.addCleanup(self.output.close)

    def attach(self, typed: bytes, *lines: dict[str, Any]) -> int:
        """Attach to a node that says these lines; `typed` comes through a pipe that then ends."""
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        os.write(writer, typed)
        os.close(writer)
        return self.attach_to(reader, *lines)

    def attach_to(self, stdin: int, *lines: dict[str, Any]) -> int:
        node, theirs = scripted(*lines)
        self.addCleanup(node.close)
        self.addCleanup(theirs.close)
        try:
            return attach(node, stdin, self.output.fileno())
        finally:
            self.asked = asked_of(theirs)

    @property
    def shown(self) -> str:
        self.output.seek(0)
        return self.output.read().decode()

    def test_what_the_node_shows(self) -> None:
        status = self.attach(
            b"",
            READY,
            {"event": "show", "text": "* hello\n[bob] ol\u00e1 \u2713"},
            {"event": "notice", "text": "not for us"},
            {"ok": True, "id": 2},
            {"event": "show", "text": "esc \x1b[2J"},
            {"event": "left", "status": 3},
        )
        self.assertEqual(status, 3)
        self.assertEqual(self.shown, "* hello\n[bob] olá ✓\nesc \\x1b[2J\n")

    def test_what_was_typed_goes_to_the_node(self) -> None:
        node, theirs = scripted(READY)
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        self.addCleanup(node.close)
        os.write(writer, "/msg bob olá ✓\n/peers".encode())
        os.close(writer)
        asked: list[dict[str, Any]] = []

        def be_the_node() -> None:
            with theirs, theirs.makefile("rb") as requests:
                for line in requests:
                    asked.append(json.loads(line))
                    if asked[-1].get("end"):
                        theirs.sendall(json.dumps(LEFT).encode() + b"\n")
                        return

        thread = threading.Thread(target=be_the_node)
        thread.start()
        self.addCleanup(thread.join)
        self.assertEqual(attach(node, reader, self.output.fileno()), 0)
        console, *typed = asked
        self.assertEqual(
            (console["do"], console["terminal"], console["script"]), ("console", False, True)
        )
        self.assertEqual(
            [request.get("text") for request in typed], ["/msg bob olá ✓", "/peers", None]
        )
        self.assertIs(typed[-1]["end"], True)

    def test_a_file_is_an_input_too(self) -> None:
        with tempfile.TemporaryFile() as script:
            script.write(b"/peers\n" * 3)
            script.seek(0)
            self.assertEqual(self.attach_to(script.fileno(), READY, LEFT), 0)

    def test_the_node_stops(self) -> None:
        self.assertEqual(self.attach(b"", READY, {"event": "stopping"}), 0)
        self.assertEqual(self.shown, "* the node stops\n")

    def test_the_node_dies(self) -> None:
        node, theirs = scripted(READY)
        self.addCleanup(node.close)
        theirs.close()
        with self.assertRaises(ControlError):
            attach(node, 0, self.output.fileno())

    def test_a_request_that_is_refused(self) -> None:
        bad = {"ok": False, "code": "refused", "error": "no console"}
        self.assertRaisesRegex(Refused, "no console", self.attach, b"", READY, bad)
        first = {"id": 1, "ok": False, "code": "refused", "error": "not today"}
        self.assertRaisesRegex(Refused, "not today", self.attach, b"", first)

    def test_a_line_that_is_too_long(self) -> None:
        self.assertEqual(self.attach(b"x" * 65_000, READY, LEFT), 0)
        with tempfile.TemporaryFile() as script:
            script.write(b"x" * 100_000 + b"\n/peers\n")
            script.seek(0)
            node, theirs = scripted()
            self.addCleanup(node.close)
            self.addCleanup(theirs.close)
            with selectors.DefaultSelector() as selector:
                one = _Attached(node, script.fileno(), self.output.fileno(), selector)
                one._take(script.read())
        self.assertTrue(one._failed)
        self.assertIn(b"/peers", one._to_node)
        self.assertIn("too long", self.shown)

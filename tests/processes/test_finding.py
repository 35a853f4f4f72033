"""The client's side of the control socket: finding a node, asking it, hearing of it."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.control import paths as control_paths
from p2pchat.control.client import finding as control_client
from p2pchat.control.client.finding import Choice, Node, Refused, find
from p2pchat.control.events import encode_json
from p2pchat.control.paths import ControlError
from tests.support.control_sockets import asked_of, scripted, short_folder


class AskingTests(SynchronousTestCase):
    def node(self, *lines: dict[str, Any], **options: Any) -> tuple[Node, socket.socket]:
        node, theirs = scripted(*lines, **options)
        self.addCleanup(node.close)
        self.addCleanup(theirs.close)
        return node, theirs

    def test_an_answer_and_the_events_before_it(self) -> None:
        node, theirs = self.node(
            {"event": "notice", "text": "first"},
            {"id": 1, "ok": True, "peers": 3},
            {"event": "notice", "text": "second"},
        )
        self.assertEqual(node.peer_id, "alice@CIC")
        self.assertEqual(node.ask("send", to="*", text="olá ✓")["peers"], 3)
        self.assertEqual(asked_of(theirs), [{"id": 1, "do": "send", "to": "*", "text": "olá ✓"}])
        events = node.events()
        self.assertEqual([next(events)["text"], next(events)["text"]], ["first", "second"])
        theirs.close()
        with self.assertRaisesRegex(ControlError, "has closed the connection"):
            next(events)

    def test_a_refusal(self) -> None:
        node, _ = self.node({"id": 1, "ok": False, "code": "not_sent", "error": "no \x1b such"})
        with self.assertRaisesRegex(Refused, r"no \\x1b such") as caught:
            node.ask("send")
        self.assertEqual(caught.exception.answer["code"], "not_sent")

    def test_one_that_is_gone(self) -> None:
        node, theirs = self.node()
        theirs.close()
        with self.assertRaisesRegex(ControlError, "broke"):
            for _ in range(2):
                node.tell("run", line="x" * 100_000)

    def test_what_comes_is_read_without_waiting(self) -> None:
        node, _ = self.node({"event": "a"}, {"id": 1, "ok": True}, {"event": "b"}, {"event": "c"})
        node.ask("subscribe")
        self.assertTrue(node.waiting)
        self.assertEqual([said["event"] for said in node.read_some()], ["a", "b", "c"])
        self.assertFalse(node.waiting)

    def test_a_node_that_has_no_place_for_us(self) -> None:
        hello = {"ok": False, "code": "busy", "error": "too many"}
        self.assertRaisesRegex(Refused, "too many", scripted, hello=hello)

    def test_something_that_is_no_node(self) -> None:
        for said in (b'{"event":"hi"}\n', b"220 mail ready\n", b"[1]\n", b"\xff\n"):
            ours, theirs = socket.socketpair()
            self.addCleanup(ours.close)
            self.addCleanup(theirs.close)
            theirs.sendall(said)
            self.assertRaisesRegex(ControlError, "no p2pchat|no JSON", Node, ours)

    def test_one_that_says_nothing(self) -> None:
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        self.assertRaisesRegex(ControlError, "does not answer", Node, ours, 0.01)

    def test_it_hangs_up_after_use(self) -> None:
        node, _ = self.node()
        with node:
            self.assertGreaterEqual(node.fileno(), 0)
        self.assertEqual(node.fileno(), -1)


class FindingTests(SynchronousTestCase):
    """Sockets that listen, and whose queue holds the client; each has said hello already."""

    def setUp(self) -> None:
        self.folder = short_folder(self)
        self.patch(control_client, "_HELLO_TIMEOUT", 0.2)
        self.hellos: dict[str, bytes] = {}
        connect = control_paths.connect

        def greeted(path: str, *, named: bool = False) -> socket.socket:
            if path not in self.hellos:
                return connect(path, named=named)
            ours, theirs = socket.socketpair()
            self.addCleanup(theirs.close)
            self.addCleanup(ours.close)
            theirs.sendall(self.hellos[path])
            return ours

        self.patch(control_client, "connect", greeted)

    def living(self, peer_id: str, pid: int = 7) -> str:
        path = os.path.join(self.folder, f"{peer_id}.sock")
        Path(path).write_text("")
        hello = {"event": "hello", "protocol": 1, "peer_id": peer_id, "pid": pid}
        self.hellos[path] = encode_json(hello)
        return path

    def found(self, **choice: str) -> str:
        with find(Choice(**choice), [self.folder, "/nowhere"]) as node:
            return node.peer_id

    def refused(self, why: str, **choice: str) -> None:
        self.assertRaisesRegex(ControlError, why, find, Choice(**choice), [self.folder])

    def test_the_only_one(self) -> None:
        self.living("alice@CIC")
        self.assertEqual(self.found(), "alice@CIC")

    def test_none(self) -> None:
        self.refused("no node of yours is running: p2pchat starts one")
        Path(self.folder, "dead.sock").write_text("")
        self.refused("no node of yours is running")

    def test_the_usual_folders(self) -> None:
        self.patch(os, "environ", {"XDG_RUNTIME_DIR": self.folder})
        self.patch(control_client, "SYSTEM_FOLDER", self.folder)
        self.living("relay@CIC")
        with find(Choice()) as node:
            self.assertEqual(node.peer_id, "relay@CIC")

    def test_several(self) -> None:
        self.living("alice@CIC", 7)
        self.living("alice@XYZ", 8)
        self.living("bob@CIC", 9)
        self.refused(r"3 nodes are running: .alice@CIC. \(pid 7\), .alice@XYZ. \(pid 8\), .bob@CIC")
        self.refused("2 nodes are running", name="alice")
        self.refused(
            "no node of that name or namespace is running. Running: .alice@CIC", name="zoe"
        )
        self.assertEqual(self.found(name="bob"), "bob@CIC")
        self.assertEqual(self.found(namespace="XYZ"), "alice@XYZ")
        self.assertEqual(self.found(name="alice", namespace="CIC"), "alice@CIC")

    def test_by_its_socket(self) -> None:
        path = self.living("bob@CIC")
        self.living("alice@CIC")
        self.assertEqual(self.found(control=path), "bob@CIC")
        self.refused("is the node running", control=os.path.join(self.folder, "no"))

    def test_one_that_hangs_is_named_but_does_not_hide_the_others(self) -> None:
        hangs = self.living("hangs@CIC")
        self.hellos[hangs] = b""
        self.refused("a node does not answer: .*hangs@CIC.sock")
        self.living("alice@CIC")
        self.assertEqual(self.found(), "alice@CIC")

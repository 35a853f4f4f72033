"""`p2pchat status --check`: one line, and the exit status that goes with it."""

from __future__ import annotations

from typing import Any

from p2pchat.control.client import health
from p2pchat.control.client.commands import run
from p2pchat.control.client.finding import Choice
from p2pchat.control.paths import ControlError
from p2pchat.speech import use
from tests.control.client.test_commands import CommandCase
from tests.support.control_sockets import asked_of, scripted

STATUS = {"registered": True, "trouble": "", "links": 3, "uptime_seconds": 1000}
STATS: dict[str, dict[str, Any]] = {
    "links": {"open": 3, "connections": 3, "connections_limit": 100},
    "program": {"descriptors": 20, "descriptors_limit": None, "resident_memory_bytes": 5},
    "history": {"failing": 0, "waiting": 2, "waiting_limit": 10, "not_kept": 1},
    "log": {"failures": 4},
}


class CheckTests(CommandCase):
    def check(
        self, status: dict[str, Any] | None = None, *words: str, **stats: dict[str, Any]
    ) -> tuple[int, str]:
        node, theirs = scripted(
            {"id": 1, "ok": True, **STATUS, **(status or {})},
            {"id": 2, "ok": True, "stats": {**STATS, **stats}},
        )
        self.addCleanup(node.close)
        self.addCleanup(theirs.close)
        self.patch(health, "find", lambda choice, timeout: node)
        before = len(self.shown)
        code = run(["status", "--check", *words])
        (line,) = self.shown[before:].splitlines()
        self.assertEqual([asked["do"] for asked in asked_of(theirs)], ["status", "stats"])
        return code, line

    def test_all_is_well(self) -> None:
        code, line = self.check()
        self.assertEqual(code, 0)
        self.assertRegex(line, r"^P2PCHAT OK - \S+: registered, 3 links \| links=3 waiting=2 ")
        self.assertTrue(line.endswith(" not_kept=1c failures=4c memory=5B"), line)

    def test_in_the_person_s_language(self) -> None:
        """What a monitor reads is the same."""
        self.addCleanup(use, "en")
        for links, sentence in ((1, "registrado, 1 link"), (3, "registrado, 3 links")):
            code, line = self.check({"links": links}, "--language", "pt_BR")
            self.assertEqual(code, 0)
            self.assertRegex(line, rf"^P2PCHAT OK - \S+: {sentence} \| links=3 waiting=2 ")
        full = {"connections": 95, "connections_limit": 100}
        _code, line = self.check({"registered": False}, "--language", "pt_BR", links=full)
        self.assertTrue(line.startswith("P2PCHAT CRITICAL - "), line)
        self.assertIn(": não registrado no rendezvous; 95 de 100 links", line)

    def test_warnings(self) -> None:
        for status, stats, why in (
            ({"trouble": "the rendezvous does not answer"}, {}, "does not answer"),
            ({"registered": False, "uptime_seconds": 5}, {}, "not registered"),
            ({}, {"links": {"connections": 95, "connections_limit": 100}}, "95 of 100 links"),
            ({}, {"history": {"waiting": 9, "waiting_limit": 10}}, "9 of 10 messages that wait"),
        ):
            code, line = self.check(status, **stats)
            self.assertEqual(code, 1, line)
            self.assertTrue(line.startswith("P2PCHAT WARNING - "), line)
            self.assertIn(why, line)

    def test_what_is_worse(self) -> None:
        code, line = self.check(
            {"registered": False, "trouble": "no | route"},
            history={"failing": 1},
            links={"connections": 95, "connections_limit": 100},
        )
        self.assertEqual(code, 2)
        self.assertIn(": messages cannot be kept; no / route; 95 of 100 links", line)
        self.assertNotIn("|", line.rpartition(" | ")[0])

    def test_no_node_and_none_that_answers(self) -> None:
        def nobody(choice: Choice, timeout: float) -> Any:
            self.assertLess(timeout, 10, "monitors do not wait for longer")
            raise ControlError("no node of yours\nis running")

        self.patch(health, "find", nobody)
        self.assertEqual(run(["status", "--check"]), 2)
        self.assertEqual(self.shown, "P2PCHAT CRITICAL - no node of yours\\nis running\n")

    def test_what_answers_is_odd(self) -> None:
        self.assertEqual(self.check({}, links={"open": "x"})[0], 0)
        node, theirs = scripted({"id": 1, "ok": True}, {"id": 2, "ok": True})
        self.addCleanup(node.close)
        self.addCleanup(theirs.close)
        self.patch(health, "find", lambda choice, timeout: node)
        self.assertEqual(run(["status", "--check"]), 2)

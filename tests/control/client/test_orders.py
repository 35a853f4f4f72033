"""`p2pchat outbox`, `search`, `block` and the others: what they ask and show."""

from __future__ import annotations

import json
from typing import Any

from tests.control.client.test_commands import CommandCase

LINE = {
    "id": 7,
    "conversation": "bob@CIC",
    "from": "bob@CIC",
    "time": "2026-01-31T12:00:00Z",
    "text": "a \x1b[2Jb",
    "msg_id": "m",
    "state": "received",
    "security": "verified",
}
ROW = {"msg_id": "m1", "to": "zoe@CIC", "text": "oi", "time": "2026-01-31T12:00:00Z"}


class OrderTests(CommandCase):
    def answered(self, command: str, **answer: Any) -> int:
        return self.do(command, {"id": 1, "ok": True, **answer})

    def test_what_waits(self) -> None:
        row = {**ROW, "stage": "waits"}
        self.assertEqual(
            self.do(
                "outbox zoe@CIC",
                {"id": 1, "ok": True, "messages": [row], "more": 1},
                {"id": 2, "ok": True, "messages": [{**row, "msg_id": "m2"}], "more": 0},
            ),
            0,
        )
        self.assertRegex(self.shown, r"m1  2026-.*  to \[zoe@CIC\]: oi  \(waits\)\nm2")
        self.assertEqual(self.asked[0]["peer_id"], "zoe@CIC")
        self.assertEqual(self.asked[1]["msg_ids"], ["m1"])

    def test_nothing_waits(self) -> None:
        self.assertEqual(self.answered("outbox", messages=[], more=0), 0)
        self.assertEqual(self.shown, "nothing waits\n")

    def test_cancelling(self) -> None:
        status = self.answered("outbox cancel m1 m9", cancelled=1, unknown=["m9"], for_good=True)
        self.assertEqual((status, self.asked[0]["msg_ids"]), (1, ["m1", "m9"]))
        self.assertEqual(self.shown, "cancelled 1 message\nno message m9 waits\n")

    def test_search(self) -> None:
        self.assertEqual(self.answered("search a b", lines=[LINE], more_before=False), 0)
        self.assertEqual(self.asked[0]["words"], "a b")
        self.assertIn("[bob@CIC", self.shown)
        self.assertNotIn("\x1b", self.shown)

    def test_search_as_json(self) -> None:
        self.answered("search --json --in bob@CIC a", lines=[LINE], more_before=False)
        self.assertEqual(json.loads(self.shown), [LINE])
        self.assertEqual(self.asked[0]["conversation"], "bob@CIC")

    def test_who_is_blocked(self) -> None:
        self.answered("block", entry="", configured=["*@SPAM"], added=["eve@X"])
        self.assertEqual(self.shown, "*@SPAM (limits.blocked)\neve@X (until the node ends)\n")

    def test_blocking_and_back(self) -> None:
        self.answered("block eve@X", entry="eve@X", configured=[], added=["eve@X"])
        self.assertEqual(self.shown, "[eve@X] is blocked until the node ends\n")
        self.answered("block --remove eve@X", entry="eve@X", configured=[], added=[])
        self.assertEqual(self.asked[-1]["do"], "unblock")

    def test_the_others(self) -> None:
        for command, answer, shown in (
            ("reconnect", {"dialing": 2}, "dialing 2 peers\n"),
            (
                "forget eve@X",
                {"peer_id": "eve@X", "messages": 3},
                "forgot 3 messages of and to [eve@X]\n",
            ),
            ("log debug", {"level": "DEBUG"}, "the log tells DEBUG and graver\n"),
        ):
            self.answered(command, **answer)
            self.assertEqual(self.asked[0]["do"], command.split()[0])
            self.assertTrue(self.shown.endswith(shown), self.shown)

"""/history, /search, /outbox and /forget, over a real history file."""

from __future__ import annotations

import os
import time
from typing import Any, cast

from twisted.internet.defer import Deferred

from p2pchat.console.commands.table import Commands
from p2pchat.console.replies import Reply
from p2pchat.history.store import GATHER
from tests.support.consoles import FakeNode
from tests.support.fake_link import FakeLink
from tests.support.histories import NOW, HistoryCase, pub, send


class CommandCase(HistoryCase):
    def setUp(self) -> None:
        super().setUp()
        zone = os.environ.get("TZ")
        os.environ["TZ"] = "UTC"
        time.tzset()
        self.addCleanup(self.restore_zone, zone)
        self.node = FakeNode(self.clock)
        self.node.history = self.start()
        self.commands = Commands(cast("Any", self.node), self.clock)

    def restore_zone(self, zone: str | None) -> None:
        if zone is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = zone
        time.tzset()

    def say(self, line: str, *, ok: bool = True) -> list[str]:
        reply: Any = self.commands.run(line)
        if isinstance(reply, Deferred):
            reply = self.successResultOf(reply)
        assert isinstance(reply, Reply)
        self.assertEqual(reply.ok, ok, reply.lines)
        return [*reply.lines]

    def keep_some(self) -> None:
        self.receive(send("1", "olá \x1b[31m"), pub("2", "a todos"), pub("3", "x", "*"))
        self.receive_late([NOW - 3600], pub("4", "antes"))
        self.history.queue("bob@CIC", "m1", "até já")
        self.history.queue("a]b@CIC", "m2", "estranho")
        self.clock.advance(GATHER)


class HistoryTests(CommandCase):
    def test_history(self) -> None:
        self.keep_some()
        self.assertEqual(
            self.say("/history"),
            [
                "2026-09-21 14:13 [bob@CIC] olá \\x1b[31m",
                "2026-09-21 14:13 [bob@CIC -> #CIC] a todos",
                "2026-09-21 14:13 [bob@CIC -> *] x",
                "2026-09-21 14:13 [bob@CIC -> #CIC, said 2026-09-21 13:13] antes",
                "2026-09-21 14:13 [alice@CIC -> bob@CIC] até já (waits)",
                "2026-09-21 14:13 [alice@CIC -> a\\x5db@CIC] estranho (waits)",
            ],
        )
        self.assertEqual(len(self.say("/history 2")), 2)
        self.assertEqual(len(self.say("/history bob@CIC")), 2)
        self.assertEqual(len(self.say("/history #CIC 1")), 1)
        self.assertEqual(len(self.say("/history * 9")), 1)
        self.assertEqual(self.say("/history eva@CIC"), ["nothing is kept of [eva@CIC]"])

    def test_a_bare_name(self) -> None:
        self.keep_some()
        self.node.meets("bob@CIC")
        self.assertEqual(len(self.say("/history bob")), 2)
        self.node.meets("bob@UnB")
        self.assertEqual(
            self.say("/history bob", ok=False), ["[bob] may be any of [bob@CIC], [bob@UnB]"]
        )

    def test_a_bare_name_of_somebody_who_is_away(self) -> None:
        self.keep_some()
        self.assertEqual(len(self.say("/history bob")), 2)
        self.assertEqual(len(self.say("/outbox bob")), 1)
        self.assertEqual(self.say("/outbox cancel bob"), ["cancelled 1 message"])
        self.assertEqual(self.say("/forget alice"), ["forgot 0 messages of and to [alice]"])
        self.assertEqual(self.say("/forget bob"), ["forgot 5 messages of and to [bob@CIC]"])
        self.assertEqual(self.say("/forget eva"), ["forgot 0 messages of and to [eva]"])
        self.history.queue("eva@CIC", "m3", "x")
        self.history.queue("eva@UnB", "m4", "x")
        self.clock.advance(GATHER)
        several = ["[eva] may be any of [eva@CIC], [eva@UnB]"]
        for line in ("/history eva", "/forget eva", "/outbox eva", "/outbox cancel eva"):
            self.assertEqual(self.say(line, ok=False), several)

    def test_an_empty_history(self) -> None:
        self.assertEqual(self.say("/history"), ["nothing is kept yet"])
        self.assertEqual(self.say("/search foo"), ['nothing is kept that has "foo"'])

    def test_wrong_use(self) -> None:
        for line in ("/history 0", "/history bob@CIC 1001", "/history 99999999999999999999"):
            self.assertIn("(a number from 1 to 1000)", self.say(line, ok=False)[0])
        self.assertEqual(self.say("/search", ok=False), ["usage: /search <words>"])
        self.assertEqual(self.say("/forget", ok=False), ["usage: /forget <peer>"])

    def test_what_is_shown_is_read(self) -> None:
        self.history.unread["bob@CIC"] = 2
        self.say("/history bob@CIC")
        self.assertEqual(self.history.unread, {})

    def test_search(self) -> None:
        self.keep_some()
        self.assertEqual(self.say("/search OLA"), ["2026-09-21 14:13 [bob@CIC] olá \\x1b[31m"])

    def test_forget(self) -> None:
        self.keep_some()
        self.assertEqual(self.say("/forget bob@CIC"), ["forgot 5 messages of and to [bob@CIC]"])
        self.assertEqual(len(self.say("/history")), 1)
        self.assertEqual(self.say("/forget eva@CIC"), ["forgot 0 messages of and to [eva@CIC]"])

    def test_a_file_that_cannot_be_read(self) -> None:
        with open(self.path, "wb") as file:
            file.write(b"rubbish" * 1000)
        self.assertIn("the history cannot be read", self.say("/history", ok=False)[0])
        os.unlink(self.path)
        os.mkdir(self.path)
        self.assertIn("could not be deleted", self.say("/forget bob@CIC", ok=False)[0])

    def test_nothing_is_kept(self) -> None:
        self.node.history = None
        for line in ("/history", "/search x", "/outbox", "/forget bob@CIC"):
            self.assertEqual(self.say(line, ok=False), ["this node keeps nothing (--history none)"])


class OutboxTests(CommandCase):
    def test_what_waits_from_an_earlier_run_is_known_when_it_is_asked_for_at_once(self) -> None:
        self.keep_some()
        self.node.history = self.restart(at_once=False)
        asked = self.commands.run("/outbox bob@CIC")
        assert isinstance(asked, Deferred)
        self.clock.advance(1)
        self.assertNoResult(asked)
        self.thread.step()
        self.clock.advance(1)
        self.assertIn("to [bob@CIC]: até já", self.successResultOf(asked).lines[0])

    def test_a_past_that_takes_for_ever_is_not_waited_for(self) -> None:
        self.node.history = self.start(at_once=False)
        asked = self.commands.run("/outbox")
        assert isinstance(asked, Deferred)
        for _ in range(100):
            self.clock.advance(1)
        self.assertEqual(self.successResultOf(asked).lines, ["nothing waits"])

    def test_the_list(self) -> None:
        self.assertEqual(self.say("/outbox"), ["nothing waits"])
        self.keep_some()
        self.history.outbox.sent(self.history.outbox.of_peer("bob@CIC")[0], FakeLink())
        self.assertEqual(
            self.say("/outbox"),
            [
                "1  2026-09-21 14:13  to [bob@CIC]: até já  (on its way)",
                "2  2026-09-21 14:13  to [a\\x5db@CIC]: estranho  (waits for a link)",
            ],
        )
        self.assertEqual(len(self.say("/outbox bob@CIC")), 1)
        self.assertEqual(self.say("/outbox eva@CIC"), ["nothing waits"])

    def test_a_long_list(self) -> None:
        for number in range(1000):
            self.history.queue("bob@CIC", f"m{number}", "x")
        for number in range(5):
            self.history.queue("eva@CIC", f"e{number}", "x")
        lines = self.say("/outbox")
        self.assertEqual((len(lines), lines[-1]), (1001, "… and 5 more"))

    def test_cancelling(self) -> None:
        for number in range(6):
            to = ("bob@CIC", "eva@CIC")[number % 2]
            self.history.queue(to, f"m{number}", str(number))
        self.assertEqual(self.say("/outbox cancel 2"), ["cancelled 1 message"])
        self.assertEqual(
            [queued.msg_id for queued in self.history.outbox], ["m0", "m2", "m3", "m4", "m5"]
        )
        self.assertEqual(self.say("/outbox cancel bob@CIC"), ["cancelled 3 messages"])
        self.assertEqual(
            self.say("/outbox cancel 99"), ["no message 99 waits (/outbox lists them)"]
        )
        self.assertEqual(self.say("/outbox cancel all"), ["cancelled 2 messages"])
        self.assertIn("cancel what", self.say("/outbox cancel", ok=False)[0])

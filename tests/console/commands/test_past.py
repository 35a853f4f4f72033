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
        self.begin()
        self.commands = Commands(cast("Any", self.node), self.clock)

    def begin(self, *, at_once: bool = True) -> None:
        """The node has a history, read at once or when its thread is stepped."""
        self.node.history = self.start(at_once=at_once)
        self.node.outgoing = self.outgoing

    def restore_zone(self, zone: str | None) -> None:
        if zone is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = zone
        time.tzset()

    def asked(self, line: str, *, ok: bool = True) -> list[str]:
        reply: Any = self.commands.run(line)
        if isinstance(reply, Deferred):
            reply = self.successResultOf(reply)
        assert isinstance(reply, Reply)
        self.assertEqual(reply.ok, ok, reply.lines)
        return [*reply.lines]

    def keep_some(self) -> None:
        self.receive(send("1", "olá \x1b[31m"), pub("2", "a todos"), pub("3", "x", "*"))
        self.receive_late([NOW - 3600], pub("4", "antes"))
        self.say("bob@CIC", "até já")
        self.say("a]b@CIC", "estranho")
        self.clock.advance(GATHER)


class HistoryTests(CommandCase):
    def test_history(self) -> None:
        self.keep_some()
        self.assertEqual(
            self.asked("/history"),
            [
                "2026-09-21 14:13 [bob@CIC] olá \\x1b[31m",
                "2026-09-21 14:13 [bob@CIC -> #CIC] a todos",
                "2026-09-21 14:13 [bob@CIC -> *] x",
                "2026-09-21 14:13 [bob@CIC -> #CIC, said 2026-09-21 13:13] antes",
                "2026-09-21 14:13 [alice@CIC -> bob@CIC] até já (waits)",
                "2026-09-21 14:13 [alice@CIC -> a\\x5db@CIC] estranho (waits)",
            ],
        )
        self.assertEqual(len(self.asked("/history 2")), 2)
        self.assertEqual(len(self.asked("/history bob@CIC")), 2)
        self.assertEqual(len(self.asked("/history #CIC 1")), 1)
        self.assertEqual(len(self.asked("/history * 9")), 1)
        self.assertEqual(self.asked("/history eva@CIC"), ["nothing is kept of [eva@CIC]"])

    def test_a_bare_name(self) -> None:
        self.keep_some()
        self.node.meets("bob@CIC")
        self.assertEqual(len(self.asked("/history bob")), 2)
        self.node.meets("bob@UnB")
        self.assertEqual(
            self.asked("/history bob", ok=False), ["[bob] may be any of [bob@CIC], [bob@UnB]"]
        )

    def test_a_bare_name_of_somebody_who_is_away(self) -> None:
        self.keep_some()
        self.assertEqual(len(self.asked("/history bob")), 2)
        self.assertEqual(len(self.asked("/outbox bob")), 1)
        self.assertEqual(self.asked("/outbox cancel bob"), ["cancelled 1 message"])
        self.assertEqual(self.asked("/forget alice"), ["forgot 0 messages of and to [alice]"])
        self.assertEqual(self.asked("/forget bob"), ["forgot 5 messages of and to [bob@CIC]"])
        self.assertEqual(self.asked("/forget eva"), ["forgot 0 messages of and to [eva]"])
        self.say("eva@CIC", "x")
        self.say("eva@UnB", "x")
        self.clock.advance(GATHER)
        several = ["[eva] may be any of [eva@CIC], [eva@UnB]"]
        for line in ("/history eva", "/forget eva", "/outbox eva", "/outbox cancel eva"):
            self.assertEqual(self.asked(line, ok=False), several)

    def test_an_empty_history(self) -> None:
        self.assertEqual(self.asked("/history"), ["nothing is kept yet"])
        self.assertEqual(self.asked("/search foo"), ['nothing is kept that has "foo"'])

    def test_wrong_use(self) -> None:
        for line in ("/history 0", "/history bob@CIC 1001", "/history 99999999999999999999"):
            self.assertIn("(a number from 1 to 1000)", self.asked(line, ok=False)[0])
        self.assertEqual(self.asked("/search", ok=False), ["usage: /search <words>"])
        self.assertEqual(self.asked("/forget", ok=False), ["usage: /forget <peer>"])

    def test_what_is_shown_is_read(self) -> None:
        self.history.unread["bob@CIC"] = 2
        self.asked("/history bob@CIC")
        self.assertEqual(self.history.unread, {})

    def test_search(self) -> None:
        self.keep_some()
        self.assertEqual(self.asked("/search OLA"), ["2026-09-21 14:13 [bob@CIC] olá \\x1b[31m"])

    def test_forget(self) -> None:
        self.keep_some()
        self.assertEqual(self.asked("/forget bob@CIC"), ["forgot 5 messages of and to [bob@CIC]"])
        self.assertEqual(len(self.asked("/history")), 1)
        self.assertEqual(self.asked("/forget eva@CIC"), ["forgot 0 messages of and to [eva@CIC]"])

    def test_a_file_that_cannot_be_read(self) -> None:
        with open(self.path, "wb") as file:
            file.write(b"\0rubbish" * 1000)
        self.assertIn("the history cannot be read", self.asked("/history", ok=False)[0])
        os.unlink(self.path)
        os.mkdir(self.path)
        self.assertIn("could not be deleted", self.asked("/forget bob@CIC", ok=False)[0])

    def test_nothing_is_kept(self) -> None:
        self.node.history = None
        for line in ("/history", "/search x", "/outbox", "/forget bob@CIC"):
            self.assertEqual(
                self.asked(line, ok=False), ["this node keeps nothing (--history none)"]
            )


class OutboxTests(CommandCase):
    def test_what_waits_from_an_earlier_run_is_known_when_it_is_asked_for_at_once(self) -> None:
        self.keep_some()
        self.begin(at_once=False)
        asked = self.commands.run("/outbox bob@CIC")
        assert isinstance(asked, Deferred)
        self.clock.advance(1)
        self.assertNoResult(asked)
        self.thread.step()
        self.clock.advance(1)
        self.assertIn("to [bob@CIC]: até já", self.successResultOf(asked).lines[0])

    def test_a_past_that_takes_for_ever_is_not_waited_for(self) -> None:
        self.begin(at_once=False)
        asked = self.commands.run("/outbox")
        assert isinstance(asked, Deferred)
        for _ in range(100):
            self.clock.advance(1)
        reply = self.successResultOf(asked)
        told = "the history is not read yet, and nothing was done: try again in a moment"
        self.assertEqual((reply.lines, reply.ok), ([told], False))

    def test_the_list(self) -> None:
        self.assertEqual(self.asked("/outbox"), ["nothing waits"])
        self.keep_some()
        self.outbox.sent(self.outbox.of_peer("bob@CIC")[0], FakeLink(), 0.0)
        self.assertEqual(
            self.asked("/outbox"),
            [
                "1  2026-09-21 14:13  to [bob@CIC]: até já  (on its way)",
                "2  2026-09-21 14:13  to [a\\x5db@CIC]: estranho  (waits for a link)",
            ],
        )
        self.assertEqual(len(self.asked("/outbox bob@CIC")), 1)
        self.assertEqual(self.asked("/outbox eva@CIC"), ["nothing waits"])

    def test_a_long_list(self) -> None:
        for _ in range(1000):
            self.say("bob@CIC", "x")
        for _ in range(5):
            self.say("eva@CIC", "x")
        lines = self.asked("/outbox")
        self.assertEqual((len(lines), lines[-1]), (1001, "… and 5 more"))

    def test_cancelling(self) -> None:
        for number in range(6):
            to = ("bob@CIC", "eva@CIC")[number % 2]
            self.say(to, str(number))
        self.assertEqual(self.asked("/outbox cancel 2"), ["cancelled 1 message"])
        self.assertEqual(
            [message.msg_id for message in self.outbox], ["m1", "m3", "m4", "m5", "m6"]
        )
        self.assertEqual(self.asked("/outbox cancel bob@CIC"), ["cancelled 3 messages"])
        self.assertEqual(
            self.asked("/outbox cancel 99"), ["no message 99 waits (/outbox lists them)"]
        )
        self.assertEqual(self.asked("/outbox cancel all"), ["cancelled 2 messages"])
        self.assertIn("cancel what", self.asked("/outbox cancel", ok=False)[0])

"""The full console about people: whom one calls how, who is away, what was changed, what rings."""

from __future__ import annotations

from random import Random
from typing import Any

from prompt_toolkit.output import DummyOutput
from twisted.trial.unittest import SynchronousTestCase

from p2pchat.console.full.alerts import Alerts, notification_of
from p2pchat.console.full.edits import Change, with_changes
from p2pchat.console.full.entries import EntryKind, PaneEntry
from p2pchat.history.records import RECEIVED, Record
from p2pchat.node.node import ChatNode
from p2pchat.node.own_lists import OwnLists
from p2pchat.testing.disk import FakeDisk
from p2pchat.wire.changes import kept_id
from tests.support.terminals import MISSING, ConsoleCase


class PeopleTests(ConsoleCase):
    skip = MISSING or None

    def test_what_is_sent_elsewhere_is_seen_where_it_was_typed(self) -> None:
        self.type("/to carol\r/msg bob oi\r")
        self.assertEqual(self.messages, ["-> [bob@CIC]: oi ✓"])
        self.town.leave(self.other("bob"))
        self.type("/msg bob there?\r/pub #UnB x\r")
        _, direct, published = self.messages[-3:]
        self.assertIn("-> [bob@CIC]: there? ✗ not sent: no link to [bob@CIC]", direct)
        self.assertEqual(published, "-> [#UnB]: x ✗ nobody is connected")
        self.type("/to\r")
        self.assertEqual(len([row for row in self.messages if "oi" in row]), 1, "once with all")

    def test_names_in_other_capitals(self) -> None:
        self.type("/msg BOB oi\r/msg bobb oi\r")
        shown = "\n".join(self.messages)
        self.assertIn("[-> bob@CIC] oi ✓", shown)
        self.assertIn("[BOB] is [bob@CIC]", shown)
        self.assertIn("did you mean [bob@CIC]?", " ".join(" ".join(self.screen.rows).split()))

    def test_a_change_of_theirs(self) -> None:
        bob = self.other("bob")
        first = bob.send("alice@CIC", "helo")
        self.run_for(0.5)
        self.type("/to bob\r")
        bob.send("alice@CIC", "hello", of=first)
        self.run_for(0.5)
        self.assertEqual(self.messages, ["[bob@CIC] hello (edited)"])
        self.other("carol").send("alice@CIC", "x", of=first)
        bob.send("alice@CIC", "lost", of="never-seen")
        self.run_for(0.5)
        self.assertEqual(self.messages, ["[bob@CIC] hello (edited)", "[bob@CIC] * lost"])
        self.type("/to\r")
        self.assertIn("[bob@CIC] hello (edited)", self.messages)
        self.assertIn("[carol@CIC] * x", self.messages)

    def test_a_change_of_ours(self) -> None:
        self.type("/edit x\r")
        self.assertIn("there is nothing to change", "".join(self.messages[-2:]))
        self.type("/to bob\rhelo\r/edit hello\r/edit hullo\r")
        self.assertEqual(self.messages, ["[alice@CIC] hullo (edited) ✓"])
        seen = self.town.seen(self.other("bob"))
        self.assertEqual(seen.texts, ["helo"])
        self.assertEqual([text for _, _, text in seen.changes], ["hello", "hullo"])
        self.type("/to #CIC\rall\r")
        self.type("/edit you all\r")
        self.assertIn("[alice@CIC] you all (edited) (2 peers)", self.messages)

    def test_the_last_message_brought_back_and_changed(self) -> None:
        self.type("/to bob\r")
        self.type("helo\r", 1)
        self.type("\x1b[A", 1)
        self.assertEqual(self.prompt, "bob@CIC> helo")
        self.type("!\r", 1)
        self.assertEqual(self.messages, ["[alice@CIC] helo! (edited) ✓"])
        self.type("\x1b[A", 1)
        self.type("\r", 1)
        self.assertEqual(self.messages[1:], ["[alice@CIC] helo! ✓"], "unchanged: said once more")
        self.type("other\r", 1)
        for _ in range(2):
            self.type("\x1b[A", 1)
        self.type("?\r", 1)
        self.assertEqual(self.messages[-1], "[alice@CIC] helo!? ✓", "not the last one")

    def test_a_flood_of_changes_is_shown_at_a_readable_pace(self) -> None:
        bob = self.other("bob")
        first = bob.send("alice@CIC", "0")
        self.run_for(1)
        for number in range(2000):
            bob.send("alice@CIC", str(number), of=first)
        self.run_for(3)
        shown = "\n".join(self.messages)
        self.assertIn("[bob@CIC] 1999 (edited)", shown)
        self.assertRegex(shown, r"… 1,\d\d\d more messages from \[bob@CIC\]")

    def test_an_alias(self) -> None:
        self.type("/alias mum bob\r/to mum\r")
        self.assertEqual(self.prompt, "mum>")
        self.hear("bob", "oi")
        self.assertEqual(self.messages, ["[mum] oi"])
        self.assertIn("[mum]", self.bar)
        self.type("/to carol\r/msg mum hi\r")
        self.assertIn("-> [mum]: hi ✓", self.messages)
        self.hear("bob", "again")
        self.assertIn("unread: [mum] 1!", self.bar)
        self.type("/msg mu\t")
        self.assertEqual(self.prompt, "carol@CIC> /msg mum")

    def test_an_alias_in_tables_and_notices(self) -> None:
        self.type("/alias mum bob\r/conn\r")
        row = next(row for row in self.screen.rows if row.startswith("bob@CIC"))
        self.assertIn("bound, alias mum ", row)
        self.alice.observers.notice("[bob@CIC] has another key, and [carol@CIC] has none")
        self.alice.observers.remark("[bob@CIC] looks on")
        self.run_for(0.2)
        shown = "* [mum] (bob@CIC) has another key, and [carol@CIC] has none"
        self.assertEqual(self.messages[-2:], [shown, "* [mum] (bob@CIC) looks on"])

    def test_who_is_away(self) -> None:
        self.hear("bob", "oi")
        self.type("/to bob\r")
        self.other("bob").absences.say("lunch")
        self.run_for(0.5)
        self.assertIn("* [bob@CIC] is away: lunch", self.messages)
        self.assertIn("away: lunch", self.bar)
        for number in range(300):
            self.other("bob").absences.say(f"change {number}")
        self.run_for(20)
        told = [row for row in self.messages if "is away" in row]
        self.assertEqual(told[1:], ["* [bob@CIC] is away: change 299"])
        self.other("bob").absences.say("")
        self.run_for(20)
        self.assertIn("* [bob@CIC] is back", self.messages)
        self.type("/away \x02\r")
        self.assertNotIn("away", self.bar)

    def test_what_is_mute_rings_no_bell(self) -> None:
        self.type("/mute bob\r/mute #CIC 1h\r")
        self.hear("bob", "directly")
        self.hear("carol", "alice?", "#CIC")
        self.assertEqual(self.screen.bells, 0)
        self.type("/unmute bob\r")
        self.hear("bob", "directly")
        self.assertEqual(self.screen.bells, 1)
        self.run_for(3)
        self.type("/bell off\r")
        self.hear("bob", "directly")
        self.assertEqual(self.screen.bells, 1)
        self.type("/notify on\r")
        self.run_for(3)
        self.hear("bob", "directly")
        self.assertEqual(self.screen.bells, 2, "the bell, where there are no notifications")

    def test_whom_one_ignores_is_not_even_seen_to_come_and_go(self) -> None:
        self.hear("bob", "oi")
        self.type("/ignore bob\r")
        before = len(self.messages)
        self.hear("bob", "still here")
        self.town.leave(self.other("bob"))
        self.run_for(1)
        self.assertEqual(len(self.messages), before)

    def test_the_title_counts_what_is_unread(self) -> None:
        self.type("/to bob\r")
        self.hear("carol", "um")
        self.hear("carol", "dois")
        self.assertEqual(self.screen._screen.title, "(2) p2pchat")
        self.type("/to carol\r")
        self.assertEqual(self.screen._screen.title, "p2pchat")

    def test_words_of_other_chats(self) -> None:
        self.type("/query bob\r")
        self.assertEqual(self.prompt, "bob@CIC>")
        self.type("/me waves\r")
        self.assertIn("[alice@CIC] * alice waves ✓", self.messages)
        self.type("/clear\r")
        self.assertEqual(self.messages, [])
        self.type("/q\r")
        self.assertEqual(self.left, [0])


class AskedOnceTests(ConsoleCase):
    skip = MISSING or None

    def make_alice(self) -> ChatNode:
        self.disk = FakeDisk(Random(1))
        return self.town.node("alice@CIC", disk=self.disk, wall=lambda: self.now)

    def waiting(self) -> int:
        return len(self.alice.outgoing.outbox)

    def test_a_peer_never_heard_of(self) -> None:
        self.type("/msg bop@CIC oi\r", 1)
        shown = "\n".join(self.messages)
        self.assertIn("nobody ever heard of [bop@CIC] here: did you mean [bob@CIC]?", shown)
        self.assertIn("the same once more keeps it for up to 7 d", shown)
        self.assertEqual(self.waiting(), 0)
        self.type("/msg bop@CIC oi\r/msg bop@CIC and more\r", 1)
        self.assertEqual(self.waiting(), 2)

    def test_forgetting_says_how_many(self) -> None:
        self.hear("bob", "um")
        self.type("/msg bob dois\r", 1)
        self.type("/forget bob\r", 1)
        self.assertIn("this deletes 2 messages of and to [bob@CIC]", "\n".join(self.messages))
        self.assertIn("[bob@CIC] um", self.messages)
        self.type("/forget bob\r", 3)
        self.assertIn("forgot 2 messages of and to [bob@CIC]", self.messages)
        self.assertNotIn("[bob@CIC] um", self.messages)

    def test_changes_are_there_in_the_next_session_and_lists_too(self) -> None:
        bob = self.other("bob")
        first = bob.send("alice@CIC", "helo")
        bob.send("alice@CIC", "hello", of=first)
        self.run_for(1)
        self.type("/to bob\rolá\r/alias mum bob\r/ignore carol\r", 2)
        self.stop()
        self.town.leave(self.alice)
        self.alice = self.town.node("alice@CIC", disk=self.disk, wall=lambda: self.now)
        self.town.run(60)
        self.open_console()
        self.run_for(1)
        self.type("/to mum\r", 1)
        self.assertEqual(self.messages, ["[mum] hello (edited)", "[alice@CIC] olá ✓"])
        self.assertEqual([*self.alice.lists.ignored], ["carol@CIC"])
        self.type("/edit Olá!\r", 1)
        self.assertEqual(self.messages[-1], "[alice@CIC] Olá! (edited) ✓")
        self.assertEqual([text for _, _, text in self.town.seen(bob).changes], ["Olá!"])


class ChangeTests(SynchronousTestCase):
    def test_who_may_change_what(self) -> None:
        entry = PaneEntry(
            0.0, EntryKind.MESSAGE, "x", "bob@CIC", "bob@CIC", msg_id="m", security="verified"
        )
        good = ("bob@CIC", "bob@CIC", "m", "y", "verified")
        self.assertTrue(Change(*good).changes(entry))
        for at, other in ((0, "eva@CIC"), (1, "#CIC"), (2, "n"), (4, "encrypted"), (4, "plain")):
            wrong: list[Any] = [*good]
            wrong[at] = other
            self.assertFalse(Change(*wrong).changes(entry))

    def test_lines_of_the_history(self) -> None:
        def line(id_: int, msg_id: str, text: str, security: int = 1) -> Record:
            bob = "bob@CIC"
            return Record(id_, bob, bob, msg_id, 0.0, RECEIVED, text, security=security)

        lines = [
            line(1, "m", "x", 2),
            line(2, kept_id("e1", "m"), "less safe", 1),
            line(3, kept_id("e2", "m"), "y", 2),
            line(4, kept_id("e3", "none"), "z"),
        ]
        found, changed = with_changes(lines)
        self.assertEqual([each.text for each in found], ["y", "less safe", "z"])
        self.assertEqual(changed, {1: "x", 2: "less safe", 4: "z"})


class AlertTests(SynchronousTestCase):
    def test_which_terminals_have_notifications(self) -> None:
        self.assertIn("777", notification_of({"TERM": "foot-extra"}))
        self.assertIn("]9;", notification_of({"TERM_PROGRAM": "iTerm.app"}))
        self.assertEqual(notification_of({"TERM": "xterm", "TERM_PROGRAM": "tmux"}), "")

    def test_what_others_wrote_stays_inside(self) -> None:
        class Recording(DummyOutput):
            raw, bells = "", 0

            def write_raw(self, data: str) -> None:
                self.raw += data

            def bell(self) -> None:
                self.bells += 1

        lists, output = OwnLists(), Recording()
        alerts = Alerts(output, lists, {"TERM": "foot"}, bell=False)
        alerts.ring("bob@CIC", "a")
        self.assertEqual((output.raw, output.bells), ("", 0))
        lists.set_notify(True)
        alerts.ring("bob;x", "a\x1b\\\x07\x9cb;c" + "x" * 500)
        self.assertEqual(output.raw[:24], "\x1b]777;notify;bob,x;a\\x1b")
        self.assertEqual((output.raw.count("\x1b"), output.raw.count("\x07")), (2, 0))
        self.assertLess(len(output.raw), 200)
        alerts.end()
        self.assertNotIn("23;2t", output.raw)
        alerts.unread(2)
        alerts.end()
        self.assertTrue(output.raw.endswith("\x1b[22;2t\x1b[23;2t"))

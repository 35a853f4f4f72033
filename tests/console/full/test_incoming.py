"""The full console on a screen of text: what comes in, and what of it is seen."""

from __future__ import annotations

from p2pchat.wire.messages import Pub, Send, marked
from tests.support.terminals import EPOCH, MISSING, ConsoleCase

ALT_A = "\x1ba"


class IncomingTests(ConsoleCase):
    skip = MISSING or None

    def test_what_comes_in_leaves_the_typed_line_alone(self) -> None:
        bob, text = self.other("bob"), "olá, ação ✓"
        for count, letter in enumerate(text, 1):
            for number in range(20):
                bob.publish("*", f"message {number}")
                self.run_for(0.005)
            self.type(letter, 0)
            self.assertEqual(self.prompt, f"> {text[:count]}".rstrip())
            self.assertEqual(self.screen.cursor, (23, 2 + count))
        self.run_for(1)
        self.assertIn("[bob@CIC -> *] message 19", self.messages[-1])
        self.type("\x1b[D" * 3 + "\x7fõ")
        self.assertEqual(self.prompt, "> olá, açõo ✓")

    def test_unread_messages_are_counted_and_jumped_to(self) -> None:
        self.type("/to #CIC\r")
        self.hear("carol", "um", "*")
        self.hear("carol", "dois", "*")
        self.hear("bob", "três")
        self.assertIn("unread: [bob@CIC] 1!, [*] 2", self.bar)
        self.assertEqual(self.messages, [])
        self.type(ALT_A)
        self.assertEqual(self.prompt, "bob@CIC>")
        self.assertEqual(self.messages, ["[bob@CIC] três"])
        self.assertIn("unread: [*] 2", self.bar)
        self.type(ALT_A)
        self.assertEqual(self.prompt, "*>")
        self.assertEqual(self.messages, ["[carol@CIC] um", "[carol@CIC] dois"])
        self.assertNotIn("unread", self.bar)
        self.type(ALT_A)
        self.assertEqual(self.prompt, "#CIC>")
        self.type(ALT_A)
        self.assertIn("nothing is unread", self.messages[-1])

    def test_a_line_stands_above_what_is_new(self) -> None:
        self.hear("bob", "velho")
        self.type("/to carol@CIC\r")
        self.hear("bob", "novo")
        self.type(ALT_A)
        velho, rule, novo = self.screen.rows[-5:-2]
        self.assertTrue(velho.endswith("[bob@CIC] velho"))
        self.assertEqual(rule, "── new " + "─" * 73)
        self.assertTrue(novo.endswith("[bob@CIC] novo"))

    def test_where_everything_is_shown_nothing_is_unread(self) -> None:
        self.hear("bob", "um")
        self.assertIn("[bob@CIC] um", self.messages[-1])
        self.assertNotIn("unread", self.bar)
        self.type("/to carol@CIC\r")
        self.hear("bob", "dois")
        self.type("/to\r")
        self.assertNotIn("unread", self.bar)

    def test_the_bell_rings_for_what_is_meant_for_us(self) -> None:
        self.hear("bob", "todos", "*")
        self.assertEqual(self.screen.bells, 0)
        self.hear("bob", "Alice?", "*")
        self.assertEqual(self.screen.bells, 1)
        self.hear("bob", "directly")
        self.assertEqual(self.screen.bells, 1, "not more often than once in two seconds")
        self.run_for(3)
        self.hear("bob", "malice", "*")
        self.assertEqual(self.screen.bells, 1)
        self.hear("bob", "directly")
        self.assertEqual(self.screen.bells, 2)

    def test_what_names_us_stands_out(self) -> None:
        self.hear("bob", "todos", "*")
        self.hear("bob", "psst, alice!", "*")
        row = self.screen.rows.index("12:00 [bob@CIC -> *] psst, alice!")
        self.assertTrue(self.screen.cell(row, 25).bold)
        self.assertFalse(self.screen.cell(row - 1, 25).bold)

    def test_a_peer_has_one_colour(self) -> None:
        self.hear("bob", "um")
        self.hear("bob", "dois", "*")
        rows = [row for row, text in enumerate(self.screen.rows) if text[6:14] == "[bob@CIC"]
        colours = {self.screen.cell(row, 8).fg for row in rows}
        self.assertEqual(len(rows), 2)
        self.assertEqual(len(colours), 1)
        self.assertNotEqual(colours, {"default"})

    def test_text_from_others_cannot_forge_anything(self) -> None:
        evil = "a\x1b[2J\r\n12:00 * [carol@CIC] has left\u202e"
        self.hear("bob", evil)
        self.assertEqual(
            self.screen.rows[-4:-2],
            ["12:00 [bob@CIC] a\\x1b[2J", "        12:00 * [carol@CIC] has left\\u202e"],
        )
        peer = self.alice.peers.get("bob@CIC")
        assert peer is not None
        self.alice.observers.received(peer, [Send("1", "carol@CIC", "alice@CIC", "oi")])
        self.run_for(0.3)
        self.assertEqual(self.messages[-1], "[bob@CIC (!)] oi")

    def test_a_publication_to_our_own_id_is_a_message_of_that_peer(self) -> None:
        peer = self.alice.peers.get("bob@CIC")
        assert peer is not None
        self.alice.observers.received(peer, [Pub("1", "bob@CIC", "alice@CIC", "oi")])
        self.run_for(0.3)
        self.assertEqual(self.messages[-1], "[bob@CIC] oi")

    def test_what_comes_late_says_when_it_was_said(self) -> None:
        peer = self.alice.peers.get("bob@CIC")
        assert peer is not None
        messages: list[Send | Pub] = [Send("1", payload="um"), Send("2", payload="dois")]
        self.alice.observers.received_late(peer, messages, [EPOCH - 3600, EPOCH - 86_400])
        unkept = [Send("3", payload="três"), marked(Send("3", payload="quatro"))]
        self.alice.observers.received_unkept(peer, unkept)
        self.alice.observers.received(peer, [marked(Send("3", payload="cinco"))])
        self.run_for(0.3)
        self.assertEqual(
            self.messages[-5:],
            [
                "[bob@CIC] um (said 11:00)",
                "[bob@CIC] dois (said 2026-01-30 12:00)",
                "[bob@CIC] três (not kept)",
                "[bob@CIC] quatro (not kept) (reused id)",
                "[bob@CIC] cinco (reused id)",
            ],
        )

    def test_a_flood_is_shown_as_far_as_it_can_be_read(self) -> None:
        peer = self.alice.peers.get("bob@CIC")
        assert peer is not None
        for number in range(100):
            self.alice.observers.received(
                peer, [Pub(str(i), "", "*", f"n {number}") for i in range(1000)]
            )
            if number % 10 == 0:
                self.hear("carol", f"quiet {number}")
        self.type("/to carol@CIC\r", 3)
        self.assertEqual(
            [row for row in self.messages if "quiet" in row][-1], "[carol@CIC] quiet 90"
        )
        self.assertFalse([row for row in self.messages if "more messages" in row])
        self.type("/to\r", 3)
        self.assertIn("n 99", self.messages[-1])
        self.assertRegex(self.bar, r"\d\d,\d\d\d left out")

    def test_joins_of_peers_that_never_spoke_are_quiet(self) -> None:
        self.type("/log INFO\r")
        before = self.messages
        self.town.node("dave@CIC")
        self.town.run_until_meshed()
        self.run_for(2)
        self.assertEqual(self.messages, before)
        self.assertIn("3 of 3 peers connected", self.bar)
        self.hear("bob", "oi")
        self.town.leave(self.other("bob"))
        self.run_for(2)
        self.assertEqual(self.messages[-1], "* [bob@CIC] has left")
        self.assertIn("2 of 3 peers connected", self.bar)

    def test_warnings_are_shown_in_every_conversation(self) -> None:
        self.type("/to bob@CIC\r")
        self.console.show("WARNING [Log] disk full")
        self.alice.observers.notice("your name is in use")
        self.run_for(0.2)
        self.assertEqual(self.messages, ["WARNING [Log] disk full", "* your name is in use"])
        self.type("/to\r")
        self.assertEqual(self.messages[-1], "* your name is in use")

    def test_the_bar_tells_of_a_rendezvous_that_is_gone(self) -> None:
        self.alice.presence.trouble = "connection refused"
        self.run_for(1.5)
        self.assertIn("no rendezvous", self.bar)


class HiddenNameTests(ConsoleCase):
    skip = MISSING or None
    names = ("bob@CIC", "e\u200bva]@CIC")

    def test_a_peer_is_written_to_by_the_name_that_is_shown(self) -> None:
        eva = self.others["e\u200bva]@CIC"]
        self.type("/msg e\t")
        self.assertEqual(self.prompt, "> /msg e\\u200bva\\x5d@CIC")
        self.type("oi\r")
        self.assertEqual(self.town.seen(eva).texts, ["oi"])
        self.type("/to e\\u200bva\\x5d@CIC\r")
        self.assertEqual(self.prompt, "e\\u200bva\\x5d@CIC>")
        self.type("olá\r")
        self.assertEqual(self.town.seen(eva).texts, ["oi", "olá"])
        eva.send("alice@CIC", "a")
        self.run_for(0.3)
        self.type("/r ")
        self.assertTrue(self.prompt.endswith("> /msg e\\u200bva\\x5d@CIC"), self.prompt)

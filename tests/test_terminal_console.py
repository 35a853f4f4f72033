"""The full console on a screen of text: what is typed, what comes in, what is seen."""

from __future__ import annotations

import signal
from typing import Any

from twisted.internet.defer import fail

from p2pchat.commands import Commands, Reply
from p2pchat.messages import Pub, Send
from tests.terminals import EPOCH, MISSING, ConsoleCase

if not MISSING:
    from p2pchat.terminal import talk
    from p2pchat.terminal.keys import MOST_LINES

PASTE = "\x1b[200~{}\x1b[201~"
ALT_A = "\x1ba"


class ConversationTests(ConsoleCase):
    skip = MISSING or None

    def test_it_says_who_and_where_we_are(self) -> None:
        self.assertIn("alice@CIC, port 4000", self.messages[0])
        self.assertIn("/help for help", self.messages[1])
        self.assertIn("alice@CIC  registered  2/2 links  all", self.bar)
        self.assertEqual(self.prompt, ">")

    def test_plain_text_goes_to_the_current_conversation(self) -> None:
        self.type("/to bob@CIC\r")
        self.assertEqual(self.prompt, "bob@CIC>")
        self.type("olá, ação ✓\r")
        self.assertEqual(self.town.seen(self.other("bob")).texts, ["olá, ação ✓"])
        self.assertEqual(self.messages, ["[alice@CIC] olá, ação ✓ ✓"])
        self.type("/to #CIC\r")
        self.assertEqual(self.prompt, "#CIC>")
        self.type("para todos\r")
        self.assertEqual(self.town.seen(self.other("carol")).texts, ["para todos"])
        self.assertEqual(self.messages, ["[alice@CIC] para todos (2 peers)"])
        self.type("/to *\rtodos mesmo\r")
        self.assertEqual(self.town.seen(self.other("carol")).texts[1:], ["todos mesmo"])
        self.type("/to\r")
        self.assertEqual(self.prompt, ">")
        self.assertEqual(
            self.messages[-3:],
            [
                "[-> bob@CIC] olá, ação ✓ ✓",
                "[-> #CIC] para todos (2 peers)",
                "[-> *] todos mesmo (2 peers)",
            ],
        )

    def test_without_a_conversation_nothing_is_sent(self) -> None:
        self.type("olá\r")
        self.assertIn("nothing was sent", self.messages[-1])
        self.assertEqual(self.town.seen(self.other("bob")).texts, [])

    def test_whom_to_must_make_sense(self) -> None:
        for typed, answer in (
            ("/to nobody@CIC", "no such peer: nobody@CIC"),
            ("/to alice@CIC", "that is yourself"),
            ("/to #", "neither * nor #namespace"),
        ):
            self.type(f"{typed}\r")
            self.assertIn(answer, self.messages[-1])
            self.assertEqual(self.prompt, ">")

    def test_a_bare_name_is_enough_if_it_is_clear(self) -> None:
        self.type("/to bob\r")
        self.assertEqual(self.prompt, "bob@CIC>")

    def test_reply_goes_to_whoever_wrote_last(self) -> None:
        self.type("/reply oi\r")
        self.assertIn("nobody has written yet", self.messages[-1])
        self.hear("bob", "a")
        self.hear("carol", "b")
        self.type("/reply oi\r")
        self.assertEqual(self.town.seen(self.other("carol")).texts, ["oi"])
        self.type("/reply\r")
        self.assertEqual(self.prompt, "carol@CIC>")

    def test_whom_a_reply_goes_to_is_seen_before_it_goes(self) -> None:
        self.type("/r ")
        self.assertEqual(self.prompt, "> /r")
        self.type("\x03")
        self.hear("bob", "a")
        self.type("/r ")
        self.assertEqual(self.prompt, "> /msg bob@CIC")
        self.hear("carol", "b")
        self.type("oi\r")
        self.assertEqual(self.town.seen(self.other("bob")).texts, ["oi"])

    def test_other_commands_are_those_of_the_plain_console(self) -> None:
        self.type("/log ERROR\r/log INFO\r")
        self.assertIn("the log's level is INFO", self.messages[-1])
        self.type("/nothing\r")
        self.assertIn("there is no command /nothing", self.messages[-1])

    def test_the_history_is_that_of_the_conversation(self) -> None:
        self.type("/history\r")
        self.assertIn("keeps nothing", self.messages[-1])
        asked: list[str] = []

        def ask(_: Commands, line: str) -> Reply:
            asked.append(line)
            return Reply()

        self.patch(Commands, "run", ask)
        self.type("/history\r/history 5\r/to #CIC\r/history\r/history 5\r/history bob\r")
        self.assertEqual(
            asked, ["/history", "/history  5", "/history #CIC", "/history #CIC 5", "/history bob"]
        )

    def test_help_tells_of_everything(self) -> None:
        self.type("/help\r")
        text = "\n".join(self.messages)
        self.type("\x1b[5~")
        text += "\n".join(self.messages)
        for word in ("/msg <peer_id>", "/to [peer_id", "/reply [message]", "Alt-A", "/quit"):
            self.assertIn(word, text)
        self.type("/help /reply\r")
        self.assertIn("answer whoever wrote last", self.messages[-1])
        self.type("/help msg\r")
        self.assertIn("/msg <peer_id> <message>", self.messages[-1])
        self.type("/help what\r")
        self.assertIn("there is no command /what", self.messages[-1])

    def test_wrong_use_is_told(self) -> None:
        for typed, answer in (
            ("/msg bob@CIC", "usage: /msg"),
            ("/pub bob oi", "usage: /pub"),
            ("/rtt now", "usage: /rtt"),
        ):
            self.type(f"{typed}\r")
            self.assertIn(answer, self.messages[-1])

    def test_a_name_that_may_be_several_is_not_guessed(self) -> None:
        self.town.node("bob@LAB")
        self.town.run_until_meshed()
        self.type("/msg bob oi\r")
        self.assertIn("not sent: bob may be any of bob@CIC, bob@LAB", self.messages[-1])
        self.type("/to bob\r")
        self.assertIn("bob may be any of", self.messages[-1])


class MarkTests(ConsoleCase):
    skip = MISSING or None

    def test_the_mark_of_a_message_changes_when_its_ack_comes(self) -> None:
        self.type("/to bob@CIC\r")
        self.keyboard.send_text("oi\r")
        self.idle()
        self.console.screen.draw()
        self.idle()
        self.assertEqual(self.messages, ["[alice@CIC] oi …"])
        self.run_for(0.5)
        self.assertEqual(self.messages, ["[alice@CIC] oi ✓"])

    def test_a_message_without_an_ack_is_marked(self) -> None:
        self.town.kill(self.other("bob"))
        self.type("/msg bob@CIC oi\r")
        self.run_for(6)
        self.assertEqual(
            self.messages[-2:],
            ["[-> bob@CIC] oi ✗ no ACK within 5 s", "* bob@CIC is disconnected"],
        )

    def test_what_cannot_be_sent_is_kept_with_its_mark(self) -> None:
        self.type("/msg dave@CIC meu texto\r")
        self.assertEqual(self.messages[-1], "[-> dave@CIC] meu texto ✗")
        self.assertIn("        not sent: no such peer: dave@CIC", self.screen.rows[-3])
        self.type("/pub #nowhere meu texto\r")
        self.assertEqual(self.messages[-1], "[-> #nowhere] meu texto ✗ nobody is connected")
        self.type(f"/pub #{'n' * 65} texto\r")
        self.assertIn("✗         not published", " ".join(self.screen.rows))

    def test_what_others_sent_through_the_node_is_not_ours(self) -> None:
        self.alice.send("bob@CIC", "from a hook")
        self.run_for(1)
        self.assertEqual(len(self.messages), 2)

    def test_those_that_did_not_keep_up_are_counted(self) -> None:
        from p2pchat.router import Published

        self.patch(self.alice, "publish", lambda *_: Published("1", 1, 1))
        self.type("/pub * oi\r")
        self.assertIn("oi ✗ (1 peer), not to 1 that did not keep up", self.messages[-1])

    def test_a_message_that_waits_says_so_until_it_is_delivered(self) -> None:
        observers = self.alice.observers
        self.patch(self.alice, "send", lambda *_: "id of the message")
        self.type("/msg bob@CIC oi\r")
        observers.queued("bob@CIC", "id of the message")
        self.run_for(0.2)
        self.assertEqual(
            self.messages[-1], "[-> bob@CIC] oi … waits until bob@CIC is connected (/outbox)"
        )
        observers.undelivered("bob@CIC", "id of the message", "too old")
        self.run_for(0.2)
        self.assertEqual(self.messages[-1], "[-> bob@CIC] oi ✗ too old")
        observers.delivered("bob@CIC", "id of the message", 1.0)
        self.run_for(0.2)
        self.assertEqual(self.messages[-1], "[-> bob@CIC] oi ✓")
        before = self.messages
        observers.delivered("bob@CIC", "id of the message", 1.0)
        observers.queued("bob@CIC", "another")
        observers.undelivered("bob@CIC", "another", "no")
        self.run_for(0.2)
        self.assertEqual(self.messages, before)

    def test_the_marks_that_may_still_change_are_bounded(self) -> None:
        self.patch(talk, "MOST_AWAITED", 2)
        ids = iter("abc")
        self.patch(self.alice, "send", lambda *_: next(ids))
        self.type("/to bob@CIC\r1\r2\r")
        self.type("3\r")
        for msg_id in "abc":
            self.alice.observers.delivered("bob@CIC", msg_id, 1.0)
        self.run_for(0.2)
        self.assertEqual(self.messages, ["[alice@CIC] 1 …", "[alice@CIC] 2 ✓", "[alice@CIC] 3 ✓"])


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
        self.assertIn("unread: bob@CIC 1!, * 2", self.bar)
        self.assertEqual(self.messages, [])
        self.type(ALT_A)
        self.assertEqual(self.prompt, "bob@CIC>")
        self.assertEqual(self.messages, ["[bob@CIC] três"])
        self.assertIn("unread: * 2", self.bar)
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
        rows = [row for row, text in enumerate(self.screen.rows) if "[bob@CIC" in text]
        colours = {self.screen.cell(row, 8).fg for row in rows}
        self.assertEqual(len(rows), 2)
        self.assertEqual(len(colours), 1)
        self.assertNotEqual(colours, {"default"})

    def test_text_from_others_cannot_forge_anything(self) -> None:
        evil = "a\x1b[2J\r\n12:00 * carol@CIC has left\u202e"
        self.hear("bob", evil)
        self.assertIn("[bob@CIC] a\\x1b[2J\\r\\n12:00 * carol@CIC has left\\u202e", self.messages)
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
        self.alice.observers.received_unkept(peer, [Send("3", payload="três")])
        self.run_for(0.3)
        self.assertEqual(
            self.messages[-3:],
            [
                "[bob@CIC] um (said 11:00)",
                "[bob@CIC] dois (said 2026-01-30 12:00)",
                "[bob@CIC] três (not kept)",
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
        self.type("/to\r", 3)
        self.assertIn("n 99", self.messages[-1])
        self.assertRegex(self.bar, r"\d\d,\d\d\d left out")

    def test_joins_of_peers_that_never_spoke_are_quiet(self) -> None:
        before = self.messages
        self.town.node("dave@CIC")
        self.town.run_until_meshed()
        self.run_for(2)
        self.assertEqual(self.messages, before)
        self.assertIn("3/3 links", self.bar)
        self.hear("bob", "oi")
        self.town.leave(self.other("bob"))
        self.run_for(2)
        self.assertEqual(self.messages[-1], "* bob@CIC has left")
        self.assertIn("2/3 links", self.bar)

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


class KeyTests(ConsoleCase):
    skip = MISSING or None

    def test_control_c_clears_the_line_and_then_leaves(self) -> None:
        self.type("half a line\x03")
        self.assertEqual(self.prompt, ">")
        self.assertEqual(self.left, [])
        self.assertIn("Ctrl-C once more leaves", self.screen.rows[-3])
        self.type("x")
        self.assertNotIn("Ctrl-C", self.screen.rows[-3])
        self.type("\x03")
        self.assertEqual(self.left, [])
        self.type("\x03")
        self.assertEqual(self.left, [0])

    def test_control_d_leaves_when_the_line_is_empty(self) -> None:
        self.type("ab\x01\x04")
        self.assertEqual(self.prompt, "> b")
        self.assertEqual(self.left, [])
        self.type("\x04")
        self.assertEqual(self.prompt, ">")
        self.type("\x04")
        self.assertEqual(self.left, [0])

    def test_quit_leaves(self) -> None:
        self.type("/quit\r")
        self.assertEqual(self.left, [0])

    def test_control_z_does_nothing(self) -> None:
        self.type("a\x1ab")
        self.assertEqual(self.prompt, "> ab")

    def test_up_and_control_r_find_what_was_typed(self) -> None:
        self.type("/log INFO\r/help msg\r")
        self.type("\x1b[A\x1b[A")
        self.assertEqual(self.prompt, "> /log INFO")
        self.type("\x03")
        self.type("\x12msg")
        self.assertIn("I-search backward: msg", self.screen.rows[-2] + self.screen.rows[-3])
        self.type("\r")
        self.assertEqual(self.prompt, "> /help msg")

    def test_tab_completes_commands_peers_and_namespaces(self) -> None:
        self.type("/ms\t")
        self.assertEqual(self.prompt, "> /msg")
        self.type("b\t")
        self.assertEqual(self.prompt, "> /msg bob@CIC")
        self.type("\x03/to \t")
        shown = "\n".join(self.screen.rows)
        self.assertRegex(shown, r"bob@CIC +CONNECTED")
        self.assertRegex(shown, r"#CIC +2 connected")
        self.type("\x03/pub #\t")
        self.assertEqual(self.prompt, "> /pub #CIC")

    def test_tab_offers_what_a_command_needs(self) -> None:
        for typed, offered in (("/log \t", "WARNING"), ("/help \t", "the links: direction")):
            self.type(typed)
            self.assertIn(offered, "\n".join(self.screen.rows))
            self.type("\x03")
        self.type("plain text\t")
        self.assertEqual(self.prompt, "> plain text")

    def test_pages(self) -> None:
        for number in range(100):
            self.console.show(f"line {number}")
        self.run_for(0.2)
        self.assertEqual(self.messages[-1], "line 99")
        self.type("\x1b[5~")
        self.assertEqual(self.messages[-1], "line 78")
        self.assertIn("21 below", self.bar)
        self.console.show("line 100")
        self.run_for(0.2)
        self.assertEqual(self.messages[-1], "line 78")
        self.type("\x1b[6~")
        self.assertEqual(self.messages[-1], "line 99")
        self.type("\x1b[6~")
        self.assertEqual(self.messages[-1], "line 100")
        self.assertNotIn("below", self.bar)
        self.type("\x1b[5~" * 20)
        self.assertIn("alice@CIC, port 4000", self.messages[0])
        self.type("\x1b[1;5F")
        self.assertEqual(self.messages[-1], "line 100")

    def test_a_paste_of_several_lines_asks_first(self) -> None:
        self.type("/to bob@CIC\r")
        self.type("a: " + PASTE.format("um\r\ndois\r\n\r\ntrês\n"))
        self.assertIn("Send these 3 lines to bob@CIC, one by one? y/n", self.screen.rows[-3])
        self.type("q\r" + PASTE.format("y"))
        self.assertEqual(self.town.seen(self.other("bob")).texts, [])
        self.type("n")
        self.assertNotIn("Send", self.screen.rows[-3])
        self.assertEqual(self.prompt, "bob@CIC> a:")
        self.type(PASTE.format("um\ndois"))
        self.type("y")
        self.assertEqual(self.town.seen(self.other("bob")).texts, ["a: um", "dois"])
        self.assertEqual(self.prompt, "bob@CIC>")

    def test_a_paste_of_one_line_is_typed(self) -> None:
        self.type(PASTE.format("uma linha só\n"))
        self.assertEqual(self.prompt, "> uma linha só")

    def test_a_paste_behind_a_command_is_for_that_command(self) -> None:
        self.type("/msg bob@CIC " + PASTE.format("um\ndois"))
        self.type("y")
        self.assertEqual(self.town.seen(self.other("bob")).texts, ["um", "dois"])

    def test_a_paste_can_be_refused_with_control_c(self) -> None:
        self.type(PASTE.format("um\ndois") + "\x03")
        self.assertNotIn("Send", self.screen.rows[-3])
        self.assertEqual(self.left, [])

    def test_a_paste_without_marks_asks_too(self) -> None:
        self.type("/to bob@CIC\r")
        self.type("um\rdois\rtrês\r")
        self.assertIn("Send these 3 lines to bob@CIC", self.screen.rows[-3])
        self.type("y")
        self.assertEqual(self.town.seen(self.other("bob")).texts, ["um", "dois", "três"])

    def test_keys_are_no_paste(self) -> None:
        self.type("/to bob@CIC\r")
        self.type("um\rdois\rtês\x1b[Dr\r")
        self.assertEqual(self.town.seen(self.other("bob")).texts, ["um", "dois", "têrs"])

    def test_an_endless_paste_is_refused(self) -> None:
        self.type(PASTE.format("a\n" * (MOST_LINES + 1)))
        self.assertIn("501 lines are too many", self.messages[-1])


class SizeTests(ConsoleCase):
    skip = MISSING or None
    columns, rows = 40, 10

    def test_forty_by_ten_is_enough(self) -> None:
        self.hear("bob", "uma mensagem que não cabe em uma linha só, de modo nenhum")
        self.assertEqual(
            self.screen.rows[-5:-2],
            [
                "12:00 [bob@CIC] uma mensagem que não",
                "        cabe em uma linha só, de modo",
                "        nenhum",
            ],
        )
        self.assertTrue(all(len(row) <= 40 for row in self.screen.rows))
        self.type("/to bob@CIC\r")
        self.hear("carol", "oi")
        self.assertIn("unread: carol@CIC 1!", self.bar)
        self.type("x" * 60)
        self.assertEqual(self.screen.rows[-2:], ["bob@CIC> " + "x" * 31, "x" * 29])
        self.type("\r")
        self.assertEqual(self.town.seen(self.other("bob")).texts, ["x" * 60])

    def test_everything_is_drawn_anew_for_another_size(self) -> None:
        self.hear("bob", "uma mensagem que não cabe em uma linha só, de modo nenhum")
        self.type("/rtt\r", 2)
        self.type("a linha")
        self.screen.resize(100, 30)
        signal.raise_signal(signal.SIGWINCH)
        self.idle()
        self.assertIn(
            "[bob@CIC] uma mensagem que não cabe em uma linha só, de modo nenhum", self.messages
        )
        self.assertEqual(self.prompt, "> a linha")
        self.assertTrue(self.bar.startswith(" alice@CIC  registered"))
        self.screen.resize(20, 5)
        signal.raise_signal(signal.SIGWINCH)
        self.idle()
        self.assertEqual(self.prompt, "> a linha")

    def test_wide_and_combined_characters_keep_their_columns(self) -> None:
        self.hear("bob", "e\u0301 世界 " + "世" * 20)
        self.assertEqual(
            self.screen.rows[-5:-2],
            ["12:00 [bob@CIC] \xe9 世界", "        " + "世" * 16, "        " + "世" * 4],
        )

    def test_everything_is_drawn_anew_after_a_loss(self) -> None:
        self.hear("bob", "oi")
        self.type("half")
        before = self.screen.rows
        self.screen.write("\x1b[2J\x1b[5;5H garbage")
        self.console.screen.draw_all()
        self.idle()
        self.assertEqual(self.screen.rows, before)

    def test_tables_fit(self) -> None:
        self.type("/rtt\r", 2)
        text = "\n".join(self.screen.rows)
        self.assertRegex(text, "peer_id +samples  mean ms")
        self.assertIn("▁", text)
        self.type("/conn\r")
        self.assertRegex(self.screen.rows[-3], r"^carol@CIC +outbound +\d\d:\d\d:\d\d… +0 +0$")
        self.type("/peers\r", 2)
        self.assertRegex(self.screen.rows[-3], r"^carol@CIC +10\S+ +CONNECTED$")


class Restored:
    """A terminal that notes the last words on it."""

    def __init__(self, words: list[str]) -> None:
        self.restore = words.append


class LeavingTests(ConsoleCase):
    skip = MISSING or None

    def test_what_was_not_delivered_is_told_in_the_end(self) -> None:
        self.town.kill(self.other("bob"))
        self.type("/msg bob@CIC oi\r")
        self.town.leave(self.alice)
        self.idle()
        words: list[str] = []
        self.console._terminal = Restored(words)  # type: ignore[assignment]
        self.stop()
        self.assertEqual(words, ["not delivered to bob@CIC: left before the ACK came\r\n"])

    def test_the_screen_is_given_back(self) -> None:
        self.stop()
        self.console.show("nobody sees this")
        self.assertEqual("".join(self.screen.rows), "")

    def test_it_can_be_stopped_before_the_loop_ran(self) -> None:
        self.stop()
        self.console.startService()
        gone: list[Any] = []
        self.console.stopService().addCallback(gone.append)
        self.idle()
        self.assertEqual(gone, [None])

    def test_a_terminal_that_hangs_up_leaves(self) -> None:
        self.keyboard.close()
        self.idle()
        self.assertEqual(self.left, [0])
        self.stop()

    def test_a_fault_of_ours_leaves_with_a_status(self) -> None:
        self.console.screen.app.exit(exception=RuntimeError("broken"))
        self.idle()
        self.assertEqual(self.left, [1])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_a_command_that_fails_is_told(self) -> None:
        self.patch(self.alice, "send", lambda *_: 1 / 0)
        self.type("/msg bob@CIC oi\r")
        self.assertIn("a fault of ours", self.messages[-1])
        self.patch(self.alice.presence, "discover", lambda: fail(ZeroDivisionError()))
        self.type("/peers\r")
        self.assertIn("a fault of ours", self.messages[-1])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

"""The full console on a screen of text: conversations, replies, and the marks of messages."""

from __future__ import annotations

from p2pchat.console.commands.table import Commands
from p2pchat.console.replies import Reply
from tests.support.terminals import MISSING, ConsoleCase

if not MISSING:
    from p2pchat.console.full import marks


class ConversationTests(ConsoleCase):
    skip = MISSING or None

    def test_it_says_who_and_where_we_are(self) -> None:
        self.assertIn("you are [alice@CIC], port 4000", self.messages[0])
        self.assertIn("rendezvous.test:8080", self.messages[1])
        self.assertIn("[bob@CIC], [carol@CIC] are connected: /to bob@CIC opens", self.messages[2])
        self.assertIn("/help for help", self.messages[3])
        self.assertIn("alice@CIC  registered  2 of 2 peers connected  all conversations", self.bar)
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
        self.assertIn("not sent yet", self.messages[-1])
        self.assertEqual(self.town.seen(self.other("bob")).texts, [])

    def test_whom_to_must_make_sense(self) -> None:
        for typed, answer in (
            ("/to nobody@CIC", "no such peer: [nobody@CIC]"),
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
            asked, ["/history", "/history 5", "/history #CIC", "/history #CIC 5", "/history bob"]
        )

    def test_help_tells_of_everything(self) -> None:
        self.type("/help\r")
        text = "\n".join(self.screen.rows)
        self.assertTrue(self.screen.rows[0].startswith("── Help (Esc leaves) ──"))
        self.assertIn("/to", self.screen.rows[2])
        for _ in range(3):
            self.type("\x1b[6~")
            text += "\n".join(self.screen.rows)
        for word in ("/msg <peer_id>", "/to [peer_id", "/reply [message]", "Alt-A", "/quit"):
            self.assertIn(word, text)
        self.type("q")
        self.assertIn("for help", self.messages[-1])
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
        self.assertIn("not sent: [bob] may be any of [bob@CIC], [bob@LAB]", self.messages[-1])
        self.type("/to bob\r")
        self.assertIn("[bob] may be any of", self.messages[-1])


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
            ["[-> bob@CIC] oi ✗ no ACK within 5 s", "* [bob@CIC] is disconnected"],
        )

    def test_what_cannot_be_sent_is_kept_with_its_mark(self) -> None:
        self.type("/msg dave@CIC meu texto\r")
        self.assertEqual(self.messages[-1], "[-> dave@CIC] meu texto ✗")
        self.assertIn("        not sent: no such peer: [dave@CIC]", self.screen.rows[-3])
        self.type("/pub #nowhere meu texto\r")
        self.assertEqual(self.messages[-1], "[-> #nowhere] meu texto ✗ nobody is connected")
        self.alice.peers.listed("eva@two words")
        self.type("/pub #two words texto\r")
        self.assertEqual(self.messages[-1], "[-> #two words] texto ✗ nobody is connected")
        self.type(f"/pub #{'n' * 65} texto\r")
        self.assertIn("✗         not published", " ".join(self.screen.rows))

    def test_what_others_sent_through_the_node_is_not_ours(self) -> None:
        self.alice.send("bob@CIC", "from a hook")
        self.run_for(1)
        self.assertFalse([row for row in self.messages if "hook" in row])

    def test_those_that_did_not_keep_up_are_counted(self) -> None:
        from p2pchat.node.publishing import Published

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
            self.messages[-1], "[-> bob@CIC] oi … waits until [bob@CIC] is connected (/outbox)"
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
        self.patch(marks, "MOST_AWAITED", 2)
        ids = iter("abc")
        self.patch(self.alice, "send", lambda *_: next(ids))
        self.type("/to bob@CIC\r1\r2\r")
        self.type("3\r")
        for msg_id in "abc":
            self.alice.observers.delivered("bob@CIC", msg_id, 1.0)
        self.run_for(0.2)
        self.assertEqual(self.messages, ["[alice@CIC] 1 …", "[alice@CIC] 2 ✓", "[alice@CIC] 3 ✓"])

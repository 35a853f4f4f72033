"""The full console on a screen of text: from one conversation to another, and the first minute."""

from __future__ import annotations

from tests.support.terminals import MISSING, ConsoleCase

if not MISSING:
    from prompt_toolkit.application.current import set_app
    from prompt_toolkit.key_binding.key_processor import _Flush

    from p2pchat.console.full.list_column import FROM

ESC = "\x1b"


class MovingCase(ConsoleCase):
    """Keys that begin with an Escape, alone or not."""

    def escape(self) -> None:
        """Press Escape, and nothing after it."""
        app = self.console.screen.app
        self.keyboard.send_text(ESC)
        self.idle()
        with set_app(app):
            for key in [*app.input.flush_keys(), _Flush]:
                app.key_processor.feed(key)
            app.key_processor.process_keys()
        self.run_for(0.2)

    def shown(self) -> str:
        return "\n".join(self.screen.rows)


class FirstMinuteTests(MovingCase):
    skip = MISSING or None
    names = ("bob@CIC",)

    def test_who_is_there_is_kept_up_to_date_until_something_is_typed(self) -> None:
        self.assertIn("* [bob@CIC] is connected: /to bob@CIC opens", self.shown())
        for name in ("carol", "dave", "eva", "frank"):
            self.town.node(f"{name}@CIC")
        self.town.run_until_meshed()
        self.run_for(2)
        self.assertIn("* [bob@CIC], [carol@CIC], [dave@CIC] and 2 more (/peers) are", self.shown())
        self.type("/log INFO\r")
        self.town.leave(self.other("bob"))
        self.run_for(2)
        self.assertIn("* [bob@CIC], [carol@CIC], [dave@CIC] and 2 more (/peers) are", self.shown())

    def test_with_one_peer_there_one_key_sends_what_was_typed(self) -> None:
        self.type("oi, tudo bem?\r")
        self.assertEqual(self.prompt, "> oi, tudo bem?")
        self.assertIn("Enter sends this to [bob@CIC]", self.screen.rows[-3])
        self.assertEqual(self.town.seen(self.other("bob")).texts, [])
        self.type("\r")
        self.assertEqual(self.town.seen(self.other("bob")).texts, ["oi, tudo bem?"])
        self.assertEqual(
            (self.prompt, self.messages), ("bob@CIC>", ["[alice@CIC] oi, tudo bem? ✓"])
        )

    def test_any_other_key_takes_the_offer_back_and_no_text(self) -> None:
        for key, line in (("!", "> oi!"), ("\x7f", "> o"), (f"{ESC}[D", "> oi")):
            self.type("\x15oi\r")
            self.type(key)
            self.assertEqual(self.prompt, line)
            self.assertNotIn("Enter sends", self.shown())
            self.type("\x05")
        self.assertEqual(self.town.seen(self.other("bob")).texts, [])

    def test_a_command_can_be_typed_instead(self) -> None:
        self.type("oi\r/to bob\r")
        self.assertEqual(self.prompt, "bob@CIC>")
        self.assertEqual(self.town.seen(self.other("bob")).texts, [])

    def test_who_comes_meanwhile_does_not_get_it(self) -> None:
        self.type("oi\r")
        self.town.node("aaron@CIC")
        self.town.run_until_meshed()
        self.type("\r")
        self.assertEqual(self.town.seen(self.other("bob")).texts, ["oi"])

    def test_with_several_or_none_the_up_key_has_the_text(self) -> None:
        carol = self.town.node("carol@CIC")
        self.town.run_until_meshed()
        self.type("oi\r")
        self.assertEqual(self.prompt, ">")
        self.type("\x1b[A")
        self.assertEqual(self.prompt, "> oi")
        self.assertIn("not sent yet: first say to whom, /to bob@CIC, /to carol@CIC", self.shown())
        for node in (self.other("bob"), carol):
            self.town.leave(node)
        self.run_for(2)
        self.type("\r")
        self.assertIn("nobody is connected", self.messages[-1])


class ConversationTests(MovingCase):
    skip = MISSING or None
    names = ("bob@CIC", "carol@LAB")

    def carol(self, text: str, scope: str) -> None:
        self.others["carol@LAB"].publish(scope, text)
        self.run_for(0.3)

    def test_what_stands_behind_the_name_is_said_there(self) -> None:
        self.type("/to #CIC olá  a todos \r")
        self.assertEqual(self.prompt, "#CIC>")
        self.assertEqual(self.town.seen(self.other("bob")).texts, ["olá  a todos "])
        self.type("/to bob oi, bob\r")
        self.assertEqual(self.prompt, "bob@CIC>")
        self.assertEqual(self.town.seen(self.other("bob")).texts[1:], ["oi, bob"])
        self.type("/to nobody oi\r")
        self.assertIn("no such peer", self.messages[-1])
        self.assertEqual(self.prompt, "bob@CIC>")

    def test_a_name_with_spaces_may_be_all_there_is(self) -> None:
        self.alice.peers.listed("eva@two words")
        self.type("/to #two words\r")
        self.assertEqual(self.prompt, "#two words>")
        self.type("/to #two words oi\r")
        self.assertIn("oi ✗ nobody is connected", self.messages[-1])
        self.type("/to eva@two words\r")
        self.assertEqual(self.prompt, "eva@two words>")

    def test_that_answers_do_not_come_from_another_namespace_is_told(self) -> None:
        self.type("/to #LAB\r")
        self.assertIn("you are not of [#LAB]: answers there do not reach you", self.shown())
        self.type("/to #CIC\r")
        self.assertNotIn("you are not", self.shown())

    def test_who_is_from_elsewhere_is_marked_there(self) -> None:
        self.carol("oi", "#CIC")
        self.hear("bob", "olá", "#CIC")
        self.carol("para todos", "*")
        self.type("/to #CIC\r")
        self.assertEqual(self.messages, ["[carol@LAB (elsewhere)] oi", "[bob@CIC] olá"])
        self.type("/to *\r")
        self.assertEqual(self.messages, ["[carol@LAB] para todos"])

    def test_alt_and_a_number_opens_a_conversation_of_the_list(self) -> None:
        self.hear("bob", "um")
        self.carol("dois", "#CIC")
        for key, prompt in (("2", "#CIC>"), ("1", "bob@CIC>"), ("9", "bob@CIC>"), ("0", ">")):
            self.type(ESC + key)
            self.assertEqual(self.prompt, prompt)
        self.hear("bob", "três")
        self.type(ESC + "2")
        self.assertEqual(self.prompt, "#CIC>", "numbers stay, whoever writes")

    def test_alt_and_an_arrow_goes_through_the_list(self) -> None:
        self.hear("bob", "um")
        self.carol("dois", "#CIC")
        right, left = f"{ESC}[1;3C", f"{ESC}[1;3D"
        seen = []
        for key in (right, right, right, left):
            self.type(key)
            seen.append(self.prompt)
        self.assertEqual(seen, ["bob@CIC>", "#CIC>", ">", "#CIC>"])

    def test_alt_and_a_key_that_means_nothing_types_nothing(self) -> None:
        self.hear("bob", "um")
        for key in ("q", "x", "é", "#", "*", "-", ";", "[1;3P", "[27;3;9~", "OP", "[", "\x1b"):
            self.type(ESC + key)
            self.assertEqual((self.prompt, self.left), (">", []), key)
        self.type(f"{ESC}{ESC}[200~colado{ESC}[201~")
        self.assertEqual(self.prompt, "> colado")

    def test_a_slash_at_once_after_an_escape_begins_a_command(self) -> None:
        self.hear("bob", "um")
        self.type("/to bob\r/help\r")
        self.type(f"{ESC}/to")
        self.assertEqual(self.prompt, "bob@CIC> /to")
        self.assertIn("[bob@CIC] um", self.messages)
        self.type("\r")
        self.assertEqual(self.prompt, ">")

    def test_close_takes_a_conversation_off_the_list(self) -> None:
        self.hear("bob", "um")
        self.carol("dois", "#CIC")
        self.type("/to #CIC\r/close\r")
        self.assertEqual(self.prompt, "bob@CIC>")
        self.type(ESC + "2")
        self.assertEqual(self.prompt, "bob@CIC>")
        self.type("/close\r")
        self.assertEqual(self.prompt, ">")
        self.type("/close\r")
        self.assertIn("no conversation is open", self.messages[-1])
        self.type("/close nobody\r")
        self.assertIn("[nobody] is not in the list", self.messages[-1])
        self.hear("bob", "três")
        self.type(ESC + "1")
        self.assertEqual((self.prompt, self.messages), ("bob@CIC>", ["[bob@CIC] três"]))

    def test_what_is_closed_is_seen(self) -> None:
        self.type("/to #LAB\r")
        self.hear("bob", "um")
        self.assertIn("[bob@CIC] 1!", self.bar)
        self.type("/close bob\r")
        self.assertNotIn("1!", self.bar)

    def test_the_list_is_a_screen_where_it_has_no_column(self) -> None:
        self.hear("bob", "um")
        self.type("/to #CIC\r")
        self.hear("bob", "dois")
        self.type("/list\r")
        rows = self.screen.rows
        self.assertTrue(rows[0].startswith("── Conversations (Enter opens, Esc leaves)"))
        self.assertEqual(
            rows[1:4], ["  0 all conversations together", "  1 bob@CIC  1 unread!", "> 2 #CIC"]
        )
        self.escape()
        self.assertNotIn("Conversations (", self.shown())
        self.type(f"/list\r{ESC}[A\r")
        self.assertEqual((self.prompt, self.messages[-1]), ("bob@CIC>", "[bob@CIC] dois"))

    def test_what_is_typed_while_a_screen_is_shown_is_run(self) -> None:
        self.type("/help\r")
        self.type("/to bob")
        self.assertTrue(self.screen.rows[0].startswith("── Help"))
        self.type("\r")
        self.assertEqual((self.prompt, self.messages), ("bob@CIC>", []))


class ListColumnTests(MovingCase):
    skip = MISSING or None
    columns = 120

    def column(self) -> list[str]:
        return [row[: self.margin - 1].rstrip() for row in self.screen.rows[:-2]]

    def test_the_list_stands_at_the_left(self) -> None:
        self.hear("bob", "um")
        self.hear("carol", "dois", "#CIC")
        self.type("/to #CIC\r")
        self.hear("bob", "três")
        self.assertEqual(self.column()[:4], [" 0 all", " 1 bob@CIC           1!", ">2 #CIC", ""])
        self.assertEqual({row[self.margin - 1] for row in self.screen.rows[:-2]}, {"│"})
        self.assertIn("[carol@CIC] dois", self.messages)
        self.town.leave(self.other("bob"))
        self.run_for(2)
        self.assertEqual(self.column()[1], " 1 (bob@CIC)         1!")

    def test_a_narrower_screen_has_none(self) -> None:
        self.hear("bob", "um")
        self.screen.resize(FROM - 1, 24)
        self.console.screen.app._on_resize()
        self.idle()
        self.assertEqual(self.margin, 0)
        self.assertNotIn("│", self.shown())
        self.assertIn("[bob@CIC] um", self.messages)

    def test_the_menu_of_completions_lies_over_it(self) -> None:
        self.hear("bob", "um")
        self.type("/to \t")
        self.assertRegex(self.shown(), r"bob@CIC +CONNECTED")
        self.type("\x03\x0c")
        self.assertEqual({row[self.margin - 1] for row in self.screen.rows[:-3]}, {"│"})

    def test_of_many_the_current_one_is_in_it(self) -> None:
        for number in range(60):
            self.type(f"/to #ns{number}\r", 0)
        self.run_for(0.2)
        self.assertIn(">  #ns59", self.column())
        self.type(ESC + "1")
        self.assertEqual(self.column()[1], ">1 #ns0")


class FloodTests(MovingCase):
    skip = MISSING or None

    def test_the_note_stands_where_the_flood_was(self) -> None:
        peer = self.alice.peers.get("bob@CIC")
        assert peer is not None
        from p2pchat.wire.messages import Pub

        self.type("/to carol\r")
        for number in range(5):
            self.alice.observers.received(
                peer, [Pub(f"{number} {i}", "", "#CIC", f"n {i}") for i in range(1000)]
            )
        self.run_for(3)
        self.assertEqual(self.messages, [])
        self.type("/to #CIC\r")
        self.type(f"{ESC}[5~" * 20)
        self.assertRegex(self.shown(), r"… \d,\d{3} more messages from \[bob@CIC\]")
        self.type("/to bob\r")
        self.assertNotIn("more messages", self.shown())

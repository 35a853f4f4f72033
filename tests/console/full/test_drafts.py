"""The full console on a screen of text: what is typed in one conversation and in another."""

from __future__ import annotations

from tests.support.terminals import MISSING, ConsoleCase

UP, ALT_A = "\x1b[A", "\x1ba"


class DraftTests(ConsoleCase):
    skip = MISSING or None

    def test_a_draft_stays_in_its_conversation(self) -> None:
        self.type("/to bob@CIC\r")
        self.hear("carol", "oi")
        self.type("for bob alone" + "\x1b[D" * 5)
        self.type(ALT_A)
        self.assertEqual(self.prompt, "carol@CIC>")
        self.type("for carol")
        self.type(ALT_A)
        self.assertEqual(self.prompt, "bob@CIC> for bob alone")
        self.type("X")
        self.assertEqual(self.prompt, "bob@CIC> for bob Xalone")
        self.type("\r/to carol\r")
        self.assertEqual(self.prompt, "carol@CIC> for carol")
        self.type("\r/to bob\r")
        self.assertEqual(self.prompt, "bob@CIC>")
        self.assertEqual(self.town.seen(self.other("carol")).texts, ["for carol"])

    def test_up_brings_back_what_was_said_here_and_commands(self) -> None:
        self.type("/to bob@CIC\rto bob\r/to carol@CIC\rto carol\r//x\r")
        for line in ("//x", "to carol", "/to carol@CIC", "/to bob@CIC", "/to bob@CIC"):
            self.type(UP)
            self.assertEqual(self.prompt, f"carol@CIC> {line}")
        self.type("\x03/to bob@CIC\r")
        for line in ("/to bob@CIC", "/to carol@CIC", "to bob"):
            self.type(UP)
            self.assertEqual(self.prompt, f"bob@CIC> {line}")

    def test_nothing_is_left_of_who_is_forgotten(self) -> None:
        self.type("/to bob@CIC\rto bob\r")
        self.hear("carol", "oi")
        self.type("a draft")
        self.type(ALT_A)
        self.console.conversations.take_out("bob@CIC")
        self.type("/to bob@CIC\r")
        self.assertEqual(self.prompt, "bob@CIC>")
        self.type(UP * 2)
        self.assertEqual(self.prompt, "bob@CIC> /to bob@CIC")

    def test_the_drafts_are_bounded(self) -> None:
        from p2pchat.console.full import drafts

        self.patch(drafts, "MOST", 20)
        for number in range(9):
            self.console.conversations.switch(f"#room{number}")
            self.type("0123456789")
        waiting = []
        for number in range(9):
            self.console.conversations.switch(f"#room{number}")
            self.type("\x1b[F")
            waiting.append(self.prompt.endswith("0123456789"))
            self.type("\x03")
        self.assertEqual(waiting, [False] * 7 + [True] * 2)

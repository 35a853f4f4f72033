"""The full console on a screen of text: what is pasted, and messages of several lines."""

from __future__ import annotations

import time

from tests.support.terminals import MISSING, ConsoleCase

if not MISSING:
    from p2pchat.console.full.paste import MOST_LINES, SILENCE

ONE, EACH, NOT = "\x0f", "\x05", "\x1b"
"""Ctrl-O, Ctrl-E and Escape."""


class PasteTests(ConsoleCase):
    skip = MISSING or None

    def setUp(self) -> None:
        super().setUp()
        self.type("/to bob@CIC\r")

    @property
    def question(self) -> str:
        rows = self.screen.rows
        bar = next(number for number, row in enumerate(rows) if row.startswith(" alice@CIC"))
        return " ".join(row for row in rows[bar - 2 : bar] if row and row[2] != ":")

    @property
    def sent(self) -> list[str]:
        return self.town.seen(self.other("bob")).texts

    def escape(self) -> None:
        """Press Escape, which a terminal tells only after a while."""
        self.keyboard.send_text(NOT)
        self.idle()
        self.console.screen.app.key_processor.feed_multiple(self.keyboard.flush_keys())
        self.console.screen.app.key_processor.process_keys()
        self.run_for(0.2)

    def test_several_lines_ask_how_they_are_sent(self) -> None:
        self.type("a: ")
        self.paste("um\r\ndois\r\n\r\ntrês\n")
        self.assertEqual(
            self.question,
            "4 lines for [bob@CIC]: Ctrl-O as one message, Ctrl-E one by one, Esc not at all",
        )
        for key in ("y", "n", "\r", "q", "\x1b[A", " "):
            self.type(key)
        self.paste("y\nn")
        self.assertEqual(self.sent, [])
        self.assertIn("4 lines", self.question)
        self.escape()
        self.assertNotIn("lines", self.question)
        self.assertEqual(self.prompt, "bob@CIC> a:")

    def test_it_is_asked_about_right_after_the_line_was_cleared(self) -> None:
        self.type("half\x03")
        self.paste("um\ndois")
        self.assertIn("2 lines for [bob@CIC]", self.question)

    def test_as_one_message_with_its_blank_lines(self) -> None:
        self.type("a: [end]" + "\x1b[D" * 5)
        self.paste("um\r\n\r\n\tdois\n")
        self.type(ONE)
        self.assertEqual(self.sent, ["a: um\n\n\tdois[end]"])
        self.assertEqual(self.prompt, "bob@CIC>")
        self.type("\x1b[A")
        self.assertEqual(self.screen.rows[-3:], ["bob@CIC> a: um", "", "    dois[end]"])

    def test_one_by_one(self) -> None:
        self.type("a: ")
        self.paste("um\n\ndois")
        self.type(EACH)
        self.assertEqual(self.sent, ["a: um", "dois"])
        self.assertEqual(self.prompt, "bob@CIC>")

    def test_a_line_of_a_paste_is_text(self) -> None:
        self.paste("// um\n/quit\n/etc/hosts\n//x")
        self.type(EACH)
        self.paste("/quit\noi")
        self.type(ONE)
        self.assertEqual(self.sent, ["// um", "/quit", "/etc/hosts", "//x", "/quit\noi"])
        self.assertEqual(self.left, [])

    def test_commands_are_run_one_by_one(self) -> None:
        self.paste("/log INFO\n/msg carol@CIC oi")
        self.assertIn("2 lines:", self.question)
        self.type(EACH)
        self.assertEqual(self.town.seen(self.other("carol")).texts, ["oi"])

    def test_behind_a_command_it_is_for_that_command(self) -> None:
        for key, sent in ((EACH, ["um", "/dois"]), (ONE, ["um\n/dois"])):
            self.type("/msg carol@CIC ")
            self.paste("um\n/dois")
            self.type(key)
            self.assertEqual(self.town.seen(self.other("carol")).texts[-len(sent) :], sent)

    def test_what_was_pasted_does_not_answer(self) -> None:
        self.paste(f"um\ndois{EACH}{ONE}")
        for keys in (f"{ONE}x", f"x{ONE}", f"{EACH}\r", f"\r{EACH}"):
            self.in_one_piece(keys)
        self.in_one_piece(f"um\rdois\r{ONE}")
        self.assertEqual(self.sent, [])
        self.type("\x03")
        self.assertNotIn("lines", self.question)
        self.assertEqual((self.sent, self.left), ([], []))

    def test_an_end_of_the_marks_that_was_pasted_ends_nothing(self) -> None:
        self.paste("um\x1b[201~\r/quit\r\x1b[201~")
        self.assertIn(" lines for", self.question)
        self.type("\x03")
        self.in_one_piece(f"\x1b[200~um\x1b[201~\r{EACH}")
        self.assertEqual((self.sent, self.left), ([], []))
        self.assertEqual(self.prompt, "bob@CIC> um")

    def test_it_goes_where_the_question_says(self) -> None:
        self.paste("um\ndois")
        self.console.conversations.switch("carol@CIC")
        self.type(ONE)
        self.assertIn("2 lines for [carol@CIC]", self.question)
        self.assertEqual(self.town.seen(self.other("carol")).texts, [])
        self.type(ONE)
        self.assertEqual(self.town.seen(self.other("carol")).texts, ["um\ndois"])

    def test_without_marks_it_asks_too(self) -> None:
        for lines in (["um", "dois"], ["a\tb", "\tc", "", "d"], ["x"] * MOST_LINES):
            before = len(self.sent)
            self.in_one_piece("\r".join(lines) + "\r")
            self.assertIn(f"{len(lines)} lines for [bob@CIC]", self.question)
            self.assertEqual(len(self.sent), before)
            self.type(ONE)
            self.assertEqual(self.sent[before:], ["\n".join(lines)])
            self.assertEqual(self.prompt, "bob@CIC>")

    def test_without_marks_it_may_come_in_pieces(self) -> None:
        self.in_one_piece("um\rdois\rtr", 0)
        self.run_for(SILENCE / 2)
        self.in_one_piece("ês\rq", 0)
        self.run_for(SILENCE / 2)
        self.in_one_piece(f"\r{EACH}", 0)
        self.assertEqual(self.sent, [])
        self.run_for(SILENCE * 2)
        self.assertIn("4 lines", self.question)
        self.type(EACH)
        self.assertEqual(self.sent, ["um", "dois", "três", "q"])

    def test_commands_that_come_at_once_ask_too(self) -> None:
        self.in_one_piece("/msg carol@CIC um\r/msg carol@CIC dois\r")
        self.assertIn("2 lines", self.question)
        self.assertEqual(self.town.seen(self.other("carol")).texts, [])
        self.type(EACH)
        self.assertEqual(self.town.seen(self.other("carol")).texts, ["um", "dois"])

    def test_without_marks_it_stays_for_whom_it_was_typed(self) -> None:
        self.in_one_piece("/msg carol@CIC um\rdois\r/três\r")
        self.type(EACH)
        self.assertEqual(self.town.seen(self.other("carol")).texts, ["um", "dois", "/três"])
        self.assertEqual(self.sent, [])

    def test_one_line_is_typed(self) -> None:
        self.paste("uma linha só\n")
        self.assertEqual(self.prompt, "bob@CIC> uma linha só")
        self.type("\r")
        self.in_one_piece("outra\r")
        self.in_one_piece("mais\r\r")
        self.assertEqual(self.sent, ["uma linha só", "outra", "mais"])

    def test_what_no_message_can_hold_is_refused(self) -> None:
        for text in "é" * 20_000, "um\n" + "x" * 40_000:
            self.paste(text)
            self.assertIn("nothing was pasted: a line has 40,000 bytes", self.messages[-1])
            self.assertEqual(self.prompt, "bob@CIC>")
        self.paste("a\n" * (MOST_LINES + 1))
        self.assertIn("501 lines are too many", self.messages[-1])
        self.in_one_piece("x" * 40_000 + "\ryz\r")
        self.assertIn("only the beginning was pasted", self.messages[-1])
        self.assertLessEqual(len(self.console.screen.line.text), 32_768)
        self.assertEqual(self.sent, [])
        self.type("\x15")
        self.in_one_piece("x" * 30_000 + "\r" + "y" * 30_000 + "\r")
        self.assertIn("2 lines for [bob@CIC]: Ctrl-E one by one", self.question)
        self.type(ONE)
        self.assertEqual(self.sent, [])
        self.type(EACH)
        self.assertEqual([len(each) for each in self.sent], [30_000, 30_000])

    def test_a_huge_paste_hides_nothing_and_is_typed_on_quickly(self) -> None:
        self.hear("bob", "oi")
        for way in (self.paste, self.in_one_piece):
            began = time.process_time()
            way("á bc " * 5_000)
            self.assertLess(time.process_time() - began, 3)
            self.assertEqual(len(self.console.screen.line.text), 25_000)
            self.assertIn("[bob@CIC] oi", self.messages)
            self.assertTrue(self.screen.rows[-5].startswith(" alice@CIC"), self.screen.rows)
            began = time.process_time()
            self.type("x" * 10)
            self.assertLess(time.process_time() - began, 1)
            self.assertEqual(self.screen.rows[-1][-10:], "x" * 10)
            self.type("\x03")
            self.assertEqual(self.prompt, "bob@CIC>")

    def test_it_is_asked_about_in_forty_columns(self) -> None:
        self.console.screen.app.output.get_size = lambda: self.screen.size()  # type: ignore[method-assign]
        self.screen.resize(40, 10)
        self.paste("um\ndois")
        self.assertEqual(
            self.screen.rows[-5:-2],
            [
                "2 lines for [bob@CIC]: Ctrl-O as one",
                "message, Ctrl-E one by one, Esc not at",
                "all",
            ],
        )


class LineTests(ConsoleCase):
    skip = MISSING or None

    def test_alt_enter_makes_a_new_line_in_one_message(self) -> None:
        self.type("/to bob@CIC\rum\x1b")
        self.in_one_piece("\x1b\r")
        self.type("dois\x1b\rtrês")
        self.assertEqual(self.screen.rows[-3:], ["bob@CIC> um", "dois", "três"])
        self.type("\r")
        self.assertEqual(self.town.seen(self.other("bob")).texts, ["um\ndois\ntrês"])
        self.assertEqual(self.prompt, "bob@CIC>")

    def test_a_text_may_begin_with_a_slash(self) -> None:
        self.type("/to bob@CIC\r//me too\r/etc/hosts is it\r/etc\r///\r")
        self.assertEqual(
            self.town.seen(self.other("bob")).texts, ["/me too", "/etc/hosts is it", "//"]
        )
        self.assertIn("there is no command /etc", "\n".join(self.messages))

    def test_tab_completes_names_in_text(self) -> None:
        for typed, completed in (
            ("bo", "> bob: x"),
            ("olá bo", "> olá bob x"),
            ("olá, CA", "> olá, carol x"),
            ("/msg bob@CIC ask ca", "> /msg bob@CIC ask carol x"),
            ("/pub * bo", "> /pub * bob x"),
            ("nobody called z", "> nobody called zx"),
        ):
            for keys in (typed, "\t", "x"):
                self.type(keys)
            self.assertEqual(self.prompt, completed)
            self.type("\x03")


class ReceivedTests(ConsoleCase):
    skip = MISSING or None

    def test_new_lines_and_tabs_are_shown_as_such(self) -> None:
        self.hear("bob", "um\n\tdois\r\n\ntrês\tx\n\n")
        self.assertEqual(
            self.screen.rows[-6:-2],
            ["12:00 [bob@CIC] um", "            dois", "", "        três    x"],
        )

    def test_a_further_line_is_nothing_but_text(self) -> None:
        self.hear("bob", "um\n12:00 [carol@CIC] forged\n* forged\n\r12:00 x\n\x1b[2Jx\u2028y")
        shown = self.screen.rows[-7:-2]
        self.assertEqual(shown[0], "12:00 [bob@CIC] um")
        self.assertTrue(all(row.startswith("        ") for row in shown[1:]), shown)
        self.assertIn("\\x1b[2Jx\\u2028y", shown[-1])

    def test_a_screen_of_nothing_is_counted(self) -> None:
        self.hear("carol", "oi")
        self.hear("bob", "a" + "\n" * 5 + "b" + "\n \t" * 500 + "\nc" + "\n" * 200)
        shown = [row.strip() for row in self.screen.rows[:-2]]
        at = shown.index("12:00 [carol@CIC] oi") + 1
        expected = ["12:00 [bob@CIC] a", *[""] * 4, "b", "", "(+498 new lines)", "c"]
        self.assertEqual(shown[at:], expected)

    def test_a_long_text_is_parted_between_its_lines(self) -> None:
        text = "\n".join(f"linha {number:03}" for number in range(300))
        self.hear("bob", text)
        shown: list[str] = []
        for _ in range(18):
            shown = [row.strip() for row in self.screen.rows[:-2]] + shown
            self.type("\x1b[5~")
        for number in range(1, 300):
            self.assertIn(f"linha {number:03}", shown)
        self.assertFalse([row for row in shown if "\\n" in row])

"""The full console on a screen of text: keys, pastes, sizes, and leaving."""

from __future__ import annotations

import signal
from typing import Any

from twisted.internet.defer import fail

from p2pchat.speech import use
from tests.support.terminals import MISSING, ConsoleCase


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
        for typed, offered in (("/log \t", "WARNING"), ("/help c\t", "the links: direction")):
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
        self.assertIn("[alice@CIC], port 4000", self.messages[0])
        self.type("\x1b[1;5F")
        self.assertEqual(self.messages[-1], "line 100")


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
        self.assertEqual(self.bar, " alice registered [bob@CIC] [carol@…] 1!")
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
        self.assertEqual(words, ["not delivered to [bob@CIC]: left before the ACK came\r\n"])

    def test_that_is_told_in_every_language(self) -> None:
        use("pt_BR")
        self.addCleanup(use, "en")
        self.town.kill(self.other("bob"))
        self.type("/msg bob@CIC oi\r")
        self.town.leave(self.alice)
        self.idle()
        words: list[str] = []
        self.console._terminal = Restored(words)  # type: ignore[assignment]
        self.stop()
        told = "não entregue a [bob@CIC]: o nó saiu antes de chegar o ACK\r\n"
        self.assertEqual(words, [told])

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
        self.patch(self.alice.presence, "discover", lambda **_: fail(ZeroDivisionError()))
        self.type("/peers\r")
        self.assertIn("a fault of ours", self.messages[-1])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

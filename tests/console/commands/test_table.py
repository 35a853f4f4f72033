"""The command table: right and wrong lines, /help, and which lines need peers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from p2pchat.console.commands import table
from p2pchat.console.commands.table import COMMANDS
from p2pchat.console.replies import Reply
from p2pchat.logs.levels import get_level
from p2pchat.wire.text import printable
from tests.support.typed_commands import CommandCase


class TableTests(CommandCase):
    def test_wrong_use_gets_the_usage_line(self) -> None:
        for line in (
            "/peers CIC",
            "/peers * #CIC",
            "/msg",
            "/msg bob@CIC",
            "/msg bob@CIC ",
            "/msg bob@CIC   ",
            "/pub",
            "/pub *",
            "/pub * ",
            "/pub CIC hi",
            "/conn all",
            "/rtt bob@CIC",
            "/reconnect bob@CIC",
            "/log",
            "/log loud",
            "/quit now",
        ):
            self.assertUsage(line)

    def test_a_usage_line_names_its_command_and_arguments(self) -> None:
        self.assertEqual(self.reply("/msg").lines, ["usage: /msg <peer_id> <message>"])

    def test_text_is_not_sent(self) -> None:
        link = self.node.meets("bob@CIC")
        reply = self.reply("hello bob")
        self.assertIn("nothing was sent", reply.lines[0])
        self.assertEqual((len(reply.lines), reply.ok, link.lines), (1, False, []))

    def test_an_empty_line_does_nothing(self) -> None:
        for line in ("", " ", "\t "):
            self.assertEqual(self.reply(line), Reply())

    def test_an_unknown_command_gets_a_hint(self) -> None:
        for line, hint in (
            ("/peer", "there is no command /peer: did you mean /peers?"),
            ("/MGS bob@CIC hi", "there is no command /MGS: did you mean /msg?"),
            ("/xyzzy", "there is no command /xyzzy: /help lists them all"),
            ("/", "there is no command /: /help lists them all"),
            ("/help peer", "there is no command /peer: did you mean /peers?"),
        ):
            reply = self.reply(line)
            self.assertEqual((reply.lines, reply.ok), ([hint], False))

    def test_names_are_case_insensitive_and_white_space_is_tolerated(self) -> None:
        for line in ("/QUIT", "  /quit", "/Quit  ", "\t/quit"):
            self.assertEqual(self.reply(line), Reply(leave=True))

    def test_help_lists_every_command(self) -> None:
        lines = self.reply("/help").lines
        self.assertEqual(len(lines), len(COMMANDS))
        for command, line in zip(COMMANDS, lines, strict=True):
            self.assertTrue(line.startswith(command.usage))
            self.assertTrue(line.endswith(command.summary))

    def test_help_of_one_command(self) -> None:
        for line in ("/help msg", "/HELP /MSG"):
            self.assertEqual(
                self.reply(line).lines,
                ["/msg <peer_id> <message>: send to one peer, and tell when it arrived"],
            )

    def test_log_sets_the_level(self) -> None:
        self.patch(table, "log_paths", list)
        reply = self.reply("/log debug ")
        self.assertEqual((reply.lines, get_level()), (["the log's level is DEBUG"], "DEBUG"))
        self.assertIn("it is DEBUG now", self.reply("/log").lines[0])
        self.assertIn("expected one of DEBUG", self.reply("/log x").lines[0])
        self.patch(table, "log_paths", lambda: ["/home/a/\x1b.log"])
        shown = "the log's level is INFO: /home/a/\\x1b.log"
        self.assertEqual(self.reply("/log info").lines, [shown])

    def test_reconnect_tells_how_many(self) -> None:
        for absent, text in (
            (0, "there is nobody to dial"),
            (1, "dialing 1 peer"),
            (2, "dialing 2 peers"),
        ):
            self.node.mesh.absent = absent
            self.assertEqual(self.reply("/reconnect").lines, [text])

    @given(st.text())
    def test_no_line_raises_and_every_reply_is_printable(self, text: str) -> None:
        for line in (text, f"/{text}", f"/msg {text}", f"/pub {text}", f"/help {text}"):
            answer = self.commands.run(line)
            if not isinstance(answer, Deferred):
                self.assertEqual([*answer.lines], [*map(printable, answer.lines)])


class ReadinessTests(CommandCase):
    def test_which_lines_need_peers(self) -> None:
        self.node.meets("bob@CIC")
        for line, at_once in (
            ("/help", True),
            ("/log debug", True),
            ("/quit", True),
            ("hello", True),
            ("", True),
            ("/nonsense", True),
            ("/msg bob@CIC hi", True),
            ("/msg carol@CIC hi", False),
            ("/msg bob hi", False),
            ("/pub * hi", False),
            ("/peers", False),
            ("/conn", False),
            ("/rtt", False),
            ("/reconnect", False),
        ):
            self.assertEqual(self.commands.may_run(line), at_once, line)

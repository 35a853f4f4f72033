"""`p2pchat send`, `peers`, `tail` and the others: what they ask, show and exit with."""

from __future__ import annotations

import io
import json
import os
import sys
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.console.wording import WAITS
from p2pchat.control.client import commands as client_commands
from p2pchat.control.client.commands import run
from p2pchat.control.client.finding import Choice
from p2pchat.control.client.options import parser_of
from p2pchat.control.client.subcommands import SUBCOMMANDS
from p2pchat.control.paths import ControlError
from p2pchat.control.protocol import MAX_TEXT, USUAL_KINDS
from p2pchat.speech import use
from p2pchat.wire.codec import MAX_LINE
from tests.support.control_sockets import asked_of, scripted


class CommandCase(SynchronousTestCase):
    """A test with a node that answers by a script, and its standard streams in memory."""

    def setUp(self) -> None:
        self.streams = {
            name: io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
            for name in ("stdin", "stdout", "stderr")
        }
        for name, stream in self.streams.items():
            self.patch(sys, name, stream)
        self.choices: list[Choice] = []
        self.asked: list[dict[str, Any]] = []

    def text(self, name: str) -> str:
        buffer = self.streams[name].buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue().decode()

    @property
    def shown(self) -> str:
        return self.text("stdout")

    @property
    def complaint(self) -> str:
        return self.text("stderr")

    def type(self, text: str) -> None:
        buffer = self.streams["stdin"].buffer
        assert isinstance(buffer, io.BytesIO)
        buffer.write(text.encode())
        buffer.seek(0)

    def do(self, command: str, *lines: dict[str, Any]) -> int:
        """Run a command; the node says these lines, whatever it is asked."""
        node, theirs = scripted(*lines)
        self.addCleanup(node.close)
        self.addCleanup(theirs.close)

        def found(choice: Choice) -> Any:
            self.choices.append(choice)
            return node

        self.patch(client_commands, "find", found)
        status = run(command.split())
        self.asked = asked_of(theirs)
        return status


class SendTests(CommandCase):
    def test_delivered(self) -> None:
        status = self.do("send bob@CIC oi tudo bem", {"id": 1, "ok": True, "seconds": 0.01})
        self.assertEqual((status, self.shown, self.complaint), (0, "", ""))
        self.assertEqual(self.asked[0]["to"], "bob@CIC")
        self.assertEqual(self.asked[0]["text"], "oi tudo bem")
        self.assertEqual(self.choices, [Choice(None, None, None)])

    def test_from_a_pipe(self) -> None:
        self.type("line one\nolá ✓\n")
        self.do("send bob@CIC -", {"id": 1, "ok": True})
        self.assertEqual(self.asked[0]["text"], "line one\nolá ✓")

    def test_only_on_a_safe_link(self) -> None:
        status = {"id": 1, "ok": True, "policy": "prefer"}
        code = self.do("send --security verified bob oi", status, {"id": 2, "ok": True})
        self.assertEqual(code, 0)
        self.assertEqual([one["do"] for one in self.asked], ["status", "send"])
        self.assertEqual(self.asked[1]["security"], "verified")
        no = {"id": 2, "ok": False, "code": "insecure", "error": "the link is plain"}
        self.assertEqual(self.do("send --security encrypted bob oi", status, no), 1)
        self.assertEqual(self.complaint, "p2pchat: not delivered: the link is plain\n")
        with self.assertRaises(SystemExit):
            parser_of("send").parse_args(["--security", "plain", "bob", "oi"])

    def test_a_node_that_would_not_heed_it_is_asked_for_nothing(self) -> None:
        status = {"id": 1, "ok": True, "version": "1.0.0"}
        self.assertEqual(self.do("send --security encrypted bob oi", status), 1)
        self.assertEqual([one["do"] for one in self.asked], ["status"])
        self.assertIn("earlier version", self.complaint)

    def test_not_delivered(self) -> None:
        answer = {"id": 1, "ok": False, "code": "not_delivered", "error": "no ACK within 5 s"}
        self.assertEqual(self.do("send bob@CIC oi", answer), 1)
        self.assertEqual(self.complaint, "p2pchat: not delivered: no ACK within 5 s\n")
        self.assertEqual(self.shown, "")

    def test_kept_for_later(self) -> None:
        answer = {"id": 1, "ok": False, "code": "queued", "error": "it is kept"}
        self.assertEqual(self.do("send bob@CIC oi", answer), 3)
        self.assertEqual(self.complaint, "p2pchat: not delivered yet: it is kept\n")
        answer = {**answer, "code": "not_delivered", "later": True}
        self.assertEqual(self.do("send bob@CIC oi", answer), 3)
        self.assertEqual(self.do("send bob@CIC oi", {**answer, "later": False}), 1)

    def test_a_node_that_ends_before_it_answers_may_have_it(self) -> None:
        node, theirs = scripted()
        theirs.close()
        self.patch(client_commands, "find", lambda _: node)
        self.assertEqual(run(["send", "bob@CIC", "oi"]), 3)
        self.assertIn("may be sent all the same", self.complaint)

    def test_an_answer_for_nobody_ends_the_wait(self) -> None:
        self.assertEqual(self.do("send bob@CIC oi", {"ok": False, "error": "not a request"}), 1)
        self.assertEqual(self.complaint, "p2pchat: not delivered: not a request\n")

    def test_for_programs(self) -> None:
        answer = {"id": 1, "ok": False, "code": "not_sent", "error": "no such peer"}
        self.assertEqual(self.do("send bob@CIC oi --json", answer), 1)
        self.assertEqual(json.loads(self.shown)["code"], "not_sent")

    def test_bytes_that_are_no_text_are_told_at_once(self) -> None:
        for command in (
            "send caf\udce9@CIC oi",
            "send bob@CIC a caf\udce9",
            "peers #\udce9",
            "status --name \udce9",
            "tail --fields \udce9",
        ):
            self.assertEqual(self.do(command), 2)
            self.assertIn("an argument is no UTF-8 text: ", self.complaint)
            self.assertEqual((self.asked, self.choices), ([], []))

    def test_a_path_may_be_any_bytes_and_begin_with_the_home(self) -> None:
        self.do("send bob@CIC oi --control ~/caf\udce9", {"id": 1, "ok": True})
        home = os.path.expanduser("~/caf\udce9")
        self.assertEqual(self.choices, [Choice(home, None, None)])
        copy = parser_of("history").parse_args(["backup", "~/caf\udce9"])
        self.assertEqual(copy.target, home)

    def test_a_history_is_no_node(self) -> None:
        """It would print, or not copy, something else without a word."""
        self.assertEqual(self.do("history --control x"), 2)
        self.assertIn("unrecognized arguments: --control", self.complaint)
        self.assertEqual(self.do("history backup"), 2)
        self.assertIn("backup needs a FILE", self.complaint)

    def test_a_word_that_is_not_understood_moves_no_cursor(self) -> None:
        self.assertEqual(self.do("status \x1b[31m\x1b]0;x\x07"), 2)
        self.assertIn(r"unrecognized arguments: \x1b[31m\x1b]0;x\x07", self.complaint)
        self.assertNotIn("\x1b", self.complaint)

    def test_a_text_that_no_message_can_hold_is_not_even_asked_for(self) -> None:
        self.assertEqual(MAX_TEXT, MAX_LINE)
        self.type("é" * 20_000)
        self.assertEqual(self.do("send bob@CIC -"), 1)
        self.assertEqual(self.asked, [])
        self.assertEqual(
            self.complaint,
            "p2pchat: not delivered: the text is too long: a message has at most 32,768 bytes\n",
        )

    def test_published(self) -> None:
        done = {"id": 1, "ok": True, "peers": 2, "dropped": 0}
        self.assertEqual(self.do("send #CIC oi --json", done), 0)
        self.assertEqual(json.loads(self.shown)["peers"], 2)
        self.assertEqual(self.do("send * oi", {**done, "peers": 0}), 1)
        self.assertIn("nobody is connected", self.complaint)
        self.assertEqual(self.do("send * oi", {**done, "dropped": 1}), 1)
        self.assertIn("not delivered to 1 peer, which does not keep up", self.complaint)

    def test_which_node(self) -> None:
        done = {"id": 1, "ok": True}
        self.do("send bob@CIC oi --name a --namespace b --control /c", done)
        self.assertEqual(self.choices, [Choice("/c", "a", "b")])


class QuestionTests(CommandCase):
    def test_for_a_person(self) -> None:
        for name in ("peers", "conn", "rtt", "stats"):
            self.assertEqual(self.do(name, {"id": 1, "ok": True, "lines": ["a  b", "c\x1b"]}), 0)
            self.assertEqual(self.asked[0]["format"], "text")
        self.assertEqual(self.shown, "a  b\nc\\x1b\n" * 4)

    def test_for_programs(self) -> None:
        for name, key in (("peers", "peers"), ("conn", "links"), ("rtt", "round_trips")):
            self.do(f"{name} --json", {"id": 1, "ok": True, key: [{"peer_id": "bob@CIC"}]})
        self.assertEqual(self.shown, '[{"peer_id": "bob@CIC"}]\n' * 3)
        self.do("peers #CIC --json", {"id": 1, "ok": True, "peers": []})
        self.assertEqual(self.asked[0]["scope"], "#CIC")

    def test_status(self) -> None:
        answer = {"id": 1, "ok": True, "peer_id": "a@b", "known_peers": 3, "trouble": ""}
        self.do("status", answer)
        self.assertEqual(self.shown, "peer id      a@b\nknown peers  3\ntrouble      -\n")

    def test_status_for_programs(self) -> None:
        self.do("status --json", {"id": 1, "ok": True, "peer_id": "a@b"})
        self.assertEqual(json.loads(self.shown), {"peer_id": "a@b"})

    def test_no_node(self) -> None:
        def nobody(choice: Choice) -> Any:
            raise ControlError("no node of yours is running")

        self.patch(client_commands, "find", nobody)
        self.assertEqual(run(["peers"]), 1)
        self.assertEqual(self.complaint, "p2pchat: no node of yours is running\n")

    def test_a_reader_that_went_away(self) -> None:
        def gone(choice: Choice) -> Any:
            raise BrokenPipeError

        self.patch(client_commands, "find", gone)
        self.patch(os, "dup2", lambda *_: None)
        self.assertEqual(run(["peers"]), 0)

    def test_ctrl_c(self) -> None:
        def interrupted(choice: Choice) -> Any:
            raise KeyboardInterrupt

        self.patch(client_commands, "find", interrupted)
        self.assertEqual(run(["peers"]), 130)
        self.assertEqual(run(["tail"]), 0)


class TailTests(CommandCase):
    EVENTS = (
        {"event": "message", "from": "bob@CIC", "to": "alice@CIC", "text": "oi\ta", "msg_id": "1"},
        {"event": "peer", "peer_id": "bob@CIC", "status": "STALE"},
        {"event": "stopping"},
    )

    def test_for_a_person(self) -> None:
        answers = {"id": 1, "ok": True}, {"id": 2, "ok": True}
        self.assertEqual(self.do("tail", *answers, *self.EVENTS), 0)
        self.assertEqual(self.shown, "[bob@CIC] oi\\ta\n* [bob@CIC] is STALE\n")
        self.assertIn("the node stops", self.complaint)
        self.assertEqual(self.asked[1]["events"], [*USUAL_KINDS])

    def test_of_whom_the_person_ignores(self) -> None:
        event = {"event": "peer", "peer_id": "m@CIC", "status": "CONNECTED", "ignored": True}
        answers = {"id": 1, "ok": True}, {"id": 2, "ok": True}
        self.do("tail", *answers, event, *self.EVENTS)
        self.assertEqual(len(self.shown.splitlines()), 2)

    def test_a_node_that_encrypts_has_a_column_for_it(self) -> None:
        status = {"id": 1, "ok": True, "fingerprint": "Y3YW-Z254-ZYFB-5S3W", "policy": "prefer"}
        self.do("tail", status, {"id": 2, "ok": True}, *self.EVENTS)
        self.assertIn("~[bob@CIC] oi\\ta\n", self.shown)

    def test_for_programs(self) -> None:
        self.do("tail --json --events message,peer", {"id": 1, "ok": True}, *self.EVENTS)
        lines = [json.loads(line) for line in self.shown.splitlines()]
        self.assertEqual(lines, [*self.EVENTS[:2]])
        self.assertEqual(self.asked[0]["events"], ["message", "peer"])

    def test_for_shells(self) -> None:
        self.do("tail --fields from,text,nothing", {"id": 1, "ok": True}, *self.EVENTS)
        self.assertEqual(self.shown, "bob@CIC\toi\\ta\t\n\t\t\n")

    def test_the_node_dies(self) -> None:
        node, theirs = scripted({"id": 1, "ok": True})
        theirs.close()
        self.patch(client_commands, "find", lambda choice: node)
        self.assertEqual(run(["tail"]), 1)
        self.assertIn("p2pchat: the", self.complaint)


class OrderTests(CommandCase):
    def test_reload(self) -> None:
        self.assertEqual(self.do("reload", {"id": 1, "ok": True, "lines": ["done"]}), 0)
        self.assertEqual(self.shown, "done\n")

    def test_stop_waits_until_it_has_stopped(self) -> None:
        node, theirs = scripted({"id": 1, "ok": True}, {"event": "stopping"})
        theirs.shutdown(1)
        self.addCleanup(theirs.close)
        self.patch(client_commands, "find", lambda choice: node)
        self.assertEqual(run(["stop"]), 0)
        self.assertEqual(asked_of(theirs)[0]["do"], "stop")

    def test_attach_is_another_rooms_business(self) -> None:
        from p2pchat.control.client import attach

        self.patch(attach, "attach", lambda node: 3)
        self.assertEqual(self.do("attach"), 3)

    def test_completion(self) -> None:
        self.do("completion peers", {"id": 1, "ok": True, "peers": [{"peer_id": "bob@CIC"}]})
        self.assertEqual(self.shown, "bob@CIC\n")
        self.assertIs(self.asked[0]["ask"], False)
        for shell in ("bash", "zsh", "fish"):
            self.assertEqual(self.do(f"completion {shell}"), 0)
        self.assertIn("complete -F", self.shown)


class HelpTests(CommandCase):
    def leaves(self, *words: str) -> Any:
        return run(words)

    def test_examples_come_first(self) -> None:
        for name, about in SUBCOMMANDS:
            self.assertEqual(self.leaves(name, "--help"), 0)
            text = self.shown[self.shown.index(f"usage: p2pchat {name}") :]
            self.assertIn(about[1:], text)
            self.assertLess(text.index("Examples:"), text.index("options:"))

    def test_what_is_not_understood(self) -> None:
        self.assertEqual(self.leaves("send"), 2)
        self.assertEqual(self.leaves("peers", "--jsn"), 2)
        self.assertEqual(self.leaves("completion", "cmd"), 2)


class LanguageTests(CommandCase):
    """The same in Portuguese; what programs read stays as it is."""

    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(use, "en")

    def test_what_became_of_a_message(self) -> None:
        error = {"id": 1, "ok": False, "code": "queued", "error": "espera"}
        self.assertEqual(self.do("send --language pt_BR --json bob@CIC oi", error), WAITS)
        self.assertEqual(self.complaint, "p2pchat: ainda não entregue: espera\n")
        self.assertEqual(json.loads(self.shown)["code"], "queued")

    def test_numbers_of_peers(self) -> None:
        for dropped, sentence in ((1, "a 1 peer, que não dá"), (2, "a 2 peers, que não dão")):
            answer = {"id": 1, "ok": True, "peers": 3, "dropped": dropped}
            self.assertEqual(self.do("send --language pt_BR * oi", answer), 1)
            self.assertIn(f"não entregue {sentence} conta\n", self.complaint)

    def test_what_waits(self) -> None:
        row = {"msg_id": "m1", "to": "bob@CIC", "text": "oi", "stage": "on_its_way"}
        answer = {"id": 1, "ok": True, "messages": [row], "more": False}
        self.assertEqual(self.do("outbox --language pt_BR", answer), 0)
        self.assertTrue(self.shown.endswith("  para [bob@CIC]: oi  (a caminho)\n"), self.shown)

    def test_status(self) -> None:
        answer = {"id": 1, "ok": True, "peer_id": "a@b", "registered": True, "of_later": "x"}
        self.do("status --language pt_BR", answer)
        self.assertEqual(self.shown, "peer_id     a@b\nregistrado  sim\nof later    x\n")

    def test_completion_is_the_same(self) -> None:
        for shell in ("bash", "zsh", "fish"):
            self.do(f"completion {shell}")
            english = self.shown
            self.do(f"completion {shell} --language pt_BR")
            self.assertEqual(self.shown, 2 * english)
            self.streams["stdout"].seek(0)
            self.streams["stdout"].truncate()

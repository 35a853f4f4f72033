"""The script `p2pchat`: who gets the words, and what is imported for it."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.control.client import commands as client_commands
from p2pchat.control.client.subcommands import SUBCOMMANDS
from p2pchat.service import chat as tap
from p2pchat.service import script as cli
from tests.support.processes import ROOT


class DispatchTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.ran: list[Any] = []

        def node(words: list[str]) -> None:
            self.ran.append(("node", words))
            raise SystemExit(5)

        def client(words: list[str]) -> int:
            self.ran.append(("client", words))
            return 7

        self.addCleanup(gc.enable)  # what a node's start turns off
        self.patch(tap, "main", node)
        self.patch(client_commands, "run", client)

    def status(self, *words: str) -> Any:
        with self.assertRaises(SystemExit) as caught:
            cli.main(words)
        return caught.exception.code

    def test_a_node(self) -> None:
        for words in ((), ("--name", "peers"), ("nonsense",)):
            self.assertEqual(self.status(*words), 5)
            self.assertEqual(self.ran[-1], ("node", [*words]))

    def test_a_word_with_a_node(self) -> None:
        for name, _ in SUBCOMMANDS:
            self.assertEqual(self.status(name, "--json"), 7)
            self.assertEqual(self.ran[-1], ("client", [name, "--json"]))

    def test_the_process_s_own_words(self) -> None:
        self.patch(sys, "argv", ["p2pchat", "peers"])
        with self.assertRaises(SystemExit):
            cli.main()
        self.assertEqual(self.ran, [("client", ["peers"])])


class ImportTests(SynchronousTestCase):
    def imported(self, statement: str) -> set[str]:
        code = f"import sys; {statement}; print(*sys.modules)"
        found = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
        )
        return set(found.stdout.split())

    def test_a_client_imports_no_twisted(self) -> None:
        names = self.imported(
            "import p2pchat.service.script; from p2pchat.control.client import attach, commands"
        )
        # Some versions of zope's packages make every Python begin with an empty `zope`.
        self.assertEqual({name for name in names if name.startswith(("twisted", "zope."))}, set())

    def test_a_node_imports_no_client(self) -> None:
        names = self.imported("import p2pchat.service.script, p2pchat.service.chat")
        for name in (
            "argparse",
            "p2pchat.control.client.commands",
            "p2pchat.service.metrics",
        ):
            self.assertNotIn(name, names)


class LastMomentTests(SynchronousTestCase):
    def test_a_reload_that_comes_too_late_ends_nothing(self) -> None:
        code = (
            "import atexit, signal; from p2pchat.service.script import main; "
            "atexit.register(lambda: print(signal.getsignal(signal.SIGHUP).name)); "
            "main(['--history', 'none', '--control', 'off', '--port', '0', '--log-file', '-'])"
        )
        found = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, input="/quit\n", capture_output=True, text=True
        )
        self.assertEqual(found.returncode, 0, found.stderr)
        self.assertEqual(found.stdout.splitlines()[-1], "SIG_IGN")


class StandardStreamTests(SynchronousTestCase):
    """Whatever standard input, output and error are: a sentence or silence, never a traceback."""

    def left(self, command: str) -> tuple[int, str]:
        code = "import sys; from p2pchat.service.script import main; main(sys.argv[1:])"
        line = command.replace("p2pchat", f"{sys.executable} -c '{code}'", 1)
        found = subprocess.run(
            ["bash", "-c", f"set -o pipefail; {line}"],
            cwd=ROOT,
            env={**os.environ, "XDG_RUNTIME_DIR": "/nonexistent"},
            capture_output=True,
            text=True,
        )
        self.assertNotIn("Traceback", found.stderr, command)
        self.assertNotIn("Exception ignored", found.stderr, command)
        return found.returncode, found.stderr

    def test_output_that_cannot_be_written(self) -> None:
        for words in ("--version", "--help", "send --help", "completion bash"):
            for where, why in ((">&-", "Bad file"), (">/dev/full", "No space left")):
                status, said = self.left(f"p2pchat {words} {where}")
                self.assertEqual(status, 1, words)
                self.assertIn(f"standard output: {why}", said)

    def test_a_reader_that_goes(self) -> None:
        for words in ("--help", "completion bash"):
            self.assertEqual(self.left(f"p2pchat {words} | true"), (0, ""))

    def test_nobody_to_tell(self) -> None:
        for words, status in (("status", 1), ("send", 2), ("--bogus", 2), ("--version", 1)):
            self.assertEqual(self.left(f"p2pchat {words} <&- >&- 2>&-"), (status, ""))

"""Completion for shells: bash's is run; the others are read by their shells, where they are."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from p2pchat.control.client.completion import SCRIPTS, node_options
from p2pchat.control.client.subcommands import SUBCOMMANDS
from tests.support.control_sockets import short_folder


class BashTests(SynchronousTestCase):
    def setUp(self) -> None:
        if shutil.which("bash") is None:
            raise SkipTest("there is no bash")
        self.folder = short_folder(self)
        program = Path(self.folder, "p2pchat")
        program.write_text("#!/bin/sh\nprintf 'bob@CIC\\nbia@CIC\\nzo\\303\\251 x@CIC\\n'\n")
        program.chmod(0o700)

    def completed(self, *words: str) -> list[str]:
        script = f'{SCRIPTS["bash"]()}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _p2pchat\n'
        script += "printf '%s\\n' \"${COMPREPLY[@]}\""
        found = subprocess.run(
            ["bash", "-c", script, "bash", "p2pchat", *words],
            env={**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=True,
        )
        self.assertEqual(found.stderr, "")
        return found.stdout.split("\n")[:-1]

    def test_commands(self) -> None:
        self.assertEqual(self.completed("st"), ["status", "stats", "stop"])
        self.assertEqual(len(self.completed("")), len(SUBCOMMANDS))

    def test_options_of_a_node(self) -> None:
        self.assertEqual(self.completed("--rendezvous-p"), ["--rendezvous-port"])
        self.assertIn("--max-links", self.completed("--name", "x", "--max-l"))

    def test_values(self) -> None:
        self.assertEqual(self.completed("--log-level", "WA"), ["WARNING"])
        self.assertEqual(self.completed("--name", ""), [""])
        self.assertEqual(
            self.completed("--config", f"{self.folder}/p2"), [f"{self.folder}/p2pchat"]
        )

    def test_peers_are_asked_of_the_node(self) -> None:
        self.assertEqual(self.completed("send", "b"), ["bob@CIC", "bia@CIC"])
        self.assertEqual(self.completed("send", "zo"), ["zoé x@CIC"])
        self.assertEqual(self.completed("send", "bob@CIC", "--na"), ["--name", "--namespace"])

    def test_shells(self) -> None:
        self.assertEqual(self.completed("completion", ""), ["bash", "zsh", "fish"])


class OtherShellTests(SynchronousTestCase):
    def test_every_command_and_option_is_in_each_script(self) -> None:
        for shell, script in SCRIPTS.items():
            for name, _ in SUBCOMMANDS:
                self.assertIn(name, script(), shell)
            for option, _, _ in node_options():
                self.assertIn(option, script(), shell)

    def check(self, shell: str, *options: str) -> None:
        if shutil.which(shell) is None:
            raise SkipTest(f"there is no {shell}")
        path = Path(self.mktemp())
        path.write_text(SCRIPTS[shell]())
        found = subprocess.run([shell, *options, str(path)], capture_output=True, text=True)
        self.assertEqual((found.returncode, found.stderr), (0, ""))

    def test_zsh_reads_it(self) -> None:
        self.check("zsh", "-n")

    def test_fish_reads_it(self) -> None:
        self.check("fish", "--no-execute")

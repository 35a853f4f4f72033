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

HOSTILE = (
    "$(touch TRAP)@k",
    "`touch TRAP`@k",
    "x;touch TRAP;@k",
    "x&touch TRAP&@k",
    "x|touch TRAP@k",
    "x>TRAP@k",
    "'$(touch TRAP)'@k",
    '"$(touch TRAP)"@k',
    "\\$(touch TRAP)@k",
    "${x:-$(touch TRAP)}@k",
    "{a,b}@k",
    "~root@k",
    "*@k",
    "!!@k",
    "a b\\@k",
)
"""Names of strangers that would be commands, if a shell read them."""


class BashTests(SynchronousTestCase):
    def setUp(self) -> None:
        if shutil.which("bash") is None:
            raise SkipTest("there is no bash")
        self.folder = short_folder(self)
        program = Path(self.folder, "p2pchat")
        program.write_text(f"#!/bin/sh\ncat '{self.folder}/peers'\n")
        program.chmod(0o700)
        self.offer("bob@CIC", "bia@CIC", "zoé x@CIC")

    def offer(self, *names: str) -> None:
        """Have the program know these peers."""
        Path(self.folder, "peers").write_text("".join(f"{name}\n" for name in names))

    def completed(self, *words: str) -> list[str]:
        script = f'{SCRIPTS["bash"]()}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _p2pchat\n'
        script += "printf '%s\\n' \"${COMPREPLY[@]}\""
        found = subprocess.run(
            ["bash", "-c", script, "bash", "p2pchat", *words],
            env={
                **os.environ,
                "PATH": f"{self.folder}:{os.environ['PATH']}",
                "LC_ALL": "C.UTF-8",
            },
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
        self.assertEqual(self.completed("send", "zo"), ["zoé\\ x@CIC"])
        self.assertEqual(self.completed("send", "zoé\\ "), ["zoé\\ x@CIC"])
        self.assertEqual(self.completed("send", "bob@CIC", "--na"), ["--name", "--namespace"])

    def test_shells(self) -> None:
        self.assertEqual(self.completed("completion", ""), ["bash", "zsh", "fish"])

    def test_keys(self) -> None:
        self.assertEqual(self.completed("keys", ""), ["list", "export", "import", "rotate"])
        found = self.completed("keys", "import", f"{self.folder}/p2")
        self.assertEqual(found, [f"{self.folder}/p2pchat"])
        self.assertEqual(self.completed("keys", "list", "--na"), ["--name", "--namespace"])

    def test_no_name_of_a_stranger_is_run(self) -> None:
        """Neither when it is completed nor when Enter is pressed on what was completed."""
        for name in HOSTILE:
            trap = Path(self.folder, "trap")
            name = name.replace("TRAP", str(trap))
            self.offer(name)
            for beginning in ("", name[:1], name[:3]):
                found = self.completed("send", beginning)
                self.assertEqual(len(found), 1)
                self.assertFalse(trap.exists(), f"{name}: run by Tab")
                for word in found:
                    entered = subprocess.run(
                        ["bash", "-c", f"printf '%s' {word}"], capture_output=True, text=True
                    )
                    self.assertFalse(trap.exists(), f"{name}: run by Enter")
                    self.assertEqual(entered.stdout, name)

    def test_inside_of_quotes_nothing_is_offered(self) -> None:
        self.offer("$(touch /nowhere)@k")
        for beginning in ('"', "'", '"$(', "'$("):
            self.assertEqual(self.completed("send", beginning), [""])

    def test_a_file_whose_name_is_a_command_is_only_a_file(self) -> None:
        trap = Path(self.folder, "$(touch trap) * x")
        trap.write_text("")
        found = self.completed("--config", f"{self.folder}/$")
        self.assertEqual(found, [str(trap)])
        self.assertFalse(Path(self.folder, "trap").exists())


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

"""`p2pchat check`: all that is wrong with a configuration, at once."""

from __future__ import annotations

import json
import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.control.client.commands import run
from p2pchat.settings import examining
from p2pchat.settings.examining import Findings, examine
from tests.control.client.test_commands import CommandCase
from tests.support.processes import ROOT


class ExamineTests(SynchronousTestCase):
    def examined(self, content: object) -> Findings:
        path = Path(self.mktemp()).resolve()
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))
        path.chmod(0o600)
        return examine(str(path))

    def test_every_wrong_value(self) -> None:
        found = self.examined(
            {
                "limits": {"peer_rate": "x", "max_links": -1, "max_lnks": 3},
                "peer": 5,
                "hooks": {"message": "/no/such/program"},
                "pier": {},
            }
        )
        self.assertEqual(
            [str(error).partition(":")[0] for error in found.errors],
            ["limits.peer_rate", "limits.max_links", "peer", "hooks.message"],
        )
        self.assertEqual(len(found.warnings), 2)
        self.assertIn("did you mean limits.max_links?", str(found.warnings[0]))

    def test_nothing_wrong(self) -> None:
        for path in (ROOT / "config.example.json", ROOT / "examples" / "config.course.json"):
            self.assertEqual(examine(str(path)).errors, [], path)
        self.assertEqual(self.examined({}), ([], []))

    def test_no_configuration_at_all(self) -> None:
        found = examine("/no/such/file")
        self.assertEqual(found.warnings, [])
        (error,) = found.errors
        self.assertEqual(str(error), "/no/such/file: cannot be read: No such file or directory")

    def test_an_extra_that_is_missing(self) -> None:
        self.patch(examining, "find_spec", lambda _: None)
        (error,) = self.examined({"metrics": {"address": "9464"}}).errors
        self.assertIn("an extra that is not installed", str(error))

    def test_a_file_that_others_may_change(self) -> None:
        path = Path(self.mktemp()).resolve()
        path.write_text("{}")
        path.chmod(0o666)
        (warning,) = examine(str(path)).warnings
        self.assertIn("is read only where it is named: everybody may write it", str(warning))


class CheckCommandTests(CommandCase):
    def test_what_it_says_and_exits_with(self) -> None:
        path = Path(self.mktemp()).resolve()
        path.write_text('{"limits": {"peer_rate": "x"}, "x": {}}')
        path.chmod(0o600)
        self.assertEqual(run(["check", str(path)]), 1)
        first, second, last = self.shown.splitlines()
        self.assertTrue(first.startswith("error: limits.peer_rate: expected"), first)
        self.assertRegex(second, r"^warning: \S+: x: unknown setting, ignored$")
        self.assertEqual(last, f"{path}: 1 error, 1 warning")

    def test_the_usual_file(self) -> None:
        folder = Path(self.mktemp()).resolve()
        folder.mkdir(mode=0o700)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(folder)
        (folder / "config.json").write_text("{}")
        (folder / "config.json").chmod(0o600)
        self.assertEqual((run(["check"]), self.shown), (0, "config.json: 0 errors, 0 warnings\n"))

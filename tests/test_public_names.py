"""What `p2pchat` and `p2pchat.testing` offer to other programs."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

from twisted.trial.unittest import SynchronousTestCase

import p2pchat
import p2pchat.bot
import p2pchat.testing
from tests.support.processes import ROOT

PUBLIC: tuple[ModuleType, ...] = (p2pchat, p2pchat.bot, p2pchat.testing)


class PublicNamesTests(SynchronousTestCase):
    def test_each_is_what_its_module_has(self) -> None:
        for package in PUBLIC:
            for name, home in package._HOMES.items():
                module = importlib.import_module(f"{package.__name__}.{home}")
                self.assertIs(getattr(package, name), getattr(module, name))
                self.assertIn(name, dir(package))

    def test_type_checkers_know_the_same_ones(self) -> None:
        for package in PUBLIC:
            source = Path(str(package.__file__)).read_text(encoding="utf-8")
            typed = re.findall(r"^    from p2pchat\.(\S+) import (\w+) as (\w+)$", source, re.M)
            prefix = package.__name__.partition(".")[2]
            self.assertEqual(
                {name: module.removeprefix(f"{prefix}.") for module, _, name in typed},
                package._HOMES,
            )
            self.assertEqual([name for _, name, _ in typed], [name for _, _, name in typed])

    def test_what_there_is_not(self) -> None:
        for package in PUBLIC:
            self.assertRaises(AttributeError, getattr, package, "Nobody")

    def test_all_of_them_at_once(self) -> None:
        for package in PUBLIC:
            found: dict[str, object] = {}
            exec(f"from {package.__name__} import *", found)
            self.assertEqual(found.keys() - {"__builtins__"}, {*package.__all__})

    def test_nothing_is_imported_before_it_is_asked_for(self) -> None:
        code = "import p2pchat.bot, p2pchat.testing, sys; print(*sys.modules)"
        found = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
        )
        ours = [name for name in found.stdout.split() if name.startswith(("p2pchat", "twisted"))]
        self.assertEqual(ours, ["p2pchat", "p2pchat.bot", "p2pchat.testing"])

    def test_examples_and_documents_use_no_others(self) -> None:
        documents = [*Path(ROOT, "docs").glob("*.md"), Path(ROOT, "README.md")]
        for path in (*Path(ROOT, "examples").glob("*.py"), *documents):
            text = path.read_text(encoding="utf-8")
            for module, names in re.findall(r"from (p2pchat\S*) import \(?([\w\s,]+)", text):
                package = sys.modules.get(module)
                self.assertIn(package, PUBLIC, path.name)
                assert package is not None
                for name in re.findall(r"\w+", names.split("\n\n")[0]):
                    self.assertIn(name, package.__all__, path.name)

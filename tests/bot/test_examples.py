"""The tests of the bots in `examples`, as their author runs them."""

from __future__ import annotations

from runpy import run_path
from typing import Any
from unittest import TestCase, TestResult, TestSuite, defaultTestLoader

from twisted.trial.unittest import SynchronousTestCase

from tests.support.processes import ROOT


class ExampleTests(SynchronousTestCase):
    def test_they_pass(self) -> None:
        defined: dict[str, Any] = run_path(str(ROOT / "examples" / "test_bots.py"))
        cases = [
            each
            for each in defined.values()
            if isinstance(each, type) and issubclass(each, TestCase) and each is not TestCase
        ]
        suite = TestSuite(map(defaultTestLoader.loadTestsFromTestCase, cases))
        result = TestResult()
        suite.run(result)
        self.assertEqual([text for _, text in result.failures + result.errors], [])
        self.assertGreaterEqual(result.testsRun, 6)

    def test_the_echo_has_ten_lines(self) -> None:
        """What a reader has to understand: no empty lines, and no words about it."""
        source = (ROOT / "examples" / "ten_line_bot.py").read_text(encoding="utf-8")
        lines = [line for line in source.splitlines() if line and not line.startswith("#")]
        code = [line for line in lines if '"""' not in line]
        self.assertLessEqual(len(code), 10)

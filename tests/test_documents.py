"""The documents name what the code has: requests, events, figures, graver lines of the log."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from p2pchat.control.answers import REQUESTS
from p2pchat.control.protocol import EVENT_KINDS
from tests.support.processes import ROOT

LOGGER = r"(log|limited|remarks)\.(warn|error|failure|critical)$"


def document(name: str) -> str:
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    return " ".join(text.split())


def grave_lines() -> list[tuple[str, str]]:
    """(module, template) of what the program says at WARNING and above."""
    found = []
    for path in sorted(Path(ROOT, "p2pchat").rglob("*.py")):
        if path.parent.name == "testing":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and re.search(LOGGER, ast.unparse(node.func)):
                texts = [each.value for each in node.args if isinstance(each, ast.Constant)]
                found += [(path.name, str(text)) for text in texts if " " in str(text)]
    return found


class DocumentTests(SynchronousTestCase):
    def test_every_request_and_event_is_documented(self) -> None:
        text = document("control.md")
        for name in (*REQUESTS, *EVENT_KINDS):
            self.assertIn(f"| `{name}` |", text)

    def test_every_code_of_an_error_is_documented(self) -> None:
        text = document("control.md")
        sources = "".join(
            path.read_text(encoding="utf-8")
            for path in Path(ROOT, "p2pchat", "control").rglob("*.py")
        )
        codes = set(re.findall(r'(?:RequestError|_refuse)\(\s*"(\w+)"', sources))
        self.assertGreaterEqual(len(codes), 8)
        for code in codes:
            self.assertIn(f"| `{code}` |", text)

    def test_what_each_grave_line_means(self) -> None:
        text = document("operating.md")
        lines = grave_lines()
        self.assertGreaterEqual(len(lines), 30)
        for module, template in lines:
            parts = [part.strip(" :;,.()") for part in re.split(r"\{[^}]*\}", template)]
            longest = max(parts, key=len)
            if longest:
                self.assertIn(longest, text, f"{module}: explain this line in docs/operating.md")

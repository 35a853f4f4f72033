"""The documents name what the code has: requests, events, figures, graver lines of the log."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from benchmarks.ways import ways
from p2pchat.control.answers import REQUESTS
from p2pchat.control.protocol import EVENT_KINDS
from tests.support.processes import ROOT
from tests.test_architecture import ORDER

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

    def test_every_room_is_described(self) -> None:
        text = document("architecture.md")
        for room in (room for rooms in ORDER for room in rooms):
            self.assertRegex(text, rf"\*\*{room}\*\*|{room}\.py")

    def test_the_architecture_names_what_there_is(self) -> None:
        text = document("architecture.md")
        for name in re.findall(r"`((?:[a-z_0-9]+/)+[a-z_0-9]*(?:\.\w+)?)`", text):
            places = [ROOT / name, ROOT / "p2pchat" / name, ROOT / "p2pchat" / f"{name}.py"]
            self.assertTrue(any(place.exists() for place in places), name)

    def test_the_ways_of_a_message_are_as_long_as_they_are_said_to_be(self) -> None:
        text = document("architecture.md")
        for kept in (False, True):
            for way, files in ways(kept=kept).items():
                title = f"{way}, {'kept' if kept else 'nothing kept'}"
                self.assertIn(f"| {title} | {len(files)} |", text)

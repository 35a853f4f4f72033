"""The documents name what the code has: codes, alerts, rooms, graver lines of the log."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from benchmarks.ways import ways
from p2pchat.console.commands.table import COMMANDS
from p2pchat.control.client.subcommands import SUBCOMMANDS
from p2pchat.control.protocol import EVENT_KINDS, USUAL_KINDS
from p2pchat.mesh.identity import key_words
from p2pchat.mesh.identity.key_text import read_fingerprint
from p2pchat.mesh.identity.pin import Change, Hold, Pin
from p2pchat.mesh.identity.pin_file import open_pins
from p2pchat.mesh.identity.refused_keys import RefusedKey
from p2pchat.mesh.identity.trust import Policy
from p2pchat.mesh.pairing.words import Why, giver_failed
from p2pchat.node.observers import INodeObserver
from p2pchat.settings.values import SecuritySettings
from p2pchat.speech import Sentence
from tests.support.pin_disks import ALICE, PATH, FakePinDisk
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
            if isinstance(node, ast.Call) and is_grave(node):
                # Before it stands the kind by which it is limited.
                text = max(map(template, node.args), key=len)
                found += [(path.name, text)] if " " in text.strip() else []
    return found


def is_grave(call: ast.Call) -> bool:
    """Whether a call logs at WARNING or above, or has it logged."""
    name, level = ast.unparse(call.func), ast.unparse(call.args[0]) if call.args else ""
    if re.search(LOGGER, name) or name.endswith("_remark"):
        return True
    return bool(re.search(r"\bRemark$|\.emit$", name) and re.search("warn|error", level))


def template(text: ast.expr) -> str:
    """A text, with `{}` for what is filled in; empty for anything else."""
    if isinstance(text, ast.JoinedStr):
        return "".join(map(template, text.values))
    if isinstance(text, ast.FormattedValue):
        return "{}"
    return text.value if isinstance(text, ast.Constant) and isinstance(text.value, str) else ""


def alerts() -> list[str]:
    """What the person may be told about keys."""
    refused = [RefusedKey(b"r" * 32, "43BR-PSGF-CXHA-E2KX", 0.0, "10.0.0.9")]
    pin = Pin("bob@CIC", "Y3YW-Z254-ZYFB-5S3W", b"k" * 32, 0.0, 0.0, hold=Hold.BY_PERSON)
    change = Change(next=b"n" * 32, second=b"s" * 32, former=b"r" * 32, moved=1.0)
    moved = Pin("bob@CIC", pin.chosen, pin.key, 0.0, 0.0, hold=Hold.BY_PERSON, change=change)
    put = Change(former=change.former)
    chosen = Pin("bob@CIC", pin.chosen, pin.key, 0.0, 0.0, hold=Hold.BY_PERSON, change=put)
    told: list[Sentence | str] = []
    open_pins(FakePinDisk(), PATH, ALICE, told.append)
    told += [
        key_words.other_key(pin, refused, 0.0),
        key_words.other_key(moved, refused, 0.0),
        key_words.other_key(chosen, refused, 0.0),
        key_words.rotated(moved, change),
        key_words.two_next(moved, change),
        key_words.no_key(pin, 0.0),
        key_words.second("bob@CIC", "10.0.0.5", refused),
        key_words.refuses_us("bob@CIC", "alice@CIC", "Y3YW-Z254-ZYFB-5S3W"),
        key_words.own_key_elsewhere("alice@CIC", "10.0.0.5"),
        key_words.new_own_key("alice@CIC", "Y3YW-Z254-ZYFB-5S3W", replaces=True),
        giver_failed("bob@CIC", Why.FAILED),
    ]
    return [str(it) for it in told]


class DocumentTests(SynchronousTestCase):
    def test_every_code_of_an_error_is_documented(self) -> None:
        text = document("control.md")
        sources = "".join(
            path.read_text(encoding="utf-8")
            for path in Path(ROOT, "p2pchat", "control").rglob("*.py")
        )
        codes = set(re.findall(r'(?:RequestError|_refuse)\(\s*"(\w+)"', sources))
        self.assertGreaterEqual(len(codes), 8)
        for code in codes:
            self.assertTrue(f"| `{code}` |" in text, f"add a row to docs/control.md: `{code}`")

    def test_what_each_grave_line_means(self) -> None:
        text = document("operating.md")
        lines = grave_lines()
        self.assertGreaterEqual(len(lines), 30)
        for module, template in lines:
            parts = [part.strip(" :;,.()") for part in re.split(r"\{[^}]*\}", template)]
            longest = max(parts, key=len)
            if longest:
                step = "add a row to docs/operating.md, What WARNING and ERROR mean"
                self.assertTrue(longest in text, f"{module}: {step}: `{template}`")

    def test_the_alerts_are_those_that_are_told(self) -> None:
        text = document("security.md")
        told = alerts()
        quoted = re.findall(r"\| `([^`|]*…[^`|]*)` \|", text.partition("## An alert")[2])
        self.assertEqual(len(quoted), len(told))
        for quote in quoted:
            pattern = ".*".join(map(re.escape, quote.split("…")))
            self.assertEqual(len([one for one in told if re.match(pattern, one)]), 1, quote)

    def test_what_can_be_typed_about_keys(self) -> None:
        text = document("security.md")
        words = set(re.findall(r"`/(\w+)", text))
        self.assertLessEqual({"verify", "pair", "trust", "keys"}, words)
        self.assertEqual(words - {command.name for command in COMMANDS}, set())
        for typed in re.findall(r"`/(?:verify|trust) [^`\s]+ ([^`]+)`", text):
            self.assertEqual(read_fingerprint(typed), typed)
        for word in re.findall(r"`p2pchat (\w+)", text):
            self.assertIn(word, dict(SUBCOMMANDS))

    def test_the_settings_of_security(self) -> None:
        text = document("security.md")
        for name in SecuritySettings.__struct_fields__:
            self.assertIn(f"| `security.{name}`", text)
        for policy in Policy:
            self.assertIn(f"| `{policy.value}`", text)

    def test_the_events_stand_in_one_table_and_in_their_order(self) -> None:
        """The first seven are those that a client gets without asking for kinds."""
        text = (ROOT / "docs" / "control.md").read_text(encoding="utf-8")
        table = re.search(r"^\| `event` \|.*\n\|.*\n((?:\|.*\n)+)", text, re.M)
        assert table is not None
        self.assertEqual(re.findall(r"^\| `(\w+)`", table[1], re.M), [*EVENT_KINDS])
        self.assertEqual(len(USUAL_KINDS), 7)

    def test_every_method_of_an_observer_is_described(self) -> None:
        text = document("api.md")
        for method in INodeObserver:
            self.assertTrue(f"`{method}(" in text, f"add a row to docs/api.md: `{method}`")

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

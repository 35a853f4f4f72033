"""The recipes of CONTRIBUTING.md: each test here fails for a step that was left out, and names it.

A recipe is a list of files for one kind of change. Who adds a command, a setting, a type of
message, a request or an event, and forgets one of the files, is told which one is next.
"""

from __future__ import annotations

import ast
import json
import re
from typing import get_args

from twisted.internet.task import Clock

from p2pchat.console.commands.table import COMMANDS
from p2pchat.control.answers import REQUESTS
from p2pchat.control.client.event_lines import event_line
from p2pchat.control.protocol import EVENT_KINDS
from p2pchat.node.node import ChatNode
from p2pchat.node.observers import INodeObserver, Observer, Observers
from p2pchat.rendezvous import requests
from p2pchat.settings.table import SETTINGS, Setting
from p2pchat.testing.nodes import FakeTown
from p2pchat.wire import codec, states
from tests.support.consoles import FakeNode
from tests.support.processes import ROOT
from tests.support.recipes import EXAMPLE, KINDS, USERS, RecipeCase, text_of
from tests.together import test_faults_peers
from tests.wire import test_codec, test_states


class CommandTests(RecipeCase):
    def test_the_first_page(self) -> None:
        text = text_of("README.md").partition("\n## Commands\n")[2].partition("\n## ")[0]
        for command in COMMANDS:
            step = f"add a row to README.md, Commands: | `{command.usage}` | … |"
            self.assertHas(text, rf"^\|.*`/{command.name}\b", step)

    def test_somebody_types_it(self) -> None:
        text = text_of("tests/console/**/*.py", "tests/together/*.py", "tests/processes/*.py")
        for command in COMMANDS:
            step = f"type /{command.name} in a test in tests/console/commands/"
            self.assertHas(text, rf"/{command.name}\b", step)

    def test_changes(self) -> None:
        self.assertChanges("commands", ((each.name, f"/{each.name}") for each in COMMANDS))

    def test_the_fake_node_has_what_commands_ask_of_a_node(self) -> None:
        fake = FakeNode(Clock())
        # The consoles are tested with whole nodes as well.
        for path in sorted((ROOT / "p2pchat" / "console" / "commands").glob("*.py")):
            for name in asked_of_a_node(path.read_text(encoding="utf-8")):
                step = f"give FakeNode in tests/support/consoles.py a `{name}` ({path.name} asks)"
                self.assertDone(hasattr(fake, name), step)

    def test_the_fake_node_has_nothing_that_a_node_has_not(self) -> None:
        town = FakeTown()
        self.addCleanup(town.close)
        node = town.node("alice@CIC")
        helpers = {"acknowledge", "gives_up_all", "knows", "meets", "loses", "real", "batch"}
        fake = {name for name in dir(FakeNode(Clock())) if not name.startswith("_")}
        self.assertEqual([name for name in fake - helpers if not hasattr(node, name)], [])
        self.assertIsInstance(node, ChatNode)


def asked_of_a_node(source: str) -> set[str]:
    """The attributes of `node`, `self.node` and `self._node` that the source uses."""
    return {
        each.attr
        for each in ast.walk(ast.parse(source))
        if isinstance(each, ast.Attribute)
        and ast.unparse(each.value).rpartition(".")[2] in ("node", "_node")
    }


class SettingTests(RecipeCase):
    def test_the_example(self) -> None:
        for each in SETTINGS:
            value = json.dumps(
                list(each.default) if isinstance(each.default, tuple) else each.default
            )
            step = f'add `"{each.field}": {value}` to config.example.json, `{each.section}`'
            self.assertDone(each.field in EXAMPLE.get(each.section, ()), step)

    def test_somebody_uses_it(self) -> None:
        text = text_of(*(f"p2pchat/{room}/**/*.py" for room in USERS))
        for each in SETTINGS:
            step = f"use `{each.key}`: hand it to who needs it in p2pchat/service/chat.py"
            self.assertHas(text, rf"\.{each.field}\b", step)

    def test_a_document_names_it(self) -> None:
        text = text_of("README.md", "docs/*.md")
        for each in SETTINGS:
            step = f"say in a file in docs/ what `{each.key}` (--{each.option}) is for"
            self.assertHas(text, rf"\b{each.field}\b|--{each.option}\b", step)

    def test_the_help_tells_the_default_once(self) -> None:
        """The table adds it, so that nobody writes another one by hand."""
        for each in SETTINGS:
            if each.default and each.default is not True:
                tail = re.findall(r"\([^)]*\)", each.help)
                self.assertDone(
                    len(tail) == 1, f"leave the default of --{each.option} to the table"
                )

    def test_what_a_reload_changes(self) -> None:
        sentence = re.search(
            r"\. These change at\s+once: (.*?)\. ", text_of("docs/operating.md"), re.S
        )
        assert sentence is not None
        said = {each for each in SETTINGS if changes_at_once(each, sentence[1])}
        for each in SETTINGS:
            what = "name" if each not in said else "take out"
            step = f"{what} `{each.key}` in docs/operating.md, Reload"
            self.assertDone((each in said) is not each.restart, step)

    def test_changes(self) -> None:
        self.assertChanges("settings", ((each.key, f"--{each.option}") for each in SETTINGS))


def changes_at_once(setting: Setting, sentence: str) -> bool:
    """Whether the sentence on reloading counts it: "`a.*` except `b`, `c.d`"."""
    for section, field, rest in re.findall(
        r"`(\w+)\.([\w*]+)`((?: except(?: `\w+`(?: and|,)?)+)?)", " ".join(sentence.split())
    ):
        if section == setting.section and field in ("*", setting.field):
            return f"`{setting.field}`" not in rest
    return False


class MessageTests(RecipeCase):
    def test_it_is_read(self) -> None:
        for name, kind in KINDS.items():
            self.assertDone(
                kind in get_args(codec._Known), f"{name}: p2pchat/wire/codec.py, `_Known`"
            )

    def test_the_states_know_it(self) -> None:
        for name, kind in KINDS.items():
            step = f"{name}: p2pchat/wire/states.py, `_ANY` and `_OPEN`"
            self.assertDone(kind in states.TABLE[states.State.CLOSED], step)

    def test_the_table_of_states_is_tested_with_it(self) -> None:
        for name in KINDS:
            step = f"{name}: a row in tests/wire/test_states.py, `EVENTS` and `TABLE`"
            self.assertDone(name in test_states.EVENTS, step)

    def test_its_line_is_tested(self) -> None:
        written = {type(message) for message, _ in test_codec.EMITTED}
        for name, kind in KINDS.items():
            step = f"{name}: its line in tests/wire/test_codec.py, `EMITTED`"
            self.assertDone(kind in written, step)

    def test_strangers_send_it(self) -> None:
        for name in KINDS:
            step = f"{name}: tests/together/test_faults_peers.py, `TYPES`"
            self.assertDone(name in test_faults_peers.TYPES, step)

    def test_the_fuzzer_knows_it(self) -> None:
        kept = b"\n".join(path.read_bytes() for path in (ROOT / "tests/corpus/wire").iterdir())
        for name in KINDS:
            step = f"{name}: a line of this type in a new file in tests/corpus/wire/"
            self.assertDone(f'"type":"{name}"'.encode() in kept.replace(b": ", b":"), step)

    def test_the_protocol_describes_it(self) -> None:
        text = text_of("docs/protocol.md")
        for name, kind in KINDS.items():
            self.assertHas(text, rf"\b{name}\b", f"describe {name} in docs/protocol.md")
            for field in kind.__struct_fields__:
                self.assertHas(
                    text, rf"\b{field}\b", f"describe {name}, `{field}`, in docs/protocol.md"
                )

    def test_changes(self) -> None:
        self.assertChanges("types", ((name, name) for name in KINDS))


class RequestTests(RecipeCase):
    def test_the_control_socket_s_document(self) -> None:
        text = text_of("docs/control.md")
        for name in REQUESTS:
            self.assertHas(
                text, rf"^\| `{name}` \|", f"add a row to docs/control.md, Requests: `{name}`"
            )

    def test_somebody_asks(self) -> None:
        text = text_of("tests/control/**/*.py", "tests/processes/*.py")
        for name in REQUESTS:
            step = f"ask for `{name}` in a test in tests/control/"
            self.assertHas(text, rf'"{name}"', step)

    def test_changes(self) -> None:
        self.assertChanges("requests", ((name, name) for name in REQUESTS))

    def test_the_rendezvous(self) -> None:
        document, tests = text_of("docs/protocol.md"), text_of("tests/rendezvous/*.py")
        kept = text_of("tests/corpus/request/*", errors="replace")
        for name in requests._CHECKS:
            step = f"describe the request {name} in docs/protocol.md, Peer to rendezvous"
            self.assertHas(document, rf'"type":"{name}"', step)
            step = f"ask for {name} in tests/rendezvous/test_requests.py and test_answers.py"
            self.assertHas(tests, rf'"{name}"', step)
            step = f"put a line with {name} into a new file in tests/corpus/request/"
            self.assertHas(kept, name, step)
        self.assertChanges("rendezvous", ((name, name) for name in requests._CHECKS))


class EventTests(RecipeCase):
    def test_the_control_socket_s_document(self) -> None:
        text = text_of("docs/control.md")
        for kind in EVENT_KINDS:
            self.assertHas(
                text, rf"^\| `{kind}` \|", f"add a row to docs/control.md, Events: `{kind}`"
            )

    def test_it_is_told(self) -> None:
        source = text_of("p2pchat/control/feed.py")
        for kind in EVENT_KINDS:
            step = f'tell "{kind}" in p2pchat/control/feed.py'
            self.assertHas(source, rf'_tell\(\s*"{kind}"', step)

    def test_tail_shows_it(self) -> None:
        for kind in (kind for kind in EVENT_KINDS if kind != "notice"):
            step = f"say `{kind}` in words in p2pchat/control/client/event_lines.py"
            self.assertDone(event_line({"event": kind}) != f"* {kind}", step)

    def test_somebody_hears_it(self) -> None:
        text = text_of("tests/control/**/*.py", "tests/node/*.py", "tests/together/*.py")
        for kind in EVENT_KINDS:
            step = f'hear "{kind}" in tests/control/test_events.py'
            self.assertHas(text, rf'"{kind}"', step)

    def test_every_observer_can_hear_it(self) -> None:
        for name in INodeObserver.names():
            for kind in (Observer, Observers):
                step = f"`{name}` of {kind.__name__} in p2pchat/node/observers.py"
                self.assertDone(name in vars(kind), step)

    def test_changes(self) -> None:
        self.assertChanges("events", ((kind, kind) for kind in EVENT_KINDS))


class BookTests(RecipeCase):
    """CONTRIBUTING.md itself."""

    def test_it_names_files_that_there_are(self) -> None:
        for name in re.findall(r"`([\w./]+/[\w.]*)`", text_of("CONTRIBUTING.md")):
            self.assertTrue((ROOT / name).exists(), name)

    def test_each_kind_of_change_has_a_recipe(self) -> None:
        text = text_of("CONTRIBUTING.md")
        for kind in ("command", "setting", "type of message", "request", "event", "grave line"):
            self.assertHas(text, rf"^### .*\b{kind}\b", f"write the recipe for a {kind}")

    def test_what_the_quick_check_leaves_out_exists(self) -> None:
        for module in re.findall(r"^tests\.[\w.]+$", text_of("check"), re.M):
            path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
            self.assertTrue(path.exists(), f"take {module} out of SLOW in ./check")

"""Imports go one way: between the rooms, and between what lies inside each of them.

An import that only annotations need counts like any other: a reader needs what it names, too.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from twisted.trial.unittest import SynchronousTestCase

ROOT: Final = Path(__file__).parents[1]
PACKAGE: Final = ROOT / "p2pchat"

ORDER: Final = (
    ("service",),
    ("testing",),
    ("bot",),
    ("web",),
    ("control",),
    ("console",),
    ("node",),
    ("history",),
    ("mesh",),
    ("rendezvous",),
    ("dual_stack", "locks", "sqlite", "turns", "wal"),
    ("disk",),
    ("logs",),
    ("settings",),
    ("wire",),
    ("speech",),
)
"""The rooms from the top floor down: each imports only from those below it."""

# No sockets, no clock, no reactor, not even in an annotation. (stamps has a clock as a default.)
PURE: Final = {
    "wire.address",
    "wire.changes",
    "wire.codec",
    "wire.friends",
    "wire.handshake",
    "wire.identity",
    "wire.liberal",
    "wire.messages",
    "wire.names",
    "wire.networks",
    "wire.outputs",
    "wire.repetitions",
    "wire.session",
    "wire.states",
    "wire.text",
    "settings.checks",
    "settings.reading",
    "settings.table",
    "settings.values",
    "speech",
    "mesh.discovery.schedule",
    "mesh.discovery.scope",
    "mesh.identity.certificates",
    "mesh.identity.key_alerts",
    "mesh.identity.key_text",
    "mesh.identity.key_words",
    "mesh.identity.pin",
    "mesh.identity.pin_writer",
    "mesh.identity.pin_lines",
    "mesh.identity.pin_past",
    "mesh.identity.pins",
    "mesh.identity.refused_keys",
    "mesh.identity.sealing",
    "mesh.identity.trust",
    "mesh.identity.vouching",
    "mesh.link.bucket",
    "mesh.link.handshake_budget",
    "mesh.pairing.codes",
    "mesh.pairing.exchange",
    "mesh.pairing.pairing",
    "mesh.pairing.words",
    "rendezvous.registration",
    "rendezvous.registry",
    "rendezvous.replies",
    "rendezvous.requests",
    "rendezvous.roster",
    "rendezvous.views",
    "rendezvous.selection",
    "rendezvous.stores.redis_address",
    "rendezvous.throttle",
}

# What programs of other people import from: names that are imported when they are asked for.
PUBLIC: Final = {"", "bot", "testing"}

# The words after `p2pchat` ask a running node, and are over before Twisted would be imported.
WITHOUT_TWISTED: Final = "control.client"

# Slow to import: only where the person has asked for it, inside a function.
# (`ssl` takes its time, too, but the reactor has imported it already.)
SLOW: Final = {
    *("asyncio", "cryptography", "multiprocessing", "OpenSSL", "prompt_toolkit"),
    *("prometheus_client", "spake2", "uuid"),
}
MAY_BE_SLOW: Final = ("bot.", "console.full.", "service.metrics", "testing.served_bot")


class Import(NamedTuple):
    """One import: which module, whether annotations alone need it, whether a function does it."""

    target: str
    typing: bool
    late: bool


def name_of(path: Path) -> str:
    name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    return "" if name == "__init__" else name.removesuffix(".__init__")


FILES: Final = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}
PACKAGES: Final = {name_of(path) for path in PACKAGE.rglob("__init__.py")}


def imports_of(module: str) -> list[Import]:
    """Every import in `module`; ours without the prefix, the others by their full names."""
    found: list[Import] = []

    def visit(node: ast.AST, typing: bool, late: bool) -> None:
        if isinstance(node, ast.Import):
            found.extend(Import(alias.name, typing, late) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative imports hide where a name comes from"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                is_module = whole.removeprefix("p2pchat.") in FILES
                found.append(Import(whole if is_module else str(node.module), typing, late))
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for statement in node.body:
                visit(statement, True, late)
            for statement in node.orelse:
                visit(statement, typing, late)
        else:
            late = late or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            for child in ast.iter_child_nodes(node):
                visit(child, typing, late)

    visit(ast.parse(FILES[module].read_text(encoding="utf-8")), False, False)
    return [each._replace(target=each.target.removeprefix("p2pchat.")) for each in found]


IMPORTS: Final = {module: imports_of(module) for module in FILES}
ARROWS: Final = {
    module: {each.target for each in imports if each.target in FILES and each.target != module}
    for module, imports in IMPORTS.items()
}
"""Module -> those of ours that it imports, for whatever reason."""


def circle(arrows: Mapping[str, Iterable[str]]) -> list[str]:
    """The names that are in, or lead only to, some circle; empty when there is none."""
    left = {name: {*targets} - {name} for name, targets in arrows.items()}
    while left:
        free = {name for name, targets in left.items() if not targets & left.keys()}
        if not free:
            return sorted(left)
        left = {name: targets for name, targets in left.items() if name not in free}
    return []


def inside(folder: str, arrows: Mapping[str, Iterable[str]]) -> dict[str, set[str]]:
    """The arrows between what lies in a folder: its modules, and each folder in it as a whole."""
    start = folder + "." if folder else ""

    def entry(module: str) -> str:
        return module.removeprefix(start).split(".")[0]

    found: dict[str, set[str]] = {}
    for module, targets in arrows.items():
        if module.startswith(start) and module not in PACKAGES:
            found.setdefault(entry(module), set()).update(
                entry(target) for target in targets if target.startswith(start)
            )
    return {name: targets - {name} for name, targets in found.items()}


def up(arrows: Mapping[str, Iterable[str]]) -> list[str]:
    """The imports that lead to the same floor or to a higher one."""
    floor = {room: number for number, rooms in enumerate(ORDER) for room in rooms}
    return [
        f"{module} -> {target}"
        for module, targets in arrows.items()
        for target in targets
        if (here := module.split(".")[0]) != (there := target.split(".")[0])
        and here in floor
        and (there not in floor or floor[there] <= floor[here])
    ]


class OrderTests(SynchronousTestCase):
    def test_every_room_has_its_floor(self) -> None:
        rooms = {name.split(".")[0] for name in FILES} - {"", "__main__"}
        self.assertEqual(rooms, {room for rooms in ORDER for room in rooms})

    def test_imports_lead_down(self) -> None:
        self.assertEqual(up(ARROWS), [])

    def test_no_circle_of_modules(self) -> None:
        self.assertEqual(circle(ARROWS), [])

    def test_every_folder_has_an_order_of_its_own(self) -> None:
        for folder in PACKAGES:
            self.assertEqual(circle(inside(folder, ARROWS)), [], f"p2pchat/{folder}")

    def test_packages_import_nothing(self) -> None:
        for package in PACKAGES - PUBLIC:
            self.assertEqual(IMPORTS[package], [], f"p2pchat.{package}")
        for package in PUBLIC:
            at_once = {each.target for each in IMPORTS[package] if not each.typing}
            self.assertEqual(at_once, {"importlib", "typing"}, f"p2pchat.{package}")

    def test_no_room_imports_the_top(self) -> None:
        """`from p2pchat import ...` is for programs that use a node."""
        for module in FILES.keys() - PACKAGES:
            source = FILES[module].read_text(encoding="utf-8")
            taken = set(re.findall(r"^ *from p2pchat import (\w+)", source, re.MULTILINE))
            self.assertEqual(taken - {"__version__"}, set(), module)

    def test_what_is_put_in_is_found(self) -> None:
        """The checks above can fail."""
        wrong = {**ARROWS, "wire.text": ARROWS["wire.text"] | {"node.node"}}
        self.assertEqual(up(wrong), ["wire.text -> node.node"])
        self.assertIn("wire.text", circle(wrong))
        wrong = {**ARROWS, "wire.messages": ARROWS["wire.messages"] | {"wire.session"}}
        self.assertIn("messages", circle(inside("wire", wrong)))
        # No circle of modules, and yet the folder and what lies beside it need each other.
        arrows = {"mesh.mesh": {"mesh.link.a"}, "mesh.link.b": {"mesh.mesh"}, "mesh.link.a": set()}
        self.assertEqual(circle(arrows), [])
        self.assertEqual(circle(inside("mesh", arrows)), ["link", "mesh"])


class KnowledgeTests(SynchronousTestCase):
    def test_the_core_knows_no_network_and_no_clock(self) -> None:
        self.assertEqual(PURE - FILES.keys(), set())
        for module in PURE:
            forbidden = [
                each.target
                for each in IMPORTS[module]
                if each.target.startswith("twisted.internet") or each.target == "socket"
            ]
            source = FILES[module].read_text(encoding="utf-8")
            forbidden += re.findall(r"\b(?:time\.(?:time|monotonic)|datetime\.now)\b", source)
            self.assertEqual(forbidden, [], module)

    def test_the_words_for_a_running_node_know_no_twisted(self) -> None:
        reached = {name for name in FILES if name.startswith(WITHOUT_TWISTED)}
        waiting = [*reached]
        while waiting:
            for each in IMPORTS[waiting.pop()]:
                self.assertFalse(each.target.startswith(("twisted", "zope")) and not each.late)
                if each.target in FILES and each.target not in reached and not each.late:
                    reached.add(each.target)
                    waiting.append(each.target)

    def test_what_is_slow_to_import_is_imported_when_it_is_used(self) -> None:
        for module, imports in IMPORTS.items():
            if module.startswith(MAY_BE_SLOW):
                continue
            at_once = {each.target for each in imports if not each.typing and not each.late}
            slow = {target for target in at_once if target.split(".")[0] in SLOW}
            self.assertEqual(slow, set(), module)

    def test_only_a_person_at_a_terminal_pays_for_the_full_console(self) -> None:
        """Who imports a module that is slow itself does so inside a function."""
        slow = {
            module
            for module, imports in IMPORTS.items()
            if any(each.target.split(".")[0] in SLOW and not each.late for each in imports)
        }
        for module, imports in IMPORTS.items():
            if not module.startswith(MAY_BE_SLOW):
                at_once = {each.target for each in imports if not each.typing and not each.late}
                self.assertEqual(at_once & slow - {"console.full.choose"}, set(), module)

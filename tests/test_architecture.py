"""Imports go one way: what each module may import is a table, and a new module must be entered.

An import that only annotations need (under TYPE_CHECKING) is free, except where a rule below says
that a module must not even know of another.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Final, NamedTuple

from twisted.trial.unittest import SynchronousTestCase

PACKAGE: Final = Path(__file__).parent.parent / "p2pchat"

# Module -> what it may import of ours when it runs. Lower rooms first; the names are those of
# p2pchat's modules, without the prefix.
MAY_IMPORT: Final = {
    # Values and words: nothing of ours but text.
    "text": "",
    "settings": "",
    "stamps": "",
    "steady_clock": "",
    "descriptors": "",
    "damaged": "",
    "bucket": "",
    "checks": "text",
    "settings_table": "checks",
    "config": "checks settings settings_table text",
    "address": "text",
    "messages": "",
    "outputs": "messages",
    "liberal": "messages text",
    "wire": "liberal messages",
    "interfaces": "",
    # What the program says about itself, and how it is told what to do.
    "logs": "text",
    "log_file": "text",
    "log_formats": "logs text",
    "repeated_faults": "",
    "file_names": "",
    "log_output": "file_names log_file log_formats logs repeated_faults",
    "command_line": "checks text",
    "options": "checks command_line config log_output settings_table subcommands text",
    # The core of a node: no sockets, no clock.
    "session_states": "address messages outputs text wire",
    "session": "address messages outputs session_states text",
    "peers": "address",
    "router": "address broadcast logs messages repetitions text wire",
    "broadcast": "",
    "eager": "",
    "polling": "",
    "repetitions": "",
    "admission": "",
    # A node on the network.
    "outflow": "",
    "intake": "bucket",
    "own_name": "logs",
    "link_context": "messages outflow session stamps wire",
    "protocol": "eager intake interfaces liberal messages outflow outputs session_states wire",
    "listener": "admission logs messages protocol text wire",
    "dialer": "admission logs outputs peers protocol text",
    "keepalive": "logs protocol",
    "request_schedule": "",
    "presence": "interfaces logs rendezvous.listing text",
    "observers": "interfaces logs text",
    "duplicate_links": "",
    "dialing": "dialer duplicate_links logs outputs peers",
    "link_account": "logs outputs",
    "mesh": "address admission dialing duplicate_links interfaces keepalive link_account"
    " link_context outputs own_name peers",
    "ports": "",
    "sweep": "logs",
    "node": "address interfaces keeping listener logs mesh messages node_figures observers outputs"
    " peers ports presence protocol request_schedule router session stats sweep text",
    # A person at a node: commands know a node by its interface only.
    "command_queue": "commands logs replies",
    "outbox": "address router text",
    "reports": "text",
    "standard_io": "",
    "history_commands": "address history.outbox history.records text",
    "replies": "text",
    "command_rows": "outbox replies",
    "message_commands": "address command_rows outbox replies router text",
    "waiting": "",
    "peer_commands": "address command_rows rendezvous.listing replies reports waiting",
    "history_replies": "address command_rows history.records history_commands replies router"
    " waiting",
    "commands": "command_rows history_replies logs message_commands outbox peer_commands replies"
    " stats text",
    "screen": "text",
    "input_lines": "text",
    "backpressure": "",
    "display": "interfaces messages peers router text",
    "console": "backpressure command_queue commands display input_lines interfaces options"
    " screen standard_io text",
    # Durable messages: what a node keeps, and where.
    "history.records": "address",
    "history.outbox": "",
    "history.gathering": "history.records",
    "history.segments": "history.records messages",
    "history.showing": "history.losses",
    "history.names": "",
    "history.pages": "history.records history.segments",
    "history.schema": "history.pages history.records history.segments",
    "history.past": "history.names history.records history.segments",
    "history.deleting": "history.pages history.records history.segments",
    "history.database": "damaged history.deleting history.names history.pages history.past"
    " history.records history.schema history.segments",
    "history.searching": "history.pages history.records history.segments",
    "history.reading": "history.records history.schema history.searching history.segments",
    "history.location": "file_names history.records",
    "history.worker": "history.records",
    "history.opening": "history.database history.durable history.location history.reading"
    " history.records history.worker ports",
    "catching_up": "address logs messages wire",
    "keeping": "address catching_up history.outbox logs messages repetitions router text wire",
    "history.export": "address file_names history.location history.reading history.records",
    "history.tidying": "history.segments logs",
    "history.losses": "repetitions",
    "history.store": "history.gathering history.records history.tidying logs",
    "history.outgoing": "history.outbox history.records",
    "history.durable": "history.gathering history.outbox history.outgoing"
    " history.past history.records history.segments history.showing"
    " history.store interfaces logs messages",
    # The full console: what is said and how it looks, then the screen.
    "terminal.choose": "terminal.event_loop",
    "terminal.event_loop": "logs",
    "terminal.tty": "",
    "terminal.past_lines": "logs",
    "terminal.widths": "",
    "terminal.colours": "",
    "terminal.tables": "terminal.widths",
    "terminal.graph": "reports text",
    "terminal.arrivals": "display",
    "terminal.entries": "terminal.colours terminal.tables terminal.widths text",
    "terminal.backlog": "terminal.entries",
    "terminal.bar": "terminal.widths text",
    "terminal.conversations": "address terminal.backlog terminal.entries",
    "terminal.marks": "terminal.entries",
    "terminal.earlier": "display history.outbox history.records logs terminal.entries",
    "terminal.vocabulary": "commands",
    "terminal.talk": "address history.records history_commands message_commands outbox router"
    " terminal.conversations terminal.entries terminal.graph terminal.vocabulary",
    "terminal.news": "display history.records interfaces messages repetitions terminal.arrivals"
    " terminal.entries text",
    "terminal.completion": "logs peers terminal.vocabulary text",
    "terminal.pane": "",
    "terminal.application": "terminal.bar terminal.colours terminal.pane terminal.widths text",
    "terminal.keys": "",
    "terminal.console": "commands logs terminal.application terminal.bar terminal.completion"
    " terminal.conversations terminal.earlier terminal.entries terminal.graph terminal.keys"
    " terminal.marks terminal.news terminal.past_lines terminal.talk terminal.tty",
    # The rendezvous: a server that knows nothing of nodes, and a node's side of it.
    "rendezvous.listing": "",
    "rendezvous.requests": "text",
    "rendezvous.registry": "rendezvous.requests",
    "rendezvous.throttle": "",
    "rendezvous.crowd": "logs",
    "rendezvous.answers": "logs rendezvous.registry rendezvous.requests text",
    "rendezvous.connection": "logs rendezvous.answers rendezvous.crowd rendezvous.requests"
    " rendezvous.throttle",
    "rendezvous.server": "logs rendezvous.connection rendezvous.registry text",
    "rendezvous.database": "damaged logs rendezvous.registry rendezvous.requests",
    "rendezvous.persistence": "damaged logs rendezvous.database rendezvous.registry",
    "rendezvous.replies": "address logs rendezvous.listing text",
    "rendezvous.client": "interfaces logs rendezvous.listing rendezvous.replies text",
    "rendezvous.options": "checks command_line log_output rendezvous.connection"
    " rendezvous.registry settings",
    "rendezvous.tap": "descriptors log_formats log_output logs polling rendezvous.connection"
    " rendezvous.database rendezvous.options rendezvous.persistence rendezvous.registry"
    " rendezvous.server steady_clock text",
    "local_rendezvous": "logs rendezvous.server",
    # Other programs at a node: the control socket, hooks, systemd, metrics.
    "stats": "",
    "node_figures": "log_output outputs peers stats",
    "events": "messages router",
    "hooks": "events interfaces logs observers stamps stats text",
    "notify": "logs text",
    "metrics": "logs observers stats",
    "reload": "logs",
    "administration": "checks control control_paths hooks log_output logs metrics notify ports"
    " reload text",
    "control_data": "",
    "control_feed": "events observers",
    "control_paths": "text",
    "control_requests": "events text",
    "control_answers": "address checks commands control_data control_requests events logs"
    " rendezvous.listing replies router stats text",
    "control_console": "console",
    "control_connection": "control_console control_requests events input_lines logs",
    "control": "control_answers control_connection control_feed control_paths logs stamps stats"
    " text",
    # Short programs that ask a node: nothing of a node, and no Twisted.
    "control_client": "control_paths text",
    "attach": "control_client input_lines text",
    "subcommands": "",
    "completion": "options subcommands",
    "client_options": "subcommands",
    "client_commands": "attach client_options completion control_client control_paths"
    " history.export history.records history_commands subcommands text",
    "cli": "client_commands subcommands tap",
    # Where everything is put together.
    "tap": "*",
    "__main__": "cli",
    "testing.clock": "*",
    "testing.connector": "*",
    "testing.network": "*",
    "testing.transport": "*",
    "testing.directory": "*",
    "testing.nodes": "*",
}

# No sockets, no clock, no reactor, not even in an annotation. (stamps has a clock as a default.)
PURE: Final = {
    "address",
    "bucket",
    "checks",
    "config",
    "liberal",
    "messages",
    "outputs",
    "peers",
    "rendezvous.listing",
    "rendezvous.registry",
    "rendezvous.replies",
    "rendezvous.requests",
    "rendezvous.throttle",
    "request_schedule",
    "router",
    "session",
    "session_states",
    "settings",
    "settings_table",
    "text",
    "wire",
}

# Module -> what it must not know of, not even in an annotation or by way of others.
NODE: Final = {"node", "mesh", "session", "peers", "router", "protocol", "dialer", "wire", "tap"}
MUST_NOT_KNOW: Final = {
    "rendezvous.server": NODE,
    "rendezvous.tap": NODE,
    "wire": NODE - {"wire"},
    "session": NODE - {"wire", "session"},
    "session_states": NODE - {"wire", "session"},
    "command_rows": {"node", "mesh", "protocol", "dialer", "tap"},
    "commands": {"node", "mesh", "protocol", "dialer", "tap"},
}

# Slow to import: only inside functions, or in the modules named here, which are imported so.
SLOW: Final = {"asyncio", "multiprocessing", "prompt_toolkit", "sqlite3", "ssl", "uuid"}
SLOW_ROOMS: Final = {
    *(
        f"terminal.{name}"
        for name in (
            "application",
            "backlog",
            "bar",
            "colours",
            "completion",
            "console",
            "conversations",
            "earlier",
            "entries",
            "event_loop",
            "keys",
            "marks",
            "news",
            "pane",
            "past_lines",
            "tables",
            "talk",
            "tty",
            "widths",
        )
    ),
    "damaged",
    "history.database",
    "history.reading",
    "history.schema",
    "history.searching",
    "rendezvous.database",
    "rendezvous.persistence",
}


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


class ArchitectureTests(SynchronousTestCase):
    def test_the_table_lists_every_module_and_no_other(self) -> None:
        modules = FILES.keys() - PACKAGES
        self.assertEqual(
            sorted(modules - MAY_IMPORT.keys()),
            [],
            "enter these new modules in MAY_IMPORT, with what they may import",
        )
        self.assertEqual(
            sorted(MAY_IMPORT.keys() - modules), [], "these modules are gone: remove their lines"
        )

    def test_packages_import_nothing(self) -> None:
        for package in PACKAGES:
            self.assertEqual(IMPORTS[package], [], f"p2pchat.{package}")

    def test_every_module_imports_only_what_the_table_allows(self) -> None:
        for module, allowed in MAY_IMPORT.items():
            if allowed == "*" or module not in IMPORTS:
                continue
            used = {each.target for each in IMPORTS[module] if not each.typing}
            extra = (used & FILES.keys()) - PACKAGES - set(allowed.split())
            self.assertEqual(extra, set(), f"{module} may not import these (see MAY_IMPORT)")

    def test_the_table_goes_one_way(self) -> None:
        allowed = {
            module: set() if names == "*" else set(names.split())
            for module, names in MAY_IMPORT.items()
        }
        self.assertEqual(set().union(*allowed.values()) - allowed.keys(), set(), "unknown names")
        while allowed:
            free = {module for module, names in allowed.items() if not names}
            self.assertNotEqual(free, set(), f"these import each other: {sorted(allowed)}")
            allowed = {
                module: names - free for module, names in allowed.items() if module not in free
            }

    def test_the_core_knows_no_network_and_no_clock(self) -> None:
        for module in PURE & FILES.keys():
            forbidden = [
                each.target
                for each in IMPORTS[module]
                if each.target.startswith("twisted.internet") or each.target == "socket"
            ]
            source = FILES[module].read_text(encoding="utf-8")
            forbidden += re.findall(r"\b(?:time\.(?:time|monotonic)|datetime\.now)\b", source)
            self.assertEqual(forbidden, [], module)

    def test_who_must_not_know_of_whom(self) -> None:
        for module, forbidden in MUST_NOT_KNOW.items():
            if module not in FILES:
                continue
            reached = {each.target for each in IMPORTS[module]} & FILES.keys()
            waiting = [*reached]
            while waiting:
                for each in IMPORTS[waiting.pop()]:
                    if each.target in FILES and each.target not in reached and not each.typing:
                        reached.add(each.target)
                        waiting.append(each.target)
            self.assertEqual(reached & forbidden, set(), module)

    def test_what_is_slow_to_import_is_imported_when_it_is_used(self) -> None:
        for module, imports in IMPORTS.items():
            at_once = {each.target for each in imports if not each.typing and not each.late}
            slow = {target for target in at_once if target.split(".")[0] in SLOW}
            if module not in SLOW_ROOMS:
                self.assertEqual(slow | (at_once & SLOW_ROOMS), set(), module)

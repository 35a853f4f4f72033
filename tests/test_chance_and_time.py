"""Where p2pchat takes chance and time from the system: one list, checked.

All else is given them, so that one seed makes one world. A place that is not listed fails the
first test, and so does a listed one that is no more. A time that is given may be written in any
form: `time.gmtime(second)` is no clock, `time.gmtime()` is one.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

import p2pchat

PACKAGE: Final = Path(str(p2pchat.__file__)).parent

PLACES: Final = {
    # A node is given its own by who makes it; these are for a real one.
    "node/node.py": {"os.urandom", "random.uniform", "time.time"},
    # What handshakes cost is CPU time; who makes the keys of a node may bring another meter.
    "mesh/identity/key_file.py": {"time.thread_time"},
    "mesh/identity/keys.py": {"time.thread_time"},
    "mesh/identity/next_key.py": {"time.thread_time"},
    # The same for a rendezvous, and for who serves that of a machine.
    "rendezvous/answers.py": {"time.monotonic"},
    "rendezvous/connection.py": {"time.monotonic"},
    "rendezvous/local.py": {"random.uniform"},
    "rendezvous/roster.py": {"random.random", "random.sample"},
    "rendezvous/server.py": {"time.monotonic"},
    "rendezvous/stores/journal.py": {"time.monotonic", "time.time"},
    "rendezvous/stores/shared.py": {"time.monotonic", "time.time"},
    "service/rendezvous_shared.py": {"os.urandom"},
    # The name of a damaged file, when nobody says what time it is.
    "history/database.py": {"time.time"},
    "sqlite.py": {"time.time"},
    # The log of a program: when its file is opened. Its lines bring their times.
    "logs/output.py": {"time.time"},
    # The clock by which the reactor of a program goes, and by which systemd does.
    "service/notify.py": {"time.monotonic"},
    "service/own_keys.py": {"os.urandom"},
    # The key of the page, and the tokens for it.
    "web/service.py": {"os.urandom"},
    "service/process.py": {"time.monotonic"},
    # A question to a rendezvous before there is a reactor.
    "service/own_name.py": {"time.monotonic"},
    # Programs of their own, which ask a node over its socket.
    "bot/connection.py": {"asyncio.sleep"},
    "control/client/attach.py": {"time.monotonic"},
    "control/client/doctor.py": {"time.gmtime", "time.monotonic"},
    "control/client/event_lines.py": {"time.time"},
    "control/client/finding.py": {"time.monotonic"},
    "control/client/listening.py": {"os.urandom", "time.monotonic"},
    "control/client/following.py": {"time.sleep"},
    # A file for the browser, until it has been used.
    "control/client/web.py": {"tempfile.mkstemp", "time.monotonic", "time.sleep"},
    "control/client/keys.py": {"os.urandom", "time.time"},
    # What makes the worlds: generators of their own, which the seed begins.
    "testing/databases.py": {"random.Random"},
    "testing/disk.py": {"random.Random"},
    "testing/events.py": {"random.Random"},
    "testing/folder.py": {"random.Random"},
    "testing/liar.py": {"random.Random"},
    "testing/lying_link.py": {"random.Random"},
    "testing/nodes.py": {"random.Random"},
    "testing/served_bot.py": {"random.Random"},
    "testing/versions.py": {"random.Random"},
    # How long a call of a bot takes really: one that blocks the reactor.
    "testing/worlds/bot_life.py": {"time.perf_counter"},
    "testing/worlds/kind.py": {"random.Random"},
}
"""Module -> what it takes from the system."""

ALL_OF: Final = ("datetime", "random", "secrets", "uuid")
"""Modules of which every name counts."""
SOME_OF: Final = {
    "asyncio": ("sleep",),
    "os": ("getrandom", "times", "urandom"),
    "time": (
        *("clock_gettime", "get_clock_info", "monotonic", "perf_counter", "process_time"),
        *("sleep", "thread_time", "time"),
        *("clock_gettime_ns", "monotonic_ns", "perf_counter_ns", "process_time_ns"),
        *("thread_time_ns", "time_ns"),
    ),
    "twisted.python.runtime": ("seconds",),
    "tempfile": ("mkdtemp", "mkstemp", "mktemp"),
}
"""Module -> the names of it that count."""
SECOND: Final = {"asctime": 0, "ctime": 0, "gmtime": 0, "localtime": 0, "strftime": 1}
"""What of `time` looks at the clock unless it gets a time, and the place of that."""

RUNTIME: Final = "twisted.python.runtime.seconds"


def is_source(name: str) -> bool:
    """Whether `module.name` is chance or a clock."""
    module, _, attribute = name.rpartition(".")
    return module in ALL_OF or attribute in SOME_OF.get(module, ())


def taken(source: str) -> set[str]:
    """The names of chance and of clocks that a module uses, whatever it calls them."""
    tree = ast.parse(source)
    called: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                first = each.name.partition(".")[0]
                called[each.asname or first] = each.name if each.asname else first
        elif isinstance(node, ast.ImportFrom):
            for each in node.names:
                called[each.asname or each.name] = f"{node.module}.{each.name}"

    def name_of(node: ast.expr) -> str:
        text = ast.unparse(node) if isinstance(node, (ast.Name, ast.Attribute)) else ""
        first, dot, rest = text.partition(".")
        return called.get(text) or called.get(first, "") + dot + rest

    found = set()
    given: set[ast.expr] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            module, _, attribute = name_of(node.func).rpartition(".")
            if module == "time" and len(node.args) > SECOND.get(attribute, len(node.args)):
                given.add(node.func)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Name, ast.Attribute)):
            name = name_of(node)
            module, _, attribute = name.rpartition(".")
            if is_source(name) or (module == "time" and attribute in SECOND and node not in given):
                found.add(name)
    return found


class ListTests(SynchronousTestCase):
    def test_the_list_is_complete(self) -> None:
        self.maxDiff = None
        found = {
            path.relative_to(PACKAGE).as_posix(): taken(path.read_text(encoding="utf-8"))
            for path in PACKAGE.rglob("*.py")
        }
        self.assertEqual({place: names for place, names in found.items() if names}, PLACES)

    def test_a_new_place_is_found(self) -> None:
        for source, names in (
            ("import time\ndef f(): return time.time()", {"time.time"}),
            ("import time as t\ndef f(clock=t.monotonic): ...", {"time.monotonic"}),
            ("def f():\n from time import time as now\n return now()", {"time.time"}),
            ("import time\ntime.sleep(1)", {"time.sleep"}),
            ("import time\ntime.strftime('%H:%M')", {"time.strftime"}),
            ("import time\nf = time.localtime", {"time.localtime"}),
            ("import os\nos.urandom(8)", {"os.urandom"}),
            ("from os import urandom\nf = urandom", {"os.urandom"}),
            ("import random\nrandom.choice('ab')", {"random.choice"}),
            ("from uuid import uuid4\nuuid4()", {"uuid.uuid4"}),
            ("import secrets\nsecrets.token_hex()", {"secrets.token_hex"}),
            ("from datetime import datetime\ndatetime.now()", {"datetime.datetime"}),
            ("import datetime\ndatetime.date.today()", {"datetime.date"}),
            ("from twisted.python import runtime\nruntime.seconds()", {RUNTIME}),
            ("import twisted.python.runtime\ntwisted.python.runtime.seconds()", {RUNTIME}),
        ):
            self.assertEqual(taken(source), names, source)
        for source in (
            "import time\ntime.strftime('%H:%M', time.gmtime(second))",
            "from time import localtime\nlocaltime(at)",
            "def f(time, random): return time.time(), random.uniform(0, 1)",
            "import os\nos.path.exists('x')",
        ):
            self.assertEqual(taken(source), set(), source)

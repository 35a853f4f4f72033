"""Where p2pchat looks at parts of Twisted that are not its public interface: one list, checked.

A place that is not listed fails the first test. A new Twisted without one of the parts fails the
second. What is done with them is tested beside the code: `tests/processes/test_write_now.py`,
`tests/processes/test_process.py`.
"""

from __future__ import annotations

import ast
import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.base import DelayedCall
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.tcp import Server
from twisted.python.log import callWithLogger
from twisted.trial.unittest import SynchronousTestCase

import p2pchat

PACKAGE: Final = Path(str(p2pchat.__file__)).parent

PLACES: Final = {
    "mesh/link/send_queue.py write_now": {
        "TLS",
        "_tempDataLen",
        "_writeDisconnected",
        "dataBuffer",
    },
    "service/process.py use_steady_clock": {"seconds"},
    "service/process.py poll_directly": {
        "_POLL_IN",
        "_disconnectSelectable",
        "_doReadOrWrite",
        "_justStopped",
        "_newTimedCalls",
        "_pendingTimedCalls",
        "_poller",
        "_selectables",
        "doIteration",
        "doPoll",
        "threadCallQueue",
    },
    "rendezvous/connection_limit.py begin_small_batches": {"numberAccepts"},
    "mesh/link/listener.py accept_few": {"numberAccepts"},
    "dual_stack.py TwoPorts": {"numberAccepts"},
    "console/plain/backpressure.py _sign": {"dataBuffer", "offset"},
    "console/full/event_loop.py _directly": {"callWithLogger"},
    "testing/clock.py FakeClock": {"activate_delay", "delayed_time"},
}
"""Place -> what it looks at. Its docstring must say so."""

INTERNAL: Final = {
    "TLS",
    "activate_delay",
    "callWithLogger",
    "dataBuffer",
    "delayed_time",
    "doIteration",
    "doPoll",
    "numberAccepts",
    "offset",
    "threadCallQueue",
}
"""Names without an underscore that Twisted promises nobody, and that nothing of ours has."""
PUBLIC: Final = ("_asdict", "_make", "_replace", "_exit")
"""Public, although they begin as private names do: of named tuples, and of `os`."""
INTERNAL_MODULES: Final = ("twisted.internet.base", "twisted.internet.posixbase")


class Scan(ast.NodeVisitor):
    """What one module looks at, by the outermost function or class that does it."""

    def __init__(self, ours: set[str]) -> None:
        self.found: dict[str, set[str]] = {}
        self._ours = ours
        self._place = ""
        self._imported: dict[str, str] = {}

    def _note(self, name: str) -> None:
        self.found.setdefault(self._place, set()).add(name)

    def _visit_place(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        outer, self._place = self._place, self._place or node.name
        self.generic_visit(node)
        self._place = outer

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _visit_place

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """A name from an internal module, and a private name from any."""
        module = str(node.module)
        if not module.startswith("twisted"):
            return
        for alias in node.names:
            if module in INTERNAL_MODULES or f"{module}.{alias.name}" in INTERNAL_MODULES:
                self._imported[alias.asname or alias.name] = module
            elif is_private(alias.name) or "._" in module:
                self._note(f"{module}.{alias.name}")

    def visit_Name(self, node: ast.Name) -> None:
        """The use of such a name, where it says more than an annotation does."""
        if node.id in INTERNAL:
            self._note(node.id)

    def visit_Call(self, node: ast.Call) -> None:
        """The use of what is from an internal module."""
        if isinstance(node.func, ast.Name) and node.func.id in self._imported:
            self._note(self._imported[node.func.id])
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """`it.name`, whatever `it` is."""
        self._look(node.attr)
        if not isinstance(node.ctx, ast.Load) and ast.unparse(node.value) == "reactor":
            self._note(node.attr)  # nobody may set an attribute of the reactor
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        """`"name"`, which may be for `getattr`."""
        if isinstance(node.value, str) and node.value.isidentifier():
            self._look(node.value)

    def visit_Expr(self, node: ast.Expr) -> None:
        """Not docstrings."""
        if not isinstance(node.value, ast.Constant):
            self.generic_visit(node)

    def _look(self, name: str) -> None:
        if name in INTERNAL or (is_private(name) and name not in self._ours):
            self._note(name)


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__") and name not in PUBLIC


def defined(tree: ast.AST) -> Iterator[str]:
    """The names that a module of ours defines: functions, classes, variables, attributes."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield from [node.attr] if ast.unparse(node.value) in ("self", "cls") else []


def scanned(sources: dict[str, str]) -> dict[str, set[str]]:
    """Place -> what it looks at, in these modules (path -> source)."""
    trees = {path: ast.parse(source) for path, source in sources.items()}
    ours = {name for tree in trees.values() for name in defined(tree)}
    found = {}
    for path, tree in trees.items():
        scan = Scan(ours)
        scan.visit(tree)
        found.update({f"{path} {place}".strip(): names for place, names in scan.found.items()})
    return found


def sources() -> dict[str, str]:
    return {
        path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8")
        for path in PACKAGE.rglob("*.py")
    }


class ListTests(SynchronousTestCase):
    def test_the_list_is_complete(self) -> None:
        self.maxDiff = None
        self.assertEqual(scanned(sources()), PLACES)

    def test_each_place_says_so(self) -> None:
        texts = sources()
        for place in PLACES:
            path, name = place.split()
            (node,) = (
                node
                for node in ast.walk(ast.parse(texts[path]))
                if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == name
            )
            said = " ".join((ast.get_docstring(node) or "").split())
            self.assertIn("private part", said, place)
            self.assertIn("Twisted", said, place)

    def test_a_new_place_is_found(self) -> None:
        for source, names in (
            ("def f(reactor): return reactor._newTimedCalls", {"_newTimedCalls"}),
            ("def f(it): return getattr(it, '_tempDataLen', 0)", {"_tempDataLen"}),
            ("def f(it): return it.dataBuffer", {"dataBuffer"}),
            ("def f(reactor): reactor.callLater = None", {"callLater"}),
            ("def f():\n from twisted.python import _url", {"twisted.python._url"}),
            ("class f:\n def g(self): return self._alreadyPaused", {"_alreadyPaused"}),
        ):
            self.assertEqual(scanned({"x.py": source}), {"x.py f": names})
        for source in (
            "class f:\n def g(self): self._it = 1; return self._it",
            "def f(it): '_tempDataLen'; return it.__class__",
            "def f(transport): transport.write(b'')",
        ):
            self.assertEqual(scanned({"x.py": source}), {}, source)


class InstalledTests(SynchronousTestCase):
    """What is listed exists in the Twisted that is installed."""

    def has(self, it: object, place: str, *more: str) -> None:
        for name in (*PLACES[place], *more):
            self.assertTrue(hasattr(it, name), name)

    def reactor(self) -> Any:
        reactor: Any = EPollReactor()
        self.addCleanup(discard, reactor)
        return reactor

    def test_a_connection(self) -> None:
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        port: Any = None
        server = Server(ours, Protocol(), ("", 0), port, 0, self.reactor())
        self.has(server, "mesh/link/send_queue.py write_now", "connected", "disconnecting")
        self.has(server, "console/plain/backpressure.py _sign")

    def test_a_port(self) -> None:
        port = self.reactor().listenTCP(0, ServerFactory(), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        self.has(port, "rendezvous/connection_limit.py begin_small_batches")
        self.has(port, "mesh/link/listener.py accept_few")

    def test_a_reactor(self) -> None:
        self.has(self.reactor(), "service/process.py poll_directly", "running", "seconds")
        self.assertIs(EPollReactor.doIteration, EPollReactor.doPoll)

    def test_a_delayed_call(self) -> None:
        def nothing(*_: object) -> None:
            pass

        call = DelayedCall(1.0, nothing, (), {}, nothing, nothing)
        for name in ("time", "delayed_time", "called", "func", "args", "kw", "activate_delay"):
            self.assertTrue(hasattr(call, name), name)

    def test_how_the_asyncio_reactor_asks_for_events(self) -> None:
        asked: list[tuple[Any, ...]] = []

        loop: Any = asyncio.SelectorEventLoop()
        loop.add_reader = lambda *arguments: asked.append(arguments)
        reactor: Any = AsyncioSelectorReactor(loop)
        self.addCleanup(discard, reactor)
        waker = reactor.waker
        expected = (waker.fileno(), callWithLogger, waker, reactor._readOrWrite, waker, True)
        self.assertIn(expected, asked)


def discard(reactor: Any) -> None:
    """Close what a reactor that never ran holds."""
    reactor.removeAll()
    for end in (reactor.waker.i, reactor.waker.o):
        os.close(end)
    if isinstance(reactor, AsyncioSelectorReactor):
        reactor._asyncioEventloop.close()
    else:
        reactor._poller.close()

"""Which sentences of a source file nobody has marked for the catalogue: a look at its syntax.

Rules: a string is a sentence when it has two words, or more. Docstrings, what is logged, what is
compiled or asked of a database, and types are none. What cannot be told apart this way is in a list
of the test. A single word that is shown is not found.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

MARKS = {"_", "N_", "ngettext", "Sentence", "counted"}
"""The calls whose literals are in the catalogue."""

_WORDS = re.compile(r"[^\W\d_]{2,}[^\w{}]* [^\n]*[^\W\d_]{2,}")
_LOGGED = re.compile(r"(log|limited|remarks?)\.(debug|info|warn|error|failure|critical|emit)$")
_NO_SENTENCES = re.compile(
    r"re\.\w+$|cast$|TypeVar$|NewType$|execute(many|script)?$|strftime$|Remark$|_remark$"
    r"|NotImplementedError$|AssertionError$|RuntimeError$|TypeError$"
)
"""What is called with something else: patterns, types, SQL, errors of who wrote the program."""


def unmarked(source: str) -> Iterator[tuple[int, str]]:
    """(line, text) of each sentence outside every mark; of an f-string its literal parts."""
    tree = ast.parse(source)
    docstrings = {id(string) for string in _docstrings(tree)}

    def look(node: ast.AST) -> Iterator[tuple[int, str]]:
        if id(node) in docstrings or isinstance(node, ast.Assert):
            return
        if isinstance(node, ast.AnnAssign):  # the annotation may be text
            if node.value is not None and ast.unparse(node.annotation) != "TypeAlias":
                yield from look(node.value)
            return
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in MARKS:
                # Values that are put in may be sentences themselves.
                for keyword in node.keywords:
                    yield from look(keyword.value)
                return
            if _LOGGED.search(name) or _NO_SENTENCES.search(name):
                return
        if isinstance(node, ast.JoinedStr):
            text = "".join(_part(value) for value in node.values)
            if _WORDS.search(text):
                yield node.lineno, text
            for value in node.values:
                if isinstance(value, ast.FormattedValue):
                    yield from look(value.value)
            return
        if isinstance(node, ast.Constant):
            if isinstance(node.value, str) and _WORDS.search(node.value):
                yield node.lineno, node.value
            return
        for child in ast.iter_child_nodes(node):
            yield from look(child)

    yield from look(tree)


def no_literal(source: str) -> Iterator[tuple[int, str]]:
    """(line, call) of each mark of a sentence with fields that is given something else.

    A template from outside could ask for anything; only `_` takes what a table has.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in MARKS - {"_"}:
            count = 2 if ast.unparse(node.func) in ("ngettext", "counted") else 1
            texts = node.args[:count]
            if not all(isinstance(it, ast.Constant) for it in texts) or len(texts) < count:
                yield node.lineno, ast.unparse(node)


def marked(source: str) -> Iterator[tuple[int, str]]:
    """(line, text) of each literal that a mark has first, as the key of the catalogue."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in MARKS and node.args:
            text = node.args[0]
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                yield node.lineno, text.value


def hidden(source: str) -> Iterator[tuple[int, str]]:
    """(line, what) of each other thing that is called `_` in a file that imports the mark.

    There `_("...")` would call that, or take it from the whole file.
    """
    tree = ast.parse(source)
    imports = (node for node in tree.body if isinstance(node, ast.ImportFrom))
    if not any(alias.name == "_" for node in imports for alias in node.names):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and node.arg == "_":
            yield node.lineno, "an argument"
        elif isinstance(node, ast.Name) and node.id == "_" and not isinstance(node.ctx, ast.Load):
            yield node.lineno, "a variable"


def bare_errors(source: str, errors: set[str]) -> Iterator[tuple[int, str]]:
    """(line, call) of each of these errors that is made with a bare string."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in errors and node.args:
            text = ast.unparse(node.args[0])
            literal = isinstance(node.args[0], (ast.Constant, ast.JoinedStr, ast.BinOp))
            if literal or re.match(r"str\(|_\(|.*\.format\(", text):
                yield node.lineno, ast.unparse(node)


def _docstrings(tree: ast.Module) -> Iterator[ast.Constant]:
    """Every string that stands for itself: those of modules, classes, functions and attributes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value


def _part(value: ast.expr) -> str:
    return str(value.value) if isinstance(value, ast.Constant) else "{}"
